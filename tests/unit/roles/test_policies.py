# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the policy documents allow, word for word: a right more is a decision, so it changes this file too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jinja2
import pytest
from ansible_collections.trainyard.aws.plugins.filter.secret_arns import secret_arns

ROLES = Path(__file__).resolve().parents[3] / "roles"
BUCKET = "trainyard-dcgan-123456789012-us-east-1"
ARN = f"arn:aws:s3:::{BUCKET}"
NODE_POLICY = "aws_identity/templates/node_policy.json.j2"
BUCKET_POLICY = "aws_storage/templates/bucket_policy.json.j2"
MONITOR_POLICY = "aws_monitor/templates/monitor_policy.json.j2"
TERMINATION_POLICY = "aws_identity/templates/termination_policy.json.j2"
TERMINATION_TRUST = "aws_identity/templates/termination_trust_policy.json.j2"
TRUST_POLICY = "aws_identity/files/assume_role_policy.json"


# Actions for which AWS knows no resource; a condition or their harmlessness has to do.
WITHOUT_RESOURCE = {
    "ecr:GetAuthorizationToken",
    "cloudwatch:PutMetricData",
    "ssm:UpdateInstanceInformation",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
}
SSM = {action for action in WITHOUT_RESOURCE if action.startswith("ssm")}
MONITOR_READS = {
    "cloudwatch:DescribeAlarmHistory",
    "cloudwatch:DescribeAlarms",
    "cloudwatch:DescribeAlarmsForMetric",
    "cloudwatch:GetMetricData",
    "cloudwatch:ListMetrics",
    "ec2:DescribeInstances",
    "ec2:DescribeRegions",
    "ec2:DescribeTags",
    "logs:DescribeLogGroups",
    "logs:GetQueryResults",
    "logs:StopQuery",
    "tag:GetResources",
}
INPUTS = {
    "stack_name": "dcgan",
    "stack_region": "us-east-1",
    "aws_identity_account_id": "123456789012",
    "aws_identity_bucket": BUCKET,
    "aws_identity_datasets": ["my-bucket/images/"],
    "aws_identity_secrets": ["ssm:/team/hf-token", "secretsmanager:wandb#api_key"],
    "aws_identity_secrets_keys": ["arn:aws:kms:us-east-1:123456789012:key/1"],
    "aws_identity_ssm_enabled": True,
    "aws_identity_schedule_group": "trainyard-dcgan",
    "aws_monitor_account_id": "123456789012",
    "aws_monitor_bucket": BUCKET,
    "aws_monitor_ssm_enabled": True,
    "aws_storage_bucket": BUCKET,
    "aws_storage_account_id": "123456789012",
    "aws_storage_flow_logs_enabled": False,
}


def document(path: str, **changes: Any) -> dict[str, Any]:
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701 - JSON, not HTML
    environment.filters["trainyard.aws.secret_arns"] = secret_arns
    text = environment.from_string((ROLES / path).read_text(encoding="utf-8"))
    return json.loads(text.render(INPUTS | changes))


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def statements(path: str) -> list[dict[str, Any]]:
    found = document(path)
    assert sorted(found) == ["Statement", "Version"]
    assert found["Version"] == "2012-10-17"
    return found["Statement"]


def rights(path: str) -> set[tuple[str, str, str]]:
    return {
        (statement["Effect"], action, resource)
        for statement in statements(path)
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    }


def test_a_node_may_do_what_training_needs_and_nothing_else() -> None:
    region = "us-east-1:123456789012"
    repositories = f"arn:aws:ecr:{region}:repository/*"
    assert rights(NODE_POLICY) == {
        ("Allow", "s3:GetObject", f"{ARN}/runs/*"),
        ("Allow", "s3:PutObject", f"{ARN}/runs/*"),
        ("Allow", "s3:AbortMultipartUpload", f"{ARN}/runs/*"),
        ("Allow", "s3:ListMultipartUploadParts", f"{ARN}/runs/*"),
        ("Allow", "s3:DeleteObject", f"{ARN}/runs/*/checkpoints/*"),
        ("Allow", "s3:ListBucket", ARN),
        ("Allow", "s3:GetObject", "arn:aws:s3:::my-bucket/images/*"),
        ("Allow", "s3:ListBucket", "arn:aws:s3:::my-bucket"),
        ("Allow", "ssm:GetParameter", f"arn:aws:ssm:{region}:parameter/team/hf-token"),
        ("Allow", "secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:{region}:secret:wandb-??????"),
        ("Allow", "kms:Decrypt", f"arn:aws:kms:{region}:key/1"),
        ("Allow", "elasticfilesystem:ClientMount", f"arn:aws:elasticfilesystem:{region}:file-system/*"),
        ("Allow", "elasticfilesystem:ClientWrite", f"arn:aws:elasticfilesystem:{region}:file-system/*"),
        ("Allow", "ecr:BatchGetImage", repositories),
        ("Allow", "ecr:GetDownloadUrlForLayer", repositories),
        ("Allow", "ecr:BatchCheckLayerAvailability", repositories),
        ("Allow", "logs:CreateLogStream", f"arn:aws:logs:{region}:log-group:/trainyard/dcgan:*"),
        ("Allow", "logs:PutLogEvents", f"arn:aws:logs:{region}:log-group:/trainyard/dcgan:*"),
        *(("Allow", action, "*") for action in WITHOUT_RESOURCE),
    }


def test_conditions_hold_a_node_to_its_own_stack() -> None:
    conditions = {
        statement["Sid"]: statement["Condition"] for statement in statements(NODE_POLICY) if "Condition" in statement
    }
    assert conditions == {
        "DecryptSecrets": {
            "StringLike": {"kms:ViaService": ["ssm.*.amazonaws.com*", "secretsmanager.*.amazonaws.com*"]}
        },
        "ListDataset1": {"StringLike": {"s3:prefix": "images/*"}},
        "MountFileSystem": {
            "StringEquals": {"aws:ResourceTag/trainyard:stack": "dcgan"},
            "StringLike": {
                "elasticfilesystem:AccessPointArn": "arn:aws:elasticfilesystem:us-east-1:123456789012:access-point/*"
            },
        },
        "WriteMetrics": {"StringEquals": {"cloudwatch:namespace": "trainyard/dcgan"}},
    }


def test_a_node_talks_to_ssm_only_where_ssm_is_the_door() -> None:
    without = document(NODE_POLICY, aws_identity_ssm_enabled=False, aws_identity_secrets=[])["Statement"]
    assert not [action for statement in without for action in listed(statement["Action"]) if action.startswith("ssm")]


def test_a_node_reads_no_secret_unless_one_is_named() -> None:
    without = document(NODE_POLICY, aws_identity_secrets=[], aws_identity_secrets_keys=[])["Statement"]
    actions = [action for statement in without for action in listed(statement["Action"])]
    assert not [each for each in actions if each.startswith(("secretsmanager", "kms", "ssm:GetParameter"))]


def test_the_monitor_reads_what_it_shows_and_nothing_else() -> None:
    group = "arn:aws:logs:us-east-1:123456789012:log-group:/trainyard/dcgan"
    assert rights(MONITOR_POLICY) == {
        ("Allow", "s3:GetObject", f"{ARN}/runs/*"),
        ("Allow", "s3:ListBucket", ARN),
        *(
            ("Allow", f"logs:{action}", resource)
            for action in ("GetLogEvents", "GetLogGroupFields", "StartQuery")
            for resource in (group, f"{group}:*")
        ),
        *(("Allow", action, "*") for action in MONITOR_READS | SSM),
    }
    (listing,) = [statement for statement in statements(MONITOR_POLICY) if statement["Action"] == "s3:ListBucket"]
    assert listing["Condition"] == {"StringLike": {"s3:prefix": "runs/*"}}


def test_the_monitor_talks_to_ssm_only_where_ssm_is_the_door() -> None:
    without = document(MONITOR_POLICY, aws_monitor_ssm_enabled=False)["Statement"]
    assert not [action for statement in without for action in listed(statement["Action"]) if action.startswith("ssm")]


def test_the_account_ends_training_nodes_of_the_stack_and_does_nothing_else() -> None:
    (statement,) = statements(TERMINATION_POLICY)
    assert rights(TERMINATION_POLICY) == {
        ("Allow", "ec2:TerminateInstances", "arn:aws:ec2:us-east-1:123456789012:instance/*")
    }
    ours = {"aws:ResourceTag/trainyard:stack": "dcgan", "aws:ResourceTag/trainyard:component": "node"}
    assert statement["Condition"] == {"StringEquals": ours}


def test_the_scheduler_takes_its_role_for_schedules_of_the_stack_only() -> None:
    (statement,) = statements(TERMINATION_TRUST)
    group = "arn:aws:scheduler:us-east-1:123456789012:schedule-group/trainyard-dcgan"
    assert statement == {
        "Effect": "Allow",
        "Principal": {"Service": "scheduler.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"aws:SourceAccount": "123456789012", "aws:SourceArn": group}},
    }


def test_the_bucket_refuses_whatever_comes_without_tls() -> None:
    assert rights(BUCKET_POLICY) == {("Deny", "s3:*", ARN), ("Deny", "s3:*", f"{ARN}/*")}
    (statement,) = statements(BUCKET_POLICY)
    assert statement["Principal"] == "*"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_flow_logs_of_this_account_alone_are_let_in_where_they_are_asked_for() -> None:
    *let_in, refuse = document(BUCKET_POLICY, aws_storage_flow_logs_enabled=True)["Statement"]
    assert refuse["Sid"] == "RefuseUnencryptedTransport"
    assert [(statement["Action"], statement["Resource"]) for statement in let_in] == [
        ("s3:PutObject", f"{ARN}/flow-logs/AWSLogs/123456789012/*"),
        ("s3:GetBucketAcl", ARN),
    ]
    for statement in let_in:
        assert statement["Principal"] == {"Service": "delivery.logs.amazonaws.com"}
        assert statement["Condition"]["StringEquals"]["aws:SourceAccount"] == "123456789012"
        assert statement["Condition"]["ArnLike"] == {"aws:SourceArn": "arn:aws:logs:us-east-1:123456789012:*"}


@pytest.mark.parametrize("path", [TRUST_POLICY, "aws_monitor/files/assume_role_policy.json"])
def test_only_instances_take_the_role_of_nodes_and_monitor(path: str) -> None:
    assert statements(path) == [
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ]


@pytest.mark.parametrize("path", [NODE_POLICY, MONITOR_POLICY, BUCKET_POLICY])
def test_only_words_with_a_meaning_for_aws_stand_in_a_statement(path: str) -> None:
    for statement in statements(path):
        assert set(statement) <= {"Sid", "Effect", "Principal", "Action", "Resource", "Condition"}


@pytest.mark.parametrize(
    "path",
    sorted(
        str(path.relative_to(ROLES))
        for path in ROLES.rglob("*polic*")
        if path.is_file() and path.suffix in (".json", ".j2")
    ),
)
def test_nothing_is_allowed_by_a_wildcard(path: str) -> None:
    for statement in statements(path):
        if statement["Effect"] == "Allow":
            assert not [action for action in listed(statement["Action"]) if "*" in action]
            if not set(listed(statement["Action"])) <= WITHOUT_RESOURCE | MONITOR_READS:
                assert "*" not in listed(statement.get("Resource", []))
            assert statement.get("Principal") != "*"

# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _operator_policy as policy
from ansible_collections.trainyard.aws.plugins.module_utils._operator_policy import Plan
from ansible_collections.trainyard.aws.plugins.module_utils._stack import names_of

PLAN = Plan(
    "dcgan",
    "123456789012",
    "us-east-1",
    "trainyard-dcgan-123456789012-us-east-1",
    "trainyard-dcgan-us-east-1-node",
    "trainyard-dcgan-us-east-1-termination",
    "trainyard-dcgan",
    "trainyard-dcgan-us-east-1-monitor",
    "/trainyard/dcgan/grafana-admin-password",
    names_of("dcgan", "123456789012", "us-east-1").alarms,
    monitor="none",
)
EVERYTHING = replace(
    PLAN,
    door="ssm",
    egress="endpoints",
    markets=("spot", "on-demand"),
    flow_logs=True,
    lustre=True,
    termination_schedules=True,
    monitor="bastion",
    boundary="arn:aws:iam::123456789012:policy/edge",
    parameters=("/images/mine",),
    adopted={"vpc_id": "vpc-1", "private_subnet_ids": ["subnet-1"], "bucket": "mine", "file_system_id": "fs-1"},
)
PLANS = [pytest.param(PLAN, id="least"), pytest.param(EVERYTHING, id="most")]
# Writes for which AWS offers neither a resource nor a tag to hold on to; each statement says why.
LOOSE = {"logs:CreateLogDelivery", "logs:DeleteLogDelivery"}
MONITOR = {"KeepMonitorRole", "GiveMonitorRole", "HandOnMonitorRole", "KeepPassword", "ListParameters"}
READS = ("Describe", "Get", "List", "Simulate")


def by_sid(plan: Plan) -> dict[str, dict[str, Any]]:
    return {statement.sid: statement.as_dict() for statement in policy.statements(plan)}


@pytest.mark.parametrize("plan", PLANS)
def test_no_action_is_a_wildcard_and_none_stands_twice_in_a_statement(plan: Plan) -> None:
    for statement in policy.statements(plan):
        assert not [action for action in statement.actions if "*" in action]
        assert len(set(statement.actions)) == len(statement.actions)
        assert statement.why


@pytest.mark.parametrize("plan", PLANS)
def test_whatever_writes_is_held_by_a_name_or_a_tag(plan: Plan) -> None:
    for statement in policy.statements(plan):
        writes = {action for action in statement.actions if not action.split(":")[1].startswith(READS)} - LOOSE
        assert not writes or statement.condition or "*" not in statement.resources, statement.sid


@pytest.mark.parametrize("plan", PLANS)
def test_names_are_unique_and_plain(plan: Plan) -> None:
    names = [statement.sid for statement in policy.statements(plan)]
    assert len(set(names)) == len(names)
    assert all(name.isalnum() for name in names)


@pytest.mark.parametrize("plan", PLANS)
def test_each_document_is_short_enough_and_nothing_is_lost(plan: Plan) -> None:
    chosen = policy.statements(plan)
    written = policy.documents(chosen)
    assert all(policy.length(each) <= policy.LONGEST_DOCUMENT for each in written)
    assert [item for each in written for item in each["Statement"]] == [item.as_dict() for item in chosen]
    assert len(written) <= 10, "more than IAM attaches to one user"


def test_what_is_made_carries_the_tag_and_what_is_changed_has_it() -> None:
    found = by_sid(PLAN)
    assert found["MakeOurs"]["Condition"] == {"StringEquals": {"aws:RequestTag/trainyard:stack": "dcgan"}}
    assert found["ChangeOurs"]["Condition"] == {"StringEquals": {"aws:ResourceTag/trainyard:stack": "dcgan"}}
    birth = found["TagAtBirth"]["Condition"]["StringEquals"]
    assert birth["aws:RequestTag/trainyard:stack"] == "dcgan"
    assert "RunInstances" in birth["ec2:CreateAction"]


def test_the_role_is_handed_on_to_instances_only() -> None:
    statement = by_sid(PLAN)["HandOnNodeRole"]
    assert statement["Resource"] == "arn:aws:iam::123456789012:role/trainyard-dcgan-us-east-1-node"
    assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}


def test_the_role_that_ends_nodes_is_handed_on_to_the_scheduler_only() -> None:
    statement = by_sid(EVERYTHING)["HandOnTerminationRole"]
    assert statement["Resource"] == "arn:aws:iam::123456789012:role/trainyard-dcgan-us-east-1-termination"
    assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}}


def test_alarms_and_the_password_are_held_by_their_names() -> None:
    alarms = by_sid(PLAN)["KeepAlarms"]["Resource"]
    assert alarms == [f"arn:aws:cloudwatch:us-east-1:123456789012:alarm:{name}" for name in PLAN.alarms]
    assert by_sid(EVERYTHING)["KeepPassword"]["Resource"] == (
        "arn:aws:ssm:us-east-1:123456789012:parameter/trainyard/dcgan/grafana-admin-password"
    )


def test_the_role_of_the_monitor_is_handed_on_to_instances_only() -> None:
    statement = by_sid(EVERYTHING)["HandOnMonitorRole"]
    assert statement["Resource"] == "arn:aws:iam::123456789012:role/trainyard-dcgan-us-east-1-monitor"
    assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}


def test_schedules_are_held_by_the_name_of_their_group() -> None:
    here = "arn:aws:scheduler:us-east-1:123456789012"
    assert by_sid(EVERYTHING)["KeepSchedules"]["Resource"] == [
        f"{here}:schedule-group/trainyard-dcgan",
        f"{here}:schedule/trainyard-dcgan/*",
    ]
    for plan, there in ((PLAN, False), (EVERYTHING, True)):
        assert ("scheduler:ListSchedules" in by_sid(plan)["LookAround"]["Action"]) is there


@pytest.mark.parametrize(
    ("changes", "sids"),
    [
        ({"door": "ssm"}, {"OpenSession", "SessionDocument", "EndSession"}),
        ({"door": "instance_connect"}, {"OpenTunnel"}),
        ({"egress": "endpoints"}, {"NameEndpoints"}),
        ({"flow_logs": True}, {"DeliverFlowLogs"}),
        ({"lustre": True}, {"LookAtLustre", "MakeLustre", "ChangeLustre", "LinkLustre"}),
        (
            {"termination_schedules": True},
            {"KeepSchedules", "KeepTerminationRole", "GiveTerminationRole", "HandOnTerminationRole"},
        ),
        ({"monitor": "instance"}, MONITOR),
        ({"monitor": "bastion"}, MONITOR | {"GiveBastionRole"}),
        ({"adopted": {"vpc_id": "vpc-1"}}, {"UseAdopted"}),
        ({"adopted": {"bucket": "mine"}}, {"UseAdoptedBucket"}),
    ],
    ids=[
        "ssm",
        "instance connect",
        "endpoints",
        "flow logs",
        "lustre",
        "schedules",
        "monitor",
        "on bastion",
        "VPC",
        "bucket",
    ],
)
def test_a_choice_adds_its_own_rights_only(changes: dict[str, Any], sids: set[str]) -> None:
    assert set(by_sid(replace(PLAN, **changes))) - set(by_sid(PLAN)) == sids


def test_the_boundary_is_required_where_the_plan_names_one() -> None:
    assert "Condition" not in by_sid(PLAN)["GiveNodeRole"]
    for sid in ("GiveNodeRole", "GiveTerminationRole", "GiveMonitorRole"):
        boundary = by_sid(EVERYTHING)[sid]["Condition"]
        assert boundary == {"StringEquals": {"iam:PermissionsBoundary": EVERYTHING.boundary}}


def test_spot_has_rights_of_its_own() -> None:
    for plan, there in ((PLAN, False), (EVERYTHING, True)):
        found = by_sid(plan)
        assert ("ec2:CancelSpotInstanceRequests" in found["ChangeOurs"]["Action"]) is there
        services = found["ServiceRoles"]["Condition"]["StringEquals"]["iam:AWSServiceName"]
        assert ("spot.amazonaws.com" in services) is there


def test_a_reservation_is_anybodys() -> None:
    launched = by_sid(replace(PLAN, markets=("capacity-block",)))["LaunchFromImages"]["Resource"]
    assert set(launched) - set(by_sid(PLAN)["LaunchFromImages"]["Resource"]) == {
        "arn:aws:ec2:us-east-1:123456789012:capacity-reservation/*"
    }


def test_the_first_endpoint_makes_its_service_role() -> None:
    services = by_sid(replace(PLAN, door="instance_connect"))["ServiceRoles"]["Condition"]["StringEquals"]
    assert "ec2-instance-connect.amazonaws.com" in services["iam:AWSServiceName"]


def test_a_plan_is_for_the_account_of_the_caller() -> None:
    identity = {"Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/me"}
    assert policy.plan_for("dcgan", identity, "us-east-1", monitor="none") == PLAN
    abroad = {"Account": "123456789012", "Arn": "arn:aws-cn:iam::123456789012:user/me"}
    assert policy.plan_for("dcgan", abroad, "cn-north-1", door="ssm").partition == "aws-cn"


def test_public_parameters_are_nobodys_own() -> None:
    images = ["ami-1", "/mine/b", "/aws/service/debian", "/mine/a", "/mine/b", "debian-12", ""]
    assert policy.own_parameters(images) == ("/mine/a", "/mine/b")


def test_one_value_of_a_condition_is_enough_for_the_simulator() -> None:
    (statement,) = [item for item in policy.statements(PLAN) if item.sid == "TagAtBirth"]
    (question,) = policy.simulations([statement])
    assert all(
        (entry["ContextKeyType"], len(entry["ContextKeyValues"])) == ("string", 1)
        for entry in question["ContextEntries"]
    )


def test_lustre_is_linked_with_a_role_of_its_own_and_of_nothing_else() -> None:
    found = by_sid(EVERYTHING)
    role = "arn:aws:iam::123456789012:role/aws-service-role/s3.data-source.lustre.fsx.amazonaws.com/*"
    assert found["LinkLustre"]["Resource"] == role
    assert "fsx.amazonaws.com" in found["ServiceRoles"]["Condition"]["StringEquals"]["iam:AWSServiceName"]
    assert "fsx.amazonaws.com" not in by_sid(PLAN)["ServiceRoles"]["Condition"]["StringEquals"]["iam:AWSServiceName"]


def test_questions_for_the_simulator_carry_what_the_conditions_want() -> None:
    (statement,) = [item for item in policy.statements(PLAN) if item.sid == "ChangeOurs"]
    (question,) = policy.simulations([statement])
    assert question["ContextEntries"] == [
        {
            "ContextKeyName": "aws:ResourceTag/trainyard:stack",
            "ContextKeyType": "string",
            "ContextKeyValues": ["dcgan"],
        }
    ]
    assert question["ResourceArns"] == ["arn:aws:ec2:us-east-1:123456789012:any/any"]


def test_what_is_asked_of_one_resource_under_one_condition_is_one_question() -> None:
    ours = {"StringEquals": {"aws:ResourceTag/trainyard:stack": "dcgan"}}
    found = policy.simulations(
        [
            policy.Statement("One", "why", ("fsx:B", "fsx:A")),
            policy.Statement("Two", "why", ("efs:C", "fsx:A")),
            policy.Statement("Three", "why", ("fsx:D",), condition=ours),
            policy.Statement("Four", "why", ("fsx:E",), ("arn:x/*",)),
        ]
    )
    assert [item["ActionNames"] for item in found] == [["efs:C", "fsx:A", "fsx:B"], ["fsx:D"], ["fsx:E"]]

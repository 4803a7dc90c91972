# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _stack as stack
from hypothesis import example, given
from hypothesis import strategies as st

BUCKET = "trainyard-dcgan-123456789012-us-east-1"


@pytest.mark.parametrize("name", ["a", "dcgan", "dcgan-2", "a" * 20, "a-"])
def test_names_that_a_stack_can_have(name: str) -> None:
    assert stack.name_fault(name) == ""


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("", id="empty"),
        pytest.param("a" * 21, id="too long"),
        pytest.param("2nd", id="starts with a digit"),
        pytest.param("-a", id="starts with a hyphen"),
        pytest.param("Dcgan", id="capital letter"),
        pytest.param("dc_gan", id="underscore"),
        pytest.param("dc.gan", id="dot"),
        pytest.param("dcgan\n", id="line end"),
        pytest.param("größe", id="letter beyond ASCII"),
    ],
)
def test_names_that_a_stack_cannot_have(name: str) -> None:
    assert stack.name_fault(name).startswith(f'The stack name "{name}" must start with a letter')


def test_names_are_built_from_stack_account_and_region() -> None:
    assert stack.names_of("dcgan", "123456789012", "us-east-1") == stack.Names(
        bucket=BUCKET,
        node_role="trainyard-dcgan-us-east-1-node",
        termination_role="trainyard-dcgan-us-east-1-termination",
        schedule_group="trainyard-dcgan",
        monitor_role="trainyard-dcgan-us-east-1-monitor",
        monitor_password="/trainyard/dcgan/grafana-admin-password",
        alarms=(
            "trainyard-dcgan-idle-accelerator",
            "trainyard-dcgan-disk-nearly-full",
            "trainyard-dcgan-checkpoint-too-old",
            "trainyard-dcgan-budget-nearly-used",
            "trainyard-dcgan-spot-notice",
        ),
    )


@given(
    name=st.from_regex(r"[a-z][a-z0-9-]{0,19}", fullmatch=True),
    region=st.sampled_from(["us-east-1", "ap-southeast-1", "us-gov-west-1"]),
)
@example(name="a" * 20, region="ap-northeast-1")
def test_every_stack_name_makes_names_that_aws_takes(name: str, region: str) -> None:
    names = stack.names_of(name, "123456789012", region)
    assert stack.name_fault(name) == ""
    assert len(names.bucket) <= 63
    others = (names.node_role, names.termination_role, names.schedule_group, names.monitor_role, *names.alarms)
    assert all(len(name) <= 64 for name in others)
    assert set("".join((names.bucket, *others))) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        pytest.param(None, {}, id="AWS leaves the key out"),
        pytest.param([], {}, id="none"),
        pytest.param([{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}], {"a": "1", "b": ""}, id="some"),
    ],
)
def test_tags_as_dict(tags: list[dict[str, str]] | None, expected: dict[str, str]) -> None:
    assert stack.tags_as_dict(tags) == expected


def test_tags_as_list_are_what_tags_as_dict_reads() -> None:
    tags = {"trainyard:stack": "dcgan", "Name": "dcgan"}
    assert stack.tags_as_list(tags)[0] == {"Key": "trainyard:stack", "Value": "dcgan"}
    assert stack.tags_as_dict(stack.tags_as_list(tags)) == tags


@pytest.mark.parametrize(
    ("arn", "expected"),
    [
        pytest.param("arn:aws:ec2:us-east-1:123456789012:instance/i-0a1b", True, id="instance"),
        pytest.param("arn:aws:ec2:us-east-1:123456789012:natgateway/nat-0a1b", True, id="NAT gateway"),
        pytest.param("arn:aws-us-gov:ec2:us-gov-west-1:123456789012:vpc/vpc-0a1b", True, id="other partition"),
        pytest.param("arn:aws:ec2:us-east-1:123456789012:vpc-endpoint/vpce-0a1b", True, id="VPC endpoint"),
        pytest.param("arn:aws:ec2:us-east-1:123456789012:vpc-flow-log/fl-0a1b", True, id="flow log"),
        pytest.param(
            "arn:aws:ec2:us-east-1:123456789012:instance-connect-endpoint/eice-0a1b",
            True,
            id="Instance Connect endpoint",
        ),
        pytest.param("arn:aws:ec2:us-east-1:123456789012:transit-gateway/tgw-0a1b", False, id="kind we do not list"),
        pytest.param("arn:aws:ec2:us-east-1:123456789012:snapshot/snap-0a1b", False, id="snapshot"),
        pytest.param("arn:aws:elasticfilesystem:us-east-1:123456789012:file-system/fs-0a1b", True, id="file system"),
        pytest.param("arn:aws:elasticfilesystem:us-east-1:123456789012:access-point/ap-1", False, id="access point"),
        pytest.param("arn:aws:fsx:us-east-1:123456789012:file-system/fs-0a1b", True, id="Lustre"),
        pytest.param("arn:aws:fsx:us-east-1:123456789012:association/fs-0a1b/dra-0a1b", True, id="link of Lustre"),
        pytest.param("arn:aws:fsx:us-east-1:123456789012:backup/backup-0a1b", False, id="backup of Lustre"),
        pytest.param(f"arn:aws:s3:::{BUCKET}", True, id="the bucket"),
        pytest.param("arn:aws:s3:::another", False, id="another bucket"),
        pytest.param(f"arn:aws:s3:::{BUCKET}-2", False, id="bucket whose name begins alike"),
        pytest.param("arn:aws:iam::123456789012:role/trainyard-dcgan-us-west-2-node", True, id="role"),
        pytest.param("arn:aws:iam::123456789012:policy/mine", False, id="policy"),
        pytest.param("arn:aws:cloudwatch:us-east-1:123456789012:alarm:trainyard-a-spot-notice", True, id="alarm"),
        pytest.param("arn:aws:cloudwatch:us-east-1:123456789012:alarm:trainyard-a-mine", False, id="another alarm"),
        pytest.param(
            "arn:aws:ssm:us-east-1:123456789012:parameter/trainyard/a/grafana-admin-password", True, id="password"
        ),
        pytest.param("arn:aws:ssm:us-east-1:123456789012:parameter/trainyard/a/token", False, id="another parameter"),
        pytest.param("arn:aws:lambda:us-east-1:123456789012:function:f", False, id="service we do not ask"),
    ],
)
def test_only_what_a_describe_of_ours_answers_for_is_described(arn: str, expected: bool) -> None:
    assert stack.is_described(arn, BUCKET) is expected


def test_a_resource_found_twice_is_listed_once_and_keeps_its_tag() -> None:
    tagged = stack.Resource("subnet", "subnet-1", name="b")
    untagged = stack.Resource("subnet", "subnet-1", tagged=False)
    assert stack.sorted_resources([tagged, untagged]) == [tagged]
    assert stack.sorted_resources([untagged, tagged]) == [tagged]


@given(
    st.lists(
        st.builds(stack.Resource, st.sampled_from("ab"), st.sampled_from("123"), name=st.just("n")), max_size=8
    ).flatmap(lambda resources: st.tuples(st.just(resources), st.permutations(resources)))
)
def test_the_order_does_not_depend_on_who_answers_first(
    answers: tuple[list[stack.Resource], list[stack.Resource]],
) -> None:
    first, second = answers
    assert stack.sorted_resources(first) == stack.sorted_resources(second)


def test_resources_are_sorted_by_type_then_name_then_id() -> None:
    resources = [
        stack.Resource("vpc", "vpc-1", name="a"),
        stack.Resource("subnet", "subnet-1", name="b"),
        stack.Resource("subnet", "subnet-3", name="a"),
        stack.Resource("subnet", "subnet-2", name="a"),
    ]
    assert [resource.id for resource in stack.sorted_resources(resources)] == [
        "subnet-2",
        "subnet-3",
        "subnet-1",
        "vpc-1",
    ]


def test_a_moment_is_written_in_utc() -> None:
    noon_in_bern = datetime(2026, 11, 21, 12, tzinfo=timezone(timedelta(hours=1)))
    assert stack.iso_utc(noon_in_bern) == "2026-11-21T11:00:00Z"
    assert stack.iso_utc(None) == ""


def test_a_resource_as_the_module_returns_it() -> None:
    resource = stack.Resource("vpc", "vpc-1", "pending", "dcgan", "network", False, {"cidr": "10.77.0.0/16"})
    assert resource.as_dict() == {
        "type": "vpc",
        "id": "vpc-1",
        "state": "pending",
        "name": "dcgan",
        "component": "network",
        "tagged": False,
        "attributes": {"cidr": "10.77.0.0/16"},
        "since": "",
        "expires_at": "",
    }

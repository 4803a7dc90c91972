# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.trainyard.aws.plugins.modules import preflight_info


@pytest.fixture
def wanted(account: Any) -> dict[str, Any]:
    """Arguments that nothing stands in the way of."""
    image = account.register_image()
    account.client("ssm").put_parameter(Name="/images/box", Value=image, Type="String")
    account.calls.clear()
    return {
        "stack_name": "dcgan",
        "machines": [{"name": "bastion", "instance_types": ["t3.micro"], "image": image}],
        "node_groups": [{"name": "train", "count": 1, "instance_types": ["g4dn.xlarge"]}],
        "node_image": "/images/box",
        "allowed_cidrs": ["192.0.2.7/32"],
        "vpc_cidr": "10.77.0.0/16",
        "public_cidrs": ["10.77.0.0/24"],
        "private_cidrs": ["10.77.1.0/24"],
        "tools": ["sh"],
    }


def of_types(*types: str, **more: Any) -> dict[str, Any]:
    """Arguments with one node group."""
    return {"node_groups": [{"name": "train", "instance_types": list(types), **more}]}


def test_what_is_required(run_module: Any) -> None:
    assert run_module(preflight_info)["msg"] == "missing required arguments: stack_name, vpc_cidr"


@pytest.mark.parametrize("check", [False, True], ids=["run", "check mode"])
def test_nothing_stands_in_the_way(run_module: Any, account: Any, wanted: dict[str, Any], check: bool) -> None:
    answer = run_module(preflight_info, check=check, **wanted)
    image = wanted["machines"][0]["image"]
    assert (answer["changed"], answer["faults"], answer["report"]) == (False, [], "Nothing stands in the way.")
    assert (answer["account_id"], answer["zones"]) == ("123456789012", ["us-east-1a"])
    assert answer["image_ids"] == {image: image, "/images/box": image}
    assert answer["machines"]["train"] == {
        "instance_types": ["g4dn.xlarge"],
        "image_id": image,
        "root_device": "/dev/sda1",
    }
    assert answer["credentials"] == {"method": "env", "expires_at": ""}
    assert answer["warnings_found"] == []
    assert (answer["missing_permissions"], answer["missing_permissions_known"]) == ([], True)
    assert account.writing_calls == []


@pytest.mark.parametrize(
    ("changes", "subject"),
    [
        pytest.param({"stack_name": "My Stack"}, "stack_name", id="name"),
        pytest.param({"allowed_cidrs": ["0.0.0.0/0"]}, "stack_allowed_cidrs", id="everybody"),
        pytest.param({"allowed_cidrs": []}, "stack_allowed_cidrs", id="nobody"),
        pytest.param({"vpc_cidr": "10.0.0.0/8"}, "aws_network_cidr", id="VPC"),
        pytest.param({"private_cidrs": ["10.78.0.0/24"]}, "aws_network_private_cidrs", id="subnet"),
        pytest.param({"private_cidrs": []}, "aws_network_private_cidrs", id="no subnet"),
        pytest.param({"door": "window"}, "aws_access_door", id="door"),
        pytest.param({"egress": "window"}, "aws_network_egress", id="egress"),
        pytest.param({"time_to_live": "soon"}, "stack_time_to_live", id="time to live"),
        pytest.param({"tools": ["no-such-tool-anywhere"]}, "no-such-tool-anywhere", id="tool"),
        pytest.param({"ssh_key_file": "/nonexistent/id"}, "stack_ssh_key_file", id="key"),
        pytest.param(of_types("t3.mikro"), "instance type", id="type"),
        pytest.param(of_types("t3.mikro") | {"zones": ["us-east-1a"]}, "instance type", id="type, not the zone"),
        pytest.param(of_types("t3.micro", cuont=2), "aws_nodes_groups train", id="group"),
        pytest.param(of_types("t3.micro", zones=["us-east-1b"]), "aws_nodes_groups train", id="zone of a group"),
        pytest.param(of_types("t3.micro", efa=True), "aws_nodes_groups train", id="EFA"),
        pytest.param({"zones": ["us-east-1z"]}, "aws_network_zones", id="zone"),
        pytest.param({"node_image": "/images/none"}, "machine image of train", id="image"),
        pytest.param({"node_image": "debian-12"}, "machine image of train", id="short name that is not here"),
        pytest.param(of_types("t3.micro", "t4g.micro"), "machine image of train", id="architecture"),
        pytest.param({"adopted": {"bucket": "nowhere-at-all"}}, "stack_adopted", id="adopted"),
        pytest.param({"profile": "none"}, "credentials", id="profile"),
    ],
)
def test_each_fault_is_reported_with_its_fix(
    run_module: Any, wanted: dict[str, Any], changes: dict[str, Any], subject: str
) -> None:
    answer = run_module(preflight_info, **(wanted | changes))
    assert {fault["subject"] for fault in answer["faults"]} == {subject}
    assert all(fault["what"] and fault["fix"] and fault["fix"] in answer["report"] for fault in answer["faults"])


def test_a_misspelt_type_gets_the_nearest_name(run_module: Any, wanted: dict[str, Any]) -> None:
    (fault,) = run_module(preflight_info, **(wanted | of_types("t3.mikro", "t3.micro")))["faults"]
    assert fault["fix"].startswith("Did you mean t3.micro")


def test_faults_of_this_machine_are_reported_without_credentials(
    run_module: Any, wanted: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    answer = run_module(preflight_info, **(wanted | {"allowed_cidrs": []}))
    assert [fault["subject"] for fault in answer["faults"]] == ["stack_allowed_cidrs", "credentials"]
    assert (answer["account_id"], answer["zones"], answer["image_ids"]) == ("", [], {})


def test_faults_always_stand_in_the_same_order(run_module: Any, wanted: dict[str, Any]) -> None:
    images = [f"/images/none-{number}" for number in range(8)]
    machines = [{"name": image, "instance_types": ["t3.micro"], "image": image} for image in images]
    answer = run_module(preflight_info, **(wanted | {"machines": machines}))
    assert [fault["what"] for fault in answer["faults"]] == [f'"{image}" does not exist here.' for image in images]


def test_the_zones_of_what_is_there_win(run_module: Any, wanted: dict[str, Any]) -> None:
    there = {"existing_subnets": {"10.77.1.0/24": "us-east-1c"}, "zones": ["us-east-1b"]}
    assert run_module(preflight_info, **(wanted | there))["zones"] == ["us-east-1c"]


def test_there_are_as_many_zones_as_subnets(run_module: Any, wanted: dict[str, Any]) -> None:
    answer = run_module(preflight_info, **(wanted | {"private_cidrs": ["10.77.1.0/24", "10.77.2.0/24"]}))
    assert answer["zones"] == ["us-east-1a", "us-east-1b"]


def test_an_adopted_network_brings_its_zones(run_module: Any, account: Any, wanted: dict[str, Any]) -> None:
    ec2 = account.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    for attribute in ("EnableDnsHostnames", "EnableDnsSupport"):
        ec2.modify_vpc_attribute(VpcId=vpc, **{attribute: {"Value": True}})
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.0.0/24", AvailabilityZone="us-east-1b")["Subnet"]["SubnetId"]
    ids = {"vpc_id": vpc, "public_subnet_ids": [subnet], "private_subnet_ids": [subnet]}
    answer = run_module(preflight_info, **(wanted | {"adopted": ids}))
    assert (answer["faults"], answer["zones"]) == ([], ["us-east-1b"])
    assert answer["adopted"] == {
        "vpc_cidr": "10.9.0.0/16",
        "public_subnets": {"us-east-1b": subnet},
        "private_subnets": {"us-east-1b": subnet},
    }


def test_many_nodes_and_short_credentials_are_warned_of(
    run_module: Any, wanted: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", "2020-01-01T00:00:00Z")
    answer = run_module(preflight_info, **(wanted | of_types("g4dn.xlarge", count=17)))
    assert answer["faults"] == []
    assert len(answer["warnings_found"]) == 2
    assert answer["credentials"]["expires_at"] == "2020-01-01T00:00:00Z"


def test_what_the_caller_may_not_do_is_a_warning(run_module: Any, account: Any, wanted: dict[str, Any]) -> None:
    account.lacking = {"ec2:CreateVpc", "logs:CreateLogDelivery"}
    answer = run_module(preflight_info, **wanted)
    assert (answer["faults"], answer["missing_permissions"]) == ([], ["ec2:CreateVpc"])
    assert "ec2:CreateVpc" in answer["warnings_found"][0]
    with_flow_logs = run_module(preflight_info, **(wanted | {"flow_logs_enabled": True}))
    assert with_flow_logs["missing_permissions"] == ["ec2:CreateVpc", "logs:CreateLogDelivery"]


def test_nothing_is_said_where_iam_does_not_tell(
    run_module: Any, wanted: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight_info, "missing_permissions", lambda *_arguments: None)
    answer = run_module(preflight_info, **wanted)
    assert (answer["missing_permissions"], answer["missing_permissions_known"]) == ([], False)
    assert answer["warnings_found"] == []


def test_a_refusal_of_aws_is_a_failure(
    run_module: Any, wanted: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from botocore.exceptions import ClientError

    def refuse(*_arguments: Any) -> None:
        raise ClientError({"Error": {"Code": "UnauthorizedOperation", "Message": "no"}}, "DescribeImages")

    monkeypatch.setattr(preflight_info.api, "find_image", refuse)
    answer = run_module(preflight_info, **wanted)
    assert answer["msg"].startswith("Cannot look at what AWS offers: ")
    assert answer["error"]["code"] == "UnauthorizedOperation"


def test_an_accelerator_stands_for_its_types(run_module: Any, wanted: dict[str, Any]) -> None:
    groups = {"node_groups": [{"name": "train", "accelerator": {"name": "T4", "count": 4}}]}
    answer = run_module(preflight_info, **(wanted | groups))
    assert answer["faults"] == []
    assert "g4dn.12xlarge" in answer["machines"]["train"]["instance_types"]

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
        "instance_types": ["t3.micro", "g4dn.xlarge"],
        "images": [image, "/images/box"],
        "allowed_cidrs": ["192.0.2.7/32"],
        "vpc_cidr": "10.77.0.0/16",
        "subnet_cidrs": {"aws_network_public_cidrs": ["10.77.0.0/24"]},
        "tools": ["sh"],
    }


def test_what_is_required(run_module: Any) -> None:
    assert run_module(preflight_info)["msg"] == (
        "missing required arguments: images, instance_types, stack_name, vpc_cidr"
    )


@pytest.mark.parametrize("check", [False, True], ids=["run", "check mode"])
def test_nothing_stands_in_the_way(run_module: Any, account: Any, wanted: dict[str, Any], check: bool) -> None:
    answer = run_module(preflight_info, check=check, **wanted)
    image = wanted["images"][0]
    assert (answer["changed"], answer["faults"], answer["report"]) == (False, [], "Nothing stands in the way.")
    assert (answer["account_id"], answer["zones"]) == ("123456789012", ["us-east-1a"])
    assert answer["image_ids"] == {image: image, "/images/box": image}
    assert account.writing_calls == []


@pytest.mark.parametrize(
    ("changes", "subject"),
    [
        pytest.param({"stack_name": "My Stack"}, "stack_name", id="name"),
        pytest.param({"allowed_cidrs": ["0.0.0.0/0"]}, "stack_allowed_cidrs", id="everybody"),
        pytest.param({"allowed_cidrs": []}, "stack_allowed_cidrs", id="nobody"),
        pytest.param({"vpc_cidr": "10.0.0.0/8"}, "aws_network_cidr", id="VPC"),
        pytest.param({"subnet_cidrs": {"one": ["10.78.0.0/24"]}}, "one[0]", id="subnet"),
        pytest.param({"tools": ["no-such-tool-anywhere"]}, "no-such-tool-anywhere", id="tool"),
        pytest.param({"ssh_key_file": "/nonexistent/id"}, "stack_ssh_key_file", id="key"),
        pytest.param({"instance_types": ["t3.mikro"]}, "instance type", id="type"),
        pytest.param({"instance_types": ["t3.mikro"], "zone": "us-east-1a"}, "instance type", id="type, not the zone"),
        pytest.param({"zone": "us-east-1z"}, "aws_network_zones", id="zone"),
        pytest.param({"images": ["/images/none"]}, "machine image", id="image"),
        pytest.param({"instance_types": ["t4g.micro"]}, "machine image", id="architecture"),
    ],
)
def test_each_fault_is_reported_with_its_fix(
    run_module: Any, wanted: dict[str, Any], changes: dict[str, Any], subject: str
) -> None:
    answer = run_module(preflight_info, **(wanted | changes))
    assert {fault["subject"] for fault in answer["faults"]} == {subject}
    assert all(fault["what"] and fault["fix"] and fault["fix"] in answer["report"] for fault in answer["faults"])


def test_a_misspelt_type_gets_the_nearest_name(run_module: Any, wanted: dict[str, Any]) -> None:
    (fault,) = run_module(preflight_info, **(wanted | {"instance_types": ["t3.mikro", "t3.micro"]}))["faults"]
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
    answer = run_module(preflight_info, **(wanted | {"images": images * 2}))
    assert [fault["what"] for fault in answer["faults"]] == [f'"{image}" does not exist here.' for image in images]


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

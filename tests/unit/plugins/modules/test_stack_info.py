# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.trainyard.aws.plugins.modules import stack_info

OURS = [{"Key": "trainyard:stack", "Value": "dcgan"}, {"Key": "Name", "Value": "dcgan"}]


def test_the_name_is_required(run_module: Any) -> None:
    assert run_module(stack_info)["msg"] == "missing required arguments: name"


def test_a_name_that_cannot_be_is_refused_before_aws_is_asked(run_module: Any, account: Any) -> None:
    answer = run_module(stack_info, name="My Stack")
    assert answer["msg"].startswith('The stack name "My Stack" must start with a letter')
    assert account.calls == []


@pytest.mark.parametrize("check", [False, True], ids=["run", "check mode"])
def test_an_empty_account_answers_with_the_names_alone(run_module: Any, account: Any, check: bool) -> None:
    answer = run_module(stack_info, name="dcgan", check=check)
    assert {key: answer[key] for key in ("changed", "account_id", "names", "resources", "ids")} == {
        "changed": False,
        "account_id": "123456789012",
        "names": {
            "bucket": "trainyard-dcgan-123456789012-us-east-1",
            "node_role": "trainyard-dcgan-us-east-1-node",
            "termination_role": "trainyard-dcgan-us-east-1-termination",
            "schedule_group": "trainyard-dcgan",
            "monitor_role": "trainyard-dcgan-us-east-1-monitor",
            "monitor_password": "/trainyard/dcgan/grafana-admin-password",
            "alarms": [
                "trainyard-dcgan-idle-accelerator",
                "trainyard-dcgan-disk-nearly-full",
                "trainyard-dcgan-checkpoint-too-old",
                "trainyard-dcgan-budget-nearly-used",
                "trainyard-dcgan-spot-notice",
            ],
        },
        "resources": [],
        "ids": {},
    }
    assert account.writing_calls == []


def test_only_what_carries_our_tag_is_named_by_its_identifier(run_module: Any, account: Any) -> None:
    ec2 = account.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.77.0.0/16", TagSpecifications=[{"ResourceType": "vpc", "Tags": OURS}])
    vpc_id = vpc["Vpc"]["VpcId"]
    ours, _forgotten = (
        ec2.create_subnet(VpcId=vpc_id, CidrBlock=f"10.77.{number}.0/24")["Subnet"]["SubnetId"] for number in (1, 2)
    )
    ec2.create_tags(Resources=[ours], Tags=OURS)
    answer = run_module(stack_info, name="dcgan")
    assert answer["ids"] == {"subnet": [ours], "vpc": [vpc_id]}
    assert [(item["type"], item["name"], item["tagged"]) for item in answer["resources"]] == [
        ("subnet", "", False),
        ("subnet", "dcgan", True),
        ("vpc", "dcgan", True),
    ]


def test_each_resource_says_what_it_costs(run_module: Any, account: Any) -> None:
    ec2 = account.client("ec2")
    specification = [{"ResourceType": "elastic-ip", "Tags": OURS}]
    ec2.allocate_address(Domain="vpc", TagSpecifications=specification)
    ec2.create_key_pair(KeyName="dcgan", TagSpecifications=[{"ResourceType": "key-pair", "Tags": OURS}])
    prices = {item["type"]: item["usd_per_hour"] for item in run_module(stack_info, name="dcgan")["resources"]}
    assert prices == {"elastic_ip": 0.005, "key_pair": 0.0}


def test_a_refusal_of_aws_names_the_stack(run_module: Any, account: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    answer = run_module(stack_info, name="dcgan")
    assert answer["msg"].startswith('Cannot look for what belongs to stack "dcgan": Unable to locate credentials')


def test_a_region_is_required(run_module: Any, account: Any) -> None:
    assert "requires a region" in run_module(stack_info, name="dcgan", region=None)["msg"]

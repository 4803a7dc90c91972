# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _nodes_api as api
from ansible_collections.trainyard.aws.plugins.modules import training_nodes
from botocore.exceptions import ClientError

TEMPLATE = "trainyard-dcgan-train"
Refuse = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def place(account: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """Two subnets in two zones, a security group and a launch template: what a group needs to be filled."""
    monkeypatch.setattr(api, "_POLL_SECONDS", 0)
    monkeypatch.setattr(api, "_ROUND_SECONDS", 0)
    ec2 = account.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
    subnets = {
        f"us-east-1{zone}": ec2.create_subnet(VpcId=vpc, CidrBlock=cidr, AvailabilityZone=f"us-east-1{zone}")["Subnet"][
            "SubnetId"
        ]
        for zone, cidr in {"a": "10.77.1.0/24", "b": "10.77.2.0/24"}.items()
    }
    group = ec2.create_security_group(VpcId=vpc, GroupName="nodes", Description="x")["GroupId"]
    data = {"ImageId": account.register_image(), "InstanceType": "g6.xlarge"}
    ec2.create_launch_template(LaunchTemplateName=TEMPLATE, LaunchTemplateData=data)
    account.calls.clear()
    return {
        "stack": "dcgan",
        "group": "train",
        "instance_types": ["g6.xlarge"],
        "subnets": subnets,
        "security_group_ids": [group],
        "launch_template": TEMPLATE,
        "host_keys_directory": str(tmp_path / "host_keys"),
        "tags": {"trainyard:owner": "ada"},
    }


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> Refuse:
    """Lets launches of some zones, markets or types meet an error of AWS, and notes all that were asked for."""
    launch = api._until_answered
    asked: list[dict[str, Any]] = []

    def install(code: str = "", **where: str) -> list[dict[str, Any]]:
        def answered(launcher: Any, arguments: dict[str, Any]) -> Any:
            offer = {
                "instance_type": arguments["InstanceType"],
                "zone": arguments["Placement"]["AvailabilityZone"],
                "market": arguments.get("InstanceMarketOptions", {}).get("MarketType", "on-demand"),
                "token": arguments["ClientToken"],
            }
            asked.append(offer)
            if code and all(offer[key] == value for key, value in where.items()):
                raise ClientError({"Error": {"Code": code, "Message": "so says AWS"}}, "RunInstances")
            return launch(launcher, arguments)

        monkeypatch.setattr(api, "_until_answered", answered)
        return asked

    return install


def names(answer: dict[str, Any]) -> list[str]:
    return [one["name"] for one in answer["instances"]]


def verbs(answer: dict[str, Any]) -> list[str]:
    return [f"{step['verb']} {step['subject']}" for step in answer["steps"]]


def instances(account: Any) -> dict[str, dict[str, Any]]:
    """The living instances of the account by name."""
    found = {}
    for reservation in account.client("ec2").describe_instances()["Reservations"]:
        for instance in reservation["Instances"]:
            if instance["State"]["Name"] not in ("terminated", "shutting-down"):
                found[{tag["Key"]: tag["Value"] for tag in instance["Tags"]}["Name"]] = instance
    return found


def test_what_is_required(run_module: Any) -> None:
    answer = run_module(training_nodes)
    assert answer["msg"] == "missing required arguments: group, host_keys_directory, launch_template, stack"


def test_launched_then_unchanged(run_module: Any, account: Any, place: dict[str, Any]) -> None:
    first = run_module(training_nodes, **place, count=2)
    assert first["changed"]
    assert names(first) == ["dcgan-train-0", "dcgan-train-1"]
    assert {(one["state"], one["zone"], one["market"]) for one in first["instances"]} == {
        ("running", "us-east-1a", "on-demand")
    }
    assert first["diff"]["before"] == {"nodes": []}
    assert first["diff"]["after"] == {"nodes": first["instances"]}

    account.calls.clear()
    second = run_module(training_nodes, **place, count=2)
    assert (second["changed"], second["steps"], second["refusals"]) == (False, [], [])
    assert second["instances"] == first["instances"]
    assert account.writing_calls == []


def test_a_node_is_tagged_in_the_call_that_launches_it(run_module: Any, account: Any, place: dict[str, Any]) -> None:
    run_module(training_nodes, **place, time_to_live="12h")
    assert account.writing_calls == ["RunInstances"]
    made = instances(account)["dcgan-train-0"]
    tags = {tag["Key"]: tag["Value"] for tag in made["Tags"] if not tag["Key"].startswith("aws:")}
    key = (Path(place["host_keys_directory"]) / "dcgan-train-0.pub").read_text().split()
    assert tags.pop("trainyard:expires-at").endswith("Z")
    assert tags == {
        "Name": "dcgan-train-0",
        "trainyard:stack": "dcgan",
        "trainyard:component": "node",
        "trainyard:node-group": "train",
        "trainyard:owner": "ada",
        "trainyard:host-key": f"{key[0]} {key[1]}",
    }
    assert [one["GroupId"] for one in made["NetworkInterfaces"][0]["Groups"]] == place["security_group_ids"]
    assert made["SubnetId"] == place["subnets"]["us-east-1a"]


def test_host_keys_are_kept_from_others_and_made_once(run_module: Any, place: dict[str, Any]) -> None:
    run_module(training_nodes, **place)
    directory = Path(place["host_keys_directory"])
    private = directory / "dcgan-train-0"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    before = private.read_text()
    run_module(training_nodes, **place, count=0)
    answer = run_module(training_nodes, **place)
    assert private.read_text() == before
    assert before.splitlines()[1] not in str(answer)
    assert sorted(path.name for path in directory.iterdir()) == ["dcgan-train-0", "dcgan-train-0.pub"]


def test_an_expiry_is_not_put_off_by_a_second_run(run_module: Any, place: dict[str, Any]) -> None:
    first = run_module(training_nodes, **place, time_to_live="1h")["instances"][0]["expires_at"]
    assert first
    second = run_module(training_nodes, **place, time_to_live="5h")
    assert (second["changed"], second["instances"][0]["expires_at"]) == (False, first)


def test_check_mode_tells_and_writes_nothing(run_module: Any, account: Any, place: dict[str, Any]) -> None:
    answer = run_module(training_nodes, check=True, **place | {"launch_template": "not-there-yet"}, count=2)
    assert answer["changed"]
    assert verbs(answer) == ["launch dcgan-train-0", "launch dcgan-train-1"]
    assert answer["instances"] == []
    after = answer["diff"]["after"]["nodes"]
    assert [(one["name"], one["instance_type"], one["zone"]) for one in after] == [
        ("dcgan-train-0", "g6.xlarge", "us-east-1a"),
        ("dcgan-train-1", "g6.xlarge", "us-east-1a"),
    ]
    assert answer["msg"].startswith("Would launch dcgan-train-0: it does not exist.")
    assert account.writing_calls == []
    assert not Path(place["host_keys_directory"]).exists()


def test_check_mode_of_a_lowered_count(run_module: Any, account: Any, place: dict[str, Any]) -> None:
    made = run_module(training_nodes, **place, count=2)["instances"]
    account.calls.clear()
    answer = run_module(training_nodes, check=True, **place, count=1)
    assert verbs(answer) == ["terminate dcgan-train-1"]
    assert answer["diff"] == {"before": {"nodes": made}, "after": {"nodes": made[:1]}}
    assert answer["instances"] == made
    assert account.writing_calls == []


def test_a_lowered_count_takes_the_highest_number(run_module: Any, account: Any, place: dict[str, Any]) -> None:
    run_module(training_nodes, **place, count=3)
    answer = run_module(training_nodes, **place, count=1)
    assert names(answer) == ["dcgan-train-0"]
    assert answer["msg"].splitlines() == [
        'Terminated dcgan-train-2: group "train" is to have 1 now.',
        'Terminated dcgan-train-1: group "train" is to have 1 now.',
    ]
    assert set(instances(account)) == {"dcgan-train-0"}


def test_other_groups_and_stacks_are_left_alone(run_module: Any, account: Any, place: dict[str, Any]) -> None:
    run_module(training_nodes, **place | {"group": "other"})
    run_module(training_nodes, **place | {"stack": "dcgan2"})
    run_module(training_nodes, **place, count=0)
    assert set(instances(account)) == {"dcgan-other-0", "dcgan2-train-0"}


def test_a_stopped_node_is_started(run_module: Any, account: Any, place: dict[str, Any]) -> None:
    made = run_module(training_nodes, **place)["instances"][0]["instance_id"]
    account.client("ec2").stop_instances(InstanceIds=[made])
    answer = run_module(training_nodes, **place)
    assert verbs(answer) == ["start dcgan-train-0"]
    assert [(one["instance_id"], one["state"]) for one in answer["instances"]] == [(made, "running")]


# ---- Offers --------------------------------------------------------------------------------------------------------


def test_the_next_offer_is_taken_when_one_has_no_room(run_module: Any, place: dict[str, Any], refuse: Refuse) -> None:
    refuse("InsufficientInstanceCapacity", zone="us-east-1a")
    answer = run_module(training_nodes, **place, count=2)
    assert {one["zone"] for one in answer["instances"]} == {"us-east-1b"}
    assert [one["reason"] for one in answer["refusals"]] == [
        "g6.xlarge in us-east-1a (on-demand): AWS has no capacity there now."
    ]


def test_the_offers_of_a_plan_come_before_the_types(run_module: Any, place: dict[str, Any], refuse: Refuse) -> None:
    asked = refuse()
    offers = [{"instance_type": "g5.xlarge", "zone": "us-east-1b", "market": "spot", "usd_per_hour": 0.4}]
    answer = run_module(training_nodes, **place, offers=offers)
    assert [(one["instance_type"], one["zone"], one["market"]) for one in asked] == [
        ("g5.xlarge", "us-east-1b", "spot")
    ]
    assert [(one["zone"], one["market"]) for one in answer["instances"]] == [("us-east-1b", "spot")]


def test_a_quota_is_named_and_not_asked_again(run_module: Any, place: dict[str, Any], refuse: Refuse) -> None:
    asked = refuse("VcpuLimitExceeded")
    answer = run_module(training_nodes, **place, patience="1h")
    assert answer["msg"].splitlines() == [
        'Cannot fill node group "train": 1 of 1 could not be had. Nothing launched now stays.',
        '  g6.xlarge in us-east-1a (on-demand): the quota "Running On-Demand G and VT instances" is used up; '
        "raise it in Service Quotas.",
        "Add instance types, zones or markets, raise patience, or run again later.",
    ]
    assert len(asked) == 1
    assert not answer["changed"]


def test_patience_asks_again_until_it_is_spent(run_module: Any, place: dict[str, Any], refuse: Refuse) -> None:
    asked = refuse("InsufficientInstanceCapacity")
    answer = run_module(training_nodes, **place, patience="1s")
    assert len(asked) > 2
    assert [one["zone"] for one in answer["refusals"]] == ["us-east-1a", "us-east-1b"]


@pytest.mark.parametrize(("all_or_nothing", "left"), [(False, ["dcgan-train-0"]), (True, [])])
def test_what_stays_of_a_group_that_cannot_be_filled(
    run_module: Any,
    account: Any,
    place: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    all_or_nothing: bool,
    left: list,
) -> None:
    launch, rooms = api._until_answered, [1]

    def one_room(launcher: Any, arguments: dict[str, Any]) -> Any:
        if not rooms:
            raise ClientError({"Error": {"Code": "InsufficientInstanceCapacity"}}, "RunInstances")
        rooms.pop()
        return launch(launcher, arguments)

    monkeypatch.setattr(api, "_until_answered", one_room)
    answer = run_module(training_nodes, **place, count=2, all_or_nothing=all_or_nothing)
    assert answer["failed"]
    assert names(answer) == left
    assert sorted(instances(account)) == left


@pytest.mark.parametrize("code", ["UnauthorizedOperation", "AuthFailure", "InvalidParameterValue", "ExpiredToken"])
def test_an_error_stops_at_once(run_module: Any, place: dict[str, Any], refuse: Refuse, code: str) -> None:
    asked = refuse(code)
    answer = run_module(training_nodes, **place, patience="1h")
    assert answer["msg"].startswith('Cannot keep node group "train": ')
    assert "so says AWS" in answer["msg"]
    assert len(asked) == 1


def test_an_error_gives_back_what_should_be_all_or_nothing(
    run_module: Any, account: Any, place: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    launch, answers = api._until_answered, ["room", "UnauthorizedOperation"]

    def room_then_error(launcher: Any, arguments: dict[str, Any]) -> Any:
        answer = answers.pop(0)
        if answer != "room":
            raise ClientError({"Error": {"Code": answer}}, "RunInstances")
        return launch(launcher, arguments)

    monkeypatch.setattr(api, "_until_answered", room_then_error)
    answer = run_module(training_nodes, **place, count=2, all_or_nothing=True)
    assert answer["error"]["code"] == "UnauthorizedOperation"
    assert instances(account) == {}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"count": -1}, "count is -1, and must be 0 or more."),
        ({"patience": "soon"}, '"soon" is no duration'),
        ({"time_to_live": "12"}, '"12" is no duration'),
        (
            {"offers": [{"instance_type": "g6.xlarge", "zone": "us-east-1f"}]},
            "offers name us-east-1f, where the stack has no subnet. It has subnets in us-east-1a, us-east-1b.",
        ),
    ],
)
def test_what_cannot_be_meant_is_told(
    run_module: Any, account: Any, place: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    answer = run_module(training_nodes, **place | changes)
    assert answer["msg"].startswith(f'Cannot keep node group "train": {message}')
    assert account.writing_calls == []


def test_no_offer_at_all_is_told(run_module: Any, place: dict[str, Any]) -> None:
    answer = run_module(training_nodes, **place | {"instance_types": []})
    assert "There is no offer to ask." in answer["msg"]

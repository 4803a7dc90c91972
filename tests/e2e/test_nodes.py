# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node group where not every offer has room: the zone where spot is cheapest has none.

The tests stand in the order of the group's life and build on each other.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.driver import PATIENCE_SECONDS, Lab, Outcome, Stack, copy_inventory, stack_environment, wait_for

GROUP = {
    "name": "train",
    "count": 2,
    "instance_types": ["g6.xlarge"],
    "markets": ["spot", "on-demand"],
    "placement_group": True,
    "root_volume_gib": 100,
    "volumes": [{"size_gib": 20, "iops": 4000}],
}
NETWORK = {
    "aws_network_zones": ["us-east-1a", "us-east-1b"],
    "aws_network_public_cidrs": ["10.81.0.0/24", "10.81.10.0/24"],
    "aws_network_private_cidrs": ["10.81.1.0/24", "10.81.11.0/24"],
    "stack_time_to_live": "12h",
}


@pytest.fixture(scope="module")
def stack(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    home = tmp_path_factory.mktemp("home")
    inventory = copy_inventory("many", home / "inventory", "10.81")
    return Stack("many", lab, home, inventory, "", stack_environment(lab, home))


@pytest.fixture(scope="module", autouse=True)
def _scarce(lab: Lab) -> Any:
    lab.page("capacity", "POST", {"rules": [{"zone": "us-east-1b", "market": "spot"}]})
    yield
    lab.page("capacity", "POST", {"rules": []})


def provision(stack: Stack, *options: str, **changes: Any) -> Outcome:
    variables = {**NETWORK, "aws_nodes_groups": [GROUP | changes]}
    return stack.play("provision", "-e", json.dumps(variables), *options)


def nodes(stack: Stack) -> dict[str, dict[str, Any]]:
    return {name: instance for name, instance in stack.instances().items() if name != "many-bastion"}


def launches(stack: Stack, since: int) -> list[dict[str, Any]]:
    """What was asked of AWS for the nodes."""
    calls = [call["parameters"] for call in stack.lab.calls(since) if call["action"] == "RunInstances"]
    return [call for call in calls if "trainyard-many-train" in json.dumps(call)]


def schedules(stack: Stack) -> dict[str, str]:
    """When the account ends which instance, by the schedules that it keeps."""
    scheduler, found = stack.lab.client("scheduler"), {}
    groups = [one["Name"] for one in scheduler.list_schedule_groups()["ScheduleGroups"] if one["Name"] != "default"]
    for item in [item for group in groups for item in scheduler.list_schedules(GroupName=group)["Schedules"]]:
        one = scheduler.get_schedule(GroupName=item["GroupName"], Name=item["Name"])
        assert (one["ScheduleExpressionTimezone"], one["ActionAfterCompletion"]) == ("UTC", "DELETE")
        (instance,) = json.loads(one["Target"]["Input"])["InstanceIds"]
        found[instance] = one["ScheduleExpression"]
    return found


def expiries(stack: Stack) -> dict[str, str]:
    """The same, by the tags of the instances."""
    tagged = {one["InstanceId"]: {tag["Key"]: tag["Value"] for tag in one["Tags"]} for one in nodes(stack).values()}
    return {instance: f"at({tags['trainyard:expires-at'].rstrip('Z')})" for instance, tags in tagged.items()}


def test_check_mode_shows_what_would_be_launched(stack: Stack) -> None:
    before = len(stack.lab.calls())
    outcome = provision(stack, "--check", "--diff")
    assert outcome.status == 0, outcome.text
    for text in ("many-train-0", "many-train-1", "g6.xlarge", "us-east-1b", "spot"):
        assert text in outcome.text
    assert launches(stack, before) == []


def test_the_next_zone_is_asked_when_the_cheapest_has_no_room(stack: Stack) -> None:
    before = len(stack.lab.calls())
    outcome = provision(stack)
    assert outcome.status == 0, outcome.text
    made = nodes(stack)
    assert sorted(made) == ["many-train-0", "many-train-1"]
    for instance in made.values():
        assert instance["InstanceLifecycle"] == "spot"
        assert instance["Placement"]["AvailabilityZone"] == "us-east-1a"
        assert "PublicIpAddress" not in instance
        options = instance["MetadataOptions"]
        assert (options["HttpTokens"], options["HttpPutResponseHopLimit"]) == ("required", 1)
    assert schedules(stack) == expiries(stack)
    assert len(launches(stack, before)) == 3  # one refusal, two nodes


def test_what_is_launched_is_tagged_from_the_start_and_encrypted(stack: Stack) -> None:
    ec2 = stack.lab.client("ec2")
    for name, instance in nodes(stack).items():
        volumes = [device["Ebs"]["VolumeId"] for device in instance["BlockDeviceMappings"]]
        described = ec2.describe_volumes(VolumeIds=volumes)["Volumes"]
        assert sorted(volume["Size"] for volume in described) == [20, 100]
        assert {volume["Encrypted"] for volume in described} == {True}
        tagged = ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [instance["InstanceId"], *volumes]}])[
            "Tags"
        ]
        expiries = {tag["ResourceId"]: tag["Value"] for tag in tagged if tag["Key"] == "trainyard:expires-at"}
        assert set(expiries) == {instance["InstanceId"], *volumes}, name


def test_changes_nothing_the_second_time(stack: Stack) -> None:
    before = len(stack.lab.calls())
    outcome = provision(stack)
    assert outcome.status == 0, outcome.text
    assert outcome.changed == 0, outcome.text
    assert launches(stack, before) == []


def test_a_lowered_count_takes_the_highest_number(stack: Stack) -> None:
    outcome = provision(stack, "--diff", count=1)
    assert outcome.status == 0, outcome.text
    assert list(nodes(stack)) == ["many-train-0"]
    assert "many-train-1" in outcome.text
    assert schedules(stack) == expiries(stack)


def test_all_or_nothing_gives_back_what_it_got(stack: Stack) -> None:
    rule = {
        "match": {"service": "ec2", "action": "RunInstances"},
        "skip": 1,
        "times": None,
        "then": {"code": "InsufficientInstanceCapacity", "status": 500},
    }
    stack.lab.page("faults", "POST", rule)
    try:
        outcome = provision(stack, count=3, all_or_nothing=True)
    finally:
        stack.lab.page("faults", "DELETE")
    assert outcome.status != 0
    assert "g6.xlarge in us-east-1a (spot): AWS has no capacity there now." in outcome.text
    assert list(nodes(stack)) == ["many-train-0"]


def test_the_account_ends_a_node_that_does_not_end_itself(stack: Stack) -> None:
    """Twelve hours pass for the account and not for the node, as if its system hung; nobody is at the controller."""
    (node,) = nodes(stack).values()
    assert list(schedules(stack)) == [node["InstanceId"]]
    before = len(stack.lab.calls())
    stack.lab.page("clock", "POST", {"ahead_seconds": 13 * 3600})
    try:
        wait_for(lambda: not nodes(stack), PATIENCE_SECONDS, "the account to end the node")
        wait_for(lambda: not schedules(stack), PATIENCE_SECONDS, "the schedule to be deleted")
    finally:
        stack.lab.page("clock", "POST", {})
    wait_for(lambda: terminations(stack, before), PATIENCE_SECONDS, "the call to be logged")
    assert terminations(stack, before) == [("scheduler", [node["InstanceId"]], None)]


def terminations(stack: Stack, since: int) -> list[tuple[str, list[str], str | None]]:
    calls = [call for call in stack.lab.calls(since) if call["action"] == "TerminateInstances"]
    return [(call["caller"], call["parameters"]["InstanceIds"], call["error"]) for call in calls]


def test_destroy_leaves_nothing(stack: Stack) -> None:
    outcome = stack.play("destroy", "-e", "stack_purge=many")
    assert outcome.status == 0, outcome.text
    assert '0 left of stack "many"' in outcome.text
    ec2 = stack.lab.client("ec2")
    assert nodes(stack) == {}
    assert ec2.describe_launch_templates()["LaunchTemplates"] == []
    assert ec2.describe_placement_groups()["PlacementGroups"] == []
    assert [one["Name"] for one in stack.lab.client("scheduler").list_schedule_groups()["ScheduleGroups"]] == [
        "default"
    ]
    assert stack.lab.client("iam").list_roles()["Roles"] == []
    requests = ec2.describe_spot_instance_requests()["SpotInstanceRequests"]
    assert {request["State"] for request in requests} <= {"closed", "cancelled"}

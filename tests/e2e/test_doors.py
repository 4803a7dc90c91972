# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stack without a bastion and without a NAT gateway: its node is reached over Session Manager, then over Instance Connect."""

from __future__ import annotations

import json

import pytest

from tests.e2e.driver import Lab, Outcome, Stack, copy_inventory, stack_environment, wait_for

INSIDE = {"aws_access_door": "ssm", "aws_network_egress": "endpoints", "aws_network_flow_logs_enabled": True}
# With it comes another owner: what the stack has already changes hands.
THRIFTY = {"aws_access_door": "instance_connect", "aws_network_egress": "nat_instance", "stack_owner": "heir"}


@pytest.fixture(scope="module")
def stack(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    home = tmp_path_factory.mktemp("home")
    inventory = copy_inventory("doors", home / "inventory", "10.76")
    return Stack("doors", lab, home, inventory, "", stack_environment(lab, home))


def provision(stack: Stack, choice: dict[str, object]) -> Outcome:
    return stack.play("provision", "-e", json.dumps(choice))


def reach(stack: Stack) -> Outcome:
    """Over a connection of its own: one that is still open would hide that the door has changed."""
    return stack.ssh("hostname", "-o", "ControlPath=none")


def ways(stack: Stack) -> set[str]:
    """What leads in or out of the stack's VPC, besides the endpoint of S3."""
    ec2 = stack.lab.client("ec2")
    ours = [{"Name": "tag:trainyard:stack", "Values": [stack.name]}]
    interfaces = [*ours, {"Name": "vpc-endpoint-type", "Values": ["Interface"]}]
    found = {
        "endpoints": ec2.describe_vpc_endpoints(Filters=interfaces)["VpcEndpoints"],
        "Instance Connect": ec2.describe_instance_connect_endpoints(Filters=ours)["InstanceConnectEndpoints"],
    }
    public = {name for name, instance in stack.instances().items() if "PublicIpAddress" in instance}
    return {name for name, resources in found.items() if resources} | public


def route_tables(stack: Stack) -> dict[str, str]:
    """The owner of each of the stack's route tables that leads a subnet somewhere, by its name."""
    ours = [{"Name": "tag:trainyard:stack", "Values": [stack.name]}]
    found = stack.lab.client("ec2").describe_route_tables(Filters=ours)["RouteTables"]
    tags = [{tag["Key"]: tag["Value"] for tag in table["Tags"]} for table in found if table["Associations"]]
    assert len(tags) == len(found), "a route table leads nobody"
    return {table["Name"]: table["trainyard:owner"] for table in tags}


def test_a_node_is_reached_through_each_door_that_has_no_address(stack: Stack) -> None:
    first = provision(stack, INSIDE)
    assert first.status == 0, first.text
    assert ways(stack) == {"endpoints"}
    assert set(stack.instances()) == {stack.node}
    wait_for(lambda: reach(stack).status == 0, 60, "the node to answer over Session Manager")
    again = provision(stack, INSIDE)
    assert (again.status, again.changed) == (0, 0), again.text
    node = stack.instances()[stack.node]["InstanceId"]

    moved = provision(stack, THRIFTY)
    assert moved.status == 0, moved.text
    assert ways(stack) == {"Instance Connect", "doors-nat"}
    assert stack.instances()[stack.node]["InstanceId"] == node
    assert route_tables(stack) == {"doors-private": "heir", "doors-public": "heir"}
    wait_for(lambda: reach(stack).status == 0, 60, "the node to answer over Instance Connect")
    again = provision(stack, THRIFTY)
    assert (again.status, again.changed) == (0, 0), again.text

    gone = stack.play("destroy", "-e", json.dumps(THRIFTY), "-e", "stack_purge=doors")
    assert gone.status == 0, gone.text
    assert '0 left of stack "doors"' in gone.text
    assert ways(stack) == set()
    assert stack.instances() == {}

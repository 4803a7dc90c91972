# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stack in a network, with a file system, a bucket and a key that were there before, and are there afterwards as they were."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.driver import Lab, Stack, copy_inventory, stack_environment, wait_for

ROUTES = "0.0.0.0/0"
BUCKET = "results-of-another-team"
ALARMS = ("idle-accelerator", "disk-nearly-full", "checkpoint-too-old", "budget-nearly-used", "spot-notice")
PASSWORD = "/trainyard/adopt/grafana-admin-password"
PASSWORDS = [{"Key": "Name", "Option": "BeginsWith", "Values": ["/trainyard/"]}]


@pytest.fixture(scope="module")
def stack(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    home = tmp_path_factory.mktemp("home")
    inventory = copy_inventory("adopt", home / "inventory", "10.80")
    return Stack("adopt", lab, home, inventory, "", stack_environment(lab, home))


@pytest.fixture(scope="module")
def key(stack: Stack) -> Path:
    file = stack.home / "own_key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file], check=True)
    return file


@pytest.fixture(scope="module")
def adopted(stack: Stack, key: Path) -> Iterator[dict[str, Any]]:
    """What another team has made, without any tag of ours."""
    ec2, efs = stack.lab.client("ec2"), stack.lab.client("efs")
    vpc = ec2.create_vpc(CidrBlock="10.80.0.0/16")["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    public, private = (
        ec2.create_subnet(VpcId=vpc, CidrBlock=cidr, AvailabilityZone="us-east-1a")["Subnet"]["SubnetId"]
        for cidr in ("10.80.10.0/24", "10.80.11.0/24")
    )
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock=ROUTES, GatewayId=gateway)
    ec2.associate_route_table(RouteTableId=table, SubnetId=public)
    group = ec2.create_security_group(GroupName="theirs", Description="theirs", VpcId=vpc)["GroupId"]
    file_system = efs.create_file_system(CreationToken="theirs", Encrypted=True)["FileSystemId"]
    target = efs.create_mount_target(FileSystemId=file_system, SubnetId=private, SecurityGroups=[group])[
        "MountTargetId"
    ]
    s3 = stack.lab.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    ec2.import_key_pair(KeyName="theirs", PublicKeyMaterial=key.with_name("own_key.pub").read_bytes())
    yield {
        "vpc_id": vpc,
        "public_subnet_ids": [public],
        "private_subnet_ids": [private],
        "security_group_ids": [group],
        "file_system_id": file_system,
        "bucket": BUCKET,
        "key_name": "theirs",
    }
    ec2.delete_key_pair(KeyName="theirs")
    s3.delete_bucket(Bucket=BUCKET)
    efs.delete_mount_target(MountTargetId=target)
    wait_for(
        lambda: not efs.describe_mount_targets(FileSystemId=file_system)["MountTargets"], 60, "the mount target to go"
    )
    efs.delete_file_system(FileSystemId=file_system)
    for subnet in (public, private):
        ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_route_table(RouteTableId=table)
    ec2.delete_security_group(GroupId=group)
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    ec2.delete_internet_gateway(InternetGatewayId=gateway)
    ec2.delete_vpc(VpcId=vpc)


@pytest.fixture(scope="module")
def options(adopted: dict[str, Any], key: Path) -> tuple[str, ...]:
    return ("-e", json.dumps({"stack_adopted": adopted, "stack_ssh_key_file": str(key)}))


def inventory_of(stack: Stack) -> dict[str, Any]:
    """Everything in the account that a stack could touch, as AWS describes it."""
    ec2, efs, s3 = (stack.lab.client(service) for service in ("ec2", "efs", "s3"))
    file_systems = efs.describe_file_systems()["FileSystems"]
    for each in file_systems:
        each.pop("SizeInBytes")  # measured anew at each question
    return {
        "vpcs": ec2.describe_vpcs()["Vpcs"],
        "subnets": ec2.describe_subnets()["Subnets"],
        "gateways": ec2.describe_internet_gateways()["InternetGateways"],
        "routes": ec2.describe_route_tables()["RouteTables"],
        "groups": ec2.describe_security_groups()["SecurityGroups"],
        "keys": ec2.describe_key_pairs()["KeyPairs"],
        "addresses": ec2.describe_addresses()["Addresses"],
        "file systems": file_systems,
        "mount targets": [
            target
            for each in file_systems
            for target in efs.describe_mount_targets(FileSystemId=each["FileSystemId"])["MountTargets"]
        ],
        "buckets": s3.list_buckets()["Buckets"],
        "roles": stack.lab.client("iam").list_roles()["Roles"],
        "profiles": stack.lab.client("iam").list_instance_profiles()["InstanceProfiles"],
        "alarms": stack.lab.client("cloudwatch").describe_alarms()["MetricAlarms"],
        "passwords": stack.lab.client("ssm").describe_parameters(ParameterFilters=PASSWORDS)["Parameters"],
    }


def tags_of_alarms(stack: Stack) -> dict[str, str]:
    """The stack that each alarm of the account says it belongs to."""
    cloudwatch = stack.lab.client("cloudwatch")
    found = {}
    for alarm in cloudwatch.describe_alarms()["MetricAlarms"]:
        tags = cloudwatch.list_tags_for_resource(ResourceARN=alarm["AlarmArn"])["Tags"]
        found[alarm["AlarmName"]] = next(tag["Value"] for tag in tags if tag["Key"] == "trainyard:stack")
    return found


def ports_open_to(stack: Stack, group: str) -> set[int]:
    """The ports of the nodes that a security group may reach."""
    filters = [{"Name": "group-name", "Values": [f"{stack.name}-nodes"]}]
    (nodes,) = stack.lab.client("ec2").describe_security_groups(Filters=filters)["SecurityGroups"]
    rules = [rule for rule in nodes["IpPermissions"] if group in [each["GroupId"] for each in rule["UserIdGroupPairs"]]]
    return {rule["FromPort"] for rule in rules}


def the_monitor_is_an_instance_of_its_own(stack: Stack, adopted: dict[str, Any], options: tuple[str, ...]) -> None:
    """What the account holds of it. Packages of Grafana cannot be had here, so nothing is installed on it."""
    options = (*options, "-e", "aws_monitor_place=instance", "-e", "target=nobody")
    made = stack.play("observe", *options)
    assert made.status == 0, made.text
    assert "-N -L 3000:127.0.0.1:3000 -L 6006:127.0.0.1:6006 adopt-monitor" in made.text
    password = stack.lab.client("ssm").get_parameter(Name=PASSWORD, WithDecryption=True)["Parameter"]
    assert (password["Type"], password["Value"] in made.text) == ("SecureString", False)
    monitor = stack.instances()["adopt-monitor"]
    assert (monitor["SubnetId"], "PublicIpAddress" in monitor) == (adopted["private_subnet_ids"][0], False)
    assert monitor["IamInstanceProfile"]["Arn"].endswith("/trainyard-adopt-us-east-1-monitor")
    assert ports_open_to(stack, monitor["SecurityGroups"][0]["GroupId"]) == {9100, 9400}
    wait_for(lambda: stack.ssh("hostname", host="adopt-monitor").status == 0, 120, "the monitor to answer")
    for verb in ("observe", "provision"):
        again = stack.play(verb, *options)
        assert (again.status, again.changed) == (0, 0), again.text
    assert stack.lab.client("ssm").get_parameter(Name=PASSWORD, WithDecryption=True)["Parameter"] == password


def test_the_life_of_a_stack_in_what_was_there_before(
    stack: Stack, adopted: dict[str, Any], options: tuple[str, ...]
) -> None:
    before = inventory_of(stack)
    planned = stack.play("site", "--check", *options)
    assert planned.status == 0, planned.text
    assert inventory_of(stack) == before

    made = stack.play("provision", *options)
    assert made.status == 0, made.text
    wait_for(lambda: stack.ssh("hostname").status == 0, 120, "the node to answer")
    node = stack.instances()[stack.node]
    assert (node["VpcId"], node["SubnetId"]) == (adopted["vpc_id"], adopted["private_subnet_ids"][0])
    assert node["KeyName"] == "theirs"
    assert set(adopted["security_group_ids"]) < {group["GroupId"] for group in node["SecurityGroups"]}

    again = stack.play("provision", *options)
    assert again.status == 0, again.text
    assert again.changed == 0, again.text

    watched = stack.play("observe", *options)
    assert watched.status == 0, watched.text
    assert tags_of_alarms(stack) == dict.fromkeys((f"trainyard-adopt-{alarm}" for alarm in ALARMS), "adopt")
    again = stack.play("observe", *options)
    assert (again.status, again.changed) == (0, 0), again.text
    assert set(stack.instances()) == {"adopt-bastion", stack.node}
    the_monitor_is_an_instance_of_its_own(stack, adopted, options)

    gone = stack.play("destroy", *options, "-e", "stack_purge=adopt")
    assert gone.status == 0, gone.text
    assert '0 left of stack "adopt"' in gone.text
    assert inventory_of(stack) == before

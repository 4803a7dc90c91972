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
    }


def test_the_life_of_a_stack_in_what_was_there_before(
    stack: Stack, adopted: dict[str, Any], options: tuple[str, ...]
) -> None:
    before = inventory_of(stack)
    planned = stack.play("provision", "--check", *options)
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

    gone = stack.play("destroy", *options, "-e", "stack_purge=adopt")
    assert gone.status == 0, gone.text
    assert '0 left of stack "adopt"' in gone.text
    assert inventory_of(stack) == before

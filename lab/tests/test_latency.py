# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waits: states on the way, what is refused until they are over, and the account's clock that ends them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pytest

from lab.latency import TABLES, Latency
from lab.tests.running_lab import RunningLab, Stack, error_of, eventually

LONG = 5000.0  # longer than any test: only the account's clock ends it


@pytest.fixture
def waits(lab: RunningLab) -> Iterator[None]:
    """Every transition takes longer than the test."""
    lab.control("/_lab/latency", {name: LONG for name in asdict(TABLES["aws"]) if name != "call"})
    yield
    lab.control("/_lab/latency", {})
    pass_time(lab)


def pass_time(lab: RunningLab) -> None:
    lab.control("/_lab/clock", {})
    lab.control("/_lab/clock", {"ahead_seconds": LONG + 1})
    lab.control("/_lab/clock", {})


def test_without_latency_everything_is_there_at_once() -> None:
    arriving = {
        name: value
        for name, value in asdict(TABLES["none"]).items()
        if not name.endswith(("ing_down", "deleting", "releasing"))
    }
    assert set(arriving.values()) == {0.0}


@pytest.mark.parametrize("given", [{"nat": 1}, {"call": -1}, {"call": "long"}], ids=str)
def test_a_wait_that_is_none_is_refused(given: dict[str, Any]) -> None:
    latency = Latency()
    with pytest.raises(ValueError, match=r"there is no wait nat|seconds are 0|could not convert"):
        latency.control(given)
    assert latency.waits == TABLES["none"]


def test_nothing_given_is_the_table_chosen_at_the_start() -> None:
    latency = Latency()
    latency.choose("aws")
    assert latency.control({"call": 1})["call"] == 1
    assert latency.control({}) == asdict(TABLES["aws"])


def test_every_call_takes_as_long_as_the_table_says(lab: RunningLab) -> None:
    lab.control("/_lab/latency", {"call": 0.3})
    try:
        started = time.monotonic()
        lab.ec2.describe_vpcs()
        assert time.monotonic() - started >= 0.3
    finally:
        lab.control("/_lab/latency", {})


@pytest.mark.usefixtures("waits")
def test_an_instance_is_pending_and_then_boots(lab: RunningLab, stack: Stack) -> None:
    instance = stack.launch()[0]
    identity = instance["InstanceId"]
    assert instance["State"] == {"Code": 0, "Name": "pending"}
    assert lab.containers(identity) == []
    assert error_of(lab.ec2.stop_instances, InstanceIds=[identity]) == "IncorrectInstanceState"
    pass_time(lab)
    assert stack.describe(identity)["State"]["Name"] == "running"
    assert lab.containers(identity) == []
    pass_time(lab)
    assert eventually(lambda: lab.containers(identity), 60)


@pytest.mark.usefixtures("waits")
def test_an_instance_shuts_down_and_holds_its_group_meanwhile(lab: RunningLab, stack: Stack) -> None:
    group = stack.group("held")
    identity = stack.launch(group=group)[0]["InstanceId"]
    pass_time(lab)
    pass_time(lab)
    for _ in range(2):
        stack.terminate(identity)
        assert stack.describe(identity)["State"] == {"Code": 32, "Name": "shutting-down"}
    assert error_of(lab.ec2.delete_security_group, GroupId=group) == "DependencyViolation"
    pass_time(lab)
    assert stack.describe(identity)["State"] == {"Code": 48, "Name": "terminated"}
    lab.ec2.delete_security_group(GroupId=group)


@pytest.mark.usefixtures("waits")
def test_an_instance_terminated_while_pending_never_runs(lab: RunningLab, stack: Stack) -> None:
    identity = stack.launch()[0]["InstanceId"]
    stack.terminate(identity)
    pass_time(lab)
    pass_time(lab)
    assert stack.describe(identity)["State"]["Name"] == "terminated"


@pytest.mark.usefixtures("waits")
def test_a_nat_gateway_is_pending_and_deleting_and_holds_what_it_uses(lab: RunningLab, stack: Stack) -> None:
    ec2 = lab.ec2
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = ec2.create_nat_gateway(SubnetId=stack.public, AllocationId=address)["NatGateway"]["NatGatewayId"]

    def state() -> str:
        return str(ec2.describe_nat_gateways(NatGatewayIds=[nat])["NatGateways"][0]["State"])

    assert state() == "pending"
    pass_time(lab)
    assert state() == "available"
    ec2.delete_nat_gateway(NatGatewayId=nat)
    assert state() == "deleting"
    assert error_of(ec2.release_address, AllocationId=address) == "AuthFailure"
    assert error_of(ec2.delete_subnet, SubnetId=stack.public) == "DependencyViolation"
    detach = {"InternetGatewayId": stack.gateway, "VpcId": stack.vpc}
    assert error_of(ec2.detach_internet_gateway, **detach) == "DependencyViolation"
    pass_time(lab)
    assert state() == "deleted"
    ec2.release_address(AllocationId=address)


@pytest.mark.usefixtures("waits")
def test_a_file_system_and_its_mount_target_come_and_go(lab: RunningLab, stack: Stack) -> None:
    efs = lab.efs
    file_system = efs.create_file_system(CreationToken="slow")["FileSystemId"]
    place = {"FileSystemId": file_system, "SubnetId": stack.private, "SecurityGroups": [stack.node_group]}

    def states() -> tuple[str, ...]:
        targets = efs.describe_mount_targets(FileSystemId=file_system)["MountTargets"]
        found = [*efs.describe_file_systems(FileSystemId=file_system)["FileSystems"], *targets]
        return tuple(one["LifeCycleState"] for one in found)

    assert states() == ("creating",)
    assert error_of(efs.create_mount_target, **place) == "IncorrectFileSystemLifeCycleState"
    pass_time(lab)
    target = efs.create_mount_target(**place)["MountTargetId"]
    assert states() == ("available", "creating")
    assert lab.containers(target) == []
    pass_time(lab)
    assert states() == ("available", "available")
    assert eventually(lambda: lab.containers(target), 60)
    efs.delete_mount_target(MountTargetId=target)
    assert states() == ("available", "deleting")
    assert error_of(efs.delete_file_system, FileSystemId=file_system) == "FileSystemInUse"
    pass_time(lab)
    efs.delete_file_system(FileSystemId=file_system)
    assert states() == ("deleting",)
    pass_time(lab)
    assert error_of(efs.describe_file_systems, FileSystemId=file_system) == "FileSystemNotFound"

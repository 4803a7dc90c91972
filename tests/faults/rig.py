# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the tests break things, and how they ask the account what it holds, without any code of the collection."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import jmespath
from botocore.exceptions import ClientError

from tests.e2e.driver import READS, Lab, Stack, end, wait_for

PURGE = ("-e", "stack_purge=faults")
SECONDS_TO_REACH_A_CALL = 240
SECONDS_HELD = 300  # longer than it takes to kill the one who waits for the answer

# What can be held, how it is listed, and where the identifiers stand. Terminated instances and deleted gateways stay
# listed for a while and are nobody's any more.
LISTINGS = (
    ("ec2", "describe_instances", "Reservations[].Instances[] | [?State.Name != 'terminated'].InstanceId"),
    ("ec2", "describe_nat_gateways", "NatGateways[?State != 'deleted'].NatGatewayId"),
    ("ec2", "describe_vpcs", "Vpcs[].VpcId"),
    ("ec2", "describe_subnets", "Subnets[].SubnetId"),
    ("ec2", "describe_route_tables", "RouteTables[].RouteTableId"),
    ("ec2", "describe_security_groups", "SecurityGroups[].GroupId"),
    ("ec2", "describe_internet_gateways", "InternetGateways[].InternetGatewayId"),
    ("ec2", "describe_addresses", "Addresses[].AllocationId"),
    ("ec2", "describe_volumes", "Volumes[].VolumeId"),
    ("ec2", "describe_network_interfaces", "NetworkInterfaces[].NetworkInterfaceId"),
    ("ec2", "describe_key_pairs", "KeyPairs[].KeyPairId"),
    ("ec2", "describe_vpc_endpoints", "VpcEndpoints[?State != 'deleted'].VpcEndpointId"),
    ("ec2", "describe_launch_templates", "LaunchTemplates[].LaunchTemplateId"),
    ("ec2", "describe_placement_groups", "PlacementGroups[].GroupName"),
    ("ec2", "describe_flow_logs", "FlowLogs[].FlowLogId"),
    ("scheduler", "list_schedule_groups", "ScheduleGroups[?Name != 'default'].Name"),
    ("efs", "describe_file_systems", "FileSystems[].FileSystemId"),
    ("s3", "list_buckets", "Buckets[].Name"),
    ("iam", "list_roles", "Roles[].RoleName"),
    ("iam", "list_instance_profiles", "InstanceProfiles[].InstanceProfileName"),
)


def holdings(lab: Lab) -> set[str]:
    """Everything in the account, whoever it belongs to."""
    return {f"{service} {one}" for service, call, where in LISTINGS for one in _listed(lab, service, call, where)}


def _listed(lab: Lab, service: str, call: str, where: str) -> list[str]:
    try:
        answer = getattr(lab.client(service), call)()
    except ClientError as error:
        if error.response["Error"]["Code"] != "NotImplemented":
            raise
        return []  # what cannot be made need not be looked for
    return jmespath.search(where, answer) or []


def count_of(lab: Lab) -> dict[str, int]:
    """How many there are of what a retry is most likely to double."""
    named = (
        "describe_vpcs",
        "describe_addresses",
        "describe_nat_gateways",
        "describe_instances",
        "describe_file_systems",
    )
    return {call: len(_listed(lab, service, call, where)) for service, call, where in LISTINGS if call in named}


def destroy(stack: Stack) -> None:
    outcome = stack.play("destroy", *PURGE)
    assert outcome.status == 0, outcome.text
    assert f'0 left of stack "{stack.name}"' in outcome.text


class Faults:
    """The lab's faults on demand."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def add(self, action: str, then: dict, **more: object) -> None:
        self._lab.page("faults", "POST", {"match": {"action": action}, "then": then, **more})

    def listed(self) -> list[dict]:
        return self._lab.page("faults")

    def clear(self) -> None:
        self._lab.page("faults", "DELETE")


def writes(calls: list[dict]) -> list[str]:
    return [call["action"] for call in calls if not call["action"].startswith(READS)]


def kill_after(stack: Stack, faults: Faults, playbook: str, actions: Iterable[str], *options: str) -> None:
    """As if the controller lost its power when these calls had just happened, before their answers arrived."""
    wanted = set(actions)
    for action in wanted:
        faults.add(action, {"delay_seconds": SECONDS_HELD})
    before = len(stack.lab.calls())
    process = stack.start(playbook, *options)
    try:
        wait_for(
            lambda: process.poll() is not None or wanted <= set(writes(stack.lab.calls(before))),
            SECONDS_TO_REACH_A_CALL,
            f"all of {wanted}",
        )
        assert process.poll() is None, f"ended before {wanted}:\n{process.stdout.read()}"
        kill_whole(process)
    finally:
        end(process)
        faults.clear()


def kill_whole(process: subprocess.Popen) -> None:
    """As a power cut would: with everything it has started."""
    for each in [*descendants(process.pid), process.pid]:
        with suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)
    process.wait()


def descendants(pid: int) -> list[int]:
    """Its children and theirs; Ansible gives its workers sessions of their own, so their group is not its group."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found = [pid]
    for each in found:
        found += [child for child, parent in parents.items() if parent == each]
    return found[1:]

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The other ways in and out: a stack without a bastion and without a NAT gateway, from an empty account and back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.driver import Lab, Stack, copy_inventory, stack_environment


def stack_of(name: str, lab: Lab, home: Path, octets: str) -> Stack:
    inventory = copy_inventory(name, home / "inventory", octets)
    return Stack(name, lab, home, inventory, "", stack_environment(lab, home))


@pytest.mark.parametrize(
    ("name", "octets", "choice"),
    [
        pytest.param(
            "inside",
            "10.80",
            {"aws_network_egress": "endpoints", "aws_access_door": "ssm", "aws_network_flow_logs_enabled": True},
            id="endpoints and SSM",
        ),
        pytest.param(
            "thrifty",
            "10.81",
            {"aws_network_egress": "nat_instance", "aws_access_door": "instance_connect"},
            id="NAT instance and Instance Connect",
        ),
    ],
)
def test_a_stack_with_other_ways_in_and_out(
    lab: Lab, tmp_path: Path, name: str, octets: str, choice: dict[str, object]
) -> None:
    stack = stack_of(name, lab, tmp_path, octets)
    options = ("-e", json.dumps(choice))
    first = stack.play("provision", *options)
    assert first.status == 0, first.text
    instances = stack.instances()
    assert f"{name}-bastion" not in instances
    assert (
        lab.client("ec2").describe_nat_gateways(Filter=[{"Name": "tag:trainyard:stack", "Values": [name]}])[
            "NatGateways"
        ]
        == []
    )
    second = stack.play("provision", *options)
    assert (second.status, second.changed) == (0, 0), second.text
    gone = stack.play("destroy", *options, "-e", f"stack_purge={name}")
    assert gone.status == 0, gone.text
    assert stack.resources() == []

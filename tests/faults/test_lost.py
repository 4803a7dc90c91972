# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers that never arrive, throttling without an end, and a name that could mean everything."""

from __future__ import annotations

import json

import pytest

from tests.e2e.driver import Stack
from tests.faults.rig import Faults, destroy, writes

THROTTLED = {"status": 503, "code": "RequestLimitExceeded"}


@pytest.mark.usefixtures("nothing_left")
def test_lost_answers_leave_nothing_behind(stack: Stack, faults: Faults) -> None:
    """Each of these happened, and whoever asked never heard of it: a second one may be made, and must be found."""
    actions = ("CreateVpc", "AllocateAddress", "CreateNatGateway", "RunInstances", "CreateFileSystem")
    for action in actions:
        faults.add(action, {"drop": "after"})
    # One may stop at the second VPC, since the lab, unlike AWS, has no two of one range, and one at the second NAT gateway,
    # since the lab does not know a request again by its token.
    for _ in range(3):
        stack.play("provision")
    assert {rule["match"]["action"]: rule["hits"] for rule in faults.listed()} == dict.fromkeys(actions, 1)
    destroy(stack)


@pytest.mark.usefixtures("nothing_left")
def test_a_second_network_of_ours_goes_too(stack: Stack) -> None:
    """What AWS would have after a lost answer of CreateVpc."""
    tags = [{"Key": "trainyard:stack", "Value": stack.name}, {"Key": "Name", "Value": stack.name}]
    for third in (0, 128):
        stack.lab.client("ec2").create_vpc(
            CidrBlock=f"10.91.{third}.0/17", TagSpecifications=[{"ResourceType": "vpc", "Tags": tags}]
        )
    destroy(stack)


@pytest.mark.usefixtures("nothing_left")
def test_check_mode_goes_on_where_no_address_was_to_be_had(stack: Stack, faults: Faults) -> None:
    """The network is there, what stands behind its address is not, and check mode names the rest."""
    faults.add("AllocateAddress", {"status": 400, "code": "AddressLimitExceeded"}, times=None)
    assert stack.play("provision").status != 0
    faults.clear()
    outcome = stack.play("provision", "--check")
    assert outcome.status == 0, outcome.text
    destroy(stack)


def test_throttling_without_an_end_ends_before_anything_is_created(stack: Stack, faults: Faults) -> None:
    faults.add("DescribeVpcs", THROTTLED, times=None)
    before = len(stack.lab.calls())
    outcome = stack.play("provision")
    assert outcome.status != 0
    assert 'Cannot look for what belongs to stack "faults"' in outcome.text
    assert "RequestLimitExceeded" in outcome.text
    assert writes(stack.lab.calls(before)) == []


@pytest.mark.parametrize(("playbook", "name"), [("provision", ""), ("destroy", ""), ("destroy", "*")])
def test_a_name_that_could_mean_everything_is_refused(stack: Stack, playbook: str, name: str) -> None:
    before = len(stack.lab.calls())
    outcome = stack.play(playbook, "-e", json.dumps({"stack_name": name}))
    assert outcome.status != 0
    assert f'The stack name "{name}" must start with a letter' in outcome.text
    assert writes(stack.lab.calls(before)) == []

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A controller that dies: what it left is removed whole, or made whole."""

from __future__ import annotations

import pytest

from tests.e2e.driver import Stack
from tests.faults.rig import PURGE, Faults, count_of, destroy, kill_after

ONE_OF_EACH = {
    "describe_instances": 2,  # the bastion and the node
    "describe_nat_gateways": 1,
    "describe_vpcs": 1,
    "describe_addresses": 1,
    "describe_file_systems": 1,
}

pytestmark = pytest.mark.usefixtures("nothing_left")


def test_destroy_removes_the_first_thing_of_a_killed_provision(stack: Stack, faults: Faults) -> None:
    kill_after(stack, faults, "provision", ["CreateVpc"])
    destroy(stack)


def test_provision_and_destroy_go_on_where_they_were_killed(stack: Stack, faults: Faults) -> None:
    kill_after(stack, faults, "provision", ["CreateNatGateway"])
    kill_after(stack, faults, "provision", ["RunInstances", "CreateFileSystem"])
    outcome = stack.play("provision")
    assert outcome.status == 0, outcome.text
    assert count_of(stack.lab) == ONE_OF_EACH
    kill_after(stack, faults, "destroy", ["DeleteNatGateway", "TerminateInstances"], *PURGE)
    destroy(stack)

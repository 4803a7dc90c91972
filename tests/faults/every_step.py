# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A provision that is killed after each writing call there is, one by one. It takes long, so it is a suite of its own."""

from __future__ import annotations

from tests.e2e.driver import Stack
from tests.faults.rig import PURGE, Faults, holdings, kill_after, writes


def test_destroy_leaves_nothing_wherever_provision_was_killed(stack: Stack, faults: Faults) -> None:
    before = holdings(stack.lab)
    start = len(stack.lab.calls())
    stack.play("provision")
    actions = list(dict.fromkeys(writes(stack.lab.calls(start))))
    assert "RunInstances" in actions
    stack.play("destroy", *PURGE)
    wrong = {}
    for action in actions:
        kill_after(stack, faults, "provision", [action])
        outcome = stack.play("destroy", *PURGE)
        left = holdings(stack.lab) - before
        if outcome.status or left:
            wrong[action] = (outcome.text, left)
            stack.play("destroy", *PURGE)
    assert not wrong, wrong

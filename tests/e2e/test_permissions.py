# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a stack in the hands of a user who holds nothing but the policy that was written for it.

The tests stand in the order of that life and build on each other.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.driver import Lab, Stack, copy_inventory, stack_environment
from tests.e2e.rights import Operator, Policies, needless, operator_of, refused, without, written_policies

NAME = "rights"
TAKEN_AWAY = "GiveNodeRole"
LACKING = ("iam:CreateRole", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy")


@pytest.fixture(scope="module")
def owner(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """The stack in the hands of someone who may do everything."""
    home = tmp_path_factory.mktemp("home")
    inventory = copy_inventory(NAME, home / "inventory", "10.83")
    expiry = inventory / "group_vars" / "all.yml"
    expiry.write_text(f"{expiry.read_text()}stack_time_to_live: 12h\n")
    return Stack(NAME, lab, home, inventory, "", stack_environment(lab, home))


@pytest.fixture(scope="module")
def policies(owner: Stack) -> Policies:
    return written_policies(owner)


@pytest.fixture(scope="module")
def operator(owner: Stack, policies: Policies) -> Iterator[Operator]:
    with operator_of(owner, policies) as held:
        yield held


class TestOperator:
    def test_is_told_what_he_lacks(self, operator: Operator, policies: Policies) -> None:
        complete = operator.play("permissions")
        assert complete.status == 0, complete.text
        assert "You lack nothing." in complete.text
        operator.hold(without(policies, TAKEN_AWAY))
        lacking = operator.play("plan")
        assert lacking.status == 0, lacking.text
        assert f"Permissions that you lack: {', '.join(LACKING)}." in lacking.text

    def test_is_told_which_step_was_refused(self, operator: Operator) -> None:
        outcome = operator.play("provision")
        assert outcome.status != 0
        warning, failure = (outcome.text.find(text) for text in ("You lack permissions", "FAILED: "))
        assert 0 <= warning < failure
        assert "FAILED: trainyard.aws.aws_identity : Keep the role of the nodes" in outcome.text
        assert f"user/{operator.name} is not authorized to perform: iam:CreateRole" in outcome.text
        assert "these parts failed (see above): node_role." in outcome.text

    def test_goes_on_once_the_permission_is_there(self, operator: Operator, policies: Policies) -> None:
        operator.hold(policies)
        first = operator.play("provision")
        assert first.status == 0, first.text
        second = operator.play("provision")
        assert (second.status, second.changed) == (0, 0), second.text
        watched = operator.play("observe")
        assert watched.status == 0, watched.text

    def test_removes_it_all(self, operator: Operator) -> None:
        outcome = operator.play("destroy", "-e", f"stack_purge={NAME}")
        assert outcome.status == 0, outcome.text
        assert f'0 left of stack "{NAME}"' in outcome.text
        assert [name for name in operator.stack.instances() if name.startswith(f"{NAME}-")] == []

    def test_needs_every_statement(self, operator: Operator, policies: Policies) -> None:
        questions = operator.asked()
        assert refused(questions, policies) == set()
        assert needless(questions, policies) == []

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a stack in the hands of a user who holds nothing but the policy that was written for it.

The tests stand in the order of that life and build on each other.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from lab.policies import Decision, Question, decide
from tests.e2e.driver import Lab, Outcome, Stack, copy_inventory, stack_environment

NAME = "rights"
USER = f"{NAME}-operator"
ALWAYS_ALLOWED = "sts:GetCallerIdentity"
TAKEN_AWAY = "GiveNodeRole"
LACKING = ("iam:CreateRole", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy")

Policies = list[dict[str, Any]]


@dataclass
class Operator:
    """A user of the account whose policies a test may change."""

    stack: Stack
    iam: Any

    def hold(self, policies: Policies) -> None:
        """These policies and no others."""
        self.let_go()
        for number, policy in enumerate(policies):
            made = self.iam.create_policy(PolicyName=f"{USER}-{number}", PolicyDocument=json.dumps(policy))
            self.iam.attach_user_policy(UserName=USER, PolicyArn=made["Policy"]["Arn"])

    def let_go(self) -> None:
        for policy in self.iam.list_attached_user_policies(UserName=USER)["AttachedPolicies"]:
            self.iam.detach_user_policy(UserName=USER, PolicyArn=policy["PolicyArn"])
            self.iam.delete_policy(PolicyArn=policy["PolicyArn"])

    def play(self, playbook: str, *options: str) -> Outcome:
        return self.stack.play(playbook, *options)

    def asked(self) -> list[dict[str, Any]]:
        """Everything that IAM was asked about this user's calls so far."""
        asked = self.stack.lab.page("authorizations")
        return [item for item in asked if item["principal"].endswith(f":user/{USER}")]


@pytest.fixture(scope="module")
def owner(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """The stack in the hands of someone who may do everything."""
    home = tmp_path_factory.mktemp("home")
    inventory = copy_inventory(NAME, home / "inventory", "10.83")
    return Stack(NAME, lab, home, inventory, "", stack_environment(lab, home))


@pytest.fixture(scope="module")
def policies(owner: Stack) -> Policies:
    """What the playbook writes."""
    outcome = owner.play("permissions")
    assert outcome.status == 0, outcome.text
    files = sorted((owner.home / ".trainyard" / NAME).glob("operator-policy-*.json"))
    return [json.loads(file.read_text()) for file in files]


@pytest.fixture(scope="module")
def operator(owner: Stack, policies: Policies) -> Iterator[Operator]:
    iam = owner.lab.client("iam")
    iam.create_user(UserName=USER)
    key = iam.create_access_key(UserName=USER)["AccessKey"]
    keys = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    held = Operator(replace(owner, environment=owner.environment | keys), iam)
    held.hold(policies)
    yield held
    held.let_go()
    iam.delete_access_key(UserName=USER, AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName=USER)


def without(policies: Policies, sid: str) -> Policies:
    """The policies less one statement."""
    return [
        {**policy, "Statement": [item for item in policy["Statement"] if item["Sid"] != sid]} for policy in policies
    ]


def refused(questions: list[dict[str, Any]], policies: Policies) -> set[str]:
    """The calls that would not go through with these policies."""
    return {
        item["call"]
        for item in questions
        if item["action"] != ALWAYS_ALLOWED
        and decide(policies, Question(item["action"], item["resource"], item["context"])) is not Decision.ALLOWED
    }


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
        assert f"user/{USER} is not authorized to perform: iam:CreateRole" in outcome.text
        assert "these parts failed (see above): node_role." in outcome.text

    def test_goes_on_once_the_permission_is_there(self, operator: Operator, policies: Policies) -> None:
        operator.hold(policies)
        first = operator.play("provision")
        assert first.status == 0, first.text
        second = operator.play("provision")
        assert (second.status, second.changed) == (0, 0), second.text

    def test_removes_it_all(self, operator: Operator) -> None:
        outcome = operator.play("destroy", "-e", f"stack_purge={NAME}")
        assert outcome.status == 0, outcome.text
        assert f'0 left of stack "{NAME}"' in outcome.text
        assert [name for name in operator.stack.instances() if name.startswith(f"{NAME}-")] == []

    def test_needs_every_statement(self, operator: Operator, policies: Policies) -> None:
        questions = operator.asked()
        assert refused(questions, policies) == set()
        needless = [
            statement["Sid"]
            for policy in policies
            for statement in policy["Statement"]
            if not refused(questions, without(policies, statement["Sid"]))
        ]
        assert needless == []

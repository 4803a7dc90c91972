# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A user of the account who holds nothing but the policies that were written for a stack, and what IAM was asked of him."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from lab.policies import Decision, Question, decide
from tests.e2e.driver import Outcome, Stack

ALWAYS_ALLOWED = "sts:GetCallerIdentity"
# Subnets and route tables go side by side; an association that went with its subnet is no resource any more, and the lane
# of the route tables looks again.
GONE_MEANWHILE = ("ec2:DisassociateRouteTable", "*")

Policies = list[dict[str, Any]]


@dataclass
class Operator:
    """A user of the account whose policies a test may change."""

    stack: Stack
    name: str
    iam: Any

    def hold(self, policies: Policies) -> None:
        """These policies and no others."""
        self.let_go()
        for number, policy in enumerate(policies):
            made = self.iam.create_policy(PolicyName=f"{self.name}-{number}", PolicyDocument=json.dumps(policy))
            self.iam.attach_user_policy(UserName=self.name, PolicyArn=made["Policy"]["Arn"])

    def let_go(self) -> None:
        for policy in self.iam.list_attached_user_policies(UserName=self.name)["AttachedPolicies"]:
            self.iam.detach_user_policy(UserName=self.name, PolicyArn=policy["PolicyArn"])
            self.iam.delete_policy(PolicyArn=policy["PolicyArn"])

    def play(self, playbook: str, *options: str) -> Outcome:
        return self.stack.play(playbook, *options)

    def asked(self) -> list[dict[str, Any]]:
        """Everything that IAM was asked about this user's calls so far."""
        asked = self.stack.lab.page("authorizations")
        mine = [item for item in asked if item["principal"].endswith(f":user/{self.name}")]
        return [item for item in mine if (item["action"], item["resource"]) != GONE_MEANWHILE]


def written_policies(owner: Stack, *options: str) -> Policies:
    """What the playbook writes for a stack."""
    outcome = owner.play("permissions", *options)
    assert outcome.status == 0, outcome.text
    files = sorted((owner.home / ".trainyard" / owner.name).glob("operator-policy-*.json"))
    return [json.loads(file.read_text()) for file in files]


@contextmanager
def operator_of(owner: Stack, policies: Policies) -> Iterator[Operator]:
    """A user who holds these policies, while a test needs him."""
    iam, name = owner.lab.client("iam"), f"{owner.name}-operator"
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    keys = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    held = Operator(replace(owner, environment=owner.environment | keys), name, iam)
    held.hold(policies)
    try:
        yield held
    finally:
        held.let_go()
        iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
        iam.delete_user(UserName=name)


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


def needless(questions: list[dict[str, Any]], policies: Policies) -> list[str]:
    """The statements without which every call would have gone through all the same."""
    return [
        statement["Sid"]
        for policy in policies
        for statement in policy["Statement"]
        if not refused(questions, without(policies, statement["Sid"]))
    ]

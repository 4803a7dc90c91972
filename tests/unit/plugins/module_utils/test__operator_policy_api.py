# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _operator_policy_api as api
from ansible_collections.trainyard.aws.plugins.module_utils._operator_policy import Statement
from botocore.exceptions import ClientError

CHOSEN = [Statement("One", "why", ("ec2:CreateVpc", "ec2:DeleteVpc")), Statement("Two", "why", ("s3:ListBucket",))]


class Iam:
    """Answers as the simulator does, or refuses."""

    def __init__(self, allowed: set[str] | None = None, refusal: str = "") -> None:
        self.allowed, self.refusal = allowed or set(), refusal
        self.sources: set[str] = set()

    def get_paginator(self, _operation: str) -> Iam:
        return self

    def paginate(self, **arguments: Any) -> list[dict[str, Any]]:
        if self.refusal:
            raise ClientError({"Error": {"Code": self.refusal, "Message": "no"}}, "SimulatePrincipalPolicy")
        self.sources.add(arguments["PolicySourceArn"])
        decisions = {True: "allowed", False: "implicitDeny"}
        return [
            {"EvaluationResults": [{"EvalActionName": name, "EvalDecision": decisions[name in self.allowed]}]}
            for name in arguments["ActionNames"]
        ]


def test_what_is_missing_is_named_once_and_in_order() -> None:
    iam = Iam({"ec2:CreateVpc"})
    assert api.missing_permissions(iam, "arn:aws:iam::1:user/a", CHOSEN * 2) == ["ec2:DeleteVpc", "s3:ListBucket"]
    assert iam.sources == {"arn:aws:iam::1:user/a"}


def test_a_session_is_asked_about_by_its_role() -> None:
    iam = Iam()
    api.missing_permissions(iam, "arn:aws:sts::123456789012:assumed-role/deputy/session", CHOSEN)
    assert iam.sources == {"arn:aws:iam::123456789012:role/deputy"}


def test_the_root_of_an_account_lacks_nothing() -> None:
    assert api.missing_permissions(Iam(refusal="AccessDenied"), "arn:aws:iam::1:root", CHOSEN) == []


@pytest.mark.parametrize("code", ["AccessDenied", "NoSuchEntity"])
def test_whoever_may_not_ask_does_not_know(code: str) -> None:
    assert api.missing_permissions(Iam(refusal=code), "arn:aws:iam::1:user/a", CHOSEN) is None


def test_another_error_is_an_error() -> None:
    with pytest.raises(ClientError):
        api.missing_permissions(Iam(refusal="Throttling"), "arn:aws:iam::1:user/a", CHOSEN)

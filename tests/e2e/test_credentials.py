# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Credentials that come from a profile and a role that it takes on, not from the environment."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from textwrap import dedent

import pytest

from tests.e2e.driver import Stack

ROLE = "deputy"
EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


@pytest.fixture(scope="module")
def deputy(stack: Stack) -> Iterator[Stack]:
    """The stack in the hands of someone whose only way in is a profile that takes on a role."""
    account = "arn:aws:iam::123456789012"
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"{account}:root"}}],
    }
    iam = stack.lab.client("iam")
    iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(trust))
    iam.put_role_policy(RoleName=ROLE, PolicyName="everything", PolicyDocument=json.dumps(EVERYTHING))
    key, secret = (stack.environment[name] for name in KEYS)
    directory = stack.home / ".aws"
    directory.mkdir()
    (directory / "config").write_text(
        dedent(f"""\
            [profile person]
            aws_access_key_id = {key}
            aws_secret_access_key = {secret}
            [profile {ROLE}]
            role_arn = {account}:role/{ROLE}
            source_profile = person
            """)
    )
    own = {name: value for name, value in stack.environment.items() if name not in KEYS}
    yield replace(stack, environment=own | {"AWS_PROFILE": ROLE})
    iam.delete_role_policy(RoleName=ROLE, PolicyName="everything")
    iam.delete_role(RoleName=ROLE)


def test_a_profile_that_takes_on_a_role_is_enough(deputy: Stack) -> None:
    before = len(deputy.lab.calls())
    outcome = deputy.play("plan")
    assert outcome.status == 0, outcome.text
    assert "Nothing stands in the way" in outcome.text
    assert "sts:AssumeRole" in {f"{call['service']}:{call['action']}" for call in deputy.lab.calls(before)}


def test_a_profile_that_is_not_there_is_named(deputy: Stack) -> None:
    outcome = replace(deputy, environment=deputy.environment | {"AWS_PROFILE": "deptuy"}).play("preflight")
    assert outcome.status != 0
    assert 'AWS_PROFILE "deptuy" does not exist' in outcome.text
    assert "Did you mean deputy" in outcome.text

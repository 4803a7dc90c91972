# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _bucket as decide
from ansible_collections.trainyard.aws.plugins.module_utils._bucket import Bucket

TAGS = {"trainyard:stack": "dcgan"}
RULES = decide.rules_of(30, 7, 0)
WANT = Bucket(tags=TAGS, rules=RULES)
FOREIGN = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 1}}


@pytest.mark.parametrize(
    ("have", "policy_differs", "expected"),
    [
        pytest.param(None, True, ["create", "close", "encrypt", "version", "set_policy", "set_lifecycle"], id="none"),
        pytest.param(WANT, False, [], id="as wanted"),
        pytest.param(replace(WANT, tags={**TAGS, "mine": "1"}), False, [], id="a foreign tag stays"),
        pytest.param(replace(WANT, tags={}), False, ["tag"], id="tags"),
        pytest.param(replace(WANT, public_access={}), False, ["close"], id="open"),
        pytest.param(replace(WANT, ownership="ObjectWriter"), False, ["own"], id="ownership"),
        pytest.param(replace(WANT, encryption=""), False, ["encrypt"], id="encryption"),
        pytest.param(replace(WANT, encryption="aws:kms"), False, [], id="a key of its own"),
        pytest.param(replace(WANT, versioning="Suspended"), False, ["version"], id="versioning"),
        pytest.param(WANT, True, ["set_policy"], id="policy"),
        pytest.param(replace(WANT, rules=RULES[:1]), False, ["set_lifecycle"], id="a rule is missing"),
        pytest.param(replace(WANT, rules=(FOREIGN, *RULES)), False, [], id="a foreign rule stays"),
    ],
)
def test_steps(have: Bucket | None, policy_differs: bool, expected: list[str]) -> None:
    steps = decide.steps_to(WANT, have, policy_differs)
    assert [step.verb for step in steps] == expected
    assert all(step.reason for step in steps)


def test_a_number_of_0_makes_no_rule() -> None:
    assert decide.rules_of(0, 0, 0) == ()
    assert [rule["ID"] for rule in decide.rules_of(1, 2, 3)] == [
        "trainyard-noncurrent",
        "trainyard-uploads",
        "trainyard-checkpoints",
    ]


def test_rules_of_others_go_along() -> None:
    old = {**RULES[0], "NoncurrentVersionExpiration": {"NoncurrentDays": 1}}
    assert decide.rules_to_put(RULES, (FOREIGN, old)) == [FOREIGN, *RULES]


@pytest.mark.parametrize(
    ("have", "expected"),
    [
        pytest.param(None, "", id="none"),
        pytest.param(WANT, "", id="ours"),
        pytest.param(replace(WANT, tags={}), "", id="without tags"),
        pytest.param(replace(WANT, tags={"trainyard:stack": "x"}), 'belongs to stack "x"', id="another stack's"),
    ],
)
def test_fault(have: Bucket | None, expected: str) -> None:
    fault = decide.fault_of("results", "dcgan", have, "trainyard:stack")
    assert bool(fault) is bool(expected)
    assert expected in fault

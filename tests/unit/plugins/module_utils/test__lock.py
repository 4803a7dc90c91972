# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _lock as decide
from ansible_collections.trainyard.aws.plugins.module_utils._lock import Lock

MINE = Lock("ada", "laptop", 4711, "2026-11-21T14:30:00Z", "provision")


@pytest.mark.parametrize(
    ("have", "is_alive", "take_over", "expected"),
    [
        pytest.param(None, False, False, "take", id="nobody"),
        pytest.param(replace(MINE, operation="configure"), True, False, "keep", id="this run"),
        pytest.param(replace(MINE, pid=1), True, False, "refuse", id="another run, alive"),
        pytest.param(replace(MINE, pid=1), False, False, "take_over", id="another run, gone"),
        pytest.param(replace(MINE, pid=1), True, True, "take_over", id="another run, asked for"),
        pytest.param(replace(MINE, host="desktop"), False, False, "refuse", id="another host knows no process of ours"),
        pytest.param(replace(MINE, owner="bob", pid=1), False, False, "refuse", id="another owner"),
        pytest.param(replace(MINE, owner="bob", pid=1), False, True, "take_over", id="another owner, asked for"),
    ],
)
def test_verdict(have: Lock | None, is_alive: bool, take_over: bool, expected: str) -> None:
    verdict = decide.verdict_on(MINE, have, is_alive, take_over)
    assert verdict.verb == expected
    assert verdict.reason


def test_a_lock_comes_back_as_it_was_written() -> None:
    assert decide.lock_in(decide.as_text(MINE)) == MINE


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"owner": "ada"}', "\x00"])
def test_what_is_no_lock_is_somebodys(text: str) -> None:
    assert decide.lock_in(text).owner == "somebody unknown"


def test_the_refusal_says_who_and_what_to_do() -> None:
    assert decide.refusal("dcgan", MINE) == (
        'Stack "dcgan" is held by ada on laptop (process 4711) since 2026-11-21T14:30:00Z for "provision", and only one '
        "may change it at a time. Wait until that is over. If you know that it is, take the stack over: "
        "add -e stack_take_over=true to the command."
    )

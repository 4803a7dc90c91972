# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import time

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils._steps import NotSettled, Step, as_results, wait_until


def test_steps_are_shown_in_their_order() -> None:
    steps = (Step("create", "dcgan", "it does not exist"), Step("tag", "owner", "the tag is missing"))
    assert as_results(steps) == [
        {"verb": "create", "subject": "dcgan", "reason": "it does not exist"},
        {"verb": "tag", "subject": "owner", "reason": "the tag is missing"},
    ]


def test_waiting_asks_until_it_is_so() -> None:
    answers = iter([False, False, True])
    wait_until(lambda: next(answers), time.monotonic() + 60, "it is so", 0)
    assert next(answers, "none left") == "none left"


def test_waiting_ends_at_its_deadline_and_says_for_what() -> None:
    with pytest.raises(NotSettled, match="gave up waiting until it is so"):
        wait_until(lambda: False, time.monotonic() - 1, "it is so", 0)

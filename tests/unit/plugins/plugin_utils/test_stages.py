# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import datetime

import pytest
from ansible_collections.trainyard.aws.plugins.plugin_utils import _stages as stages


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param(["a"], "a", id="one"),
        pytest.param(["a", "b", "c"], "a, b, c", id="as many as are shown"),
        pytest.param(["a", "b", "c", "d", "e"], "a, b, c and 2 more", id="more"),
    ],
)
def test_shortened(names: list[str], expected: str) -> None:
    assert stages.shortened(names, 3) == expected


@pytest.mark.parametrize(
    ("playbook", "expected"),
    [
        pytest.param("/somewhere/playbooks/provision.yml", "provision-20260102T030405.log", id="path"),
        pytest.param("site.yml", "site-20260102T030405.log", id="name"),
    ],
)
def test_log_name(playbook: str, expected: str) -> None:
    assert stages.log_name(playbook, datetime(2026, 1, 2, 3, 4, 5)) == expected


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        pytest.param({"msg": "What.\nWhy.\n"}, ["What.", "Why."], id="message of two lines"),
        pytest.param({"msg": ["What.", "Why."]}, ["What.", "Why."], id="message that is a list"),
        pytest.param({"msg": "rc 3", "stderr": "bad\n"}, ["rc 3", "stderr:", "  bad"], id="what a command said"),
        pytest.param({"msg": "said bad", "stderr": "bad"}, ["said bad"], id="nothing twice"),
        pytest.param({}, ["There is no message; the log has the whole result."], id="nothing at all"),
    ],
)
def test_failure_lines(result: dict[str, object], expected: list[str]) -> None:
    assert stages.failure_lines(result) == expected


def test_only_the_end_of_a_long_output_is_shown() -> None:
    output = "\n".join(str(number) for number in range(1000))
    assert stages.failure_lines({"msg": "rc 1", "stdout": output}) == [
        "rc 1",
        "stdout:",
        *(f"  {number}" for number in range(980, 1000)),
    ]


def test_a_change_is_one_line_for_many_hosts_and_items() -> None:
    change = stages.Change(uuid="1", task="Install packages")
    for host in ("n4", "n2", "n3", "n1"):
        change.add(host, ["docker", "nfs"], seconds=2.04 if host == "n2" else 0.5)
    assert change.line() == "changed: Install packages (docker, nfs) [n1, n2, n3 and 1 more]  2.0 s"


def test_a_quick_change_does_not_name_its_time() -> None:
    change = stages.Change(uuid="1", task="Touch")
    change.add("n1", [], seconds=0.9)
    assert change.line() == "changed: Touch [n1]"


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        pytest.param(stages.Stage(started=10, ok=3, changed=1), "ok=3 changed=1  2.5 s", id="good"),
        pytest.param(
            stages.Stage(started=10, failed=1, unreachable=2), "ok=0 changed=0 failed=1 unreachable=2  2.5 s", id="bad"
        ),
    ],
)
def test_closing_of_a_stage(stage: stages.Stage, expected: str) -> None:
    assert stage.closing(now=12.5) == expected


def test_totals_add_up_the_hosts() -> None:
    summaries = [{"changed": 2, "failures": 0, "unreachable": 1}, {"changed": 1, "failures": 3, "unreachable": 0}]
    assert stages.totals(summaries, 61.23) == "changed=3 failed=3 unreachable=1  61.2 s"


def test_plain_text_has_no_colours() -> None:
    assert stages.plain("\x1b[0;32mok\x1b[0m") == "ok"

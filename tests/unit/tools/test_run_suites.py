# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tools import run_suites
from tools.run_suites import Suite

GOOD = Suite("good", ("sh", "-c", "echo fine; echo '== 3 passed =='"), minutes=1)
BAD = Suite("bad", ("sh", "-c", "echo the reason; exit 3"), minutes=1)
SLOW = Suite("slow", ("sleep", "60"), minutes=0)


@pytest.fixture(autouse=True)
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(run_suites, "LOGS", tmp_path)
    return tmp_path


def test_all_good_is_a_table_and_status_zero(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_suites.report(run_suites.run_rows([[GOOD]])) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "1 passed, 0 failed"
    assert lines[-3].split() == ["good", "passed", "0", "3", "passed"]


def test_a_failure_is_shown_in_full_and_does_not_stop_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_suites.report(run_suites.run_rows([[BAD], [GOOD]])) == 1
    shown = capsys.readouterr().out
    assert "the reason" in shown
    assert "fine" not in shown
    assert shown.splitlines()[-1] == "1 passed, 1 failed"


def test_the_reasons_come_last(capsys: pytest.CaptureFixture[str]) -> None:
    said = "fatal: [box]: FAILED! => {'msg': 'no\n room'}\n\nFAILED tests/a.py::b\nFAILED tests/a.py::c"
    bad = Suite("bad", ("sh", "-c", f'printf %s "{said}"; seq 100; exit 3'), minutes=1)
    assert run_suites.report(run_suites.run_rows([[bad]])) == 1
    shown = capsys.readouterr().out
    end = shown[shown.rindex("\nbad:") :].splitlines()
    assert end[1:] == [
        "bad:",
        "fatal: [box]: FAILED! => {'msg': 'no",
        " room'}",
        "",
        "FAILED tests/a.py::b",
        "FAILED tests/a.py::c1",
        "2",
        "3",
        "4",
        "",
        "0 passed, 1 failed",
    ]


def test_a_suite_that_takes_too_long_is_ended_and_failed(capsys: pytest.CaptureFixture[str]) -> None:
    (slow,) = run_suites.run_rows([[SLOW]])
    assert slow.process.poll() is not None
    assert run_suites.report([slow]) == 1
    assert "slow: too slow" in capsys.readouterr().out


def test_a_row_runs_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: run_suites.ENOUGH_CORES)
    started = time.monotonic()
    run_suites.run_rows([[Suite(name, ("sleep", "0.5"), minutes=1) for name in ("a", "b", "c")]])
    assert time.monotonic() - started < 1.2


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param([], [["lint", "unit", "sanity"], ["lab"], ["molecule"], ["e2e"], ["faults"]], id="all"),
        pytest.param(["e2e", "lint"], [["lint"], ["e2e"]], id="some, in the usual order"),
        pytest.param(["faults-full"], [["faults-full"]], id="only when named"),
        pytest.param(["fast"], [["unit", "lint-changed"]], id="fast"),
    ],
)
def test_the_suites_that_were_asked_for(names: list[str], expected: list[list[str]]) -> None:
    assert [[suite.name for suite in row] for row in run_suites.chosen_rows(names)] == expected


def test_an_unknown_suite_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run_suites.main(["unti"])
    assert "there is no suite unti; there are lint, unit" in capsys.readouterr().err

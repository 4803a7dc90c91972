# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.trainyard.aws.plugins.module_utils._container_types import (
    Cursor,
    EngineAway,
    Line,
    TrainingError,
)
from ansible_collections.trainyard.aws.plugins.modules import (
    training_container,
    training_container_info,
    training_container_logs,
    training_results,
)


def outcome(module: t.Any, capsys: pytest.CaptureFixture[str], **args: t.Any) -> tuple[int, str]:
    with patch_module_args(args), pytest.raises(SystemExit) as ended:
        module.main()
    return int(ended.value.code or 0), capsys.readouterr().out


def refuse(*args: t.Any, **kwargs: t.Any) -> t.NoReturn:
    raise TrainingError("Cannot do it", "the reason.", "The fix.")


@pytest.mark.parametrize(
    ("run_failed", "code"),
    [pytest.param(False, 0, id="good"), pytest.param(True, 1, id="failed")],
)
def test_a_failed_run_fails_the_task_with_its_result(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], run_failed: bool, code: int
) -> None:
    monkeypatch.setattr(training_container, "Engine", lambda login: None)
    result = {"run_failed": run_failed, "msg": "bad luck", "changed": True, "exit_code": 3}
    monkeypatch.setattr(training_container, "act", lambda *args: result)
    ended, out = outcome(training_container, capsys, run_id="a")
    assert ended == code
    assert '"exit_code": 3' in out


@pytest.mark.parametrize(
    ("module", "part", "args"),
    [
        pytest.param(training_container, "Engine", {"run_id": "a"}, id="container"),
        pytest.param(training_container_info, "Engine", {}, id="info"),
        pytest.param(training_container_logs, "LogReader", {"run_id": "a"}, id="logs"),
        pytest.param(training_results, "Engine", {"run_id": "a"}, id="results"),
    ],
)
def test_errors_are_told_and_not_thrown(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    module: t.Any,
    part: str,
    args: dict[str, t.Any],
) -> None:
    monkeypatch.setattr(module, part, refuse)
    ended, out = outcome(module, capsys, **args)
    assert ended == 1
    assert '"msg": "Cannot do it: the reason. The fix."' in out


@pytest.mark.parametrize(("module", "part"), [(training_container, "Engine"), (training_container_logs, "LogReader")])
def test_a_docker_that_is_away_may_come_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], module: t.Any, part: str
) -> None:
    def away(*args: t.Any) -> t.NoReturn:
        raise EngineAway("Cannot do it", "Docker is away.", "Wait.")

    monkeypatch.setattr(module, part, away)
    assert '"engine_away": true' in outcome(module, capsys, run_id="a")[1]
    monkeypatch.setattr(module, part, refuse)
    assert '"engine_away": false' in outcome(module, capsys, run_id="a")[1]


def test_logs_are_fit_for_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    class Reader:
        def __init__(self, run_id: str) -> None:
            pass

        def tail(self, count: int) -> Cursor:
            return Cursor("", count)

        def read(self, cursor: Cursor, wait_seconds: float) -> tuple[list[Line], Cursor, bool]:
            return [Line(b"\x1b[31mred", 8)], Cursor("2026-11-20T10:00:00.000000000Z", cursor.seen), False

        def attempt(self) -> int:
            return 2

        def status(self) -> dict[str, t.Any]:
            return {"state": "running"}

    monkeypatch.setattr(training_container_logs, "LogReader", Reader)
    ended, out = outcome(training_container_logs, capsys, run_id="a", tail=5)
    assert ended == 0
    assert '"lines": ["red"]' in out
    assert '"status": {"state": "running"}' in out
    assert '"attempt": 2' in out
    assert '"cursor": "2026-11-20T10:00:00.000000000Z+5"' in out


def test_logs_of_nonsense(capsys: pytest.CaptureFixture[str]) -> None:
    ended, out = outcome(training_container_logs, capsys, run_id="../x")
    assert ended == 1
    assert "is not a run id" in out

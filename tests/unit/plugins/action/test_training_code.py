# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
import typing as t
from pathlib import Path
from unittest.mock import MagicMock

import pytest
from ansible_collections.trainyard.aws.plugins.action.training_code import ActionModule


class Task:
    """The action plugin with a node that answers from a list."""

    def __init__(self, code: Path, answers: list[dict[str, t.Any]]) -> None:
        self.asked: list[dict[str, t.Any]] = []
        self._answers = iter(answers)
        args = {"run_id": "a", "code": str(code), "directory": "/runs/a"}
        task = MagicMock(args=args, async_val=0, check_mode=False)
        connection = MagicMock()
        connection._shell.tmpdir = "/node/task"
        connection._shell.join_path = lambda *parts: "/".join(parts)
        self.action = ActionModule(task, connection, MagicMock(), MagicMock(), MagicMock())
        self.action._transfer_file = self._transfer
        self.action._fixup_perms2 = MagicMock()
        self.action._execute_module = self._execute
        self.brought: dict[str, int] = {}

    def _transfer(self, local: str, remote: str) -> None:
        self.brought[remote] = Path(local).stat().st_size

    def _execute(self, module_name: str, module_args: dict[str, t.Any], task_vars: object) -> dict[str, t.Any]:
        assert module_name == "trainyard.aws.training_code"
        self.asked.append(module_args)
        return next(self._answers)

    def run(self) -> dict[str, t.Any]:
        return self.action.run(task_vars={})


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "train.py").write_text("one")
    own = ["-c", "user.name=ada", "-c", "user.email=ada@example.com"]
    for command in (["init", "--quiet"], ["add", "--all"], [*own, "commit", "--quiet", "--message=one"]):
        subprocess.run(["git", "-C", tmp_path, *command], check=True)
    return tmp_path


def test_what_the_node_lacks_is_brought(repository: Path) -> None:
    task = Task(repository, [{"wants_archive": True}, {"changed": True}])
    assert task.run() == {"changed": True}
    first, second = task.asked
    assert (first["resolved"], "archive" in first) == (second["resolved"], False)
    assert (second["archive"], second["difference"]) == ("/node/task/code.tar.gz", "/node/task/code.diff")
    assert task.brought["/node/task/code.tar.gz"] > 0
    assert task.brought["/node/task/code.diff"] == 0


@pytest.mark.parametrize("answer", [{"wants_archive": False}, {"failed": True, "msg": "other code"}])
def test_nothing_is_brought_twice_or_where_it_is_refused(repository: Path, answer: dict[str, t.Any]) -> None:
    task = Task(repository, [answer])
    assert task.run() == answer
    assert task.brought == {}


def test_without_code_only_the_node_is_asked() -> None:
    task = Task(Path(), [{"changed": False}])
    task.action._task.args["code"] = ""
    assert task.run() == {"changed": False}
    assert "resolved" not in task.asked[0]


def test_without_a_repository_the_node_is_not_asked(tmp_path: Path) -> None:
    task = Task(tmp_path / "no", [])
    result = task.run()
    assert result["failed"]
    assert result["msg"].startswith('Cannot bring the code of run "a": ')
    assert task.asked == []

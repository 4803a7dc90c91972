# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from unittest.mock import MagicMock

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.trainyard.aws.plugins.action import training_channels as plugin
from ansible_collections.trainyard.aws.plugins.plugin_utils import _screen

LOST = AnsibleConnectionFailure("reset by peer")
CUT_OFF = {"failed": True, "module_stdout": "", "msg": "MODULE FAILURE"}
LACKING = {
    "changed": True,
    "fetched": ["images"],
    "channels": [{"name": "images", "directory": "/c/1", "bytes": 2_000_000}, {"name": "words", "bytes": 5}],
}
JOB = {"ansible_job_id": "j1", "results_file": "/home/ada/.ansible_async/j1", "started": True, "finished": False}
GOING = {"ansible_job_id": "j1", "finished": False}
RESULT = {"changed": True, "fetched": ["images"], "lines": ["images: 2.0 MB"]}
ENDED = {**RESULT, "ansible_job_id": "j1", "finished": True}
ERASED = {"erased": "j1"}


class Task:
    """The action plugin with a node that answers from a list; an answer that is an exception is raised."""

    def __init__(self, *answers: t.Any, hosts: int = 1, check_mode: bool = False, **args: t.Any) -> None:
        self.asked: list[tuple[str, dict[str, t.Any], int]] = []
        self._answers = list(answers)
        self._hosts = hosts
        self.task = MagicMock(args={"channels": [], **args}, async_val=0, check_mode=check_mode)
        self.action = plugin.ActionModule(self.task, MagicMock(), MagicMock(), MagicMock(), MagicMock())
        self.action._execute_module = self._module
        self.action._low_level_execute_command = lambda command: {"stdout": f"{self._sizes.pop(0)}\t/c/1.part\n"}
        self._sizes = list(range(0, 2_000_000, 100_000))

    def _module(self, module_name: str, module_args: dict[str, t.Any], wrap_async: bool, **_rest: t.Any) -> t.Any:
        self.asked.append((module_name.rpartition(".")[2], module_args, self.task.async_val if wrap_async else 0))
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)

    def run(self) -> dict[str, t.Any]:
        hosts = [f"node-{number}" for number in range(self._hosts)]
        result = self.action.run(task_vars={"inventory_hostname": "node-0", "ansible_play_hosts_all": hosts})
        assert not self._answers
        return result


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    shown: list[str] = []
    now = [0.0]
    monkeypatch.setattr(_screen.display, "display", lambda text, **options: shown.append(text))
    monkeypatch.setattr(_screen, "TERMINAL", False)
    monkeypatch.setattr(_screen, "PLAIN", False)
    monkeypatch.setattr(_screen, "COLUMNS", 80)
    monkeypatch.setattr(plugin.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(plugin.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    return shown


def test_what_is_lacking_is_fetched_in_the_background(screen: list[str]) -> None:
    task = Task(LACKING, JOB, GOING, ENDED, ERASED, directory="/c")
    assert task.run() == RESULT
    status = {"jid": "j1", "mode": "status", "_async_dir": "/home/ada/.ansible_async"}
    assert task.asked == [
        ("training_channels", {"channels": [], "directory": "/c", "fetch": False}, 0),
        ("training_channels", {"channels": [], "directory": "/c"}, plugin.LONGEST_SECONDS),
        ("async_status", status, 0),
        ("async_status", status, 0),
        ("async_status", {**status, "mode": "cleanup"}, 0),
    ]
    # Or Ansible would take the whole task for one in the background.
    assert task.task.async_val == 0
    assert screen == ["Fetching images (2.0 MB) on node-0."]


def test_without_a_terminal_a_line_comes_every_fifteen_seconds(screen: list[str]) -> None:
    Task(LACKING, JOB, *[GOING] * 20, ENDED, ERASED).run()
    assert screen[1:] == [
        "Progress: images 800.0 kB of 2.0 MB · 50.0 kB/s · 24 s left",
        "Progress: images 1.6 MB of 2.0 MB · 50.0 kB/s · 8 s left",
    ]


def test_several_nodes_say_who_they_are(screen: list[str]) -> None:
    Task(LACKING, JOB, *[GOING] * 9, ENDED, ERASED, hosts=2).run()
    assert len(screen) == 2
    assert all(text.startswith("[node-0] ") for text in screen)


def test_on_a_terminal_there_is_a_status_line_until_the_end(screen: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_screen, "TERMINAL", True)
    Task(LACKING, JOB, GOING, GOING, {"failed": True, "finished": True, "msg": "full"}, ERASED).run()
    assert screen[1:] == [
        f"{_screen.CLEAR_LINE}images 0 B of 2.0 MB",
        f"{_screen.CLEAR_LINE}images 100.0 kB of 2.0 MB · 50.0 kB/s · 38 s left",
        _screen.CLEAR_LINE,
    ]


@pytest.mark.parametrize(
    ("answer", "more"),
    [
        pytest.param({"changed": False, "fetched": []}, {}, id="all is there"),
        pytest.param({"failed": True, "msg": "no such bucket"}, {}, id="one cannot be had"),
        pytest.param(LACKING, {"check_mode": True}, id="check mode"),
        pytest.param(LACKING, {"fetch": False}, id="only to see"),
    ],
)
def test_one_question_suffices(screen: list[str], answer: dict[str, t.Any], more: dict[str, t.Any]) -> None:
    assert Task(answer, **more).run() == answer
    assert screen == []


def test_what_cannot_be_started_is_told(screen: list[str]) -> None:
    refused = {"failed": True, "msg": "no room"}
    assert Task(LACKING, refused).run() == refused


def test_a_lost_connection_is_a_late_answer(screen: list[str]) -> None:
    task = Task(LACKING, JOB, LOST, GOING, CUT_OFF, {"unreachable": True, "msg": "gone"}, ENDED, LOST, ERASED)
    assert task.run() == RESULT


def test_patience_ends(screen: list[str]) -> None:
    asked = plugin.PATIENCE_SECONDS // 2 + 2
    with pytest.raises(AnsibleConnectionFailure):
        Task(LACKING, JOB, *[LOST] * asked).run()
    assert Task(LACKING, JOB, *[CUT_OFF] * asked, ERASED).run() == CUT_OFF

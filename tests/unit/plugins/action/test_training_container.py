# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import tracemalloc
import typing as t
from collections import deque
from pathlib import Path
from unittest.mock import MagicMock

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection import ConnectionBase
from ansible_collections.trainyard.aws.plugins.action import training_container as plugin
from ansible_collections.trainyard.aws.plugins.plugin_utils import _screen

RUNNING = {
    "container_id": "c0ffee",
    "attached": False,
    "exit_code": None,
    "changed": True,
    "steps": ["create"],
    "diff": {},
}
LOST = AnsibleConnectionFailure("reset by peer")
ENDED = {"exit_code": 0, "reason": "finished", "duration_seconds": 2.0, "changed": False, "steps": [], "attached": True}


def lines(*texts: str, cursor: str = "c", ended: bool = False) -> dict[str, t.Any]:
    return {"lines": list(texts), "cursor": cursor, "ended": ended}


class Local(ConnectionBase):
    """A connection that cannot be reset: Ansible would warn at every attempt."""

    transport = "local"

    def __init__(self) -> None:
        self._shell = MagicMock()

    _connect = exec_command = put_file = fetch_file = close = MagicMock()


class Ssh(Local):
    """A connection that can be reset, to a node that is still away."""

    transport = "ssh"
    resets = 0

    def reset(self) -> None:
        self.resets += 1
        raise AnsibleConnectionFailure("still no route")


class Task:
    """The action plugin with a node that answers from a list; an answer that is an exception is raised."""

    def __init__(self, args: dict[str, t.Any], answers: list[t.Any], hosts: int = 1, check_mode: bool = False) -> None:
        self.asked: list[tuple[str, dict[str, t.Any]]] = []
        self.connection = Ssh()
        task = MagicMock(args=args, async_val=0, check_mode=check_mode, no_log=False)
        self.action = plugin.ActionModule(task, self.connection, MagicMock(), MagicMock(), MagicMock())
        self._answers = answers
        self._hosts = hosts
        self.action._execute_module = self._answer

    def _answer(self, module_name: str, module_args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        self.asked.append((module_name.rpartition(".")[2], module_args))
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)

    def run(self) -> dict[str, t.Any]:
        hosts = [f"node-{number}" for number in range(self._hosts)]
        return self.action.run(task_vars={"inventory_hostname": "node-0", "ansible_play_hosts_all": hosts})


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    shown: list[str] = []
    monkeypatch.setattr(plugin.display, "display", lambda text, **options: shown.append(text))
    monkeypatch.setattr(_screen, "TERMINAL", False)
    monkeypatch.setattr(_screen, "PLAIN", False)
    monkeypatch.setattr(plugin.C, "DEFAULT_LOCAL_TMP", str(tmp_path))
    monkeypatch.setattr(plugin.time, "sleep", lambda seconds: None)
    return shown


def test_a_run_is_followed_to_its_end(screen: list[str], tmp_path: Path) -> None:
    task = Task(
        {"run_id": "a", "image": "i"}, [RUNNING, lines("one", "two"), lines("three", cursor="d", ended=True), ENDED]
    )
    result = task.run()
    assert screen[1:3] == ["one\ntwo", "three"]
    assert screen[3] == 'Run "a" ended after 2.0 s: finished'
    assert [args.get("cursor") for _, args in task.asked] == [None, "", "c", None]
    assert (result["exit_code"], result["changed"], result["attached"], result["steps"]) == (0, True, False, ["create"])
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_waits_while_something_is_handed_to_the_screen(
    screen: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting: list[set[int]] = []
    monkeypatch.setattr(
        plugin.display, "display", lambda text, **options: waiting.append(signal.pthread_sigmask(signal.SIG_BLOCK, ()))
    )
    Task({"run_id": "a"}, [RUNNING, lines("one"), lines(ended=True), ENDED]).run()
    assert len(waiting) >= 3
    assert all({signal.SIGINT, signal.SIGTERM} <= each for each in waiting)
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_says_at_the_start_what_ctrl_c_does(screen: list[str]) -> None:
    Task({"run_id": "a"}, [RUNNING, lines(ended=True), ENDED]).run()
    assert "Ctrl-C ends the following, not the training" in screen[0]


def test_only_a_run_that_was_there_begins_with_its_tail(screen: list[str]) -> None:
    fresh = Task({"run_id": "a", "tail": 7}, [RUNNING, lines(cursor=""), lines(ended=True), ENDED])
    fresh.run()
    assert [args.get("tail") for name, args in fresh.asked if name == "training_container_logs"] == [0, 0]
    back = Task({"run_id": "a", "tail": 7}, [{**RUNNING, "attached": True}, lines(cursor=""), lines(ended=True), ENDED])
    back.run()
    assert [args.get("tail") for name, args in back.asked if name == "training_container_logs"] == [7, 0]


def test_a_run_that_another_task_started_begins_with_its_first_line(screen: list[str]) -> None:
    args = {"run_id": "a", "tail": 7, "from_beginning": True}
    task = Task(args, [{**RUNNING, "attached": True}, lines(cursor=""), lines(ended=True), ENDED])
    task.run()
    assert [args.get("tail") for name, args in task.asked if name == "training_container_logs"] == [0, 0]
    assert screen[0].startswith('Following run "a"')


def state(name: str, why: str = "", retries_left: int = 1) -> dict[str, t.Any]:
    return {"state": name, "why": why, "retries_left": retries_left}


AGAIN = "the network broke; it is tried again in 30 s (1 of 1)"
GONE = {"failed": True, "msg": "it has no container on this node."}


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        pytest.param(
            [
                {**lines("one", ended=True), "status": state("running")},
                {**lines(ended=True), "status": state("trying_again", AGAIN)},
                {**lines(ended=True), "status": state("trying_again", AGAIN)},
                GONE,
                {**lines("two"), "attempt": 2, "status": state("trying_again", AGAIN)},
            ],
            ["one", f'Run "a": {AGAIN}', "two"],
            id="watched",
        ),
        pytest.param(
            [{**lines("one"), "status": state("running")}, {**lines("two"), "attempt": 2, "status": state("running")}],
            ["one", 'Run "a": attempt 2 trains on.', "two"],
            id="the connection was away meanwhile",
        ),
    ],
)
def test_who_follows_goes_on_with_the_next_attempt(screen: list[str], answers: list[t.Any], said: list[str]) -> None:
    last = {**lines(ended=True), "attempt": 2, "status": state("copying", retries_left=0)}
    first = {**RUNNING, "exit_code": 1, "failed": True, "run_failed": True}
    task = Task({"run_id": "a"}, [first, *answers, last, ENDED])
    assert task.run()["exit_code"] == 0
    assert screen[1:-1] == said


@pytest.mark.parametrize(
    "status",
    [
        pytest.param(state("copying"), id="its supervisor has decided"),
        pytest.param(state("running", retries_left=0), id="nothing is left to try"),
        pytest.param({}, id="nobody looks after it"),
    ],
)
def test_what_is_not_tried_again_has_ended(screen: list[str], status: dict[str, t.Any]) -> None:
    task = Task({"run_id": "a"}, [RUNNING, {**lines("one", ended=True), "status": status}, ENDED])
    assert task.run()["exit_code"] == 0


def test_a_supervisor_that_does_not_decide_is_not_waited_for_without_end(
    screen: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(0, 10_000, 20))
    monkeypatch.setattr(plugin.time, "monotonic", lambda: next(clock))
    waiting = {**lines(ended=True), "status": state("running")}
    task = Task({"run_id": "a"}, [RUNNING, *[waiting] * 3, ENDED])
    assert task.run()["exit_code"] == 0


def test_a_run_that_ended_long_ago_is_not_asked_for_twice(screen: list[str]) -> None:
    task = Task({"run_id": "a"}, [{**RUNNING, **ENDED}, lines("last", ended=True)])
    assert task.run()["exit_code"] == 0
    assert screen[0] == 'Run "a" has ended already; the last lines of its log:'
    assert len(task.asked) == 2


@pytest.mark.parametrize(
    ("args", "started", "check_mode"),
    [
        pytest.param({"follow": False}, RUNNING, False, id="follow false"),
        pytest.param({"follow": "no"}, RUNNING, False, id="follow no"),
        pytest.param({"state": "stopped"}, RUNNING, False, id="stopped"),
        pytest.param({}, RUNNING, True, id="check mode"),
        pytest.param({}, {"failed": True, "msg": "no image"}, False, id="not started"),
        pytest.param({}, {"unreachable": True, "msg": "no route"}, False, id="not reached"),
    ],
)
def test_not_followed(screen: list[str], args: dict[str, t.Any], started: dict[str, t.Any], check_mode: bool) -> None:
    task = Task({"run_id": "a", **args}, [started], check_mode=check_mode)
    assert task.run() == started
    assert screen == []


@pytest.mark.parametrize(
    "lost",
    [
        pytest.param(LOST, id="connection failure"),
        pytest.param({"unreachable": True, "msg": "no route"}, id="unreachable"),
        pytest.param(
            {"failed": True, "msg": "MODULE FAILURE", "module_stdout": "", "module_stderr": "Killed", "rc": 137},
            id="cut off",
        ),
    ],
)
def test_a_lost_connection_is_picked_up_where_it_was(screen: list[str], lost: t.Any) -> None:
    task = Task({"run_id": "a"}, [RUNNING, lines("one"), lost, lost, lines("two", ended=True), lost, ENDED])
    assert task.run()["exit_code"] == 0
    assert [text for text in screen if text in ("one", "two")] == ["one", "two"]
    assert len([text for text in screen if "lost; the training goes on" in text]) == 2
    assert len([text for text in screen if "is back after" in text]) == 2
    assert [args["cursor"] for name, args in task.asked if name == "training_container_logs"] == ["", "c", "c", "c"]


def test_a_docker_that_restarts_is_waited_for(screen: list[str]) -> None:
    away = {"failed": True, "msg": "Docker does not answer", "engine_away": True}
    task = Task({"run_id": "a"}, [RUNNING, lines("one"), away, lines("two", ended=True), away, ENDED])
    assert task.run()["exit_code"] == 0
    assert [text for text in screen if text in ("one", "two")] == ["one", "two"]
    assert len([text for text in screen if text.startswith("Docker on node-0 does not answer. Trying again")]) == 2
    assert len([text for text in screen if text.startswith("Docker on node-0 is back after")]) == 2


def test_the_connection_is_reset_before_each_new_attempt(screen: list[str]) -> None:
    task = Task({"run_id": "a"}, [RUNNING, LOST, LOST, lines(ended=True), ENDED])
    task.run()
    assert task.connection.resets == 2


def test_a_connection_without_reset_is_left_alone(screen: list[str]) -> None:
    task = Task({"run_id": "a"}, [RUNNING, LOST, lines(ended=True), ENDED])
    task.action._connection = Local()
    assert task.run()["exit_code"] == 0


def test_patience_ends(screen: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 100_000, 100))
    monkeypatch.setattr(plugin.time, "monotonic", lambda: next(clock))
    lost = [AnsibleConnectionFailure("\x1b[31mreset by peer")] * 20
    result = Task({"run_id": "a", "patience_seconds": 600}, [RUNNING, *lost]).run()
    assert result["failed"] is True
    assert "did not answer for 600 s (reset by peer). Nobody stopped the training." in result["msg"]
    assert result["container_id"] == "c0ffee"


def test_a_log_that_is_gone_is_an_error(screen: list[str]) -> None:
    result = Task({"run_id": "a"}, [RUNNING, {"failed": True, "msg": "it has no container"}]).run()
    assert (result["failed"], result["msg"]) == (True, "it has no container")


def test_nodes_are_named_where_there_are_several(screen: list[str]) -> None:
    Task({"run_id": "a"}, [RUNNING, lines("one", "two", ended=True), ENDED], hosts=2).run()
    assert screen[1] == "[node-0] one\n[node-0] two"


def test_lines_cannot_steer_the_terminal(screen: list[str]) -> None:
    Task({"run_id": "a"}, [RUNNING, lines("\x1b]0;owned\x07x", ended=True), {**ENDED, "reason": "\x1b[2Jgone"}]).run()
    assert not [text for text in screen if "\x1b" in text or "\x07" in text]


def test_values_of_the_environment_are_not_shown(screen: list[str]) -> None:
    answer = {**RUNNING, "invocation": {"module_args": {"environment": {"KEY": "secret"}}}}
    result = Task({"run_id": "a", "follow": False}, [answer]).run()
    assert "secret" not in str(result)


def test_what_goes_on_is_said_at_the_end(screen: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin, "_COMMAND", "ansible-playbook train.yml")

    def killed(*args: t.Any, **kwargs: t.Any) -> t.NoReturn:
        plugin._say_what_goes_on()  # what the parent does when Ctrl-C has ended the worker in the middle
        raise SystemExit

    task = Task({"run_id": "a"}, [RUNNING])
    monkeypatch.setattr(plugin.Following, "_show_log", killed)
    with pytest.raises(SystemExit):
        task.run()
    assert screen[1:] == [
        'The training of run "a" goes on, on node-0. To come back to its log, run the same command again: ansible-playbook train.yml'
    ]
    plugin._say_what_goes_on()
    assert len(screen) == 2


class Terminal:
    """What a terminal of some columns would show, and what Ansible's own log would hold."""

    def __init__(self) -> None:
        self.rows = [""]
        self.log: list[str] = []
        self.history: list[str] = []

    def display(self, text: str, newline: bool = True, screen_only: bool = False) -> None:
        if not screen_only:
            self.log.append(text)
        for part in (text + ("\n" if newline else "")).replace(_screen.CLEAR_LINE, "\0").splitlines(keepends=True):
            self.rows[-1] = (self.rows[-1] + part.rstrip("\n")).rpartition("\0")[2]
            if part.endswith("\n"):
                self.rows.append("")
        self.history.append("\n".join(self.rows))


@pytest.fixture
def terminal(screen: list[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    made = Terminal()
    monkeypatch.setattr(_screen, "TERMINAL", True)
    monkeypatch.setattr(_screen, "COLUMNS", 60)
    monkeypatch.setattr(plugin.display, "display", made.display)
    return made


def test_on_a_terminal_the_log_goes_by_above_a_status_line(terminal: Terminal) -> None:
    status = {"accelerators": [{"utilization_percent": 93}], "cost_usd": 0.4}
    answers = [
        {**lines("epoch 1/4 loss 3.0"), "status": status},
        {**lines("epoch 2/4 loss 2.0"), "status": status},
        lines("bye", ended=True),
    ]
    Task({"run_id": "a"}, [RUNNING, *answers, ENDED]).run()
    opening = terminal.rows[0]
    assert f"{opening}\nepoch 1/4 loss 3.0\nepoch 1/4 · 25 % · loss 3 · accelerator 93 % · $0.40" in terminal.history
    assert (
        f"{opening}\nepoch 1/4 loss 3.0\nepoch 2/4 loss 2.0\nepoch 2/4 · 50 % · loss 2 █▁ · accelerator 93 % · $0.40"
        in terminal.history
    )
    assert terminal.rows[1:] == [
        "epoch 1/4 loss 3.0",
        "epoch 2/4 loss 2.0",
        "bye",
        "At the end: epoch 2/4 · 50 % · loss 2 █▁",
        'Run "a" ended after 2.0 s: finished',
        "",
    ]
    assert not [text for text in terminal.log if "\r" in text or "\x1b" in text]


def test_a_status_line_never_breaks_into_two(terminal: Terminal) -> None:
    line = "{" + ", ".join(f'"{"猫" * 30}{number}": 1' for number in range(9)) + "}"
    Task({"run_id": "a"}, [RUNNING, lines(line), lines(ended=True), ENDED]).run()
    drawn = [text.rpartition("\n")[2] for text in terminal.history]
    assert any(drawn)
    assert all(len(text) + text.count("猫") < 60 for text in drawn[1:])


def test_the_status_line_is_gone_when_the_following_fails(terminal: Terminal) -> None:
    Task({"run_id": "a"}, [RUNNING, lines("epoch 1/2 loss 3"), {"failed": True, "msg": "gone"}]).run()
    assert terminal.rows[-1] == ""


def test_lost_and_found_is_said_above_the_status_line(terminal: Terminal) -> None:
    Task({"run_id": "a"}, [RUNNING, lines("epoch 1/2 loss 3"), LOST, lines(ended=True), ENDED]).run()
    assert any(text.endswith("Trying again for 600 s.\nepoch 1/2 · 50 % · loss 3") for text in terminal.history)


def test_several_nodes_have_no_status_line(terminal: Terminal) -> None:
    Task({"run_id": "a"}, [RUNNING, lines("epoch 1/2 loss 3", ended=True), ENDED], hosts=2).run()
    assert all(text.endswith("\n") for text in terminal.history)
    assert "[node-0] At the end: epoch 1/2 · 50 % · loss 3" in terminal.rows


def test_progress_is_said_now_and_then_when_it_is_news(screen: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 100_000, 20))
    monkeypatch.setattr(plugin.time, "monotonic", lambda: next(clock))
    said = ["epoch 1/9", "epoch 2/9", "x", "y", "epoch 3/9", "z", "x"]
    answers = [lines(text) for text in said]
    Task({"run_id": "a"}, [RUNNING, *answers, lines(ended=True), ENDED]).run()
    told = [text for text in screen if text.startswith("Progress: ")]
    assert told == ["Progress: epoch 2/9 · 11 %", "Progress: epoch 3/9 · 22 % · 4 min left"]


@pytest.mark.parametrize(
    ("interval", "texts"),
    [pytest.param(0, ["epoch 1/9", "epoch 2/9"], id="never"), pytest.param(30, ["one", "two"], id="nothing known")],
)
def test_no_progress_is_said(
    screen: list[str], monkeypatch: pytest.MonkeyPatch, interval: int, texts: list[str]
) -> None:
    clock = iter(range(0, 100_000, 50))
    monkeypatch.setattr(plugin.time, "monotonic", lambda: next(clock))
    task = Task(
        {"run_id": "a", "progress_interval_seconds": interval},
        [RUNNING, *map(lines, texts), *map(lines, texts), lines(ended=True), ENDED],
    )
    task.run()
    assert not [text for text in screen if text.startswith("Progress: ")]


def test_progress_is_read_by_the_pattern(screen: list[str]) -> None:
    task = Task(
        {"run_id": "a", "progress_pattern": "round (?P<epoch>[0-9]+)"}, [RUNNING, lines("round 3", ended=True), ENDED]
    )
    task.run()
    assert "At the end: epoch 3" in screen


def test_without_utf8_all_is_plain(screen: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_screen, "PLAIN", True)
    Task({"run_id": "a"}, [RUNNING, lines("epoch 1/2 loss 3", "loss 1", ended=True), ENDED]).run()
    assert "At the end: epoch 1/2 | 50 % | loss 1 #_" in screen


def test_a_secret_log_has_no_progress(screen: list[str]) -> None:
    task = Task({"run_id": "a"}, [RUNNING, lines("epoch 1/2 loss 3", ended=True), ENDED])
    task.action._task.no_log = True
    task.run()
    assert not [text for text in screen if "epoch" in text]


class LongLog:
    """The answers about a run that has written a million lines, made only when they are asked for. What is held by then is noted."""

    LOOKS, LINES = 50, 20_000

    def __init__(self) -> None:
        self.looks = 0
        self.held: list[int] = []
        self._usual = [f"step {number:06} loss 0.25" for number in range(self.LINES - 200)]

    def pop(self, place: int) -> dict[str, t.Any]:
        self.looks += 1
        if self.looks == 1:
            return RUNNING
        if self.looks > self.LOOKS + 1:
            return ENDED
        gc.collect()
        self.held.append(tracemalloc.get_traced_memory()[0])
        new = [f"epoch {self.looks:06} loss 0.{number:06} loss{self.looks:06}{number:06}=0.5" for number in range(200)]
        return lines(*self._usual, *new, cursor=f"{self.looks:06}", ended=self.looks > self.LOOKS)


def test_a_log_of_any_length_takes_the_same_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(plugin.display, "display", lambda text, **options: None)
    monkeypatch.setattr(_screen, "TERMINAL", True)
    monkeypatch.setattr(plugin.C, "DEFAULT_LOCAL_TMP", str(tmp_path))
    log = LongLog()
    task = Task({"run_id": "a"}, t.cast("list[t.Any]", log))
    task.asked = t.cast("list[t.Any]", deque(maxlen=1))
    tracemalloc.start()
    try:
        task.run()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(log.held) == log.LOOKS
    # Half a million lines more hold not even a tenth of a byte each, and at no time is there more than one answer.
    assert max(log.held[25:]) - max(log.held[5:25]) < 20_000
    assert peak < 4_000_000


def test_a_line_is_written_at_once_where_there_is_no_terminal() -> None:
    """It ends without a chance to write what it held back."""
    code = f"import os, {plugin.__name__}; print('epoch 1', flush=False); os._exit(0)"
    own = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run([sys.executable, "-c", code], env=own, check=True, capture_output=True, text=True)
    assert done.stdout == "epoch 1\n"

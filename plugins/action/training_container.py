# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows the log of a training while it trains, over the node's normal connection.

The log is asked for again and again from a cursor instead of being held open, so a lost connection is nothing but a late answer.
"""

from __future__ import annotations

import atexit
import os
import shlex
import sys
import time
import typing as t
from pathlib import Path

from ansible import constants as C
from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible.plugins.connection import ConnectionBase
from ansible.utils.display import Display
from ansible_collections.trainyard.aws.plugins.module_utils._container_options import CONTAINER
from ansible_collections.trainyard.aws.plugins.module_utils._container_text import sanitise
from ansible_collections.trainyard.aws.plugins.module_utils._container_types import TRYING_AGAIN
from ansible_collections.trainyard.aws.plugins.module_utils._progress import Reader
from ansible_collections.trainyard.aws.plugins.module_utils._progress_line import Pace, line_of_parts, parts_of
from ansible_collections.trainyard.aws.plugins.plugin_utils import _screen

display = Display()

WAIT_SECONDS = 10.0
LONGEST_PAUSE_SECONDS = 10.0
# The supervisor of a run sees its end a moment after those who follow.
DECISION_SECONDS = 60
AGAIN_SECONDS = 1.0

_MARKER_PREFIX = "trainyard-follow-"
# This file is imported by ansible-playbook itself, before it forks the worker that runs the task.
_COMMAND = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


@atexit.register
def _say_what_goes_on() -> None:
    """After Ctrl-C the workers are dead without a word. What they leave in a marker is said by the process that started them."""
    for marker in sorted(Path(C.DEFAULT_LOCAL_TMP).glob(_MARKER_PREFIX + "*")):
        display.display(
            f"{marker.read_text(encoding='utf-8')} To come back to its log, run the same command again: {_COMMAND}"
        )
        marker.unlink()


class ActionModule(ActionBase):
    """Runs the module, then shows the log until the run has ended, then asks the module for the result."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        dummy, options = self.validate_argument_spec(argument_spec=CONTAINER)
        started = self._module("training_container", dict(self._task.args), task_vars)
        followed = options["follow"] and options["state"] in ("started", "resumed") and started.get("container_id")
        if followed and not self._task.check_mode:
            return _without_secrets(Following(self, options, task_vars).follow(started))
        return _without_secrets(started)

    def _module(self, name: str, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        return self._execute_module(module_name=f"trainyard.aws.{name}", module_args=args, task_vars=task_vars)


class Following:
    """One run on one node, followed from the terminal."""

    def __init__(self, action: ActionModule, options: dict[str, t.Any], task_vars: dict[str, t.Any]) -> None:
        self._action = action
        self._options = options
        self._task_vars = task_vars
        self._run_id = options["run_id"]
        self._node = task_vars.get("inventory_hostname", "the node")
        self._prefix, self._screen = _screen.screen_for(task_vars, options["progress_interval_seconds"])
        self._reader = Reader(options["progress_pattern"])
        self._pace = Pace()
        self._marker = Path(C.DEFAULT_LOCAL_TMP) / f"{_MARKER_PREFIX}{os.getpid()}"
        self._attempts = Attempts(options["patience_seconds"])

    def follow(self, started: dict[str, t.Any]) -> dict[str, t.Any]:
        """Show the log to its end and return the module's result."""
        self._say(self._opening(started))
        self._marker.write_text(f'The training of run "{self._run_id}" goes on, on {self._node}.', encoding="utf-8")
        try:
            fault = self._show_log(tail=self._options["tail"] if self._comes_back(started) else 0)
            if fault:
                return {**started, **fault, "failed": True}
            ended = (
                started
                if started["exit_code"] is not None and not self._attempts.went_on
                else self._ask("training_container", dict(self._action._task.args))
            )
        finally:
            self._screen.close()
            self._marker.unlink(missing_ok=True)
        if "exit_code" in ended:
            self._say_progress_at_the_end()
            self._say(f'Run "{self._run_id}" ended after {ended["duration_seconds"]} s: {sanitise(ended["reason"])}')
        return {**ended, **{key: started[key] for key in ("changed", "steps", "attached", "diff") if key in started}}

    def _comes_back(self, started: dict[str, t.Any]) -> bool:
        return started["attached"] and not self._options["from_beginning"]

    def _opening(self, started: dict[str, t.Any]) -> str:
        if started["exit_code"] is not None and self._comes_back(started):
            return f'Run "{self._run_id}" has ended already; the last lines of its log:'
        verb = "Coming back to" if self._comes_back(started) else "Following"
        return f'{verb} run "{self._run_id}" on {self._node}. Ctrl-C ends the following, not the training; the same command comes back to it.'

    def _show_log(self, tail: int) -> dict[str, t.Any]:
        """Returns what went wrong, or nothing."""
        cursor = ""
        while True:
            answer = self._ask(
                "training_container_logs",
                {"run_id": self._run_id, "cursor": cursor, "tail": tail, "wait_seconds": WAIT_SECONDS},
            )
            told = self._attempts.told_by(answer)
            if told:
                self._say(f'Run "{self._run_id}": {sanitise(told)}')
            if not answer.get("failed"):
                self._show(answer["lines"])
                self._show_progress(answer["lines"], answer.get("status") or {})
                # An empty log has no place to point to yet, and its first lines must not be cut to a tail then.
                cursor, tail = answer["cursor"], 0
            if answer.get("failed") or answer["ended"]:
                if not self._attempts.may_go_on(answer, time.monotonic()):
                    return {"msg": answer.get("msg", "The log cannot be read.")} if answer.get("failed") else {}
                time.sleep(AGAIN_SECONDS)

    def _ask(self, module: str, args: dict[str, t.Any]) -> dict[str, t.Any]:
        """Ask a module on the node until it answers, or patience ends."""
        lost_since, pause, away = 0.0, 1.0, ""
        while True:
            answer, reason = self._try(module, args)
            if not reason:
                if lost_since:
                    self._say(f"{away} is back after {time.monotonic() - lost_since:.0f} s.")
                return answer
            if not lost_since:
                lost_since = time.monotonic()
                away = self._say_what_is_away(answer)
            elif time.monotonic() - lost_since > self._options["patience_seconds"]:
                return {"failed": True, "msg": self._out_of_patience(reason)}
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            self._reset_connection()

    def _try(self, module: str, args: dict[str, t.Any]) -> tuple[dict[str, t.Any], str]:
        """An answer, and why it is none."""
        try:
            answer = self._action._module(module, args, self._task_vars)
        except AnsibleConnectionFailure as error:
            return {}, str(error)
        # Without an answer of the module itself its process was cut off on the way.
        if answer.get("unreachable") or "module_stdout" in answer:
            return answer, str(answer.get("module_stderr") or answer.get("msg"))
        return answer, str(answer.get("msg")) if answer.get("engine_away") else ""

    def _say_what_is_away(self, answer: dict[str, t.Any]) -> str:
        patience = f"Trying again for {self._options['patience_seconds']} s."
        if answer.get("engine_away"):
            self._say(f"Docker on {self._node} does not answer. {patience}")
            return f"Docker on {self._node}"
        self._say(f"Connection to {self._node} lost; the training goes on there. {patience}")
        return f"Connection to {self._node}"

    def _out_of_patience(self, reason: str) -> str:
        return (
            f'Cannot follow run "{self._run_id}": {self._node} did not answer for {self._options["patience_seconds"]} s '
            f"({sanitise(' '.join(reason.split()))[:300]}). Nobody stopped the training. "
            "See whether the node still runs, then run the same command again to come back to the log."
        )

    def _reset_connection(self) -> None:
        connection = self._action._connection
        if type(connection).reset is ConnectionBase.reset:
            return
        try:
            connection.reset()
        except AnsibleConnectionFailure:
            pass  # the next attempt says so

    def _show(self, lines: list[str]) -> None:
        if lines and not self._action._task.no_log:
            # One message for all of them: whole lines of several nodes interleave, and a burst does not fill the queue.
            self._screen.show("\n".join(self._prefix + sanitise(line) for line in lines))

    def _show_progress(self, lines: list[str], status: dict[str, t.Any]) -> None:
        if self._action._task.no_log:
            return
        now = time.monotonic()
        self._reader.add_all([sanitise(line) for line in lines])
        progress = self._reader.progress
        self._pace.add(now, progress.fraction)
        known = parts_of(progress, status, None, _screen.PLAIN)
        self._screen.progress(
            now, self._prefix, known, parts_of(progress, status, self._pace.seconds_left(now), _screen.PLAIN)
        )

    def _say_progress_at_the_end(self) -> None:
        parts = parts_of(self._reader.progress, {}, None, _screen.PLAIN)
        if parts:
            self._say(f"At the end: {line_of_parts(parts, plain=_screen.PLAIN)}")

    def _say(self, text: str) -> None:
        self._screen.show(self._prefix + text)


class Attempts:
    """Whether what has ended is tried again by its node, as the answers to whoever follows tell."""

    def __init__(self, patience_seconds: float) -> None:
        self._patience = patience_seconds
        self._attempt = 0
        self._status: dict[str, t.Any] = {}
        self._why = ""
        self._told_of = 0
        self._since: float | None = None
        self.went_on = False

    def told_by(self, answer: dict[str, t.Any]) -> str:
        """What is new, in one line for each attempt: before it where that was seen, or else when it trains."""
        if answer.get("failed"):
            return ""  # between two attempts there is no container for a moment
        self._status = answer.get("status") or {}
        before, self._attempt = self._attempt, answer.get("attempt", 1)
        if before and self._attempt > before:
            self.went_on, self._since = True, None
            return "" if self._told_of == self._attempt else f"attempt {self._attempt} trains on."
        why = str(self._status.get("why") or "") if self._status.get("state") == TRYING_AGAIN else ""
        if not why or why == self._why:
            return ""
        self._why, self._told_of = why, self._attempt + 1
        return why

    def may_go_on(self, answer: dict[str, t.Any], now: float) -> bool:
        """Whether to wait for another attempt."""
        state = self._status.get("state")
        if not self._status.get("retries_left") or state not in (TRYING_AGAIN, "running", "stopping"):
            return False
        self._since = now if self._since is None else self._since
        return now - self._since < (self._patience if state == TRYING_AGAIN else DECISION_SECONDS)


def _without_secrets(result: dict[str, t.Any]) -> dict[str, t.Any]:
    """With -vvv Ansible shows a module's options. The environment may hold keys."""
    options = result.get("invocation", {}).get("module_args", {})
    if options.get("environment"):
        options["environment"] = dict.fromkeys(options["environment"], "(not shown)")
    return result

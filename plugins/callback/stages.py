# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: stages
type: stdout
short_description: Show a playbook as its stages, and keep the details in a file
version_added: 1.0.0
author:
  - The trainyard developers (@trainyard)
description:
  - Names each play as it starts, lists what it changed, and closes it with its counts and its seconds.
  - Failures and unreachable hosts are shown in full, warnings once. Messages of M(ansible.builtin.debug) are shown as they are.
  - Everything that the callback P(ansible.builtin.default#callback) would show with C(-v) goes into a log file, which is named at the
    start. The file can be read by its owner only.
  - The last line holds the totals over all hosts, as C(changed=0 failed=0 unreachable=0).
  - With C(-v) and above it is the callback P(ansible.builtin.default#callback), and writes no file.
  - What action plugins show while they run passes untouched, and is not in the log file.
options:
  log_directory:
    description:
      - Where the log files are made. A relative path starts at the current directory.
      - When nothing can be written there, the files go to C(~/.trainyard/logs).
    type: str
    default: .ansible/logs
    env:
      - name: TRAINYARD_LOG_DIRECTORY
    ini:
      - section: callback_stages
        key: log_directory
extends_documentation_fragment:
  - default_callback
  - result_format_callback
requirements:
  - Set as stdout callback in the configuration.
"""

EXAMPLES = r"""
# ansible.cfg
# [defaults]
# stdout_callback = trainyard.aws.stages
"""

import atexit
import os
import time
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from ansible import constants as C
from ansible import context
from ansible.playbook.task_include import TaskInclude
from ansible.plugins.callback.default import CallbackModule as DefaultCallback
from ansible_collections.trainyard.aws.plugins.plugin_utils._stages import (
    Change,
    Stage,
    failure_lines,
    log_name,
    plain,
    text_lines,
    totals,
)

DEBUG_ACTIONS = frozenset(("debug", "ansible.builtin.debug", "ansible.legacy.debug"))
FALLBACK_LOG_DIRECTORY = "~/.trainyard/logs"


class LogDisplay:
    """A display for the default callback that writes to a file; warnings still go to the real display, which shows each once."""

    verbosity = 1

    def __init__(self, display: Any, file: TextIO) -> None:
        self._display = display
        self._file = file

    def display(self, msg: str, *_args: Any, log_only: bool = False, **_kwargs: Any) -> None:
        if not log_only:  # the default callback says its recap twice: for the screen and for the log of Ansible
            self._file.write(plain(msg) + "\n")

    def banner(self, msg: str, *_args: Any, **_kwargs: Any) -> None:
        self._file.write(f"\n{datetime.now():%H:%M:%S} {msg}\n")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._display, name)


def open_log(directories: list[str], name: str) -> Path:
    """Make an empty file in the first directory that lets us."""
    reason = None
    for directory in directories:
        path = Path(directory).expanduser() / name
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)
            return path
        except OSError as exc:
            reason = exc
    raise OSError(f"no log file can be made in {' or '.join(directories)}: {reason}") from reason


class CallbackModule(DefaultCallback):
    """The default callback, writing to a file, with a short account of it on the screen."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "trainyard.aws.stages"

    def __init__(self) -> None:
        super().__init__()
        self._screen = self._display
        self._quiet = self._screen.verbosity == 0
        self._log_path: str | None = None
        self._started = time.monotonic()
        self._stage: Stage | None = None
        self._change: Change | None = None
        self._task_started: dict[tuple[str, str], float] = {}
        self._diffs: list[str] = []
        self._ended = False

    def _start_log(self, playbook: str) -> None:
        path = open_log([self.get_option("log_directory"), FALLBACK_LOG_DIRECTORY], log_name(playbook, datetime.now()))
        self._log_path = os.path.relpath(path)
        self._display = LogDisplay(self._screen, path.open("a", encoding="utf-8", buffering=1))
        self._say(f"Details: {self._log_path}", indent=0)
        atexit.register(self._say_interrupted, os.getpid())

    # ---- The screen --------------------------------------------------------------------------------------------------

    def _say(self, line: str, color: str | None = None, indent: int = 2) -> None:
        self._screen.display(" " * indent + line, color=color)

    def _say_change(self) -> None:
        """Show the task that changed something, once it is known on which hosts."""
        if self._change:
            self._say(self._change.line(), C.COLOR_CHANGED)
        for diff in self._diffs:
            self._screen.display(diff)
        self._change, self._diffs = None, []

    def _say_failure(self, word: str, result: Any, item: object = None) -> None:
        self._say_change()
        what = (
            f"{word}: {result.task.get_name()}"
            + (f" ({item})" if item is not None else "")
            + f" [{self.host_label(result)}]"
        )
        self._say(what, C.COLOR_ERROR)
        for line in failure_lines(result.result):
            self._say(line, C.COLOR_ERROR, indent=4)
        if path := result.task.get_path():  # a checkout may be reached through a link from site-packages
            self._say(f"at {os.path.relpath(os.path.realpath(path))}", indent=4)

    def _say_interrupted(self, pid: int) -> None:
        """The last words of a playbook that was not let to its end; ``pid`` is its own, since a fork inherits them."""
        if self._stage and not self._ended and os.getpid() == pid:
            self._say(
                f'Interrupted in "{self._stage.name}". What was made stays and is found again by its tags:', indent=0
            )
            self._say(
                "the same command continues, the playbook status shows what is there, destroy removes it.", indent=0
            )
            self._say(f"Details: {self._log_path}", indent=0)

    def _close_stage(self) -> None:
        if self._stage:
            self._say_change()
            self._say(self._stage.closing(time.monotonic()))
        self._stage = None

    def _count_ok(self, result: Any) -> None:
        self._stage.ok += 1
        if result.task.action in DEBUG_ACTIONS and "msg" in result.result:
            self._say_change()
            for line in text_lines(result.result["msg"]):
                self._say(line)
        if result.result.get("changed"):
            self._stage.changed += 1
            self._remember_change(result)

    def _remember_change(self, result: Any) -> None:
        uuid, now = result.task._uuid, time.monotonic()
        if self._change is None or self._change.uuid != uuid:
            diffs, self._diffs = self._diffs, []  # they came just before the result they belong to
            self._say_change()
            self._change, self._diffs = Change(uuid, result.task.name or result.task.get_name()), diffs
        items = [str(self._get_item_label(each)) for each in result.result.get("results", ()) if each.get("changed")]
        seconds = now - self._task_started.get((uuid, result.host.get_name()), now)
        self._change.add(self.host_label(result), items, seconds)

    def _handle_exception(self, result: Any, use_stderr: bool = False) -> None:
        if not self._quiet:
            super()._handle_exception(result, use_stderr)
        elif trace := result.pop("exception", None):  # the screen has shown the message; the file keeps the whole
            self._display.display(str(trace))

    # ---- Events ------------------------------------------------------------------------------------------------------

    def v2_playbook_on_start(self, playbook: Any) -> None:
        if self._quiet and self._log_path is None:
            self._start_log(playbook._file_name)
        super().v2_playbook_on_start(playbook)

    def v2_playbook_on_play_start(self, play: Any) -> None:
        if self._quiet:
            self._close_stage()
            self._stage = Stage(started=time.monotonic(), name=play.get_name().strip())
            self._say(
                play.get_name().strip() + (" (check mode)" if play.check_mode else ""), C.COLOR_HIGHLIGHT, indent=0
            )
        super().v2_playbook_on_play_start(play)

    def v2_playbook_on_no_hosts_matched(self) -> None:
        if self._quiet:
            self._say("no hosts match")
        super().v2_playbook_on_no_hosts_matched()

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._say_change()
        super().v2_playbook_on_task_start(task, is_conditional)

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        self._say_change()
        super().v2_playbook_on_handler_task_start(task)

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        self._task_started[task._uuid, host.get_name()] = time.monotonic()
        super().v2_runner_on_start(host, task)

    def v2_runner_on_ok(self, result: Any) -> None:
        if self._stage and not isinstance(result.task, TaskInclude):
            self._count_ok(result)
        super().v2_runner_on_ok(result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        if self._stage:
            self._stage.failed += 1
            if not (result.task.loop and "results" in result.result):  # its items have been shown already
                self._say_failure("ignored" if ignore_errors else "FAILED", result)
        super().v2_runner_on_failed(result, ignore_errors)

    def v2_runner_item_on_failed(self, result: Any) -> None:
        if self._stage:
            self._say_failure("FAILED", result, item=self._get_item_label(result.result))
        super().v2_runner_item_on_failed(result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        if self._stage:
            self._stage.unreachable += 1
            self._say_failure("UNREACHABLE", result)
        super().v2_runner_on_unreachable(result)

    def v2_on_file_diff(self, result: Any) -> None:
        if self._stage and result.result.get("changed"):
            self._diffs += [text for text in [self._get_diff(result.result.get("diff") or [])] if text]
        super().v2_on_file_diff(result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        super().v2_playbook_on_stats(stats)
        if not self._quiet:
            return
        self._ended = True
        self._close_stage()
        summaries = {host: stats.summarize(host) for host in sorted(stats.processed)}
        for host, summary in summaries.items():
            if summary["failures"] or summary["unreachable"]:
                self._say(
                    f"{host}: failed={summary['failures']} unreachable={summary['unreachable']}",
                    C.COLOR_ERROR,
                    indent=0,
                )
        if any(summary["failures"] or summary["unreachable"] for summary in summaries.values()):
            self._say(f"Details: {self._log_path}", indent=0)
        if context.CLIARGS["check"]:
            self._say("Check mode: nothing was changed; changed counts what would be.", indent=0)
        self._say(totals(list(summaries.values()), time.monotonic() - self._started), indent=0)

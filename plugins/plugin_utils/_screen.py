# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Lines that a task shows while it goes on: below what goes by on a terminal, and now and then elsewhere.

An action plugin imports this with itself. So ansible-playbook reads it, before it forks the worker that runs the task and has no terminal.
"""

from __future__ import annotations

import io
import os
import shutil
import signal
import sys
import typing as t

from ansible.utils.display import Display
from ansible_collections.trainyard.aws.plugins.module_utils._progress_line import line_of_parts

display = Display()

CLEAR_LINE = "\r\x1b[K"
TERMINAL = os.isatty(1) and os.environ.get("TERM", "dumb") != "dumb"
COLUMNS = shutil.get_terminal_size().columns
PLAIN = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
# Ansible leaves it to the system when what it shows is written. Into a pipe or a file that is when pages of it have gathered.
if isinstance(sys.stdout, io.TextIOWrapper):
    sys.stdout.reconfigure(line_buffering=True)


def screen_for(task_vars: t.Mapping[str, t.Any], interval: float) -> tuple[str, PlainLines | StatusLine]:
    """What is before each line of a node, and where the lines go: the status line is for one node alone."""
    several = len(task_vars.get("ansible_play_hosts_all", ())) > 1
    prefix = f"[{task_vars.get('inventory_hostname', 'the node')}] " if several else ""
    return prefix, StatusLine() if TERMINAL and not several else PlainLines(interval)


class PlainLines:
    """Where there is no terminal, or several nodes write: now and then a line of progress, if it says anything new."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._last: tuple[float, list[str]] | None = None

    def show(self, text: str) -> None:
        _display([(text, True)])

    def progress(self, now: float, prefix: str, known: list[str], parts: list[str]) -> None:
        """``known`` are the parts without those that change with time alone."""
        if self._last is None:
            self._last = (now, [])
        then, before = self._last
        if self._interval and now - then >= self._interval and known != before:
            self._last = (now, known)
            self.show(f"{prefix}Progress: {line_of_parts(parts, plain=PLAIN)}")

    def close(self) -> None:
        """Nothing is left open."""


class StatusLine:
    """On a terminal: the log goes by above a line that is drawn anew."""

    def __init__(self) -> None:
        self._line = ""

    def show(self, text: str) -> None:
        clear = [(CLEAR_LINE, False)] if self._line else []
        _display([*clear, (text, True), *self._drawn()])

    def progress(self, now: float, prefix: str, known: list[str], parts: list[str]) -> None:
        line = line_of_parts(parts, width=COLUMNS - 1, plain=PLAIN)
        if line != self._line:
            self._line = line
            _display(self._drawn() or [(CLEAR_LINE, False)])

    def close(self) -> None:
        """Whatever comes next finds the cursor at the start of an empty line."""
        if self._line:
            self._line = ""
            _display([(CLEAR_LINE, False)])

    def _drawn(self) -> list[tuple[str, bool]]:
        return [(CLEAR_LINE + self._line, False)] if self._line else []


def _display(pieces: list[tuple[str, bool]]) -> None:
    """Show texts, each a line of its own or not, and only then be interrupted.

    Ctrl-C ends a worker wherever it is. One that ended inside the queue to the screen would keep the queue's lock for ever, and
    ansible-playbook, which sends its own last word through that queue, would hang.
    """
    former = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        for text, is_line in pieces:
            # What is no line belongs to the screen alone, and not to the log of Ansible.
            display.display(text, newline=is_line, screen_only=not is_line)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)

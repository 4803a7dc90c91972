# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the callback stages shows, as text. Private to this collection."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

HOSTS_SHOWN = 3
ITEMS_SHOWN = 5
OUTPUT_LINES_SHOWN = 20
OUTPUT_KEYS = ("stderr", "stdout", "module_stderr", "module_stdout")
TERMINAL_ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


@dataclass
class Stage:
    """The figures of a play that is running."""

    started: float
    ok: int = 0
    changed: int = 0
    failed: int = 0
    unreachable: int = 0
    name: str = ""

    def closing(self, now: float) -> str:
        """The line under the play: C(ok=9 changed=4 12.3 s)."""
        trouble = [
            f"{name}={count}" for name, count in (("failed", self.failed), ("unreachable", self.unreachable)) if count
        ]
        return " ".join([f"ok={self.ok}", f"changed={self.changed}", *trouble]) + f"  {now - self.started:.1f} s"


@dataclass
class Change:
    """A task that changed something, and where it did."""

    uuid: str
    task: str
    hosts: list[str] = field(default_factory=list)
    items: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, host: str, items: Sequence[str], seconds: float) -> None:
        """Note one more host; items are named once, and the slowest host gives the time."""
        self.hosts.append(host)
        self.items += [item for item in items if item not in self.items]
        self.seconds = max(self.seconds, seconds)

    def line(self) -> str:
        """One line however many hosts and items there are."""
        items = f" ({shortened(self.items, ITEMS_SHOWN)})" if self.items else ""
        seconds = f"  {self.seconds:.1f} s" if self.seconds >= 1 else ""
        return f"changed: {self.task}{items} [{shortened(sorted(self.hosts), HOSTS_SHOWN)}]{seconds}"


def shortened(names: Sequence[str], shown: int) -> str:
    """The first names, and how many more there are."""
    listed = ", ".join(names[:shown])
    return f"{listed} and {len(names) - shown} more" if len(names) > shown else listed


def log_name(playbook: str, now: datetime) -> str:
    """The file name for the log of one run of a playbook."""
    stem = playbook.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    return f"{stem}-{now:%Y%m%dT%H%M%S}.log"


def failure_lines(result: Mapping[str, object]) -> list[str]:
    """What a failed result has to say: its message, and the end of what a command or a crashed module wrote."""
    message = result.get("msg") or "There is no message; the log has the whole result."
    lines = text_lines(message)
    for key in OUTPUT_KEYS:
        output = str(result.get(key) or "").rstrip()
        if output and output not in str(message):
            lines += [f"{key}:", *(f"  {line}" for line in output.splitlines()[-OUTPUT_LINES_SHOWN:])]
    return lines


def text_lines(message: object) -> list[str]:
    """A message as lines: modules return strings, debug also lists."""
    if isinstance(message, (list, tuple)):
        return [line for part in message for line in text_lines(part)]
    return str(message).rstrip().splitlines()


def plain(text: str) -> str:
    """Text without colours, for a file."""
    return TERMINAL_ESCAPE.sub("", text)


def totals(summaries: Sequence[Mapping[str, int]], seconds: float) -> str:
    """The last line of a run, made to be read by people and by tests."""
    names = (("changed", "changed"), ("failed", "failures"), ("unreachable", "unreachable"))
    counts = " ".join(f"{name}={sum(summary[key] for summary in summaries)}" for name, key in names)
    return f"{counts}  {seconds:.1f} s"

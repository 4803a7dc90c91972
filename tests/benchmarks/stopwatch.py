# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Seconds and processor seconds of what is done, with everything that it started, also what outlives it by a moment."""

from __future__ import annotations

import ctypes
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path

BECOME_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER in prctl(2)


def adopt_orphans() -> None:
    """From now on what loses its parent becomes a child of this process."""
    if ctypes.CDLL(None, use_errno=True).prctl(BECOME_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "this process cannot adopt orphans")


def timed(act: Callable[[], object]) -> tuple[float, float]:
    """Seconds until it is done, and processor seconds of all its processes."""
    known, cpu, started = children(), cpu_of_children(), time.monotonic()
    act()
    seconds = time.monotonic() - started
    for orphan in children() - known:
        os.waitpid(orphan, 0)
    return seconds, cpu_of_children() - cpu


def children() -> set[int]:
    return {int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()}


def cpu_of_children() -> float:
    """Processor seconds of all processes that ended and were waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of figures as lines for docs/performance.md."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A title, a table and an empty line."""
    return [title, "", row(head), "|---" * len(head) + "|", *map(row, rows), ""]


def row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def spread(values: Sequence[float]) -> str:
    """Median and range; nothing where nothing was measured."""
    return f"{statistics.median(values):.1f} ({min(values):.1f} to {max(values):.1f})" if values else ""


def spreads(title: str, first: str, seconds: Mapping[str, Sequence[float]]) -> list[str]:
    return table(title, (first, "median (minimum to maximum)"), ((name, spread(seconds[name])) for name in seconds))


def machine(root: Path) -> list[str]:
    """Where, when and with what the figures were taken, and the command to take them again."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    revision = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=root, capture_output=True, text=True, check=False
    )
    return [
        f"{platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB, load {os.getloadavg()[0]:.1f} at the start; "
        f"{datetime.now(UTC).date()}, revision {revision.stdout.strip()}; Python {platform.python_version()}, "
        f"ansible-core {version('ansible-core')}{terraform_version()}. `python {shlex.join(sys.argv)}`",
        "",
    ]


def terraform_version() -> str:
    if not shutil.which("terraform"):
        return ""
    said = subprocess.run(["terraform", "version"], capture_output=True, text=True, check=True)
    return f", {said.stdout.splitlines()[0]}"

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""When apt's package lists count as fresh, and how they are refreshed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

# It says when the last refresh began in which every source could be read. Of the lists themselves only the time of the last
# attempt is known. A boot forgets it.
STAMP = Path("/run/trainyard-package-lists")
SOURCES = (Path("/etc/apt/sources.list"), Path("/etc/apt/sources.list.d"))
COMMAND = (
    "apt-get",
    "update",
    "--quiet=2",
    "--option=Acquire::Retries=3",
    "--option=APT::Update::Error-Mode=any",  # otherwise a source that cannot be reached is no failure
)
_HELD = "Could not get lock"
_SECONDS_BETWEEN = 2

Run = Callable[[list[str]], tuple[int, str, str]]


class RefreshError(Exception):
    """Why the lists could not be refreshed, as apt says it."""


def are_fresh(stamp: Path, sources: Iterable[Path], now: float, max_age_seconds: float) -> bool:
    """Whether all were read less than that many seconds ago, and no source was added, changed or removed since."""
    try:
        began = stamp.stat().st_mtime
    except FileNotFoundError:
        return False
    return 0 <= now - began < max_age_seconds and all(changed < began for changed in _changes(sources))


def _changes(sources: Iterable[Path]) -> Iterable[float]:
    """When files and folders, and what is in the folders, were changed last."""
    for source in sources:
        for path in (source, *(source.iterdir() if source.is_dir() else ())):
            if path.exists():
                yield path.stat().st_mtime


def refresh(run: Run, stamp: Path, patience_seconds: float, sleep: Callable[[float], None] = time.sleep) -> None:
    """Have apt read every source. While another program holds the lists, as a new node's first upgrade does, wait.

    Raises:
        RefreshError: a source could not be read or its signature does not hold, or the lists are still held
    """
    waited = 0.0
    while True:
        began = time.time()
        code, dummy, said = run(list(COMMAND))
        if code == 0:
            stamp.touch()
            os.utime(stamp, (began, began))
            return
        if _HELD not in said or waited >= patience_seconds:
            raise RefreshError(reason_of(said) or f"apt-get ended with {code} and said nothing")
        sleep(_SECONDS_BETWEEN)
        waited += _SECONDS_BETWEEN


def reason_of(said: str) -> str:
    """The lines in which apt names what went wrong, errors before warnings, without their letters."""
    lines = said.splitlines()
    named = [line[3:] for letter in ("E: ", "W: ") for line in lines if line.startswith(letter)]
    return " ".join(dict.fromkeys(named)) or " ".join(lines)

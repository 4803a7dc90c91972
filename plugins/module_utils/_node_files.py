# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Which files of a node are not as they are wanted."""

from __future__ import annotations

import os
import shlex
import stat
from dataclasses import dataclass
from typing import Any


class NodeFilesError(Exception):
    """What cannot be done, why, and what to do."""


@dataclass(frozen=True)
class Wanted:
    """A file as it is wanted; no content is no file."""

    path: str
    content: str | None
    mode: int
    validate: str | None = None


@dataclass(frozen=True)
class Found:
    """A file as it is."""

    content: str
    mode: int


def wanted(params: dict[str, Any]) -> Wanted:
    """One of the module's files. Raises NodeFilesError."""
    path, mode = params["path"], params["mode"]
    try:
        bits = int(mode, 8)
    except ValueError as error:
        raise NodeFilesError(f'Cannot write {path}: "{mode}" is no mode. Write it in octal, such as "0644".') from error
    return Wanted(path, None if params["state"] == "absent" else params["content"], bits, params["validate"])


def found(path: str) -> Found | None:
    """What is at a path. Raises NodeFilesError."""
    try:
        with open(path, encoding="utf-8", errors="replace", newline="") as file:
            return Found(file.read(), stat.S_IMODE(os.fstat(file.fileno()).st_mode))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise NodeFilesError(f"Cannot read {path}: {error.strerror}. Only files can be named here.") from error


def differs(want: Wanted, have: Found | None) -> bool:
    if want.content is None or have is None:
        return (want.content is None) != (have is None)
    return (have.content, have.mode) != (want.content, want.mode)


def difference(want: Wanted, have: Found | None) -> dict[str, str]:
    """What ``--diff`` shows of a file. The mode is shown where it is all that differs."""
    before, after = have.content if have else "", want.content or ""
    if have and want.content == have.content:
        before, after = f"mode: {have.mode:04o}\n", f"mode: {want.mode:04o}\n"
    return {"before_header": want.path, "after_header": want.path, "before": before, "after": after}


def check_command(want: Wanted, written: str) -> list[str]:
    """The program that says whether a text will do, asked of the text that was written elsewhere."""
    return [word.replace("%s", written) for word in shlex.split(want.validate or "")]


def missing_folders(path: str) -> list[str]:
    """The folders above a path that are not there, the highest first."""
    missing = []
    folder = os.path.dirname(path)
    while not os.path.isdir(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    return missing[::-1]

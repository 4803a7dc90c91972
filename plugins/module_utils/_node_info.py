# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""What a role asks a node before it decides: files, services, and programs that answer questions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Callable

LONGEST_CONTENT = 1024 * 1024
NO_SUCH_PROGRAM = 127  # what a shell answers
Run = Callable[[Sequence[str]], "tuple[int, str, str]"]


class NodeInfoError(Exception):
    """What cannot be answered, and why."""


def file_of(path: str) -> dict[str, Any]:
    """Whether something is there, and when it was last written. A link counts as what it leads to."""
    try:
        return {"exists": True, "modified_at": os.stat(path).st_mtime}
    except (FileNotFoundError, NotADirectoryError):
        return {"exists": False, "modified_at": None}


def content_of(path: str) -> str | None:
    """The text of a file, None where there is none. Raises NodeInfoError."""
    try:
        with open(path, "rb") as file:
            content = file.read(LONGEST_CONTENT + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise NodeInfoError(f"Cannot read {path}: {error.strerror}. Name a file that can be read.") from error
    if len(content) > LONGEST_CONTENT:
        raise NodeInfoError(
            f"Cannot return {path}: it is longer than {LONGEST_CONTENT} bytes. Ask for less of it by a command."
        )
    return content.decode("utf-8", errors="replace")


def answer_of(run: Run, command: Sequence[str]) -> dict[str, Any]:
    """What a program says. One that is not there is an answer too."""
    try:
        status, stdout, stderr = run(command)
    except OSError as error:
        status, stdout, stderr = NO_SUCH_PROGRAM, "", f"{command[0]}: {error.strerror}"
    return {
        "rc": status,
        "stdout": stdout.rstrip("\r\n"),
        "stdout_lines": stdout.splitlines(),
        "stderr": stderr.rstrip("\r\n"),
    }


def services_command(names: Sequence[str]) -> list[str]:
    return ["systemctl", "show", "--property=ActiveState,UnitFileState", "--", *names]


def services_in(shown: str, names: Sequence[str]) -> dict[str, dict[str, bool]]:
    """What systemd shows of units, in the order in which it was asked; nothing runs where there is no systemd."""
    blocks = [dict(line.split("=", 1) for line in block.splitlines()) for block in shown.split("\n\n") if block.strip()]
    blocks += [{}] * (len(names) - len(blocks))
    return {
        name: {
            "active": block.get("ActiveState") == "active",
            "enabled": block.get("UnitFileState") == "enabled",
            "masked": block.get("UnitFileState") == "masked",
        }
        for name, block in zip(names, blocks)
    }

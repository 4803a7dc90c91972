# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Small files that others read while they are written."""

from __future__ import annotations

import json
import os
import typing as t


def write_whole(path: str, text: str) -> None:
    """Nobody ever reads half of it, and a crash leaves the old or the new one."""
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".new", path)


def write_mapping(path: str, mapping: t.Mapping[str, t.Any]) -> None:
    write_whole(path, json.dumps(mapping, indent=2) + "\n")


def read_mapping(path: str) -> dict[str, t.Any]:
    """A JSON object; empty where there is no such file."""
    if not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as file:
        return dict(json.load(file))

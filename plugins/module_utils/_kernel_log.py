# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""What NVIDIA's driver reported in the kernel's log of this node while a run trained.

The kernel keeps its log in memory, overwrites it and forgets it at a reboot. So what concerns a run is kept beside it.
"""

from __future__ import annotations

import json
import os
import re
import time
import typing as t
from dataclasses import asdict, dataclass

from ansible_collections.trainyard.aws.plugins.module_utils._container_text import sanitise
from ansible_collections.trainyard.aws.plugins.module_utils._whole_file import read_mapping, write_whole

KERNEL_LOG = "/dev/kmsg"
XIDS = "xids.json"
_BOOT_ID = "/proc/sys/kernel/random/boot_id"
# No message is longer; the kernel refuses to hand out a part of one.
_MESSAGE_BYTES = 16 * 1024
_MOST_BYTES = 16 * 1024**2
_MOST_XIDS = 200
# Priority, number, microseconds since the boot. A priority below 8 is the kernel's own; processes can write here, too.
_MESSAGE = re.compile(r"^[0-7],([0-9]{1,20}),([0-9]{1,20}),[^;\n]*;(NVRM: Xid .*)$", re.MULTILINE)
_CLOCKS_SECONDS = 5


@dataclass(frozen=True)
class Xid:
    """A report of the driver. ``key`` names it among all that this node ever made, ``time`` is in seconds since 1970."""

    key: str
    time: float
    text: str


def parse_messages(text: str, boot_id: str, booted_at: float) -> list[Xid]:
    """The driver's reports among messages of the kernel as /dev/kmsg hands them out. Pure."""
    return [
        Xid(f"{boot_id}:{match.group(1)}", round(booted_at + int(match.group(2)) / 1e6, 1), sanitise(match.group(3)))
        for match in _MESSAGE.finditer(text)
    ]


def note_xids(directory: str, started: float) -> list[Xid]:
    """Keep what was reported since the run started beside it. Returns what is new."""
    kept = _kept(directory)
    known = {each.key for each in kept}
    new = [each for each in _in_kernel() if each.time >= started - _CLOCKS_SECONDS and each.key not in known]
    if new:
        xids = [asdict(each) for each in (kept + new)[-_MOST_XIDS:]]
        write_whole(os.path.join(directory, XIDS), json.dumps({"xids": xids}) + "\n")
    return new


def xids_between(directory: str, first: float, last: float) -> list[Xid]:
    """What was reported between two moments, whether it was kept or the kernel still knows it."""
    found = {each.key: each for each in (*_kept(directory), *_in_kernel())}
    near = [each for each in found.values() if first - _CLOCKS_SECONDS <= each.time <= last + _CLOCKS_SECONDS]
    return sorted(near, key=lambda each: each.time)[-_MOST_XIDS:]


def _kept(directory: str) -> list[Xid]:
    try:
        return [Xid(**each) for each in read_mapping(os.path.join(directory, XIDS)).get("xids", [])]
    except (OSError, ValueError, TypeError):
        return []


def _in_kernel() -> list[Xid]:
    """Nothing where there is no such log or it must not be read."""
    try:
        with open(_BOOT_ID, encoding="ascii") as file:
            boot_id = file.read(8)
        text = _read_messages()
    except OSError:
        return []
    return parse_messages(text, boot_id, _booted_at())


def _booted_at() -> float:
    return time.time() - time.monotonic()


def _read_messages() -> str:
    descriptor = os.open(KERNEL_LOG, os.O_RDONLY | os.O_NONBLOCK)
    try:
        return b"".join(_messages(descriptor)).decode("utf-8", "replace")
    finally:
        os.close(descriptor)


def _messages(descriptor: int) -> t.Iterator[bytes]:
    """A message at a time, until there is none that is not read."""
    size = 0
    while size < _MOST_BYTES:
        try:
            message = os.read(descriptor, _MESSAGE_BYTES)
        except BlockingIOError:
            return
        except BrokenPipeError:
            continue  # it was overwritten before it was read
        if not message:
            return
        size += len(message)
        yield message

# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""The disks of this machine, read from sysfs, and what is done to them by the usual tools."""

from __future__ import annotations

import os
import re
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.trainyard.aws.plugins.module_utils._disks import (
    ARRAY,
    Disk,
    DiskError,
    array_step,
    assemble_command,
    create_command,
    has_to_be_formatted,
    mkfs_command,
)

Run = t.Callable[[list[str]], tuple[int, str, str]]  # status, stdout, stderr
BLKID_FOUND_NOTHING = 2


@dataclass(frozen=True)
class Machine:
    """Where this machine tells of itself."""

    sys: Path = Path("/sys/block")
    dev: Path = Path("/dev")
    proc: Path = Path("/proc")

    def disks(self) -> tuple[Disk, ...]:
        """All whole disks that have a device node here."""
        names = sorted(path.name for path in self.sys.iterdir()) if self.sys.is_dir() else []
        places, aliases = self._mounts(), self._aliases()
        return tuple(self._disk(name, places, aliases) for name in names if (self.dev / name).is_block_device())

    def _disk(self, name: str, places: dict[str, set[str]], aliases: dict[str, list[str]]) -> Disk:
        folder = self.sys / name
        partitions = tuple(sorted(path.parent.name for path in folder.glob("*/partition")))
        holders = _names(folder / "holders")
        mounts: set[str] = set()
        for number in self._numbers(name):
            mounts |= places.get(number, set())
        return Disk(
            name=name,
            model=_text(folder / "device" / "model"),
            serial=_text(folder / "device" / "serial") or _text(folder / "serial"),
            size_bytes=int(_text(folder / "size") or 0) * 512,  # sysfs counts in 512 bytes, whatever the disk does
            aliases=tuple(aliases.get(name, ())),
            partitions=partitions,
            holders=holders,
            mounts=tuple(sorted(mounts)),
        )

    def _numbers(self, name: str) -> set[str]:
        """The device numbers of a disk, of its partitions, and of what is made of them."""
        folder = self.sys / name
        numbers = {_text(folder / "dev")} | {_text(path.parent / "dev") for path in folder.glob("*/partition")}
        held = {
            *_names(folder / "holders"),
            *(h for path in folder.glob("*/partition") for h in _names(path.parent / "holders")),
        }
        for holder in held:
            numbers |= self._numbers(holder)
        return numbers - {""}

    def _mounts(self) -> dict[str, set[str]]:
        """Where each device number is mounted; see proc_pid_mountinfo(5)."""
        found: dict[str, set[str]] = {}
        for line in _text(self.proc / "self" / "mountinfo").splitlines():
            fields = line.split()
            found.setdefault(fields[2], set()).add(_unescaped(fields[4]))
        for line in _text(self.proc / "swaps").splitlines()[1:]:
            number = _number_of(Path(line.split()[0]))
            found.setdefault(number, set()).add("swap")
        return found

    def _aliases(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name in _names(self.dev / "disk" / "by-id"):
            found.setdefault((self.dev / "disk" / "by-id" / name).resolve().name, []).append(name)
        return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _names(folder: Path) -> tuple[str, ...]:
    try:
        return tuple(sorted(os.listdir(folder)))
    except OSError:
        return ()


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found.group(1), 8)), text)


def _number_of(path: Path) -> str:
    try:
        number = path.stat().st_rdev
    except OSError:
        return ""
    return f"{os.major(number)}:{os.minor(number)}"


def do(run: Run, command: list[str]) -> str:
    """Run a command that has to succeed. Raises DiskError."""
    status, stdout, stderr = run(command)
    if status != 0:
        raise DiskError(f'Cannot go on: "{" ".join(command)}" ended with {status}: {(stderr or stdout).strip()}')
    return stdout


def probe(run: Run, device: str) -> dict[str, str]:
    """What blkid reads on the device itself, not in its cache; empty if the device is blank. Raises DiskError."""
    command = ["blkid", "--probe", "--output", "export", device]
    status, stdout, stderr = run(command)
    if status not in (0, BLKID_FOUND_NOTHING):
        raise DiskError(
            f"Cannot tell what is on {device}: blkid ended with {status} {stderr.strip()}. It may hold several signatures at "
            'once, see "wipefs" on the node.'
        )
    return dict(line.split("=", 1) for line in stdout.splitlines() if "=" in line)


def signature_of(run: Run, device: str) -> str:
    """The file system, or what else is on a device: empty if it is blank."""
    found = probe(run, device)
    return found.get("TYPE", "") or found.get("PTTYPE", "")


def format_if_blank(run: Run, disk: Disk, filesystem: str, check: bool = False) -> bool:
    """Whether the disk was blank; it is formatted then, but for check mode. Raises DiskError."""
    blank = has_to_be_formatted(disk, signature_of(run, disk.device), filesystem)
    if blank and not check:
        do(run, mkfs_command(filesystem, disk.device))
    return blank


def joined(run: Run, members: t.Sequence[Disk]) -> Disk:
    """One disk made of all instance-store disks. Raises DiskError."""
    step = array_step(members, [signature_of(run, disk.device) for disk in members])
    if step == "single":
        return members[0]
    devices = [disk.device for disk in members]
    if step == "create":
        do(run, create_command(ARRAY, devices))
    elif step == "assemble":
        do(run, assemble_command(ARRAY, devices))
    name = members[0].holders[0] if step == "running" else Path(ARRAY).relative_to("/dev")
    return Disk(str(name), f"an array of {len(members)} disks", str(name), sum(disk.size_bytes for disk in members))

# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Which disk is meant, and what may be done to it. A disk is known by what it says of itself, never by its name in /dev."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

# What the NVMe controllers of EC2 call themselves.
EBS = "Amazon Elastic Block Store"
INSTANCE_STORE = "Amazon EC2 NVMe Instance Storage"
FILESYSTEMS = ("ext4", "xfs")
RAID_MEMBER = "linux_raid_member"
ARRAY = "/dev/md/trainyard"
GIB = 1024**3


class DiskError(Exception):
    """A disk is not as it has to be. The text says what, why, and what to do."""


@dataclass(frozen=True)
class Disk:
    """A whole disk. ``name`` is the kernel's for now; the next boot may give it to another disk."""

    name: str
    model: str
    serial: str
    size_bytes: int
    aliases: tuple[str, ...] = ()  # its names in /dev/disk/by-id
    partitions: tuple[str, ...] = ()
    holders: tuple[str, ...] = ()  # arrays and volume groups made of it
    mounts: tuple[str, ...] = ()  # where it, or anything made of it, is mounted; "swap" if it is swapped to

    @property
    def volume_id(self) -> str:
        """The id of the EBS volume; its serial number lacks the hyphen."""
        return self.serial.replace("vol", "vol-", 1) if self.model == EBS and "-" not in self.serial else ""

    @property
    def device(self) -> str:
        return f"/dev/{self.name}"

    @property
    def is_used(self) -> bool:
        return bool(self.partitions or self.holders or self.mounts)

    def says(self) -> str:
        """What a person needs to tell it from others."""
        identity = self.volume_id or self.serial or "no serial number"
        return f"{identity} ({self.model or 'unknown model'}, {self.size_bytes / GIB:.3g} GiB)"


def disk_of(disks: t.Sequence[Disk], path: str, identifier: str = "", size_gib: int = 0) -> Disk:
    """The one disk that belongs at ``path``. Raises DiskError unless there is exactly one."""
    mounted = [disk for disk in disks if path in disk.mounts]
    if identifier:
        fitting = [disk for disk in disks if identifier in {disk.volume_id, disk.serial, *disk.aliases} - {""}]
        wanted = f"the id {identifier}"
    else:
        # Where disks say nothing of themselves, as on types without Nitro, a size that was asked for has to do.
        may = [disk for disk in disks if disk.model == EBS or (size_gib and disk.model != INSTANCE_STORE)]
        fitting = mounted or [disk for disk in may if not disk.is_used]
        wanted = "no other use" if size_gib else "no other use, among the EBS volumes"
    if size_gib:
        fitting = [disk for disk in fitting if disk.size_bytes == size_gib * GIB]
        wanted += f" and a size of {size_gib} GiB"
    if len(fitting) != 1:
        raise DiskError(_not_one(path, wanted, fitting, disks))
    if mounted and mounted != fitting:
        raise DiskError(
            f"Cannot use disk {fitting[0].says()} for {path}: disk {mounted[0].says()} is mounted there. "
            "Unmount that one, or choose another path."
        )
    return fitting[0]


def _not_one(path: str, wanted: str, fitting: t.Sequence[Disk], disks: t.Sequence[Disk]) -> str:
    if fitting:
        found, fix = fitting, 'Say which one by its "id" or "size_gib".'
    else:
        found, fix = disks, 'Attach the disk, or correct its "id" or "size_gib".'
    names = "; ".join(disk.says() for disk in found) or "none at all"
    count = len(fitting) or "none"
    return f"Cannot find the disk for {path}: {count} of the node's disks has {wanted}. Seen: {names}. {fix}"


def has_to_be_formatted(disk: Disk, signature: str, filesystem: str) -> bool:
    """Whether the disk is blank. Raises DiskError if something else is on it, which is never overwritten."""
    if disk.partitions or disk.holders:
        raise DiskError(_occupied(disk, f"it holds {', '.join((*disk.partitions, *disk.holders))}"))
    if not signature:
        return True
    if signature != filesystem:
        raise DiskError(_occupied(disk, f"it holds {signature}, not {filesystem}"))
    return False


def _occupied(disk: Disk, why: str) -> str:
    return (
        f"Cannot put a file system on disk {disk.says()}: {why}. Only a blank disk is formatted. Choose another disk, or "
        f'wipe this one yourself if its data may go: "wipefs --all" on what "lsblk" shows with this serial number.'
    )


def instance_store(disks: t.Iterable[Disk]) -> tuple[Disk, ...]:
    """The fast disks inside the machine, in an order that does not depend on their names."""
    return tuple(sorted((disk for disk in disks if disk.model == INSTANCE_STORE), key=lambda disk: disk.serial))


def instance_store_mounts(disks: t.Iterable[Disk]) -> tuple[str, ...]:
    """Where the instance store is mounted already, by whomever."""
    return tuple(sorted({mount for disk in instance_store(disks) for mount in disk.mounts}))


def array_step(members: t.Sequence[Disk], signatures: t.Sequence[str]) -> str:
    """What makes one device of the disks: ``single``, ``create``, ``assemble`` or ``running``. Raises DiskError."""
    for disk in members:
        if disk.partitions:
            raise DiskError(_occupied(disk, f"it holds {', '.join(disk.partitions)}"))
    holders = {disk.holders for disk in members}
    if holders != {()}:
        if len(holders) == 1 and len(members[0].holders) == 1:
            return "running"
        raise DiskError(_mixed(members, [" and ".join(disk.holders) or "nothing" for disk in members]))
    if len(members) == 1:
        return "assemble" if signatures[0] == RAID_MEMBER else "single"
    if not any(signatures):
        return "create"
    if set(signatures) == {RAID_MEMBER}:
        return "assemble"
    raise DiskError(_mixed(members, [signature or "nothing" for signature in signatures]))


def _mixed(members: t.Sequence[Disk], contents: t.Sequence[str]) -> str:
    found = "; ".join(f"{disk.says()} holds {content}" for disk, content in zip(members, contents))
    return (
        f"Cannot make one device of the node's instance store: {found}. Only blank disks are joined. Wipe them if their "
        "data may go, or set data_volume_instance_store to never."
    )


def mkfs_command(filesystem: str, device: str) -> list[str]:
    """A blank disk has nothing to discard, and discarding takes minutes on a large one."""
    options = ["-K"] if filesystem == "xfs" else ["-E", "nodiscard"]
    return [f"mkfs.{filesystem}", "-q", *options, device]


def create_command(array: str, members: t.Sequence[str]) -> list[str]:
    """One array without redundancy: what is on these disks is gone after a stop anyway."""
    shape = ["--level=0", f"--raid-devices={len(members)}", f"--name={array.rpartition('/')[2]}", "--homehost=any"]
    return ["mdadm", "--create", array, "--run", *shape, *members]


def assemble_command(array: str, members: t.Sequence[str]) -> list[str]:
    return ["mdadm", "--assemble", array, *members]

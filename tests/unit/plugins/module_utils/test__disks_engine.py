# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils._disks import EBS, GIB, INSTANCE_STORE, Disk, DiskError
from ansible_collections.trainyard.aws.plugins.module_utils._disks_engine import (
    Machine,
    do,
    format_if_blank,
    joined,
    probe,
    signature_of,
)

FAST = Disk("nvme3n1", INSTANCE_STORE, "AWS1", 100 * GIB)
FAST_TOO = Disk("nvme4n1", INSTANCE_STORE, "AWS2", 100 * GIB)


class Tools:
    """blkid that knows what is on each device, and tools that change it."""

    def __init__(self, contents: dict[str, str]) -> None:
        self.contents, self.calls = contents, list[list[str]]()

    def __call__(self, command: list[str]) -> tuple[int, str, str]:
        device = command[-1]
        if command[0] == "blkid":
            content = self.contents.get(device, "")
            return (0, f"DEVNAME={device}\nUUID=u-1\nTYPE={content}\n", "") if content else (2, "", "")
        self.calls.append(command)
        if command[0].startswith("mkfs."):
            self.contents[device] = command[0].removeprefix("mkfs.")
        return 0, "", ""


def disk_folder(sys: Path, name: str, number: str, model: str = "", serial: str = "", partitions: int = 0) -> Path:
    """A disk as sysfs shows it; the kernel pads model and serial number."""
    folder = sys / name
    (folder / "device").mkdir(parents=True)
    (folder / "holders").mkdir()
    (folder / "dev").write_text(f"{number}\n")
    (folder / "size").write_text(f"{50 * GIB // 512}\n")
    if model:
        (folder / "device" / "model").write_text(f"{model:40}\n")
        (folder / "device" / "serial").write_text(f"{serial:20}\n")
    for count in range(1, partitions + 1):
        part = folder / f"{name}p{count}"
        part.mkdir()
        (part / "partition").write_text(f"{count}\n")
        (part / "dev").write_text(f"{number}{count}\n")
    return folder


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Any file counts as a device node: a test may not make real ones."""
    monkeypatch.setattr(Path, "is_block_device", Path.is_file)
    made = Machine(sys=tmp_path / "sys", dev=tmp_path / "dev", proc=tmp_path / "proc")
    for folder in (made.sys, made.dev / "disk" / "by-id", made.proc / "self"):
        folder.mkdir(parents=True)
    (made.proc / "self" / "mountinfo").write_text(
        "22 1 259:01 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p1 rw\n"
        "30 22 9:127 / /fast\\040disk rw,noatime - xfs /dev/md127 rw\n"
    )
    (made.proc / "swaps").write_text("Filename Type Size Used Priority\n/no/such/device partition 1 0 -2\n")
    return made


def test_disks_say_what_they_are_and_where_they_are_mounted(machine: Machine) -> None:
    disk_folder(machine.sys, "nvme0n1", "259:0", EBS, "vol0aaa", partitions=1)
    fast = disk_folder(machine.sys, "nvme1n1", "259:2", INSTANCE_STORE, "AWS1")
    (fast / "holders" / "md127").touch()
    disk_folder(machine.sys, "md127", "9:127")
    disk_folder(
        machine.sys, "nvme9n1", "259:9", EBS, "vol0zzz"
    )  # without a node in /dev: another's, seen from a container
    for name in ("nvme0n1", "nvme1n1", "md127"):
        (machine.dev / name).touch()
    (machine.dev / "disk" / "by-id" / "nvme-Amazon_EC2_NVMe_Instance_Storage_AWS1").symlink_to("../../nvme1n1")
    array, root, local = machine.disks()
    assert root == Disk("nvme0n1", EBS, "vol0aaa", 50 * GIB, partitions=("nvme0n1p1",), mounts=("/",))
    assert root.volume_id == "vol-0aaa"
    assert (local.model, local.serial, local.holders, local.mounts) == (
        INSTANCE_STORE,
        "AWS1",
        ("md127",),
        ("/fast disk",),
    )
    assert (local.aliases, local.volume_id) == (("nvme-Amazon_EC2_NVMe_Instance_Storage_AWS1",), "")
    assert (array.model, array.serial, array.mounts) == ("", "", ("/fast disk",))


def test_a_machine_without_disks_has_none(tmp_path: Path) -> None:
    assert Machine(sys=tmp_path / "sys", dev=tmp_path, proc=tmp_path).disks() == ()


def test_what_is_on_a_device() -> None:
    assert signature_of(Tools({"/dev/x": "ext4"}), "/dev/x") == "ext4"
    assert signature_of(Tools({}), "/dev/x") == ""
    assert signature_of(lambda _command: (0, "PTUUID=1\nPTTYPE=gpt\n", ""), "/dev/x") == "gpt"
    with pytest.raises(DiskError, match="blkid ended with 8"):
        probe(lambda _command: (8, "", "ambivalent result"), "/dev/x")


def test_a_blank_disk_is_formatted_once() -> None:
    tools = Tools({})
    assert format_if_blank(tools, FAST, "xfs", check=True)
    assert tools.calls == []
    assert format_if_blank(tools, FAST, "xfs")
    assert tools.calls == [["mkfs.xfs", "-q", "-K", "/dev/nvme3n1"]]
    assert not format_if_blank(tools, FAST, "xfs")
    assert len(tools.calls) == 1


def test_several_disks_are_joined_and_one_is_not() -> None:
    alone = Tools({})
    assert joined(alone, [FAST]) == FAST
    assert alone.calls == []
    blank = Tools({})
    array = joined(blank, [FAST, FAST_TOO])
    assert (array.device, array.size_bytes) == ("/dev/md/trainyard", 200 * GIB)
    assert blank.calls[0][:3] == ["mdadm", "--create", "/dev/md/trainyard"]
    again = Tools(dict.fromkeys(["/dev/nvme3n1", "/dev/nvme4n1"], "linux_raid_member"))
    assert joined(again, [FAST, FAST_TOO]).device == "/dev/md/trainyard"
    assert again.calls == [["mdadm", "--assemble", "/dev/md/trainyard", "/dev/nvme3n1", "/dev/nvme4n1"]]


def test_a_command_that_fails_is_told() -> None:
    with pytest.raises(DiskError, match=r'"mkfs.ext4 /dev/x" ended with 1: no space'):
        do(lambda _command: (1, "", "no space\n"), ["mkfs.ext4", "/dev/x"])

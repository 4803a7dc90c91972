# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils._disks import (
    EBS,
    GIB,
    INSTANCE_STORE,
    Disk,
    DiskError,
    array_step,
    assemble_command,
    create_command,
    disk_of,
    has_to_be_formatted,
    instance_store,
    instance_store_mounts,
    mkfs_command,
)

ROOT = Disk("nvme0n1", EBS, "vol0aaa", 8 * GIB, partitions=("nvme0n1p1",), mounts=("/",))
DATA = Disk("nvme1n1", EBS, "vol0bbb", 50 * GIB, ("nvme-Amazon_Elastic_Block_Store_vol0bbb",))
LARGE = Disk("nvme2n1", EBS, "vol0ccc", 500 * GIB)
FAST = Disk("nvme4n1", INSTANCE_STORE, "AWS2", 100 * GIB)
FAST_TOO = Disk("nvme3n1", INSTANCE_STORE, "AWS1", 100 * GIB)
SATA = Disk("sdb", "Samsung SSD 870", "S5Y1", 1000 * GIB, ("ata-Samsung_SSD_870_S5Y1",))
ALL = (ROOT, DATA, LARGE, FAST, FAST_TOO, SATA)


@pytest.mark.parametrize(
    ("disks", "asked", "found"),
    [
        pytest.param(ALL, {"identifier": "vol-0bbb"}, DATA, id="volume id"),
        pytest.param(ALL, {"identifier": "vol0bbb"}, DATA, id="serial number of a volume"),
        pytest.param(ALL, {"identifier": "S5Y1"}, SATA, id="serial number of a disk outside AWS"),
        pytest.param(ALL, {"identifier": "ata-Samsung_SSD_870_S5Y1"}, SATA, id="name in /dev/disk/by-id"),
        pytest.param(ALL, {"size_gib": 500}, LARGE, id="size"),
        pytest.param(ALL, {"size_gib": 1000}, SATA, id="size of a disk that is no EBS volume"),
        pytest.param(ALL, {"identifier": "vol-0ccc", "size_gib": 500}, LARGE, id="id and size"),
        pytest.param((ROOT, DATA, FAST, SATA), {}, DATA, id="the only further volume"),
        pytest.param(
            (ROOT, replace(DATA, mounts=("/data",)), LARGE),
            {},
            replace(DATA, mounts=("/data",)),
            id="the volume that is mounted there, beside one that is blank",
        ),
        pytest.param((ROOT, replace(DATA, mounts=("/other",)), LARGE), {}, LARGE, id="not one with another use"),
    ],
)
def test_the_disk_is_found(disks: tuple[Disk, ...], asked: dict[str, object], found: Disk) -> None:
    assert disk_of(disks, "/data", **asked) == found  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("disks", "asked", "said"),
    [
        pytest.param(ALL, {}, r'2 of the node.*vol-0bbb .*50 GiB.; vol-0ccc.*Say which one by its "id"', id="two fit"),
        pytest.param(
            (ROOT, FAST), {}, "none of the node's disks has no other use.*Seen: vol-0aaa.*AWS2", id="none fits"
        ),
        pytest.param((), {}, "Seen: none at all", id="no disk"),
        pytest.param(ALL, {"identifier": "nvme1n1"}, "none of .* has the id nvme1n1", id="a device name is no id"),
        pytest.param((replace(SATA, serial=""),), {"identifier": ""}, "none", id="an empty id fits nothing"),
        pytest.param((FAST,), {"size_gib": 100}, "none of .* a size of 100 GiB", id="never the instance store by size"),
        pytest.param(ALL, {"identifier": "vol-0bbb", "size_gib": 51}, "a size of 51 GiB", id="another size"),
        pytest.param(
            (replace(LARGE, mounts=("/data",)), DATA),
            {"identifier": "vol-0bbb"},
            "disk vol-0ccc .* is mounted there",
            id="another disk is mounted there",
        ),
    ],
)
def test_a_disk_is_never_guessed(disks: tuple[Disk, ...], asked: dict[str, object], said: str) -> None:
    with pytest.raises(DiskError, match=said):
        disk_of(disks, "/data", **asked)  # type: ignore[arg-type]


def test_only_a_blank_disk_is_formatted() -> None:
    assert has_to_be_formatted(DATA, "", "ext4")
    assert not has_to_be_formatted(DATA, "ext4", "ext4")


@pytest.mark.parametrize(
    ("disk", "signature", "said"),
    [
        pytest.param(DATA, "xfs", "it holds xfs, not ext4", id="another file system"),
        pytest.param(DATA, "gpt", "it holds gpt, not ext4", id="an empty partition table"),
        pytest.param(DATA, "LVM2_member", "it holds LVM2_member", id="a volume group"),
        pytest.param(ROOT, "", "it holds nvme0n1p1", id="partitions"),
        pytest.param(replace(DATA, holders=("dm-0",)), "", "it holds dm-0", id="something made of it"),
    ],
)
def test_nothing_is_overwritten(disk: Disk, signature: str, said: str) -> None:
    with pytest.raises(DiskError, match=f"vol-0.*{said}.*Only a blank disk is formatted"):
        has_to_be_formatted(disk, signature, "ext4")


def test_the_instance_store_is_known_by_its_model_in_an_order_of_its_own() -> None:
    assert instance_store(ALL) == (FAST_TOO, FAST)
    assert instance_store_mounts(ALL) == ()
    mounted = (ROOT, *(replace(disk, mounts=("/opt/dlami/nvme",)) for disk in (FAST, FAST_TOO)))
    assert instance_store_mounts(mounted) == ("/opt/dlami/nvme",)


@pytest.mark.parametrize(
    ("members", "signatures", "step"),
    [
        pytest.param((FAST,), [""], "single", id="one blank disk"),
        pytest.param((FAST,), ["ext4"], "single", id="one disk after a reboot"),
        pytest.param((FAST, FAST_TOO), ["", ""], "create", id="blank disks after a stop"),
        pytest.param((FAST, FAST_TOO), ["linux_raid_member"] * 2, "assemble", id="an array after a reboot"),
        pytest.param(
            (replace(FAST, holders=("md127",)), replace(FAST_TOO, holders=("md127",))),
            ["linux_raid_member"] * 2,
            "running",
            id="an array that the boot has assembled",
        ),
    ],
)
def test_disks_become_one_device(members: tuple[Disk, ...], signatures: list[str], step: str) -> None:
    assert array_step(members, signatures) == step


@pytest.mark.parametrize(
    ("members", "signatures", "said"),
    [
        pytest.param((FAST, FAST_TOO), ["", "ext4"], "AWS1 .* holds ext4", id="one is not blank"),
        pytest.param((FAST, FAST_TOO), ["xfs", "xfs"], "holds xfs", id="both belong to somebody"),
        pytest.param((replace(FAST, partitions=("nvme4n1p1",)),), [""], "holds nvme4n1p1", id="partitions"),
        pytest.param(
            (replace(FAST, holders=("md0",)), FAST_TOO),
            ["linux_raid_member", ""],
            "AWS2 .* holds md0; AWS1 .* holds nothing",
            id="an array of others",
        ),
    ],
)
def test_disks_of_others_are_not_joined(members: tuple[Disk, ...], signatures: list[str], said: str) -> None:
    with pytest.raises(DiskError, match=said):
        array_step(members, signatures)


def test_the_commands() -> None:
    assert mkfs_command("ext4", "/dev/x") == ["mkfs.ext4", "-q", "-E", "nodiscard", "/dev/x"]
    assert mkfs_command("xfs", "/dev/x") == ["mkfs.xfs", "-q", "-K", "/dev/x"]
    assert " ".join(create_command("/dev/md/y", ["/dev/a", "/dev/b"])) == (
        "mdadm --create /dev/md/y --run --level=0 --raid-devices=2 --name=y --homehost=any /dev/a /dev/b"
    )
    assert assemble_command("/dev/md/y", ["/dev/a"]) == ["mdadm", "--assemble", "/dev/md/y", "/dev/a"]

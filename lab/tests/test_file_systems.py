# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""EFS: a server at the mount target, behind its security group, with the files of that file system only."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.file_systems import remove_tree
from lab.tests.running_lab import RunningLab, Stack, error_of, eventually


@pytest.fixture(scope="module")
def node(lab: RunningLab, stack: Stack) -> dict[str, Any]:
    return stack.launch(ImageId=lab.image("deep-learning"))[0]


@pytest.fixture(scope="module")
def file_system(lab: RunningLab, stack: Stack, node: dict[str, Any]) -> Iterator[str]:
    storage = stack.group("storage", group_sources=[stack.node_group], port=2049)
    identity = lab.efs.create_file_system(
        CreationToken=f"token-{stack.vpc}", Encrypted=True, Tags=[{"Key": "Name", "Value": "data"}]
    )["FileSystemId"]
    target = lab.efs.create_mount_target(FileSystemId=identity, SubnetId=stack.private, SecurityGroups=[storage])[
        "MountTargetId"
    ]
    yield identity
    lab.efs.delete_mount_target(MountTargetId=target)
    assert eventually(lambda: not lab.efs.describe_mount_targets(FileSystemId=identity)["MountTargets"])
    lab.efs.delete_file_system(FileSystemId=identity)
    assert not (lab.settings.file_systems / identity).exists()


def target_of(lab: RunningLab, file_system: str) -> dict[str, Any]:
    found: dict[str, Any] = lab.efs.describe_mount_targets(FileSystemId=file_system)["MountTargets"][0]
    return found


def reaches(lab: RunningLab, instance: str, name: str) -> bool:
    return lab.run(instance, "bash", "-c", f"timeout 2 bash -c '</dev/tcp/{name}/2049'")[0] == 0


def test_the_mount_target_is_available_and_resolves_by_its_dns_name(
    lab: RunningLab, file_system: str, node: dict[str, Any]
) -> None:
    target = target_of(lab, file_system)
    assert target["LifeCycleState"] == "available"
    found = lab.run(node["InstanceId"], "getent", "hosts", f"{file_system}.efs.us-east-1.amazonaws.com")[1]
    assert found.split()[0] == target["IpAddress"]


def test_a_node_of_the_admitted_group_mounts_it(lab: RunningLab, file_system: str, node: dict[str, Any]) -> None:
    identity, name = node["InstanceId"], f"{file_system}.efs.us-east-1.amazonaws.com"
    assert eventually(lambda: reaches(lab, identity, name))
    exit_code, said = lab.run(
        identity,
        "sh",
        "-c",
        f"mkdir -p /efs && mount -t nfs4 -o nfsvers=4.1 {name}:/ /efs && echo written > /efs/file && umount /efs",
    )
    assert exit_code == 0, said
    assert (lab.settings.file_systems / file_system / "file").read_text() == "written\n"


def test_a_node_of_another_group_is_kept_out(lab: RunningLab, stack: Stack, file_system: str) -> None:
    stranger = stack.launch(group=stack.bastion_group)[0]["InstanceId"]
    name = f"{file_system}.efs.us-east-1.amazonaws.com"
    assert not reaches(lab, stranger, name)
    lab.ec2.modify_instance_attribute(InstanceId=stranger, Groups=[stack.node_group])
    assert eventually(lambda: reaches(lab, stranger, name))


def test_legacy_tag_calls(lab: RunningLab, file_system: str) -> None:
    assert lab.efs.describe_tags(FileSystemId=file_system)["Tags"] == [{"Key": "Name", "Value": "data"}]
    lab.efs.create_tags(FileSystemId=file_system, Tags=[{"Key": "owner", "Value": "me"}])
    assert {"Key": "owner", "Value": "me"} in lab.efs.describe_file_systems(FileSystemId=file_system)["FileSystems"][0][
        "Tags"
    ]
    lab.efs.delete_tags(FileSystemId=file_system, TagKeys=["owner"])
    assert lab.efs.describe_tags(FileSystemId=file_system)["Tags"] == [{"Key": "Name", "Value": "data"}]
    assert error_of(lab.efs.describe_tags, FileSystemId="fs-00000000") == "FileSystemNotFound"


def test_a_file_system_with_a_mount_target_is_not_deleted(lab: RunningLab, file_system: str) -> None:
    assert error_of(lab.efs.delete_file_system, FileSystemId=file_system) == "FileSystemInUse"


def test_data_that_root_wrote_goes_without_being_root(
    lab: RunningLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_: Path) -> None:
        raise PermissionError

    (tmp_path / "fs-1" / "deep").mkdir(parents=True)
    monkeypatch.setattr(shutil, "rmtree", refused)
    remove_tree(lab.docker, tmp_path / "fs-1")
    assert not (tmp_path / "fs-1").exists()

# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role efs_mount decides on each system; the tables are those of facts/vendor-facts.md, sections 5.1 and 5.2."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.choices import SYSTEMS, Choices

FS = {"efs_mount_file_system_id": "fs-0123456789abcdef0", "efs_mount_region": "us-east-1"}
NAME = "fs-0123456789abcdef0.efs.us-east-1.amazonaws.com"
NFS_OPTIONS = "nfsvers=4.1,rsize=1048576,wsize=1048576,hard,timeo=600,retrans=2,noresvport,_netdev"
# system: package and type by default
TABLE = {
    "ubuntu-22.04": ("nfs-common", "nfs4"),
    "ubuntu-24.04": ("nfs-common", "nfs4"),
    "debian-12": ("nfs-common", "nfs4"),
    "debian-13": ("nfs-common", "nfs4"),
    "amazon-linux-2023": ("amazon-efs-utils", "efs"),
}


def chosen(
    system: str, helper: bool = False, nfs: bool = False, mounted: bool = False, fstab: str | None = "", **values: Any
) -> Choices:
    look = {
        "files": {"/sbin/mount.efs": {"exists": helper}, "/sbin/mount.nfs": {"exists": nfs}},
        "contents": {"/etc/fstab": fstab},
        "commands": {"mounted": {"rc": 0 if mounted else 32}},
    }
    return Choices("efs_mount", system, **FS | {"__efs_mount_look": look} | values)


def test_the_table_is_about_every_system() -> None:
    assert set(TABLE) == set(SYSTEMS)


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_client_of_each_system(system: str) -> None:
    package, kind = TABLE[system]
    choices = chosen(system)
    assert choices.value("__efs_mount_problems") == []
    assert (choices.value("__efs_mount_package"), choices.value("__efs_mount_type")) == (package, kind)
    assert choices.value("__efs_mount_client_is_there") is False
    if kind == "efs":
        assert choices.value("__efs_mount_source") == "fs-0123456789abcdef0:/"
        assert choices.value("__efs_mount_all_options") == "_netdev,noresvport,tls,region=us-east-1"
        assert choices.value("__efs_mount_reads_ahead") is False
    else:
        assert choices.value("__efs_mount_source") == f"{NAME}:/"
        assert choices.value("__efs_mount_all_options") == NFS_OPTIONS
        assert choices.value("__efs_mount_reads_ahead") is True


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_helper_that_is_there_is_used_with_all_it_can(system: str) -> None:
    choices = chosen(
        system, helper=True, efs_mount_iam_enabled=True, efs_mount_access_point_id="fsap-1", efs_mount_tls="required"
    )
    assert choices.value("__efs_mount_problems") == []
    assert choices.value("__efs_mount_client_is_there") is True
    assert choices.value("__efs_mount_type") == "efs"
    assert choices.value("__efs_mount_all_options") == (
        "_netdev,noresvport,tls,iam,accesspoint=fsap-1,region=us-east-1"
    )


@pytest.mark.parametrize(
    ("values", "source", "kind"),
    [
        pytest.param({"efs_mount_dns_name": NAME}, f"{NAME}:/", "efs", id="DNS name of EFS"),
        pytest.param({"efs_mount_dns_name": f"us-east-1a.{NAME}"}, f"us-east-1a.{NAME}:/", "efs", id="of one zone"),
        pytest.param({"efs_mount_dns_name": "192.0.2.5"}, "192.0.2.5:/", "nfs4", id="address of a mount target"),
        pytest.param({"efs_mount_dns_name": "nas.example.com"}, "nas.example.com:/", "nfs4", id="another NFS server"),
        pytest.param({"efs_mount_client": "nfs"}, f"{NAME}:/", "nfs4", id="NFS although the helper is there"),
        pytest.param(
            {"efs_mount_region": "cn-north-1", "efs_mount_client": "nfs"},
            "fs-0123456789abcdef0.efs.cn-north-1.amazonaws.com.cn:/",
            "nfs4",
            id="China",
        ),
    ],
)
def test_the_source(values: dict[str, Any], source: str, kind: str) -> None:
    choices = chosen("amazon-linux-2023", helper=True, **values)
    assert (choices.value("__efs_mount_source"), choices.value("__efs_mount_type")) == (source, kind)
    assert choices.value("__efs_mount_problems") == []


@pytest.mark.parametrize(
    ("values", "said"),
    [
        pytest.param(
            {"efs_mount_file_system_id": ""}, "neither efs_mount_file_system_id nor efs_mount_dns_name", id="nothing"
        ),
        pytest.param({"efs_mount_region": ""}, "the DNS name holds the region", id="no region"),
        pytest.param({"efs_mount_client": "efs_utils"}, "Debian has no amazon-efs-utils", id="no helper"),
        pytest.param({"efs_mount_tls": "required"}, "NFS on its own has no TLS", id="TLS without the helper"),
        pytest.param({"efs_mount_iam_enabled": True}, "IAM and access points need TLS", id="IAM without TLS"),
        pytest.param(
            {"efs_mount_access_point_id": "fsap-1"}, "IAM and access points need TLS", id="access point without TLS"
        ),
    ],
)
def test_what_cannot_be_mounted_is_refused(values: dict[str, Any], said: str) -> None:
    problems = chosen("debian-12", **values).value("__efs_mount_problems")
    assert said in " ".join(problems)


def test_the_helper_refuses_what_is_not_efs_and_what_needs_tls() -> None:
    other = chosen("amazon-linux-2023", efs_mount_client="efs_utils", efs_mount_dns_name="nas.example.com")
    assert "knows file systems of EFS only" in " ".join(other.value("__efs_mount_problems"))
    bare = chosen("amazon-linux-2023", efs_mount_tls="never", efs_mount_iam_enabled=True)
    assert "IAM and access points need TLS" in " ".join(bare.value("__efs_mount_problems"))


LINE = f"{NAME}:/ /efs nfs4 {NFS_OPTIONS} 0 0\n"


@pytest.mark.parametrize(
    ("fstab", "mounted", "done"),
    [
        pytest.param(f"# disks\n{LINE}", True, True, id="now and at every boot"),
        pytest.param(f"# disks\n{LINE}", False, False, id="at the next boot only"),
        pytest.param(f"# {LINE}", True, False, id="now only"),
        pytest.param(LINE.replace("hard", "soft"), True, False, id="with other options"),
        pytest.param(None, True, False, id="no fstab"),
    ],
)
def test_a_node_that_has_it_mounted_is_left_alone(fstab: str | None, mounted: bool, done: bool) -> None:
    choices = chosen("debian-12", nfs=True, mounted=mounted, fstab=fstab)
    assert choices.value("__efs_mount_is_done") is done


def test_what_cannot_be_mounted_is_refused_where_it_is_mounted_too() -> None:
    choices = chosen("debian-12", nfs=True, mounted=True, fstab=LINE, efs_mount_tls="required")
    assert choices.value("__efs_mount_is_done") is False


@pytest.mark.parametrize(
    ("path", "unit"),
    [("/efs", "efs.mount"), ("/mnt/efs/", "mnt-efs.mount"), ("/mnt/my-efs", "mnt-my\\x2defs.mount")],
)
def test_the_service_that_reads_ahead_follows_the_mount(path: str, unit: str) -> None:
    rendered = chosen("debian-12", efs_mount_path=path).render("read-ahead.service.j2")
    assert rendered.endswith(f"WantedBy={unit}\n")
    assert "echo 15000 > " in rendered
    assert chosen("debian-12", efs_mount_read_ahead_kib=0).value("__efs_mount_reads_ahead") is False

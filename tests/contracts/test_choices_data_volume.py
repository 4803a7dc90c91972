# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role data_volume decides on each system; see facts/vendor-facts.md, section 10.9."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.choices import SYSTEMS, Choices

OURS, DLAMI = "/nvme", "/opt/dlami/nvme"
MDADM, XFS = "/sbin/mdadm", "/sbin/mkfs.xfs"


def chosen(
    system: str, count: int = 0, paths: tuple[str, ...] = (), there: tuple[str, ...] = (), **values: Any
) -> Choices:
    result = {"instance_store": {"count": count, "paths": list(paths)}, "disks": []}
    look = {"files": {path: {"exists": path in there} for path in (DLAMI, MDADM, XFS)}}
    return Choices("data_volume", system, data_volume_result=result, **{"__data_volume_look": look} | values)


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize(
    ("count", "paths", "values", "ours"),
    [
        pytest.param(0, (), {}, False, id="no instance store"),
        pytest.param(0, (), {"data_volume_instance_store": "always"}, True, id="an image for machines that have one"),
        pytest.param(2, (), {}, True, id="blank"),
        pytest.param(2, (OURS,), {}, True, id="ours already"),
        pytest.param(2, (DLAMI,), {}, False, id="a Deep Learning image has mounted it"),
        pytest.param(2, (DLAMI,), {"data_volume_instance_store": "always"}, False, id="never taken from others"),
        pytest.param(2, (), {"there": (DLAMI,)}, False, id="a Deep Learning image will"),
        pytest.param(2, (), {"data_volume_instance_store": "never"}, False, id="left alone"),
    ],
)
def test_whose_the_instance_store_is(
    system: str, count: int, paths: tuple[str, ...], values: dict[str, Any], ours: bool
) -> None:
    assert chosen(system, count, paths, **values).value("__data_volume_store_is_ours") is ours


@pytest.mark.parametrize("system", SYSTEMS)
def test_tools_are_installed_only_where_they_are_needed(system: str) -> None:
    tools = "__data_volume_tools"
    assert chosen(system, volumes=[]).value(tools) == []
    assert chosen(system, 1).value(tools) == []
    assert chosen(system, 2).value(tools) == [MDADM]
    assert chosen(system, 1, data_volume_instance_store_filesystem="xfs").value(tools) == [XFS]
    assert chosen(system, data_volume_volumes=[{"path": "/data"}]).value(tools) == []
    assert chosen(system, data_volume_volumes=[{"path": "/data", "filesystem": "xfs"}]).value(tools) == [XFS]
    assert chosen(system, data_volume_instance_store="always").value(tools) == [MDADM]


def test_tools_that_are_there_are_not_installed() -> None:
    missing = "__data_volume_missing_packages"
    assert chosen("debian-12", 2, data_volume_instance_store_filesystem="xfs").value(missing) == ["xfsprogs", "mdadm"]
    one = chosen("debian-12", 2, there=(MDADM,), data_volume_instance_store_filesystem="xfs")
    assert one.value(missing) == ["xfsprogs"]
    assert chosen("debian-12", 2, there=(MDADM, XFS)).value(missing) == []


@pytest.mark.parametrize(
    ("count", "values", "something"),
    [
        pytest.param(0, {}, False, id="nothing"),
        pytest.param(1, {}, True, id="an instance store"),
        pytest.param(1, {"data_volume_instance_store": "never"}, False, id="an instance store to be left alone"),
        pytest.param(0, {"data_volume_instance_store": "always"}, True, id="an image for others"),
        pytest.param(0, {"data_volume_volumes": [{"path": "/data"}]}, True, id="a volume"),
    ],
)
def test_nothing_more_is_asked_where_nothing_is_to_be_mounted(
    count: int, values: dict[str, Any], something: bool
) -> None:
    assert chosen("debian-12", count, **values).value("__data_volume_something_to_mount") is something


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_service_that_runs_at_boot(system: str) -> None:
    unit = chosen(system, 2, data_volume_instance_store_path="/mnt/fast").render("instance-store.service.j2")
    assert "Before=docker.service containerd.service\n" in unit
    assert "RequiresMountsFor=/mnt\n" in unit
    assert "data_volume --path=/mnt/fast --filesystem=ext4 --options=noatime\n" in unit

# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that the role data_volume runs at boot."""

from __future__ import annotations

import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils._disks import EBS, GIB, INSTANCE_STORE, Disk
from ansible_collections.trainyard.aws.plugins.module_utils._disks_engine import Machine

from tests.unit.plugins.module_utils.test__disks_engine import Tools

ROOT = Disk("nvme0n1", EBS, "vol0aaa", 8 * GIB, mounts=("/",))
FAST = Disk("nvme1n1", INSTANCE_STORE, "AWS1", 100 * GIB)
PROGRAM = runpy.run_path(str(Path(__file__).parents[3] / "roles" / "data_volume" / "files" / "__main__.py"))


@pytest.fixture
def bring_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def call(tools: Tools, *disks: Disk) -> str:
        monkeypatch.setattr(Machine, "disks", lambda self: disks)
        return str(PROGRAM["bring_up"](Machine(), tools, str(tmp_path / "nvme"), "ext4", "noatime"))

    return call


def test_formatted_and_mounted_by_its_uuid_after_a_stop(bring_up: Any, tmp_path: Path) -> None:
    tools = Tools({})
    assert "formatted anew" in bring_up(tools, ROOT, FAST)
    assert tools.calls[0][0] == "mkfs.ext4"
    assert tools.calls[1] == ["mount", "-t", "ext4", "-o", "noatime", "UUID=u-1", str(tmp_path / "nvme")]


def test_kept_after_a_reboot(bring_up: Any) -> None:
    tools = Tools({"/dev/nvme1n1": "ext4"})
    assert "formatted" not in bring_up(tools, ROOT, FAST)
    assert [call[0] for call in tools.calls] == ["mount"]


def test_nothing_is_done_where_there_is_none_or_somebody_has_mounted_it(bring_up: Any) -> None:
    tools = Tools({})
    assert "no instance store" in bring_up(tools, ROOT)
    assert "on /opt/dlami/nvme already" in bring_up(tools, replace(FAST, mounts=("/opt/dlami/nvme",)))
    assert tools.calls == []


def test_a_program_that_is_missing_is_told() -> None:
    assert PROGRAM["run"](["/no/such/program"])[0] == 127

# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.trainyard.aws.plugins.module_utils._disks import EBS, GIB, INSTANCE_STORE, Disk
from ansible_collections.trainyard.aws.plugins.module_utils._disks_engine import Machine
from ansible_collections.trainyard.aws.plugins.modules import disk_filesystem, disk_info

from tests.unit.plugins.module_utils.test__disks_engine import Tools

DATA = Disk("nvme1n1", EBS, "vol0bbb", 50 * GIB)
FAST = Disk("nvme2n1", INSTANCE_STORE, "AWS1", 100 * GIB, mounts=("/opt/dlami/nvme",))


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> Tools:
    made = Tools({})
    monkeypatch.setattr(Machine, "disks", lambda self: (DATA, FAST))
    monkeypatch.setattr(AnsibleModule, "run_command", lambda self, command: made(command))
    return made


def test_formatted_once_then_left_alone(run_module: Any, tools: Tools) -> None:
    told = run_module(disk_filesystem, check=True, path="/data")
    assert (told["changed"], told["uuid"], tools.calls) == (True, "", [])
    first = run_module(disk_filesystem, path="/data")
    assert (first["changed"], first["uuid"], first["disk"]["volume_id"]) == (True, "u-1", "vol-0bbb")
    assert (first["diff"]["before"]["filesystem"], first["diff"]["after"]["filesystem"]) == ("", "ext4")
    second = run_module(disk_filesystem, path="/data")
    assert (second["changed"], second["uuid"], len(tools.calls)) == (False, "u-1", 1)


def test_data_of_others_stays(run_module: Any, tools: Tools) -> None:
    tools.contents["/dev/nvme1n1"] = "LVM2_member"
    assert "it holds LVM2_member, not ext4" in run_module(disk_filesystem, path="/data")["msg"]
    assert tools.calls == []


def test_the_disks_are_listed(run_module: Any, tools: Tools) -> None:
    listed = run_module(disk_info)
    assert [disk["volume_id"] for disk in listed["disks"]] == ["vol-0bbb", ""]
    assert listed["instance_store"] == {"count": 1, "paths": ["/opt/dlami/nvme"]}

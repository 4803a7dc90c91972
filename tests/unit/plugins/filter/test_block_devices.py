# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.trainyard.aws.plugins.filter.block_devices import FilterModule

block_devices = FilterModule().filters()["block_devices"]
DISK = {"volume_type": "gp3", "encrypted": True, "delete_on_termination": True}


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        pytest.param({}, [("/dev/sda1", {"volume_size": 100})], id="nothing said"),
        pytest.param(
            {"root_volume_gib": "200", "root_volume_iops": 6000, "root_volume_throughput": 500},
            [("/dev/sda1", {"volume_size": 200, "iops": 6000, "throughput": 500})],
            id="a fast root volume",
        ),
        pytest.param(
            {"volumes": [{"size_gib": 500, "iops": 16000}, {"size_gib": 50}]},
            [
                ("/dev/sda1", {"volume_size": 100}),
                ("/dev/sdf", {"volume_size": 500, "iops": 16000}),
                ("/dev/sdg", {"volume_size": 50}),
            ],
            id="further volumes",
        ),
    ],
)
def test_volumes(group: dict[str, Any], expected: list[tuple[str, dict[str, Any]]]) -> None:
    devices = block_devices(group, "/dev/sda1")
    assert devices == [{"device_name": name, "ebs": {**DISK, **volume}} for name, volume in expected]


def test_too_many_volumes_are_told() -> None:
    with pytest.raises(AnsibleFilterError, match="Group train has 12 volumes; 11 are possible"):
        block_devices({"name": "train", "volumes": [{"size_gib": 1}] * 12}, "/dev/sda1")

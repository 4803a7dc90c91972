# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: block_devices
short_description: The volumes that a node group describes
version_added: 1.0.0
description: Spells out the root volume and the further volumes of a node group for a launch template, all gp3 and encrypted.
positional: root_device
options:
  _input:
    description:
      - A node group. C(root_volume_gib) is 100 unless given; C(root_volume_iops), C(root_volume_throughput) and
        C(volumes), each with C(size_gib) and perhaps C(iops) and C(throughput), are for who needs them.
    type: dict
    required: true
  root_device:
    description: Device name of the root volume in the image.
    type: str
    required: true
author:
  - The trainyard developers (@trainyard)
"""

EXAMPLES = r"""
# The root volume, and one of 500 GiB at /dev/sdf
volumes: "{{ {'root_volume_gib': 200, 'volumes': [{'size_gib': 500}]} | trainyard.aws.block_devices('/dev/sda1') }}"
"""

RETURN = r"""
_value:
  description: The C(block_device_mappings) of M(amazon.aws.ec2_launch_template).
  type: list
  elements: dict
"""

import string
import typing as t

from ansible.errors import AnsibleFilterError

_DEVICES = [f"/dev/sd{letter}" for letter in string.ascii_lowercase[5:16]]  # the names that AWS leaves for data


def block_devices(group: t.Mapping[str, t.Any], root_device: str) -> list[dict[str, t.Any]]:
    """The root volume at ``root_device``, then the further volumes at /dev/sdf and on."""
    further = list(group.get("volumes") or ())
    if len(further) > len(_DEVICES):
        raise AnsibleFilterError(f"Group {group.get('name')} has {len(further)} volumes; {len(_DEVICES)} are possible.")
    root = {
        "size_gib": group.get("root_volume_gib", 100),
        "iops": group.get("root_volume_iops"),
        "throughput": group.get("root_volume_throughput"),
    }
    return [
        _device(root_device, root),
        *(_device(name, volume) for name, volume in zip(_DEVICES, further, strict=False)),
    ]


def _device(name: str, volume: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    asked = {key: int(volume[key]) for key in ("iops", "throughput") if volume.get(key)}
    disk = {"volume_type": "gp3", "encrypted": True, "delete_on_termination": True}
    return {"device_name": name, "ebs": {**disk, "volume_size": int(volume["size_gib"]), **asked}}


class FilterModule:
    """Filters about volumes."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"block_devices": block_devices}

#!/usr/bin/python
# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: disk_info
short_description: List the disks of a node by what they say of themselves
version_added: 1.0.0
author:
  - The trainyard developers (@trainyard)
description:
  - Lists the whole disks of a node with their model, serial number, EBS volume id, size, and where they are mounted. Changes nothing.
  - The names in C(/dev) belong to other disks after the next boot, perhaps, so nothing should be configured by them.
options: {}
attributes:
  check_mode:
    description: Can run in check mode and return the same answer.
    support: full
  diff_mode:
    description: Nothing is changed, so there is no difference to show.
    support: none
  idempotent:
    description: Changes nothing.
    support: full
seealso:
  - module: trainyard.aws.disk_filesystem
"""

EXAMPLES = r"""
- name: List the disks
  trainyard.aws.disk_info:
  register: node

- name: Show where the fast local disks are mounted
  ansible.builtin.debug:
    msg: "{{ node.instance_store.paths }}"
"""

RETURN = r"""
disks:
  description: The disks that have a device node.
  type: list
  elements: dict
  returned: always
  contains:
    name:
      description: The kernel's name for now.
      type: str
      sample: nvme1n1
    model:
      description: What the disk calls itself.
      type: str
      sample: Amazon Elastic Block Store
    serial:
      description: Its serial number.
      type: str
      sample: vol0123456789abcdef0
    volume_id:
      description: The id of the EBS volume, empty for other disks.
      type: str
      sample: vol-0123456789abcdef0
    size_bytes:
      description: Its size.
      type: int
      sample: 53687091200
    aliases:
      description: Its names in C(/dev/disk/by-id).
      type: list
      elements: str
      sample: [nvme-Amazon_Elastic_Block_Store_vol0123456789abcdef0]
    partitions:
      description: Its partitions.
      type: list
      elements: str
      sample: []
    holders:
      description: Arrays and volume groups made of it.
      type: list
      elements: str
      sample: []
    mounts:
      description: Where it, or anything made of it, is mounted; V(swap) if it is swapped to.
      type: list
      elements: str
      sample: [/data]
instance_store:
  description: The fast disks inside the machine, whose content ends when an EC2 instance is stopped.
  type: dict
  returned: always
  contains:
    count:
      description: How many there are.
      type: int
      sample: 2
    paths:
      description: Where they are mounted, by whomever.
      type: list
      elements: str
      sample: [/opt/dlami/nvme]
"""

from dataclasses import asdict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.trainyard.aws.plugins.module_utils._disks import (
    instance_store,
    instance_store_mounts,
)
from ansible_collections.trainyard.aws.plugins.module_utils._disks_engine import Machine


def main() -> None:
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    disks = Machine().disks()
    store = {"count": len(instance_store(disks)), "paths": list(instance_store_mounts(disks))}
    listed = [{**asdict(disk), "volume_id": disk.volume_id} for disk in disks]
    module.exit_json(changed=False, disks=listed, instance_store=store)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: disk_filesystem
short_description: Have a file system on the disk that is meant, and never overwrite anything
version_added: 1.0.0
author:
  - The trainyard developers (@trainyard)
description:
  - Finds one disk by its EBS volume id, its serial number, a name in C(/dev/disk/by-id) or its size, never by its name in C(/dev), which
    the next boot may give to another disk.
  - A blank disk gets a file system. One that has it already is left alone. One that holds anything else is refused.
  - The answer holds the UUID to mount it by.
requirements:
  - C(blkid), and C(mkfs.ext4) or C(mkfs.xfs), on the node
options:
  path:
    description: Where the disk is or will be mounted. A disk that is mounted there is the one that is meant unless O(id) says otherwise.
    type: path
    required: true
  id:
    description:
      - EBS volume id, serial number, or name in C(/dev/disk/by-id).
      - Without it the node's one EBS volume is meant that is neither partitioned nor mounted anywhere else.
    type: str
    default: ""
  size_gib:
    description:
      - The disk has exactly this size, in GiB. It tells one of several from the others where ids are not known.
      - By it disks may be meant that are no EBS volumes or do not say so, but never the instance store.
    type: int
    default: 0
  filesystem:
    description: The file system that is wanted.
    type: str
    choices: [ext4, xfs]
    default: ext4
attributes:
  check_mode:
    description: Can run in check mode and say whether the disk would be formatted.
    support: full
  diff_mode:
    description: Shows the file system before and after.
    support: full
  idempotent:
    description: A disk is formatted once in its life.
    support: full
seealso:
  - module: trainyard.aws.disk_info
"""

EXAMPLES = r"""
- name: Have a file system on the one further EBS volume
  trainyard.aws.disk_filesystem:
    path: /data
  register: disk

- name: Mount it
  ansible.posix.mount:
    path: /data
    src: UUID={{ disk.uuid }}
    fstype: "{{ disk.filesystem }}"
    opts: defaults,noatime,nofail
    state: mounted

- name: Have a file system on a certain volume
  trainyard.aws.disk_filesystem:
    path: /data
    id: vol-0123456789abcdef0
    filesystem: xfs
"""

RETURN = r"""
uuid:
  description: The UUID of the file system; empty in check mode while the disk is blank.
  type: str
  returned: success
  sample: 7bd1cb1c-8f0f-4f5b-9f3c-3a1f4a1d1b52
filesystem:
  description: The file system.
  type: str
  returned: success
  sample: ext4
disk:
  description: The disk, as M(trainyard.aws.disk_info) describes it.
  type: dict
  returned: success
"""

from dataclasses import asdict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.trainyard.aws.plugins.module_utils._disks import FILESYSTEMS, DiskError, disk_of
from ansible_collections.trainyard.aws.plugins.module_utils._disks_engine import Machine, format_if_blank, probe


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "id": {"type": "str", "default": ""},
            "size_gib": {"type": "int", "default": 0},
            "filesystem": {"type": "str", "choices": list(FILESYSTEMS), "default": "ext4"},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        disk = disk_of(Machine().disks(), params["path"], params["id"], params["size_gib"])
        formatted = format_if_blank(module.run_command, disk, params["filesystem"], module.check_mode)
        uuid = probe(module.run_command, disk.device).get("UUID", "")
    except DiskError as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=formatted,
        uuid=uuid,
        filesystem=params["filesystem"],
        disk={**asdict(disk), "volume_id": disk.volume_id},
        diff={
            "before": {"disk": disk.says(), "filesystem": "" if formatted else params["filesystem"]},
            "after": {"disk": disk.says(), "filesystem": params["filesystem"]},
        },
    )


if __name__ == "__main__":
    main()

#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: efs_file_system
short_description: Keep an EFS file system and its mount targets
version_added: 1.0.0
description:
  - Creates an encrypted file system of the stack with its tags in the very call that creates it, and its mount targets.
  - It is found again by its C(Name) tag within the stack, and a creation token keeps a repeated creation from making two.
  - Exists beside M(community.aws.efs) because that one tags in a second call, removes mount targets it is not told about,
    and knows neither elastic throughput nor access points nor policies.
options:
  name:
    description: The C(Name) tag, unique within the stack.
    type: str
    required: true
  state:
    description:
      - V(present) makes it as described; what is not described stays as it is.
      - V(absent) removes its mount targets, its access points and then the file system with B(all its data).
    type: str
    choices: [present, absent]
    default: present
  subnet_ids:
    description: Subnets in which it can be mounted, at most one in each zone.
    type: list
    elements: str
    default: []
  purge_mount_targets:
    description: Whether subnets that are not listed in O(subnet_ids) lose their mount target.
    type: bool
    default: false
  security_group_ids:
    description: Security groups of every mount target; they should let in TCP 2049 from the nodes.
    type: list
    elements: str
    default: []
  tags:
    description: Tags; C(trainyard:stack) is required, and C(Name) is set from O(name). Tags not listed stay.
    type: dict
    required: true
  throughput_mode:
    description:
      - How fast it may be. V(elastic) grows with the work and is paid by what is read and written; V(bursting) grows with the
        data in it; V(provisioned) is a fixed rate, paid by the hour.
      - AWS lets it be lowered or changed once in 24 hours.
    type: str
    choices: [bursting, elastic, provisioned]
  provisioned_mibps:
    description: The rate of V(provisioned) in MiB/s.
    type: float
  lifecycle:
    description: When files move to cheaper storage that is paid for each access.
    type: dict
    suboptions:
      ia_days:
        description: >-
          Days without access until a file moves to Infrequent Access; V(0) is never, otherwise V(1), V(7), V(14), V(30),
          V(60), V(90), V(180), V(270) or V(365).
        type: int
        default: 0
      archive_days:
        description: The same for Archive, which needs O(throughput_mode=elastic).
        type: int
        default: 0
      back_on_access:
        description: Whether a file comes back when it is read or written.
        type: bool
        default: false
  backup_enabled:
    description: Whether AWS Backup copies it every day. The copies stay when the file system goes, and cost.
    type: bool
  tls_required:
    description:
      - Whether a file system policy refuses clients without TLS. A policy that is there already gets one more statement.
      - V(false) removes the policy if it is ours.
    type: bool
  access_point:
    description:
      - A door to one directory, through which everybody is the same user. It carries O(tags).
      - An access point never changes, so another path, user or group makes a second one.
    type: dict
    suboptions:
      path:
        description: The directory that it shows as C(/).
        type: str
        required: true
      uid:
        description: The user that everybody is.
        type: int
        required: true
      gid:
        description: The group that everybody is in.
        type: int
        required: true
      permissions:
        description: Permissions of the directory if it has to be made.
        type: str
        default: "0750"
  file_system_id:
    description:
      - A file system that is not the stack's. It is looked at and never changed; the module fails when it has no mount target
        in the zones of O(subnet_ids). O(name), O(tags) and all settings then count for nothing.
    type: str
  wait_timeout:
    description: How long to wait until it and its mount targets are available or gone, in seconds.
    type: int
    default: 300
attributes:
  check_mode:
    description: Can run in check mode and tell what it would do.
    support: full
  diff_mode:
    description: Shows the file system before and after.
    support: full
  idempotent:
    description: A second run changes nothing.
    support: full
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author:
  - The trainyard developers (@trainyard)
"""

EXAMPLES = r"""
- name: Keep the checkpoints of all runs
  trainyard.aws.efs_file_system:
    name: dcgan-checkpoints
    subnet_ids: [subnet-0a1b2c3d]
    security_group_ids: [sg-0a1b2c3d]
    tags:
      trainyard:stack: dcgan
    region: us-east-1

- name: Keep them fast, cheap when old, and owned by one user
  trainyard.aws.efs_file_system:
    name: dcgan-checkpoints
    subnet_ids: [subnet-0a1b2c3d, subnet-4e5f6a7b]
    security_group_ids: [sg-0a1b2c3d]
    throughput_mode: elastic
    lifecycle:
      ia_days: 30
      back_on_access: true
    access_point: {path: /runs, uid: 1000, gid: 1000}
    tags:
      trainyard:stack: dcgan
    region: us-east-1

- name: Look whether a file system of somebody else can be mounted
  trainyard.aws.efs_file_system:
    name: dcgan-checkpoints
    file_system_id: fs-0123456789abcdef0
    subnet_ids: [subnet-0a1b2c3d]
    tags:
      trainyard:stack: dcgan
    region: us-east-1

- name: Remove them with all their data
  trainyard.aws.efs_file_system:
    name: dcgan-checkpoints
    state: absent
    tags:
      trainyard:stack: dcgan
    region: us-east-1
"""

RETURN = r"""
file_system:
  description: The file system as it is after the call; empty when it is absent, or would only be created in check mode.
  type: dict
  returned: success
  contains:
    file_system_id:
      description: AWS's identifier; its DNS name is C(ID.efs.REGION.amazonaws.com).
      type: str
      sample: fs-0123456789abcdef0
    state:
      description: AWS's life cycle state.
      type: str
      sample: available
    encrypted:
      description: Whether the data is encrypted at rest.
      type: bool
      sample: true
    tags:
      description: All its tags.
      type: dict
      sample: {"Name": "dcgan-checkpoints"}
    mount_targets:
      description: One for each subnet.
      type: list
      elements: dict
      sample: [{"mount_target_id": "fsmt-0a1b2c3d", "subnet_id": "subnet-0a1b2c3d", "zone": "us-east-1a", "ip_address": "10.20.1.7"}]
    throughput_mode:
      description: How fast it may be.
      type: str
      sample: elastic
    access_points:
      description: Its access points, if O(access_point) was given.
      type: list
      elements: dict
      sample: [{"access_point_id": "fsap-0a1b2c3d", "path": "/runs", "uid": 1000, "gid": 1000}]
steps:
  description: What was done, or would be in check mode, each with its reason.
  type: list
  elements: dict
  returned: success
  sample: [{"verb": "create", "subject": "dcgan-checkpoints", "reason": "it does not exist"}]
"""

import time

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.trainyard.aws.plugins.module_utils import _file_system_api as api
from ansible_collections.trainyard.aws.plugins.module_utils._file_system import (
    FileSystem,
    MountTarget,
    adoption_fault,
    as_result,
    fault_of,
    is_settled,
    steps_to,
)
from ansible_collections.trainyard.aws.plugins.module_utils._file_system_settings import fault_in, settings_of
from ansible_collections.trainyard.aws.plugins.module_utils._stack import STACK_TAG
from ansible_collections.trainyard.aws.plugins.module_utils._steps import NotSettled, as_results

try:
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:
    pass  # AnsibleAWSModule says so

LIFECYCLE = {
    "ia_days": {"type": "int", "default": 0},
    "archive_days": {"type": "int", "default": 0},
    "back_on_access": {"type": "bool", "default": False},
}
ACCESS_POINT = {
    "path": {"type": "str", "required": True},
    "uid": {"type": "int", "required": True},
    "gid": {"type": "int", "required": True},
    "permissions": {"type": "str", "default": "0750"},
}
ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "subnet_ids": {"type": "list", "elements": "str", "default": []},
    "purge_mount_targets": {"type": "bool", "default": False},
    "security_group_ids": {"type": "list", "elements": "str", "default": []},
    "tags": {"type": "dict", "required": True},
    "throughput_mode": {"type": "str", "choices": ["bursting", "elastic", "provisioned"]},
    "provisioned_mibps": {"type": "float"},
    "lifecycle": {"type": "dict", "options": LIFECYCLE},
    "backup_enabled": {"type": "bool"},
    "tls_required": {"type": "bool"},
    "access_point": {"type": "dict", "options": ACCESS_POINT},
    "file_system_id": {"type": "str"},
    "wait_timeout": {"type": "int", "default": 300},
}


def wanted(params: dict) -> FileSystem | None:
    """The file system that the user describes, or None when it should be absent."""
    if params["state"] == "absent":
        return None
    targets = (MountTarget(subnet, tuple(params["security_group_ids"])) for subnet in params["subnet_ids"])
    return FileSystem(
        tags={**params["tags"], "Name": params["name"]},
        mount_targets=tuple(targets),
        settings=settings_of(params),
    )


def adopted(module: AnsibleAWSModule) -> dict:
    """Look at the file system of somebody else, and change nothing."""
    identifier, subnets = module.params["file_system_id"], module.params["subnet_ids"]
    if module.params["state"] == "absent":
        module.fail_json(msg=f"File system {identifier} is named by its id, so it is not ours and is not removed.")
    have = api.read_by_id(module.client("efs"), identifier)
    fault = adoption_fault(have, identifier, api.zones_of(module.client("ec2"), subnets))
    if fault:
        module.fail_json(msg=fault)
    told = as_result(have)
    return {"changed": False, "file_system": told, "steps": [], "diff": {"before": told, "after": told}}


def converge(module: AnsibleAWSModule) -> dict:
    """Bring the file system to the wanted state and say what was done."""
    name, stack, purge = module.params["name"], module.params["tags"][STACK_TAG], module.params["purge_mount_targets"]
    client, want = module.client("efs"), wanted(module.params)
    deadline = time.monotonic() + module.params["wait_timeout"]
    before = have = api.with_settings(client, api.read(client, name, stack), want)
    if not module.check_mode and not is_settled(have):
        have = api.with_settings(client, api.settled(client, name, stack, deadline), want)
    steps = steps_to(want, have, purge)
    fault = (fault_in(want.settings) if want else "") or fault_of(want, have)
    after = have
    if steps and not fault and not module.check_mode:
        for step in steps:
            api.take(client, step, want, have, deadline)
            if have is None or step.verb == "set_throughput":
                have = api.with_settings(client, api.settled(client, name, stack, deadline, expected=True), want)
        after = api.with_settings(client, api.settled(client, name, stack, deadline, expected=want is not None), want)
        fault = fault_of(want, after)
    if fault:
        module.fail_json(msg=fault)
    shown = want if module.check_mode and steps else after
    return {
        "changed": bool(steps),
        "file_system": as_result(after),
        "steps": as_results(steps),
        "diff": {"before": as_result(before), "after": as_result(shown)},
    }


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    name = module.params["name"]
    if STACK_TAG not in module.params["tags"]:
        module.fail_json(
            msg=f'The tags of file system "{name}" lack "{STACK_TAG}", by which it is found again. Add it.'
        )
    try:
        result = adopted(module) if module.params["file_system_id"] else converge(module)
    except NotSettled as error:
        module.fail_json(msg=f'File system "{name}": {error}. Run again, it continues.')
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg=f'Cannot keep file system "{name}"')
    module.exit_json(**result)


if __name__ == "__main__":
    main()

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
  - Exists beside M(community.aws.efs) because that one tags in a second call and removes mount targets it is not told about.
options:
  name:
    description: The C(Name) tag, unique within the stack.
    type: str
    required: true
  state:
    description:
      - V(present) makes it as described; subnets that are not listed lose their mount target.
      - V(absent) removes its mount targets and then the file system with B(all its data).
    type: str
    choices: [present, absent]
    default: present
  subnet_ids:
    description: Subnets in which it can be mounted, at most one in each zone.
    type: list
    elements: str
    default: []
  security_group_ids:
    description: Security groups of every mount target; they should let in TCP 2049 from the nodes.
    type: list
    elements: str
    default: []
  tags:
    description: Tags; C(trainyard:stack) is required, and C(Name) is set from O(name). Tags not listed stay.
    type: dict
    required: true
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
      sample: [{"mount_target_id": "fsmt-0a1b2c3d", "subnet_id": "subnet-0a1b2c3d", "ip_address": "10.20.1.7"}]
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
    as_result,
    fault_of,
    is_settled,
    steps_to,
)
from ansible_collections.trainyard.aws.plugins.module_utils._stack import STACK_TAG

try:
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:
    pass  # AnsibleAWSModule says so

ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "subnet_ids": {"type": "list", "elements": "str", "default": []},
    "security_group_ids": {"type": "list", "elements": "str", "default": []},
    "tags": {"type": "dict", "required": True},
    "wait_timeout": {"type": "int", "default": 300},
}


def wanted(params: dict) -> FileSystem | None:
    """The file system that the user describes, or None when it should be absent."""
    if params["state"] == "absent":
        return None
    targets = (MountTarget(subnet, tuple(params["security_group_ids"])) for subnet in params["subnet_ids"])
    return FileSystem(tags={**params["tags"], "Name": params["name"]}, mount_targets=tuple(targets))


def converge(module: AnsibleAWSModule) -> dict:
    """Bring the file system to the wanted state and say what was done."""
    name, stack = module.params["name"], module.params["tags"][STACK_TAG]
    client, want = module.client("efs"), wanted(module.params)
    deadline = time.monotonic() + module.params["wait_timeout"]
    before = have = api.read(client, name, stack)
    if not module.check_mode and not is_settled(have):
        have = api.settled(client, name, stack, deadline)
    steps = steps_to(want, have)
    fault = fault_of(want, have)
    after = have
    if steps and not fault and not module.check_mode:
        for step in steps:
            api.take(client, step, want, have, deadline)
            have = have or api.settled(client, name, stack, deadline, expected=True)
        after = api.settled(client, name, stack, deadline, expected=want is not None)
        fault = fault_of(want, after)
    if fault:
        module.fail_json(msg=fault)
    shown = want if module.check_mode and steps else after
    return {
        "changed": bool(steps),
        "file_system": as_result(after),
        "steps": [{"verb": step.verb, "subject": step.subject, "reason": step.reason} for step in steps],
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
        result = converge(module)
    except api.NotSettled as error:
        module.fail_json(msg=f'File system "{name}": {error}. Run again, it continues.')
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg=f'Cannot keep file system "{name}"')
    module.exit_json(**result)


if __name__ == "__main__":
    main()

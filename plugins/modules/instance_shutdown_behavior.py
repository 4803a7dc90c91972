#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: instance_shutdown_behavior
short_description: Say what becomes of an EC2 instance that shuts itself down
version_added: 1.0.0
description:
  - An instance that was shut down from inside is stopped or terminated, as its attribute C(instanceInitiatedShutdownBehavior) says. This module sets it.
options:
  instance_id:
    description: The instance.
    type: str
    required: true
  behavior:
    description: What becomes of it. A stopped instance keeps its disks and costs only these. A spot instance can only be terminated.
    type: str
    choices: [stop, terminate]
    required: true
attributes:
  check_mode:
    description: Can run in check mode and tell what it would do.
    support: full
  diff_mode:
    description: Shows the behavior before and after.
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
- name: Keep the node and its disks when it goes down
  trainyard.aws.instance_shutdown_behavior:
    instance_id: i-0123456789abcdef0
    behavior: stop
    region: us-east-1
"""

RETURN = r"""
behavior:
  description: What becomes of the instance, after the call; in check mode what would.
  type: str
  returned: success
  sample: stop
"""

import typing as t

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

try:
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:
    pass  # AnsibleAWSModule says so

ATTRIBUTE = "instanceInitiatedShutdownBehavior"
ARGUMENTS = {
    "instance_id": {"type": "str", "required": True},
    "behavior": {"type": "str", "choices": ["stop", "terminate"], "required": True},
}


def converge(client: t.Any, instance: str, want: str, check: bool) -> dict[str, t.Any]:
    """Set the behavior where it differs, and say what it was. Raises botocore's errors."""
    answer = client.describe_instance_attribute(InstanceId=instance, Attribute=ATTRIBUTE)
    have = answer["InstanceInitiatedShutdownBehavior"]["Value"]
    if have != want and not check:
        client.modify_instance_attribute(InstanceId=instance, Attribute=ATTRIBUTE, Value=want)
    diff = {"before": {"behavior": have}, "after": {"behavior": want}}
    return {"changed": have != want, "behavior": want, "diff": diff}


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    instance, want = module.params["instance_id"], module.params["behavior"]
    try:
        result = converge(module.client("ec2"), instance, want, module.check_mode)
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg=f"Cannot have instance {instance} {want} when it shuts itself down")
    module.exit_json(**result)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: instance_connect_endpoint
short_description: Keep an EC2 Instance Connect endpoint
version_added: 1.0.0
description:
  - The door to instances without a public address, without a bastion. It costs nothing, and IAM says who may pass.
  - The tags are in the very call that creates it, and by them it is found again. AWS allows one in each VPC.
  - Its subnet and security groups cannot be changed, so one that differs gives way to a new one.
  - Instances see the endpoint's address, not the user's, so its security group is all that theirs have to let in.
options:
  vpc_id:
    description: The VPC.
    type: str
    required: true
  state:
    description: Whether the VPC has an endpoint of the stack.
    type: str
    choices: [present, absent]
    default: present
  subnet_id:
    description: The subnet it lies in. Required unless O(state=absent).
    type: str
    default: ""
  security_group_ids:
    description: Its security groups; they must let out TCP 22.
    type: list
    elements: str
    default: []
  tags:
    description: Tags; C(trainyard:stack) is required. Tags not listed stay.
    type: dict
    required: true
  wait_timeout:
    description: How long to wait until it is there or gone, in seconds. AWS takes minutes.
    type: int
    default: 900
attributes:
  check_mode:
    description: Can run in check mode and tell what it would do.
    support: full
  diff_mode:
    description: Shows the endpoint before and after.
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
- name: Keep a door without a bastion
  trainyard.aws.instance_connect_endpoint:
    vpc_id: vpc-0a1b2c3d
    subnet_id: subnet-0a1b2c3d
    security_group_ids: [sg-0a1b2c3d]
    tags:
      trainyard:stack: dcgan
    region: us-east-1

- name: Wall it up
  trainyard.aws.instance_connect_endpoint:
    vpc_id: vpc-0a1b2c3d
    state: absent
    tags:
      trainyard:stack: dcgan
    region: us-east-1
"""

RETURN = r"""
endpoint:
  description: The endpoint as it is after the call; empty when there is none, or it would only be created in check mode.
  type: dict
  returned: success
  contains:
    instance_connect_endpoint_id:
      description: AWS's identifier.
      type: str
      sample: eice-0123456789abcdef0
    state:
      description: AWS's state.
      type: str
      sample: create-complete
    subnet_id:
      description: The subnet it lies in.
      type: str
      sample: subnet-0a1b2c3d
    security_group_ids:
      description: Its security groups.
      type: list
      elements: str
      sample: [sg-0a1b2c3d]
    tags:
      description: All its tags.
      type: dict
      sample: {"trainyard:stack": "dcgan"}
steps:
  description: What was done, or would be in check mode, each with its reason.
  type: list
  elements: dict
  returned: success
  sample: [{"verb": "create", "subject": "subnet-0a1b2c3d", "reason": "it does not exist"}]
"""

import time

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.trainyard.aws.plugins.module_utils import _network_api as api
from ansible_collections.trainyard.aws.plugins.module_utils._network import (
    FAILED,
    Endpoint,
    endpoint_result,
    endpoint_steps,
)
from ansible_collections.trainyard.aws.plugins.module_utils._stack import STACK_TAG
from ansible_collections.trainyard.aws.plugins.module_utils._steps import NotSettled, Step, as_results

try:
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:
    pass  # AnsibleAWSModule says so

ARGUMENTS = {
    "vpc_id": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "subnet_id": {"type": "str", "default": ""},
    "security_group_ids": {"type": "list", "elements": "str", "default": []},
    "tags": {"type": "dict", "required": True},
    "wait_timeout": {"type": "int", "default": 900},
}


def wanted(params: dict) -> Endpoint | None:
    """The endpoint that the user describes, or None when there should be none."""
    if params["state"] == "absent":
        return None
    return Endpoint(params["subnet_id"], tuple(params["security_group_ids"]), params["tags"])


def take(module: AnsibleAWSModule, step: Step, want: Endpoint | None, have: Endpoint | None, deadline: float) -> None:
    """Carry out one step, and wait for its end."""
    client, vpc, stack = module.client("ec2"), module.params["vpc_id"], module.params["tags"][STACK_TAG]
    if step.verb == "tag" and want and have:
        api.tag(client, have.id, step.subject, want.tags[step.subject])
    elif step.verb == "create" and want:
        api.create_endpoint(client, want)
        api.settled_endpoint(client, vpc, stack, deadline, present=True)
    elif step.verb == "remove":
        api.remove_endpoint(client, step.subject)
        api.settled_endpoint(client, vpc, stack, deadline, present=False)


def converge(module: AnsibleAWSModule) -> dict:
    """Bring the endpoint to the wanted state and say what was done."""
    vpc, stack = module.params["vpc_id"], module.params["tags"][STACK_TAG]
    client, want = module.client("ec2"), wanted(module.params)
    deadline = time.monotonic() + module.params["wait_timeout"]
    before = have = api.endpoint(client, vpc, stack)
    if not module.check_mode:
        have = api.settled_endpoint(client, vpc, stack, deadline)
    steps = endpoint_steps(want, have)
    after = have
    if steps and not module.check_mode:
        for step in steps:
            take(module, step, want, have, deadline)
        after = api.endpoint(client, vpc, stack)
    if want and after and not module.check_mode and after.state in FAILED:
        raise api.Refused(f"AWS left it in state {after.state}")
    return {
        "changed": bool(steps),
        "endpoint": endpoint_result(after),
        "steps": as_results(steps),
        "diff": {
            "before": endpoint_result(before),
            "after": endpoint_result(want if module.check_mode and steps else after),
        },
    }


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    vpc = module.params["vpc_id"]
    if STACK_TAG not in module.params["tags"]:
        module.fail_json(
            msg=f'The tags of the Instance Connect endpoint in {vpc} lack "{STACK_TAG}", by which it is found again. Add it.'
        )
    if module.params["state"] == "present" and not module.params["subnet_id"]:
        module.fail_json(msg=f"The Instance Connect endpoint in {vpc} needs a subnet. Name subnet_id.")
    try:
        result = converge(module)
    except (NotSettled, api.Refused) as error:
        module.fail_json(msg=f"Instance Connect endpoint in {vpc}: {error}. Run again, it continues.")
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg=f"Cannot keep the Instance Connect endpoint in {vpc}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vpc_flow_log
short_description: Keep the flow log of a VPC
version_added: 1.0.0
description:
  - Writes down the traffic of a VPC in a bucket. The tags are in the very call that creates the flow log.
  - A flow log cannot be changed, so one of the stack that is not as described gives way to a new one. Those of others stay.
  - What was written stays in the bucket.
options:
  vpc_id:
    description: The VPC.
    type: str
    required: true
  state:
    description: Whether the VPC has a flow log of the stack.
    type: str
    choices: [present, absent]
    default: present
  destination:
    description: ARN of the bucket, with a folder that ends in a slash if wanted. Required unless O(state=absent).
    type: str
    default: ""
  traffic:
    description: Which traffic is written down.
    type: str
    choices: [ALL, ACCEPT, REJECT]
    default: ALL
  tags:
    description: Tags; C(trainyard:stack) is required, by it the flow log is found again. Tags not listed stay.
    type: dict
    required: true
attributes:
  check_mode:
    description: Can run in check mode and tell what it would do.
    support: full
  diff_mode:
    description: Shows the flow log before and after.
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
- name: Write down who talks to whom
  trainyard.aws.vpc_flow_log:
    vpc_id: vpc-0a1b2c3d
    destination: arn:aws:s3:::trainyard-dcgan-123456789012-us-east-1/flow-logs/
    tags:
      trainyard:stack: dcgan
    region: us-east-1

- name: Stop that
  trainyard.aws.vpc_flow_log:
    vpc_id: vpc-0a1b2c3d
    state: absent
    tags:
      trainyard:stack: dcgan
    region: us-east-1
"""

RETURN = r"""
flow_log:
  description: The flow log as it is after the call; empty when there is none, or it would only be created in check mode.
  type: dict
  returned: success
  contains:
    flow_log_id:
      description: AWS's identifier.
      type: str
      sample: fl-0123456789abcdef0
    vpc_id:
      description: The VPC.
      type: str
      sample: vpc-0a1b2c3d
    destination:
      description: ARN of the bucket, with the folder.
      type: str
      sample: arn:aws:s3:::trainyard-dcgan-123456789012-us-east-1/flow-logs/
    traffic:
      description: Which traffic is written down.
      type: str
      sample: ALL
    tags:
      description: All its tags.
      type: dict
      sample: {"trainyard:stack": "dcgan"}
steps:
  description: What was done, or would be in check mode, each with its reason.
  type: list
  elements: dict
  returned: success
  sample: [{"verb": "create", "subject": "vpc-0a1b2c3d", "reason": "the VPC has none like it"}]
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.trainyard.aws.plugins.module_utils import _network_api as api
from ansible_collections.trainyard.aws.plugins.module_utils._network import FlowLog, flow_log_result, flow_log_steps
from ansible_collections.trainyard.aws.plugins.module_utils._stack import STACK_TAG
from ansible_collections.trainyard.aws.plugins.module_utils._steps import as_results

try:
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:
    pass  # AnsibleAWSModule says so

ARGUMENTS = {
    "vpc_id": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "destination": {"type": "str", "default": ""},
    "traffic": {"type": "str", "choices": ["ALL", "ACCEPT", "REJECT"], "default": "ALL"},
    "tags": {"type": "dict", "required": True},
}


def wanted(params: dict) -> FlowLog | None:
    """The flow log that the user describes, or None when there should be none."""
    if params["state"] == "absent":
        return None
    return FlowLog(params["vpc_id"], params["destination"], params["traffic"], params["tags"])


def converge(module: AnsibleAWSModule) -> dict:
    """Bring the flow log to the wanted state and say what was done."""
    vpc, stack = module.params["vpc_id"], module.params["tags"][STACK_TAG]
    client, want = module.client("ec2"), wanted(module.params)
    before = have = api.flow_logs(client, vpc, stack)
    steps = flow_log_steps(want, have)
    if steps and not module.check_mode:
        for step in steps:
            if step.verb == "create":
                api.create_flow_log(client, want)
            elif step.verb == "remove":
                api.remove_flow_log(client, step.subject)
            else:
                api.tag(client, have[0].id, step.subject, want.tags[step.subject])
        have = api.flow_logs(client, vpc, stack)
    after = next(iter(have), None) if want else None
    return {
        "changed": bool(steps),
        "flow_log": flow_log_result(after),
        "steps": as_results(steps),
        "diff": {
            "before": flow_log_result(next(iter(before), None)),
            "after": flow_log_result(want if module.check_mode and steps else after),
        },
    }


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    vpc = module.params["vpc_id"]
    if STACK_TAG not in module.params["tags"]:
        module.fail_json(
            msg=f'The tags of the flow log of {vpc} lack "{STACK_TAG}", by which it is found again. Add it.'
        )
    if module.params["state"] == "present" and not module.params["destination"]:
        module.fail_json(msg=f"The flow log of {vpc} needs a destination. Name the ARN of a bucket.")
    try:
        result = converge(module)
    except api.Refused as error:
        module.fail_json(msg=f"Cannot keep the flow log of {vpc}: {error}")
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg=f"Cannot keep the flow log of {vpc}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()

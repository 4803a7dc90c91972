#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: operator_policy_info
short_description: Write the IAM policy that the operator of a stack needs
version_added: 1.0.0
description:
  - Writes what the person or job that runs the playbooks may do for one stack, and which of it the caller lacks.
  - What is made must carry the stack's tag, what is changed or removed must carry it already, roles and buckets are named.
  - Reads only.
options:
  name:
    description: Name of the stack.
    type: str
    required: true
  door:
    description: How SSH comes in.
    type: str
    choices: [bastion, ssm, instance_connect]
    default: bastion
  egress:
    description: How nodes get out.
    type: str
    choices: [nat_gateway, nat_instance, endpoints]
    default: nat_gateway
  markets:
    description: The markets of all node groups.
    type: list
    elements: str
    default: [on-demand]
  flow_logs:
    description: Whether the network writes flow logs.
    type: bool
    default: false
  lustre:
    description: Whether the stack has an FSx for Lustre file system.
    type: bool
    default: false
  termination_schedules:
    description: Whether the account ends nodes whose time is over, by EventBridge Scheduler.
    type: bool
    default: false
  monitor_place:
    description: Where Grafana and TensorBoard run.
    type: str
    choices: [instance, bastion, none]
    default: instance
  boundary:
    description: ARN of the permissions boundary that the node role must have; empty for none.
    type: str
    default: ""
  parameters:
    description: SSM parameters of images that are not the public ones of AWS.
    type: list
    elements: str
    default: []
  adopted:
    description: Ids of things that are there already and that the stack uses.
    type: dict
    default: {}
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
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author:
  - The trainyard developers (@trainyard)
"""

EXAMPLES = r"""
- name: Write what the operator needs
  trainyard.aws.operator_policy_info:
    name: dcgan
    door: bastion
    markets: [spot, on-demand]
    region: us-east-1
  register: operator

- name: Keep each policy in a file
  ansible.builtin.copy:
    content: "{{ item | to_nice_json }}"
    dest: "operator-{{ index }}.json"
    mode: "0644"
  loop: "{{ operator.documents }}"
  loop_control:
    index_var: index
"""

RETURN = r"""
documents:
  description: The policies, as few as IAM's limit on the length of one allows. All of them together are needed.
  type: list
  elements: dict
  returned: success
  sample: [{"Version": "2012-10-17", "Statement": []}]
reasons:
  description: Why each statement is there, by its name.
  type: dict
  returned: success
  sample: {"ListRoles": "The modules of amazon.aws look for a role in the list."}
missing_known:
  description: Whether IAM said what the caller lacks; it says so only to those who may ask.
  type: bool
  returned: success
missing:
  description: The actions that the caller lacks, as far as RV(missing_known).
  type: list
  elements: str
  returned: success
  sample: [ec2:RunInstances]
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.trainyard.aws.plugins.module_utils._operator_policy import (
    Plan,
    documents,
    plan_for,
    statements,
)
from ansible_collections.trainyard.aws.plugins.module_utils._operator_policy_api import missing_permissions
from ansible_collections.trainyard.aws.plugins.module_utils._stack import name_fault

try:
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:
    pass  # AnsibleAWSModule says so

ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "door": {"type": "str", "choices": ["bastion", "ssm", "instance_connect"], "default": "bastion"},
    "egress": {"type": "str", "choices": ["nat_gateway", "nat_instance", "endpoints"], "default": "nat_gateway"},
    "markets": {"type": "list", "elements": "str", "default": ["on-demand"]},
    "flow_logs": {"type": "bool", "default": False},
    "lustre": {"type": "bool", "default": False},
    "termination_schedules": {"type": "bool", "default": False},
    "monitor_place": {"type": "str", "choices": ["instance", "bastion", "none"], "default": "instance"},
    "boundary": {"type": "str", "default": ""},
    "parameters": {"type": "list", "elements": "str", "default": []},
    "adopted": {"type": "dict", "default": {}},
}


def plan_of(params: dict, identity: dict, region: str) -> Plan:
    """The plan that the arguments describe, for the account of the caller."""
    return plan_for(
        params["name"],
        identity,
        region,
        door=params["door"],
        egress=params["egress"],
        markets=tuple(params["markets"]),
        flow_logs=params["flow_logs"],
        lustre=params["lustre"],
        termination_schedules=params["termination_schedules"],
        monitor=params["monitor_place"],
        boundary=params["boundary"],
        parameters=tuple(params["parameters"]),
        adopted=params["adopted"],
    )


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    fault = name_fault(module.params["name"])
    if fault:
        module.fail_json(msg=fault)
    try:
        identity = module.client("sts").get_caller_identity()
        chosen = statements(plan_of(module.params, identity, module.region))
        missing = missing_permissions(module.client("iam"), identity["Arn"], chosen)
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg="Cannot find out who needs the policy")
    module.exit_json(
        changed=False,
        documents=documents(chosen),
        reasons={statement.sid: statement.why for statement in chosen},
        missing_known=missing is not None,
        missing=missing or [],
    )


if __name__ == "__main__":
    main()

#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_info
short_description: Find everything in AWS that belongs to a stack
version_added: 1.0.0
description:
  - Asks every service in which a stack can create something, by direct describes and by the tagging API, side by side.
  - Reads only. The answer is also the proof that a destroyed stack left nothing behind.
  - Things inside the stack's VPC that carry no tag of ours are listed too, with RV(resources[].tagged=false).
options:
  name:
    description: Name of the stack, as in the tag C(trainyard:stack).
    type: str
    required: true
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
- name: Find the stack
  trainyard.aws.stack_info:
    name: dcgan
    region: us-east-1
  register: stack

- name: Show what is there
  ansible.builtin.debug:
    msg: "{{ stack.resources | map(attribute='id') }}"
"""

RETURN = r"""
account_id:
  description: The account that the credentials belong to.
  type: str
  returned: success
  sample: "123456789012"
names:
  description: Names of the parts that are found by name, whether they exist or not.
  type: dict
  returned: success
  contains:
    bucket:
      description: The bucket of the stack's results.
      type: str
      sample: trainyard-dcgan-123456789012-us-east-1
    node_role:
      description: The role and instance profile of the training nodes.
      type: str
      sample: trainyard-dcgan-us-east-1-node
    termination_role:
      description: The role by which the account ends nodes whose time is over.
      type: str
      sample: trainyard-dcgan-us-east-1-termination
    schedule_group:
      description: The schedule group in which the account keeps when that is.
      type: str
      sample: trainyard-dcgan
    monitor_role:
      description: The role and instance profile of the monitor.
      type: str
      sample: trainyard-dcgan-us-east-1-monitor
    monitor_password:
      description: The SSM parameter with the password of Grafana's administrator.
      type: str
      sample: /trainyard/dcgan/grafana-admin-password
    alarms:
      description: The CloudWatch alarms.
      type: list
      elements: str
      sample: [trainyard-dcgan-idle-accelerator]
resources:
  description: Everything that belongs to the stack and is not gone yet, sorted by type, name and id.
  type: list
  elements: dict
  returned: success
  contains:
    type:
      description: What it is, such as V(instance), V(nat_gateway), V(bucket); V(other) is known by its ARN alone.
      type: str
      sample: nat_gateway
    id:
      description: AWS's own identifier.
      type: str
      sample: nat-03835afb6e31df79b
    state:
      description: AWS's word for the state; V(available) where AWS has none.
      type: str
      sample: available
    name:
      description: The C(Name) tag.
      type: str
      sample: dcgan
    component:
      description: The tag C(trainyard:component).
      type: str
      sample: network
    tagged:
      description: Whether it carries the stack's own tag.
      type: bool
      sample: true
    attributes:
      description: A few facts that depend on the type, such as C(zone) of a subnet.
      type: dict
      sample: {}
ids:
  description: The identifiers of those RV(resources) that carry the stack's own tag, in a list for each type that occurs.
  type: dict
  returned: success
  sample:
    vpc: [vpc-0a1b2c3d]
"""

from dataclasses import asdict

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.trainyard.aws.plugins.module_utils._bill import resource_usd_per_hour
from ansible_collections.trainyard.aws.plugins.module_utils._stack import Resource, name_fault, names_of
from ansible_collections.trainyard.aws.plugins.module_utils._stack_api import resources_of

try:
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:
    pass  # AnsibleAWSModule says so


def usd_per_hour(resource: Resource) -> float | None:
    """What it costs while it is there, at list prices; None where that is unknown."""
    return resource_usd_per_hour(resource.type, {**resource.attributes, "state": resource.state})


def main() -> None:
    module = AnsibleAWSModule(argument_spec={"name": {"type": "str", "required": True}}, supports_check_mode=True)
    stack = module.params["name"]
    fault = name_fault(stack)
    if fault:
        module.fail_json(msg=fault)
    try:
        account = module.client("sts").get_caller_identity()["Account"]
        names = names_of(stack, account, module.region)
        resources = resources_of(module.client, stack, names)
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg=f'Cannot look for what belongs to stack "{stack}"')
    ids: dict[str, list[str]] = {}
    for resource in resources:
        if resource.tagged:
            ids.setdefault(resource.type, []).append(resource.id)
    module.exit_json(
        changed=False,
        account_id=account,
        names=asdict(names),
        resources=[{**resource.as_dict(), "usd_per_hour": usd_per_hour(resource)} for resource in resources],
        ids=ids,
    )


if __name__ == "__main__":
    main()

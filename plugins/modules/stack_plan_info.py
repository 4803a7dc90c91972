#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_plan_info
short_description: Say what a stack would cost, and whether quotas and budget allow it
version_added: 1.0.0
description:
  - Chooses offers for each node group, bills every part of the stack, and compares quotas and budget.
  - Prices come from the Price List API and the spot market; where they do not answer, from a dated table, and the plan says so.
  - Reads only. It is an estimate without taxes, discounts and traffic to the internet.
options:
  name:
    description: Name of the stack; what it runs already is not counted against the quotas.
    type: str
    required: true
  groups:
    description:
      - Node groups as in the inventory. C(name), C(count), C(instance_types) or C(accelerator), C(markets), C(zones),
        C(max_price_usd), C(root_volume_gib), C(root_volume_iops), C(root_volume_throughput) and C(volumes) count.
    type: list
    elements: dict
    required: true
  zones:
    description: Zones of the stack; empty for every zone that offers a type.
    type: list
    elements: str
    default: []
  door:
    description: How people reach the nodes.
    type: str
    choices: [bastion, ssm, instance_connect]
    default: bastion
  door_instance_type:
    description: Instance type of the bastion.
    type: str
    default: t3.micro
  egress:
    description: How the nodes reach the internet; V(none) when the network is adopted.
    type: str
    choices: [nat_gateway, nat_instance, endpoints, none]
    default: nat_gateway
  nat_instance_type:
    description: Instance type of the NAT instance.
    type: str
    default: t3.nano
  endpoint_services:
    description: How many services have interface endpoints, with O(egress=endpoints).
    type: int
    default: 0
  file_system_enabled:
    description: Whether the stack makes an EFS file system.
    type: bool
    default: true
  bucket_enabled:
    description: Whether the stack makes a bucket.
    type: bool
    default: true
  lustre_gib:
    description: Size of the FSx for Lustre file system; 0 for none.
    type: int
    default: 0
  lustre_deployment_type:
    description: Deployment type of the FSx for Lustre file system.
    type: str
    default: SCRATCH_2
  termination_schedules_enabled:
    description: Whether the account ends nodes whose time is over, by EventBridge Scheduler.
    type: bool
    default: false
  agent_enabled:
    description: Whether the CloudWatch agent reports from each node.
    type: bool
    default: true
  run_metrics_enabled:
    description: Whether each run tells CloudWatch how it does.
    type: bool
    default: true
  monitor_place:
    description: Where Grafana and TensorBoard run; only an instance of their own costs something.
    type: str
    choices: [instance, bastion, none]
    default: instance
  monitor_instance_type:
    description: Instance type of the monitor.
    type: str
    default: t3.small
  usage:
    description: What nobody can know beforehand. All of it is assumed, and the plan says what was.
    type: dict
    default: {}
    suboptions:
      egress_gb:
        description: Traffic through the NAT gateway or the endpoints in a run.
        type: float
        default: 10
      file_system_gib:
        description: Data kept on EFS.
        type: float
        default: 10
      file_system_read_gb:
        description: Data read from EFS in a run.
        type: float
        default: 10
      file_system_write_gb:
        description: Data written to EFS in a run.
        type: float
        default: 10
      bucket_gib:
        description: Data kept in the bucket.
        type: float
        default: 10
      metrics:
        description: Number of CloudWatch metrics. Left out, it is what O(agent_enabled) and O(run_metrics_enabled) publish while all nodes train.
        type: float
      logs_gb:
        description: CloudWatch logs of a run.
        type: float
        default: 0
      flow_logs_gb:
        description: Flow logs of a run.
        type: float
        default: 0
  max_duration:
    description: The longest that the run may take, such as V(6h).
    type: str
    default: ""
  time_to_live:
    description: How long the stack lives, such as V(12h).
    type: str
    default: ""
  seconds_per_epoch:
    description: How long an epoch takes, as measured on a small machine or in an earlier run.
    type: float
    default: 0
  epochs:
    description: How many epochs the run has.
    type: int
    default: 0
  budget_usd:
    description: What a run may cost; 0 for no limit. The dearest offers that may be taken count.
    type: float
    default: 0
  missing_permissions:
    description: Permissions that the caller was found to lack; the plan only repeats them.
    type: list
    elements: str
    default: []
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
- name: Plan a stack with one node of four L4
  trainyard.aws.stack_plan_info:
    name: dcgan
    groups:
      - name: train
        accelerator: {name: L4, count: 4}
        markets: [spot, on-demand]
        root_volume_gib: 200
    zones: [us-east-1a]
    max_duration: 6h
    budget_usd: 60
    region: us-east-1
  register: plan

- name: Show the plan
  ansible.builtin.debug:
    msg: "{{ plan.table }}"
"""

RETURN = r"""
groups:
  description: By the name of each group, its offers.
  type: dict
  returned: success
  sample:
    train:
      name: train
      count: 1
      left_out: []
      offers:
        - instance_type: g6.12xlarge
          zone: us-east-1a
          market: spot
          usd_per_hour: 1.84
          price_source: spot price now
lines:
  description: Every billable part.
  type: list
  elements: dict
  returned: success
  contains:
    part:
      description: The part of the stack.
      type: str
      sample: NAT gateway
    what:
      description: What of it is billed.
      type: str
      sample: hours
    units:
      description: How many units.
      type: float
      sample: 1
    unit:
      description: What a unit is.
      type: str
      sample: gateway-hour
    usd_per_unit:
      description: Price of a unit; of what AWS bills by the month, the price of an hour. Nothing where it is not known.
      type: float
      sample: 0.045
    usd_per_hour:
      description: Cost of an hour.
      type: float
      sample: 0.045
    usd_per_run:
      description: Cost of a run; nothing where nobody knows how long it takes.
      type: float
      sample: 0.27
    source:
      description: Where the price comes from.
      type: str
      sample: Price List API
total_usd_per_hour:
  description: Cost of an hour with the first offer of each group.
  type: float
  returned: success
  sample: 2.01
total_usd_per_run:
  description: Cost of a run with the first offers; nothing where nobody knows how long it takes.
  type: float
  returned: success
  sample: 13.4
most_usd_per_hour:
  description: Cost of an hour with the dearest offers.
  type: float
  returned: success
  sample: 4.77
most_usd_per_run:
  description: Cost of a run with the dearest offers.
  type: float
  returned: success
  sample: 30.0
hours_per_run:
  description: How long a run takes, as far as it was said.
  type: float
  returned: success
  sample: 6
quotas:
  description: The vCPU quotas that count.
  type: list
  elements: dict
  returned: success
  contains:
    code:
      description: Code of the quota.
      type: str
      sample: L-DB2E81BA
    name:
      description: Name of the quota.
      type: str
      sample: Running On-Demand G and VT instances
    market:
      description: V(on-demand) or V(spot).
      type: str
      sample: on-demand
    needed:
      description: vCPUs that the stack wants.
      type: int
      sample: 48
    in_use:
      description: vCPUs that everything else in the account uses.
      type: int
      sample: 0
    allowed:
      description: vCPUs that AWS allows.
      type: int
      sample: 96
    is_enough:
      description: Whether what is left is enough.
      type: bool
      sample: true
over_budget:
  description: Whether a run with the dearest offers costs more than O(budget_usd).
  type: bool
  returned: success
  sample: false
faults:
  description: What forbids the stack; empty when nothing does.
  type: list
  elements: str
  returned: success
  sample: []
missing_permissions:
  description: The same as O(missing_permissions).
  type: list
  elements: str
  returned: success
  sample: ["ec2:RunInstances"]
summary:
  description: The costs in one sentence.
  type: str
  returned: success
  sample: "Estimate: 2.01 USD an hour; 13.40 USD a run of 6h."
table:
  description: Everything as a text for the terminal.
  type: str
  returned: success
sources:
  description: One sentence on where the prices come from.
  type: str
  returned: success
  sample: "Prices: Price List API, spot price now."
"""

import typing as t

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.trainyard.aws.plugins.module_utils import _plan as decide
from ansible_collections.trainyard.aws.plugins.module_utils import _plan_api as api
from ansible_collections.trainyard.aws.plugins.module_utils._bill import Shape
from ansible_collections.trainyard.aws.plugins.module_utils._prices_api import pricing_client

try:
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:
    pass  # AnsibleAWSModule says so

USAGE = {
    "egress_gb": {"type": "float", "default": 10},
    "file_system_gib": {"type": "float", "default": 10},
    "file_system_read_gb": {"type": "float", "default": 10},
    "file_system_write_gb": {"type": "float", "default": 10},
    "bucket_gib": {"type": "float", "default": 10},
    "metrics": {"type": "float"},
    "logs_gb": {"type": "float", "default": 0},
    "flow_logs_gb": {"type": "float", "default": 0},
}
ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "groups": {"type": "list", "elements": "dict", "required": True},
    "zones": {"type": "list", "elements": "str", "default": []},
    "door": {"type": "str", "choices": ["bastion", "ssm", "instance_connect"], "default": "bastion"},
    "door_instance_type": {"type": "str", "default": "t3.micro"},
    "egress": {
        "type": "str",
        "choices": ["nat_gateway", "nat_instance", "endpoints", "none"],
        "default": "nat_gateway",
    },
    "nat_instance_type": {"type": "str", "default": "t3.nano"},
    "endpoint_services": {"type": "int", "default": 0},
    "file_system_enabled": {"type": "bool", "default": True},
    "bucket_enabled": {"type": "bool", "default": True},
    "lustre_gib": {"type": "int", "default": 0},
    "lustre_deployment_type": {"type": "str", "default": "SCRATCH_2"},
    "termination_schedules_enabled": {"type": "bool", "default": False},
    "agent_enabled": {"type": "bool", "default": True},
    "run_metrics_enabled": {"type": "bool", "default": True},
    "monitor_place": {"type": "str", "choices": ["instance", "bastion", "none"], "default": "instance"},
    "monitor_instance_type": {"type": "str", "default": "t3.small"},
    "usage": {"type": "dict", "default": {}, "options": USAGE},
    "max_duration": {"type": "str", "default": ""},
    "time_to_live": {"type": "str", "default": ""},
    "seconds_per_epoch": {"type": "float", "default": 0},
    "epochs": {"type": "int", "default": 0},
    "budget_usd": {"type": "float", "default": 0},
    "missing_permissions": {"type": "list", "elements": "str", "default": []},
}


def shape_of(params: dict) -> Shape:
    """Everything about the stack but its nodes."""
    usage = {name: option.get("default") for name, option in USAGE.items()}
    usage.update({name: value for name, value in params["usage"].items() if value is not None})
    return Shape(
        max(len(params["zones"]), 1),
        params["door"],
        params["door_instance_type"],
        params["egress"],
        params["nat_instance_type"],
        params["endpoint_services"],
        params["file_system_enabled"],
        params["bucket_enabled"],
        params["lustre_gib"],
        params["lustre_deployment_type"],
        params["termination_schedules_enabled"],
        params["monitor_place"],
        params["monitor_instance_type"],
        {name.replace("_gb", "").replace("_gib", ""): value for name, value in usage.items()},
        params["agent_enabled"],
        params["run_metrics_enabled"],
    )


def plan_of(module: AnsibleAWSModule) -> decide.Plan:
    """The plan of the stack that the parameters describe."""
    params, shape = module.params, shape_of(module.params)
    duration = decide.duration_of(
        params["max_duration"], params["time_to_live"], params["seconds_per_epoch"], params["epochs"]
    )
    clients = (module.client("ec2"), pricing_client(module), module.client("service-quotas"))
    facts, types = api.gather(*clients, params["name"], module.region, params["groups"], shape)
    groups = api.groups_of(params["groups"], types, params["zones"])
    volumes = [decide.volumes_of(item) for item in params["groups"]]
    plan = decide.plan_of(list(zip(groups, volumes)), shape, facts, duration, params["budget_usd"])
    return decide.with_missing_permissions(plan, params["missing_permissions"])


def answer_of(plan: decide.Plan) -> dict[str, t.Any]:
    hours = plan.duration.hours
    return {
        "groups": {choice.group.name: choice.as_dict() for choice in plan.choices},
        "lines": [line.as_dict(hours) for line in plan.lines],
        "total_usd_per_hour": decide.per_hour(plan.lines),
        "total_usd_per_run": decide.per_run(plan.lines, hours),
        "most_usd_per_hour": decide.per_hour(plan.at_most),
        "most_usd_per_run": decide.per_run(plan.at_most, hours),
        "hours_per_run": hours,
        "quotas": [row.as_dict() for row in plan.rows],
        "over_budget": decide.is_over_budget(plan),
        "faults": list(plan.faults),
        "summary": decide.summary(plan),
        "table": decide.table_of(plan),
        "sources": decide.sources(plan),
    }


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        plan = plan_of(module)
    except ValueError as error:
        module.fail_json(msg=str(error))
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg="Cannot look at what AWS offers")
    missing = module.params["missing_permissions"]
    module.exit_json(changed=False, missing_permissions=missing, **answer_of(plan))


if __name__ == "__main__":
    main()

#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: training_nodes
short_description: Keep the nodes of a group, from whichever offer has room
version_added: 1.0.0
description:
  - Launches what a node group lacks from an ordered list of offers (instance type, zone, market), the first that has room.
  - Nodes are called C(STACK-GROUP-0), C(STACK-GROUP-1) and so on, and are found again by their tags.
    Stopped ones are started; those beyond O(count) are terminated, the highest number first.
  - Each launch has a client token made from stack, group, node, host key and offer, so that neither a lost answer nor a
    second run launches twice.
  - Each node's SSH host key is made beforehand and handed over in the user data; its public half stands in the tag
    C(trainyard:host-key).
  - Living nodes stay as they are, whatever offers, launch template and lifetime have become since.
options:
  stack:
    description: Name of the stack, as in the tag C(trainyard:stack).
    type: str
    required: true
  group:
    description: Name of the node group, as in the tag C(trainyard:node-group).
    type: str
    required: true
  count:
    description: How many nodes.
    type: int
    default: 1
  offers:
    description:
      - Where to launch, the first that has room.
      - When empty, O(instance_types) in all O(markets) and zones of O(subnets) - type by type, market by market.
    type: list
    elements: dict
    default: []
    suboptions:
      instance_type:
        description: Instance type, such as V(g6.12xlarge).
        type: str
        required: true
      zone:
        description: Availability zone; one of O(subnets).
        type: str
        required: true
      market:
        description: What to pay by.
        type: str
        choices: [on-demand, spot, capacity-reservation, capacity-block]
        default: on-demand
      usd_per_hour:
        description: What it costs, where that is known.
        type: float
      price_source:
        description: Where the price comes from; for people.
        type: str
  instance_types:
    description: Instance types, the preferred one first; used without O(offers).
    type: list
    elements: str
    default: []
  markets:
    description: Markets, the preferred one first; used without O(offers).
    type: list
    elements: str
    choices: [on-demand, spot, capacity-reservation, capacity-block]
    default: [on-demand]
  reservation_ids:
    description: Capacity reservations and capacity blocks that the markets of these names may use.
    type: list
    elements: str
    default: []
  subnets:
    description: The subnet of each zone.
    type: dict
    default: {}
  patience:
    description:
      - How long to go on asking when no offer has room, such as V(30m). One round is always made.
      - When empty, one round.
    type: str
    default: ""
  all_or_nothing:
    description: Whether to terminate what this call launched when it cannot launch all.
    type: bool
    default: false
  max_price_usd:
    description: What a node may cost at most in USD an hour; without it, what the market asks.
    type: float
  launch_template:
    description: Name of the launch template that holds what the nodes have in common.
    type: str
    required: true
  security_group_ids:
    description: Security groups of the nodes.
    type: list
    elements: str
    default: []
  placement_group:
    description:
      - Name of a placement group for types that can lie in one; empty for none.
      - Nodes in a placement group come from one offer, and are launched all or none.
    type: str
    default: ""
  efa:
    description:
      - Whether to give nodes the Elastic Fabric Adapters that their type has.
      - Such nodes come from one offer, and are launched all or none.
    type: bool
    default: false
  time_to_live:
    description: How long a node may live from its launch on, such as V(12h); empty for ever. It then powers off, which terminates it.
    type: str
    default: ""
  tags:
    description: Further tags of the instances, their volumes and interfaces.
    type: dict
    default: {}
  host_keys_directory:
    description: Directory on the controller for the nodes' SSH host keys.
    type: path
    required: true
  wait_timeout:
    description: How long to wait until launched and started nodes run, in seconds.
    type: int
    default: 600
attributes:
  check_mode:
    description: Can run in check mode and tell what it would do; which offer has room shows only when one asks.
    support: full
  diff_mode:
    description: Shows the nodes before and after.
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
- name: Keep two nodes, cheap if that can be, within half an hour
  trainyard.aws.training_nodes:
    stack: dcgan
    group: train
    count: 2
    instance_types: [g6.12xlarge, g5.12xlarge]
    markets: [spot, on-demand]
    subnets:
      us-east-1a: subnet-0a1b2c3d
      us-east-1b: subnet-4e5f6a7b
    patience: 30m
    launch_template: trainyard-dcgan-train
    security_group_ids: [sg-0a1b2c3d]
    time_to_live: 12h
    host_keys_directory: "{{ playbook_dir }}/.trainyard/dcgan/host_keys"
    region: us-east-1
  register: train

- name: Say where there was no room
  ansible.builtin.debug:
    msg: "{{ train.refusals | map(attribute='reason') }}"
"""

RETURN = r"""
instances:
  description: The nodes of the group that live after the call, also when it failed; in check mode those that live now.
  type: list
  elements: dict
  returned: always
  contains:
    name:
      description: Name of the node.
      type: str
      sample: dcgan-train-0
    instance_id:
      description: AWS's identifier.
      type: str
      sample: i-0123456789abcdef0
    state:
      description: AWS's word for the state.
      type: str
      sample: running
    instance_type:
      description: Its type.
      type: str
      sample: g6.12xlarge
    zone:
      description: Its availability zone.
      type: str
      sample: us-east-1a
    market:
      description: V(on-demand), V(spot) or V(capacity-block).
      type: str
      sample: spot
    private_ip_address:
      description: Its private address.
      type: str
      sample: 10.77.1.7
    expires_at:
      description: When it powers off for good, in UTC; empty for never.
      type: str
      sample: "2026-11-21T14:30:00Z"
refusals:
  description: The latest refusal of each offer that had no room, in the order in which they were first asked.
  type: list
  elements: dict
  returned: always
  contains:
    instance_type:
      description: The instance type asked for.
      type: str
      sample: g6.12xlarge
    zone:
      description: The zone asked.
      type: str
      sample: us-east-1a
    market:
      description: The market asked.
      type: str
      sample: spot
    reservation_id:
      description: The capacity reservation asked, if any.
      type: str
      sample: ""
    kind:
      description: One of V(capacity), V(addresses), V(quota), V(spot_count), V(price), V(unsupported).
      type: str
      sample: capacity
    code:
      description: AWS's word for it.
      type: str
      sample: InsufficientInstanceCapacity
    reason:
      description: One line for people.
      type: str
      sample: "g6.12xlarge in us-east-1a (spot): AWS has no capacity there now."
steps:
  description: What was done, or would be in check mode, each with its reason.
  type: list
  elements: dict
  returned: success
  sample: [{"verb": "launch", "subject": "dcgan-train-0", "instance_id": "", "reason": "it does not exist"}]
msg:
  description: The same in words, such as which nodes were terminated.
  type: str
  returned: success
  sample: "Terminated dcgan-train-1: group \"train\" is to have 1 now."
"""

from pathlib import Path

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.trainyard.aws.plugins.module_utils import _nodes as nodes
from ansible_collections.trainyard.aws.plugins.module_utils import _nodes_api as api
from ansible_collections.trainyard.aws.plugins.module_utils._durations import seconds_of

try:
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:
    pass  # AnsibleAWSModule says so

OFFER = {
    "instance_type": {"type": "str", "required": True},
    "zone": {"type": "str", "required": True},
    "market": {"type": "str", "choices": list(nodes.MARKETS), "default": nodes.ON_DEMAND},
    "usd_per_hour": {"type": "float"},
    "price_source": {"type": "str"},
}
ARGUMENTS = {
    "stack": {"type": "str", "required": True},
    "group": {"type": "str", "required": True},
    "count": {"type": "int", "default": 1},
    "offers": {"type": "list", "elements": "dict", "default": [], "options": OFFER},
    "instance_types": {"type": "list", "elements": "str", "default": []},
    "markets": {"type": "list", "elements": "str", "choices": list(nodes.MARKETS), "default": [nodes.ON_DEMAND]},
    "reservation_ids": {"type": "list", "elements": "str", "default": []},
    "subnets": {"type": "dict", "default": {}},
    "patience": {"type": "str", "default": ""},
    "all_or_nothing": {"type": "bool", "default": False},
    "max_price_usd": {"type": "float"},
    "launch_template": {"type": "str", "required": True},
    "security_group_ids": {"type": "list", "elements": "str", "default": []},
    "placement_group": {"type": "str", "default": ""},
    "efa": {"type": "bool", "default": False},
    "time_to_live": {"type": "str", "default": ""},
    "tags": {"type": "dict", "default": {}},
    # A path, not a key: the keys themselves never are arguments.
    "host_keys_directory": {"type": "path", "required": True, "no_log": False},
    "wait_timeout": {"type": "int", "default": 600},
}


def group_of(params: dict) -> nodes.Group:
    """The group that the user describes. Raises ValueError for what is no duration."""
    if params["count"] < 0:
        raise ValueError(f"count is {params['count']}, and must be 0 or more.")
    stack_tags = {"trainyard:stack": params["stack"], "trainyard:component": "node"}
    return nodes.Group(
        stack=params["stack"],
        name=params["group"],
        count=params["count"],
        launch_template=params["launch_template"],
        subnets=params["subnets"],
        security_group_ids=tuple(params["security_group_ids"]),
        tags={**params["tags"], **stack_tags},
        placement_group=params["placement_group"],
        efa=params["efa"],
        all_or_nothing=params["all_or_nothing"],
        max_price_usd=params["max_price_usd"],
        lifetime_seconds=seconds_of(params["time_to_live"]) if params["time_to_live"] else 0,
    )


def market_of(params: dict) -> api.Market:
    """Where the user lets us look for nodes, and for how long. Raises ValueError for what is no duration."""
    return api.Market(
        offers=tuple(
            nodes.Offer(one["instance_type"], one["zone"], one["market"], one["usd_per_hour"])
            for one in params["offers"]
        ),
        instance_types=tuple(params["instance_types"]),
        markets=tuple(params["markets"]),
        reservation_ids=tuple(params["reservation_ids"]),
        patience_seconds=seconds_of(params["patience"]) if params["patience"] else 0,
    )


def result_of(outcome: api.Outcome, done: bool) -> dict:
    """What the module answers with, however it went."""
    living = outcome.after if done else outcome.before
    return {
        "changed": bool(outcome.steps) and (not done or outcome.before != outcome.after),
        "instances": [node.as_dict() for node in living],
        "refusals": [refusal.as_dict() for refusal in outcome.refusals],
        "steps": [step.as_dict() for step in outcome.steps],
        "diff": {
            "before": {"nodes": [node.as_dict() for node in outcome.before]},
            "after": {"nodes": [node.as_dict() for node in outcome.after]},
        },
    }


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    name, done = module.params["group"], not module.check_mode
    # Botocore would repeat a refusal for minutes, since AWS may send it as an error of its own.
    settings = {**(module.params["aws_config"] or {}), "retries": {"mode": "standard", "total_max_attempts": 1}}
    try:
        fleet = api.Fleet(
            ec2=module.client("ec2"),
            launcher=module.client("ec2", aws_config=settings),
            group=group_of(module.params),
            host_keys=api.HostKeys(
                Path(module.params["host_keys_directory"]),
                lambda command: module.run_command(command, check_rc=True),
            ),
        )
        outcome = api.converge(fleet, market_of(module.params), module.params["wait_timeout"], act=done)
    except (ValueError, api.NotReady) as error:
        module.fail_json(msg=f'Cannot keep node group "{name}": {error}')
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg=f'Cannot keep node group "{name}"')
    if outcome.fault:
        module.fail_json(msg=f'Cannot fill node group "{name}": {outcome.fault}', **result_of(outcome, done))
    module.exit_json(msg=nodes.told(outcome.steps, done), **result_of(outcome, done))


if __name__ == "__main__":
    main()

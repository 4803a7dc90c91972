#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight_info
short_description: Find everything that would stop a stack, before it is begun
version_added: 1.0.0
description:
  - Checks tools, credentials, region, address ranges, node groups, instance types, zones, images, adopted things and the
    SSH key in one pass.
  - Reads only, spends nothing, and does not fail on what it finds; every fault comes with what to do about it.
options:
  stack_name:
    description: Name of the stack.
    type: str
    required: true
  machines:
    description:
      - What is started beside the node groups, such as the bastion. Each entry has a C(name), C(instance_types) of which
        one will do, and an C(image).
      - An image is an C(ami-) id, the name of an SSM parameter that holds one, or a short name such as V(ubuntu-24.04),
        V(debian-12), V(al2023) or V(deep-learning-ubuntu-22.04).
    type: list
    elements: dict
    default: []
  node_groups:
    description: The node groups as the user writes them; see O(machines) for images.
    type: list
    elements: dict
    default: []
  node_image:
    description: The image of node groups that name none.
    type: str
    default: ""
  zones:
    description: The availability zones asked for; empty to take those that offer most types.
    type: list
    elements: str
    default: []
  existing_subnets:
    description: The zones of the subnets that the stack has already, by their address ranges; they win.
    type: dict
    default: {}
  door:
    description: How SSH comes in, V(bastion), V(ssm) or V(instance_connect).
    type: str
    default: bastion
  egress:
    description: How nodes get out, V(nat_gateway), V(nat_instance) or V(endpoints).
    type: str
    default: nat_gateway
  allowed_cidrs:
    description: Address ranges from which SSH to the bastion is allowed.
    type: list
    elements: str
    default: []
  vpc_cidr:
    description: Address range of the VPC.
    type: str
    required: true
  public_cidrs:
    description: Address ranges of the public subnets, one for each zone.
    type: list
    elements: str
    default: []
  private_cidrs:
    description: Address ranges of the private subnets, one for each zone.
    type: list
    elements: str
    default: []
  time_to_live:
    description: After which time the stack ends, such as V(12h); empty for never.
    type: str
    default: ""
  adopted:
    description: Ids of things that are there already and that the stack shall use.
    type: dict
    default: {}
  flow_logs_enabled:
    description: Whether the network writes flow logs; it counts for RV(missing_permissions).
    type: bool
    default: false
  lustre_enabled:
    description: Whether the stack has an FSx for Lustre file system; it counts for RV(missing_permissions).
    type: bool
    default: false
  termination_schedules_enabled:
    description: Whether the account ends nodes whose time is over; it counts for RV(missing_permissions).
    type: bool
    default: false
  monitor_place:
    description: Where Grafana and TensorBoard run, for which the caller needs permissions.
    type: str
    choices: [instance, bastion, none]
    default: instance
  permissions_boundary:
    description: ARN of the boundary that the role of the nodes gets; it counts for RV(missing_permissions).
    type: str
    default: ""
  ssh_key_file:
    description: Private key on the controller; empty when the stack makes its own.
    type: str
    default: ""
  tools:
    description: Commands that must be on the controller, beside those that O(door) needs.
    type: list
    elements: str
    default: [ssh, ssh-keygen]
  address_url:
    description:
      - An address on the internet that answers with the caller's own IPv4 address. It is asked only when
        O(allowed_cidrs) has a fault, to offer the address in the fix. Empty to ask nobody.
    type: str
    default: ""
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
- name: Look before anything is created
  trainyard.aws.preflight_info:
    stack_name: dcgan
    machines:
      - {name: bastion, instance_types: [t3.micro], image: ubuntu-24.04}
    node_groups:
      - {name: train, count: 1, instance_types: [g6.12xlarge, g5.12xlarge]}
    node_image: deep-learning-ubuntu-22.04
    allowed_cidrs: [192.0.2.7/32]
    vpc_cidr: 10.77.0.0/16
    public_cidrs: [10.77.0.0/24]
    private_cidrs: [10.77.1.0/24]
    region: us-east-1
  register: preflight

- name: Show every fault at once
  ansible.builtin.debug:
    msg: "{{ preflight.report }}"
"""

RETURN = r"""
faults:
  description: Everything that is wrong; empty when nothing stands in the way.
  type: list
  elements: dict
  returned: success
  contains:
    subject:
      description: The variable, tool or part of AWS.
      type: str
      sample: stack_allowed_cidrs
    what:
      description: What is wrong with it.
      type: str
      sample: '"0.0.0.0/0" opens SSH to the whole world.'
    fix:
      description: What to do.
      type: str
      sample: Name the addresses you come from.
report:
  description: The faults as one text for the terminal.
  type: str
  returned: success
  sample: Nothing stands in the way.
account_id:
  description: The account that the credentials belong to; empty when they do not work.
  type: str
  returned: success
  sample: "123456789012"
credentials:
  description: Where the credentials come from and when they end.
  type: dict
  returned: success
  contains:
    method:
      description: How boto3 found them; empty when there are none.
      type: str
      sample: sso
    expires_at:
      description: When they end, in UTC; empty when nobody knows or they do not.
      type: str
      sample: "2026-11-21T18:00:00Z"
warnings_found:
  description: What does not stop the work, and is seldom meant.
  type: list
  elements: str
  returned: success
  sample: []
missing_permissions:
  description:
    - The actions that the caller lacks to provision and to destroy this stack, as IAM's simulator says.
    - Empty also where IAM does not tell, see RV(missing_permissions_known).
  type: list
  elements: str
  returned: success
  sample: [ec2:RunInstances]
missing_permissions_known:
  description: Whether IAM said what the caller lacks; it says so only to those who may ask.
  type: bool
  returned: success
zones:
  description: A zone for each subnet of a kind; empty when there are not enough.
  type: list
  elements: str
  returned: success
  sample: [us-east-1a]
image_ids:
  description: The AMI id of each image asked for; empty text where there is none.
  type: dict
  returned: success
  sample: {"debian-12": "ami-0123456789abcdef0"}
root_devices:
  description: The device name of the root volume in each image asked for.
  type: dict
  returned: success
  sample: {"debian-12": "/dev/xvda"}
machines:
  description: For each machine and node group by its name, the types, the AMI id and the device name of its root volume.
  type: dict
  returned: success
  sample: {"train": {"instance_types": ["g6.xlarge"], "image_id": "ami-0123456789abcdef0", "root_device": "/dev/xvda"}}
adopted:
  description: The adopted VPC's range, and the adopted subnets by their zones.
  type: dict
  returned: success
  sample: {"vpc_cidr": "", "public_subnets": {}, "private_subnets": {}}
"""

import os
import time
from concurrent.futures import Executor, ThreadPoolExecutor

from ansible.module_utils.ansible_release import __version__ as ansible_version
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.trainyard.aws.plugins.module_utils import _preflight as decide
from ansible_collections.trainyard.aws.plugins.module_utils import _preflight_adopted as adoption
from ansible_collections.trainyard.aws.plugins.module_utils import _preflight_api as api
from ansible_collections.trainyard.aws.plugins.module_utils import _preflight_groups as groups
from ansible_collections.trainyard.aws.plugins.module_utils._offers_api import instance_types_of
from ansible_collections.trainyard.aws.plugins.module_utils._operator_policy import (
    Plan,
    own_parameters,
    plan_for,
    statements,
)
from ansible_collections.trainyard.aws.plugins.module_utils._operator_policy_api import missing_permissions

try:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.session import Session
except ImportError:
    pass  # AnsibleAWSModule says so

TEXTS = {"type": "list", "elements": "str", "default": []}
DICTS = {"type": "list", "elements": "dict", "default": []}
ARGUMENTS = {
    "stack_name": {"type": "str", "required": True},
    "machines": DICTS,
    "node_groups": DICTS,
    "node_image": {"type": "str", "default": ""},
    "zones": TEXTS,
    "existing_subnets": {"type": "dict", "default": {}},
    "door": {"type": "str", "default": "bastion"},
    "egress": {"type": "str", "default": "nat_gateway"},
    "allowed_cidrs": TEXTS,
    "vpc_cidr": {"type": "str", "required": True},
    "public_cidrs": TEXTS,
    "private_cidrs": TEXTS,
    "time_to_live": {"type": "str", "default": ""},
    "adopted": {"type": "dict", "default": {}},
    "flow_logs_enabled": {"type": "bool", "default": False},
    "lustre_enabled": {"type": "bool", "default": False},
    "termination_schedules_enabled": {"type": "bool", "default": False},
    "monitor_place": {"type": "str", "choices": ["instance", "bastion", "none"], "default": "instance"},
    "permissions_boundary": {"type": "str", "default": ""},
    "ssh_key_file": {"type": "str", "default": "", "no_log": False},
    "tools": {"type": "list", "elements": "str", "default": ["ssh", "ssh-keygen"]},
    "address_url": {"type": "str", "default": ""},
}


def faults_here(module: AnsibleAWSModule) -> list:
    """What can be said without AWS."""
    params = module.params
    cidrs = decide.cidr_faults(params["allowed_cidrs"], params["door"])
    tools = decide.tools_for(params["door"], params["tools"])
    aws_cli = api.aws_cli_version(module.run_command, "aws" if "aws" in tools else "")
    return [
        *decide.stack_faults(params["stack_name"]),
        *decide.duration_faults("stack_time_to_live", params["time_to_live"]),
        *decide.tool_faults(api.missing_tools(tools)),
        *decide.version_faults(ansible_version, boto3.__version__, aws_cli),
        *decide.key_faults(api.key_file(params["ssh_key_file"])),
        *decide.with_own_address(cidrs, api.own_address(params["address_url"]) if cidrs else ""),
        *network_faults(params),
        *groups.group_faults(params["node_groups"]),
        *adoption.written_faults(params["adopted"], params["door"]),
    ]


def network_faults(params: dict) -> list:
    """Faults of the address plan and of the ways in and out; an adopted VPC has its own plan."""
    adopted, plan = params["adopted"].get("vpc_id"), (params["public_cidrs"], params["private_cidrs"])
    if adopted:
        return decide.way_faults(params["door"], params["egress"], ["adopted"], ["adopted"])
    return [
        *decide.network_faults(params["vpc_cidr"], *plan),
        *decide.way_faults(params["door"], params["egress"], *plan),
    ]


def machines_of(ec2: object, params: dict) -> list:
    """Everything that is to be started, with the types that each may be started on."""
    written = [
        decide.Machine(item["name"], tuple(item["instance_types"]), item["image"]) for item in params["machines"]
    ]
    for group in params["node_groups"]:
        types = list(group.get("instance_types") or ())
        accelerator = group.get("accelerator")
        if isinstance(accelerator, dict) and accelerator.get("name") and not types:
            types = instance_types_of(ec2, accelerator)
        written.append(decide.Machine(str(group.get("name")), tuple(types), image_of(group, params)))
    return written


def image_of(group: dict, params: dict) -> str:
    """The image that the nodes of a group start from."""
    return group.get("image") or params["node_image"]


def answer_of_aws(module: AnsibleAWSModule, pool: Executor) -> tuple:
    """What AWS offers of what is wanted, and the faults of that."""
    params, ec2 = module.params, module.client("ec2")
    machines = machines_of(ec2, params)
    wanted = sorted({name for machine in machines for name in machine.types})
    asked_zones, asked_types = pool.submit(api.zones_by_type, ec2, wanted), pool.submit(api.describe_types, ec2, wanted)
    found = api.adopted_of(module.client, params["adopted"])
    zones_of, types = asked_zones.result(), asked_types.result()
    near = api.all_types(ec2) if not all(zones_of[name] for name in wanted) else []
    faults = decide.type_faults(wanted, zones_of, near, module.region)
    faults += adoption.found_faults(params["adopted"], found, module.region)
    there = decide.existing_zones(params["public_cidrs"], params["private_cidrs"], params["existing_subnets"])
    if params["adopted"].get("vpc_id"):
        there = list(adoption.by_zone(params["adopted"].get("private_subnet_ids") or (), found))
    needs = [machine.types for machine in machines]
    zones, zone_faults = decide.choose_zones(needs, zones_of, params["zones"], there)
    images, image_faults = images_of(module, pool, machines, types)
    faults += [*zone_faults, *groups.zone_faults(params["node_groups"], zones), *image_faults]
    faults += groups.efa_faults(params["node_groups"], {item.name: item.types for item in machines}, types.efa)
    return faults, zones, list(zip(machines, images)), found


def images_of(module: AnsibleAWSModule, pool: Executor, machines: list, types: api.Types) -> tuple:
    """The image of each machine, and the faults; an image that several machines name is looked for once."""
    ec2, ssm = module.client("ec2"), module.client("ssm")
    parameters = [
        decide.image_parameter(machine.image, decide.common_architectures(machine.types, types.architectures))
        for machine in machines
    ]
    asked: dict = {}
    for machine, parameter in zip(machines, parameters):
        if parameter not in asked:
            asked[parameter] = pool.submit(api.find_image, ec2, ssm, machine.image, parameter)
    images = [asked[parameter].result() for parameter in parameters]
    faults = [
        fault
        for machine, image in zip(machines, images)
        for fault in decide.image_faults(machine, image, types.architectures)
    ]
    return images, list(dict.fromkeys(faults))


def plan_of(params: dict, identity: dict, region: str) -> Plan:
    """What the caller's permissions must be enough for."""
    images = [machine["image"] for machine in params["machines"]]
    return plan_for(
        params["stack_name"],
        identity,
        region,
        door=params["door"],
        egress=params["egress"],
        markets=tuple(market for group in params["node_groups"] for market in group.get("markets") or ()),
        flow_logs=params["flow_logs_enabled"],
        lustre=params["lustre_enabled"],
        termination_schedules=params["termination_schedules_enabled"],
        monitor=params["monitor_place"],
        boundary=params["permissions_boundary"],
        parameters=own_parameters([*images, *(image_of(group, params) for group in params["node_groups"])]),
        adopted=params["adopted"],
    )


def answers_side_by_side(module: AnsibleAWSModule, identity: dict) -> tuple:
    """What AWS offers, and what the caller may not do and this stack needs; None where IAM does not say."""
    chosen = statements(plan_of(module.params, identity, module.region))
    with ThreadPoolExecutor(max_workers=8) as pool:
        asked = pool.submit(missing_permissions, module.client("iam"), identity["Arn"], chosen)
        return (*answer_of_aws(module, pool), asked.result())


def result(module: AnsibleAWSModule) -> dict:
    """Everything that preflight knows. Without credentials that work, that is what this machine knows."""
    params = module.params
    profile = params["profile"] or os.environ.get("AWS_PROFILE", "")
    session = Session(profile=params["profile"])
    faults, warnings = faults_here(module), groups.group_warnings(params["node_groups"])
    profile_faults = decide.profile_faults(profile, session.available_profiles)
    faults += profile_faults
    identity, zones, machines, found, credentials = {}, [], [], adoption.Adopted(), api.Credentials()
    missing = None
    if not profile_faults:
        credentials = api.credentials_of(session, os.environ)
        left = credentials.expires - time.time() if credentials.expires else None
        warnings += decide.expiry_warnings(left, credentials.renews_itself)
        identity, caller_faults = api.caller_of(
            module.client("sts"), lambda: decide.region_hint(module.region, session.get_available_regions("ec2"))
        )
        faults += caller_faults
    if identity:
        more, zones, machines, found, missing = answers_side_by_side(module, identity)
        faults += more
        warnings += decide.permission_warnings(missing or [])
    return {
        "faults": [{"subject": fault.subject, "what": fault.what, "fix": fault.fix} for fault in faults],
        "report": decide.report(faults),
        "warnings_found": warnings,
        "account_id": identity.get("Account", ""),
        "credentials": {"method": credentials.method, "expires_at": decide.utc(credentials.expires)},
        "missing_permissions": missing or [],
        "missing_permissions_known": missing is not None,
        "zones": zones,
        **described(machines),
        "adopted": adopted(params["adopted"], found),
    }


def described(machines: list) -> dict:
    """The images by what they are called and by who uses them."""
    return {
        "image_ids": {machine.image: image.id for machine, image in machines},
        "root_devices": {machine.image: image.root_device for machine, image in machines},
        "machines": {
            machine.name: {
                "instance_types": list(machine.types),
                "image_id": image.id,
                "root_device": image.root_device,
            }
            for machine, image in machines
        },
    }


def adopted(ids: dict, found: adoption.Adopted) -> dict:
    """Where the adopted subnets lie."""
    return {
        "vpc_cidr": found.vpc_cidr,
        "public_subnets": adoption.by_zone(ids.get("public_subnet_ids") or (), found),
        "private_subnets": adoption.by_zone(ids.get("private_subnet_ids") or (), found),
    }


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        answer = result(module)
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg="Cannot look at what AWS offers")
    for warning in answer["warnings_found"]:
        module.warn(warning)
    module.exit_json(changed=False, **answer)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight_info
short_description: Find everything that would stop a stack, before it is begun
version_added: 1.0.0
description:
  - Checks tools, credentials, region, address ranges, instance types, zone, images and the SSH key in one pass.
  - Reads only, spends nothing, and does not fail on what it finds; every fault comes with what to do about it.
options:
  stack_name:
    description: Name of the stack.
    type: str
    required: true
  instance_types:
    description: Instance types that the stack uses; all must be offered in one zone.
    type: list
    elements: str
    required: true
  images:
    description: Machine images, each an C(ami-) id or the name of an SSM parameter that holds one.
    type: list
    elements: str
    required: true
  zone:
    description: The availability zone asked for; empty to take the first that offers every type.
    type: str
    default: ""
  allowed_cidrs:
    description: Address ranges from which SSH to the bastion is allowed.
    type: list
    elements: str
    default: []
  vpc_cidr:
    description: Address range of the VPC.
    type: str
    required: true
  subnet_cidrs:
    description: Address ranges of the subnets, in lists by the name of the variable that holds each list.
    type: dict
    default: {}
  ssh_key_file:
    description: Private key on the controller; empty when the stack makes its own.
    type: str
    default: ""
  tools:
    description: Commands that must be on the controller.
    type: list
    elements: str
    default: [ssh, ssh-keygen]
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
    instance_types: [g6.12xlarge, t3.micro]
    images: [/aws/service/canonical/ubuntu/server/22.04/stable/current/amd64/hvm/ebs-gp2/ami-id]
    allowed_cidrs: [192.0.2.7/32]
    vpc_cidr: 10.77.0.0/16
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
zones:
  description: The zones that offer every instance type; empty when there is none.
  type: list
  elements: str
  returned: success
  sample: [us-east-1a]
image_ids:
  description: The AMI id of each image asked for; empty text where there is none.
  type: dict
  returned: success
  sample: {"/aws/service/debian/release/12/latest/amd64": "ami-0123456789abcdef0"}
root_devices:
  description: The device name of the root volume in each image asked for.
  type: dict
  returned: success
  sample: {"/aws/service/debian/release/12/latest/amd64": "/dev/xvda"}
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.trainyard.aws.plugins.module_utils import _preflight as decide
from ansible_collections.trainyard.aws.plugins.module_utils import _preflight_api as api

try:
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:
    pass  # AnsibleAWSModule says so

ARGUMENTS = {
    "stack_name": {"type": "str", "required": True},
    "instance_types": {"type": "list", "elements": "str", "required": True},
    "images": {"type": "list", "elements": "str", "required": True},
    "zone": {"type": "str", "default": ""},
    "allowed_cidrs": {"type": "list", "elements": "str", "default": []},
    "vpc_cidr": {"type": "str", "required": True},
    "subnet_cidrs": {"type": "dict", "default": {}},
    "ssh_key_file": {"type": "str", "default": "", "no_log": False},
    "tools": {"type": "list", "elements": "str", "default": ["ssh", "ssh-keygen"]},
}


def faults_here(params: dict) -> list:
    """What can be said without AWS."""
    return [
        *decide.stack_faults(params["stack_name"]),
        *decide.tool_faults(api.missing_tools(params["tools"])),
        *decide.key_faults(api.key_file(params["ssh_key_file"])),
        *decide.cidr_faults(params["allowed_cidrs"]),
        *decide.network_faults(params["vpc_cidr"], decide.each_cidr(params["subnet_cidrs"])),
    ]


def offers(module: AnsibleAWSModule) -> tuple:
    """Zone, image ids and faults, as far as AWS is concerned."""
    ec2, wanted = module.client("ec2"), module.params["instance_types"]
    zones = api.zones_by_type(ec2, wanted)
    unknown = [name for name in wanted if not zones[name]]
    faults = decide.type_faults(wanted, zones, api.all_types(ec2) if unknown else [], module.region)
    zone, zone_faults = decide.choose_zone(wanted, zones, module.params["zone"])
    architectures = api.architectures_of(ec2, [name for name in wanted if zones[name]])
    images = [
        api.find_image(ec2, module.client("ssm"), reference) for reference in dict.fromkeys(module.params["images"])
    ]
    faults += ([] if unknown else zone_faults) + decide.image_faults(images, architectures)
    return zone, images, faults


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    zone, images = "", []
    try:
        faults = faults_here(module.params)
        account, account_faults = api.account_of(module.client("sts"))
        faults += account_faults
        if account:
            zone, images, offer_faults = offers(module)
            faults += offer_faults
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg="Cannot look at what AWS offers")
    module.exit_json(
        changed=False,
        faults=[{"subject": fault.subject, "what": fault.what, "fix": fault.fix} for fault in faults],
        report=decide.report(faults),
        account_id=account,
        zones=[zone] if zone else [],
        image_ids={image.reference: image.id for image in images},
        root_devices={image.reference: image.root_device for image in images},
    )


if __name__ == "__main__":
    main()

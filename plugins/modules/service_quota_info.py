#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: service_quota_info
short_description: Say how many vCPUs of an instance type the account may run
version_added: 1.0.0
description:
  - Finds, by its name, the quota that counts an instance type in a market, and what is in use of it.
options:
  instance_types:
    description: The instance types asked about, such as V([g6.12xlarge, p5.48xlarge]).
    type: list
    elements: str
    required: true
  markets:
    description: The markets asked about.
    type: list
    elements: str
    choices: [on-demand, spot]
    default: [on-demand, spot]
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
- name: Ask how many G6 may run
  trainyard.aws.service_quota_info:
    instance_types: [g6.12xlarge]
    region: us-east-1
  register: quota
"""

RETURN = r"""
quotas:
  description: One entry for each type and market; one without a quota of its own has an empty RV(quotas[].code).
  type: list
  elements: dict
  returned: success
  contains:
    instance_type:
      description: The type asked about.
      type: str
      sample: g6.12xlarge
    market:
      description: The market asked about.
      type: str
      sample: on-demand
    vcpus:
      description: vCPUs of one such instance; 0 when EC2 does not describe the type.
      type: int
      sample: 48
    code:
      description: Code of the quota.
      type: str
      sample: L-DB2E81BA
    name:
      description: Name of the quota.
      type: str
      sample: Running On-Demand G and VT instances
    allowed:
      description: vCPUs that AWS allows.
      type: int
      sample: 96
    in_use:
      description: vCPUs in use of the quota, by whatever type.
      type: int
      sample: 48
    left:
      description: vCPUs that may still be started.
      type: int
      sample: 48
"""

import typing as t

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.trainyard.aws.plugins.module_utils import _quotas as decide
from ansible_collections.trainyard.aws.plugins.module_utils._offers_api import types_named
from ansible_collections.trainyard.aws.plugins.module_utils._quotas_api import vcpu_quotas, vcpus_in_use

try:
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:
    pass  # AnsibleAWSModule says so

ARGUMENTS = {
    "instance_types": {"type": "list", "elements": "str", "required": True},
    "markets": {
        "type": "list",
        "elements": "str",
        "choices": ["on-demand", "spot"],
        "default": ["on-demand", "spot"],
    },
}


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        ec2 = module.client("ec2")
        quotas, fault = vcpu_quotas(module.client("service-quotas"))
        vcpus = {name: item.vcpus for name, item in types_named(ec2, module.params["instance_types"]).items()}
        in_use = vcpus_in_use(ec2)
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg="Cannot look at the quotas")
    if fault:
        module.fail_json(msg=fault)
    asked = [(name, market) for name in module.params["instance_types"] for market in module.params["markets"]]
    answers: list[dict[str, t.Any]] = [decide.answer(quotas, in_use, vcpus, name, market) for name, market in asked]
    module.exit_json(changed=False, quotas=answers)


if __name__ == "__main__":
    main()

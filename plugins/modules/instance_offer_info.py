#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: instance_offer_info
short_description: Find instance types by their accelerators, with prices
version_added: 1.0.0
description:
  - Lists the instance types of a region that have the accelerators, memory and network asked for, the cheapest first.
  - Prices come from the Price List API; where it does not answer, from a dated table, and each price says which.
  - C(dl1.24xlarge) is known by name, though EC2 may no longer describe it.
options:
  accelerator:
    description:
      - Name of the accelerator, such as V(L4), V(H100) or V(Gaudi). Empty for every type that has one.
      - Words are compared, so V(L4) does not find the L40S.
    type: str
    default: ""
  accelerator_count:
    description: How many accelerators the type must have; 0 for any number.
    type: int
    default: 0
  accelerator_memory_gib:
    description: The least memory of each accelerator. The L4, sold with 24 GB, counts as V(24).
    type: float
    default: 0
  vcpus:
    description: The least number of vCPUs.
    type: int
    default: 0
  memory_gib:
    description: The least memory.
    type: float
    default: 0
  efa_enabled:
    description: Only types with an Elastic Fabric Adapter.
    type: bool
    default: false
  instance_types:
    description: Only these types, whether they have accelerators or not.
    type: list
    elements: str
    default: []
  families:
    description: Only these families, such as V([g6, gr6]).
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
- name: Find types with four L4
  trainyard.aws.instance_offer_info:
    accelerator: L4
    accelerator_count: 4
    region: us-east-1
  register: found

- name: Show them as a table
  ansible.builtin.debug:
    msg: "{{ found.table }}"
"""

RETURN = r"""
offers:
  description: The instance types, the cheapest on demand first; those without a price last.
  type: list
  elements: dict
  returned: success
  contains:
    instance_type:
      description: Name of the type.
      type: str
      sample: g6.12xlarge
    accelerator:
      description: Name of its accelerator; empty when it has none.
      type: str
      sample: L4
    accelerator_count:
      description: How many it has; below 1 where it has a part of a GPU.
      type: float
      sample: 4
    accelerator_memory_gib:
      description: Memory of each accelerator.
      type: float
      sample: 22.4
    vcpus:
      description: Number of vCPUs.
      type: int
      sample: 48
    memory_gib:
      description: Memory of the instance.
      type: float
      sample: 192
    storage_gb:
      description: Size of the disks that belong to the instance; 0 when it has none.
      type: int
      sample: 3760
    network:
      description: Network speed, in the words of EC2.
      type: str
      sample: 40 Gigabit
    efa_interfaces:
      description: How many Elastic Fabric Adapters it can have.
      type: int
      sample: 1
    usd_per_hour:
      description: Price on demand; nothing where none is known.
      type: float
      sample: 4.6016
    price_source:
      description: Where the price comes from.
      type: str
      sample: Price List API
    spot_usd_per_hour:
      description: The lowest spot price of the region now; nothing where there is none.
      type: float
      sample: 1.84
    spot_zone:
      description: The zone of that spot price.
      type: str
      sample: us-east-1a
    zones:
      description: The zones that offer the type; empty for one that EC2 no longer describes.
      type: list
      elements: str
      sample: [us-east-1a, us-east-1c]
table:
  description: The same as a text for the terminal, with where the prices come from.
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
from ansible_collections.trainyard.aws.plugins.module_utils import _offers as decide
from ansible_collections.trainyard.aws.plugins.module_utils import _offers_api as api
from ansible_collections.trainyard.aws.plugins.module_utils._prices import PriceList, sources_text
from ansible_collections.trainyard.aws.plugins.module_utils._prices_api import price_list, pricing_client

try:
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:
    pass  # AnsibleAWSModule says so

ARGUMENTS = {
    "accelerator": {"type": "str", "default": ""},
    "accelerator_count": {"type": "int", "default": 0},
    "accelerator_memory_gib": {"type": "float", "default": 0},
    "vcpus": {"type": "int", "default": 0},
    "memory_gib": {"type": "float", "default": 0},
    "efa_enabled": {"type": "bool", "default": False},
    "instance_types": {"type": "list", "elements": "str", "default": []},
    "families": {"type": "list", "elements": "str", "default": []},
}


def candidates(ec2: t.Any, params: dict) -> list:
    """The instance types that fit, whatever they cost."""
    wanted = decide.Wanted(
        params["accelerator"],
        params["accelerator_count"],
        params["accelerator_memory_gib"],
        params["vcpus"],
        params["memory_gib"],
        params["efa_enabled"],
    )
    if params["instance_types"]:
        found = list(api.types_named(ec2, params["instance_types"]).values())
    else:
        known = {item.name: item for item in api.accelerated_types(ec2)}
        found = list({**decide.UNLISTED, **known}.values())
    families = params["families"]
    return [
        item for item in found if decide.fits(item, wanted) and (not families or item.name.split(".")[0] in families)
    ]


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        ec2 = module.client("ec2")
        found = candidates(ec2, module.params)
        names = [item.name for item in found]
        prices: PriceList = price_list(pricing_client(module), ec2, module.region, names, names, [])
        zones = api.zones_of(ec2, names)
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg="Cannot look at what AWS offers")
    offers = [decide.row_of(item, prices, zones[item.name]) for item in decide.by_price(found, prices)]
    sources = sources_text([offer["price_source"] for offer in offers if offer["price_source"]], module.region)
    module.exit_json(changed=False, offers=offers, table=f"{decide.table_of(offers)}\n{sources}", sources=sources)


if __name__ == "__main__":
    main()

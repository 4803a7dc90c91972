# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Gathers what a plan is made of, everything at once that does not wait for something else. Reads only."""

from __future__ import annotations

import typing as t
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.trainyard.aws.plugins.module_utils._bill import Shape, parts_of
from ansible_collections.trainyard.aws.plugins.module_utils._offers import UNLISTED, Group, InstanceType, by_price, fits
from ansible_collections.trainyard.aws.plugins.module_utils._offers_api import (
    accelerated_types,
    all_zones,
    types_named,
    wanted_of,
    zones_of,
)
from ansible_collections.trainyard.aws.plugins.module_utils._plan import Facts, group_of
from ansible_collections.trainyard.aws.plugins.module_utils._prices_api import price_list
from ansible_collections.trainyard.aws.plugins.module_utils._quotas_api import vcpu_quotas, vcpus_in_use

Client = t.Any
Items = t.Sequence[t.Mapping[str, t.Any]]


def gather(
    ec2: Client, pricing: Client, quotas: Client, stack: str, region: str, items: Items, shape: Shape
) -> tuple[Facts, dict[str, list[str]]]:
    """What AWS says about the node groups, and the instance types of each group in order."""
    with ThreadPoolExecutor(max_workers=4) as pool:
        asked_quotas = pool.submit(vcpu_quotas, quotas)
        asked_use = pool.submit(vcpus_in_use, ec2, stack)
        extra = _instances_of(shape)
        known_types = types_named(ec2, {*_named(items), *extra})
        candidates = _candidates(ec2, items, known_types)
        types = {item.name: item for found in candidates.values() for item in found}
        asked_zones = pool.submit(zones_of, ec2, list(types))
        spot = [
            item.name for group in items if "spot" in (group.get("markets") or ()) for item in candidates[group["name"]]
        ]
        prices = price_list(pricing, ec2, region, [*types, *extra], spot, parts_of(shape))
        known, fault = asked_quotas.result()
        facts = Facts(
            {**{name: known_types[name] for name in extra if name in known_types}, **types},
            _with_unlisted(asked_zones.result(), ec2),
            prices,
            tuple(known),
            tuple(asked_use.result()),
            fault,
        )
    ordered = {
        group["name"]: _names(by_price(candidates[group["name"]], prices))
        if group.get("accelerator")
        else list(group.get("instance_types") or ())
        for group in items
    }
    return facts, ordered


def _with_unlisted(zones: dict[str, list[str]], ec2: Client) -> dict[str, list[str]]:
    """A type that EC2 no longer lists may be started in any zone: the launch will tell."""
    unlisted = [name for name, offered in zones.items() if name in UNLISTED and not offered]
    return {**zones, **dict.fromkeys(unlisted, all_zones(ec2))} if unlisted else zones


def groups_of(items: Items, ordered: t.Mapping[str, t.Sequence[str]], zones: t.Sequence[str]) -> list[Group]:
    return [group_of(item, ordered[item["name"]], zones) for item in items]


def _named(items: Items) -> set[str]:
    """The instance types that groups name."""
    return {name for item in items if not item.get("accelerator") for name in item.get("instance_types") or ()}


def _candidates(ec2: Client, items: Items, known: t.Mapping[str, InstanceType]) -> dict[str, list[InstanceType]]:
    """The instance types that each group may take, by accelerator or by name."""
    accelerated: list[InstanceType] = []
    if any(item.get("accelerator") for item in items):
        accelerated = list({**UNLISTED, **{item.name: item for item in accelerated_types(ec2)}}.values())
    return {
        item["name"]: [one for one in accelerated if fits(one, wanted_of(item["accelerator"]))]
        if item.get("accelerator")
        else [known[name] for name in item.get("instance_types") or () if name in known]
        for item in items
    }


def _instances_of(shape: Shape) -> list[str]:
    door = [shape.door_instance_type] if shape.door == "bastion" else []
    monitor = [shape.monitor_instance_type] if shape.monitor == "instance" else []
    return door + monitor + ([shape.nat_instance_type] if shape.egress == "nat_instance" else [])


def _names(types: t.Iterable[InstanceType]) -> list[str]:
    return [item.name for item in types]

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Asks EC2 which instance types there are and where they are offered. Reads only."""

from __future__ import annotations

import typing as t

from ansible_collections.trainyard.aws.plugins.module_utils._offers import (
    ACCELERATED,
    UNLISTED,
    InstanceType,
    Wanted,
    fits,
    type_of,
)

try:
    from botocore.exceptions import ClientError
except ImportError:
    pass  # AnsibleAWSModule says so

Client = t.Any


def types_named(ec2: Client, names: t.Collection[str]) -> dict[str, InstanceType]:
    """The instance types of these names; a name that nobody knows is left out."""
    found = _described(ec2, [{"Name": "instance-type", "Values": sorted(set(names))}]) if names else []
    known = {item.name: item for item in found if item.name in names}
    return {**{name: UNLISTED[name] for name in names if name in UNLISTED}, **known}


def accelerated_types(ec2: Client) -> list[InstanceType]:
    """Every instance type of the region with an accelerator."""
    found = _described(ec2, [{"Name": "instance-type", "Values": [f"{family}.*" for family in ACCELERATED]}])
    return [item for item in found if item.accelerator]


def all_types(ec2: Client) -> list[InstanceType]:
    """Every instance type of the region."""
    return _described(ec2, [])


def instance_types_of(ec2: Client, accelerator: t.Mapping[str, t.Any]) -> list[str]:
    """The names of the types with just these accelerators, the smallest first.

    ``accelerator`` has C(name), C(count) (1 unless given) and perhaps C(memory_gib), as in a node group.
    """
    wanted = wanted_of(accelerator)
    found = [item for item in accelerated_types(ec2) if fits(item, wanted)]
    unlisted = [item for item in UNLISTED.values() if fits(item, wanted)]
    by_name = {item.name: item for item in [*unlisted, *found]}
    return [item.name for item in sorted(by_name.values(), key=lambda item: (item.vcpus, item.memory_mib, item.name))]


def wanted_of(accelerator: t.Mapping[str, t.Any]) -> Wanted:
    return Wanted(
        accelerator=str(accelerator["name"]),
        accelerator_count=float(accelerator.get("count") or 1),
        accelerator_memory_gib=float(accelerator.get("memory_gib") or 0),
    )


def zones_of(ec2: Client, names: t.Collection[str]) -> dict[str, list[str]]:
    """In which zones of the region each type is offered."""
    zones: dict[str, list[str]] = {name: [] for name in names}
    if not zones:
        return zones
    pages = ec2.get_paginator("describe_instance_type_offerings").paginate(
        LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": sorted(zones)}]
    )
    for page in pages:
        for offer in page["InstanceTypeOfferings"]:
            if offer["InstanceType"] in zones:
                zones[offer["InstanceType"]].append(offer["Location"])
    return {name: sorted(found) for name, found in zones.items()}


def all_zones(ec2: Client) -> list[str]:
    """The zones of the region that an account can use without asking."""
    filters = [{"Name": "zone-type", "Values": ["availability-zone"]}, {"Name": "state", "Values": ["available"]}]
    try:
        return sorted(
            zone["ZoneName"] for zone in ec2.describe_availability_zones(Filters=filters)["AvailabilityZones"]
        )
    except ClientError:
        return []


def _described(ec2: Client, filters: list[dict[str, t.Any]]) -> list[InstanceType]:
    pages = ec2.get_paginator("describe_instance_types").paginate(Filters=filters)
    return [type_of(item) for page in pages for item in page["InstanceTypes"]]

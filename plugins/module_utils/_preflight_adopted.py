# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""What can be wrong with the things that a stack adopts: they must exist, and fit together. Pure."""

from __future__ import annotations

import difflib
import typing as t
from dataclasses import dataclass, field

from ansible_collections.trainyard.aws.plugins.module_utils._preflight import Fault

VARIABLE = "stack_adopted"
_LISTS = ("public_subnet_ids", "private_subnet_ids", "security_group_ids")
_KEYS = ("vpc_id", *_LISTS, "file_system_id", "bucket", "key_name")


@dataclass(frozen=True)
class Adopted:
    """What AWS says of the things named in stack_adopted; what is not there is missing from it."""

    vpc_cidr: str = ""
    dns_hostnames: bool = True
    subnets: t.Mapping[str, tuple[str, str]] = field(default_factory=dict)  # id: zone and VPC
    groups: t.Mapping[str, str] = field(default_factory=dict)  # id: VPC
    file_system_state: str = ""
    bucket_region: str = ""
    has_key: bool = False


def written_faults(adopted: t.Mapping[str, t.Any], door: str) -> list[Fault]:
    """What is wrong with the variable as it is written."""
    faults = []
    for key, value in adopted.items():
        if key not in _KEYS:
            near = difflib.get_close_matches(key, _KEYS, n=2, cutoff=0.6)
            fix = f"Did you mean {' or '.join(near)}?" if near else f"Known are {', '.join(_KEYS)}."
            faults.append(Fault(VARIABLE, f'"{key}" is not known.', fix))
        elif key in _LISTS and not isinstance(value, (list, tuple)):
            faults.append(Fault(VARIABLE, f"{key} is no list.", f"Write {key}: [{value}]."))
    inside = [key for key in _LISTS if adopted.get(key)]
    if inside and not adopted.get("vpc_id"):
        faults.append(Fault(VARIABLE, f"{', '.join(inside)} without vpc_id.", "Name the VPC that they lie in."))
    if adopted.get("vpc_id") and not adopted.get("private_subnet_ids"):
        fix = "Name private_subnet_ids: subnets and routes of an adopted VPC are adopted too."
        faults.append(Fault(VARIABLE, "the nodes would have no subnet.", fix))
    if adopted.get("vpc_id") and door == "bastion" and not adopted.get("public_subnet_ids"):
        fix = "Name public_subnet_ids, or choose aws_access_door ssm or instance_connect."
        faults.append(Fault(VARIABLE, "the bastion would have no subnet.", fix))
    return faults


def found_faults(adopted: t.Mapping[str, t.Any], found: Adopted, region: str) -> list[Fault]:
    """What is wrong with the things themselves."""
    vpc = str(adopted.get("vpc_id") or "")
    faults = []
    if vpc and not found.vpc_cidr:
        faults.append(_missing(vpc, region))
    elif vpc and not found.dns_hostnames:
        fix = f"Run: aws ec2 modify-vpc-attribute --vpc-id {vpc} --enable-dns-hostnames"
        faults.append(Fault(VARIABLE, f"{vpc} gives no DNS names, so no file system can be mounted.", fix))
    subnets = [*(adopted.get("public_subnet_ids") or ()), *(adopted.get("private_subnet_ids") or ())]
    faults += _inside(subnets, {name: place[1] for name, place in found.subnets.items()}, vpc, region)
    faults += _inside(adopted.get("security_group_ids") or (), found.groups, vpc, region)
    faults += _zone_faults("private_subnet_ids", adopted, found)
    file_system = adopted.get("file_system_id")
    if file_system and not found.file_system_state:
        faults.append(_missing(str(file_system), region))
    elif file_system and found.file_system_state != "available":
        what = f"{file_system} is {found.file_system_state}."
        faults.append(Fault(VARIABLE, what, "Wait until it is available, or adopt another."))
    return (
        faults + _bucket_faults(str(adopted.get("bucket") or ""), found, region) + _key_faults(adopted, found, region)
    )


def _bucket_faults(bucket: str, found: Adopted, region: str) -> list[Fault]:
    if bucket and not found.bucket_region:
        return [Fault(VARIABLE, f'the bucket "{bucket}" does not exist, or is not yours.', "Look at its name.")]
    if bucket and found.bucket_region != region:
        what = f'the bucket "{bucket}" lies in {found.bucket_region}, the stack in {region}.'
        return [Fault(VARIABLE, what, "Adopt a bucket of the same region, or leave it out.")]
    return []


def _key_faults(adopted: t.Mapping[str, t.Any], found: Adopted, region: str) -> list[Fault]:
    name = str(adopted.get("key_name") or "")
    return [_missing(f'key pair "{name}"', region)] if name and not found.has_key else []


def _missing(what: str, region: str) -> Fault:
    return Fault(VARIABLE, f"{what} does not exist in {region}.", "Look at the id, the account and stack_region.")


def _inside(wanted: t.Sequence[str], found: t.Mapping[str, str], vpc: str, region: str) -> list[Fault]:
    faults = []
    for name in wanted:
        if name not in found:
            faults.append(_missing(str(name), region))
        elif vpc and found[name] != vpc:
            what = f"{name} lies in {found[name]}, not in {vpc}."
            faults.append(Fault(VARIABLE, what, "Name things of one VPC."))
    return faults


def _zone_faults(key: str, adopted: t.Mapping[str, t.Any], found: Adopted) -> list[Fault]:
    zones = [found.subnets[name][0] for name in adopted.get(key) or () if name in found.subnets]
    twice = sorted({zone for zone in zones if zones.count(zone) > 1})
    return [Fault(VARIABLE, f"{key} has two subnets in {zone}.", "Name one for each zone.") for zone in twice]


def by_zone(names: t.Sequence[str], found: Adopted) -> dict[str, str]:
    """The adopted subnets by the zone each lies in."""
    return {found.subnets[name][0]: name for name in names if name in found.subnets}

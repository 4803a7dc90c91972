# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""What can be wrong before a stack is provisioned. Pure: every check takes facts and returns faults."""

from __future__ import annotations

import difflib
import ipaddress
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.trainyard.aws.plugins.module_utils._stack import name_fault

_KEY_MODE_MASK = 0o077
_WIDEST_PREFIX = 16
_VPC_PREFIXES = range(16, 29)  # what AWS takes for a VPC and for a subnet
_AMI = re.compile(r"ami-[0-9a-f]{8,17}")


@dataclass(frozen=True)
class Fault:
    """One thing that stops the work: the user's variable or tool, what is wrong with it, and what to do."""

    subject: str
    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.what} {self.fix}"


@dataclass(frozen=True)
class Image:
    """A machine image as AWS describes it. ``id`` is empty where there is none."""

    reference: str
    id: str
    architecture: str = ""
    root_device: str = ""


@dataclass(frozen=True)
class KeyFile:
    """What is known about a private SSH key on this machine."""

    path: str
    exists: bool
    mode: int = 0o600
    has_public_half: bool = True


def stack_faults(stack: str) -> list[Fault]:
    what = name_fault(stack)
    return [Fault("stack_name", what, "Choose another name.")] if what else []


def cidr_faults(cidrs: t.Sequence[str]) -> list[Fault]:
    """Faults of the addresses that may reach the bastion's SSH port."""
    subject = "stack_allowed_cidrs"
    if not cidrs:
        return [Fault(subject, "nobody could reach the bastion.", 'List your own address, such as ["192.0.2.7/32"].')]
    return [fault for cidr in cidrs for fault in _one_cidr(subject, str(cidr))]


def _one_cidr(subject: str, cidr: str) -> list[Fault]:
    try:
        network = _network(cidr)
    except ValueError as error:
        return [Fault(subject, f'"{cidr}" is no address range: {error}.', "Write it as 192.0.2.7/32.")]
    if network.prefixlen == 0:
        return [Fault(subject, f'"{cidr}" opens SSH to the whole world.', "Name the addresses you come from.")]
    if network.version == 6:
        return [Fault(subject, f'"{cidr}" is IPv6, and the bastion has none.', "Name your IPv4 address.")]
    if network.prefixlen < _WIDEST_PREFIX:
        what = f'"{cidr}" opens SSH to {network.num_addresses:,} addresses.'
        return [Fault(subject, what, f"Allow at most a /{_WIDEST_PREFIX}.")]
    return []


def _network(cidr: str) -> t.Any:
    """The range that is written as AWS wants it, with a prefix length; ValueError says why it is not."""
    network = ipaddress.ip_network(cidr)
    if str(network) != cidr:
        raise ValueError(f"AWS would want {network}")
    return network


def each_cidr(lists: t.Mapping[str, t.Sequence[str]]) -> dict[str, str]:
    """Every range by the place where it stands: ``{"a": ["10.0.0.0/24"]}`` is ``{"a[0]": "10.0.0.0/24"}``."""
    return {f"{variable}[{index}]": cidr for variable, cidrs in lists.items() for index, cidr in enumerate(cidrs)}


def network_faults(vpc: str, subnets: t.Mapping[str, str]) -> list[Fault]:
    """Faults of the address plan: subnets must lie in the VPC and apart from each other."""
    ranges: dict[str, t.Any] = {}
    faults = []
    for variable, cidr in {"aws_network_cidr": vpc, **subnets}.items():
        try:
            ranges[variable] = _vpc_network(cidr)
        except ValueError as error:
            faults.append(Fault(variable, f'"{cidr}" is no address range: {error}.', "Write it as 10.77.0.0/16."))
    inside = ranges.pop("aws_network_cidr", None)
    for variable, network in ranges.items():
        if inside and not network.subnet_of(inside):
            faults.append(Fault(variable, f"{network} lies outside aws_network_cidr {inside}.", "Choose a part of it."))
    names = list(ranges)
    for first, second in ((a, b) for i, a in enumerate(names) for b in names[i + 1 :]):
        if ranges[first].overlaps(ranges[second]):
            faults.append(Fault(second, f"{ranges[second]} overlaps {first} {ranges[first]}.", "Keep them apart."))
    return faults


def _vpc_network(cidr: str) -> t.Any:
    network = _network(cidr)
    if network.version == 6 or network.prefixlen not in _VPC_PREFIXES:
        raise ValueError(f"AWS takes IPv4 ranges from /{_VPC_PREFIXES[0]} to /{_VPC_PREFIXES[-1]}")
    return network


def key_faults(key: KeyFile | None) -> list[Fault]:
    """Faults of the SSH key the user brings; None means that we make one."""
    subject = "stack_ssh_key_file"
    if key is None:
        return []
    if not key.exists:
        return [Fault(subject, f"there is no file {key.path}.", "Give an existing private key, or leave it empty.")]
    faults = []
    if key.mode & _KEY_MODE_MASK:
        faults.append(Fault(subject, f"others may read {key.path}, so ssh refuses it.", f"Run: chmod 600 {key.path}"))
    if not key.has_public_half:
        fix = f"Run: ssh-keygen -y -f {key.path} > {key.path}.pub"
        faults.append(Fault(subject, f"its public half {key.path}.pub is missing.", fix))
    return faults


def tool_faults(missing: t.Sequence[str]) -> list[Fault]:
    return [Fault(tool, "the command is not on this machine.", "Install the OpenSSH client.") for tool in missing]


def type_faults(
    wanted: t.Sequence[str], zones_of: t.Mapping[str, t.Collection[str]], known: t.Sequence[str], region: str
) -> list[Fault]:
    """Faults of the instance types: ``zones_of`` says where each is offered, ``known`` is every type of the region."""
    faults = []
    for name in sorted(set(wanted)):
        if not zones_of.get(name):
            near = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.6)
            fix = f"Did you mean {' or '.join(near)}?" if near else "Choose another type or region."
            faults.append(Fault("instance type", f'"{name}" is not offered in {region}.', fix))
    return faults


def choose_zone(
    wanted: t.Sequence[str], zones_of: t.Mapping[str, t.Collection[str]], asked: str
) -> tuple[str, list[Fault]]:
    """The first zone that offers every wanted type; the asked one if given. Assumes each type is offered somewhere."""
    subject = "aws_network_zones"
    offered = [set(zones_of[name]) for name in set(wanted) if zones_of.get(name)]
    common = sorted(set.intersection(*offered)) if offered else []
    if asked and asked in common:
        return asked, []
    if asked:
        fix = f"Zones that offer all types: {', '.join(common)}." if common else "No zone offers all types together."
        return "", [Fault(subject, f'"{asked}" does not offer every instance type wanted.', fix)]
    if not common and offered:
        where = "; ".join(f"{name} in {', '.join(sorted(zones_of[name]))}" for name in sorted(set(wanted)))
        return "", [Fault(subject, f"no zone offers all types together: {where}.", "Choose other types.")]
    return (common[0] if common else ""), []


def image_faults(images: t.Sequence[Image], architectures: t.Collection[str]) -> list[Fault]:
    """Faults of the machine images; ``architectures`` are those that every wanted type can run."""
    faults = []
    for image in images:
        if not image.id:
            fix = "Give an ami- id of this region or the name of a public SSM parameter."
            faults.append(Fault("machine image", f'"{image.reference}" does not exist here.', fix))
        elif architectures and image.architecture not in architectures:
            what = f'"{image.reference}" is built for {image.architecture}, the instance types run '
            faults.append(
                Fault("machine image", what + f"{', '.join(sorted(architectures))}.", "Choose another image.")
            )
    return faults


def is_image_id(reference: str) -> bool:
    """True for an AMI id; anything else is the name of an SSM parameter that holds one."""
    return bool(_AMI.fullmatch(reference))


def report(faults: t.Sequence[Fault]) -> str:
    """All faults as one text for the terminal."""
    if not faults:
        return "Nothing stands in the way."
    head = "1 thing stands" if len(faults) == 1 else f"{len(faults)} things stand"
    return "\n".join([f"{head} in the way; nothing was created.", *(f"  - {fault}" for fault in faults)])

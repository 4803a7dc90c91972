# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""What can be wrong before a stack is provisioned. Pure: every check takes facts and returns faults."""

from __future__ import annotations

import difflib
import ipaddress
import re
import typing as t
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from ansible_collections.trainyard.aws.plugins.module_utils._durations import seconds_of
from ansible_collections.trainyard.aws.plugins.module_utils._stack import name_fault

_KEY_MODE_MASK = 0o077
_WIDEST_PREFIX = 16
_SOON_SECONDS = 3600
_NAMED_PERMISSIONS = 12
_VPC_PREFIXES = range(16, 29)  # what AWS takes for a VPC and for a subnet
_AMI = re.compile(r"ami-[0-9a-f]{8,17}")
DOORS = ("bastion", "ssm", "instance_connect")
EGRESSES = ("nat_gateway", "nat_instance", "endpoints")
# Accepted by name: it may be had by those who still have it, though no list names it any more.
UNLISTED_TYPES = ("dl1.24xlarge",)
OLDEST_ANSIBLE = (2, 19)
OLDEST_BOTO3 = (1, 35)

# Short names of images: the public SSM parameter, and whether it says amd64 (as Debian does) or x86_64.
IMAGES: dict[str, tuple[str, bool]] = {
    "ubuntu-22.04": ("/aws/service/canonical/ubuntu/server/22.04/stable/current/{}/hvm/ebs-gp2/ami-id", True),
    "ubuntu-24.04": ("/aws/service/canonical/ubuntu/server/24.04/stable/current/{}/hvm/ebs-gp3/ami-id", True),
    "debian-12": ("/aws/service/debian/release/12/latest/{}", True),
    "debian-13": ("/aws/service/debian/release/13/latest/{}", True),
    "al2023": ("/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-{}", False),
    **{
        f"deep-learning-{short}": (
            f"/aws/service/deeplearning/ami/{{}}/base-oss-nvidia-driver-gpu-{system}/latest/ami-id",
            False,
        )
        for short, system in (
            ("ubuntu-22.04", "ubuntu-22.04"),
            ("ubuntu-24.04", "ubuntu-24.04"),
            ("al2023", "amazon-linux-2023"),
        )
    },
}


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
class Machine:
    """What is to be started from one image: a node group, the bastion. Any of its types will do."""

    name: str
    types: tuple[str, ...]
    image: str


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


def cidr_faults(cidrs: t.Sequence[str], door: str = "bastion") -> list[Fault]:
    """Faults of the addresses that may reach the bastion's SSH port; the other doors need none."""
    subject = "stack_allowed_cidrs"
    if not cidrs and door == "bastion":
        return [Fault(subject, "nobody could reach the bastion.", 'List your own address, such as ["192.0.2.7/32"].')]
    return [fault for cidr in cidrs for fault in _one_cidr(subject, str(cidr))]


def with_own_address(faults: t.Sequence[Fault], address: str) -> list[Fault]:
    """The caller's own address, where it is known, offered wherever another one is needed."""
    hint = f" You come from {address}/32." if address else ""
    return [
        replace(fault, fix=fault.fix + hint) if fault.subject == "stack_allowed_cidrs" else fault for fault in faults
    ]


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


def network_faults(vpc: str, public: t.Sequence[str], private: t.Sequence[str]) -> list[Fault]:
    """Faults of the address plan: subnets must lie in the VPC and apart from each other."""
    lists = {"aws_network_public_cidrs": public, "aws_network_private_cidrs": private}
    named = [("aws_network_cidr", vpc), *((name, str(cidr)) for name, cidrs in lists.items() for cidr in cidrs)]
    ranges: list[tuple[str, t.Any]] = []
    faults = []
    for variable, cidr in named:
        try:
            ranges.append((variable, _vpc_network(cidr)))
        except ValueError as error:
            faults.append(Fault(variable, f'"{cidr}" is no address range: {error}.', "Write it as 10.77.0.0/16."))
    inside = next((network for variable, network in ranges if variable == "aws_network_cidr"), None)
    subnets = [(variable, network) for variable, network in ranges if variable != "aws_network_cidr"]
    for variable, network in subnets:
        if inside and not network.subnet_of(inside):
            faults.append(Fault(variable, f"{network} lies outside aws_network_cidr {inside}.", "Choose a part of it."))
    for at, (variable, network) in enumerate(subnets):
        for other, earlier in subnets[:at]:
            if network.overlaps(earlier):
                faults.append(Fault(variable, f"{network} overlaps {earlier} of {other}.", "Keep them apart."))
    return faults


def way_faults(door: str, egress: str, public: t.Sequence[str], private: t.Sequence[str]) -> list[Fault]:
    """Faults of the ways in and out: each known, and with the subnets that it needs."""
    faults = []
    for variable, value, known in (
        ("aws_access_door", door, DOORS),
        ("aws_network_egress", egress, EGRESSES),
    ):
        if value not in known:
            faults.append(Fault(variable, f'"{value}" is not known.', f"Choose one of {', '.join(known)}."))
    if not private:
        fix = "Name a range for each zone."
        faults.append(Fault("aws_network_private_cidrs", "the nodes would have no subnet.", fix))
    needy = [name for name in (door, egress) if name in ("bastion", "nat_gateway", "nat_instance")]
    if needy and not public:
        what = f"{' and '.join(needy)} would have no public subnet."
        fix = "Name a range, or use aws_access_door ssm or instance_connect with aws_network_egress endpoints."
        faults.append(Fault("aws_network_public_cidrs", what, fix))
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


def tools_for(door: str, tools: t.Sequence[str]) -> list[str]:
    """The commands that the controller needs to come in by this door."""
    more = {"ssm": ["aws", "session-manager-plugin"], "instance_connect": ["aws"]}
    return [*tools, *more.get(door, [])]


def tool_faults(missing: t.Sequence[str]) -> list[Fault]:
    fixes = {
        "aws": "Install the AWS CLI, version 2.",
        "session-manager-plugin": "Install AWS's Session Manager plugin.",
    }
    what = "the command is not on this machine."
    return [Fault(tool, what, fixes.get(tool, "Install the OpenSSH client.")) for tool in missing]


def version_faults(ansible: str, boto3: str, aws_cli: str = "") -> list[Fault]:
    """Faults of versions; an empty text is one that does not matter, or that cannot be read."""
    faults = []
    for tool, version, oldest, fix in (
        ("ansible-core", ansible, OLDEST_ANSIBLE, "Run: pip install --upgrade ansible-core"),
        ("boto3", boto3, OLDEST_BOTO3, "Run: pip install --upgrade boto3"),
        ("aws", aws_cli, (2,), "Install the AWS CLI, version 2."),
    ):
        if version and _numbers(version) < oldest:
            wanted = ".".join(str(number) for number in oldest)
            faults.append(Fault(tool, f"version {version} is older than {wanted}.", fix))
    return faults


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])


def profile_faults(profile: str, known: t.Sequence[str]) -> list[Fault]:
    """Faults of the profile's name in ~/.aws; an empty one is none."""
    if not profile or profile in known:
        return []
    near = difflib.get_close_matches(profile, known, n=3, cutoff=0.6)
    fix = f"Did you mean {' or '.join(near)}?" if near else "Run: aws configure list-profiles"
    return [Fault("credentials", f'AWS_PROFILE "{profile}" does not exist.', fix)]


def region_hint(region: str, known: t.Sequence[str]) -> str:
    """The regions whose names are nearest to one that nobody knows."""
    near = [] if region in known else difflib.get_close_matches(region, known, n=2, cutoff=0.6)
    return f" Did you mean {' or '.join(near)}?" if near else ""


def duration_faults(variable: str, text: str) -> list[Fault]:
    """Faults of a duration; an empty text is none."""
    try:
        seconds_of(text or "1s")
    except ValueError as error:
        return [Fault(variable, str(error), "Leave it empty for no limit.")]
    return []


def utc(seconds: float | None) -> str:
    """A moment in words; empty for none."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ") if seconds else ""


def permission_warnings(missing: t.Sequence[str]) -> list[str]:
    """No fault: IAM's simulator knows neither every condition nor the rules of the organization."""
    if not missing:
        return []
    more = f" and {len(missing) - _NAMED_PERMISSIONS} more" if len(missing) > _NAMED_PERMISSIONS else ""
    return [
        f"You lack permissions, as IAM says: {', '.join(missing[:_NAMED_PERMISSIONS])}{more}. "
        "The playbook trainyard.aws.permissions writes the policy that holds them."
    ]


def expiry_warnings(seconds_left: float | None, renews_itself: bool) -> list[str]:
    """What to say of credentials that end within the hour."""
    if seconds_left is None or renews_itself or seconds_left > _SOON_SECONDS:
        return []
    minutes = max(int(seconds_left // 60), 0)
    return [f"The credentials expire in {minutes} minutes: sign in again before a long run."]


def type_faults(
    wanted: t.Sequence[str], zones_of: t.Mapping[str, t.Collection[str]], known: t.Sequence[str], region: str
) -> list[Fault]:
    """Faults of the instance types: ``zones_of`` says where each is offered, ``known`` is every type of the region."""
    faults = []
    for name in sorted(set(wanted)):
        if not zones_of.get(name) and name not in UNLISTED_TYPES:
            near = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.6)
            fix = f"Did you mean {' or '.join(near)}?" if near else "Choose another type or region."
            faults.append(Fault("instance type", f'"{name}" is not offered in {region}.', fix))
    return faults


def existing_zones(public: t.Sequence[str], private: t.Sequence[str], zone_of: t.Mapping[str, str]) -> list[str]:
    """The zone of each pair of subnets, by its range; an empty text where neither is there yet."""
    count = max(len(public), len(private), 1)
    pairs = [[cidrs[at] for cidrs in (public, private) if at < len(cidrs)] for at in range(count)]
    return [next((zone_of[cidr] for cidr in pair if cidr in zone_of), "") for pair in pairs]


def choose_zones(
    needs: t.Sequence[t.Collection[str]],
    zones_of: t.Mapping[str, t.Collection[str]],
    asked: t.Sequence[str],
    existing: t.Sequence[str],
) -> tuple[list[str], list[Fault]]:
    """A zone for each place of ``existing``: the one there is, else the one asked for, else the best left.

    A need is a set of types of which one will do, and a zone must offer one for each need. The best zone is the one that
    offers most of all types.
    """
    known = [tuple(name for name in need if zones_of.get(name)) for need in needs]
    known = [need for need in known if need]  # what is offered nowhere is a fault of the types
    fitting = _fitting_zones(known, zones_of)
    left = [zone for zone in (asked or fitting) if zone not in existing]
    if asked and len(left) < list(existing).count(""):
        what = f"{len(asked)} zones for {len(existing)} subnets."
        return [], [Fault("aws_network_zones", what, "Name a zone for each subnet, or none at all.")]
    if known and not asked and len(left) < list(existing).count(""):
        return [], [_too_few_zones(known, zones_of, fitting, len(existing))]
    zones = [zone or (left.pop(0) if left else "") for zone in existing]
    unfit = [zone for zone in zones if zone and known and zone not in fitting]
    if unfit:
        fix = f"Zones that offer them: {', '.join(fitting)}." if fitting else "No zone offers all types together."
        what = f'"{", ".join(unfit)}" does not offer every instance type wanted.'
        return [], [Fault("aws_network_zones", what, fix)]
    return [zone for zone in zones if zone], []


def _fitting_zones(needs: t.Sequence[t.Collection[str]], zones_of: t.Mapping[str, t.Collection[str]]) -> list[str]:
    served = [set().union(*(zones_of[name] for name in need)) for need in needs]
    common = set.intersection(*served) if served else set()

    def lacking(zone: str) -> int:
        return sum(zone not in zones_of[name] for name in {name for need in needs for name in need})

    return sorted(common, key=lambda zone: (lacking(zone), zone))


def _too_few_zones(
    needs: t.Sequence[t.Collection[str]],
    zones_of: t.Mapping[str, t.Collection[str]],
    fitting: t.Sequence[str],
    count: int,
) -> Fault:
    names = sorted({name for need in needs for name in need})
    where = "; ".join(f"{name} in {', '.join(sorted(zones_of[name]))}" for name in names)
    if not fitting:
        return Fault("aws_network_zones", f"no zone offers all types together: {where}.", "Choose other types.")
    what = f"{count} zones are wanted, and {', '.join(fitting)} alone offers all types: {where}."
    return Fault("aws_network_zones", what, "Use fewer subnets, or choose other types.")


def image_faults(machine: Machine, image: Image, architectures: t.Mapping[str, t.Collection[str]]) -> list[Fault]:
    """Faults of one machine's image: it must be there, and fit each of the types it may be started on."""
    subject = f"machine image of {machine.name}"
    if not image.id:
        fix = "Give an ami- id of this region, the name of a public SSM parameter, or one of: " + ", ".join(IMAGES)
        return [Fault(subject, f'"{image.reference}" does not exist here.', f"{fix}.")]
    unfit = [name for name in machine.types if name in architectures and image.architecture not in architectures[name]]
    if not unfit:
        return []
    runs = ", ".join(f"{name} runs {' and '.join(sorted(architectures[name]))}" for name in sorted(set(unfit)))
    what = f'"{image.reference}" is built for {image.architecture}, and {runs}.'
    return [Fault(subject, what, "Choose another image or other types.")]


def image_parameter(reference: str, architectures: t.Collection[str]) -> str:
    """The SSM parameter behind a short name, for the architecture of the types; other references as they are."""
    if reference not in IMAGES:
        return reference
    arm = bool(architectures) and "x86_64" not in architectures
    parameter, debian_words = IMAGES[reference]
    words = ("amd64", "arm64") if debian_words else ("x86_64", "arm64")
    return parameter.format(words[arm])


def common_architectures(types: t.Sequence[str], architectures: t.Mapping[str, t.Collection[str]]) -> set[str]:
    """What every one of the types runs, as far as the types are known."""
    known = [set(architectures[name]) for name in types if name in architectures]
    return set.intersection(*known) if known else set()


def is_image_id(reference: str) -> bool:
    """True for an AMI id; anything else is the name of an SSM parameter that holds one."""
    return bool(_AMI.fullmatch(reference))


def report(faults: t.Sequence[Fault]) -> str:
    """All faults as one text for the terminal."""
    if not faults:
        return "Nothing stands in the way."
    head = "1 thing stands" if len(faults) == 1 else f"{len(faults)} things stand"
    return "\n".join([f"{head} in the way; nothing was created.", *(f"  - {fault}" for fault in faults)])

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Which nodes of a group to launch, start or terminate, where to ask for them next, and what a refusal means. Pure."""

from __future__ import annotations

import hashlib
import json
import re
import typing as t
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

from ansible_collections.trainyard.aws.plugins.module_utils._stack import tags_as_list

ON_DEMAND = "on-demand"
SPOT = "spot"
CAPACITY_RESERVATION = "capacity-reservation"
CAPACITY_BLOCK = "capacity-block"
MARKETS = (ON_DEMAND, SPOT, CAPACITY_RESERVATION, CAPACITY_BLOCK)

GROUP_TAG = "trainyard:node-group"
EXPIRY_TAG = "trainyard:expires-at"
HOST_KEY_TAG = "trainyard:host-key"

# What AWS answers when it will not launch here and now, though nothing is wrong with what was asked.
_REFUSALS = {
    "InsufficientInstanceCapacity": "capacity",
    "InsufficientHostCapacity": "capacity",
    "InsufficientReservedInstanceCapacity": "capacity",
    "InsufficientCapacity": "capacity",
    "UnfulfillableCapacity": "capacity",
    "ReservationCapacityExceeded": "capacity",
    "InsufficientFreeAddressesInSubnet": "addresses",
    "VcpuLimitExceeded": "quota",
    "InstanceLimitExceeded": "quota",
    "MaxSpotInstanceCountExceeded": "spot_count",
    "SpotMaxPriceTooLow": "price",
    "Unsupported": "unsupported",
}
_PASSING = re.compile(
    r"RequestLimitExceeded|Throttling.*|Internal(Error|Failure)|Unavailable|ServiceUnavailable|ServerInternal"
)
_STANDARD = "Standard (A, C, D, H, I, M, R, T, Z)"
_CLASSES = {
    "g": "G and VT",
    "vt": "G and VT",
    "p": "P",
    "dl": "DL",
    "trn": "Trn",
    "inf": "Inf",
    "f": "F",
    "x": "X",
}


@dataclass(frozen=True)
class Offer:
    """An instance type in a zone and market."""

    instance_type: str
    zone: str
    market: str = ON_DEMAND
    usd_per_hour: float | None = None
    reservation_id: str = ""

    def __str__(self) -> str:
        where = f"{self.market} {self.reservation_id}" if self.reservation_id else self.market
        return f"{self.instance_type} in {self.zone} ({where})"


@dataclass(frozen=True)
class Refusal:
    """Why an offer was not taken. ``kind`` is ours, ``code`` is AWS's word; a final one will not change by waiting."""

    offer: Offer
    kind: str
    code: str
    reason: str
    final: bool = False

    def as_dict(self) -> dict[str, t.Any]:
        return {
            "instance_type": self.offer.instance_type,
            "zone": self.offer.zone,
            "market": self.offer.market,
            "reservation_id": self.offer.reservation_id,
            "kind": self.kind,
            "code": self.code,
            "reason": self.reason,
        }


@dataclass(frozen=True)
class Node:
    """A node as AWS describes it."""

    name: str
    id: str
    state: str
    instance_type: str
    zone: str
    market: str = ON_DEMAND
    private_ip_address: str = ""
    expires_at: str = ""
    ended_because: str = ""

    def as_dict(self) -> dict[str, t.Any]:
        return {
            "name": self.name,
            "instance_id": self.id,
            "state": self.state,
            "instance_type": self.instance_type,
            "zone": self.zone,
            "market": self.market,
            "private_ip_address": self.private_ip_address,
            "expires_at": self.expires_at,
        }


@dataclass(frozen=True)
class Group:
    """A node group as it should be, with all that its nodes have in common."""

    stack: str
    name: str
    count: int
    launch_template: str
    subnets: dict[str, str]
    security_group_ids: tuple[str, ...]
    tags: dict[str, str]
    placement_group: str = ""
    efa: bool = False
    all_or_nothing: bool = False
    max_price_usd: float | None = None
    lifetime_seconds: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"{self.stack}-{self.name}-{index}" for index in range(self.count))


@dataclass(frozen=True)
class TypeFacts:
    """What an instance type can do for nodes that talk to each other."""

    efa_interfaces: int = 0
    clusters: bool = False


@dataclass(frozen=True)
class Step:
    """One change. ``verb`` is launch, start or terminate; ``reason`` is for the user."""

    verb: str
    subject: str
    reason: str
    id: str = ""

    def as_dict(self) -> dict[str, str]:
        return {"verb": self.verb, "subject": self.subject, "instance_id": self.id, "reason": self.reason}


@dataclass(frozen=True)
class Acts:
    """What a hunt does to the world: ask for one node, give nodes back, rest (False when patience is spent)."""

    ask: t.Callable[[str, Offer], Node | Refusal]
    give_back: t.Callable[[t.Sequence[Node]], None]
    rest: t.Callable[[], bool]


def offers_of(
    types: t.Sequence[str], markets: t.Sequence[str], zones: t.Sequence[str], reservations: t.Sequence[Offer] = ()
) -> tuple[Offer, ...]:
    """The offers that a group describes: its preferred type in every market and zone first.

    ``reservations`` are those of the account; a market of reserved capacity has only these to offer.
    """
    offers: list[Offer] = []
    for instance_type in types:
        for market in markets:
            if market in (CAPACITY_RESERVATION, CAPACITY_BLOCK):
                reserved = [one for one in reservations if one.market == market and one.zone in zones]
                offers += [one for one in reserved if one.instance_type == instance_type]
            else:
                offers += [Offer(instance_type, zone, market) for zone in zones]
    return tuple(dict.fromkeys(offers))


def with_reservations(offers: t.Iterable[Offer], reservations: t.Sequence[Offer]) -> tuple[Offer, ...]:
    """Name the reservations behind the offers of reserved capacity; an offer without one falls away."""
    named: list[Offer] = []
    for offer in offers:
        if offer.market in (CAPACITY_RESERVATION, CAPACITY_BLOCK) and not offer.reservation_id:
            same = (offer.instance_type, offer.zone, offer.market)
            named += [one for one in reservations if (one.instance_type, one.zone, one.market) == same]
        else:
            named.append(offer)
    return tuple(dict.fromkeys(named))


def steps_to(want: Group, have: t.Sequence[Node]) -> tuple[Step, ...]:
    """What has to be done, in order. Nodes beyond the count go first, the highest number before the others."""
    living = {node.name: node for node in reversed(have)}
    steps = [
        Step("terminate", name, f'group "{want.name}" is to have {want.count} now', living[name].id)
        for name in sorted(living.keys() - set(want.names), key=_number, reverse=True)
    ]
    for name in want.names:
        if name not in living:
            steps.append(Step("launch", name, "it does not exist"))
        elif living[name].state in ("stopping", "stopped"):
            steps.append(Step("start", name, f"it is {living[name].state}", living[name].id))
    return tuple(steps)


def _number(name: str) -> tuple[int, str]:
    tail = name.rpartition("-")[2]
    return (int(tail) if tail.isdigit() else -1, name)


# ---- Where to ask --------------------------------------------------------------------------------------------------


def too_dear(offers: t.Iterable[Offer], max_price_usd: float | None) -> tuple[Refusal, ...]:
    """The offers that cost more than the user will pay; AWS need not be asked. Spot asks AWS, with that price."""
    if max_price_usd is None:
        return ()
    return tuple(
        Refusal(
            offer,
            "price",
            "price",
            f"{offer} costs {offer.usd_per_hour:g} USD an hour, more than max_price_usd {max_price_usd:g}.",
            final=True,
        )
        for offer in offers
        if offer.market != SPOT and offer.usd_per_hour is not None and offer.usd_per_hour > max_price_usd
    )


def is_open(offer: Offer, refusals: t.Iterable[Refusal]) -> bool:
    """False once a final refusal covers the offer: a quota binds the type in all zones, a zone lacks a type in all markets."""
    for refusal in refusals:
        other = refusal.offer
        if not refusal.final or other.instance_type != offer.instance_type:
            continue
        if refusal.kind in ("quota", "spot_count") and other.market == offer.market:
            return False
        if refusal.kind == "unsupported" and other.zone == offer.zone:
            return False
        if other == offer:
            return False
    return True


def rounds_of(offers: t.Sequence[Offer], together: bool, zone: str = "") -> tuple[tuple[Offer, ...], ...]:
    """The offers among which a group may spread: all, or where nodes must lie together those of one type, zone and market.

    ``zone`` is where nodes of such a group lie already.
    """
    if not together:
        return (tuple(offers),)
    alike: dict[tuple[str, str, str], list[Offer]] = {}
    for offer in offers:
        if zone in ("", offer.zone):
            alike.setdefault((offer.instance_type, offer.zone, offer.market), []).append(offer)
    return tuple(tuple(round_) for round_ in alike.values())


def lie_together(group: Group, facts: dict[str, TypeFacts]) -> bool:
    """True when nodes of the group use what exists within one zone only: a placement group or EFA."""
    return any((group.placement_group and one.clusters) or (group.efa and one.efa_interfaces) for one in facts.values())


def check_zones(group: Group, offers: t.Iterable[Offer]) -> None:
    """Raises ValueError for offers in a zone where the group has no subnet."""
    unknown = sorted({offer.zone for offer in offers} - set(group.subnets))
    if unknown:
        raise ValueError(
            f"offers name {', '.join(unknown)}, where the stack has no subnet. "
            f"It has subnets in {', '.join(sorted(group.subnets)) or 'no zone'}."
        )


def hunt(
    names: t.Sequence[str],
    rounds: t.Sequence[t.Sequence[Offer]],
    refusals: t.Iterable[Refusal],
    acts: Acts,
    keep: bool = True,
) -> tuple[list[Node], list[Refusal]]:
    """Launch ``names`` from the first offers that are given; after a rest ask again those that may answer otherwise.

    What one of several rounds got is given back before the next is tried; without ``keep`` so is a part of the whole.
    Answers with what was launched and the latest refusal of each offer.
    """
    refused = {refusal.offer: refusal for refusal in refusals}
    launched: list[Node] = []
    while True:
        for offers in rounds:
            launched += _ask_each(names[len(launched) :], offers, refused, acts.ask)
            if len(launched) == len(names):
                return launched, list(refused.values())
            if len(rounds) > 1:
                acts.give_back(launched)
                launched = []
        if not any(is_open(offer, refused.values()) for offers in rounds for offer in offers) or not acts.rest():
            break
    if launched and not keep:
        acts.give_back(launched)
        launched = []
    return launched, list(refused.values())


def _ask_each(
    names: t.Sequence[str],
    offers: t.Iterable[Offer],
    refused: dict[Offer, Refusal],
    ask: t.Callable[[str, Offer], Node | Refusal],
) -> list[Node]:
    """One round over the offers, each asked until it refuses. Notes the refusals in ``refused``."""
    launched: list[Node] = []
    for offer in offers:
        while len(launched) < len(names) and is_open(offer, refused.values()):
            answer = ask(names[len(launched)], offer)
            if isinstance(answer, Refusal):
                refused[offer] = answer
                break
            launched.append(answer)
            refused.pop(offer, None)
    return launched


# ---- What AWS says -------------------------------------------------------------------------------------------------


def refusal_of(offer: Offer, code: str, max_price_usd: float | None = None) -> Refusal | None:
    """What AWS's answer means for this offer; None when it is no refusal but an error that waiting cannot mend."""
    kind = _REFUSALS.get(code)
    if kind is None:
        return None
    quota = f'the quota "{quota_of(offer)}" is used up; raise it in Service Quotas'
    why = {
        "capacity": "AWS has no capacity there now",
        "addresses": "the subnet has no free address left; give it a larger range",
        "quota": quota,
        "spot_count": quota,
        "price": f"the spot price is above max_price_usd {max_price_usd if max_price_usd is not None else ''}".rstrip(),
        "unsupported": "AWS does not offer this there",
    }[kind]
    return Refusal(offer, kind, code, f"{offer}: {why}.", final=kind in ("quota", "spot_count", "unsupported"))


def is_passing(code: str, status: int, message: str = "") -> bool:
    """True for an error that the same call may not meet again a moment later. A refusal is an answer, not an error."""
    if code in _REFUSALS:
        return False
    # A profile that was just made is not known everywhere at once.
    is_new_profile = code == "InvalidParameterValue" and "IAM Instance Profile" in message
    return bool(_PASSING.fullmatch(code)) or status >= 500 or is_new_profile


def quota_of(offer: Offer) -> str:
    """The name of the quota that counts the vCPUs of this offer."""
    family = re.match(r"[a-z]*", offer.instance_type)
    letters = family.group() if family else ""
    kind = _CLASSES.get(letters, _STANDARD)
    if offer.market != SPOT:
        return f"Running On-Demand {kind} instances"
    if letters == "p":
        kind = "P5" if offer.instance_type.startswith("p5") else "P4, P3 and P2"
    return f"All {kind} Spot Instance Requests"


# ---- What a node is launched with ----------------------------------------------------------------------------------


def client_token(group: Group, name: str, generation: str, offer: Offer, attempt: int = 0) -> str:
    """By this AWS knows a repeated launch for the same one. It changes with the offer, since AWS takes a token for one only."""
    parts = [group.stack, group.name, name, generation, offer.instance_type, offer.zone, offer.market]
    return hashlib.sha256(json.dumps([*parts, offer.reservation_id, attempt]).encode()).hexdigest()


def expiry_after(now: datetime, seconds: int) -> str:
    """The moment after which a node must not run, in UTC (RFC 3339); empty for a node that may."""
    if not seconds:
        return ""
    moment = now.astimezone(timezone.utc) + timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def tags_of(group: Group, name: str, public_key: str, expires_at: str) -> dict[str, str]:
    """What the instance, its volumes and its interfaces carry from the moment they exist."""
    tags = {**group.tags, GROUP_TAG: group.name, "Name": name, HOST_KEY_TAG: public_key}
    return {**tags, EXPIRY_TAG: expires_at} if expires_at else tags


def user_data(private_key: str, public_key: str, expires_at: str) -> str:
    """What the node does at its first boot: take its host key, and set the clock that ends it."""
    config: dict[str, t.Any] = {
        "ssh_deletekeys": True,
        "ssh_keys": {"ed25519_private": private_key, "ed25519_public": public_key},
    }
    if expires_at:
        moment = expires_at.replace("T", " ").replace("Z", " UTC")
        timer = f"[Timer]\nOnCalendar={moment}\nPersistent=true\nAccuracySec=1s\n\n[Install]\nWantedBy=timers.target\n"
        service = "[Service]\nType=oneshot\nExecStart=/usr/bin/systemctl poweroff\n"
        about = "[Unit]\nDescription=End of the time that this node was given\n\n"
        config["write_files"] = [
            {"path": f"/etc/systemd/system/trainyard-expiry.{kind}", "permissions": "0644", "content": about + content}
            for kind, content in (("service", service), ("timer", timer))
        ]
        config["runcmd"] = [
            ["systemctl", "daemon-reload"],
            ["systemctl", "enable", "--now", "trainyard-expiry.timer"],
        ]
    return "#cloud-config\n" + json.dumps(config, indent=1) + "\n"


def interfaces_of(group: Group, offer: Offer, facts: TypeFacts) -> list[dict[str, t.Any]]:
    """The network interfaces of a node: one, or one for each EFA of its type. None has a public address."""
    common = {"Groups": list(group.security_group_ids), "DeleteOnTermination": True}
    common["SubnetId"] = group.subnets.get(offer.zone, "")
    count = facts.efa_interfaces if group.efa else 0
    if not count:
        return [{**common, "DeviceIndex": 0, "AssociatePublicIpAddress": False}]
    first = {**common, "DeviceIndex": 0, "NetworkCardIndex": 0, "InterfaceType": "efa"}
    if count == 1:
        first["AssociatePublicIpAddress"] = False  # AWS takes this for a single interface only
    others = (
        {**common, "DeviceIndex": 1, "NetworkCardIndex": card, "InterfaceType": "efa-only"} for card in range(1, count)
    )
    return [first, *others]


def market_arguments(offer: Offer, max_price_usd: float | None) -> dict[str, t.Any]:
    """How RunInstances is told which market to launch from."""
    if offer.market == SPOT:
        spot = {"SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "terminate"}
        if max_price_usd is not None:
            spot["MaxPrice"] = f"{max_price_usd:g}"
        return {"InstanceMarketOptions": {"MarketType": "spot", "SpotOptions": spot}}
    if offer.market == ON_DEMAND:
        return {}
    target = {"CapacityReservationTarget": {"CapacityReservationId": offer.reservation_id}}
    arguments: dict[str, t.Any] = {"CapacityReservationSpecification": target}
    if offer.market == CAPACITY_BLOCK:
        arguments["InstanceMarketOptions"] = {"MarketType": "capacity-block"}
    return arguments


def launch_arguments(
    group: Group, offer: Offer, facts: TypeFacts, version: int, tags: dict[str, str], data: str, token: str
) -> dict[str, t.Any]:
    """The RunInstances call for one node; what all nodes of the group share stands in their launch template."""
    kinds = ["instance", "volume", "network-interface"] + ["spot-instances-request"] * (offer.market == SPOT)
    listed = tags_as_list(dict(sorted(tags.items())))
    placement = {"AvailabilityZone": offer.zone}
    if group.placement_group and facts.clusters:
        placement["GroupName"] = group.placement_group
    return {
        "LaunchTemplate": {"LaunchTemplateName": group.launch_template, "Version": str(version)},
        "InstanceType": offer.instance_type,
        "MinCount": 1,
        "MaxCount": 1,
        "Placement": placement,
        "NetworkInterfaces": interfaces_of(group, offer, facts),
        "UserData": data,
        "TagSpecifications": [{"ResourceType": kind, "Tags": listed} for kind in kinds],
        "ClientToken": token,
        **market_arguments(offer, group.max_price_usd),
    }


# ---- What the user reads -------------------------------------------------------------------------------------------


def foreseen(
    have: t.Sequence[Node], steps: t.Iterable[Step], offers: t.Iterable[Offer], refusals: t.Sequence[Refusal] = ()
) -> list[Node]:
    """The group as it would be if the first offer had room."""
    after = {node.id: node for node in have}
    first = next((offer for offer in offers if is_open(offer, refusals)), Offer("", ""))
    for step in steps:
        if step.verb == "terminate":
            del after[step.id]
        elif step.verb == "start":
            after[step.id] = replace(after[step.id], state="running")
        else:
            after[step.subject] = Node(step.subject, "", "running", first.instance_type, first.zone, first.market)
    return sorted(after.values(), key=lambda node: node.name)


def told(steps: t.Iterable[Step], done: bool) -> str:
    """The steps in words."""
    words = {"launch": "Launched", "start": "Started", "terminate": "Terminated"}
    if not done:
        words = {verb: f"Would {verb}" for verb in words}
    return "\n".join(f"{words[step.verb]} {step.subject}: {step.reason}." for step in steps) or "Nothing to do."


def not_filled(group: Group, missing: int, refusals: t.Iterable[Refusal], launched: int) -> str:
    """Why no offer is left: what happened, why for each offer, and what to do."""
    fate = f"{launched} launched now stay." if launched else "Nothing launched now stays."
    lines = [f"{missing} of {group.count} could not be had. {fate}"]
    lines += [f"  {refusal.reason}" for refusal in refusals] or ["  There is no offer to ask."]
    lines.append("Add instance types, zones or markets, raise patience, or run again later.")
    return "\n".join(lines)

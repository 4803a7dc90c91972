# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Reads, launches, starts and terminates the nodes of a group, one small function for each call."""

from __future__ import annotations

import hashlib
import os
import time
import typing as t
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from ansible_collections.trainyard.aws.plugins.module_utils import _nodes as nodes
from ansible_collections.trainyard.aws.plugins.module_utils._nodes import Group, Node, Offer, Refusal, Step, TypeFacts
from ansible_collections.trainyard.aws.plugins.module_utils._stack import STACK_TAG, tags_as_dict

try:
    from botocore.exceptions import ClientError, HTTPClientError
except ImportError:
    pass  # AnsibleAWSModule says so

Client = t.Any
Run = t.Callable[[list[str]], None]

_POLL_SECONDS = 2.0
_ROUND_SECONDS = 20.0
_ATTEMPTS = 6
_LIVING = ("pending", "running", "stopping", "stopped")


class NotReady(Exception):
    """A node did not reach its state, in the time given or at all."""


@dataclass
class Fleet:
    """What a fill works with. ``launcher`` is a client that repeats nothing by itself, since we know what to repeat."""

    ec2: Client
    launcher: Client
    group: Group
    host_keys: HostKeys
    version: int = 0
    facts: dict[str, TypeFacts] = field(default_factory=dict)


@dataclass(frozen=True)
class Market:
    """Where to look for nodes and for how long; without ``offers``, all types in all markets and zones."""

    offers: tuple[Offer, ...] = ()
    instance_types: tuple[str, ...] = ()
    markets: tuple[str, ...] = (nodes.ON_DEMAND,)
    reservation_ids: tuple[str, ...] = ()
    patience_seconds: float = 0


@dataclass
class Outcome:
    """What was found and done. ``fault`` says why the group is not as it should be; empty when it is."""

    before: list[Node]
    after: list[Node]
    steps: tuple[Step, ...]
    refusals: list[Refusal] = field(default_factory=list)
    fault: str = ""


@dataclass(frozen=True)
class HostKeys:
    """The SSH host keys of the nodes, made before the nodes are."""

    directory: Path
    run: Run

    def of(self, name: str) -> tuple[str, str]:
        """Private and public half of the key of ``name``; made when there is none."""
        private = self.directory / name
        if not private.exists():
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft = self.directory / f"{name}.new"
            for half in (draft, self._public(draft)):
                half.unlink(missing_ok=True)
            self.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(draft)])
            os.replace(self._public(draft), self._public(private))
            os.replace(draft, private)
        kind, key = self._public(private).read_text(encoding="utf-8").split()[:2]
        return private.read_text(encoding="utf-8"), f"{kind} {key}"

    @staticmethod
    def _public(private: Path) -> Path:
        return private.with_name(private.name + ".pub")


# ---- Reading -------------------------------------------------------------------------------------------------------


def read(ec2: Client, stack: str, group: str) -> list[Node]:
    """The nodes of the group that live, or could again."""
    found = _described(
        ec2,
        Filters=[
            {"Name": f"tag:{STACK_TAG}", "Values": [stack]},
            {"Name": f"tag:{nodes.GROUP_TAG}", "Values": [group]},
            {"Name": "instance-state-name", "Values": list(_LIVING)},
        ],
    )
    return sorted(found, key=lambda node: (node.name, node.id))


def _described(ec2: Client, **arguments: t.Any) -> list[Node]:
    pages = ec2.get_paginator("describe_instances").paginate(**arguments)
    return [
        _node(instance)
        for page in pages
        for reservation in page["Reservations"]
        for instance in reservation["Instances"]
    ]


def _node(instance: dict[str, t.Any]) -> Node:
    tags = tags_as_dict(instance.get("Tags"))
    return Node(
        name=tags.get("Name", ""),
        id=instance["InstanceId"],
        state=instance["State"]["Name"],
        instance_type=instance["InstanceType"],
        zone=instance.get("Placement", {}).get("AvailabilityZone", ""),
        market=instance.get("InstanceLifecycle") or nodes.ON_DEMAND,
        private_ip_address=instance.get("PrivateIpAddress", ""),
        expires_at=tags.get(nodes.EXPIRY_TAG, ""),
        ended_because=(instance.get("StateReason") or {}).get("Message", ""),
    )


def reservations_of(ec2: Client, ids: t.Sequence[str]) -> list[Offer]:
    """What the capacity reservations of these ids have to offer."""
    if not ids:
        return []
    answer = ec2.describe_capacity_reservations(CapacityReservationIds=list(ids))
    return [
        Offer(
            one["InstanceType"],
            one["AvailabilityZone"],
            nodes.CAPACITY_BLOCK if one.get("ReservationType") == "capacity-block" else nodes.CAPACITY_RESERVATION,
            reservation_id=one["CapacityReservationId"],
        )
        for one in answer["CapacityReservations"]
        if one.get("State", "active") == "active"
    ]


def facts_of(ec2: Client, types: t.Iterable[str]) -> dict[str, TypeFacts]:
    """What the types can do; one that AWS does not list can do nothing special."""
    wanted = sorted(set(types))
    pages = ec2.get_paginator("describe_instance_types").paginate(Filters=[{"Name": "instance-type", "Values": wanted}])
    found = {}
    for item in (item for page in pages for item in page["InstanceTypes"]):
        network = item.get("NetworkInfo", {})
        interfaces = network.get("EfaInfo", {}).get("MaximumEfaInterfaces", 1) if network.get("EfaSupported") else 0
        clusters = "cluster" in item.get("PlacementGroupInfo", {}).get("SupportedStrategies", ())
        found[item["InstanceType"]] = TypeFacts(interfaces, clusters)
    return {name: found.get(name, TypeFacts()) for name in wanted}


def template_version(ec2: Client, name: str) -> int:
    """The newest version of the launch template: the number is part of what a repeated launch must repeat."""
    answer = ec2.describe_launch_templates(LaunchTemplateNames=[name])
    return int(answer["LaunchTemplates"][0]["LatestVersionNumber"])


# ---- Deciding and doing --------------------------------------------------------------------------------------------


def converge(fleet: Fleet, market: Market, wait_seconds: float, act: bool) -> Outcome:
    """Bring the group to its count. Without ``act`` nothing is changed, and what would be is told."""
    group, ec2 = fleet.group, fleet.ec2
    before = read(ec2, group.stack, group.name)
    steps = nodes.steps_to(group, before)
    names = [step.subject for step in steps if step.verb == "launch"]
    offers = _offers(ec2, group, market) if names else ()
    dear = nodes.too_dear(offers, group.max_price_usd)
    if not act:
        return Outcome(before, nodes.foreseen(before, steps, offers, dear), steps, list(dear))
    if not steps:
        return Outcome(before, before, steps)
    deadline = time.monotonic() + wait_seconds
    terminate(ec2, [step.id for step in steps if step.verb == "terminate"])
    starts = [(step, start(fleet, step, deadline)) for step in steps if step.verb == "start"]
    refusals = [refusal for _step, refusal in starts if refusal]
    launched: list[Node] = []
    if names:
        nodes.check_zones(group, offers)
        launched, refused = _launch_all(fleet, names, offers, dear, market.patience_seconds)
        refusals += refused
    awaited = [node.id for node in launched] + [step.id for step, refusal in starts if not refusal]
    _await(fleet, awaited, launched, deadline)
    missing = len(names) - len(launched) + sum(1 for _step, refusal in starts if refusal)
    fault = nodes.not_filled(group, missing, refusals, len(launched)) if missing else ""
    return Outcome(before, read(ec2, group.stack, group.name), steps, refusals, fault)


def _offers(ec2: Client, group: Group, market: Market) -> tuple[Offer, ...]:
    reservations = reservations_of(ec2, market.reservation_ids)
    if market.offers:
        return nodes.with_reservations(market.offers, reservations)
    return nodes.offers_of(market.instance_types, market.markets, list(group.subnets), reservations)


def _launch_all(
    fleet: Fleet, names: t.Sequence[str], offers: tuple[Offer, ...], dear: t.Sequence[Refusal], patience: float
) -> tuple[list[Node], list[Refusal]]:
    group = fleet.group
    fleet.version = template_version(fleet.ec2, group.launch_template)
    if group.efa or group.placement_group:
        fleet.facts = facts_of(fleet.ec2, [offer.instance_type for offer in offers])
    zone = next((node.zone for node in read(fleet.ec2, group.stack, group.name) if node.name in group.names), "")
    return fill(fleet, names, nodes.rounds_of(offers, nodes.lie_together(group, fleet.facts), zone), dear, patience)


def _await(fleet: Fleet, ids: t.Sequence[str], launched: t.Sequence[Node], deadline: float) -> None:
    try:
        wait_until(fleet.ec2, ids, ("running",), deadline)
    except NotReady:
        if fleet.group.all_or_nothing or nodes.lie_together(fleet.group, fleet.facts):
            terminate(fleet.ec2, [node.id for node in launched])
        raise


# ---- Changing ------------------------------------------------------------------------------------------------------


def fill(
    fleet: Fleet,
    names: t.Sequence[str],
    rounds: t.Sequence[t.Sequence[Offer]],
    dear: t.Sequence[Refusal],
    patience: float,
) -> tuple[list[Node], list[Refusal]]:
    """Launch ``names`` from the offers, with rests between while ``patience`` lasts (in seconds)."""
    deadline = time.monotonic() + patience
    keep = not (fleet.group.all_or_nothing or nodes.lie_together(fleet.group, fleet.facts))
    held: dict[str, Node] = {}

    def ask(name: str, offer: Offer) -> Node | Refusal:
        answer = launch(fleet, name, offer)
        if isinstance(answer, Node):
            held[answer.id] = answer
        return answer

    def give_back(launched: t.Sequence[Node]) -> None:
        terminate(fleet.ec2, [node.id for node in launched])
        for node in launched:
            held.pop(node.id, None)

    def rest() -> bool:
        left = deadline - time.monotonic()
        time.sleep(max(0.0, min(_ROUND_SECONDS, left)))
        return left > 0

    try:
        return nodes.hunt(names, rounds, dear, nodes.Acts(ask, give_back, rest), keep)
    except Exception:  # whatever it was, half a group is paid for and of no use; then it goes on its way
        if not keep:
            give_back(list(held.values()))
        raise


def launch(fleet: Fleet, name: str, offer: Offer) -> Node | Refusal:
    """One node from one offer. A launch whose answer was lost is met again by its token, never made twice."""
    group = fleet.group
    private, public = fleet.host_keys.of(name)
    expires_at = nodes.expiry_after(datetime.now(timezone.utc), group.lifetime_seconds)
    data, tags = nodes.user_data(private, public, expires_at), nodes.tags_of(group, name, public, expires_at)
    generation = hashlib.sha256(public.encode()).hexdigest()
    facts = fleet.facts.get(offer.instance_type, TypeFacts())
    for attempt in range(_ATTEMPTS):
        token = nodes.client_token(group, name, generation, offer, attempt)
        arguments = nodes.launch_arguments(group, offer, facts, fleet.version, tags, data, token)
        try:
            node: Node | None = _node(_until_answered(fleet.launcher, arguments)["Instances"][0])
        except ClientError as error:
            code = error.response["Error"]["Code"]
            refusal = nodes.refusal_of(offer, code, group.max_price_usd)
            if refusal:
                return refusal
            if code != "IdempotentParameterMismatch":
                raise
            node = _launched_with(fleet.ec2, token)
        if node and node.state in _LIVING:
            return node
        # The token belongs to a node of the same name that is gone: the next attempt has a token of its own.
    raise NotReady(f"{_ATTEMPTS} earlier launches of {name} are known to AWS, and all are gone")


def _until_answered(launcher: Client, arguments: dict[str, t.Any]) -> dict[str, t.Any]:
    """RunInstances, repeated with the same token while the error may pass. A refusal is an answer."""
    attempt = 1
    while True:
        try:
            return t.cast("dict[str, t.Any]", launcher.run_instances(**arguments))
        except (ClientError, HTTPClientError) as error:
            if attempt == _ATTEMPTS or not _may_pass(error):
                raise
        time.sleep(_POLL_SECONDS * attempt)
        attempt += 1


def _may_pass(error: Exception) -> bool:
    if not isinstance(error, ClientError):
        return True  # the answer was lost on its way
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return nodes.is_passing(code, status, message)


def _launched_with(ec2: Client, token: str) -> Node | None:
    """The instance that was launched with ``token`` by somebody before us; AWS may need a moment to show it."""
    for _attempt in range(_ATTEMPTS):
        found = _described(ec2, Filters=[{"Name": "client-token", "Values": [token]}])
        if found:
            return found[0]
        time.sleep(_POLL_SECONDS)
    return None


def start(fleet: Fleet, step: Step, deadline: float) -> Refusal | None:
    """Start a node that was stopped; a refusal when its zone has no room for it now."""
    node = wait_until(fleet.ec2, [step.id], ("stopped", "running", "pending"), deadline)[0]
    try:
        fleet.ec2.start_instances(InstanceIds=[step.id])
    except ClientError as error:
        offer = Offer(node.instance_type, node.zone, node.market)
        refusal = nodes.refusal_of(offer, error.response["Error"]["Code"])
        if refusal is None:
            raise
        return refusal
    return None


def terminate(ec2: Client, ids: t.Sequence[str]) -> None:
    """Terminate the instances; the answer does not wait until they are gone."""
    if ids:
        ec2.terminate_instances(InstanceIds=list(ids))


def wait_until(ec2: Client, ids: t.Sequence[str], states: t.Sequence[str], deadline: float) -> list[Node]:
    """The nodes once each is in one of the states. Raises NotReady after ``deadline``, and for one that is gone."""
    while ids:
        try:
            found = _described(ec2, InstanceIds=list(ids))
        except ClientError as error:
            if error.response["Error"]["Code"] != "InvalidInstanceID.NotFound":
                raise
            found = []  # just launched: not every part of AWS knows it yet
        for node in found:
            if node.state not in (*_LIVING, *states):
                raise NotReady(
                    f"{node.name} ({node.id}) is {node.state}: {node.ended_because or 'AWS gives no reason'}"
                )
        if len(found) == len(ids) and all(node.state in states for node in found):
            return found
        if time.monotonic() > deadline:
            raise NotReady(f"gave up waiting until {', '.join(ids)} are {states[0]}")
        time.sleep(_POLL_SECONDS)
    return []

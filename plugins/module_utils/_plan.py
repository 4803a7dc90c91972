# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""What a stack would be: offers for each group, the bill, the quotas, and what forbids it. Pure."""

from __future__ import annotations

import math
import typing as t
from dataclasses import dataclass, replace

from ansible_collections.trainyard.aws.plugins.module_utils._bill import Line, Nodes, Shape, Volume, bill
from ansible_collections.trainyard.aws.plugins.module_utils._durations import seconds_of, text_of
from ansible_collections.trainyard.aws.plugins.module_utils._offers import (
    Group,
    InstanceType,
    Offer,
    columns,
    offers_of,
)
from ansible_collections.trainyard.aws.plugins.module_utils._prices import PriceList, sources_text
from ansible_collections.trainyard.aws.plugins.module_utils._quotas import Need, Quota, Row, refusal, rows

_SECONDS_PER_HOUR = 3600
_DEFAULT_ROOT_GIB = 100


@dataclass(frozen=True)
class Duration:
    """How long a run takes, and why we think so; ``hours`` is None when nobody said."""

    hours: float | None
    why: str


@dataclass(frozen=True)
class Facts:
    """What AWS said: instance types, their zones, prices, quotas and what uses them."""

    types: dict[str, InstanceType]
    zones_of: dict[str, list[str]]
    prices: PriceList
    quotas: tuple[Quota, ...] = ()
    in_use: tuple[Need, ...] = ()
    quota_fault: str = ""


@dataclass(frozen=True)
class Choice:
    """The offers of one group in order, what is left out, and why there may be none."""

    group: Group
    offers: tuple[Offer, ...]
    left_out: tuple[str, ...]

    @property
    def first(self) -> Offer | None:
        return self.offers[0] if self.offers else None

    @property
    def dearest(self) -> Offer | None:
        """The offer that costs most, of which one without a known price is the worst."""
        return max(self.offers, key=lambda offer: offer.price.usd if offer.price else float("inf"), default=None)

    def as_dict(self) -> dict[str, t.Any]:
        return {
            "name": self.group.name,
            "count": self.group.count,
            "offers": [offer.as_dict() for offer in self.offers],
            "left_out": list(self.left_out),
        }


@dataclass(frozen=True)
class Plan:
    """All of it, ready to be told."""

    choices: tuple[Choice, ...]
    lines: tuple[Line, ...]
    at_most: tuple[Line, ...]
    rows: tuple[Row, ...]
    duration: Duration
    budget_usd: float
    faults: tuple[str, ...]
    region: str
    notes: tuple[str, ...] = ()


def duration_of(max_duration: str, time_to_live: str, seconds_per_epoch: float, epochs: int) -> Duration:
    """The shortest of what is known: epochs as measured, the run's limit, the life of the stack."""
    known = []
    if seconds_per_epoch and epochs:
        known.append((seconds_per_epoch * epochs, f"{epochs} epochs of {seconds_per_epoch:g} s"))
    if max_duration:
        known.append((float(seconds_of(max_duration)), "the longest that the run may take"))
    if time_to_live:
        known.append((float(seconds_of(time_to_live)), "the life of the stack"))
    if not known:
        return Duration(None, "")
    seconds, why = min(known)
    return Duration(seconds / _SECONDS_PER_HOUR, why)


def group_of(item: t.Mapping[str, t.Any], types: t.Sequence[str], zones: t.Sequence[str]) -> Group:
    """A node group as the inventory has it. ``zones`` are those of the stack."""
    return Group(
        name=str(item["name"]),
        count=int(item.get("count", 1)),
        types=tuple(types),
        markets=tuple(item.get("markets") or ("on-demand",)),
        zones=tuple(item.get("zones") or zones),
        max_price_usd=float(item.get("max_price_usd") or 0),
    )


def volumes_of(item: t.Mapping[str, t.Any]) -> tuple[Volume, ...]:
    """The root volume and the others of each node of a group."""
    root = Volume(
        float(item.get("root_volume_gib") or _DEFAULT_ROOT_GIB),
        int(item.get("root_volume_iops") or 0),
        int(item.get("root_volume_throughput") or 0),
    )
    more = (
        Volume(float(one["size_gib"]), int(one.get("iops") or 0), int(one.get("throughput") or 0))
        for one in item.get("volumes") or ()
    )
    return (root, *more)


def choose(group: Group, facts: Facts, rows_: t.Sequence[Row]) -> Choice:
    """The offers of a group that the quotas allow."""
    offers, left_out = offers_of(group, facts.zones_of, facts.prices)
    allowed = []
    for offer in offers:
        why = refusal(rows_, facts.quotas, _need(group, offer.instance_type, offer.market, facts))
        if why:
            left_out.append(f"{offer.instance_type} {offer.market}: {why}")
        else:
            allowed.append(offer)
    return Choice(group, tuple(allowed), tuple(dict.fromkeys(left_out)))


def _need(group: Group, instance_type: str, market: str, facts: Facts) -> Need:
    known = facts.types.get(instance_type)
    return Need(group.name, instance_type, market, group.count * (known.vcpus if known else 0))


def needs_of(groups: t.Sequence[Group], shape: Shape, facts: Facts) -> list[Need]:
    """vCPUs that the stack wants, each type and market of each group, and the small machines beside them."""
    found = [_need(group, name, market, facts) for group in groups for market in group.markets for name in group.types]
    for name, instance_type, is_there in (
        ("bastion", shape.door_instance_type, shape.door == "bastion"),
        ("NAT instance", shape.nat_instance_type, shape.egress == "nat_instance"),
        ("monitor", shape.monitor_instance_type, shape.monitor == "instance"),
    ):
        if is_there:
            found.append(_need(Group(name, 1, (instance_type,)), instance_type, "on-demand", facts))
    return [need for need in found if need.vcpus]


def plan_of(
    items: t.Sequence[tuple[Group, tuple[Volume, ...]]],
    shape: Shape,
    facts: Facts,
    duration: Duration,
    budget_usd: float = 0,
) -> Plan:
    """The plan of a stack: each group with its volumes, and everything else as its shape."""
    groups = [group for group, _volumes in items]
    rows_ = rows(facts.quotas, needs_of(groups, shape, facts), facts.in_use)
    choices = [choose(group, facts, rows_) for group in groups]
    volumes = [volumes for _group, volumes in items]

    def billed(offer_of: t.Callable[[Choice], Offer | None]) -> tuple[Line, ...]:
        nodes = [_nodes_of(one, offer_of(one), some, facts) for one, some in zip(choices, volumes)]
        return tuple(bill(nodes, shape, facts.prices))

    plan = Plan(
        tuple(choices),
        billed(lambda choice: choice.first),
        billed(lambda choice: choice.dearest),
        tuple(rows_),
        duration,
        budget_usd,
        (),
        facts.prices.region,
        (facts.quota_fault,) if facts.quota_fault else (),
    )
    return replace(plan, faults=(*_offer_faults(plan), *_budget_faults(plan)))


def _nodes_of(choice: Choice, offer: Offer | None, volumes: tuple[Volume, ...], facts: Facts) -> Nodes:
    kind = facts.types.get(offer.instance_type) if offer else None
    # A part of a GPU is measured like a whole one.
    accelerators = math.ceil(kind.accelerator.count) if kind and kind.accelerator else 0
    return Nodes(choice.group.name, choice.group.count, offer, volumes, accelerators)


def with_missing_permissions(plan: Plan, missing: t.Sequence[str]) -> Plan:
    note = f"Permissions that you lack: {', '.join(sorted(missing))}."
    return replace(plan, notes=(*plan.notes, note)) if missing else plan


def per_hour(lines: t.Iterable[Line]) -> float:
    """What is known of the cost of an hour."""
    return sum(line.usd_per_hour or 0.0 for line in lines)


def per_run(lines: t.Iterable[Line], hours: float | None) -> float | None:
    """What is known of the cost of a run; None when nobody knows how long it takes."""
    return None if hours is None else sum(line.usd_per_run(hours) or 0.0 for line in lines)


def unpriced(lines: t.Iterable[Line]) -> list[str]:
    return list(dict.fromkeys(line.what for line in lines if line.price is None))


def _offer_faults(plan: Plan) -> list[str]:
    return [
        f"Group {choice.group.name} has no offer: {'; '.join(choice.left_out) or 'no instance type fits'}. "
        "Choose other types, markets or zones, or ask for a larger quota (trainyard.aws.service_quota)."
        for choice in plan.choices
        if choice.group.count and not choice.offers
    ]


def is_over_budget(plan: Plan) -> bool:
    total = per_run(plan.at_most, plan.duration.hours)
    return bool(plan.budget_usd and total is not None and total > plan.budget_usd)


def _budget_faults(plan: Plan) -> list[str]:
    if not plan.budget_usd:
        return []
    if plan.duration.hours is None:
        return [
            f"stack_budget_usd is {plan.budget_usd:g}, and nobody knows how long the stack lives. "
            "Set stack_time_to_live or aws_plan_max_duration, such as 12h."
        ]
    unknown = unpriced(plan.at_most)
    if unknown:
        return [
            f"stack_budget_usd is {plan.budget_usd:g}, and the price of {', '.join(unknown)} is not known. "
            "Choose another type or market, or set stack_budget_usd to 0."
        ]
    if not is_over_budget(plan):
        return []
    total = per_run(plan.at_most, plan.duration.hours) or 0.0
    dearest = [choice.dearest for choice in plan.choices if choice.dearest]
    offers = ", ".join(f"{offer.instance_type} {offer.market}" for offer in dearest)
    return [
        f"A run may cost {total:.2f} USD ({offers or 'without nodes'}, {_hours_text(plan.duration)}); "
        f"stack_budget_usd allows {plan.budget_usd:.2f}. "
        "Choose cheaper types or markets, fewer nodes, a shorter time, or a larger budget."
    ]


def _hours_text(duration: Duration) -> str:
    return text_of(round((duration.hours or 0) * _SECONDS_PER_HOUR))


def summary(plan: Plan) -> str:
    """The plan in one sentence, for those who only want to know what it costs."""
    hour, hour_at_most = per_hour(plan.lines), per_hour(plan.at_most)
    text = f"Estimate: {hour:.2f} USD an hour"
    if hour_at_most > hour:
        text += f", {hour_at_most:.2f} at most"
    run, run_at_most = (per_run(lines, plan.duration.hours) for lines in (plan.lines, plan.at_most))
    if run is not None and run_at_most is not None:
        text += f"; {run:.2f} USD a run of {_hours_text(plan.duration)}"
        text += f", {run_at_most:.2f} at most" if run_at_most > run else ""
    unknown = unpriced(plan.at_most)
    return text + (f"; without {', '.join(unknown)}, whose price is not known." if unknown else ".")


def sources(plan: Plan) -> str:
    return sources_text([line.price.source for line in plan.lines if line.price], plan.region)


def table_of(plan: Plan) -> str:
    """Everything as a text for the terminal: the bill, the offers, the quotas, and what stands in the way."""
    parts = [_bill_table(plan), _offers_table(plan), _quota_table(plan), _notes(plan)]
    return "\n\n".join(part for part in parts if part)


def _bill_table(plan: Plan) -> str:
    hours = plan.duration.hours
    run_head = f"USD/run of {_hours_text(plan.duration)}" if hours else "USD/run"
    rows_: list[tuple[str, ...]] = [("part", "what", "units", "USD/unit", "USD/h", run_head)]
    for line in plan.lines:
        told = line.as_dict(hours)
        price = "?" if line.price is None else f"{line.price.usd:.4g}"
        units = f"{line.units:g} {line.unit}"
        rows_.append((line.part, line.what, units, price, _usd(told["usd_per_hour"]), _usd(told["usd_per_run"], hours)))
    for name, lines in (("total", plan.lines), ("at most", plan.at_most)):
        rows_.append((name, "", "", "", f"{per_hour(lines):.3f}", _usd(per_run(lines, hours), hours)))
    return columns(rows_, right=(2, 3, 4, 5))


def _usd(value: float | None, is_known: t.Any = True) -> str:
    if value is None:
        return "?" if is_known else ""
    return f"{value:.3f}"


def _offers_table(plan: Plan) -> str:
    lines = []
    for choice in plan.choices:
        told = [
            f"{offer.instance_type} {offer.market} {offer.zone} {offer.price.usd:.4g}"
            if offer.price
            else f"{offer.instance_type} {offer.market} {offer.zone} ?"
            for offer in choice.offers
        ]
        lines.append(f"Offers of group {choice.group.name}, in order: {'; '.join(told) or 'none'}")
        lines += [f"  left out: {reason}" for reason in choice.left_out]
    return "\n".join(lines)


def _quota_table(plan: Plan) -> str:
    if not plan.rows:
        return ""
    rows_: list[tuple[str, ...]] = [("vCPU quota", "code", "needed", "in use", "allowed", "")]
    for row in plan.rows:
        numbers = (str(row.needed), str(row.in_use), str(int(row.quota.allowed)))
        rows_.append((row.quota.name, row.quota.code, *numbers, "" if row.is_enough else "too small"))
    return columns(rows_, right=(2, 3, 4))


def _notes(plan: Plan) -> str:
    hours = f"A run takes {_hours_text(plan.duration)}: {plan.duration.why}." if plan.duration.hours else ""
    return "\n".join(note for note in (hours, sources(plan), *plan.notes, *plan.faults, summary(plan)) if note)

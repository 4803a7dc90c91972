# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""How many vCPUs the account may run: which quota counts for a type, what uses it, and whether it is enough. Pure.

A quota is found by its name, since names say what they count and codes do not:
"Running On-Demand G and VT instances", "All P4, P3 and P2 Spot Instance Requests".
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

_ON_DEMAND = re.compile(r"Running On-Demand (?P<families>.+?) instances?")
_SPOT = re.compile(r"All (?P<families>.+?) Spot Instance Requests")
_FAMILY = re.compile(r"[a-z]+\d*")
# Where a quota is called otherwise than the instance types that it counts.
_CALLED = {"trainium": "trn", "inferentia": "inf"}
_LIVING = ("pending", "running")


@dataclass(frozen=True)
class Quota:
    """A quota on vCPUs of some families in one market."""

    code: str
    name: str
    allowed: float
    market: str  # "on-demand" or "spot"
    families: tuple[str, ...]


@dataclass(frozen=True)
class Need:
    """vCPUs that a group of nodes wants of one type in one market."""

    group: str
    instance_type: str
    market: str
    vcpus: int


@dataclass(frozen=True)
class Row:
    """A quota with what is needed and what is in use."""

    quota: Quota
    needed: int
    in_use: int

    @property
    def left(self) -> int:
        return int(self.quota.allowed) - self.in_use

    @property
    def is_enough(self) -> bool:
        return self.needed <= self.left

    def as_dict(self) -> dict[str, t.Any]:
        return {
            "code": self.quota.code,
            "name": self.quota.name,
            "market": self.quota.market,
            "needed": self.needed,
            "in_use": self.in_use,
            "allowed": int(self.quota.allowed),
            "is_enough": self.is_enough,
        }


def quota_of(item: t.Mapping[str, t.Any]) -> Quota | None:
    """A quota as ListServiceQuotas tells it; None when it counts something else than vCPUs of instances."""
    name = item["QuotaName"]
    for market, pattern in (("on-demand", _ON_DEMAND), ("spot", _SPOT)):
        match = pattern.fullmatch(name)
        if match:
            words = re.findall(r"[a-z]+\d*", match["families"].lower())
            families = tuple(_CALLED.get(word, word) for word in words if word not in ("and", "standard"))
            return Quota(item["QuotaCode"], name, float(item["Value"]), market, families)
    return None


def quotas_of(items: t.Iterable[t.Mapping[str, t.Any]]) -> list[Quota]:
    return [quota for quota in map(quota_of, items) if quota]


def find(quotas: t.Sequence[Quota], instance_type: str, market: str) -> Quota | None:
    """The quota that counts a type in a market. Reserved capacity counts as on demand.

    The generation goes before the letters (P5 before P), the letters before the first of them (VT; GR counts as G).
    """
    match = _FAMILY.match(instance_type.lower())
    if not match:
        return None
    generation = match[0]
    letters = generation.rstrip("0123456789")
    counted = "spot" if market == "spot" else "on-demand"
    for family in (generation, letters, letters[:1]):
        for quota in quotas:
            if quota.market == counted and family in quota.families:
                return quota
    return None


def rows(quotas: t.Sequence[Quota], needs: t.Sequence[Need], in_use: t.Sequence[Need]) -> list[Row]:
    """A row for each quota that something wanted counts on.

    A group that may take several types of one class needs as much as the largest: only one of them is started.
    """
    found = []
    for quota in quotas:
        by_group: dict[str, int] = {}
        for need in needs:
            if find(quotas, need.instance_type, need.market) == quota:
                by_group[need.group] = max(by_group.get(need.group, 0), need.vcpus)
        if by_group:
            used = sum(item.vcpus for item in in_use if find(quotas, item.instance_type, item.market) == quota)
            found.append(Row(quota, sum(by_group.values()), used))
    return found


def refusal(rows_: t.Sequence[Row], quotas: t.Sequence[Quota], need: Need) -> str:
    """Why a quota does not allow what one group needs, or an empty text when it does or is not known."""
    quota = find(quotas, need.instance_type, need.market)
    for row in rows_:
        if row.quota == quota and need.vcpus > row.left:
            return (
                f'{need.vcpus} vCPUs of {need.instance_type} exceed the quota "{row.quota.name}" ({row.quota.code}): '
                f"{int(row.quota.allowed)} allowed, {row.in_use} in use"
            )
    return ""


def uses(reservations: t.Iterable[t.Mapping[str, t.Any]], vcpus_of: t.Mapping[str, int], but: str) -> list[Need]:
    """What runs in the account, as DescribeInstances tells it, but for the stack ``but``."""
    found = []
    for instance in (item for reservation in reservations for item in reservation["Instances"]):
        tags = {tag["Key"]: tag["Value"] for tag in instance.get("Tags", ())}
        if instance["State"]["Name"] not in _LIVING or tags.get("trainyard:stack") == but:
            continue
        cpu = instance.get("CpuOptions") or {}
        threads = cpu.get("CoreCount", 0) * cpu.get("ThreadsPerCore", 1)
        market = "spot" if instance.get("InstanceLifecycle") == "spot" else "on-demand"
        name = instance["InstanceType"]
        found.append(Need("", name, market, vcpus_of.get(name) or threads))
    return found


def answer(
    quotas: t.Sequence[Quota], in_use: t.Sequence[Need], vcpus_of: t.Mapping[str, int], instance_type: str, market: str
) -> dict[str, t.Any]:
    """The quota that counts one type in one market, for people."""
    quota = find(quotas, instance_type, market)
    needs = [Need("", instance_type, market, vcpus_of.get(instance_type, 0))]
    row = next(iter(rows(quotas, needs, in_use)), None)
    return {
        "instance_type": instance_type,
        "market": market,
        "vcpus": needs[0].vcpus,
        "code": quota.code if quota else "",
        "name": quota.name if quota else "",
        "allowed": int(quota.allowed) if quota else 0,
        "in_use": row.in_use if row else 0,
        "left": row.left if row else 0,
    }

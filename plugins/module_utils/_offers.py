# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Which instance types there are, which of them fit, and in which order they are tried. Pure."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.trainyard.aws.plugins.module_utils._prices import Price, PriceList

_MIB_PER_GIB = 1024
_MIB_PER_GB = 1e9 / 2**20


@dataclass(frozen=True)
class Accelerator:
    """The accelerators of an instance type. ``count`` is below 1 where a type has a part of a GPU."""

    name: str
    count: float
    memory_mib: int  # of one


@dataclass(frozen=True)
class InstanceType:
    """What an instance type has."""

    name: str
    vcpus: int
    memory_mib: int
    accelerator: Accelerator | None = None
    network: str = ""
    efa_interfaces: int = 0
    storage_gb: int = 0
    architectures: tuple[str, ...] = ()
    markets: tuple[str, ...] = ("on-demand", "spot")

    def as_dict(self) -> dict[str, t.Any]:
        accelerator = self.accelerator or Accelerator("", 0, 0)
        return {
            "instance_type": self.name,
            "accelerator": accelerator.name,
            "accelerator_count": accelerator.count,
            "accelerator_memory_gib": round(accelerator.memory_mib / _MIB_PER_GIB, 1),
            "vcpus": self.vcpus,
            "memory_gib": round(self.memory_mib / _MIB_PER_GIB, 1),
            "storage_gb": self.storage_gb,
            "network": self.network,
            "efa_interfaces": self.efa_interfaces,
        }


@dataclass(frozen=True)
class Wanted:
    """What an instance type must have. Zero and the empty text ask for nothing."""

    accelerator: str = ""
    accelerator_count: float = 0
    accelerator_memory_gib: float = 0
    vcpus: int = 0
    memory_gib: float = 0
    efa: bool = False


@dataclass(frozen=True)
class Offer:
    """An instance type in a zone and a market, with its price an hour where it is known."""

    instance_type: str
    zone: str
    market: str
    price: Price | None = None

    def as_dict(self) -> dict[str, t.Any]:
        return {
            "instance_type": self.instance_type,
            "zone": self.zone,
            "market": self.market,
            "usd_per_hour": self.price.usd if self.price else None,
            "price_source": self.price.source if self.price else "",
        }


@dataclass(frozen=True)
class Group:
    """What matters of a node group when its offers are chosen."""

    name: str
    count: int
    types: tuple[str, ...]
    markets: tuple[str, ...] = ("on-demand",)
    zones: tuple[str, ...] = ()
    max_price_usd: float = 0


# Instance types that DescribeInstanceTypes may no longer know and that whoever has capacity can still start.
UNLISTED = {
    "dl1.24xlarge": InstanceType(
        "dl1.24xlarge",
        96,
        768 * _MIB_PER_GIB,
        Accelerator("Gaudi HL-205", 8, 32 * _MIB_PER_GIB),
        "400 Gigabit",
        4,
        4000,
        ("x86_64",),
        ("on-demand", "spot"),
    )
}

# Families that may have accelerators; asking for them by pattern takes two pages where all types take fourteen.
ACCELERATED = ("dl*", "g*", "inf*", "p*", "trn*", "vt*")


def type_of(description: t.Mapping[str, t.Any]) -> InstanceType:
    """An instance type as DescribeInstanceTypes tells it."""
    network = description.get("NetworkInfo", {})
    return InstanceType(
        name=description["InstanceType"],
        vcpus=description["VCpuInfo"]["DefaultVCpus"],
        memory_mib=description["MemoryInfo"]["SizeInMiB"],
        accelerator=_accelerator(description),
        network=network.get("NetworkPerformance", ""),
        efa_interfaces=(network.get("EfaInfo") or {}).get("MaximumEfaInterfaces", 0),
        storage_gb=(description.get("InstanceStorageInfo") or {}).get("TotalSizeInGB", 0),
        architectures=tuple(description.get("ProcessorInfo", {}).get("SupportedArchitectures", ())),
        markets=tuple(description.get("SupportedUsageClasses", ("on-demand",))),
    )


def _accelerator(description: t.Mapping[str, t.Any]) -> Accelerator | None:
    for info, items in (
        ("GpuInfo", "Gpus"),
        ("NeuronInfo", "NeuronDevices"),
        ("InferenceAcceleratorInfo", "Accelerators"),
        ("MediaAcceleratorInfo", "Accelerators"),
    ):
        for item in (description.get(info) or {}).get(items, ()):
            count = item.get("Count") or item.get("LogicalGpuCount", 0) * item.get("GpuPartitionSize", 1)
            return Accelerator(item.get("Name", ""), count, (item.get("MemoryInfo") or {}).get("SizeInMiB", 0))
    return None


def fits(instance_type: InstanceType, wanted: Wanted) -> bool:
    accelerator = instance_type.accelerator or Accelerator("", 0, 0)
    return (
        (not wanted.accelerator or _is_named(accelerator.name, wanted.accelerator))
        and (not wanted.accelerator_count or accelerator.count == wanted.accelerator_count)
        and _has_memory(accelerator, wanted.accelerator_memory_gib)
        and instance_type.vcpus >= wanted.vcpus
        and instance_type.memory_mib >= wanted.memory_gib * _MIB_PER_GIB
        and (not wanted.efa or instance_type.efa_interfaces > 0)
    )


def _is_named(name: str, wanted: str) -> bool:
    """ "RTX PRO 6000" names the "RTX PRO Server 6000"; "L4" does not name the "L40S"."""
    words = set(re.findall(r"[a-z0-9]+", name.lower()))
    return bool(words) and set(re.findall(r"[a-z0-9]+", wanted.lower())) <= words


def _has_memory(accelerator: Accelerator, gib: float) -> bool:
    """The L4 is sold with 24 GB, which are 22.4 GiB: whoever asks for 24 means it."""
    return round(accelerator.memory_mib / _MIB_PER_GB, 1) >= gib


def by_price(types: t.Iterable[InstanceType], prices: PriceList) -> list[InstanceType]:
    """The cheapest first; what has no price last."""

    def key(instance_type: InstanceType) -> tuple[float, int, int, str]:
        price = prices.on_demand(instance_type.name)
        usd = price.usd if price else float("inf")
        return usd, instance_type.vcpus, instance_type.memory_mib, instance_type.name

    return sorted(types, key=key)


def offers_of(
    group: Group, zones_of: t.Mapping[str, t.Collection[str]], prices: PriceList
) -> tuple[list[Offer], list[str]]:
    """The offers of a group in the order in which they are tried, and a line for each that is left out.

    Markets count most, then types, then zones: on the spot market the cheapest zone, else the first named.
    """
    offers, left_out = [], []
    for market in group.markets:
        for name in group.types:
            zones = [zone for zone in group.zones or sorted(zones_of.get(name, ())) if zone in zones_of.get(name, ())]
            if not zones:
                left_out.append(f"{name} {market}: not offered in {', '.join(group.zones) or 'any zone'}")
            here = [Offer(name, zone, market, prices.offer(name, zone, market)) for zone in zones]
            if market == "spot":
                here.sort(key=lambda offer: offer.price.usd if offer.price else float("inf"))
            for offer in here:
                if group.max_price_usd and offer.price and offer.price.usd > group.max_price_usd:
                    reason = f"{offer.price.usd:.4g} USD an hour is above {group.max_price_usd:.4g}"
                    left_out.append(f"{name} {market} {offer.zone}: {reason}")
                else:
                    offers.append(offer)
    return offers, list(dict.fromkeys(left_out))


def row_of(instance_type: InstanceType, prices: PriceList, zones: t.Sequence[str]) -> dict[str, t.Any]:
    """An instance type with its prices and zones, as a module answers it."""
    price = prices.on_demand(instance_type.name)
    spot = {zone: usd for (name, zone), usd in prices.spot.items() if name == instance_type.name and zone in zones}
    zone = min(spot, key=lambda name: (spot[name], name)) if spot else ""
    return {
        **instance_type.as_dict(),
        "usd_per_hour": price.usd if price else None,
        "price_source": price.source if price else "",
        "spot_usd_per_hour": spot[zone] if zone else None,
        "spot_zone": zone,
        "zones": list(zones),
    }


def table_of(rows: t.Sequence[t.Mapping[str, t.Any]]) -> str:
    """Instance types and their prices as columns for the terminal."""
    head = ("type", "accelerator", "GPU GiB", "vCPU", "GiB", "disk GB", "network", "EFA", "USD/h", "spot")
    lines = [head]
    for row in rows:
        count = f"{row['accelerator_count']:g} x " if row["accelerator"] else ""
        lines.append(
            (
                row["instance_type"],
                count + row["accelerator"],
                f"{row['accelerator_memory_gib'] * row['accelerator_count']:g}" if row["accelerator"] else "",
                str(row["vcpus"]),
                f"{row['memory_gib']:g}",
                str(row["storage_gb"] or ""),
                row["network"].replace(" Gigabit", ""),
                str(row["efa_interfaces"] or ""),
                _usd(row["usd_per_hour"]),
                _usd(row["spot_usd_per_hour"]),
            )
        )
    return columns(lines, right=(2, 3, 4, 5, 7, 8, 9))


def _usd(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def columns(lines: t.Sequence[t.Sequence[str]], right: t.Collection[int] = ()) -> str:
    """Cells as a text with aligned columns; those in ``right`` are aligned to the right."""
    widths = [max(len(line[number]) for line in lines) for number in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(line, widths))
        ).rstrip()
        for line in lines
    )

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""What things cost: questions to the Price List API, the reading of its answers, and the table behind them. Pure."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass, field

from ansible_collections.trainyard.aws.plugins.module_utils import _price_table as table

HOURS_PER_MONTH = 730
API = "Price List API"
TABLE = f"table of {table.REGION} at {table.AS_OF}"
_MIB_PER_GIB = 1024


@dataclass(frozen=True)
class Price:
    """US dollars for one unit, and where the figure comes from."""

    usd: float
    source: str


@dataclass(frozen=True)
class Question:
    """One GetProducts call: a service and the attributes that its products must have."""

    service: str
    attributes: tuple[tuple[str, str], ...]

    def filters(self) -> list[dict[str, str]]:
        return [{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in self.attributes]


@dataclass(frozen=True)
class Part:
    """A billable part: where its price is asked, and the usage type that its product has in every region."""

    service: str
    attributes: tuple[tuple[str, str], ...]
    usage: str
    operation: str = ""


PARTS = {
    "ebs_gib": Part("AmazonEC2", (("volumeApiName", "gp3"),), "EBS:VolumeUsage.gp3"),
    "ebs_iops": Part("AmazonEC2", (("volumeApiName", "gp3"),), "EBS:VolumeP-IOPS.gp3"),
    "ebs_mibps": Part("AmazonEC2", (("volumeApiName", "gp3"),), "EBS:VolumeP-Throughput.gp3"),
    "nat_hour": Part("AmazonEC2", (("productFamily", "NAT Gateway"),), "NatGateway-Hours"),
    "nat_gib": Part("AmazonEC2", (("productFamily", "NAT Gateway"),), "NatGateway-Bytes"),
    "public_ipv4_hour": Part("AmazonVPC", (), "PublicIPv4:InUseAddress"),
    "endpoint_hour": Part("AmazonVPC", (), "VpcEndpoint-Hours"),
    "endpoint_gib": Part("AmazonVPC", (), "VpcEndpoint-Bytes"),
    "efs_gib": Part("AmazonEFS", (), "TimedStorage-ByteHrs"),
    "efs_read_gib": Part("AmazonEFS", (), "ETDataAccess-Bytes", "Read"),
    "efs_write_gib": Part("AmazonEFS", (), "ETDataAccess-Bytes", "Write"),
    "s3_gib": Part("AmazonS3", (("volumeType", "Standard"),), "TimedStorage-ByteHrs"),
    "metric": Part("AmazonCloudWatch", (("productFamily", "Metric"),), "CW:MetricMonitorUsage"),
    "alarm": Part("AmazonCloudWatch", (("productFamily", "Alarm"),), "CW:AlarmMonitorUsage"),
    "log_gib": Part("AmazonCloudWatch", (("productFamily", "Data Payload"),), "DataProcessing-Bytes"),
    "flow_log_gib": Part("AmazonCloudWatch", (("group", "Delivered Logs"),), "S3-Egress-Bytes"),
    "lustre_scratch_gib": Part("AmazonFSx", (("fileSystemType", "Lustre"),), "Storage-Scratch:SSD"),
    "lustre_persistent_gib": Part("AmazonFSx", (("fileSystemType", "Lustre"),), "Storage-SAZ:SSD-125"),
}


@dataclass(frozen=True)
class PriceList:
    """The prices of one region. What the API did not answer comes from the table, and says so."""

    region: str
    instances: dict[str, float] = field(default_factory=dict)
    parts: dict[str, float] = field(default_factory=dict)
    spot: dict[tuple[str, str], float] = field(default_factory=dict)

    def part(self, name: str) -> Price:
        if name in self.parts:
            return Price(self.parts[name], API)
        return Price(table.PARTS[name], TABLE)

    def on_demand(self, instance_type: str) -> Price | None:
        if instance_type in self.instances:
            return Price(self.instances[instance_type], API)
        usd = price_in_table(instance_type)
        return None if usd is None else Price(usd, TABLE)

    def offer(self, instance_type: str, zone: str, market: str) -> Price | None:
        """The price of an instance in a zone and a market. What is reserved is paid on demand or was paid before."""
        if market != "spot":
            return self.on_demand(instance_type)
        usd = self.spot.get((instance_type, zone))
        return None if usd is None else Price(usd, "spot price now")


def price_in_table(instance_type: str) -> float | None:
    family, _dot, size = instance_type.partition(".")
    if size in table.PER_HOUR.get(family, {}):
        return table.PER_HOUR[family][size]
    number, _x, rest = size.partition("xlarge")
    larges = 2.0 * int(number) if number.isdigit() and not rest else table.SIZES_OF_LARGE.get(size)
    if larges is None or family not in table.PER_HOUR_OF_LARGE:
        return None
    return round(table.PER_HOUR_OF_LARGE[family] * larges, 6)


def instance_question(instance_type: str, region: str) -> Question:
    return Question(
        "AmazonEC2",
        (
            ("instanceType", instance_type),
            ("regionCode", region),
            ("operatingSystem", "Linux"),
            ("preInstalledSw", "NA"),
            ("capacitystatus", "Used"),
            ("tenancy", "Shared"),
            ("marketoption", "OnDemand"),
        ),
    )


def part_questions(names: t.Iterable[str], region: str) -> dict[str, Question]:
    """For each part the question that its price is in; parts may share one."""
    return {
        name: Question(PARTS[name].service, (("regionCode", region), *PARTS[name].attributes)) for name in sorted(names)
    }


def usd_of_instance(documents: t.Sequence[str]) -> float | None:
    """The hourly price in the products that answer for one instance type."""
    prices = [usd for usd in (_usd(json.loads(text), "Hrs") for text in documents) if usd]
    return prices[0] if prices else None


def usd_of_part(name: str, documents: t.Sequence[str]) -> float | None:
    """The price of a part among the products of its question: the first tier, which the smallest bill pays."""
    part = PARTS[name]
    for text in documents:
        product = json.loads(text)
        attributes = product["product"]["attributes"]
        if not _is_usage(attributes.get("usagetype", ""), part.usage):
            continue
        if part.operation and part.operation.lower() not in json.dumps(attributes).lower():
            continue
        usd = _usd(product)
        if usd:
            return usd
    return None


def _is_usage(usage: str, wanted: str) -> bool:
    """Outside us-east-1, and sometimes there, a usage type begins with a short name of the region: EUC1-..."""
    return usage == wanted or (usage.endswith(f"-{wanted}") and "-" not in usage[: -len(wanted) - 1])


def _usd(product: dict[str, t.Any], unit: str = "") -> float | None:
    for term in product.get("terms", {}).get("OnDemand", {}).values():
        tiers = sorted(term["priceDimensions"].values(), key=lambda tier: float(tier.get("beginRange") or 0))
        for tier in tiers:
            usd = float(tier["pricePerUnit"].get("USD", 0))
            if usd and unit in ("", tier["unit"]):
                return usd / _MIB_PER_GIB if tier["unit"].lower() == "gibps-mo" else usd
    return None


def sources_text(sources: t.Iterable[str], region: str) -> str:
    """One sentence on where the prices come from; what is free comes from nowhere."""
    used = sorted(set(filter(None, sources)))
    text = "Prices: " + (", ".join(used) or "none") + "."
    if TABLE in used and region != table.REGION:
        text += f" The table is of {table.REGION}; {region} may differ."
    return text

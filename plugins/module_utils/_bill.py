# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""The billable parts of a stack: what each costs an hour and a run. Pure."""

from __future__ import annotations

import datetime
import typing as t
from dataclasses import dataclass, field

from ansible_collections.trainyard.aws.plugins.module_utils._offers import Offer
from ansible_collections.trainyard.aws.plugins.module_utils._price_table import REGION
from ansible_collections.trainyard.aws.plugins.module_utils._prices import HOURS_PER_MONTH, Price, PriceList
from ansible_collections.trainyard.aws.plugins.module_utils._run_metrics import ALARM_UNITS, RUN_UNITS
from ansible_collections.trainyard.aws.plugins.module_utils._stack import ALARMS

_BASELINE_IOPS = 3000
_BASELINE_MIBPS = 125
_BYTES_PER_GIB = 1024**3
_SECONDS_PER_HOUR = 3600
_FREE = Price(0.0, "")
_SMALL_ROOT_GIB = 20  # what aws_instance gives the bastion, the NAT instance and the monitor

# How many metrics the CloudWatch agent reports of a node, as role cloudwatch_agent has them by default: of each thing that a
# section measures, and how many of these a node is thought to have.
AGENT_METRICS = {
    "cpu": (4, 1),
    "mem": (2, 1),
    "swap": (1, 1),
    "disk": (2, 2),  # the root and the shared file system
    "diskio": (5, 2),  # the root disk and its part
    "net": (4, 3),  # the card, the loopback and Docker's bridge
    "netstat": (2, 1),
    "processes": (4, 1),
}
ACCELERATOR_METRICS = 6
REPORTED_METRICS = 3  # by role cloudwatch_agent's own service: a run, the price, the end
TRAINING_METRICS = 4  # what a log is thought to tell, such as loss and accuracy, twice

# The kinds of resource that AWS takes no money for.
FREE = frozenset(
    {
        "flow_log",  # what it writes is billed where it is written
        "iam_role",
        "instance_connect_endpoint",
        "instance_profile",
        "internet_gateway",
        "key_pair",
        "launch_template",
        "mount_target",
        "network_interface",
        "parameter",  # of the standard tier
        "placement_group",
        "route_table",
        "schedule_group",  # 14 million invocations a month cost nothing
        "security_group",
        "spot_request",
        "subnet",
        "vpc",
    }
)


@dataclass(frozen=True)
class Line:
    """One billable part. ``usd`` is for one unit; ``units`` are paid an hour, or once a run when ``once`` is true."""

    part: str
    what: str
    units: float
    unit: str
    price: Price | None
    once: bool = False

    @property
    def usd_per_hour(self) -> float | None:
        if self.price is None:
            return None
        return 0.0 if self.once else self.units * self.price.usd

    def usd_per_run(self, hours: float) -> float | None:
        if self.price is None:
            return None
        return self.units * self.price.usd * (1 if self.once else hours)

    def as_dict(self, hours: float | None) -> dict[str, t.Any]:
        per_run = self.usd_per_run(hours or 0) if hours or self.once else None
        return {
            "part": self.part,
            "what": self.what,
            "units": self.units,
            "unit": self.unit,
            "usd_per_unit": self.price.usd if self.price else None,
            "usd_per_hour": _rounded(self.usd_per_hour),
            "usd_per_run": _rounded(per_run),
            "source": self.price.source if self.price else "",
        }


def _rounded(usd: float | None) -> float | None:
    return None if usd is None else round(usd, 6)


@dataclass(frozen=True)
class Volume:
    """A gp3 volume."""

    size_gib: float
    iops: int = 0
    throughput: int = 0


@dataclass(frozen=True)
class Nodes:
    """The nodes of a group, as far as they cost: the offer that is paid, and the volumes of each node."""

    name: str
    count: int
    offer: Offer | None
    volumes: tuple[Volume, ...] = ()
    accelerators: int = 0  # of each node


@dataclass(frozen=True)
class Shape:
    """Everything else about a stack that costs something."""

    zones: int = 1
    door: str = "bastion"
    door_instance_type: str = "t3.micro"
    egress: str = "nat_gateway"
    nat_instance_type: str = "t3.nano"
    endpoint_services: int = 0
    file_system: bool = True
    bucket: bool = True
    lustre_gib: int = 0
    lustre_deployment_type: str = "SCRATCH_2"
    termination_schedules: bool = False
    monitor: str = "instance"
    monitor_instance_type: str = "t3.small"
    traffic: dict[str, float | None] = field(default_factory=dict)  # GiB a run or a month, by what moves or stores them
    agent: bool = True
    run_metrics: bool = True

    def gib(self, name: str) -> float:
        return float(self.traffic.get(name) or 0)


PARTS_OF_A_PLAN = (
    "ebs_gib",
    "ebs_iops",
    "ebs_mibps",
    "nat_hour",
    "nat_gib",
    "public_ipv4_hour",
    "endpoint_hour",
    "endpoint_gib",
    "efs_gib",
    "efs_read_gib",
    "efs_write_gib",
    "s3_gib",
    "metric",
    "alarm",
    "log_gib",
    "flow_log_gib",
)


def parts_of(shape: Shape) -> list[str]:
    """The parts whose prices are worth asking for."""
    lustre = [_lustre_part(shape.lustre_deployment_type)] if shape.lustre_gib else []
    return [*PARTS_OF_A_PLAN, *lustre]


def bill(nodes: t.Sequence[Nodes], shape: Shape, prices: PriceList) -> list[Line]:
    """Every billable part of the stack, the nodes first."""
    lines = [line for group in nodes for line in _nodes(group, prices)]
    return [
        *lines,
        *_door(shape, prices),
        *_egress(shape, prices),
        *_storage(shape, prices),
        *_watching(nodes, shape, prices),
        *_monitor(shape, prices),
        *_ending(nodes, shape),
    ]


def _nodes(group: Nodes, prices: PriceList) -> list[Line]:
    if not group.count:
        return []
    offer = group.offer
    what = f"{offer.instance_type} {offer.market} {offer.zone}" if offer else "no offer"
    part = f"nodes {group.name}"
    lines = [Line(part, what, group.count, "instance-hour", offer.price if offer else None)]
    return lines + _volumes(part, group.count, group.volumes, prices)


def _volumes(part: str, count: int, volumes: t.Sequence[Volume], prices: PriceList) -> list[Line]:
    gib = count * sum(volume.size_gib for volume in volumes)
    iops = count * sum(max(volume.iops - _BASELINE_IOPS, 0) for volume in volumes)
    mibps = count * sum(max(volume.throughput - _BASELINE_MIBPS, 0) for volume in volumes)
    return [
        _monthly(part, f"EBS gp3 {what}", units, unit, prices.part(name))
        for what, units, unit, name in (
            ("storage", gib, "GiB", "ebs_gib"),
            ("IOPS beyond 3000", iops, "IOPS", "ebs_iops"),
            ("MiB/s beyond 125", mibps, "MiB/s", "ebs_mibps"),
        )
        if units
    ]


def _monthly(part: str, what: str, units: float, unit: str, price: Price) -> Line:
    """What is priced by the month, told by the hour."""
    return Line(part, what, units, unit, Price(price.usd / HOURS_PER_MONTH, price.source))


def _door(shape: Shape, prices: PriceList) -> list[Line]:
    if shape.door != "bastion":
        return []
    return [
        Line("bastion", f"{shape.door_instance_type} on-demand", 1, "instance-hour", _type(shape.door_instance_type, prices)),
        *_volumes("bastion", 1, (Volume(_SMALL_ROOT_GIB),), prices),
        Line("bastion", "public IPv4", 1, "address-hour", prices.part("public_ipv4_hour")),
    ]  # fmt: skip


def _type(instance_type: str, prices: PriceList) -> Price | None:
    return prices.on_demand(instance_type)


def _egress(shape: Shape, prices: PriceList) -> list[Line]:
    gib = shape.gib("egress")
    if shape.egress == "nat_gateway":
        return [
            Line("NAT gateway", "hours", 1, "gateway-hour", prices.part("nat_hour")),
            Line("NAT gateway", "public IPv4", 1, "address-hour", prices.part("public_ipv4_hour")),
            Line("NAT gateway", f"traffic, {gib:g} GB a run", gib, "GB", prices.part("nat_gib"), once=True),
        ]
    if shape.egress == "nat_instance":
        name = shape.nat_instance_type
        return [
            Line("NAT instance", f"{name} on-demand", 1, "instance-hour", _type(name, prices)),
            *_volumes("NAT instance", 1, (Volume(_SMALL_ROOT_GIB),), prices),
            Line("NAT instance", "public IPv4", 1, "address-hour", prices.part("public_ipv4_hour")),
        ]
    if shape.egress == "endpoints":
        number = shape.endpoint_services * shape.zones
        what = f"{shape.endpoint_services} services in {shape.zones} zones"
        return [
            Line("VPC endpoints", what, number, "endpoint-hour", prices.part("endpoint_hour")),
            Line("VPC endpoints", f"traffic, {gib:g} GB a run", gib, "GB", prices.part("endpoint_gib"), once=True),
        ]
    return []


def _storage(shape: Shape, prices: PriceList) -> list[Line]:
    lines = []
    if shape.file_system:
        stored, read, written = (shape.gib(name) for name in ("file_system", "file_system_read", "file_system_write"))
        lines += [
            _monthly("EFS", f"{stored:g} GiB stored", stored, "GiB", prices.part("efs_gib")),
            Line("EFS", f"elastic reads, {read:g} GB a run", read, "GB", prices.part("efs_read_gib"), once=True),
            Line("EFS", f"elastic writes, {written:g} GB a run", written, "GB", prices.part("efs_write_gib"), once=True),
        ]  # fmt: skip
    if shape.bucket:
        stored = shape.gib("bucket")
        lines.append(_monthly("S3", f"{stored:g} GiB stored", stored, "GiB", prices.part("s3_gib")))
    if shape.lustre_gib:
        price = prices.part(_lustre_part(shape.lustre_deployment_type))
        lines.append(_monthly("FSx for Lustre", shape.lustre_deployment_type, shape.lustre_gib, "GiB", price))
    return lines


def _lustre_part(deployment_type: str) -> str:
    return "lustre_scratch_gib" if deployment_type.startswith("SCRATCH") else "lustre_persistent_gib"


def metrics_of(nodes: t.Sequence[Nodes], shape: Shape) -> float:
    """How many metrics there are while all nodes train, unless somebody has said."""
    said = shape.traffic.get("metrics")
    if said is not None:
        return said
    by_agent = sum(names * things for names, things in AGENT_METRICS.values()) + REPORTED_METRICS
    of_agents = sum(each.count * (by_agent + each.accelerators * ACCELERATOR_METRICS) for each in nodes)
    count = sum(each.count for each in nodes)
    of_runs = count * (len(RUN_UNITS) + TRAINING_METRICS) + len(ALARM_UNITS) if count else 0
    return of_agents * shape.agent + of_runs * shape.run_metrics


def _watching(nodes: t.Sequence[Nodes], shape: Shape, prices: PriceList) -> list[Line]:
    metrics, (logs, flows) = metrics_of(nodes, shape), (shape.gib(name) for name in ("logs", "flow_logs"))
    lines = [
        _monthly("CloudWatch", f"{metrics:g} metrics", metrics, "metric", prices.part("metric")),
        _monthly("CloudWatch", f"{len(ALARMS)} alarms", len(ALARMS), "alarm", prices.part("alarm")),
        Line("CloudWatch", f"logs, {logs:g} GB a run", logs, "GB", prices.part("log_gib"), once=True),
    ]
    if flows:
        price = prices.part("flow_log_gib")
        lines.append(Line("flow logs", f"to the bucket, {flows:g} GB a run", flows, "GB", price, once=True))
    return lines


def _monitor(shape: Shape, prices: PriceList) -> list[Line]:
    if shape.monitor != "instance":
        return []
    name = shape.monitor_instance_type
    return [
        Line("monitor", f"{name} on-demand", 1, "instance-hour", _type(name, prices)),
        *_volumes("monitor", 1, (Volume(_SMALL_ROOT_GIB),), prices),
    ]


def _ending(nodes: t.Sequence[Nodes], shape: Shape) -> list[Line]:
    if not shape.termination_schedules:
        return []
    number = sum(group.count for group in nodes)
    what = "schedules that end nodes; 14 million a month are free"
    return [Line("EventBridge", what, number, "invocation", _FREE, once=True)]


def resource_usd_per_hour(
    kind: str, attributes: t.Mapping[str, t.Any], prices: PriceList | None = None
) -> float | None:
    """What a resource that is there costs an hour; None where that is unknown.

    Without ``prices`` those of the table count. A spot instance whose price is unknown counts as one on demand.
    """
    known = prices or PriceList(REGION)
    if kind in FREE:
        return 0.0
    if kind == "instance":
        return _instance(attributes, known)
    if kind == "volume":
        volume = Volume(attributes.get("size_gib") or 0, attributes.get("iops") or 0, attributes.get("throughput") or 0)
        return sum(line.usd_per_hour or 0.0 for line in _volumes("", 1, (volume,), known))
    if kind == "file_system":
        stored = (attributes.get("size_bytes") or 0) / _BYTES_PER_GIB
        return stored * known.part("efs_gib").usd / HOURS_PER_MONTH
    if kind == "lustre_file_system":
        part = _lustre_part(attributes.get("deployment_type") or "")
        return (attributes.get("size_gib") or 0) * known.part(part).usd / HOURS_PER_MONTH
    if kind == "vpc_endpoint":
        zones = attributes.get("zones") or attributes.get("subnet_ids") or ()
        is_free = str(attributes.get("endpoint_type") or "").lower() == "gateway"
        return 0.0 if is_free else len(zones) * known.part("endpoint_hour").usd
    if kind == "alarm":
        return known.part("alarm").usd / HOURS_PER_MONTH
    part = {"nat_gateway": "nat_hour", "elastic_ip": "public_ipv4_hour"}.get(kind, "")
    return known.part(part).usd if part else None


def _instance(attributes: t.Mapping[str, t.Any], prices: PriceList) -> float | None:
    if attributes.get("state") in ("stopped", "stopping", "shutting-down"):
        return 0.0
    name, zone = str(attributes.get("instance_type") or ""), str(attributes.get("zone") or "")
    price = prices.offer(name, zone, str(attributes.get("market") or "on-demand")) or prices.on_demand(name)
    if price is None:
        return None
    return price.usd + (prices.part("public_ipv4_hour").usd if attributes.get("public_ip_address") else 0.0)


def cost_so_far(resource: t.Mapping[str, t.Any], now: datetime.datetime) -> float | None:
    """What a resource has cost since it was made, as far as its price is known and was the same all the time."""
    usd, since = resource.get("usd_per_hour"), resource.get("since")
    if usd is None or (usd and not since):
        return None
    if not usd:
        return 0.0
    made = datetime.datetime.fromisoformat(str(since).replace("Z", "+00:00"))
    made = made if made.tzinfo else made.replace(tzinfo=datetime.timezone.utc)
    return float(usd) * max((now - made).total_seconds(), 0.0) / _SECONDS_PER_HOUR

#!/usr/bin/env python3
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write Grafana's dashboards: what `make dashboards` runs. Its output is committed, and a test tells when it is not what this makes.

Each dashboard is there twice, over CloudWatch and over Prometheus, with the same panels. What has no counterpart in one of the
sources is left out there.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders import cloudwatch, common, prometheus, stat, timeseries
from grafana_foundation_sdk.builders import dashboard as boards
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import cloudwatch as cloudwatch_models
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    DataSourceRef,
    GraphDrawStyle,
    GraphThresholdsStyleMode,
    StackingMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    GridPos,
    Threshold,
    ThresholdsMode,
    VariableRefresh,
    VariableSort,
)

FOLDER = Path(__file__).resolve().parents[1] / "roles" / "grafana" / "files" / "dashboards"
SOURCES = ("cloudwatch", "prometheus")
WIDTH, HEIGHT = 24, 8
STAT_HEIGHT = 4
REPEATS = 3
# What CloudWatch has of a minute: shorter periods would have holes.
PERIOD = "60"
EVERY = "*"


@dataclass(frozen=True)
class Metric:
    """A metric of CloudWatch, of each value of a dimension that is `*`."""

    name: str
    dimensions: dict[str, str] = field(default_factory=dict)
    statistic: str = "Average"
    label: str = ""
    namespace: str = "$namespace"


@dataclass(frozen=True)
class Query:
    """The same thing asked of each source. None where it does not know it."""

    metric: Metric | None
    promql: str | None
    legend: str = ""

    def known_to(self, source: str) -> bool:
        return (self.metric if source == "cloudwatch" else self.promql) is not None


@dataclass(frozen=True)
class Panel:
    """A number or a chart. `unit` as Grafana names it, `limit` where the colour changes to red."""

    title: str
    about: str
    unit: str
    queries: tuple[Query, ...]
    width: int = 8
    is_number: bool = False
    limit: float | None = None
    red_below: bool = False
    stacked: bool = False
    repeated: str = ""
    most: float | None = None
    decimals: int | None = None


@dataclass(frozen=True)
class Choice:
    """A variable above the dashboard: the values that a dimension of a metric has, and the same as labels in Prometheus."""

    name: str
    title: str
    query: dict[str, Any]
    promql: str
    several: bool = False
    sources: tuple[str, ...] = SOURCES
    regex: str = ""


@dataclass(frozen=True)
class Board:
    name: str
    title: str
    about: str
    choices: tuple[Choice, ...]
    rows: tuple[tuple[str, tuple[Panel, ...]], ...]


# ---- What is asked -------------------------------------------------------------------------------------------------


def of_run(name: str, label: str = "", statistic: str = "Average") -> Query:
    """Written for each run by the supervisor on its node."""
    promql = f'trainyard_{name}{{stack="$stack", run="$run"}}'
    return Query(Metric(name, {"run": "$run"}, statistic, label), promql, label or "{{node}}")


def of_stack(name: str, label: str = "") -> Query:
    """The worst of all runs and nodes: what the alarms look at."""
    return Query(Metric(name, {}, "Maximum", label), f'max(trainyard_{name}{{stack="$stack"}})', label)


def of_node(name: str | None, promql: str | None, label: str, /, **dimensions: str) -> Query:
    """Of the node that is chosen. CloudWatch's label names a dimension in braces: `{path}`."""
    metric = (
        Metric(name, {"InstanceId": "$instance", **dimensions}, _statistic(name), _dynamic(label)) if name else None
    )
    return Query(metric, promql, _legend(label))


def of_each_node(name: str | None, promql: str | None, /, **dimensions: str) -> Query:
    """Of every node of the stack."""
    label = " ".join(("{InstanceId}", *(f"{{{name}}}" for name in dimensions)))
    metric = Metric(name, {"InstanceId": EVERY, **dimensions}, _statistic(name), _dynamic(label)) if name else None
    return Query(metric, promql, _legend(label))


# The agent tells how many bytes since it told last, once a minute, and so does EFS.
_SUMS = ("bytes", "diskio_", "net_")
# What exporters of Prometheus call a dimension.
_LABELS = {"InstanceId": "node", "index": "gpu", "path": "mountpoint"}


def _statistic(name: str) -> str:
    return "Sum" if name.startswith(_SUMS) else "Average"


def _legend(label: str) -> str:
    """Prometheus's words for the value of a label."""
    return re.sub(r"\{(\w+)\}", lambda found: f"{{{{{_LABELS.get(found[1], found[1])}}}}}", label)


def _dynamic(label: str) -> str:
    """CloudWatch's own words for the value of a dimension."""
    return label.replace("{", "${PROP('Dim.").replace("}", "')}")


def _values(metric: str, key: str, namespace: str = "$namespace", **filters: str) -> dict[str, Any]:
    """The query of a variable that lists the values of a dimension."""
    return {
        "queryType": "dimensionValues",
        "region": "default",
        "namespace": namespace,
        "metricName": metric,
        "dimensionKey": key,
        "dimensionFilters": filters,
        "refId": f"choice-{key}",
    }


STACK = (
    Choice(
        "namespace",
        "stack",
        {"queryType": "namespaces", "region": "default", "refId": "choice-namespace"},
        "",
        sources=("cloudwatch",),
        regex="/^trainyard\\//",
    ),
    Choice("stack", "stack", {}, "label_values(trainyard_node_price_usd_per_hour, stack)", sources=("prometheus",)),
)
RUN = Choice(
    "run", "run", _values("run_cpu_percent", "run"), 'label_values(trainyard_run_cpu_percent{stack="$stack"}, run)'
)
TRAINING_METRIC = Choice(
    "metric",
    "metric",
    _values("training_metric", "metric", run="$run"),
    'label_values(trainyard_training_metric{stack="$stack", run="$run"}, metric)',
    several=True,
)
FILE_SYSTEM = Choice(
    "file_system",
    "file system",
    _values("DataReadIOBytes", "FileSystemId", "AWS/EFS"),
    "",
    several=True,
    sources=("cloudwatch",),
)
NODE = (
    Choice("instance", "node", _values("cpu_usage_active", "InstanceId"), "", sources=("cloudwatch",)),
    Choice("node", "node", {}, 'label_values(node_uname_info{stack="$stack"}, node)', sources=("prometheus",)),
)

_HERE = 'stack="$stack", node="$node"'
_RATE = "[$__rate_interval]"
_DISKS = 'device!~"dm-.*|loop.*|md.*|ram.*|zram.*"'
_CARDS = 'device!~"lo|docker.*|veth.*|br-.*"'
_MOUNTS = 'fstype!~"devtmpfs|overlay|squashfs|sysfs|tmpfs"'
_BUSY = '100 * (1 - avg by (node) (rate(node_cpu_seconds_total{{{where}, mode="idle"}}{rate})))'
_MEMORY = "100 * (1 - node_memory_MemAvailable_bytes{{{where}}} / node_memory_MemTotal_bytes{{{where}}})"
_FILLED = (
    "100 * (1 - node_filesystem_avail_bytes{{{where}, {mounts}}} / node_filesystem_size_bytes{{{where}, {mounts}}})"
)


def _busy(where: str) -> str:
    return _BUSY.format(where=where, rate=_RATE)


def _memory(where: str) -> str:
    return _MEMORY.format(where=where)


def _processors(mode: str) -> str:
    return f'100 * avg by (node) (rate(node_cpu_seconds_total{{{_HERE}, mode="{mode}"}}{_RATE}))'


def _per_minute(name: str, only: str) -> str:
    return f"60 * sum by (node) (rate({name}{{{_HERE}, {only}}}{_RATE}))"


EFS = tuple(
    Query(Metric(name, {"FileSystemId": "$file_system"}, "Sum", label, "AWS/EFS"), None)
    for name, label in (("DataReadIOBytes", "read"), ("DataWriteIOBytes", "written"), ("MetadataIOBytes", "metadata"))
)

BOARDS = (
    Board(
        "run",
        "Run",
        "One training: how far it is, what its log says, what it uses and what it costs.",
        (*STACK, RUN, TRAINING_METRIC, FILE_SYSTEM),
        (
            (
                "Where it is",
                (
                    Panel("Epoch", "The last epoch that the log named.", "none", (of_run("run_epoch", "epoch", "Maximum"),), 6, True),
                    Panel("Done", "Of all epochs or steps, as far as the log says how many there are.", "percent",
                          (of_run("run_percent", "done", "Maximum"),), 6, True, decimals=0),
                    Panel("Spent", "On the node of this run, over all its attempts.", "currencyUSD",
                          (of_run("run_cost_usd", "spent", "Maximum"),), 6, True, decimals=2),
                    Panel("Price of the node", "An hour.", "currencyUSD",
                          (of_run("run_price_usd_per_hour", "an hour", "Maximum"),), 6, True, decimals=2),
                ),
            ),
            (
                "What the log says",
                (
                    Panel("$metric", "The mean of each minute.", "none",
                          (Query(Metric("training_metric", {"run": "$run", "metric": "$metric"}, "Average", "${PROP('Dim.metric')}"),
                                 'trainyard_training_metric{stack="$stack", run="$run", metric="$metric"}', "{{metric}}"),),
                          WIDTH, repeated="metric"),
                ),
            ),
            (
                "What it uses",
                (
                    Panel("Accelerators", "Mean over the accelerators of the node. Low beside busy processors: the data come too slowly.",
                          "percent", (of_run("run_accelerator_utilization", "utilization"),
                                      of_run("run_accelerator_memory_used_percent", "memory")), most=100),
                    Panel("Processors and memory", "Of the node.", "percent",
                          (of_run("run_cpu_percent", "processors"), of_run("run_memory_used_percent", "memory")), most=100),
                    Panel("Epochs and steps", "A line that stays level is a training that stands still.", "none",
                          (of_run("run_epoch", "epoch", "Maximum"), of_run("run_step", "step", "Maximum"))),
                    Panel("Dollars", "Spent so far.", "currencyUSD", (of_run("run_cost_usd", "spent", "Maximum"),)),
                    Panel("Disks", "All disks of the node.", "Bps",
                          (of_run("run_disk_read_bytes_per_second", "read"), of_run("run_disk_written_bytes_per_second", "written"))),
                    Panel("Network", "All network cards of the node; EFS and S3 come this way, too.", "Bps",
                          (of_run("run_network_received_bytes_per_second", "received"),
                           of_run("run_network_sent_bytes_per_second", "sent"))),
                    Panel("EFS", "Bytes a minute that the file system told AWS.", "bytes", EFS),
                ),
            ),
        ),
    ),
    Board(
        "fleet",
        "Fleet",
        "All nodes of a stack: who works, who idles, what it costs, and when it ends.",
        STACK,
        (
            (
                "What asks for somebody",
                (
                    Panel("Accelerators idle for", "The longest of a run that goes on. An alarm looks at it.", "s",
                          (of_stack("idle_accelerator_seconds", "idle"),), 5, True, limit=1800),
                    Panel("Fullest disk", "Of the nodes that train.", "percent",
                          (of_stack("fullest_disk_percent", "full"),), 5, True, limit=90, decimals=0),
                    Panel("Oldest copy of checkpoints", "How long no look at the checkpoints has ended with all in the bucket.", "s",
                          (of_stack("checkpoint_age_seconds", "old"),), 5, True, limit=1200),
                    Panel("Budget used", "Of the run that is nearest to its end.", "percent",
                          (of_stack("budget_used_percent", "used"),), 5, True, limit=80, decimals=0),
                    Panel("Spot notices", "1: AWS takes a node away within two minutes.", "none",
                          (of_stack("spot_notice", "notice"),), 4, True, limit=1),
                ),
            ),
            (
                "Nodes",
                (
                    Panel("Cost an hour", "Of each node; the height of the stack is the sum.", "currencyUSD",
                          (of_each_node("node_price_usd_per_hour", 'trainyard_node_price_usd_per_hour{stack="$stack"}'),), 12, stacked=True),
                    Panel("Ends itself in", "At 0 the node goes, and takes what is not in the bucket along.", "s",
                          (of_each_node("node_expires_in_seconds", 'trainyard_node_expires_at_seconds{stack="$stack"} - time()'),),
                          12, True, limit=3600, red_below=True),
                    Panel("Accelerators", "Of each. A line at 0 costs as much as one at 100.", "percent",
                          (of_each_node("nvidia_smi_utilization_gpu", 'DCGM_FI_DEV_GPU_UTIL{stack="$stack"}', index=EVERY),
                           of_each_node("gaudi_utilization", None, index=EVERY)), 12, most=100),
                    Panel("Processors", "Of each node.", "percent",
                          (of_each_node("cpu_usage_active", _busy('stack="$stack"')),), 12, most=100),
                    Panel("Memory", "Used on each node.", "percent",
                          (of_each_node("mem_used_percent", _memory('stack="$stack"')),), 12, most=100),
                    Panel("Runs that go on", "1 for each run while it goes.", "none",
                          (Query(Metric("run_active", {"run": EVERY}, "Maximum", "${PROP('Dim.run')}"),
                                 'count by (run) (trainyard_run_cpu_percent{stack="$stack"})', "{{run}}"),), 12, stacked=True),
                ),
            ),
        ),
    ),
    Board(
        "node",
        "Node",
        "One machine, from its accelerators to its disks.",
        (*STACK, *NODE),
        (
            (
                "Accelerators",
                (
                    Panel("Utilization", "Of each GPU or Gaudi.", "percent",
                          (of_node("nvidia_smi_utilization_gpu", f"DCGM_FI_DEV_GPU_UTIL{{{_HERE}}}", "{index}", index=EVERY),
                           of_node("gaudi_utilization", None, "{index}", index=EVERY)), most=100),
                    Panel("Memory", "In use.", "decmbytes",
                          (of_node("nvidia_smi_memory_used", f"DCGM_FI_DEV_FB_USED{{{_HERE}}}", "{index}", index=EVERY),
                           of_node("gaudi_memory_used", None, "{index}", index=EVERY))),
                    Panel("Temperature", "A GPU that is too hot works more slowly.", "celsius",
                          (of_node("nvidia_smi_temperature_gpu", f"DCGM_FI_DEV_GPU_TEMP{{{_HERE}}}", "{index}", index=EVERY),
                           of_node("gaudi_temperature", None, "{index}", index=EVERY))),
                    Panel("Power", "Drawn by each.", "watt",
                          (of_node("nvidia_smi_power_draw", f"DCGM_FI_DEV_POWER_USAGE{{{_HERE}}}", "{index}", index=EVERY),
                           of_node("gaudi_power_draw", None, "{index}", index=EVERY))),
                    Panel("Xid errors", "The last number that the driver reported; 0 is none.", "none",
                          (of_node(None, f"DCGM_FI_DEV_XID_ERRORS{{{_HERE}}}", "{index}"),)),
                ),
            ),
            (
                "Machine",
                (
                    Panel("Processors", "Waiting for disks (iowait) is time in which no data are prepared.", "percent",
                          (of_node("cpu_usage_user", _processors("user"), "user"), of_node("cpu_usage_system", _processors("system"), "system"),
                           of_node("cpu_usage_iowait", _processors("iowait"), "iowait")), stacked=True, most=100),
                    Panel("Memory", "Used.", "percent", (of_node("mem_used_percent", _memory(_HERE), "memory"),), most=100),
                    Panel("Processes", "Blocked ones wait for a disk or a file system.", "none",
                          (of_node("processes_running", f"node_procs_running{{{_HERE}}}", "running"),
                           of_node("processes_blocked", f"node_procs_blocked{{{_HERE}}}", "blocked"))),
                    Panel("Disks, how full", "Of each file system.", "percent",
                          (of_node("disk_used_percent", _FILLED.format(where=_HERE, mounts=_MOUNTS), "{path}", path=EVERY),), limit=90, most=100),
                    Panel("Disks", "Bytes a minute.", "bytes",
                          (of_node("diskio_read_bytes", _per_minute("node_disk_read_bytes_total", _DISKS), "read", name=EVERY),
                           of_node("diskio_write_bytes", _per_minute("node_disk_written_bytes_total", _DISKS), "written", name=EVERY))),
                    Panel("Network", "Bytes a minute.", "bytes",
                          (of_node("net_bytes_recv", _per_minute("node_network_receive_bytes_total", _CARDS), "received", interface=EVERY),
                           of_node("net_bytes_sent", _per_minute("node_network_transmit_bytes_total", _CARDS), "sent", interface=EVERY))),
                ),
            ),
        ),
    ),
)  # fmt: skip


# ---- As Grafana wants it -------------------------------------------------------------------------------------------


def dashboard(board: Board, source: str) -> dict[str, Any]:
    """The JSON of a dashboard over one source."""
    made = (
        boards.Dashboard(f"{board.title} (trainyard)")
        .uid(f"trainyard-{board.name}")
        .description(board.about)
        .tags(["trainyard"])
        .timezone("browser")
        .refresh("1m")
        .time("now-3h", "now")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .readonly()
        .link(
            boards.DashboardLink("trainyard")
            .type(DashboardLinkType.DASHBOARDS)
            .tags(["trainyard"])
            .include_vars(include_vars=True)
            .keep_time(keep_time=True)
        )
    )
    for choice in board.choices:
        if source in choice.sources:
            made.with_variable(variable(choice, source))
    top = 0
    for title, panels in board.rows:
        made.with_row(boards.Row(title).grid_pos(GridPos(h=1, w=WIDTH, x=0, y=top)))
        top += 1
        for panel, place in placed(
            [each for each in panels if any(query.known_to(source) for query in each.queries)], top
        ):
            made.with_panel(built(panel, source).grid_pos(place))
            top = max(top, place.y + place.h)
    return dict(json.loads(json.dumps(made.build(), cls=JSONEncoder)))


def placed(panels: list[Panel], top: int) -> Iterator[tuple[Panel, GridPos]]:
    """From left to right, and on below where there is no more room."""
    left, bottom = 0, top
    for panel in panels:
        if left + panel.width > WIDTH:
            left, top = 0, bottom
        place = GridPos(h=STAT_HEIGHT if panel.is_number else HEIGHT, w=panel.width, x=left, y=top)
        yield panel, place
        left, bottom = left + panel.width, max(bottom, place.y + place.h)


def variable(choice: Choice, source: str) -> boards.QueryVariable:
    asked: str | dict[str, Any] = choice.query
    if source == "prometheus":
        asked = {"query": choice.promql, "refId": f"choice-{choice.name}"}
    made = (
        boards.QueryVariable(choice.name)
        .label(choice.title)
        .datasource(reference(source))
        .query(asked)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_DESC if choice.name == "run" else VariableSort.ALPHABETICAL_ASC)
        .regex(choice.regex)
    )
    return made.multi(multi=True).include_all(include_all=True) if choice.several else made


def reference(source: str) -> DataSourceRef:
    return DataSourceRef(type_val=source, uid=source)


def built(panel: Panel, source: str) -> stat.Panel | timeseries.Panel:
    made = number(panel) if panel.is_number else chart(panel)
    made.title(panel.title).description(panel.about).datasource(reference(source)).unit(panel.unit)
    made.no_value("none yet" if panel.is_number else "")
    if panel.decimals is not None:
        made.decimals(panel.decimals)
    if panel.limit is not None:
        made.thresholds(limits(panel.limit, panel.red_below))
    if panel.repeated:
        made.repeat(panel.repeated).repeat_direction("h").max_per_row(REPEATS)
    for number_of, query in enumerate(each for each in panel.queries if each.known_to(source)):
        made.with_target(target(query, source, chr(ord("A") + number_of)))
    return made


def number(panel: Panel) -> stat.Panel:
    return (
        stat.Panel()
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .graph_mode(BigValueGraphMode.AREA)
        .color_mode(BigValueColorMode.VALUE if panel.limit is not None else BigValueColorMode.NONE)
    )


def chart(panel: Panel) -> timeseries.Panel:
    made = timeseries.Panel().min(0) if panel.most is not None or panel.stacked else timeseries.Panel()
    if panel.most is not None:
        made.max(panel.most)
    if panel.stacked:
        made.stacking(common.StackingConfig().mode(StackingMode.NORMAL)).fill_opacity(20)
    if panel.limit is not None:
        made.thresholds_style(common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED))
    return made.draw_style(GraphDrawStyle.LINE).show_points(VisibilityMode.AUTO).span_nulls(180_000)


def limits(limit: float, red_below: bool) -> boards.ThresholdsConfig:
    low, high = ("red", "green") if red_below else ("green", "red")
    return (
        boards.ThresholdsConfig()
        .mode(ThresholdsMode.ABSOLUTE)
        .steps([Threshold(value=None, color=low), Threshold(value=limit, color=high)])
    )


def target(query: Query, source: str, letter: str) -> cloudwatch.MetricsQuery | prometheus.Dataquery:
    if source == "prometheus":
        return prometheus.Dataquery().expr(query.promql or "").legend_format(query.legend or "__auto").ref_id(letter)
    metric = query.metric or Metric("")
    return (
        cloudwatch.MetricsQuery()
        .query_mode(cloudwatch_models.QueryMode.METRICS)
        .metric_query_type(cloudwatch_models.MetricQueryType.SEARCH)
        .metric_editor_mode(cloudwatch_models.MetricEditorMode.BUILDER)
        .region("default")
        .namespace(metric.namespace)
        .metric_name(metric.name)
        .dimensions(dict(metric.dimensions))
        # The agent adds dimensions of its own, such as the instance type.
        .match_exact(match_exact=False)
        .period(PERIOD)
        .statistic(metric.statistic)
        .label(metric.label)
        .id("")
        .ref_id(letter)
    )


def files() -> dict[Path, str]:
    """Each file with its text."""
    return {
        FOLDER / source / f"{board.name}.json": json.dumps(dashboard(board, source), indent=2, sort_keys=True) + "\n"
        for source in SOURCES
        for board in BOARDS
    }


def main() -> int:
    for path, text in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""The metrics of a run: what they are called, and how what is known of it becomes data of CloudWatch and text of Prometheus. Pure.

Each metric costs money, so their number is bounded whatever a log says.
"""

from __future__ import annotations

import json
import math
import typing as t
from dataclasses import dataclass, field

from ansible_collections.trainyard.aws.plugins.module_utils._progress import Progress
from ansible_collections.trainyard.aws.plugins.module_utils._supervisor import Accelerator

# Of a stack: this and its name.
NAMESPACE_PREFIX = "trainyard/"
# What the log says, such as a loss. The dimension "metric" tells its name there.
TRAINING_METRIC = "training_metric"
# Of each run, with the dimension "run".
RUN_UNITS: dict[str, str] = {
    "run_epoch": "None",
    "run_step": "None",
    "run_percent": "Percent",
    "run_cost_usd": "None",
    "run_price_usd_per_hour": "None",
    "run_accelerator_utilization": "Percent",
    "run_accelerator_memory_used_percent": "Percent",
    "run_cpu_percent": "Percent",
    "run_memory_used_percent": "Percent",
    "run_disk_read_bytes_per_second": "Bytes/Second",
    "run_disk_written_bytes_per_second": "Bytes/Second",
    "run_network_received_bytes_per_second": "Bytes/Second",
    "run_network_sent_bytes_per_second": "Bytes/Second",
}
# Without a dimension: the maximum is the worst of the stack.
ALARM_UNITS: dict[str, str] = {
    "idle_accelerator_seconds": "Seconds",
    "fullest_disk_percent": "Percent",
    "checkpoint_age_seconds": "Seconds",
    "budget_used_percent": "Percent",
    "spot_notice": "Count",
}
# As CloudWatch calls them.
UNITS: dict[str, str] = {**RUN_UNITS, TRAINING_METRIC: "None", **ALARM_UNITS}

MOST_TRAINING_METRICS = 20
# What PutMetricData takes, with room for what is around the data.
MOST_DATA, MOST_BYTES = 1000, 900_000
_MOST_NAME = 255
_LARGEST = 2.0**360


@dataclass
class Statistics:
    """Some values of a metric, as many as there were in a minute."""

    count: int = 0
    total: float = 0.0
    least: float = math.inf
    greatest: float = -math.inf

    @classmethod
    def of(cls, values: t.Iterable[float]) -> Statistics:
        found = cls()
        for value in values:
            found.add(value)
        return found

    def add(self, value: float) -> None:
        self.count += 1
        self.total += value
        self.least, self.greatest = min(self.least, value), max(self.greatest, value)


@dataclass(frozen=True)
class Datum:
    """What CloudWatch is told of a metric at a time."""

    name: str
    dimensions: tuple[tuple[str, str], ...]
    time: float
    statistics: Statistics

    def as_dict(self) -> dict[str, t.Any]:
        """As PutMetricData has it in JSON."""
        told = self.statistics
        return {
            "MetricName": self.name,
            "Dimensions": [{"Name": name, "Value": value} for name, value in self.dimensions],
            "Timestamp": int(self.time),
            "StatisticValues": {
                "SampleCount": told.count,
                "Sum": told.total,
                "Minimum": told.least,
                "Maximum": told.greatest,
            },
            "Unit": UNITS[self.name],
        }


@dataclass(frozen=True)
class Look:
    """What is known of a run at a time: the values of metrics by their names, nothing of what is unknown."""

    time: float
    values: t.Mapping[str, t.Sequence[float]]


@dataclass
class TrainingMetrics:
    """What the log says, counted until it is taken. ``names`` are those that CloudWatch has been told of."""

    names: list[str] = field(default_factory=list)
    last: dict[str, float] = field(default_factory=dict)
    left_out: str = ""  # the first name that was one too many
    no_number: str = ""  # the first value that CloudWatch takes none of
    _minute: dict[str, Statistics] = field(default_factory=dict, init=False)

    def add(self, metrics: t.Mapping[str, float]) -> None:
        for text, value in metrics.items():
            name = dimension_value(text)
            if name not in self.names and (not name or len(self.names) >= MOST_TRAINING_METRICS):
                self.left_out = self.left_out or name
                continue
            if name not in self.names:
                self.names.append(name)
            self.last[name] = value
            if is_number(value):
                self._minute.setdefault(name, Statistics()).add(value)
            else:
                self.no_number = self.no_number or f"{name} is {value}"

    def recall(self, progress: Progress) -> None:
        """The newest values of what was counted before."""
        found = {dimension_value(text): metric.last for text, metric in progress.metrics.items()}
        self.last.update({name: found[name] for name in self.names if name in found})

    def take(self) -> dict[str, Statistics]:
        taken, self._minute = self._minute, {}
        return taken


def is_number(value: float) -> bool:
    """Whether CloudWatch takes it."""
    return abs(value) <= _LARGEST  # of NaN nothing is true


def dimension_value(text: str) -> str:
    """A name of a log as CloudWatch takes it: printable ASCII. Empty where nothing is left."""
    plain = "".join(each if each.isprintable() else " " for each in text.encode("ascii", "replace").decode("ascii"))
    return plain.strip()[:_MOST_NAME].strip()


# ---- Values --------------------------------------------------------------------------------------------------------


def known(values: t.Mapping[str, float | None]) -> dict[str, list[float]]:
    """Each value that there is, as the only one of its metric."""
    return {name: [float(value)] for name, value in values.items() if value is not None}


def progress_values(progress: Progress) -> dict[str, list[float]]:
    percent = None if progress.fraction is None else round(100 * progress.fraction, 1)
    return known({"run_epoch": progress.epoch, "run_step": progress.step, "run_percent": percent})


def usage_values(usage: t.Mapping[str, t.Any]) -> dict[str, list[float]]:
    """What a look at the machine says, by the names of the run's metrics."""
    rates = {f"run_{name}": usage.get(name) for name in usage if name.endswith("_bytes_per_second")}
    memory = percent_of(usage.get("memory_used_mib"), usage.get("memory_total_mib"))
    return known({"run_cpu_percent": usage.get("cpu_percent"), "run_memory_used_percent": memory, **rates})


def accelerator_values(
    accelerators: t.Sequence[Accelerator], utilizations: t.Sequence[float]
) -> dict[str, list[float]]:
    """``utilizations`` are the means that were seen since the last time."""
    memory = [each for each in accelerators if each.memory_used_mib is not None and each.memory_total_mib is not None]
    used = percent_of(
        sum(each.memory_used_mib or 0 for each in memory), sum(each.memory_total_mib or 0 for each in memory)
    )
    use = {"run_accelerator_utilization": list(utilizations)} if utilizations else {}
    return {**use, **known({"run_accelerator_memory_used_percent": used})}


def mean_utilization(accelerators: t.Iterable[Accelerator]) -> float | None:
    found = [each.utilization_percent for each in accelerators if each.utilization_percent is not None]
    return sum(found) / len(found) if found else None


def percent_of(part: float | None, whole: float | None) -> float | None:
    return round(100 * part / whole, 2) if part is not None and whole else None


# ---- For CloudWatch ------------------------------------------------------------------------------------------------


def data_of(
    run: t.Sequence[tuple[str, str]], look: Look, training: t.Mapping[str, Statistics] | None = None
) -> list[Datum]:
    """What there is to be told. ``run`` are the dimensions of a run's own metrics, its id the first."""
    found = [
        Datum(name, tuple(run) if name in RUN_UNITS else (), look.time, Statistics.of(filter(is_number, values)))
        for name, values in look.values.items()
    ]
    found += [
        Datum(TRAINING_METRIC, (run[0], ("metric", name)), look.time, statistics)
        for name, statistics in (training or {}).items()
    ]
    # The sum of many values can be more than CloudWatch takes.
    return [each for each in found if each.statistics.count and is_number(each.statistics.total)]


def batches(data: t.Sequence[t.Mapping[str, t.Any]]) -> t.Iterator[list[t.Mapping[str, t.Any]]]:
    """As many at a time as a request may have."""
    batch: list[t.Mapping[str, t.Any]] = []
    size = 0
    for each in data:
        length = len(json.dumps(each)) + 2
        if batch and (len(batch) == MOST_DATA or size + length > MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(each)
        size += length
    if batch:
        yield batch


# ---- For Prometheus ------------------------------------------------------------------------------------------------


def prometheus_text(run: t.Sequence[tuple[str, str]], look: Look, training: t.Mapping[str, float]) -> str:
    """The newest values as the node exporter reads them from a file. Several runs of a node differ by their labels, also where it alarms."""
    samples: dict[str, list[str]] = {}
    for name, values in look.values.items():
        samples[name] = [_sample(name, run, value) for value in values[-1:]]
    for metric, value in training.items():
        labels = (*run, ("metric", metric))
        samples.setdefault(TRAINING_METRIC, []).append(_sample(TRAINING_METRIC, labels, value))
    lines = [line for name, each in samples.items() for line in (f"# TYPE trainyard_{name} gauge", *each)]
    return "".join(f"{line}\n" for line in lines)


def _sample(name: str, labels: t.Iterable[tuple[str, str]], value: float) -> str:
    text = ",".join(f'{label}="{_escaped(each)}"' for label, each in labels)
    return f"trainyard_{name}{{{text}}} {_number(value)}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return repr(float(value)) if math.isfinite(value) else ("+Inf" if value > 0 else "-Inf")

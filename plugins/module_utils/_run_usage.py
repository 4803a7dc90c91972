# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""How busy the nodes of a run were and what they cost, as curves, from what each node's supervisor noted. Pure."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.trainyard.aws.plugins.module_utils._container_decide import time_of
from ansible_collections.trainyard.aws.plugins.module_utils._numbers import finite_number
from ansible_collections.trainyard.aws.plugins.module_utils._run_report import Chart, Group, Line, Point

# As many as the largest node has; a file may name any number.
MOST_ACCELERATORS = 16
MOST_RANKS = 64
_RANK = re.compile(r"usage-([0-9]{1,6})\.jsonl")
_MOST_NAME = 60
_GIB = 1024.0
_MEGABYTE = 1e-6

Sample = t.Mapping[str, t.Any]


@dataclass(frozen=True)
class _Quantity:
    """A chart: what it is called, and the keys of a sample that are its lines, each with the line's name if there are several."""

    title: str
    keys: t.Mapping[str, str]
    factor: float = 1.0
    shown: tuple[float, ...] = (0.0,)
    ceiling: str = ""  # the key of what there is of it


_OF_ACCELERATORS = (
    _Quantity("Accelerators, percent", {"utilization_percent": ""}, shown=(0.0, 100.0)),
    _Quantity("Memory of the accelerators, GiB", {"memory_used_mib": ""}, 1 / _GIB, ceiling="memory_total_mib"),
)
_OF_NODE = (
    _Quantity("Processors, percent", {"cpu_percent": ""}, shown=(0.0, 100.0)),
    _Quantity("Memory, GiB", {"memory_used_mib": ""}, 1 / _GIB, ceiling="memory_total_mib"),
    _Quantity(
        "Disks, MB a second",
        {"disk_read_bytes_per_second": "read", "disk_written_bytes_per_second": "written"},
        _MEGABYTE,
    ),
    _Quantity(
        "Network, MB a second",
        {"network_received_bytes_per_second": "received", "network_sent_bytes_per_second": "sent"},
        _MEGABYTE,
    ),
    _Quantity("Cost, USD", {"cost_usd": ""}),
)


class _Curves:
    """The lines of one chart."""

    def __init__(self, quantity: _Quantity) -> None:
        self._quantity = quantity
        self._names: dict[str, str] = {}
        self._points: dict[str, list[Point]] = {}
        self._ceiling = 0.0

    def add(self, minute: float, values: Sample, of: str = "", name: str = "") -> None:
        """The values of a moment. ``of`` tells apart what has the same keys, ``name`` is what it is called."""
        self._ceiling = max(self._ceiling, finite_number(values.get(self._quantity.ceiling)) or 0.0)
        for key, line in self._quantity.keys.items():
            number = finite_number(values.get(key))
            if number is not None:
                self._names.setdefault(of + key, name or line)
                self._points.setdefault(of + key, []).append((minute, number * self._quantity.factor))

    def chart(self) -> Chart:
        lines = [Line(self._names[key], points) for key, points in self._points.items()]
        shown = (*self._quantity.shown, self._ceiling * self._quantity.factor)
        return Chart(self._quantity.title, "minutes", lines, shown)


def usage_ranks(names: t.Iterable[str]) -> list[int]:
    """The ranks of the nodes that noted their use, by the names of a run's files."""
    found = {int(match.group(1)) for match in map(_RANK.fullmatch, names) if match}
    return sorted(found)[:MOST_RANKS]


def usage_groups(samples: t.Mapping[int, t.Iterable[Sample]]) -> list[Group]:
    """The charts of each node by its rank. All nodes share the beginning of time."""
    timed = {rank: [(_seconds(sample), sample) for sample in each] for rank, each in samples.items()}
    start = min((seconds for each in timed.values() for seconds, _sample in each if seconds is not None), default=0.0)
    several = len(timed) > 1
    return [
        Group(f"Node {rank}" if several else "", _charts([(s - start, each) for s, each in found if s is not None]))
        for rank, found in sorted(timed.items())
    ]


def _charts(samples: t.Iterable[tuple[float, Sample]]) -> list[Chart]:
    of_accelerators, of_node = ([_Curves(each) for each in some] for some in (_OF_ACCELERATORS, _OF_NODE))
    for seconds, sample in samples:
        for number, each in enumerate(_mappings(sample.get("accelerators"))[:MOST_ACCELERATORS]):
            for curves in of_accelerators:
                curves.add(seconds / 60, each, f"{number} ", f"{number} {each.get('name', 'accelerator')}"[:_MOST_NAME])
        for curves in of_node:
            curves.add(seconds / 60, sample)
    return [curves.chart() for curves in (*of_accelerators, *of_node)]


def _seconds(sample: Sample) -> float | None:
    """When a sample was taken, in seconds since 1970; None where that cannot be read."""
    try:
        moment = time_of(str(sample.get("time", "")))
    except (ValueError, OverflowError):
        return None
    return moment.timestamp() if moment else None


def _mappings(value: t.Any) -> list[Sample]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []

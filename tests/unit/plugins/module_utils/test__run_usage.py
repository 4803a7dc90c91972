# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

from ansible_collections.trainyard.aws.plugins.module_utils import _run_usage
from ansible_collections.trainyard.aws.plugins.module_utils._run_report import Chart, page
from ansible_collections.trainyard.aws.plugins.module_utils._run_usage import usage_groups, usage_ranks
from hypothesis import given
from hypothesis import strategies as st

HOSTILE = "<script>alert(1)</script>\x1b]0;x\x07"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
KEYS = ("time", "accelerators", "cpu_percent", "memory_used_mib", "memory_total_mib", "cost_usd")
TIMES = st.sampled_from(
    ["2026-11-20T10:00:00Z", "2026-11-20T11:00:00Z", "9999-12-31T23:59:59Z", "0001-01-02T00:00:00+23:00"]
)
SAMPLES = st.fixed_dictionaries({}, optional={**dict.fromkeys(KEYS, JSON), "time": TIMES | JSON})


def sample(minute: int, **more: Any) -> dict[str, Any]:
    return {
        "time": f"2026-11-20T10:{minute:02}:00Z",
        "accelerators": [
            {"name": "L4", "utilization_percent": 90 + minute, "memory_used_mib": 1024, "memory_total_mib": 24576},
            {"name": "L4", "utilization_percent": 5, "memory_used_mib": None, "memory_total_mib": 24576},
        ],
        "cpu_percent": 10.5 * minute or None,
        "memory_used_mib": 2048,
        "memory_total_mib": 16384,
        "disk_read_bytes_per_second": 3e6,
        "disk_written_bytes_per_second": 0.0,
        "network_received_bytes_per_second": 5e6,
        "network_sent_bytes_per_second": 1e6,
        "cost_usd": 0.5 * minute,
        **more,
    }


def charts_of(samples: list[dict[str, Any]]) -> dict[str, Chart]:
    return {chart.title: chart for chart in usage_groups({0: samples})[0].charts}


def test_all_that_was_noted_is_drawn() -> None:
    found = charts_of([sample(0), sample(1), sample(3)])
    lines = {title: {line.name: list(line.points) for line in chart.lines} for title, chart in found.items()}
    assert lines == {
        "Accelerators, percent": {"0 L4": [(0, 90), (1, 91), (3, 93)], "1 L4": [(0, 5), (1, 5), (3, 5)]},
        "Memory of the accelerators, GiB": {"0 L4": [(0, 1), (1, 1), (3, 1)]},
        "Processors, percent": {"": [(1, 10.5), (3, 31.5)]},
        "Memory, GiB": {"": [(0, 2), (1, 2), (3, 2)]},
        "Disks, MB a second": {"read": [(0, 3), (1, 3), (3, 3)], "written": [(0, 0), (1, 0), (3, 0)]},
        "Network, MB a second": {"received": [(0, 5), (1, 5), (3, 5)], "sent": [(0, 1), (1, 1), (3, 1)]},
        "Cost, USD": {"": [(0, 0), (1, 0.5), (3, 1.5)]},
    }
    assert max(found["Memory of the accelerators, GiB"].shown) == 24
    assert max(found["Memory, GiB"].shown) == 16
    assert found["Accelerators, percent"].shown[:2] == (0, 100)


def test_nodes_have_groups_of_their_own_and_one_beginning() -> None:
    groups = usage_groups({1: [sample(5), sample(6)], 0: [sample(2), sample(3)]})
    assert [group.title for group in groups] == ["Node 0", "Node 1"]
    assert [[point[0] for point in group.charts[-1].lines[0].points] for group in groups] == [[0, 1], [3, 4]]
    assert usage_groups({3: [sample(0)]})[0].title == ""


def test_which_ranks_there_are() -> None:
    names = [
        "usage-10.jsonl",
        "usage-2.jsonl",
        "usage-x.jsonl",
        "usage-0.jsonl.part",
        "usage--1.jsonl",
        "usage-0.jsonl",
    ]
    assert usage_ranks(names) == [0, 2, 10]
    assert len(usage_ranks(f"usage-{rank}.jsonl" for rank in range(1000))) == _run_usage.MOST_RANKS


def test_names_that_change_or_are_many_make_no_more_lines() -> None:
    many = [
        sample(minute, accelerators=[{"name": f"{minute} {'x' * 999}", "utilization_percent": 1}] * 500)
        for minute in range(50)
    ]
    lines = charts_of(many)["Accelerators, percent"].lines
    assert len(lines) == _run_usage.MOST_ACCELERATORS
    assert max(len(line.name) for line in lines) <= 60


def test_a_long_run_has_a_page_of_bounded_size() -> None:
    week = [
        sample(0, time=f"2026-11-{1 + n // 1440:02}T{n // 60 % 24:02}:{n % 60:02}:00Z", cpu_percent=n % 97)
        for n in range(10_000)
    ]
    text = page({"run_id": "a", "outcome": "succeeded"}, [], [], [], usage_groups({0: week}))
    assert text.count("<polyline") == 10
    assert len(text) < 200_000


@given(st.dictionaries(st.integers(0, 3), st.lists(SAMPLES, max_size=4), max_size=3))
def test_whatever_was_noted_there_is_a_page(samples: dict[int, list[dict[str, Any]]]) -> None:
    hostile = [sample(0, accelerators=[{"name": HOSTILE, "utilization_percent": 1}])] * 2
    text = page({"run_id": "a", "outcome": "failed"}, [], [], [], usage_groups({**samples, 4: hostile}))
    assert "<script" not in text
    assert "\x1b" not in text
    assert "nan" not in text.replace("Infinity", "")

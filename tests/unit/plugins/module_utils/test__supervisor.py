# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _supervisor as supervisor
from ansible_collections.trainyard.aws.plugins.module_utils._supervisor import Accelerator, Copy, File, Settings

HOUR = 3600.0


def file(size: int = 1, written: float = 100, inode: int = 1) -> File:
    return File(size, int(written * 1e9), 7, inode)


def test_settings_of_a_later_release_are_read() -> None:
    settings = Settings.parse({"run_id": "a", "budget_usd": 5, "something_new": True})
    assert (settings.run_id, settings.budget_usd, settings.when_finished) == ("a", 5, "keep")


@pytest.mark.parametrize(
    ("settings", "seconds", "idle", "notice", "event"),
    [
        pytest.param({}, 1e9, 1e9, None, "", id="no limit"),
        pytest.param({"max_duration_seconds": 7200}, 7199, 0, None, "", id="in time"),
        pytest.param({"max_duration_seconds": 7200}, 7200, 0, None, "time_limit", id="out of time"),
        pytest.param({"budget_usd": 3, "price_per_hour_usd": 1.5}, 1.9 * HOUR, 0, None, "", id="money left"),
        pytest.param(
            {"budget_usd": 3, "price_per_hour_usd": 1.5}, 2 * HOUR, 0, None, "budget_limit", id="no money left"
        ),
        pytest.param({"budget_usd": 3}, 1e9, 0, None, "", id="nobody knows the price"),
        pytest.param({"idle_stop_seconds": 3600}, 0, 3599, None, "", id="not idle for long"),
        pytest.param({"idle_stop_seconds": 3600}, 0, 3600, None, "idle_limit", id="idle"),
        pytest.param({}, 0, 0, 110.0, "spot_interruption", id="spot notice"),
        pytest.param({"max_duration_seconds": 1}, 5, 0, 110.0, "spot_interruption", id="what cannot wait comes first"),
    ],
)
def test_stop_for(settings: dict[str, t.Any], seconds: float, idle: float, notice: float | None, event: str) -> None:
    stop = supervisor.stop_for(Settings(run_id="a", **settings), seconds, idle, notice)
    assert (stop.event if stop else "") == event
    assert stop is None or stop.why.startswith("stopped")


@pytest.mark.parametrize(
    ("notice", "grace"),
    [
        pytest.param(120.0, 60, id="half of the notice"),
        pytest.param(1000.0, 90, id="not more than was asked for"),
        pytest.param(3.0, 5, id="a late notice"),
    ],
)
def test_a_spot_notice_leaves_time_for_the_last_copy(notice: float, grace: int) -> None:
    stop = supervisor.stop_for(Settings(run_id="a", grace_seconds=90), 0, 0, notice)
    assert stop is not None
    assert stop.grace_seconds == grace


def test_the_limit_stands_in_the_reason_as_people_write_it() -> None:
    stop = supervisor.stop_for(Settings(run_id="a", max_duration_seconds=5400), 5400, 0, None)
    assert stop is not None
    assert stop.why == "stopped by its time limit of 1h30m"


def test_only_training_counts_and_all_of_it() -> None:
    clock = supervisor.clock_after({"earlier": 100.0}, "c1 t1", 50)
    clock = supervisor.clock_after(clock, "c1 t1", 60)
    clock = supervisor.clock_after(clock, "c1 t2", 5)
    assert supervisor.spent_seconds(clock) == 165
    assert supervisor.spent_seconds(supervisor.clock_after({}, "c", -3)) == 0


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        pytest.param('{"action": "terminate", "time": "1970-01-01T00:02:00Z"}', 100, id="time"),
        pytest.param('{"action": "stop"}', 120, id="no time"),
        pytest.param("<html>", 120, id="nothing that can be read"),
        pytest.param("[]", 120, id="something else"),
    ],
)
def test_notice_seconds(answer: str, seconds: float) -> None:
    assert supervisor.notice_seconds(answer, 20.0) == seconds


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        pytest.param("NVIDIA L4, 97, 20000, 23034\n", [Accelerator("NVIDIA L4", 97, 20000, 23034)], id="nvidia-smi"),
        pytest.param("HL-205, 0 %, 512 MiB, 32768 MiB\n", [Accelerator("HL-205", 0, 512, 32768)], id="with units"),
        pytest.param("L4, [N/A], 1, 2", [Accelerator("L4", None, 1, 2)], id="unknown use"),
        pytest.param("No devices were found\n", [], id="none"),
    ],
)
def test_parse_accelerators(answer: str, found: list[Accelerator]) -> None:
    assert supervisor.parse_accelerators(answer) == found


def busy(*percent: float | None) -> list[Accelerator]:
    return [Accelerator("x", each, 0, 0) for each in percent]


@pytest.mark.parametrize(
    ("before", "accelerators", "since"),
    [
        pytest.param(None, busy(0, 4), 50.0, id="begins to idle"),
        pytest.param(10.0, busy(0, 4), 10.0, id="goes on idling"),
        pytest.param(10.0, busy(0, 5), None, id="one of them works"),
        pytest.param(10.0, busy(0, None), None, id="unknown is not idle"),
        pytest.param(10.0, [], None, id="a node without accelerators is never idle"),
    ],
)
def test_idle_since(before: float | None, accelerators: list[Accelerator], since: float | None) -> None:
    assert supervisor.idle_since(before, 50.0, accelerators, 5) == since


@pytest.mark.parametrize(
    ("before", "now", "writing", "closed"),
    [
        pytest.param({"a.pt": file()}, {"a.pt": file()}, set(), {"a.pt"}, id="quiet"),
        pytest.param({}, {"a.pt": file()}, set(), set(), id="new"),
        pytest.param({"a.pt": file(1)}, {"a.pt": file(2)}, set(), set(), id="grows"),
        pytest.param({"a.pt": file(inode=1)}, {"a.pt": file(inode=2)}, set(), set(), id="replaced"),
        pytest.param({"a.pt": file()}, {"a.pt": file()}, {(7, 1)}, set(), id="open"),
        pytest.param(
            {"step-1/a": file(), "step-1/b": file(1, inode=2)},
            {"step-1/a": file(), "step-1/b": file(2, inode=2)},
            set(),
            set(),
            id="a numbered directory goes as a whole",
        ),
        pytest.param(
            {"logs/a": file(), "logs/b": file(1, inode=2)},
            {"logs/a": file(), "logs/b": file(2, inode=2)},
            set(),
            {"logs/a"},
            id="any other directory file by file",
        ),
        pytest.param({"LATEST": file()}, {"LATEST": file()}, set(), set(), id="our own name"),
    ],
)
def test_closed_files(
    before: dict[str, File], now: dict[str, File], writing: set[tuple[int, int]], closed: set[str]
) -> None:
    assert supervisor.closed_files(before, now, writing) == closed


@pytest.mark.parametrize(
    ("exit_code", "whole"),
    [
        pytest.param(0, {"old.pt", "step-1/a", "step-1/b", "young.pt"}, id="ended by itself"),
        pytest.param(143, {"old.pt", "step-1/a", "step-1/b", "young.pt"}, id="ended politely"),
        pytest.param(137, {"old.pt"}, id="killed while it wrote"),
    ],
)
def test_files_at_end(exit_code: int, whole: set[str]) -> None:
    now = {"old.pt": file(), "young.pt": file(1, 199), "step-1/a": file(), "step-1/b": file(1, 198), "LATEST": file()}
    assert supervisor.files_at_end(now, exit_code, 200.0) == whole


def test_to_copy_is_what_changed_since_it_was_copied() -> None:
    now = {"same": file(), "new": file(), "longer": file(2), "later": file(1, 200), "open": file()}
    copies = {
        "same": Copy(1, 100 * 10**9, "x"),
        "longer": Copy(1, 100 * 10**9, "x"),
        "later": Copy(1, 100 * 10**9, "x"),
    }
    assert supervisor.to_copy(now, set(now) - {"open"}, copies) == ["later", "longer", "new"]


@pytest.mark.parametrize(
    ("written", "newest"),
    [
        pytest.param({"epoch-1.pt": 1, "epoch-2.pt": 2, "tensorboard/x": 9}, "epoch-2.pt", id="numbered ones first"),
        pytest.param({"epoch-10.pt": 10, "epoch-9.pt": 9}, "epoch-10.pt", id="by time, not by name"),
        pytest.param({"step-1/a": 1, "step-1/b": 5, "step-2/a": 3}, "step-1", id="a directory by its newest file"),
        pytest.param({"last.pt": 3, "best.pt": 2}, "last.pt", id="without numbers"),
        pytest.param({}, "", id="nothing"),
    ],
)
def test_newest_entry(written: dict[str, int], newest: str) -> None:
    assert supervisor.newest_entry({path: Copy(1, when, "x") for path, when in written.items()}) == newest


def test_latest_says_what_to_continue_from() -> None:
    text = supervisor.latest_document({"epoch-2.pt": Copy(3, 5, "ab")}, "2026-11-22T00:00:00Z", 1, 12.3456)
    assert json.loads(text) == {
        "name": "epoch-2.pt",
        "time": "2026-11-22T00:00:00Z",
        "node_rank": 1,
        "spent_seconds": 12.346,
        "files": [{"path": "epoch-2.pt", "size": 3, "sha256": "ab", "mtime_ns": 5}],
    }


@pytest.mark.parametrize(
    ("now", "late"), [pytest.param(600, False, id="two intervals"), pytest.param(601, True, id="more")]
)
def test_copies_are_late(now: float, late: bool) -> None:
    assert supervisor.copies_are_late(now, 0, 300) is late


def test_cpu_percent() -> None:
    assert supervisor.cpu_percent([10, 0, 10, 70, 10], [40, 0, 20, 110, 30]) == 40.0
    assert supervisor.cpu_percent([1, 1, 1, 1, 1], [1, 1, 1, 1, 1]) is None


def test_time_text() -> None:
    assert supervisor.time_text(0.9) == "1970-01-01T00:00:00Z"
    assert json.loads(supervisor.event_line("t", 0, "e", "\x1b[31m")) == {
        "time": "t",
        "node_rank": 0,
        "event": "e",
        "detail": "\x1b[31m",
    }


def test_earlier_attempts_keep_what_they_cost() -> None:
    settings = Settings(run_id="a", price_per_hour_usd=36, earlier_seconds=100, earlier_usd=5, budget_usd=5.5)
    assert supervisor.cost_usd(settings, 140) == 5.4
    assert supervisor.stop_for(settings, 140, 0, None) is None
    stop = supervisor.stop_for(settings, 150, 0, None)
    assert stop is not None
    assert stop.event == "budget_limit"


def test_rates() -> None:
    assert supervisor.rates({"a_bytes": 10, "b_bytes": 9}, {"a_bytes": 40, "b_bytes": 8, "c_bytes": 7}, 20) == {
        "a_bytes_per_second": 1.5,
        "c_bytes_per_second": 0.0,
    }
    assert supervisor.rates({"a_bytes": 10}, {"a_bytes": 40}, 0) == {}

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run's log and a CloudWatch that are none."""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _run_metrics_node as node
from ansible_collections.trainyard.aws.plugins.module_utils._container_types import Cursor, Line, TrainingError
from ansible_collections.trainyard.aws.plugins.module_utils._instance_metadata import Credentials
from ansible_collections.trainyard.aws.plugins.module_utils._run_metrics import Look
from ansible_collections.trainyard.aws.plugins.module_utils._signed_request import Call, Refused
from ansible_collections.trainyard.aws.plugins.module_utils._supervisor import Settings

FIRST = "2026-11-20T10:00:00.000000000Z"


class Log:
    """A log as Docker has it, some lines at a look."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.at_once = 5000
        self.read_lines = 0
        self.is_away = False
        self.ended = False

    def read(self, cursor: Cursor, wait_seconds: float) -> tuple[list[Line], Cursor, bool]:
        if self.is_away:
            raise TrainingError("Cannot read the log", "Docker is being restarted.", "Wait.")
        some = self.lines[cursor.seen : cursor.seen + self.at_once]
        self.read_lines += len(some)
        seen = cursor.seen + len(some)
        return [Line(each.encode(), len(each)) for each in some], Cursor(FIRST if seen else "", seen), self.ended


class CloudWatch:
    """Takes what it is given, unless it does not."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.refuses: Exception | None = None

    def ask(self, call: Call, credentials: Credentials) -> dict[str, t.Any]:
        assert credentials.key_id == "AKIA"
        if self.refuses is not None:
            raise self.refuses
        self.calls.append(call)
        return {}

    def data(self) -> list[dict[str, t.Any]]:
        return [each for call in self.calls for each in json.loads(call.body)["MetricData"]]

    def statistics(self, metric: str) -> list[dict[str, float]]:
        return [
            each["StatisticValues"] for each in self.data() if {"Name": "metric", "Value": metric} in each["Dimensions"]
        ]

    def last(self, name: str) -> float | None:
        return next((each["StatisticValues"]["Sum"] for each in self.data()[::-1] if each["MetricName"] == name), None)


class Place:
    def __init__(self) -> None:
        self.keys: Credentials | None = Credentials("AKIA", "hush", "until tonight")

    def credentials(self) -> Credentials | None:
        return self.keys

    def region(self) -> str:
        return "cn-north-1"


@pytest.fixture
def cloudwatch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> CloudWatch:
    found = CloudWatch()
    monkeypatch.setattr(node, "ask", found.ask)
    monkeypatch.setattr(node, "endpoint_of", lambda service, usual: usual)
    monkeypatch.setattr(node, "PROMETHEUS_DIRECTORY", str(tmp_path / "exporter"))
    return found


@pytest.fixture
def log() -> Log:
    return Log()


def publisher(directory: Path, log: Log, place: Place | None = None, **settings: t.Any) -> node.Publisher:
    wanted = Settings(**{"run_id": "a", "metrics_namespace": "trainyard/dcgan", **settings})
    return node.Publisher(wanted, str(directory), log, place or Place())


def test_each_value_is_told_once(tmp_path: Path, log: Log, cloudwatch: CloudWatch) -> None:
    ours = publisher(tmp_path, log)
    log.lines += ["epoch 1/4 loss: 2.0", "epoch 2/4 loss: 1.0"]
    assert ours.round(Look(60, {"run_cost_usd": [0.1]})) == []
    log.lines += ["epoch 3/4 loss: 0.5"]
    assert ours.round(Look(120, {"run_cost_usd": [0.2]})) == []
    assert cloudwatch.statistics("loss") == [
        {"SampleCount": 2, "Sum": 3.0, "Minimum": 1.0, "Maximum": 2.0},
        {"SampleCount": 1, "Sum": 0.5, "Minimum": 0.5, "Maximum": 0.5},
    ]
    assert (cloudwatch.last("run_epoch"), cloudwatch.last("run_cost_usd")) == (3, 0.2)
    assert log.read_lines == 3
    assert 0 < (cloudwatch.last("fullest_disk_percent") or 0) <= 100


def test_the_request(tmp_path: Path, log: Log, cloudwatch: CloudWatch) -> None:
    publisher(tmp_path, log).round(Look(60, {"run_cost_usd": [0.1]}))
    call = cloudwatch.calls[0]
    assert (call.service, call.region) == ("monitoring", "cn-north-1")
    assert call.endpoint == "https://monitoring.cn-north-1.amazonaws.com.cn"
    assert call.target == "GraniteServiceVersion20100801.PutMetricData"
    assert json.loads(call.body)["Namespace"] == "trainyard/dcgan"


def test_a_supervisor_that_is_started_anew_goes_on(tmp_path: Path, log: Log, cloudwatch: CloudWatch) -> None:
    log.lines += ["epochs: 4", "epoch 1, loss: 2.0"]
    publisher(tmp_path, log).round(Look(60, {}))
    log.lines += ["epoch 2, loss: 1.0"]
    publisher(tmp_path, log).round(Look(120, {}))
    assert [each["SampleCount"] for each in cloudwatch.statistics("loss")] == [1, 1]
    assert cloudwatch.last("run_percent") == 50  # how many epochs there are was said before


def test_what_is_not_taken_is_told_later_with_its_own_time(tmp_path: Path, log: Log, cloudwatch: CloudWatch) -> None:
    cloudwatch.refuses = Refused("AccessDenied", "not you")
    ours = publisher(tmp_path, log)
    log.lines += ["loss: 2.0"]
    events = ours.round(Look(60, {}))
    assert [each.event for each in events] == ["metrics_failed"]
    assert "not you" in events[0].detail
    log.lines += ["loss: 1.0"]
    assert ours.round(Look(120, {})) == []
    assert ours.has_unsent
    cloudwatch.refuses = None
    anew = publisher(tmp_path, log)
    assert [each.event for each in anew.round(Look(180, {}))] == ["metrics_caught_up"]
    assert [each["Sum"] for each in cloudwatch.statistics("loss")] == [2.0, 1.0]
    assert {each["Timestamp"] for each in cloudwatch.data()} == {60, 120, 180}
    assert not anew.has_unsent


def test_what_waits_is_bounded(
    tmp_path: Path, log: Log, cloudwatch: CloudWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node, "MOST_UNSENT", 4)
    cloudwatch.refuses = OSError("timed out")
    ours = publisher(tmp_path, log)
    for minute in range(1, 10):
        ours.round(Look(60 * minute, {"run_cost_usd": [minute]}))
    cloudwatch.refuses = None
    ours.round(Look(600, {}))
    assert len(cloudwatch.data()) == 4
    assert cloudwatch.last("run_cost_usd") == 9


def test_what_can_never_be_taken_does_not_stand_in_the_way(tmp_path: Path, log: Log, cloudwatch: CloudWatch) -> None:
    ours = publisher(tmp_path, log)
    cloudwatch.refuses = Refused("InvalidParameterValue", "a bad name")
    assert [each.event for each in ours.round(Look(60, {}))] == ["metrics_refused"]
    assert not ours.has_unsent


@pytest.mark.parametrize("missing", ["role", "service"])
def test_without_a_role_it_is_told(
    tmp_path: Path, log: Log, cloudwatch: CloudWatch, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    place = Place()
    place.keys = None
    if missing == "service":
        monkeypatch.setattr(place, "region", lambda: (_ for _ in ()).throw(OSError("no metadata")))
        place.keys = Credentials("AKIA", "hush", "")
    assert [each.event for each in publisher(tmp_path, log, place).round(Look(60, {}))] == ["metrics_failed"]


def test_more_metrics_than_may_be_are_told_of_once(tmp_path: Path, log: Log, cloudwatch: CloudWatch) -> None:
    log.lines += [json.dumps({f"m{number}": 1.0}) for number in range(25)] + ['{"m1": NaN}']
    ours = publisher(tmp_path, log)
    assert [each.event for each in ours.round(Look(60, {}))] == ["metrics_left_out", "metric_is_no_number"]
    log.lines += ['{"m24": 1.0, "m2": NaN}']
    assert ours.round(Look(120, {})) == []
    assert len({str(each["Dimensions"]) for each in cloudwatch.data() if each["MetricName"] == "training_metric"}) == 20
    anew = publisher(tmp_path, log)
    log.lines += ['{"m24": 1.0, "m0": 3.0}']
    assert anew.round(Look(180, {})) == []
    assert cloudwatch.statistics("m24") == []


def test_the_end_of_a_long_log_is_read(tmp_path: Path, log: Log, cloudwatch: CloudWatch) -> None:
    log.at_once, log.ended = 10, False
    log.lines += [f"loss: {number}" for number in range(35)]
    ours = publisher(tmp_path, log)
    ours.round(Look(60, {}))
    assert log.read_lines == 10
    ours.round(Look(120, {}), ended=True)
    assert sum(each["SampleCount"] for each in cloudwatch.statistics("loss")) == 35


def test_a_log_that_cannot_be_read_now_is_read_later(tmp_path: Path, log: Log, cloudwatch: CloudWatch) -> None:
    log.lines += ["loss: 1.0"]
    log.is_away = True
    ours = publisher(tmp_path, log)
    assert ours.round(Look(60, {"run_cost_usd": [0.1]})) == []
    assert (cloudwatch.last("run_cost_usd"), cloudwatch.statistics("loss")) == (0.1, [])
    log.is_away = False
    ours.round(Look(120, {}))
    assert [each["Sum"] for each in cloudwatch.statistics("loss")] == [1.0]


@pytest.mark.parametrize("memory", ["", "{", "[]", '{"cursor": "nonsense"}'])
def test_a_memory_that_cannot_be_read_is_none(tmp_path: Path, log: Log, cloudwatch: CloudWatch, memory: str) -> None:
    (tmp_path / node.MEMORY).write_text(memory)
    log.lines += ["loss: 1.0"]
    publisher(tmp_path, log).round(Look(60, {}))
    assert [each["Sum"] for each in cloudwatch.statistics("loss")] == [1.0]


def test_a_pattern_of_ones_own(tmp_path: Path, log: Log, cloudwatch: CloudWatch) -> None:
    log.lines += ["verlust=0,5 >> 3"]
    publisher(tmp_path, log, progress_pattern=r">> (?P<mine>\d+)").round(Look(60, {}))
    assert [each["Sum"] for each in cloudwatch.statistics("mine")] == [3.0]
    publisher(tmp_path / "..", Log(), progress_pattern="(").round(Look(60, {}))


class TestPrometheus:
    @pytest.fixture
    def exporter(self, cloudwatch: CloudWatch, tmp_path: Path) -> Path:
        directory = tmp_path / "exporter"
        directory.mkdir()
        return directory

    def test_a_file_of_the_newest_values(
        self, exporter: Path, tmp_path: Path, log: Log, cloudwatch: CloudWatch
    ) -> None:
        ours = publisher(tmp_path, log, metrics_namespace="")
        log.lines += ["loss: 1.0", "loss: 0.5"]
        assert ours.round(Look(60, {"run_cost_usd": [0.1]})) == []
        assert ours.round(Look(120, {"run_cost_usd": [0.2]})) == []
        text = (exporter / "trainyard_run_a.prom").read_text()
        assert 'trainyard_training_metric{run="a",metric="loss"} 0.5\n' in text
        assert 'trainyard_run_cost_usd{run="a"} 0.2\n' in text
        assert cloudwatch.calls == []
        assert [path.name for path in exporter.iterdir()] == ["trainyard_run_a.prom"]

    def test_a_supervisor_that_is_started_anew_knows_the_newest_values(
        self, exporter: Path, tmp_path: Path, log: Log, cloudwatch: CloudWatch
    ) -> None:
        log.lines += ["loss: 1.0", json.dumps({f"m{number}": 1.0 for number in range(25)})]
        publisher(tmp_path, log, metrics_namespace="").round(Look(60, {}))
        before = (exporter / "trainyard_run_a.prom").read_text()
        publisher(tmp_path, log, metrics_namespace="").round(Look(120, {}))
        assert (exporter / "trainyard_run_a.prom").read_text() == before
        assert before.count("metric=") == 20

    def test_files_of_runs_that_are_over_go(
        self, exporter: Path, tmp_path: Path, log: Log, cloudwatch: CloudWatch
    ) -> None:
        for name in ("trainyard_run_old.prom", "trainyard_run_new.prom", "trainyard_node.prom"):
            (exporter / name).touch()
        for name in ("trainyard_run_old.prom", "trainyard_node.prom"):
            os.utime(exporter / name, (1, 1))
        publisher(tmp_path, log).round(Look(60, {}))
        left = {path.name for path in exporter.iterdir()}
        assert left == {"trainyard_run_new.prom", "trainyard_node.prom", "trainyard_run_a.prom"}

    @pytest.mark.parametrize(
        ("settings", "is_there", "expected"),
        [
            ({}, False, True),
            ({"metrics_namespace": ""}, False, False),
            ({"metrics_namespace": ""}, True, True),
            ({"metrics_enabled": False}, True, False),
        ],
    )
    def test_nobody_is_told_who_does_not_want_it(
        self, exporter: Path, tmp_path: Path, log: Log, settings: dict[str, t.Any], is_there: bool, expected: bool
    ) -> None:
        if not is_there:
            exporter.rmdir()
        assert publisher(tmp_path, log, **settings).is_wanted is expected


def test_a_disk_that_is_not_there_is_not_full(monkeypatch: pytest.MonkeyPatch) -> None:
    assert node.fullest_disk_percent(["/nowhere"]) is None
    seen = os.statvfs_result((4096, 4096, 100, 40, 20, 0, 0, 0, 0, 255))
    monkeypatch.setattr(node.os, "statvfs", lambda path: seen)
    assert node.fullest_disk_percent(["/", "/nowhere"]) == 75

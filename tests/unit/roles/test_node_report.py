# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import importlib.util
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture(scope="module")
def report() -> ModuleType:
    """The program that the role cloudwatch_agent installs."""
    path = Path(__file__).parents[3] / "roles/cloudwatch_agent/files/trainyard_node_report.py"
    spec = importlib.util.spec_from_file_location("trainyard_node_report", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param("0, 4, 93, 672, 98304, 41, 301\n", id="as asked"),
        pytest.param("0, 4, 93 %, 672 MiB, 98304 MiB, 41 C, 301 W\n", id="with units"),
    ],
)
def test_each_figure_of_an_accelerator_is_a_gauge(report: ModuleType, answer: str) -> None:
    assert [gauge.line() for gauge in report.gaudi_gauges(answer)] == [
        "gaudi_utilization:93|g|#index:0,module_id:4",
        "gaudi_memory_used:672|g|#index:0,module_id:4",
        "gaudi_memory_total:98304|g|#index:0,module_id:4",
        "gaudi_temperature:41|g|#index:0,module_id:4",
        "gaudi_power_draw:301|g|#index:0,module_id:4",
    ]


@pytest.mark.parametrize(
    ("answer", "metrics"),
    [
        pytest.param("", [], id="no accelerator"),
        pytest.param(
            "1, 5, N/A, 672, 98304, [Not Supported], 90\n", ["memory_used", "memory_total", "power_draw"], id="gaps"
        ),
        pytest.param("0, 4, 7\n", ["utilization"], id="a line cut off"),
        pytest.param("No devices found\n", [], id="words"),
    ],
)
def test_what_is_not_known_is_not_reported(report: ModuleType, answer: str, metrics: list[str]) -> None:
    assert [gauge.name for gauge in report.gaudi_gauges(answer)] == [f"gaudi_{metric}" for metric in metrics]


def test_only_runs_that_go_are_reported(report: ModuleType) -> None:
    runs = report.parse_runs("aaa running dcgan-001\nbbb exited dcgan-000\nccc running Bad,id\nddd running \n")
    assert [(run.container, run.run_id, run.running) for run in runs] == [
        ("aaa", "dcgan-001", True),
        ("bbb", "dcgan-000", False),
    ]
    assert [gauge.line() for gauge in report.run_gauges(runs)] == ["run_active:1|g|#run:dcgan-001"]


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        pytest.param({}, [], id="nothing"),
        pytest.param({"price_usd_per_hour": 0.8048}, ["node_price_usd_per_hour:0.8048|g"], id="price"),
        pytest.param({"expires_at": "2026-11-21T14:30:00Z"}, ["node_expires_in_seconds:90|g"], id="end"),
        pytest.param({"expires_at": "2026-11-21T14:00:00Z"}, ["node_expires_in_seconds:0|g"], id="end that is over"),
    ],
)
def test_what_a_node_costs_and_how_long_it_lives(
    report: ModuleType, known: dict[str, Any], expected: list[str]
) -> None:
    settings = report.Settings(8125, 60, None, {}, **known)
    now = datetime(2026, 11, 21, 14, 28, 30, tzinfo=UTC).timestamp()
    assert [gauge.line() for gauge in report.node_gauges(settings, now)] == expected


@pytest.mark.parametrize("there", ["", "epoch", "epoch 1\nepoch 2\n"])
def test_a_log_goes_on_where_it_ended(report: ModuleType, tmp_path: Path, there: str) -> None:
    printed = tmp_path / "printed"
    printed.write_text("epoch 1\nepoch 2\n")
    path = tmp_path / "log"
    path.write_text(there)
    with printed.open("rb") as source, path.open("ab") as target:
        report.append_rest(source, target, target.tell())
    assert path.read_text() == "epoch 1\nepoch 2\n"


def test_a_missing_program_and_one_that_fails_answer_nothing(
    report: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report.ask("there-is-no-such-program") is None
    assert report.ask("sh", "-c", "echo broken >&2; exit 3") is None
    assert "broken" in capsys.readouterr().err
    assert report.ask("echo", "fine") == "fine\n"


def test_the_file_of_a_container_that_is_gone_goes_too(
    report: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report.Log, "follow", lambda log, running: log.path.touch())
    logs = report.Logs(tmp_path)
    logs.update(report.parse_runs("a1 running one\nb2 exited two\n"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.a1.log", "two.b2.log"]
    logs.update(report.parse_runs("a1 running one\n"))
    assert [path.name for path in tmp_path.iterdir()] == ["one.a1.log"]

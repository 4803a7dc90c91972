# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Grafana's dashboards: made by tools/dashboards.py, valid, and with no panel on a metric that nobody writes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from tests.contracts.published import EFS, in_cloudwatch, in_prometheus
from tools.dashboards import FOLDER, files

FILES = sorted(FOLDER.rglob("*.json"))
_SERIES = re.compile(r"\b((?:trainyard|node|DCGM)_\w+)(?:\{([^}]*)\})?")
_LABEL = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"')
_LEGEND = re.compile(r"\{\{(\w+)\}\}")
_VARIABLE = re.compile(r"\$(\w+)")
# Grafana's own variables.
_GIVEN = {"__rate_interval"}


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def panels(path: Path) -> Iterator[dict[str, Any]]:
    return (panel for panel in json.loads(path.read_text(encoding="utf-8"))["panels"] if panel["type"] != "row")


def variables(path: Path) -> list[dict[str, Any]]:
    return list(json.loads(path.read_text(encoding="utf-8"))["templating"]["list"])


def test_the_files_are_what_the_tool_makes() -> None:
    made = files()
    assert set(made) == set(FILES), "Run `make dashboards`."
    assert [path for path in FILES if path.read_text(encoding="utf-8") != made[path]] == [], "Run `make dashboards`."


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_the_models_of_grafana_know_every_key(path: Path) -> None:
    found = json.loads(path.read_text(encoding="utf-8"))
    assert json.loads(json.dumps(Dashboard.from_json(found), cls=JSONEncoder)) == found


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_every_panel_shows_something_and_says_what(path: Path) -> None:
    found = list(panels(path))
    assert found
    assert [panel["title"] for panel in found if not panel.get("targets") or not panel.get("description")] == []


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_panels_do_not_overlap(path: Path) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
        place = panel["gridPos"]
        left, top = place.get("x", 0), place.get("y", 0)
        fields = {(x, y) for x in range(left, left + place["w"]) for y in range(top, top + place["h"])}
        assert not fields & taken, panel["title"]
        assert left + place["w"] <= 24, panel["title"]
        taken |= fields


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_every_variable_that_is_used_is_chosen_above(path: Path) -> None:
    known = {variable["name"] for variable in variables(path)} | _GIVEN
    text = json.dumps([list(panels(path)), [variable["query"] for variable in variables(path)]])
    assert set(_VARIABLE.findall(text)) <= known


def targets(source: str) -> list[Any]:
    return [
        pytest.param(target, id=f"{path.stem}-{panel['title']}-{target['refId']}")
        for path in FILES
        if path.parent.name == source
        for panel in panels(path)
        for target in panel["targets"]
    ]


def is_published(namespace: str, metric: str, dimensions: set[str]) -> bool:
    known = EFS if namespace == "AWS/EFS" else in_cloudwatch() if namespace == "$namespace" else {}
    return metric in known and dimensions <= known[metric]


@pytest.mark.parametrize("target", targets("cloudwatch"))
def test_cloudwatch_has_what_a_panel_asks_for(target: dict[str, Any]) -> None:
    assert is_published(target["namespace"], target["metricName"], set(target["dimensions"])), target


@pytest.mark.parametrize("target", targets("prometheus"))
def test_prometheus_has_what_a_panel_asks_for(target: dict[str, Any]) -> None:
    known, asked = in_prometheus(), _SERIES.findall(target["expr"])
    assert asked, target["expr"]
    for series, labels in asked:
        assert series in known, series
        assert set(_LABEL.findall(labels)) <= known[series], target["expr"]
    legend = set(_LEGEND.findall(target["legendFormat"]))
    assert legend <= set.intersection(*(known[series] for series, labels in asked)), target


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_choice_lists_what_is_published(path: Path) -> None:
    for variable in variables(path):
        query = variable["query"]
        if query.get("queryType") == "dimensionValues":
            asked = {query["dimensionKey"], *query["dimensionFilters"]}
            assert is_published(query["namespace"], query["metricName"], asked), query
        elif "queryType" not in query:
            ((series, labels),) = _SERIES.findall(query["query"])
            asked = {*_LABEL.findall(labels), query["query"].rstrip(")").rsplit(", ", 1)[1]}
            assert asked <= in_prometheus().get(series, set()), query


@pytest.mark.parametrize("source", ["cloudwatch", "prometheus"])
def test_a_metric_that_nobody_writes_is_noticed(source: str) -> None:
    """The tests above would fail for it."""
    published = in_cloudwatch() if source == "cloudwatch" else in_prometheus()
    assert "cpu_usage_idle" not in published
    assert "trainyard_loss" not in published
    assert {"run_cpu_percent", "training_metric"} <= {name.removeprefix("trainyard_") for name in published}

# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role prometheus decides on each system, and whom it has asked."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from tests.contracts.choices import SYSTEMS, Choices

WITHOUT_PACKAGE = {"amazon-linux-2023"}
NODES: list[dict[str, Any]] = [
    {"name": "train-0", "address": "192.0.2.7", "dcgm_enabled": True, "labels": {"stack": "dcgan", "node": "other"}},
    {"name": 'a "b"', "address": "192.0.2.8"},
]


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_system_without_a_package_is_refused(system: str) -> None:
    refused = Choices("prometheus", system).holds("__prometheus_system not in __prometheus_systems")
    assert refused is (system in WITHOUT_PACKAGE)


def targets(job: str) -> Any:
    chosen = Choices("prometheus", "debian-12", prometheus_nodes=NODES)
    wanted = chosen.evaluate("{{ __prometheus_jobs." + job + " }}")
    values = {"prometheus_nodes": NODES, "__prometheus_job": wanted}
    return json.loads(Choices("prometheus", "debian-12", **values).render("targets.json.j2"))


def test_every_node_is_asked_under_its_own_name() -> None:
    assert targets("node") == [
        {"targets": ["192.0.2.7:9100"], "labels": {"stack": "dcgan", "node": "train-0"}},
        {"targets": ["192.0.2.8:9100"], "labels": {"node": 'a "b"'}},
    ]


def test_gpus_are_asked_where_they_answer() -> None:
    assert targets("dcgm") == [{"targets": ["192.0.2.7:9400"], "labels": {"stack": "dcgan", "node": "train-0"}}]


@pytest.mark.parametrize(("seconds", "timeout"), [(5, "5s"), (60, "10s")])
def test_no_answer_is_waited_for_longer_than_until_the_next_question(seconds: int, timeout: str) -> None:
    chosen = Choices("prometheus", "debian-12", prometheus_interval_seconds=seconds)
    written = yaml.safe_load(chosen.render("prometheus.yml.j2"))
    assert written["global"] == {"scrape_interval": f"{seconds}s", "scrape_timeout": timeout}
    assert [job["job_name"] for job in written["scrape_configs"]] == ["node", "dcgm"]

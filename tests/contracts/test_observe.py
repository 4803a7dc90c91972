# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom observe.yml has Prometheus ask."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from tests.contracts.choices import CHECKOUT

PLAYS = DataLoader().load_from_file(str(CHECKOUT / "playbooks" / "observe.yml"), trusted_as_template=True)
HOSTS: dict[str, dict[str, Any]] = {
    "asked": {"inventory_hostname": "asked", "prometheus_enabled": True, "found_private_ip_address": "192.0.2.7"},
    "left": {"inventory_hostname": "left", "prometheus_enabled": False},
    "silent": {"inventory_hostname": "silent"},
}


def task(name: str) -> dict[str, Any]:
    tasks = [task for play in PLAYS for task in play.get("tasks", [])]
    return dict(next(task for task in tasks if task["name"] == name))


@pytest.mark.parametrize(
    ("monitors", "nodes", "asked"),
    [
        pytest.param(["nobody", "monitor"], list(HOSTS), ["nobody", "asked"], id="those that say so"),
        pytest.param(["nobody", "monitor"], ["silent"], ["nobody"], id="nobody says so"),
        pytest.param(["nobody"], list(HOSTS), ["nobody"], id="without a monitor nobody asks"),
    ],
)
def test_prometheus_asks_the_nodes_that_say_so(monitors: list[str], nodes: list[str], asked: list[str]) -> None:
    variables = {"groups": {"nodes": nodes, "monitors": monitors}, "hostvars": HOSTS}
    assert Templar(DataLoader(), variables=variables).template(task("Say whom Prometheus asks")["loop"]) == asked


@pytest.mark.parametrize(("vendors", "enabled"), [([], False), (["habana"], False), (["nvidia"], True)])
def test_gpus_are_asked_where_there_are_some(vendors: list[str], enabled: bool) -> None:
    node = {**HOSTS["asked"], "hardware": {"accelerators": [{"vendor": vendor} for vendor in vendors]}}
    variables = {"item": "asked", "stack_name": "demo", "hostvars": {"asked": node}}
    scraped = task("Say where each answers")["ansible.builtin.add_host"]["scraped"]
    said = Templar(DataLoader(), variables=variables).template(scraped)
    assert said == {
        "name": "asked",
        "address": "192.0.2.7",
        "dcgm_enabled": enabled,
        "labels": {"stack": "demo"},
    }


def test_a_node_that_did_not_answer_is_left_out() -> None:
    role = next(role for play in PLAYS for role in play.get("roles", []) if role["role"] == "trainyard.aws.prometheus")
    hostvars = {"nobody": {}, "silent": {}, "asked": {"scraped": {"name": "asked"}}}
    variables = {"groups": {"with_prometheus": list(hostvars)}, "hostvars": hostvars}
    nodes = Templar(DataLoader(), variables=variables).template(role["vars"]["prometheus_nodes"])
    assert nodes == [{"name": "asked"}]

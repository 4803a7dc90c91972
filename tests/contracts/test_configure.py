# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which plays of configure.yml a node takes part in."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from tests.contracts.choices import CHECKOUT

PLAYS = DataLoader().load_from_file(str(CHECKOUT / "playbooks" / "configure.yml"), trusted_as_template=True)
NVIDIA, GAUDI = {"vendor": "nvidia", "count": 8}, {"vendor": "habana", "count": 8}


def groups_of(accelerators: list[dict[str, Any]], efa_devices: int, **more: Any) -> Any:
    """What the task that sorts the nodes makes of one; ``more`` is what the inventory says of it."""
    tasks = [task for play in PLAYS for task in play.get("pre_tasks", [])]
    task = next(task for task in tasks if task["name"].startswith("Sort the nodes by"))
    hardware = {"accelerators": accelerators, "efa_devices": efa_devices}
    variables = {**task["vars"], "item": "node", "hostvars": {"node": {"hardware": hardware, **more}}}
    return Templar(DataLoader(), variables=variables).template(task["ansible.builtin.add_host"]["groups"])


@pytest.mark.parametrize(
    ("accelerators", "efa_devices", "groups"),
    [
        pytest.param([], 0, [], id="none"),
        pytest.param([NVIDIA], 0, ["with_nvidia"], id="nvidia"),
        pytest.param([GAUDI], 4, ["with_gaudi", "with_efa"], id="gaudi-with-efa"),
        pytest.param([NVIDIA], 32, ["with_nvidia", "with_efa"], id="nvidia-with-efa"),
        pytest.param([], 1, ["with_efa"], id="efa-alone"),
    ],
)
def test_a_node_takes_part_in_the_plays_of_its_hardware(
    accelerators: list[dict[str, Any]], efa_devices: int, groups: list[str]
) -> None:
    assert groups_of(accelerators, efa_devices) == groups


@pytest.mark.parametrize("enabled", [True, "yes"])
def test_prometheus_asks_where_the_inventory_says_so(enabled: object) -> None:
    assert groups_of([NVIDIA], 0, prometheus_enabled=enabled) == ["with_nvidia", "with_prometheus"]
    assert groups_of([], 0, prometheus_enabled=False) == []


def test_every_such_group_has_a_play_and_is_there_without_nodes() -> None:
    patterns = [play["hosts"] for play in PLAYS if "with_" in play["hosts"]]
    ready = next(task for task in PLAYS[0]["tasks"] if "kind of hardware" in task["name"])
    groups = ready["ansible.builtin.add_host"]["groups"]
    assert {f"{group}:!nobody" for group in groups} <= set(patterns)
    assert set(re.findall(r"with_\w+", " ".join(patterns))) == set(groups)
    assert all(pattern.endswith(":!nobody") for pattern in patterns)

# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which plays of configure.yml a node takes part in."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from tests.contracts.choices import CHECKOUT

PLAYS = DataLoader().load_from_file(str(CHECKOUT / "playbooks" / "configure.yml"), trusted_as_template=True)
NVIDIA, GAUDI = {"vendor": "nvidia", "count": 8}, {"vendor": "habana", "count": 8}


def groups_of(accelerators: list[dict[str, Any]], efa_devices: int) -> Any:
    """What the task that sorts the nodes makes of one."""
    tasks = [task for play in PLAYS for task in play.get("pre_tasks", [])]
    task = next(task for task in tasks if task["name"] == "Sort the nodes by their hardware")
    hardware = {"accelerators": accelerators, "efa_devices": efa_devices}
    variables = {**task["vars"], "item": "node", "hostvars": {"node": {"hardware": hardware}}}
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


def test_every_such_group_has_a_play_and_is_there_without_nodes() -> None:
    patterns = {play["hosts"] for play in PLAYS if "with_" in play["hosts"]}
    ready = next(task for task in PLAYS[0]["tasks"] if "kind of hardware" in task["name"])
    assert {f"{group}:!nobody" for group in ready["ansible.builtin.add_host"]["groups"]} == patterns

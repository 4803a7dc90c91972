# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a system is tested or skipped is decided by whether its image can be made, and said."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from extensions.molecule import systems
from extensions.molecule.inventory import other_systems
from lab.images import ImageError

ANSIBLE_INVENTORY = Path(sys.executable).with_name("ansible-inventory")
INVENTORY = Path(other_systems.__file__).parent


def nobody_answers() -> str:
    raise ImageError("no container registry answers\nwith amazonlinux:2023")


@pytest.fixture
def decision() -> dict[str, dict[str, str]]:
    return systems.decide({"ubuntu-22.04": lambda: "box:1", "amazon-linux-2023": nobody_answers})


def test_what_can_be_made_is_tested_and_what_cannot_is_skipped(decision: dict[str, dict[str, str]]) -> None:
    assert decision == {
        "ubuntu-22.04": {"image": "box:1"},
        "amazon-linux-2023": {"skipped": "no container registry answers with amazonlinux:2023"},
    }


def test_the_log_says_what_was_skipped_and_why(decision: dict[str, dict[str, str]]) -> None:
    assert systems.sentences(decision) == [
        "ubuntu-22.04 is tested as well.",
        "SKIPPED amazon-linux-2023: no container registry answers with amazonlinux:2023",
    ]


def test_another_error_is_no_reason_to_skip() -> None:
    def broken() -> str:
        raise KeyError("a mistake of ours")

    with pytest.raises(KeyError):
        systems.decide({"ubuntu-22.04": broken})


def test_only_a_system_that_can_be_made_has_hosts(decision: dict[str, dict[str, str]]) -> None:
    listed = other_systems.hosts(decision)
    assert listed["s5cmd"]["hosts"] == ["s5cmd-ubuntu-22.04"]
    assert listed["_meta"]["hostvars"]["s5cmd-ubuntu-22.04"] == {"box": {"image": "ubuntu-22.04"}}
    everything = {system: {"image": "box:1"} for system in systems.RELEASES}
    assert other_systems.hosts(everything)["s5cmd"]["hosts"] == [f"s5cmd-{system}" for system in systems.RELEASES]


@pytest.mark.parametrize("nothing", [{}, {system: {"skipped": "no"} for system in systems.RELEASES}])
def test_where_nothing_was_decided_or_all_is_skipped_there_is_no_host(nothing: dict[str, dict[str, str]]) -> None:
    listed = other_systems.hosts(nothing)
    assert listed.pop("_meta") == {"hostvars": {}}
    assert all(group == {"hosts": []} for group in listed.values())


def test_boxes_are_made_of_the_images_that_were_found(
    decision: dict[str, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(systems, "DECISION", tmp_path / "systems.json")
    assert systems.other_images() == {}
    systems.DECISION.write_text(json.dumps(decision))
    assert systems.other_images() == {"ubuntu-22.04": "box:1"}


def test_each_scenario_with_other_systems_is_one_with_boxes_of_debian() -> None:
    done = subprocess.run(
        [ANSIBLE_INVENTORY, "--inventory", INVENTORY / "hosts.yml", "--list"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert other_systems.SCENARIOS.keys() <= set(json.loads(done.stdout)["boxes"]["children"])
    assert {system for chosen in other_systems.SCENARIOS.values() for system in chosen} <= systems.RELEASES.keys()

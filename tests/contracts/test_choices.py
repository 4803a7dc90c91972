# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tool behind the tests of choices; those of a role are in test_choices_ROLE.py."""

from __future__ import annotations

import json

import pytest
from ansible.errors import AnsibleUndefinedVariable

from tests.contracts.choices import SYSTEMS, Choices, facts_of

SUPPORTED = {"amazon-linux-2023", "debian-12", "debian-13", "ubuntu-22.04", "ubuntu-24.04"}


def test_every_supported_system_is_recorded_with_the_same_facts() -> None:
    assert set(SYSTEMS) == SUPPORTED
    assert len({tuple(sorted(facts_of(system))) for system in SYSTEMS}) == 1


@pytest.mark.parametrize(
    ("system", "packages"),
    [
        ("debian-12", "nfs-common"),
        ("ubuntu-24.04", "nfs-common"),
        ("amazon-linux-2023", "nfs-utils"),
    ],
)
def test_a_value_depends_on_the_facts(system: str, packages: str) -> None:
    choices = Choices("efs_mount", system)
    assert choices.evaluate("{{ __efs_mount_packages[ansible_facts['os_family']] }}") == packages


def test_inputs_and_defaults_meet_in_a_rendered_file() -> None:
    written = json.loads(
        Choices("docker_engine", "debian-13", docker_engine_log_max_size="1g").render("daemon.json.j2")
    )
    assert written["log-opts"] == {"max-size": "1g", "max-file": "3"}


def test_a_condition_is_answered_by_facts_that_were_changed() -> None:
    condition = "ansible_facts['architecture'] == 'aarch64'"
    assert not Choices("s5cmd", "debian-12").holds(condition)
    assert Choices("s5cmd", "debian-12", facts={"architecture": "aarch64"}).holds(condition)


def test_filters_of_this_collection_are_found() -> None:
    choices = Choices("s5cmd", "debian-12", group={"root_volume_gib": 200})
    mapped = choices.evaluate("{{ group | trainyard.aws.block_devices('/dev/xvda') }}")
    assert mapped[0]["device_name"] == "/dev/xvda"


def test_a_misspelt_name_is_an_error() -> None:
    with pytest.raises(AnsibleUndefinedVariable):
        Choices("s5cmd", "debian-12").value("__s5cmd_mising")

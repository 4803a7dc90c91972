# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What efa installs, compared with vendor-facts 9.1 and the EC2 User Guide's list of systems."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.contracts.choices import SYSTEMS, Choices

ADAPTERS = "".join(f"provider: efa\n    fabric: efa\n    domain: efa_{index}-rdm\n" for index in range(4))


def choices_on(system: str, installed: str = "", works: bool = False, ours: bool = False, **values: Any) -> Choices:
    written = f"# EFA installer version: {installed}\n# Debug packages installed: no\n" if installed else ""
    return Choices(
        "efa",
        system,
        __efa_machine={"efa_devices": 4},
        __efa_found={"rc": 0, "stdout": ADAPTERS} if works else {"rc": 2},
        __efa_folder_found={"stat": {"exists": ours}},
        __efa_installed={"content": base64.b64encode(written.encode()).decode()} if installed else {"failed": False},
        **values,
    )


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_system_that_we_know_is_one_that_the_installer_knows(system: str) -> None:
    choices = choices_on(system)
    assert choices.value("__efa_system") in choices.value("__efa_systems")
    assert choices.value("__efa_file") == "aws-efa-installer-1.50.0.tar.gz"


def test_another_system_is_refused() -> None:
    other = Choices("efa", "debian-12", facts={"distribution_major_version": "10"})
    assert other.value("__efa_system") not in other.value("__efa_systems")


@pytest.mark.parametrize(
    ("there", "asked", "missing"),
    [
        ({}, "", True),
        ({"installed": "1.49.0", "works": True}, "", False),
        ({"installed": "1.49.0", "works": True}, "1.50.0", True),
        ({"installed": "1.49.0", "works": True, "ours": True}, "", True),
        ({"installed": "1.50.0", "works": True, "ours": True}, "", False),
        ({"installed": "1.50.0", "works": False, "ours": True}, "", False),
        ({"installed": "1.49.0", "works": False}, "", True),
    ],
)
def test_what_works_and_is_not_ours_stays_unless_a_version_is_asked_for(
    there: dict[str, Any], asked: str, missing: bool
) -> None:
    assert choices_on("ubuntu-22.04", **there, efa_version=asked).value("__efa_is_missing") is missing


def test_nothing_is_installed_without_an_adapter() -> None:
    assert (
        Choices("efa", "debian-12", __efa_machine={"efa_devices": 0}, __efa_installed={}).value("__efa_is_missing")
        is False
    )

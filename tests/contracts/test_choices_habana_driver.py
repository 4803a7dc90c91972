# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What habana_driver installs and refuses, compared with vendor-facts 4."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.contracts.choices import Choices

FINGERPRINT = "0123456789ABCDEF0123456789ABCDEF01234567"
KERNELS = {
    "ubuntu-22.04": "5.15.0-1084-aws",
    "ubuntu-24.04": "6.8.0-1021-aws",
    "debian-12": "6.1.0-28-cloud-amd64",
    "debian-13": "6.12.48-cloud-amd64",
    "amazon-linux-2023": "6.1.66-93.164.amzn2023.x86_64",
}


def choices_on(system: str, generation: str = "gaudi", kernel: str = "", **values: Any) -> Choices:
    devices = [{"vendor": "habana", "name": generation.title(), "architecture": generation, "count": 8}]
    given = {
        "habana_driver_repository_key_fingerprints": [FINGERPRINT],
        "__habana_driver_machine": {"accelerators": devices},
        "__habana_driver_found": {"rc": 2, "stdout_lines": []},
        "__habana_driver_pin_found": {"stat": {"exists": False}},
        **values,
    }
    return Choices("habana_driver", system, facts={"kernel": kernel or KERNELS[system]}, **given)


def refusal(*arguments: Any, **values: Any) -> str:
    return str(choices_on(*arguments, **values).value("__habana_driver_refusal"))


@pytest.mark.parametrize("system", ["ubuntu-22.04", "ubuntu-24.04"])
@pytest.mark.parametrize(
    ("generation", "pin"), [("gaudi", "1.21.0-555"), ("gaudi2", "1.23.0-*"), ("gaudi3", "1.23.0-*")]
)
def test_each_generation_gets_the_last_release_that_drives_it(system: str, generation: str, pin: str) -> None:
    choices = choices_on(system, generation)
    assert choices.value("__habana_driver_refusal") == ""
    assert choices.value("__habana_driver_packages") == [
        f"habanalabs-{name}={pin}"
        for name in ("dkms", "firmware", "firmware-tools", "thunk", "rdma-core", "graph", "container-runtime")
    ]
    assert f"Pin: version {pin}\n" in choices.render("habana.pref.j2")


@pytest.mark.parametrize(("system", "suite"), [("ubuntu-22.04", "jammy"), ("ubuntu-24.04", "noble")])
def test_the_suite_is_that_of_the_system(system: str, suite: str) -> None:
    assert choices_on(system).evaluate("{{ ansible_facts['distribution_release'] }}") == suite


@pytest.mark.parametrize("system", ["debian-12", "debian-13", "amazon-linux-2023"])
@pytest.mark.parametrize("generation", ["gaudi", "gaudi2", "gaudi3"])
def test_systems_that_habana_does_not_support_are_refused(system: str, generation: str) -> None:
    assert refusal(system, generation).startswith(
        "Habana supports it on Ubuntu 22.04 and Ubuntu 24.04 (x86_64), and this"
    )


@pytest.mark.parametrize("version", ["1.22.0", "1.22.0-740", "1.23.0", "2.0.0"])
def test_what_is_newer_than_1_21_is_refused_on_the_first_gaudi(version: str) -> None:
    assert refusal("ubuntu-22.04", habana_driver_version=version) == (
        f"{version} does not drive the first Gaudi (DL1); 1.21 is the last release that does. "
        "Leave habana_driver_version empty, or set it to 1.21.0-555."
    )
    assert refusal("ubuntu-22.04", "gaudi2", habana_driver_version=version) == ""


@pytest.mark.parametrize(
    ("system", "kernel", "fits"),
    [
        ("ubuntu-22.04", "5.15.0-1084-aws", True),
        ("ubuntu-22.04", "6.8.0-1021-aws", True),
        ("ubuntu-22.04", "5.4.0-1009-aws", False),
        ("ubuntu-24.04", "6.8.0-1021-aws", True),
        ("ubuntu-24.04", "6.17.0-1005-aws", False),
        ("ubuntu-24.04", "7.0.0-1003-aws", False),
    ],
)
@pytest.mark.parametrize("generation", ["gaudi", "gaudi3"])
def test_kernels_outside_the_support_matrix_are_refused(system: str, kernel: str, fits: bool, generation: str) -> None:
    said = refusal(system, generation, kernel)
    assert (said == "") is fits
    assert fits or f"and this node runs {kernel}. Install a kernel that is supported" in said


def test_arm_unknown_devices_old_releases_and_a_missing_key_are_refused() -> None:
    arm = Choices(
        "habana_driver",
        "ubuntu-22.04",
        facts={"architecture": "aarch64"},
        __habana_driver_machine={"accelerators": []},
    )
    assert "(aarch64)" in arm.value("__habana_driver_refusal")
    assert refusal("ubuntu-22.04", "unknown").startswith("no release is known for these accelerators (Unknown)")
    assert refusal("ubuntu-22.04", habana_driver_version="1.16.0-526").startswith("1.16.0-526 is older than 1.21")
    said = refusal("ubuntu-22.04", habana_driver_repository_key_fingerprints=[])
    assert said.startswith("it is not known which key signs Habana's packages. Fetch https://vault.habana.ai/")


@pytest.mark.parametrize(
    ("works", "ours", "version", "wanted"),
    [
        (False, False, "", True),
        (True, False, "", False),
        (True, False, "1.21.0-555", True),
        (True, True, "", True),
    ],
)
def test_a_driver_of_somebody_else_that_works_stays(works: bool, ours: bool, version: str, wanted: bool) -> None:
    choices = choices_on(
        "ubuntu-22.04",
        habana_driver_version=version,
        __habana_driver_found={"rc": 0, "stdout_lines": list("01234567")} if works else {"rc": 2},
        __habana_driver_pin_found={"stat": {"exists": ours}},
    )
    assert choices.value("__habana_driver_is_wanted") is wanted


@pytest.mark.parametrize(("default", "runtime"), [(True, "habana"), (False, None)])
def test_other_settings_of_the_engine_stay(default: bool, runtime: str | None) -> None:
    there = {"log-driver": "json-file", "runtimes": {"other": {"path": "/other"}}, "default-runtime": "habana"}
    content = base64.b64encode(json.dumps(there).encode()).decode()
    choices = choices_on(
        "ubuntu-22.04",
        habana_driver_default_runtime_enabled=default,
        __habana_driver_configuration={"content": content},
    )
    written = json.loads(choices.render("daemon.json.j2"))
    assert written.get("default-runtime") == runtime
    assert written["log-driver"] == "json-file"
    assert written["runtimes"] == {
        "other": {"path": "/other"},
        "habana": {"path": "/usr/bin/habana-container-runtime", "runtimeArgs": []},
    }

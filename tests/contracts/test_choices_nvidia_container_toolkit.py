# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vendor facts, section 2 (repository, packages), 2.1 (CDI by engine) and 2.2 (what a reload of systemd takes away)."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.contracts.choices import Choices

BASE = "https://nvidia.github.io/libnvidia-container/stable"
L4 = {"vendor": "nvidia", "name": "L4", "architecture": "ada", "count": 4}
RUNTIMES = {"nvidia": {"path": "nvidia-container-runtime", "args": []}}
OURS = {"log-driver": "json-file", "live-restore": True}


def choices(system: str, docker: str = "29.8.1", settings: dict[str, Any] | None = None, **values: Any) -> Choices:
    written = settings or {}
    seen: dict[str, Any] = {
        "__nvidia_container_toolkit_machine": {"accelerators": [L4], "nvswitch": False, "efa_devices": 0},
        "__nvidia_container_toolkit_found": {"rc": 2},
        "__nvidia_container_toolkit_source": {"stat": {"exists": False}},
        "__nvidia_container_toolkit_engine": {"rc": 0, "stdout": docker},
        "__nvidia_container_toolkit_configuration": {
            "content": base64.b64encode(json.dumps(written).encode()).decode()
        },
        "__nvidia_container_toolkit_proposal": {"stdout": json.dumps({**written, "runtimes": RUNTIMES})},
        "__nvidia_container_toolkit_description": {"stat": {"exists": True}},
    }
    return Choices("nvidia_container_toolkit", system, **{**seen, **values})


@pytest.mark.parametrize(
    ("system", "architecture", "url"),
    [
        ("ubuntu-22.04", "x86_64", "deb/amd64"),
        ("ubuntu-24.04", "aarch64", "deb/arm64"),
        ("debian-12", "x86_64", "deb/amd64"),
        ("debian-13", "x86_64", "deb/amd64"),
        ("amazon-linux-2023", "x86_64", "rpm/x86_64"),
        ("amazon-linux-2023", "aarch64", "rpm/aarch64"),
    ],
)
def test_repository(system: str, architecture: str, url: str) -> None:
    chosen = choices(system, facts={"architecture": architecture})
    assert chosen.value("__nvidia_container_toolkit_url") == f"{BASE}/{url}"


@pytest.mark.parametrize(("system", "sign"), [("ubuntu-22.04", "="), ("debian-13", "="), ("amazon-linux-2023", "-")])
def test_all_four_packages_have_the_same_version(system: str, sign: str) -> None:
    assert choices(system, nvidia_container_toolkit_version="1.20.1").value("__nvidia_container_toolkit_packages") == [
        f"nvidia-container-toolkit{sign}1.20.1-1",
        f"nvidia-container-toolkit-base{sign}1.20.1-1",
        f"libnvidia-container-tools{sign}1.20.1-1",
        f"libnvidia-container1{sign}1.20.1-1",
    ]


def test_the_version_is_held() -> None:
    assert "Pin: version 1.20.0-1\n" in choices("ubuntu-24.04").render("preferences.j2")
    locks = choices("amazon-linux-2023").value("__nvidia_container_toolkit_locks")
    assert locks[0] == "nvidia-container-toolkit-0:1.20.0-1.*"


def test_the_key_is_pinned() -> None:
    chosen = choices("ubuntu-24.04")
    assert (
        chosen.value("nvidia_container_toolkit_repository_key_url")
        == "https://nvidia.github.io/libnvidia-container/gpgkey"
    )
    assert chosen.value("nvidia_container_toolkit_repository_key_fingerprints") == [
        "C95B321B61E88C1809C4F759DDCAE044F796ECB0"
    ]


# Engines: Debian 12's and 13's own, Amazon Linux 2023's, and Docker's.
@pytest.mark.parametrize(
    ("docker", "described", "asked", "old"),
    [
        ("20.10.24+dfsg1", False, False, False),
        ("25.0.16", True, True, True),
        ("26.1.5+dfsg1", True, True, False),
        ("28.1.1", True, True, False),
        ("28.2.0", True, False, False),
        ("29.8.1", True, False, False),
    ],
)
def test_descriptions_by_engine(docker: str, described: bool, asked: bool, old: bool) -> None:
    chosen = choices("amazon-linux-2023", docker)
    assert chosen.value("__nvidia_container_toolkit_cdi") is described
    assert chosen.value("__nvidia_container_toolkit_cdi_asked") is asked
    assert chosen.value("__nvidia_container_toolkit_old_description") is old


def test_descriptions_can_be_switched_off() -> None:
    chosen = choices("debian-13", nvidia_container_toolkit_cdi_enabled=False)
    assert chosen.value("__nvidia_container_toolkit_cdi") is False


@pytest.mark.parametrize("docker", ["20.10.24", "25.0.16", "29.8.1"])
def test_containers_keep_their_gpus_when_systemd_is_reloaded(docker: str) -> None:
    options = choices("ubuntu-22.04", docker).value("__nvidia_container_toolkit_gpu_options")
    assert "--gpus" not in " ".join(options)


def test_settings_and_features_of_others_stay() -> None:
    settings = {**OURS, "features": {"containerd-snapshotter": True}}
    written = choices("amazon-linux-2023", "25.0.16", settings).value("__nvidia_container_toolkit_settings")
    assert written == {
        **OURS,
        "features": {"containerd-snapshotter": True, "cdi": True},
        "runtimes": RUNTIMES,
    }


@pytest.mark.parametrize(
    ("docker", "settings", "configured"),
    [
        ("29.8.1", OURS, False),
        ("29.8.1", {**OURS, "runtimes": RUNTIMES}, True),
        ("25.0.16", {**OURS, "runtimes": RUNTIMES}, False),
        ("25.0.16", {**OURS, "runtimes": RUNTIMES, "features": {"cdi": True}}, True),
        ("20.10.24", {**OURS, "runtimes": RUNTIMES}, True),
    ],
)
def test_a_second_run_asks_for_nothing(docker: str, settings: dict[str, Any], configured: bool) -> None:
    assert choices("debian-12", docker, settings).value("__nvidia_container_toolkit_configured") is configured


def test_both_roles_write_the_engines_configuration_in_the_same_form() -> None:
    settings = {**OURS, "runtimes": RUNTIMES}
    content = choices("debian-13", settings=settings).evaluate(
        "{{ __nvidia_container_toolkit_settings | to_nice_json(indent=2) ~ '\n' }}"
    )
    files = {"/usr/lib/systemd/system/docker.service": {"exists": True}}
    look = {"files": files, "contents": {"/etc/docker/daemon.json": content}}
    engine = Choices("docker_engine", "debian-13", __docker_engine_look=look)
    once = engine.render("daemon.json.j2")
    again = {"content": base64.b64encode(once.encode()).decode()}
    chosen = choices("debian-13", settings=json.loads(once), __nvidia_container_toolkit_configuration=again)
    assert chosen.value("__nvidia_container_toolkit_configured") is True
    assert json.loads(once)["runtimes"] == RUNTIMES


@pytest.mark.parametrize(
    ("there", "ours", "wanted"),
    [(False, False, True), (True, True, True), (True, False, False)],
    ids=["bare", "ours", "somebody else's"],
)
def test_a_toolkit_of_somebody_else_is_left_alone(there: bool, ours: bool, wanted: bool) -> None:
    chosen = choices(
        "ubuntu-22.04",
        "25.0.16",
        {"runtimes": RUNTIMES},
        __nvidia_container_toolkit_found={"rc": 0 if there else 2},
        __nvidia_container_toolkit_source={"stat": {"exists": ours}},
    )
    assert chosen.value("__nvidia_container_toolkit_wanted") is wanted
    assert chosen.value("__nvidia_container_toolkit_configured") is not wanted


def test_nothing_is_wanted_where_there_is_no_gpu() -> None:
    bare = Choices("nvidia_container_toolkit", "debian-12", __nvidia_container_toolkit_machine={"accelerators": []})
    assert bare.value("__nvidia_container_toolkit_wanted") is False

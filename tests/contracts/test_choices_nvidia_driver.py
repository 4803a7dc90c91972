# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vendor facts, sections 1.1 (repositories, keys, headers), 1.2 (packages) and 1.3 (branches)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.choices import SYSTEMS, Choices, facts_of

BASE = "https://developer.download.nvidia.com/compute/cuda/repos"
OLD_KEY = "EB693B3035CD5710E231E123A4B469963BF863CC"
GPUS = {
    "K80": "kepler",
    "M60": "maxwell",
    "P100": "pascal",
    "V100": "volta",
    "T4": "turing",
    "A10G": "ampere",
    "A100": "ampere",
    "L4": "ada",
    "L40S": "ada",
    "H100": "hopper",
    "B200": "blackwell",
}
ABSENT = {"stat": {"exists": False}}
NOT_INSTALLED = {"rc": 1, "stdout": ""}


def choices(system: str, *gpus: str, nvswitch: bool = False, **values: Any) -> Choices:
    accelerators = [{"vendor": "nvidia", "name": gpu, "architecture": GPUS[gpu], "count": 8} for gpu in gpus]
    seen: dict[str, Any] = {
        "__nvidia_driver_machine": {"accelerators": accelerators, "nvswitch": nvswitch, "efa_devices": 0},
        "__nvidia_driver_found": {"rc": 2, "stdout": "", "stdout_lines": []},
        "__nvidia_driver_source": ABSENT,
        "__nvidia_driver_build_folder": ABSENT,
        "__nvidia_driver_installed": NOT_INSTALLED,
        "__nvidia_driver_loaded": {"files": []},
        "__nvidia_driver_answer": {"rc": 0},
    }
    return Choices("nvidia_driver", system, **{**seen, **values})


@pytest.mark.parametrize(
    ("system", "architecture", "url", "key", "fingerprint"),
    [
        ("ubuntu-22.04", "x86_64", "ubuntu2204/x86_64", "3bf863cc.pub", OLD_KEY),
        ("ubuntu-22.04", "aarch64", "ubuntu2204/sbsa", "3bf863cc.pub", OLD_KEY),
        ("ubuntu-24.04", "x86_64", "ubuntu2404/x86_64", "3bf863cc.pub", OLD_KEY),
        ("ubuntu-24.04", "aarch64", "ubuntu2404/sbsa", "3bf863cc.pub", OLD_KEY),
        ("debian-12", "x86_64", "debian12/x86_64", "3bf863cc.pub", OLD_KEY),
        ("debian-13", "x86_64", "debian13/x86_64", "8793F200.pub", "02182E60104FCDC26EAE1B8597A5D4CB8793F200"),
        ("amazon-linux-2023", "x86_64", "amzn2023/x86_64", "D42D0685.pub", "610C7B14E068A878070DA4E99CD0A493D42D0685"),
        ("amazon-linux-2023", "aarch64", "amzn2023/sbsa", "D42D0685.pub", "610C7B14E068A878070DA4E99CD0A493D42D0685"),
    ],
)
def test_repository_and_key(system: str, architecture: str, url: str, key: str, fingerprint: str) -> None:
    chosen = choices(system, "L4", facts={"architecture": architecture})
    assert chosen.value("__nvidia_driver_url") == f"{BASE}/{url}/"
    assert chosen.value("__nvidia_driver_key_url") == f"{BASE}/{url}/{key}"
    assert chosen.value("__nvidia_driver_key_fingerprints") == [fingerprint]


# Every generation on every system: the branch and the modules, or the reason why not.
@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("gpu", GPUS)
def test_every_generation_on_every_system(system: str, gpu: str) -> None:
    choice = choices(system, gpu).value("__nvidia_driver_choice")
    if gpu == "K80" and system != "ubuntu-22.04":
        assert "begins with branch" in choice["refusal"]
        return
    branch = "470" if gpu == "K80" else "580"
    modules = "proprietary" if gpu in ("K80", "M60", "P100", "V100") else "open"
    assert (choice["refusal"], choice["branch"], choice["modules"]) == ("", branch, modules)


@pytest.mark.parametrize(
    ("system", "gpu", "branch", "packages"),
    [
        (
            "ubuntu-22.04",
            "K80",
            "",
            "libnvidia-compute-470 nvidia-dkms-470 nvidia-utils-470 nvidia-compute-utils-470",
        ),
        (
            "ubuntu-22.04",
            "V100",
            "",
            "libnvidia-compute-580 nvidia-dkms-580 nvidia-utils-580 nvidia-compute-utils-580",
        ),
        (
            "ubuntu-24.04",
            "H100",
            "",
            "libnvidia-compute-580 nvidia-dkms-580-open nvidia-utils-580 nvidia-compute-utils-580",
        ),
        ("ubuntu-24.04", "H100", "595", "libnvidia-compute nvidia-dkms-open nvidia-persistenced"),
        ("debian-12", "V100", "", "nvidia-driver-cuda nvidia-kernel-dkms nvidia-persistenced"),
        ("debian-13", "L4", "", "nvidia-driver-cuda nvidia-kernel-open-dkms nvidia-persistenced"),
    ],
)
def test_packages_of_apt(system: str, gpu: str, branch: str, packages: str) -> None:
    chosen = choices(system, gpu, nvidia_driver_branch=branch)
    headers = f"linux-headers-{facts_of(system)['kernel']}"
    assert chosen.value("__nvidia_driver_apt_packages") == [headers, *packages.split()]


@pytest.mark.parametrize(
    ("gpu", "version", "stream", "packages"),
    [
        ("L4", "", "580-open", "nvidia-driver-cuda kmod-nvidia-open-dkms nvidia-persistenced"),
        ("V100", "", "580-dkms", "nvidia-driver-cuda kmod-nvidia-latest-dkms nvidia-persistenced"),
        (
            "L4",
            "595.91.07",
            "595-open",
            "nvidia-driver-cuda-595.91.07* kmod-nvidia-open-dkms-595.91.07* nvidia-persistenced-595.91.07*",
        ),
    ],
)
def test_packages_of_dnf(gpu: str, version: str, stream: str, packages: str) -> None:
    chosen = choices(
        "amazon-linux-2023", gpu, nvidia_driver_version=version, __nvidia_driver_build_folder={"stat": {"exists": True}}
    )
    assert chosen.value("__nvidia_driver_dnf_packages") == packages.split()
    assert f"\nstream={stream}\n" in chosen.render("module.j2")


@pytest.mark.parametrize(
    ("kernel", "prefix"),
    [("6.1.158-178.288.amzn2023.x86_64", "kernel"), ("6.18.3-2.7.amzn2023.x86_64", "kernel6.18")],
)
def test_headers_of_amazon_linux_carry_the_stream(kernel: str, prefix: str) -> None:
    chosen = choices("amazon-linux-2023", "L4", facts={"kernel": kernel})
    assert chosen.value("__nvidia_driver_headers") == [
        f"{prefix}-{part}-{kernel}" for part in ("devel", "headers", "modules-extra")
    ]


@pytest.mark.parametrize(
    ("system", "branch", "version", "package"),
    [
        ("ubuntu-22.04", "580", "580.159.04-0ubuntu1", "nvidia-fabricmanager-580=580.159.04*"),
        ("debian-12", "580", "580.159.04-1", "nvidia-fabricmanager-580=580.159.04*"),
        ("ubuntu-24.04", "595", "595.91.07-1ubuntu1", "nvidia-fabricmanager=595.91.07*"),
        ("amazon-linux-2023", "580", "580.159.04", "nvidia-fabricmanager-580.159.04*"),
        ("amazon-linux-2023", "570", "570.211.01", "nvidia-fabric-manager-570.211.01*"),
    ],
)
def test_the_fabric_manager_has_the_version_of_the_driver(system: str, branch: str, version: str, package: str) -> None:
    installed = {"rc": 0, "stdout": version}
    chosen = choices(system, "A100", nvswitch=True, nvidia_driver_branch=branch, __nvidia_driver_installed=installed)
    assert chosen.value("__nvidia_driver_fabric_manager") == package


def test_the_branch_is_held_until_there_is_a_version() -> None:
    assert "Pin: version 580.*\n" in choices("debian-12", "L4").render("preferences.j2")
    wished = choices("debian-12", "L4", nvidia_driver_version="580.159.04")
    assert "Pin: version 580.159.04*\n" in wished.render("preferences.j2")
    installed = choices("debian-12", "L4", __nvidia_driver_installed={"rc": 0, "stdout": "580.178.04-1"})
    assert "Pin: version 580.178.04*\n" in installed.render("preferences.j2")


def test_ubuntus_own_packages_of_the_same_names_are_kept_away() -> None:
    assert "Pin: release o=Ubuntu\nPin-Priority: -1\n" in choices("ubuntu-24.04", "L4").render("preferences.j2")
    assert "o=Ubuntu" not in choices("debian-12", "L4").render("preferences.j2")


# Section 1.4: once, and only when another driver or another version holds the GPUs.
@pytest.mark.parametrize(
    ("loaded", "answer", "reason"),
    [
        ([], 0, ""),
        (["nvidia"], 0, ""),
        ([], 9, ""),
        (["nouveau"], 9, "nouveau holds the GPUs"),
        (["nvidia"], 18, "a module of another version"),
    ],
)
def test_it_reboots_only_when_it_must(loaded: list[str], answer: int, reason: str) -> None:
    files = [{"path": f"/sys/module/{name}"} for name in loaded]
    chosen = choices("debian-12", "L4", __nvidia_driver_loaded={"files": files}, __nvidia_driver_answer={"rc": answer})
    found = chosen.value("__nvidia_driver_reboot_reason")
    assert found == reason if not reason else reason in found


@pytest.mark.parametrize(
    ("works", "ours", "wanted"),
    [(False, False, True), (False, True, True), (True, True, True), (True, False, False)],
    ids=["bare", "interrupted", "ours", "somebody else's"],
)
def test_a_driver_of_somebody_else_is_left_alone(works: bool, ours: bool, wanted: bool) -> None:
    line = "NVIDIA L4, 595.91.07, Disabled"
    chosen = choices(
        "ubuntu-22.04",
        "L4",
        __nvidia_driver_found={"rc": 0 if works else 9, "stdout_lines": [line]},
        __nvidia_driver_source={"stat": {"exists": ours}},
    )
    assert chosen.value("__nvidia_driver_wanted") is wanted


def test_nothing_is_wanted_where_there_is_no_gpu() -> None:
    bare = Choices("nvidia_driver", "debian-12", __nvidia_driver_machine={"accelerators": [], "nvswitch": False})
    assert bare.value("__nvidia_driver_wanted") is False


@pytest.mark.parametrize(
    ("system", "gpu", "values", "reason"),
    [
        ("ubuntu-22.04", "V100", {"nvidia_driver_branch": "595"}, "580 is the last that drives it"),
        ("ubuntu-22.04", "B200", {"nvidia_driver_modules": "proprietary"}, "only the open ones drive B200"),
        (
            "ubuntu-22.04",
            "L4",
            {"nvidia_driver_branch": "620", "nvidia_driver_modules": "proprietary"},
            "since branch 620",
        ),
        ("debian-12", "L4", {"facts": {"architecture": "aarch64"}}, "NVIDIA publishes it for x86_64"),
        ("debian-12", "L4", {"facts": {"distribution_version": "11.9"}}, "on Debian 11"),
        ("debian-12", "K80", {}, "begins with branch 530"),
    ],
)
def test_unsupported_pairs_are_refused(system: str, gpu: str, values: dict[str, Any], reason: str) -> None:
    assert reason in choices(system, gpu, **values).value("__nvidia_driver_choice")["refusal"]

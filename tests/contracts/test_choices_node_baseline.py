# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What node_baseline chooses, compared with what the systems are known to use."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.choices import SYSTEMS, Choices

APT = ["apt-daily-upgrade.service"]
DNF = ["dnf-automatic.service", "dnf-automatic-install.service"]
DEBIAN = ("chrony", "/etc/chrony/chrony.conf", APT)
APT_FILE = "/etc/systemd/system/apt-daily-upgrade.service.d/trainyard.conf"
DNF_FILES = tuple(f"/etc/systemd/system/{unit}.d/trainyard.conf" for unit in DNF)
PREF = "/etc/apt/preferences.d/trainyard-kernel.pref"
LIMITS = "/etc/security/limits.d/90-trainyard.conf"
EXPECTED = {
    "ubuntu-22.04": DEBIAN,
    "ubuntu-24.04": DEBIAN,
    "debian-12": DEBIAN,
    "debian-13": DEBIAN,
    "amazon-linux-2023": ("chronyd", "/etc/chrony.conf", DNF),
}


def looked(kernel: tuple[str, ...] | list[str] = (), swaps: str | None = "", masked: bool = False) -> dict[str, Any]:
    """What the role's first task finds."""
    found = {
        "commands": {"kernel": {"stdout_lines": list(kernel)}},
        "contents": {"/proc/swaps": swaps},
        "services": {"swap.target": {"masked": masked}},
    }
    return {"__node_baseline_look": found}


@pytest.mark.parametrize("system", SYSTEMS)
def test_services_and_files_are_those_of_the_system(system: str) -> None:
    choices = Choices("node_baseline", system)
    service, file, units = EXPECTED[system]
    assert choices.value("__node_baseline_chrony_service") == service
    assert choices.value("__node_baseline_chrony_file") == file
    assert choices.value("__node_baseline_upgrade_units") == units


def test_the_clock_follows_amazon_unless_told_otherwise() -> None:
    assert Choices("node_baseline", "debian-12").value("__node_baseline_chrony_block") == (
        "server 169.254.169.123 iburst prefer"
    )
    none = Choices("node_baseline", "debian-12", node_baseline_time_servers=[])
    assert none.value("__node_baseline_chrony_block") == ""


@pytest.mark.parametrize(
    ("kernel", "lock"),
    [
        # vendor-facts 0, trap 6: the names of kernel packages carry the stream.
        ("6.1.66-93.164.amzn2023.x86_64", "kernel*-0:6.1.66-93.164.amzn2023.*"),
        ("6.18.8-9.213.amzn2023.aarch64", "kernel*-0:6.18.8-9.213.amzn2023.*"),
    ],
)
def test_amazon_linux_locks_the_running_kernel_whatever_its_stream(kernel: str, lock: str) -> None:
    facts = {"kernel": kernel, "architecture": kernel.rsplit(".", 1)[-1]}
    assert Choices("node_baseline", "amazon-linux-2023", facts=facts).value("__node_baseline_kernel_lock") == lock


def test_ubuntu_pins_what_is_installed_and_leaves_headers_of_this_kernel_free() -> None:
    listed = [
        "installed linux-aws 6.8.0.1021.22",
        "installed linux-image-6.8.0-1021-aws 6.8.0-1021.23",
        "not-installed linux-headers-6.8.0-1021-aws ",
        "config-files linux-image-6.8.0-1009-aws 6.8.0-1009.9",
    ]
    choices = Choices("node_baseline", "ubuntu-24.04", **looked(kernel=listed))
    because = "Explanation: held by trainyard.aws.node_baseline, because a driver was built for this kernel\n"
    assert choices.render("kernel.pref.j2") == (
        f"{because}Package: linux-aws\nPin: version 6.8.0.1021.22\nPin-Priority: 1001\n\n"
        f"{because}Package: linux-image-6.8.0-1021-aws\nPin: version 6.8.0-1021.23\nPin-Priority: 1001\n\n"
    )


def test_limits_are_written_for_root_too() -> None:
    lines = Choices("node_baseline", "ubuntu-22.04").render("limits.conf.j2").splitlines()
    assert lines[1:] == [
        "* - nofile 1048576",
        "* - memlock unlimited",
        "root - nofile 1048576",
        "root - memlock unlimited",
    ]


@pytest.mark.parametrize(("limit", "in_bytes"), [("unlimited", "unlimited"), ("64", 65536)])
def test_a_limit_is_tried_in_bytes(limit: str, in_bytes: str | int) -> None:
    choices = Choices("node_baseline", "debian-12", node_baseline_memlock_limit=limit)
    assert str(choices.value("__node_baseline_memlock_bytes")) == str(in_bytes)


SWAPS = "Filename Type Size Used Priority\n/dev/zram0 partition 1 0 100\n/swapfile file 2 0 -2\n"
HEADING = SWAPS.splitlines()[0]


@pytest.mark.parametrize(
    ("swaps", "masked", "enabled", "devices", "differs"),
    [
        pytest.param(SWAPS, False, False, ["/dev/zram0", "/swapfile"], True, id="swaps"),
        pytest.param(HEADING, False, False, [], True, id="would swap after a boot"),
        pytest.param(HEADING, True, False, [], False, id="never swaps"),
        pytest.param(None, True, False, [], False, id="no swap in the kernel"),
        pytest.param(SWAPS, False, True, [], False, id="swaps and may"),
        pytest.param(HEADING, True, True, [], True, id="may swap again"),
    ],
)
def test_memory_is_kept_off_the_disk(
    swaps: str | None, masked: bool, enabled: bool, devices: list[str], differs: bool
) -> None:
    choices = Choices(
        "node_baseline", "debian-12", node_baseline_swap_enabled=enabled, **looked(swaps=swaps, masked=masked)
    )
    assert choices.value("__node_baseline_swap_devices") == devices
    assert choices.value("__node_baseline_swap_differs") is differs


@pytest.mark.parametrize(
    ("system", "values", "files"),
    [
        pytest.param("debian-12", {}, {APT_FILE: "present", PREF: "absent", LIMITS: "present"}, id="Debian"),
        pytest.param(
            "ubuntu-24.04",
            {"node_baseline_accelerators": 1, "node_baseline_limits_enabled": False},
            {APT_FILE: "present", PREF: "present"},
            id="Ubuntu that keeps its kernel",
        ),
        pytest.param(
            "amazon-linux-2023",
            {"node_baseline_kernel_held_enabled": True},
            dict.fromkeys((*DNF_FILES, LIMITS), "present"),
            id="Amazon Linux",
        ),
    ],
)
def test_what_is_written(system: str, values: dict[str, Any], files: dict[str, str]) -> None:
    texts = {f"__node_baseline_{name}_text": "" for name in ("upgrade", "kernel", "limits")}
    written = Choices("node_baseline", system, **looked(), **texts, **values).value("__node_baseline_files")
    assert {file["path"]: file.get("state", "present") for file in written} == files


def test_nobody_removed_may_become_root() -> None:
    expected = {("present", True): True, ("present", False): False, ("absent", True): False}
    for (state, sudo), may in expected.items():
        choices = Choices(
            "node_baseline", "debian-12", __node_baseline_user={"name": "ada", "state": state, "sudo": sudo}
        )
        assert choices.value("__node_baseline_may_become_root") is may

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.trainyard.aws.plugins.plugin_utils._nvidia_driver import Choice, Refusal, System, Wish, choose

UBUNTU = System("Ubuntu", "22.04", "x86_64", "6.8.0-1041-aws")
NOBLE = System("Ubuntu", "24.04", "aarch64", "6.17.0-1003-aws")
DEBIAN = System("Debian", "12", "x86_64", "6.1.0-40-cloud-amd64")
TRIXIE = System("Debian", "13", "x86_64", "6.12.48-cloud-amd64")
AMAZON = System("Amazon", "2023", "x86_64", "6.12.55-74.119.amzn2023.x86_64")
L4, V100, B200 = ("L4", "ada"), ("V100", "volta"), ("B200", "blackwell")


def choice(*gpus: tuple[str, str], system: System = UBUNTU, **wish: str) -> Choice:
    return choose(gpus, system, Wish(**wish))


# Newest usable branch and kernel modules of each generation. R580 is the default wherever it can be.
@pytest.mark.parametrize(
    ("name", "generation", "branch", "modules"),
    [
        ("K80", "kepler", "470", "proprietary"),
        ("M60", "maxwell", "580", "proprietary"),
        ("P100", "pascal", "580", "proprietary"),
        ("V100", "volta", "580", "proprietary"),
        ("T4", "turing", "580", "open"),
        ("A10G", "ampere", "580", "open"),
        ("A100", "ampere", "580", "open"),
        ("L4", "ada", "580", "open"),
        ("L40S", "ada", "580", "open"),
        ("H100", "hopper", "580", "open"),
        ("H200", "hopper", "580", "open"),
        ("B200", "blackwell", "580", "open"),
        ("B300", "blackwell", "580", "open"),
    ],
)
def test_each_generation_gets_its_branch_and_modules(name: str, generation: str, branch: str, modules: str) -> None:
    chosen = choice((name, generation))
    assert (chosen.branch, chosen.modules) == (branch, modules)


@pytest.mark.parametrize(
    ("system", "branch", "modules", "packages"),
    [
        (UBUNTU, "580", "open", "libnvidia-compute-580 nvidia-dkms-580-open nvidia-utils-580 nvidia-compute-utils-580"),
        (
            UBUNTU,
            "580",
            "proprietary",
            "libnvidia-compute-580 nvidia-dkms-580 nvidia-utils-580 nvidia-compute-utils-580",
        ),
        (UBUNTU, "590", "open", "libnvidia-compute nvidia-dkms-open nvidia-persistenced"),
        (NOBLE, "595", "proprietary", "libnvidia-compute nvidia-dkms nvidia-persistenced"),
        (DEBIAN, "580", "open", "nvidia-driver-cuda nvidia-kernel-open-dkms nvidia-persistenced"),
        (TRIXIE, "595", "proprietary", "nvidia-driver-cuda nvidia-kernel-dkms nvidia-persistenced"),
        (AMAZON, "580", "open", "nvidia-driver-cuda kmod-nvidia-open-dkms nvidia-persistenced"),
        (AMAZON, "580", "proprietary", "nvidia-driver-cuda kmod-nvidia-latest-dkms nvidia-persistenced"),
    ],
)
def test_names_the_packages_of_each_system(system: System, branch: str, modules: str, packages: str) -> None:
    assert choice(L4, system=system, branch=branch, modules=modules).packages == tuple(packages.split())


@pytest.mark.parametrize(
    ("system", "repository", "key", "headers"),
    [
        (UBUNTU, "ubuntu2204/x86_64", "3BF863CC", "linux-headers-6.8.0-1041-aws"),
        (NOBLE, "ubuntu2404/sbsa", "3BF863CC", "linux-headers-6.17.0-1003-aws"),
        (DEBIAN, "debian12/x86_64", "3BF863CC", "linux-headers-6.1.0-40-cloud-amd64"),
        (TRIXIE, "debian13/x86_64", "8793F200", "linux-headers-6.12.48-cloud-amd64"),
        (AMAZON, "amzn2023/x86_64", "D42D0685", "kernel6.12-devel-6.12.55-74.119.amzn2023.x86_64"),
    ],
)
def test_names_the_repository_its_key_and_the_headers(system: System, repository: str, key: str, headers: str) -> None:
    chosen = choice(L4, system=system)
    assert chosen.repository == repository
    assert chosen.key_fingerprint.endswith(key)
    assert len(chosen.key_fingerprint) == 40
    assert chosen.headers[0] == headers


def test_the_first_kernel_of_amazon_linux_2023_has_packages_without_a_stream() -> None:
    system = System("Amazon", "2023", "x86_64", "6.1.158-178.288.amzn2023.x86_64")
    assert choice(L4, system=system).headers == (
        "kernel-devel-6.1.158-178.288.amzn2023.x86_64",
        "kernel-headers-6.1.158-178.288.amzn2023.x86_64",
        "kernel-modules-extra-6.1.158-178.288.amzn2023.x86_64",
    )


@pytest.mark.parametrize(
    ("system", "branch", "manager"),
    [
        (UBUNTU, "580", "nvidia-fabricmanager-580"),
        (DEBIAN, "570", "nvidia-fabricmanager-570"),
        (DEBIAN, "595", "nvidia-fabricmanager"),
        (AMAZON, "580", "nvidia-fabricmanager"),
        (AMAZON, "570", "nvidia-fabric-manager"),
    ],
)
def test_names_the_fabric_manager(system: System, branch: str, manager: str) -> None:
    assert choice(("A100", "ampere"), system=system, branch=branch).fabric_manager == manager


def test_the_switches_of_blackwell_need_more_than_a_fabric_manager() -> None:
    assert (choice(B200).switch_packages, choice(B200).switch_modules) == (("nvlsm",), ("ib_umad",))
    assert (choice(L4).switch_packages, choice(L4).switch_modules) == ((), ())


@pytest.mark.parametrize(("branch", "modules", "stream"), [("580", "", "580-open"), ("580", "proprietary", "580-dkms")])
def test_names_the_stream_for_dnf(branch: str, modules: str, stream: str) -> None:
    assert choice(L4, system=AMAZON, branch=branch, modules=modules).stream == stream


@pytest.mark.parametrize(
    ("gpus", "wish", "branch"),
    [
        pytest.param([L4], {"branch": "595"}, "595", id="branch"),
        pytest.param([L4], {"version": "595.91.07"}, "595", id="version"),
        pytest.param([L4], {"branch": "580", "version": "580.159.04"}, "580", id="both agree"),
        pytest.param([L4], {"branch": "620"}, "620", id="a branch with open modules only"),
        pytest.param([L4, V100], {}, "580", id="the newest that drives both"),
        pytest.param([("4321", "unknown")], {"branch": "620", "modules": "open"}, "620", id="unknown GPU, all said"),
    ],
)
def test_the_user_may_ask_for_another_branch(gpus: list[tuple[str, str]], wish: dict[str, str], branch: str) -> None:
    assert choice(*gpus, **wish).branch == branch


@pytest.mark.parametrize(
    ("gpus", "system", "wish", "reason"),
    [
        ([V100], UBUNTU, {"branch": "595"}, "580 is the last that drives it"),
        ([("K80", "kepler")], UBUNTU, {"branch": "580"}, "470 is the last that drives it"),
        ([("K80", "kepler")], DEBIAN, {}, "begins with branch 530"),
        ([B200], UBUNTU, {"branch": "550"}, "570 is the first that drives it"),
        ([B200], UBUNTU, {"modules": "proprietary"}, "only the open ones drive B200"),
        ([B200, V100], UBUNTU, {}, "no GPUs of both kinds"),
        ([V100], UBUNTU, {"modules": "open"}, "they drive Turing and newer"),
        ([L4], UBUNTU, {"branch": "620", "modules": "proprietary"}, "since branch 620 there are only open ones"),
        ([L4], UBUNTU, {"branch": "580", "version": "595.91.07"}, "is not of branch 580"),
        ([("4321", "unknown")], UBUNTU, {}, "PCI device id 4321"),
        ([("4321", "unknown")], UBUNTU, {"branch": "580"}, "nvidia_driver_modules"),
        ([L4], System("Debian", "11", "x86_64", "5.10"), {}, "it is installed on Ubuntu 22.04, "),
        ([L4], System("Debian", "12", "aarch64", "6.1"), {}, "NVIDIA publishes it for x86_64"),
        ([L4], TRIXIE, {"branch": "570"}, "begins with branch 580"),
    ],
)
def test_an_unsupported_pair_is_refused_with_the_reason(
    gpus: list[tuple[str, str]], system: System, wish: dict[str, str], reason: str
) -> None:
    with pytest.raises(Refusal) as refused:
        choice(*gpus, system=system, **wish)
    assert reason in str(refused.value)

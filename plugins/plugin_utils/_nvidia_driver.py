# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which driver fits which NVIDIA GPU on which system, and where NVIDIA publishes it. Pure. Private to this collection.

Generations and branches: NVIDIA's "Supported drivers and CUDA architectures", open-gpu-kernel-modules.
Packages: NVIDIA's Driver Installation Guide, releases 580 to 620.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

LONG_TERM_BRANCH = 580
UNSUFFIXED_SINCE = 590  # before it, Ubuntu's package names end in the branch
OPEN_ONLY_SINCE = 620
NEVER = 0


@dataclass(frozen=True)
class Generation:
    """What a GPU generation asks of a driver. ``open_since`` is NEVER where no open module drives it."""

    oldest_branch: int
    newest_branch: int | None
    open_since: int
    needs_open: bool = False


GENERATIONS = {
    "kepler": Generation(470, 470, NEVER),
    "maxwell": Generation(470, 580, NEVER),
    "pascal": Generation(470, 580, NEVER),
    "volta": Generation(470, 580, NEVER),
    "turing": Generation(470, None, 560),
    "ampere": Generation(470, None, 560),
    "ada": Generation(535, None, 560),
    "hopper": Generation(550, None, 560),
    "blackwell": Generation(570, None, 570, needs_open=True),
}


@dataclass(frozen=True)
class System:
    distribution: str  # as Ansible names it
    version: str
    architecture: str  # as `uname -m` names it
    kernel: str


@dataclass(frozen=True)
class Wish:
    """What the user asked for; empty where the table decides."""

    branch: str = ""
    version: str = ""
    modules: str = ""


@dataclass(frozen=True)
class Choice:
    branch: str
    modules: str  # open or proprietary
    repository: str  # NVIDIA's name of the system and the architecture
    key_file: str
    key_fingerprint: str
    packages: tuple[str, ...]
    headers: tuple[str, ...]
    stream: str  # of dnf's module nvidia-driver
    fabric_manager: str  # where NVSwitches join the GPUs; its version has to be the driver's
    switch_packages: tuple[str, ...]
    switch_modules: tuple[str, ...]


class Refusal(Exception):
    """No driver fits. The text says what, why, and what to do."""


@dataclass(frozen=True)
class _Repository:
    name: str
    key_file: str
    key_fingerprint: str
    architectures: tuple[str, ...]
    oldest_branch: int  # what was current when NVIDIA first built for the system


_OLD_KEY = ("3bf863cc.pub", "EB693B3035CD5710E231E123A4B469963BF863CC")
_BOTH = ("x86_64", "aarch64")
_REPOSITORIES = {
    ("Ubuntu", "22.04"): _Repository("ubuntu2204", *_OLD_KEY, _BOTH, 470),
    ("Ubuntu", "24.04"): _Repository("ubuntu2404", *_OLD_KEY, _BOTH, 555),
    ("Debian", "12"): _Repository("debian12", *_OLD_KEY, ("x86_64",), 530),
    # apt of Debian 13 does not accept the signatures of the older key.
    ("Debian", "13"): _Repository(
        "debian13", "8793F200.pub", "02182E60104FCDC26EAE1B8597A5D4CB8793F200", ("x86_64",), 580
    ),
    ("Amazon", "2023"): _Repository("amzn2023", "D42D0685.pub", "610C7B14E068A878070DA4E99CD0A493D42D0685", _BOTH, 550),
}
_REPOSITORY_ARCHITECTURES = {"x86_64": "x86_64", "aarch64": "sbsa"}


def choose(gpus: Iterable[tuple[str, str]], system: System, wish: Wish) -> Choice:
    """The driver for ``gpus``, each a name and its generation. Raises Refusal."""
    present = tuple(gpus)
    known = _known(present, wish)
    repository = _repository(system)
    branch = _branch(known, wish)
    if branch < repository.oldest_branch:
        raise Refusal(
            f"{_names(present)} with driver branch {branch} on {system.distribution} {system.version}: NVIDIA's repository of "
            f"that system begins with branch {repository.oldest_branch}. Use an older system, or a newer GPU."
        )
    modules = _modules(known, branch, wish)
    switched_over_infiniband = any(generation.needs_open for generation in known.values())
    return Choice(
        branch=str(branch),
        modules=modules,
        repository=f"{repository.name}/{_REPOSITORY_ARCHITECTURES[system.architecture]}",
        key_file=repository.key_file,
        key_fingerprint=repository.key_fingerprint,
        packages=_packages(system, branch, modules),
        headers=_headers(system),
        stream=f"{branch}-{'open' if modules == 'open' else 'dkms'}",
        fabric_manager=_fabric_manager(system, branch),
        switch_packages=("nvlsm",) if switched_over_infiniband else (),
        switch_modules=("ib_umad",) if switched_over_infiniband else (),
    )


def _names(gpus: Iterable[tuple[str, str]]) -> str:
    return " and ".join(f"NVIDIA {name} ({generation})" for name, generation in gpus)


def _known(gpus: tuple[tuple[str, str], ...], wish: Wish) -> dict[str, Generation]:
    """The generations by GPU. One that is not known is left to what the user asked for."""
    strangers = [name for name, generation in gpus if generation not in GENERATIONS]
    if strangers and not (wish.branch and wish.modules):
        raise Refusal(
            f"NVIDIA GPU with PCI device id {' and '.join(strangers)}: its generation is not known here, so no driver can be "
            "chosen. Set nvidia_driver_branch and nvidia_driver_modules to what NVIDIA names for it."
        )
    return {name: GENERATIONS[generation] for name, generation in gpus if generation in GENERATIONS}


def _branch(gpus: dict[str, Generation], wish: Wish) -> int:
    """The branch that was asked for, or the long-term one unless a GPU needs an older one."""
    asked = wish.branch or wish.version.split(".")[0]
    branch = int(asked) if asked else min([LONG_TERM_BRANCH, *_limits(gpus)])
    if wish.version and int(wish.version.split(".")[0]) != branch:
        raise Refusal(
            f"Driver {wish.version} is not of branch {branch}. Make nvidia_driver_version and nvidia_driver_branch agree, or "
            "leave one empty."
        )
    for name, generation in gpus.items():
        if generation.newest_branch and branch > generation.newest_branch:
            raise Refusal(
                f"NVIDIA {name} with driver branch {branch}: {generation.newest_branch} is the last that drives it. Leave "
                "nvidia_driver_branch empty, or choose a newer GPU."
            )
        if branch < generation.oldest_branch:
            raise Refusal(
                f"NVIDIA {name} with driver branch {branch}: {generation.oldest_branch} is the first that drives it. Leave "
                "nvidia_driver_branch empty, or name a newer one."
            )
    return branch


def _limits(gpus: dict[str, Generation]) -> list[int]:
    return [generation.newest_branch for generation in gpus.values() if generation.newest_branch]


def _modules(gpus: dict[str, Generation], branch: int, wish: Wish) -> str:
    open_can = all(generation.open_since and branch >= generation.open_since for generation in gpus.values())
    needs_open = [name for name, generation in gpus.items() if generation.needs_open]
    modules = wish.modules or ("open" if open_can else "proprietary")
    if modules == "open" and not open_can:
        raise Refusal(
            f"NVIDIA {' and '.join(gpus)} with the open kernel modules of branch {branch}: they drive Turing and newer, from "
            "branch 560 on. Leave nvidia_driver_modules empty."
        )
    if modules == "proprietary" and needs_open:
        raise Refusal(
            f"NVIDIA {' and '.join(gpus)} with the proprietary kernel modules: only the open ones drive "
            f"{' and '.join(needs_open)}, and nothing older than Turing. Leave nvidia_driver_modules empty, and use no GPUs of "
            "both kinds in one machine."
        )
    if modules == "proprietary" and branch >= OPEN_ONLY_SINCE:
        raise Refusal(
            f"Proprietary kernel modules of branch {branch}: since branch {OPEN_ONLY_SINCE} there are only open ones. Leave "
            "nvidia_driver_modules empty, or name an older branch."
        )
    return modules


def _repository(system: System) -> _Repository:
    repository = _REPOSITORIES.get((system.distribution, system.version))
    if repository is None:
        raise Refusal(
            f"NVIDIA's driver on {system.distribution} {system.version}: it is installed on "
            f"{', '.join(' '.join(name) for name in _REPOSITORIES)}. Use one of them, or an image that has the driver."
        )
    if system.architecture not in repository.architectures:
        raise Refusal(
            f"NVIDIA's driver on {system.distribution} {system.version} for {system.architecture}: NVIDIA publishes it for "
            f"{' and '.join(repository.architectures)}. Use Ubuntu or Amazon Linux, or an image that has the driver."
        )
    return repository


def _packages(system: System, branch: int, modules: str) -> tuple[str, ...]:
    """What computes, without anything for a screen: libraries, kernel modules, nvidia-smi, and the daemon for persistence."""
    is_open = modules == "open"
    if system.distribution == "Debian":
        return (
            "nvidia-driver-cuda",
            "nvidia-kernel-open-dkms" if is_open else "nvidia-kernel-dkms",
            "nvidia-persistenced",
        )
    if system.distribution == "Amazon":
        dkms = "kmod-nvidia-open-dkms" if is_open else "kmod-nvidia-latest-dkms"
        return ("nvidia-driver-cuda", dkms, "nvidia-persistenced")
    if branch >= UNSUFFIXED_SINCE:
        return ("libnvidia-compute", "nvidia-dkms-open" if is_open else "nvidia-dkms", "nvidia-persistenced")
    dkms = f"nvidia-dkms-{branch}-open" if is_open else f"nvidia-dkms-{branch}"
    return (f"libnvidia-compute-{branch}", dkms, f"nvidia-utils-{branch}", f"nvidia-compute-utils-{branch}")


def _headers(system: System) -> tuple[str, ...]:
    """DKMS builds against the headers of the very kernel that runs. Amazon names them by the kernel's stream."""
    if system.distribution != "Amazon":
        return (f"linux-headers-{system.kernel}",)
    stream = ".".join(system.kernel.split(".")[:2])
    prefix = "kernel" if stream == "6.1" else f"kernel{stream}"
    return tuple(f"{prefix}-{part}-{system.kernel}" for part in ("devel", "headers", "modules-extra"))


def _fabric_manager(system: System, branch: int) -> str:
    if system.distribution == "Amazon" and branch < LONG_TERM_BRANCH:
        return "nvidia-fabric-manager"
    suffixed = system.distribution != "Amazon" and branch < UNSUFFIXED_SINCE
    return f"nvidia-fabricmanager-{branch}" if suffixed else "nvidia-fabricmanager"

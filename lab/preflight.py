# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the lab needs of this machine, every fault in one pass, each with what to do."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.errors import DockerException

from lab.errors import LabError
from lab.settings import Settings

INOTIFY_LIMIT = Path("/proc/sys/fs/inotify/max_user_instances")
INOTIFY_PER_BOX = 6  # systemd in a box opens about this many
BOXES_EXPECTED = 4
MEMORY_NEEDED_MIB = 2048
BRIDGE = Path("/sys/class/net/docker0")


@dataclass(frozen=True)
class Fault:
    """Something the lab cannot work with (fatal) or will meet later."""

    what: str
    fix: str
    fatal: bool = True


def docker_client() -> docker.DockerClient:
    """A client for the Docker engine of this machine, or a LabError that says how to get one."""
    try:
        client = docker.from_env(timeout=120)
        client.ping()
    except DockerException as error:
        raise LabError(
            "The Docker engine cannot be reached.",
            str(error),
            "Start it (systemctl start docker), and let your user reach it (usermod -aG docker $USER, then log in again) or run as root.",
        ) from error
    return client


def faults(settings: Settings, client: docker.DockerClient) -> list[Fault]:
    """All checks but the address ranges, which the server asks itself when it takes one."""
    checks = [
        engine_is_local(client.api.base_url),
        bridge_exists(BRIDGE),
        port_is_free(settings.port),
        memory_suffices(Path("/proc/meminfo").read_text()),
        inotify_suffices(int(INOTIFY_LIMIT.read_text())),
    ]
    return [fault for fault in checks if fault is not None]


def engine_is_local(base_url: str) -> Fault | None:
    if "docker" in base_url or base_url.startswith("http+unix"):
        return None
    return Fault(
        f"The Docker engine at {base_url} is on another machine.",
        "Unset DOCKER_HOST; the lab uses bridge addresses of this machine.",
    )


def bridge_exists(bridge: Path) -> Fault | None:
    if bridge.exists():
        return None
    return Fault(
        "Docker's own bridge docker0 is missing.",
        "Restart the Docker engine (systemctl restart docker); it makes the bridge at start.",
    )


def port_is_free(port: int) -> Fault | None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return Fault(
                f"Port {port} of 127.0.0.1 cannot be used: {error.strerror}.",
                f"Stop what listens there (ss -ltnp 'sport = :{port}') or choose another with --port.",
            )
    return None


def memory_suffices(meminfo: str) -> Fault | None:
    available = next(int(line.split()[1]) // 1024 for line in meminfo.splitlines() if line.startswith("MemAvailable:"))
    if available >= MEMORY_NEEDED_MIB:
        return None
    return Fault(
        f"Only {available} MiB of memory are available; the lab with a training wants {MEMORY_NEEDED_MIB}.",
        "Stop other programs.",
        fatal=False,
    )


def inotify_suffices(limit: int) -> Fault | None:
    """At the usual limit of 128 about 20 boxes live; the next ones end with status 255 and an empty log."""
    if limit >= INOTIFY_PER_BOX * BOXES_EXPECTED:
        return None
    return Fault(
        f"fs.inotify.max_user_instances is {limit}, which is enough for {limit // INOTIFY_PER_BOX} boxes.",
        "Raise it: sysctl -w fs.inotify.max_user_instances=1024",
    )

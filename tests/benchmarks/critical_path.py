# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shortest time in which a stack can come and go: the longest chain of waits in which each needs the one before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from lab.latency import Waits


@dataclass(frozen=True)
class Step:
    """One object: the fewest calls that make or remove it, the wait after them, and what must be done before."""

    calls: int
    wait: str | None = None  # a field of Waits
    needs: tuple[str, ...] = ()


PROVISION = {
    "vpc": Step(1),
    "subnets": Step(1, needs=("vpc",)),
    "internet gateway": Step(2, needs=("vpc",)),  # create, attach
    "elastic address": Step(1),
    "NAT gateway": Step(1, "nat_gateway_pending", ("subnets", "internet gateway", "elastic address")),
    "private route": Step(1, needs=("NAT gateway",)),
    "security groups": Step(2, needs=("vpc",)),  # create, let in
    "file system": Step(1, "file_system_creating"),
    "mount target": Step(1, "mount_target_creating", ("file system", "subnets", "security groups")),
    "instance profile": Step(2),  # create, add role
    "key pair": Step(1),
    "instances": Step(1, "instance_pending", ("subnets", "security groups", "instance profile", "key pair")),
}
DESTROY = {
    "instances": Step(1, "instance_shutting_down"),
    "NAT gateway": Step(1, "nat_gateway_deleting"),
    "elastic address": Step(1, needs=("NAT gateway",)),
    "mount target": Step(1, "mount_target_deleting"),
    "file system": Step(1, "file_system_deleting", ("mount target",)),
    "security groups": Step(1, needs=("instances", "mount target")),
    "internet gateway": Step(2, needs=("NAT gateway", "instances")),  # detach, delete
    "subnets": Step(1, needs=("NAT gateway", "instances", "mount target")),
    "vpc": Step(1, needs=("security groups", "internet gateway", "subnets")),
}


@dataclass(frozen=True)
class Path:
    """A chain of steps, and its seconds."""

    seconds: float
    names: tuple[str, ...]


def critical_path(steps: Mapping[str, Step], waits: Waits) -> Path:
    """The chain that takes longest."""

    @cache
    def up_to(name: str) -> Path:
        step = steps[name]
        before = max(map(up_to, step.needs), key=seconds_of, default=Path(0.0, ()))
        own = step.calls * waits.call + (getattr(waits, step.wait) if step.wait else 0.0)
        return Path(before.seconds + own, (*before.names, name))

    return max(map(up_to, steps), key=seconds_of)


def seconds_of(path: Path) -> float:
    return path.seconds

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Which steps lead from the EFS file system that is there to the one that is wanted. Pure."""

from __future__ import annotations

import hashlib
import typing as t
from dataclasses import dataclass, field

from ansible_collections.trainyard.aws.plugins.module_utils._file_system_settings import (
    Settings,
    settings_as_result,
    steps_of_settings,
)
from ansible_collections.trainyard.aws.plugins.module_utils._steps import Step

_SETTLED = ("available", "error")
_LEAVING = ("deleting", "deleted")


@dataclass(frozen=True)
class MountTarget:
    """The door of a file system in one subnet."""

    subnet_id: str
    security_group_ids: tuple[str, ...]
    id: str = ""
    state: str = "available"
    ip_address: str = ""
    zone: str = ""


@dataclass(frozen=True)
class FileSystem:
    """A file system as it is, or as it should be (then without id and state)."""

    tags: dict[str, str]
    mount_targets: tuple[MountTarget, ...]
    id: str = ""
    state: str = "available"
    encrypted: bool = True
    arn: str = ""
    settings: Settings = field(default_factory=Settings)


def creation_token(stack: str, name: str) -> str:
    """By this AWS knows a second creation, of a retry or of a task that outlived its playbook, for the same one."""
    return hashlib.sha256(f"{stack}/{name}".encode()).hexdigest()


def steps_to(want: FileSystem | None, have: FileSystem | None, purge: bool = False) -> tuple[Step, ...]:
    """What has to be done, in order; nothing when ``have`` is as wanted. ``want`` None means it should be gone.

    ``purge``: mount targets in subnets that are not listed go.
    """
    if have and have.state in _LEAVING:
        have = None
    if want is None:
        return _steps_to_remove(have)
    steps: list[Step] = []
    if have is None:
        steps.append(Step("create", want.tags.get("Name", ""), "it does not exist"))
        at_birth = Settings(throughput=want.settings.throughput, backup=want.settings.backup)
        have = FileSystem(tags=want.tags, mount_targets=(), settings=at_birth)
    missing = {key for key, value in want.tags.items() if have.tags.get(key) != value}
    steps += [Step("tag", key, "the tag is missing or differs") for key in sorted(missing)]
    return (*steps, *_steps_of_targets(want, have, purge), *steps_of_settings(want.settings, have.settings))


def _steps_to_remove(have: FileSystem | None) -> tuple[Step, ...]:
    if have is None:
        return ()
    doors = [Step("remove_target", target.id, "the file system is to go") for target in _staying(have)]
    doors += [
        Step("remove_access_point", point.id, "the file system is to go") for point in have.settings.access_points
    ]
    return (*doors, Step("remove", have.id, "it is still there"))


def _steps_of_targets(want: FileSystem, have: FileSystem, purge: bool) -> tuple[Step, ...]:
    present = {target.subnet_id: target for target in _staying(have)}
    wanted = {target.subnet_id: target for target in want.mount_targets}
    steps = []
    for subnet, target in sorted(present.items()):
        if purge and subnet not in wanted:
            steps.append(Step("remove_target", target.id, "its subnet is not wanted"))
    for subnet, target in sorted(wanted.items()):
        if subnet not in present:
            steps.append(Step("add_target", subnet, "the subnet has no mount target"))
        elif present[subnet].state in _SETTLED and set(present[subnet].security_group_ids) != set(
            target.security_group_ids
        ):
            steps.append(Step("set_groups", subnet, "its security groups differ"))
    return tuple(steps)


def _staying(have: FileSystem) -> tuple[MountTarget, ...]:
    return tuple(target for target in have.mount_targets if target.state not in _LEAVING)


def is_settled(have: FileSystem | None) -> bool:
    """True when nothing of the file system is on its way to another state."""
    if have is None:
        return True
    return have.state in _SETTLED and all(target.state in _SETTLED for target in have.mount_targets)


def fault_of(want: FileSystem | None, have: FileSystem | None) -> str:
    """Why ``have`` can never become ``want``, or an empty text."""
    if want is None or have is None:
        return ""
    if want.encrypted and not have.encrypted:
        return (
            f"File system {have.id} is not encrypted at rest, and AWS cannot encrypt it afterwards. "
            "Copy its data to a new one, or adopt it by name."
        )
    states = {have.id: have.state, **{target.id: target.state for target in have.mount_targets}}
    broken = [part for part, state in states.items() if state == "error"]
    if broken:
        return f"AWS says that {' and '.join(broken)} is broken (state error). Remove it there, and run again."
    return ""


def as_result(have: FileSystem | None) -> dict[str, t.Any]:
    """The file system as the module returns it and as both sides of a diff show it."""
    if have is None:
        return {}
    return {
        "file_system_id": have.id,
        "state": have.state,
        "encrypted": have.encrypted,
        "tags": dict(have.tags),
        "mount_targets": [
            {
                "mount_target_id": target.id,
                "subnet_id": target.subnet_id,
                "zone": target.zone,
                "ip_address": target.ip_address,
                "security_group_ids": sorted(target.security_group_ids),
                "state": target.state,
            }
            for target in have.mount_targets
        ],
        **settings_as_result(have.settings),
    }


def adoption_fault(have: FileSystem | None, identifier: str, zones: t.Iterable[str]) -> str:
    """Why nodes in these zones could not mount a file system that is not ours, or an empty text."""
    if have is None:
        return f"There is no file system {identifier} in this region. Correct the id, or leave it out to get a new one."
    if have.state in _LEAVING:
        return f"File system {identifier} is being deleted. Name another, or leave it out to get a new one."
    served = {target.zone for target in _staying(have)}
    missing = sorted(set(zones) - served)
    if missing:
        return (
            f"File system {identifier} has no mount target in {' and '.join(missing)}, and what is adopted is never "
            f"changed. Add one there (aws efs create-mount-target --file-system-id {identifier} --subnet-id ... "
            "--security-groups ...) that lets in TCP 2049 from the nodes, or leave the id out to get a new file system."
        )
    return ""

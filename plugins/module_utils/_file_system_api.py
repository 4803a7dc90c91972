# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Reads and changes EFS file systems, one small function for each call."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.trainyard.aws.plugins.module_utils._file_system import (
    FileSystem,
    MountTarget,
    Step,
    creation_token,
    is_settled,
)
from ansible_collections.trainyard.aws.plugins.module_utils._stack import STACK_TAG, tags_as_dict

try:
    from botocore.exceptions import ClientError
except ImportError:
    pass  # AnsibleAWSModule says so

Client = t.Any

_POLL_SECONDS = 2.0


class NotSettled(Exception):
    """The file system did not reach its final state in the time given."""


def read(client: Client, name: str, stack: str) -> FileSystem | None:
    """The file system of that ``Name`` in the stack, or None. One that is being deleted is still there."""
    for page in client.get_paginator("describe_file_systems").paginate():
        for item in page["FileSystems"]:
            tags = tags_as_dict(item.get("Tags"))
            if tags.get(STACK_TAG) == stack and tags.get("Name") == name and item["LifeCycleState"] != "deleted":
                return FileSystem(
                    tags=tags,
                    mount_targets=_mount_targets(client, item["FileSystemId"])
                    if item["LifeCycleState"] != "deleting"
                    else (),
                    id=item["FileSystemId"],
                    state=item["LifeCycleState"],
                    encrypted=bool(item.get("Encrypted")),
                )
    return None


def _mount_targets(client: Client, file_system: str) -> tuple[MountTarget, ...]:
    targets = client.describe_mount_targets(FileSystemId=file_system)["MountTargets"]
    return tuple(
        MountTarget(
            subnet_id=target["SubnetId"],
            security_group_ids=tuple(
                client.describe_mount_target_security_groups(MountTargetId=target["MountTargetId"])["SecurityGroups"]
                if target["LifeCycleState"] == "available"
                else ()
            ),
            id=target["MountTargetId"],
            state=target["LifeCycleState"],
            ip_address=target.get("IpAddress", ""),
        )
        for target in targets
        if target["LifeCycleState"] != "deleted"
    )


def take(client: Client, step: Step, want: FileSystem | None, have: FileSystem | None, deadline: float) -> None:
    """Carry out one step. Needs ``have`` for everything but ``create``."""
    if step.verb == "create" and want:
        _create(client, want, creation_token(want.tags[STACK_TAG], step.subject))
    elif step.verb == "tag" and want and have:
        client.tag_resource(ResourceId=have.id, Tags=[{"Key": step.subject, "Value": want.tags[step.subject]}])
    elif step.verb == "add_target" and want and have:
        # A zone takes one mount target: the one that gives way must be gone first.
        wait_until(lambda: _none_is_leaving(client, have.id), deadline, "the mount targets not wanted are gone")
        client.create_mount_target(
            FileSystemId=have.id, SubnetId=step.subject, SecurityGroups=_groups_of(want, step.subject)
        )
    elif step.verb == "set_groups" and want and have:
        target = next(target for target in have.mount_targets if target.subnet_id == step.subject)
        client.modify_mount_target_security_groups(
            MountTargetId=target.id, SecurityGroups=_groups_of(want, step.subject)
        )
    elif step.verb == "remove_target":
        client.delete_mount_target(MountTargetId=step.subject)
    elif step.verb == "remove":
        wait_until(lambda: _has_no_targets(client, step.subject), deadline, "its mount targets are gone")
        client.delete_file_system(FileSystemId=step.subject)


def _create(client: Client, want: FileSystem, token: str) -> None:
    try:
        client.create_file_system(
            CreationToken=token,
            Encrypted=want.encrypted,
            PerformanceMode="generalPurpose",
            Tags=[{"Key": key, "Value": value} for key, value in want.tags.items()],
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "FileSystemAlreadyExists":
            raise


def _groups_of(want: FileSystem, subnet: str) -> list[str]:
    return next(list(target.security_group_ids) for target in want.mount_targets if target.subnet_id == subnet)


def _has_no_targets(client: Client, file_system: str) -> bool:
    return not client.describe_mount_targets(FileSystemId=file_system)["MountTargets"]


def _none_is_leaving(client: Client, file_system: str) -> bool:
    targets = client.describe_mount_targets(FileSystemId=file_system)["MountTargets"]
    return all(target["LifeCycleState"] != "deleting" for target in targets)


def settled(client: Client, name: str, stack: str, deadline: float, expected: bool = False) -> FileSystem | None:
    """The file system once nothing of it is on its way any more. Raises NotSettled after ``deadline``.

    ``expected``: it was just made, so the answer that there is none is not the last word.
    """
    latest: list[FileSystem | None] = []

    def has_settled() -> bool:
        latest[:] = [read(client, name, stack)]
        return is_settled(latest[0]) and not (expected and latest[0] is None)

    wait_until(has_settled, deadline, "it and its mount targets are available or gone")
    return latest[0]


def wait_until(condition: t.Callable[[], bool], deadline: float, what: str) -> None:
    """Ask until ``condition`` holds. ``deadline`` is a time of the monotonic clock, in seconds."""
    while not condition():
        if time.monotonic() > deadline:
            raise NotSettled(f"gave up waiting until {what}")
        time.sleep(_POLL_SECONDS)

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Reads and changes EFS file systems, one small function for each call."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.trainyard.aws.plugins.module_utils._file_system import (
    FileSystem,
    MountTarget,
    creation_token,
    is_settled,
)
from ansible_collections.trainyard.aws.plugins.module_utils._file_system_settings import (
    AccessPoint,
    Settings,
    Throughput,
    access_point_of,
    access_point_token,
    as_access_point_arguments,
    as_lifecycle_policies,
    lifecycle_of,
    policy_requiring_tls,
    refuses_plain_text,
)
from ansible_collections.trainyard.aws.plugins.module_utils._stack import STACK_TAG, tags_as_dict, tags_as_list
from ansible_collections.trainyard.aws.plugins.module_utils._steps import Step, wait_until

try:
    from botocore.exceptions import ClientError
except ImportError:
    pass  # AnsibleAWSModule says so

Client = t.Any

_POLL_SECONDS = 2.0


def read(client: Client, name: str, stack: str) -> FileSystem | None:
    """The file system of that ``Name`` in the stack, or None. One that is being deleted is still there."""
    for page in client.get_paginator("describe_file_systems").paginate():
        for item in page["FileSystems"]:
            tags = tags_as_dict(item.get("Tags"))
            if tags.get(STACK_TAG) == stack and tags.get("Name") == name and item["LifeCycleState"] != "deleted":
                return _file_system(client, item)
    return None


def read_by_id(client: Client, identifier: str) -> FileSystem | None:
    """The file system of that id, whoever it belongs to, or None."""
    try:
        items = client.describe_file_systems(FileSystemId=identifier)["FileSystems"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "FileSystemNotFound":
            raise
        items = []
    return next((_file_system(client, item) for item in items), None)


def zones_of(ec2: Client, subnets: list[str]) -> list[str]:
    """The zones in which these subnets lie."""
    if not subnets:
        return []
    return [subnet["AvailabilityZone"] for subnet in ec2.describe_subnets(SubnetIds=subnets)["Subnets"]]


def _file_system(client: Client, item: dict[str, t.Any]) -> FileSystem:
    return FileSystem(
        tags=tags_as_dict(item.get("Tags")),
        mount_targets=_mount_targets(client, item["FileSystemId"]) if item["LifeCycleState"] != "deleting" else (),
        id=item["FileSystemId"],
        state=item["LifeCycleState"],
        encrypted=bool(item.get("Encrypted")),
        arn=item.get("FileSystemArn", ""),
        settings=Settings(throughput=_throughput(item)),
    )


def _throughput(item: dict[str, t.Any]) -> Throughput | None:
    mode = item.get("ThroughputMode")
    return Throughput(mode, float(item.get("ProvisionedThroughputInMibps") or 0)) if mode else None


def with_settings(client: Client, have: FileSystem | None, want: FileSystem | None) -> FileSystem | None:
    """The same, with what must be asked for call by call: only what somebody has a wish about."""
    if have is None or have.state == "deleting":
        return have
    wishes = want.settings if want else Settings()
    known = have.settings
    if wishes.lifecycle:
        rules = client.describe_lifecycle_configuration(FileSystemId=have.id)["LifecyclePolicies"]
        known = dataclasses.replace(known, lifecycle=lifecycle_of(rules))
    if wishes.backup is not None:
        known = dataclasses.replace(known, backup=_has_backup(client, have.id))
    if wishes.tls_required is not None:
        policy = _policy(client, have.id)
        known = dataclasses.replace(known, policy=policy, tls_required=refuses_plain_text(policy))
    if want is None or wishes.access_point:
        known = dataclasses.replace(known, access_points=_access_points(client, have.id))
    return dataclasses.replace(have, settings=known)


def _has_backup(client: Client, file_system: str) -> bool:
    try:
        status = client.describe_backup_policy(FileSystemId=file_system)["BackupPolicy"]["Status"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "PolicyNotFound":
            raise
        return False
    return status in ("ENABLED", "ENABLING")


def _policy(client: Client, file_system: str) -> str:
    try:
        return str(client.describe_file_system_policy(FileSystemId=file_system)["Policy"])
    except ClientError as error:
        if error.response["Error"]["Code"] != "PolicyNotFound":
            raise
        return ""


def _access_points(client: Client, file_system: str) -> tuple[AccessPoint, ...]:
    pages = client.get_paginator("describe_access_points").paginate(FileSystemId=file_system)
    return tuple(
        access_point_of(item)
        for page in pages
        for item in page["AccessPoints"]
        if item.get("LifeCycleState") not in ("deleting", "deleted")
    )


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
            zone=target.get("AvailabilityZoneName", ""),
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
        wait_until(
            lambda: _none_is_leaving(client, have.id), deadline, "the mount targets not wanted are gone", _POLL_SECONDS
        )
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
    elif step.verb == "remove_access_point":
        client.delete_access_point(AccessPointId=step.subject)
    elif step.verb == "remove":
        wait_until(lambda: _has_no_targets(client, step.subject), deadline, "its mount targets are gone", _POLL_SECONDS)
        client.delete_file_system(FileSystemId=step.subject)
    elif want and have:
        _set(client, step.verb, want, have)


def _set(client: Client, verb: str, want: FileSystem, have: FileSystem) -> None:
    wish = want.settings
    if verb == "set_throughput" and wish.throughput:
        client.update_file_system(FileSystemId=have.id, **_throughput_arguments(wish.throughput))
    elif verb == "set_lifecycle" and wish.lifecycle:
        client.put_lifecycle_configuration(
            FileSystemId=have.id, LifecyclePolicies=as_lifecycle_policies(wish.lifecycle)
        )
    elif verb == "set_backup":
        client.put_backup_policy(
            FileSystemId=have.id, BackupPolicy={"Status": "ENABLED" if wish.backup else "DISABLED"}
        )
    elif verb == "set_policy":
        client.put_file_system_policy(FileSystemId=have.id, Policy=policy_requiring_tls(have.arn, have.settings.policy))
    elif verb == "remove_policy":
        client.delete_file_system_policy(FileSystemId=have.id)
    elif verb == "add_access_point" and wish.access_point:
        client.create_access_point(
            ClientToken=access_point_token(have.id, wish.access_point),
            FileSystemId=have.id,
            Tags=tags_as_list(want.tags),
            **as_access_point_arguments(wish.access_point),
        )


def _throughput_arguments(want: Throughput) -> dict[str, t.Any]:
    arguments: dict[str, t.Any] = {"ThroughputMode": want.mode}
    if want.mibps:
        arguments["ProvisionedThroughputInMibps"] = want.mibps
    return arguments


def _create(client: Client, want: FileSystem, token: str) -> None:
    wish = want.settings
    try:
        client.create_file_system(
            CreationToken=token,
            Encrypted=want.encrypted,
            PerformanceMode="generalPurpose",
            Tags=tags_as_list(want.tags),
            **(_throughput_arguments(wish.throughput) if wish.throughput else {}),
            **({} if wish.backup is None else {"Backup": wish.backup}),
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

    wait_until(has_settled, deadline, "it and its mount targets are available or gone", _POLL_SECONDS)
    return latest[0]

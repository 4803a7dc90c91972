# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Reads and changes FSx for Lustre file systems, one small function for each call."""

from __future__ import annotations

import typing as t

from ansible_collections.trainyard.aws.plugins.module_utils._lustre import (
    PERSISTENT,
    THROUGHPUTS,
    Link,
    Lustre,
    creation_token,
    is_settled,
)
from ansible_collections.trainyard.aws.plugins.module_utils._stack import STACK_TAG, tags_as_dict, tags_as_list
from ansible_collections.trainyard.aws.plugins.module_utils._steps import Step, wait_until

try:
    from botocore.exceptions import ClientError
except ImportError:
    pass  # AnsibleAWSModule says so

Client = t.Any

# FSx would take 2.10 for scratch file systems, which knows no links.
LUSTRE_VERSION = "2.15"
_POLL_SECONDS = 5.0


def read(client: Client, name: str, stack: str) -> Lustre | None:
    """The file system of that ``Name`` in the stack with its links, or None. One that is being deleted is still there."""
    found = [
        item
        for page in client.get_paginator("describe_file_systems").paginate()
        for item in page["FileSystems"]
        if item["FileSystemType"] == "LUSTRE" and _is_called(item, name, stack)
    ]
    found.sort(key=lambda item: item["Lifecycle"] == "DELETING")
    return _lustre(client, found[0]) if found else None


def _is_called(item: dict[str, t.Any], name: str, stack: str) -> bool:
    tags = tags_as_dict(item.get("Tags"))
    return tags.get(STACK_TAG) == stack and tags.get("Name") == name


def _lustre(client: Client, item: dict[str, t.Any]) -> Lustre:
    settings = item.get("LustreConfiguration") or {}
    update = _update_under_way(item)
    goal = update.get("TargetFileSystemValues") or {}
    goal_settings = goal.get("LustreConfiguration") or {}
    throughput = goal_settings.get("PerUnitStorageThroughput") or settings.get("PerUnitStorageThroughput") or 0
    return Lustre(
        tags=tags_as_dict(item.get("Tags")),
        size_gib=goal.get("StorageCapacity") or item["StorageCapacity"],
        deployment_type=settings.get("DeploymentType", ""),
        subnet_id=item["SubnetIds"][0],
        throughput_per_tib=throughput,
        links=_links(client, item["FileSystemId"]) if item["Lifecycle"] != "DELETING" else (),
        id=item["FileSystemId"],
        arn=item["ResourceARN"],
        state=item["Lifecycle"],
        reason=(item.get("FailureDetails") or {}).get("Message", ""),
        is_updating=bool(update),
        dns_name=item.get("DNSName", ""),
        mount_name=settings.get("MountName", ""),
    )


def _update_under_way(item: dict[str, t.Any]) -> dict[str, t.Any]:
    """The update that has not ended. That the data is spread anew afterwards, for hours, holds nobody up."""
    for action in item.get("AdministrativeActions") or ():
        if action["AdministrativeActionType"] == "FILE_SYSTEM_UPDATE" and action["Status"] in (
            "PENDING",
            "IN_PROGRESS",
        ):
            return t.cast("dict[str, t.Any]", action)
    return {}


def _links(client: Client, file_system: str) -> tuple[Link, ...]:
    filters = [{"Name": "file-system-id", "Values": [file_system]}]
    # A file system has at most eight, so one page holds them.
    found = client.describe_data_repository_associations(Filters=filters)["Associations"]
    return tuple(_link(item) for item in found if item["Lifecycle"] != "DELETING")


def _link(item: dict[str, t.Any]) -> Link:
    policies = item.get("S3") or {}
    return Link(
        uri=item["DataRepositoryPath"],
        path=item["FileSystemPath"],
        import_events=tuple((policies.get("AutoImportPolicy") or {}).get("Events") or ()),
        export_events=tuple((policies.get("AutoExportPolicy") or {}).get("Events") or ()),
        id=item["AssociationId"],
        state=item["Lifecycle"],
        reason=(item.get("FailureDetails") or {}).get("Message", ""),
    )


def take(client: Client, step: Step, want: Lustre | None, have: Lustre | None, deadline: float) -> None:
    """Carry out one step. Needs ``have`` for everything but ``create``."""
    if step.verb == "create" and want:
        _create(client, want, creation_token(want.tags[STACK_TAG], step.subject))
    elif step.verb == "remove":
        _remove(client, step.subject, deadline)
    elif want and have:
        _change(client, step, want, have)


def _change(client: Client, step: Step, want: Lustre, have: Lustre) -> None:
    if step.verb == "tag":
        client.tag_resource(ResourceARN=have.arn, Tags=[{"Key": step.subject, "Value": want.tags[step.subject]}])
    elif step.verb == "grow":
        client.update_file_system(FileSystemId=have.id, StorageCapacity=want.size_gib)
    elif step.verb == "set_throughput":
        settings = {"PerUnitStorageThroughput": want.throughput_per_tib}
        client.update_file_system(FileSystemId=have.id, LustreConfiguration=settings)
    elif step.verb == "link":
        link = next(link for link in want.links if link.path == step.subject)
        client.create_data_repository_association(
            FileSystemId=have.id,
            FileSystemPath=link.path,
            DataRepositoryPath=link.uri,
            # Without it only what is new in the bucket from now on would be seen.
            BatchImportMetaDataOnCreate=True,
            S3=_policies(link),
            ClientRequestToken=creation_token(have.id, link.path, link.uri),
            Tags=tags_as_list(want.tags),
        )
    elif step.verb == "set_events":
        link = next(link for link in want.links if link.path == step.subject)
        there = next(item for item in have.links if item.path.rstrip("/") == step.subject.rstrip("/"))
        client.update_data_repository_association(AssociationId=there.id, S3=_policies(link))


def _create(client: Client, want: Lustre, token: str) -> None:
    settings: dict[str, t.Any] = {"DeploymentType": want.deployment_type}
    if want.deployment_type == PERSISTENT:
        settings["PerUnitStorageThroughput"] = want.throughput_per_tib or THROUGHPUTS[0]
    client.create_file_system(
        ClientRequestToken=token,
        FileSystemType="LUSTRE",
        FileSystemTypeVersion=LUSTRE_VERSION,
        StorageCapacity=want.size_gib,
        StorageType="SSD",
        SubnetIds=[want.subnet_id],
        SecurityGroupIds=list(want.security_group_ids),
        Tags=tags_as_list(want.tags),
        LustreConfiguration=settings,
    )


def _remove(client: Client, file_system: str, deadline: float) -> None:
    """Its links go with it. FSx refuses as long as it still reads the names of what lies in the bucket."""

    def is_taken() -> bool:
        try:
            client.delete_file_system(FileSystemId=file_system)
        except ClientError as error:
            code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
            if code == "FileSystemNotFound":
                return True
            if code == "BadRequest" and "data repository task" in message.lower():
                return False
            raise
        return True

    wait_until(is_taken, deadline, "its data repository task has ended", _POLL_SECONDS)


def _policies(link: Link) -> dict[str, t.Any]:
    return {
        "AutoImportPolicy": {"Events": list(link.import_events)},
        "AutoExportPolicy": {"Events": list(link.export_events)},
    }


def settled(client: Client, name: str, stack: str, deadline: float, expected: bool = False) -> Lustre | None:
    """The file system once nothing of it is on its way any more. Raises NotSettled after ``deadline``.

    ``expected``: it was just made, so the answer that there is none is not the last word.
    """
    latest: list[Lustre | None] = []

    def has_settled() -> bool:
        latest[:] = [read(client, name, stack)]
        return is_settled(latest[0]) and not (expected and latest[0] is None)

    wait_until(has_settled, deadline, "it and its links are available or gone", _POLL_SECONDS)
    return latest[0]

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Asks every service that a stack can create in what is there. Reads only."""

from __future__ import annotations

import typing as t
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.trainyard.aws.plugins.module_utils._stack import (
    COMPONENT_TAG,
    EC2_KINDS,
    EXPIRY_TAG,
    STACK_TAG,
    Kind,
    Names,
    Resource,
    is_described,
    iso_utc,
    sorted_resources,
    tags_as_dict,
)

try:
    import jmespath
    from botocore.exceptions import ClientError
except ImportError:
    pass  # AnsibleAWSModule says so when boto3 and what it brings are missing

Client = t.Any
ClientFor = t.Callable[[str], Client]

_MISSING = (
    "404",
    "NoSuchBucket",
    "NoSuchEntity",
    "NoSuchTagSet",
    "FileSystemNotFound",
    "InvalidResourceId",
    "ResourceNotFoundException",
)


def resources_of(client_for: ClientFor, stack: str, names: Names) -> list[Resource]:
    """Everything in the account and region that belongs to ``stack``, whatever the tagging API has noticed so far.

    ``client_for`` makes a boto3 client from a service name. Raises botocore's ClientError and BotoCoreError.
    """
    # Clients are made before the threads start: making one is not thread-safe, using one is.
    services = ("ec2", "efs", "fsx", "s3", "iam", "scheduler", "cloudwatch", "ssm", "resourcegroupstaggingapi")
    ec2, efs, fsx, s3, iam, scheduler, cloudwatch, ssm, tagging = (client_for(name) for name in services)
    questions: list[t.Callable[[], list[Resource]]] = [
        lambda: _file_systems(efs, stack),
        lambda: _lustre_file_systems(fsx, stack),
        lambda: _bucket(s3, stack, names.bucket),
        lambda: _role(iam, stack, names.node_role),
        lambda: _instance_profile(iam, stack, names.node_role),
        lambda: _role(iam, stack, names.termination_role),
        lambda: _schedule_group(scheduler, stack, names.schedule_group),
        lambda: _role(iam, stack, names.monitor_role),
        lambda: _instance_profile(iam, stack, names.monitor_role),
        lambda: _parameter(ssm, stack, names.monitor_password),
        lambda: _alarms(cloudwatch, stack, names.alarms),
        lambda: _anything_else(tagging, stack, names.bucket),
    ]
    filters = [{"Name": f"tag:{STACK_TAG}", "Values": [stack]}]
    questions += [lambda kind=kind: _tagged(_ec2(ec2, kind, filters, stack)) for kind in EC2_KINDS]
    found = _ask_all(questions)
    vpcs = [resource.id for resource in found if resource.type == "vpc"]
    if vpcs:
        inside = [kind for kind in EC2_KINDS if kind.vpc_filter]
        found += _ask_all(
            [lambda kind=kind: _ec2(ec2, kind, [{"Name": kind.vpc_filter, "Values": vpcs}], stack) for kind in inside]
        )
    return sorted_resources(found)


def _ask_all(questions: list[t.Callable[[], list[Resource]]]) -> list[Resource]:
    with ThreadPoolExecutor(max_workers=16) as pool:
        return [resource for answer in pool.map(lambda ask: ask(), questions) for resource in answer]


def _tagged(resources: list[Resource]) -> list[Resource]:
    """What a filter by tag may mean: an answer beyond it is somebody else's."""
    return [resource for resource in resources if resource.tagged]


def _pages(client: Client, operation: str, **arguments: t.Any) -> t.Iterator[dict[str, t.Any]]:
    if client.can_paginate(operation):
        return iter(client.get_paginator(operation).paginate(**arguments))
    return iter([getattr(client, operation)(**arguments)])


def _ec2(client: Client, kind: Kind, filters: list[dict[str, t.Any]], stack: str) -> list[Resource]:
    found = []
    for page in _pages(client, kind.operation, **{kind.filters: filters}):
        for item in jmespath.search(kind.items, page) or ():
            resource = _ec2_resource(kind, item, stack)
            if resource.state not in kind.gone and (resource.tagged or not _is_left_alone(kind, item)):
                found.append(resource)
    return found


def _is_left_alone(kind: Kind, item: dict[str, t.Any]) -> bool:
    return bool(kind.skip and jmespath.search(kind.skip, item))


def _ec2_resource(kind: Kind, item: dict[str, t.Any], stack: str) -> Resource:
    tags = tags_as_dict(item.get("Tags"))
    return Resource(
        type=kind.type,
        id=item[kind.id],
        state=(jmespath.search(kind.state, item) if kind.state else None) or "available",
        name=tags.get("Name", ""),
        component=tags.get(COMPONENT_TAG, ""),
        tagged=tags.get(STACK_TAG) == stack,
        attributes={name: jmespath.search(path, item) for name, path in kind.keep.items()},
        since=iso_utc(jmespath.search(kind.since, item) if kind.since else None),
        expires_at=tags.get(EXPIRY_TAG, ""),
    )


def _file_systems(client: Client, stack: str) -> list[Resource]:
    found = []
    for page in _pages(client, "describe_file_systems"):
        for item in page["FileSystems"]:
            tags = tags_as_dict(item.get("Tags"))
            if tags.get(STACK_TAG) != stack or item["LifeCycleState"] == "deleted":
                continue
            identifier = item["FileSystemId"]
            name = item.get("Name", "")
            found.append(
                Resource(
                    "file_system",
                    identifier,
                    item["LifeCycleState"],
                    name,
                    tags.get(COMPONENT_TAG, ""),
                    attributes={"size_bytes": item.get("SizeInBytes", {}).get("Value", 0)},
                    since=iso_utc(item.get("CreationTime")),
                )
            )
            found += _mount_targets(client, identifier, name)
    return found


def _lustre_file_systems(client: Client, stack: str) -> list[Resource]:
    """With their links, which go with them: what AWS calls an association is no resource of its own here."""
    return [
        Resource(
            "lustre_file_system",
            item["FileSystemId"],
            item["Lifecycle"],
            tags.get("Name", ""),
            tags.get(COMPONENT_TAG, ""),
            attributes={
                "size_gib": item["StorageCapacity"],
                "deployment_type": (item.get("LustreConfiguration") or {}).get("DeploymentType", ""),
                "subnet_id": item["SubnetIds"][0],
            },
            since=iso_utc(item.get("CreationTime")),
        )
        for page in _pages(client, "describe_file_systems")
        for item in page["FileSystems"]
        if item.get("FileSystemType") == "LUSTRE" and (tags := tags_as_dict(item.get("Tags"))).get(STACK_TAG) == stack
    ]


def _mount_targets(client: Client, file_system: str, name: str) -> list[Resource]:
    try:
        targets = client.describe_mount_targets(FileSystemId=file_system)["MountTargets"]
    except ClientError as error:
        return _nothing_if_missing(error)
    return [
        Resource(
            "mount_target",
            target["MountTargetId"],
            target["LifeCycleState"],
            name,
            "storage",
            attributes={"file_system_id": file_system, "subnet_id": target["SubnetId"]},
        )
        for target in targets
        if target["LifeCycleState"] != "deleted"
    ]


def _bucket(client: Client, stack: str, bucket: str) -> list[Resource]:
    try:
        client.head_bucket(Bucket=bucket)
    except ClientError as error:
        return _nothing_if_missing(error)
    try:
        tags = tags_as_dict(client.get_bucket_tagging(Bucket=bucket)["TagSet"])
    except ClientError as error:
        _nothing_if_missing(error)
        tags = {}
    return [
        Resource(
            "bucket", bucket, name=bucket, component=tags.get(COMPONENT_TAG, ""), tagged=tags.get(STACK_TAG) == stack
        )
    ]


def _role(client: Client, stack: str, name: str) -> list[Resource]:
    return _named("iam_role", name, stack, lambda: client.get_role(RoleName=name)["Role"].get("Tags"))


def _instance_profile(client: Client, stack: str, name: str) -> list[Resource]:
    return _named(
        "instance_profile",
        name,
        stack,
        lambda: client.get_instance_profile(InstanceProfileName=name)["InstanceProfile"].get("Tags"),
    )


def _schedule_group(client: Client, stack: str, name: str) -> list[Resource]:
    """With its schedules, which go with it and can carry no tags."""
    return _named(
        "schedule_group",
        name,
        stack,
        lambda: client.list_tags_for_resource(ResourceArn=client.get_schedule_group(Name=name)["Arn"])["Tags"],
    )


def _parameter(client: Client, stack: str, name: str) -> list[Resource]:
    return _named(
        "parameter",
        name,
        stack,
        lambda: client.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)["TagList"],
    )


def _alarms(client: Client, stack: str, names: t.Sequence[str]) -> list[Resource]:
    """By their whole names: those of a stack "a-b" begin like those of "a"."""
    alarms = client.describe_alarms(AlarmNames=list(names), AlarmTypes=["MetricAlarm"])["MetricAlarms"]
    return [
        resource
        for alarm in alarms
        for resource in _named(
            "alarm",
            alarm["AlarmName"],
            stack,
            lambda arn=alarm["AlarmArn"]: client.list_tags_for_resource(ResourceARN=arn)["Tags"],
        )
    ]


def _named(kind: str, name: str, stack: str, tags_there: t.Callable[[], t.Any]) -> list[Resource]:
    """What is found by its name, if it is there."""
    try:
        tags = tags_as_dict(tags_there())
    except ClientError as error:
        return _nothing_if_missing(error)
    return [Resource(kind, name, name=name, component=tags.get(COMPONENT_TAG, ""), tagged=tags.get(STACK_TAG) == stack)]


def _anything_else(client: Client, stack: str, bucket: str) -> list[Resource]:
    """What carries our tag and no direct describe of ours covers: nothing of ours should be here."""
    found = []
    for page in _pages(client, "get_resources", TagFilters=[{"Key": STACK_TAG, "Values": [stack]}]):
        for item in page["ResourceTagMappingList"]:
            if not is_described(item["ResourceARN"], bucket):
                tags = tags_as_dict(item["Tags"])
                found.append(
                    Resource("other", item["ResourceARN"], "unknown", tags.get("Name", ""), tags.get(COMPONENT_TAG, ""))
                )
    return found


def _nothing_if_missing(error: ClientError) -> list[Resource]:
    if error.response["Error"]["Code"] in _MISSING:
        return []
    raise error

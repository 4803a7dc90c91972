# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Reads and changes flow logs and Instance Connect endpoints, one small function for each call."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.trainyard.aws.plugins.module_utils._network import COMING, GONE, LEAVING, Endpoint, FlowLog
from ansible_collections.trainyard.aws.plugins.module_utils._stack import STACK_TAG, tags_as_dict, tags_as_list
from ansible_collections.trainyard.aws.plugins.module_utils._steps import NotSettled

Client = t.Any

_POLL_SECONDS = 2.0


class Refused(Exception):
    """AWS answered, but not with what was asked for."""


def flow_logs(client: Client, vpc: str, stack: str) -> tuple[FlowLog, ...]:
    """The flow logs of the VPC that belong to the stack."""
    filters = [{"Name": "resource-id", "Values": [vpc]}, {"Name": f"tag:{STACK_TAG}", "Values": [stack]}]
    pages = client.get_paginator("describe_flow_logs").paginate(Filter=filters)
    return tuple(
        FlowLog(
            vpc_id=item["ResourceId"],
            destination=item.get("LogDestination", ""),
            traffic=item.get("TrafficType", ""),
            tags=tags_as_dict(item.get("Tags")),
            id=item["FlowLogId"],
        )
        for page in pages
        for item in page["FlowLogs"]
    )


def create_flow_log(client: Client, want: FlowLog) -> None:
    answer = client.create_flow_logs(
        ResourceType="VPC",
        ResourceIds=[want.vpc_id],
        TrafficType=want.traffic,
        LogDestinationType="s3",
        LogDestination=want.destination,
        TagSpecifications=_tags_at_birth("vpc-flow-log", want.tags),
    )
    # A refusal is part of an answer that else looks like success.
    for item in answer.get("Unsuccessful") or ():
        raise Refused(item["Error"]["Message"])


def remove_flow_log(client: Client, identifier: str) -> None:
    for item in client.delete_flow_logs(FlowLogIds=[identifier]).get("Unsuccessful") or ():
        raise Refused(item["Error"]["Message"])


def endpoint(client: Client, vpc: str, stack: str) -> Endpoint | None:
    """The stack's Instance Connect endpoint in the VPC, or None. One that is being deleted counts if there is no other."""
    filters = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": f"tag:{STACK_TAG}", "Values": [stack]}]
    pages = client.get_paginator("describe_instance_connect_endpoints").paginate(Filters=filters)
    found = [
        Endpoint(
            subnet_id=item["SubnetId"],
            security_group_ids=tuple(item.get("SecurityGroupIds") or ()),
            tags=tags_as_dict(item.get("Tags")),
            id=item["InstanceConnectEndpointId"],
            state=item["State"],
            vpc_id=item["VpcId"],
        )
        for page in pages
        for item in page["InstanceConnectEndpoints"]
        if item["State"] not in GONE
    ]
    return min(found, key=lambda each: (each.state in LEAVING, each.id), default=None)


def create_endpoint(client: Client, want: Endpoint) -> None:
    client.create_instance_connect_endpoint(
        SubnetId=want.subnet_id,
        SecurityGroupIds=list(want.security_group_ids),
        PreserveClientIp=False,
        TagSpecifications=_tags_at_birth("instance-connect-endpoint", want.tags),
    )


def remove_endpoint(client: Client, identifier: str) -> None:
    client.delete_instance_connect_endpoint(InstanceConnectEndpointId=identifier)


def settled_endpoint(
    client: Client, vpc: str, stack: str, deadline: float, present: bool | None = None
) -> Endpoint | None:
    """The endpoint once it is not on its way any more. ``present`` says what the last step must have led to, if any.

    ``deadline`` is a time of the monotonic clock. Raises NotSettled after it.
    """
    while True:
        found = endpoint(client, vpc, stack)
        moving = found is not None and found.state in (*COMING, *LEAVING)
        if not moving and present in (None, found is not None):
            return found
        if time.monotonic() > deadline:
            raise NotSettled(f"gave up waiting for it in state {found.state if found else 'absent'}")
        time.sleep(_POLL_SECONDS)


def tag(client: Client, identifier: str, key: str, value: str) -> None:
    client.create_tags(Resources=[identifier], Tags=tags_as_list({key: value}))


def _tags_at_birth(kind: str, tags: t.Mapping[str, str]) -> list[dict[str, t.Any]]:
    return [{"ResourceType": kind, "Tags": tags_as_list(tags)}]

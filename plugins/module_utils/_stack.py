# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""What a stack is called, what it owns, and how a raw description becomes a resource of ours.

Pure: no AWS call, no clock, no environment. The calls stand in ``_stack_api``.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field
from datetime import timezone

STACK_TAG = "trainyard:stack"
COMPONENT_TAG = "trainyard:component"
EXPIRY_TAG = "trainyard:expires-at"

# What the names of a stack's alarms end with.
ALARMS = ("idle-accelerator", "disk-nearly-full", "checkpoint-too-old", "budget-nearly-used", "spot-notice")

_STACK_NAME = re.compile(r"[a-z][a-z0-9-]{0,19}")


@dataclass(frozen=True)
class Names:
    """The names that a stack's global resources carry; everything else is found by its tags."""

    bucket: str
    node_role: str
    termination_role: str
    schedule_group: str
    monitor_role: str
    monitor_password: str
    alarms: tuple[str, ...]


@dataclass(frozen=True)
class Resource:
    """One thing in AWS that belongs to a stack.

    ``tagged`` is false for what AWS or a crash left inside our network without our tag. ``since`` is when it was made,
    as ISO 8601 in UTC, empty where AWS does not say; ``expires_at`` is when it ends itself, in the same way.
    """

    type: str
    id: str
    state: str = "available"
    name: str = ""
    component: str = ""
    tagged: bool = True
    attributes: dict[str, t.Any] = field(default_factory=dict)
    since: str = ""
    expires_at: str = ""

    def as_dict(self) -> dict[str, t.Any]:
        return {
            "type": self.type,
            "id": self.id,
            "state": self.state,
            "name": self.name,
            "component": self.component,
            "tagged": self.tagged,
            "attributes": dict(self.attributes),
            "since": self.since,
            "expires_at": self.expires_at,
        }


@dataclass(frozen=True)
class Kind:
    """How one EC2 resource type is listed and read.

    ``items``, ``id``, ``state`` and ``since`` are JMESPath expressions; ``gone`` are the states that no longer count;
    ``keep`` maps an attribute we hand on to the JMESPath expression it is read with; ``filters`` is the name of the
    parameter that takes the filters.
    """

    type: str
    operation: str
    items: str
    id: str
    state: str = ""
    gone: tuple[str, ...] = ()
    vpc_filter: str = ""
    skip: str = ""
    since: str = ""
    keep: dict[str, str] = field(default_factory=dict)
    filters: str = "Filters"


# vpc_filter: the filter that finds what lies in our VPC without our tag; skip: what AWS makes and removes by itself.
EC2_KINDS: tuple[Kind, ...] = (
    Kind(
        "instance",
        "describe_instances",
        "Reservations[].Instances[]",
        "InstanceId",
        "State.Name",
        gone=("terminated",),
        vpc_filter="vpc-id",
        keep={
            "private_ip_address": "PrivateIpAddress",
            "public_ip_address": "PublicIpAddress",
            "instance_type": "InstanceType",
            "zone": "Placement.AvailabilityZone",
            "market": "InstanceLifecycle",
        },
        since="LaunchTime",
    ),
    Kind(
        "nat_gateway",
        "describe_nat_gateways",
        "NatGateways[]",
        "NatGatewayId",
        "State",
        gone=("deleted",),
        vpc_filter="vpc-id",
        since="CreateTime",
    ),
    Kind(
        "elastic_ip",
        "describe_addresses",
        "Addresses[]",
        "AllocationId",
        keep={"public_ip": "PublicIp", "association_id": "AssociationId"},
    ),
    Kind(
        "volume",
        "describe_volumes",
        "Volumes[]",
        "VolumeId",
        "State",
        gone=("deleted", "deleting"),
        since="CreateTime",
        keep={"volume_type": "VolumeType", "size_gib": "Size", "iops": "Iops", "throughput": "Throughput"},
    ),
    Kind(
        "network_interface",
        "describe_network_interfaces",
        "NetworkInterfaces[]",
        "NetworkInterfaceId",
        "Status",
        vpc_filter="vpc-id",
        skip="RequesterManaged || Attachment",
        keep={"description": "Description"},
    ),
    Kind(
        "security_group",
        "describe_security_groups",
        "SecurityGroups[]",
        "GroupId",
        vpc_filter="vpc-id",
        skip="GroupName == 'default'",
        keep={"group_name": "GroupName", "vpc_id": "VpcId"},
    ),
    Kind(
        "subnet",
        "describe_subnets",
        "Subnets[]",
        "SubnetId",
        "State",
        vpc_filter="vpc-id",
        keep={"cidr": "CidrBlock", "zone": "AvailabilityZone", "vpc_id": "VpcId"},
    ),
    Kind(
        "route_table",
        "describe_route_tables",
        "RouteTables[]",
        "RouteTableId",
        vpc_filter="vpc-id",
        skip="Associations[?Main]",
    ),
    Kind(
        "internet_gateway",
        "describe_internet_gateways",
        "InternetGateways[]",
        "InternetGatewayId",
        vpc_filter="attachment.vpc-id",
    ),
    Kind(
        "vpc_endpoint",
        "describe_vpc_endpoints",
        "VpcEndpoints[]",
        "VpcEndpointId",
        "State",
        gone=("deleted",),
        vpc_filter="vpc-id",
        skip="RequesterManaged",
        since="CreationTimestamp",
        keep={"endpoint_type": "VpcEndpointType", "service": "ServiceName", "subnet_ids": "SubnetIds"},
    ),
    Kind(
        "instance_connect_endpoint",
        "describe_instance_connect_endpoints",
        "InstanceConnectEndpoints[]",
        "InstanceConnectEndpointId",
        "State",
        gone=("delete-complete",),
        vpc_filter="vpc-id",
        since="CreatedAt",
        keep={"vpc_id": "VpcId", "subnet_id": "SubnetId"},
    ),
    Kind(
        "flow_log",
        "describe_flow_logs",
        "FlowLogs[]",
        "FlowLogId",
        "FlowLogStatus",
        vpc_filter="resource-id",
        since="CreationTime",
        keep={"destination": "LogDestination", "vpc_id": "ResourceId"},
        filters="Filter",
    ),
    Kind("vpc", "describe_vpcs", "Vpcs[]", "VpcId", "State", keep={"cidr": "CidrBlock"}),
    Kind(
        "launch_template",
        "describe_launch_templates",
        "LaunchTemplates[]",
        "LaunchTemplateId",
        since="CreateTime",
        keep={"template_name": "LaunchTemplateName"},
    ),
    Kind(
        "placement_group",
        "describe_placement_groups",
        "PlacementGroups[]",
        "GroupId",
        "State",
        gone=("deleted",),
        keep={"group_name": "GroupName"},
    ),
    Kind(
        "spot_request",
        "describe_spot_instance_requests",
        "SpotInstanceRequests[]",
        "SpotInstanceRequestId",
        "State",
        gone=("closed", "cancelled", "failed"),
        since="CreateTime",
        keep={"instance_id": "InstanceId"},
    ),
    Kind(
        "key_pair",
        "describe_key_pairs",
        "KeyPairs[]",
        "KeyPairId",
        since="CreateTime",
        keep={
            "key_name": "KeyName",
            "public_key_sha256": "Tags[?Key=='trainyard:public-key-sha256'].Value | [0]",
        },
    ),
)

# What the tagging API calls the things listed above; anything else with our tag is reported as it stands.
# Roles are the account's, not the region's: those of a stack of the same name in another region must not be reported.
_DESCRIBED_ARNS = re.compile(
    r"^arn:[^:]+:(?:ec2:[^:]*:[^:]*:(?:instance|natgateway|elastic-ip|volume|network-interface|security-group|subnet|"
    r"route-table|internet-gateway|vpc|vpc-endpoint|vpc-flow-log|instance-connect-endpoint|key-pair|launch-template|"
    r"placement-group|spot-instances-request)/|elasticfilesystem:[^:]*:[^:]*:file-system/|"
    r"fsx:[^:]*:[^:]*:(?:file-system|association)/|scheduler:[^:]*:[^:]*:schedule-group/|"
    rf"cloudwatch:[^:]*:[^:]*:alarm:trainyard-[a-z0-9-]+-(?:{'|'.join(ALARMS)})$|"
    r"ssm:[^:]*:[^:]*:parameter/trainyard/[^/]+/grafana-admin-password$|"
    r"iam:[^:]*:[^:]*:(?:role|instance-profile)/)"
)


def name_fault(stack: str) -> str:
    """Why ``stack`` cannot be a stack name, or an empty text when it can."""
    if _STACK_NAME.fullmatch(stack):
        return ""
    return (
        f'The stack name "{stack}" must start with a letter and hold at most 20 lower-case letters, digits and hyphens.'
    )


def names_of(stack: str, account: str, region: str) -> Names:
    """Names of the stack's bucket (unique in all of AWS), of its roles (in the account) and of what lies in the region."""
    return Names(
        bucket=f"trainyard-{stack}-{account}-{region}",
        node_role=f"trainyard-{stack}-{region}-node",
        termination_role=f"trainyard-{stack}-{region}-termination",
        schedule_group=f"trainyard-{stack}",
        monitor_role=f"trainyard-{stack}-{region}-monitor",
        monitor_password=f"/trainyard/{stack}/grafana-admin-password",
        alarms=tuple(f"trainyard-{stack}-{alarm}" for alarm in ALARMS),
    )


def tags_as_dict(tags: t.Iterable[dict[str, str]] | None) -> dict[str, str]:
    """AWS writes tags as a list of Key and Value."""
    return {tag["Key"]: tag["Value"] for tag in tags or ()}


def tags_as_list(tags: t.Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as AWS writes them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def iso_utc(moment: t.Any) -> str:
    """``2026-11-21T14:30:00Z`` of an aware datetime as botocore gives it; empty where there is none."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else ""


def is_described(arn: str, bucket: str) -> bool:
    """True if our direct describes, of one bucket among others, already answer for this ARN."""
    return arn.endswith(f":s3:::{bucket}") or bool(_DESCRIBED_ARNS.match(arn))


def sorted_resources(resources: t.Iterable[Resource]) -> list[Resource]:
    """One entry for each resource, in an order that does not depend on which call answered first."""
    unique = {(resource.type, resource.id): resource for resource in sorted(resources, key=lambda item: item.tagged)}
    return sorted(unique.values(), key=lambda item: (item.type, item.name, item.id))

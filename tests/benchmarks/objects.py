# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an account holds, counted by type, asked without any code of the collection."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from tests.benchmarks.tables import table
from tests.e2e.driver import Lab

# Type: service, call, key of the list in its answer.
LISTS = {
    "VPC": ("ec2", "describe_vpcs", "Vpcs"),
    "subnet": ("ec2", "describe_subnets", "Subnets"),
    "internet gateway": ("ec2", "describe_internet_gateways", "InternetGateways"),
    "elastic address": ("ec2", "describe_addresses", "Addresses"),
    "route table": ("ec2", "describe_route_tables", "RouteTables"),
    "security group": ("ec2", "describe_security_groups", "SecurityGroups"),
    "security group rule": ("ec2", "describe_security_group_rules", "SecurityGroupRules"),
    "network interface": ("ec2", "describe_network_interfaces", "NetworkInterfaces"),
    "VPC endpoint": ("ec2", "describe_vpc_endpoints", "VpcEndpoints"),
    "flow log": ("ec2", "describe_flow_logs", "FlowLogs"),
    "key pair": ("ec2", "describe_key_pairs", "KeyPairs"),
    "launch template": ("ec2", "describe_launch_templates", "LaunchTemplates"),
    "volume": ("ec2", "describe_volumes", "Volumes"),
    "role": ("iam", "list_roles", "Roles"),
    "instance profile": ("iam", "list_instance_profiles", "InstanceProfiles"),
    "file system": ("efs", "describe_file_systems", "FileSystems"),
    "bucket": ("s3", "list_buckets", "Buckets"),
    "schedule": ("scheduler", "list_schedules", "Schedules"),
}
# Setting of a bucket: the call that fails without it.
BUCKET_SETTINGS = {
    "versioning": "get_bucket_versioning",
    "encryption": "get_bucket_encryption",
    "public access block": "get_public_access_block",
    "policy": "get_bucket_policy",
    "ownership": "get_bucket_ownership_controls",
    "lifecycle": "get_bucket_lifecycle_configuration",
}


def objects(lab: Lab) -> Counter[str]:
    """How many of each type the account holds. Of instances and NAT gateways, those that are not on their way out."""
    found = {name: listed(lab, *where) for name, where in LISTS.items()}
    counted = Counter({name: len(items) for name, items in found.items()})
    alive = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
    reservations = lab.client("ec2").describe_instances(Filters=alive)["Reservations"]
    counted["instance"] = sum(len(one["Instances"]) for one in reservations)
    gateways = listed(lab, "ec2", "describe_nat_gateways", "NatGateways")
    counted["NAT gateway"] = sum(one["State"] == "available" for one in gateways)
    tables = found["route table"]
    counted["route"] = sum(one.get("GatewayId") != "local" for table in tables for one in table["Routes"])
    counted["route table association"] = sum(not one.get("Main") for table in tables for one in table["Associations"])
    for role in found["role"]:
        counted["policy in a role"] += len(
            lab.client("iam").list_role_policies(RoleName=role["RoleName"])["PolicyNames"]
        )
    for file_system in found["file system"]:
        counted += of_a_file_system(lab.client("efs"), file_system)
    for bucket in found["bucket"]:
        counted += of_a_bucket(lab.client("s3"), bucket["Name"])
    return counted


def listed(lab: Lab, service: str, call: str, key: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = getattr(lab.client(service), call)()[key]
    return items


def of_a_file_system(efs: Any, file_system: Mapping[str, Any]) -> Counter[str]:
    identity = {"FileSystemId": file_system["FileSystemId"]}
    return Counter(
        {
            "mount target": file_system["NumberOfMountTargets"],
            "access point": len(efs.describe_access_points(**identity)["AccessPoints"]),
            "EFS lifecycle": bool(efs.describe_lifecycle_configuration(**identity)["LifecyclePolicies"]),
            "EFS policy": is_set(efs.describe_file_system_policy, **identity),
            "EFS backup policy": is_set(efs.describe_backup_policy, **identity),
        }
    )


def of_a_bucket(s3: Any, name: str) -> Counter[str]:
    return Counter(
        {f"bucket's {setting}": is_set(getattr(s3, call), Bucket=name) for setting, call in BUCKET_SETTINGS.items()}
    )


def is_set(call: Any, **parameters: str) -> bool:
    """Whether there is an answer, and more in it than that it arrived."""
    try:
        return set(call(**parameters)) != {"ResponseMetadata"}
    except ClientError:
        return False


def objects_table(counts: Mapping[str, Counter[str]]) -> list[str]:
    """A column for each who made objects."""
    names = sorted({name for counted in counts.values() for name, count in counted.items() if count})
    rows = ((name, *(str(counted[name]) for counted in counts.values())) for name in names)
    return table("Objects after provision", ("object", *counts), rows)

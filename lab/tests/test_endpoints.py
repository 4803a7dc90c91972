# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Endpoints of services and of Instance Connect, and flow logs: tagged at birth, in the way of deletion as long as they are there."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

from lab.tests.running_lab import RunningLab, Stack, error_of, eventually

SSM = "com.amazonaws.us-east-1.ssm"


def marked(kind: str, value: str) -> dict[str, Any]:
    return {"TagSpecifications": [{"ResourceType": kind, "Tags": [{"Key": "mine", "Value": value}]}]}


def test_an_interface_endpoint_holds_subnet_and_group_until_it_is_gone(lab: RunningLab, stack: Stack) -> None:
    ec2 = lab.ec2
    subnet = ec2.create_subnet(
        VpcId=stack.vpc, CidrBlock=f"{stack.cidr.rsplit('.', 2)[0]}.2.0/24", AvailabilityZone="us-east-1b"
    )["Subnet"]["SubnetId"]
    group = stack.group("endpoint")
    wanted = {"VpcId": stack.vpc, "ServiceName": SSM, "VpcEndpointType": "Interface", "SubnetIds": [subnet]}
    refused = error_of(ec2.create_vpc_endpoint, PrivateDnsEnabled=True, **wanted)
    assert refused == "InvalidParameter", "private DNS needs names in the VPC"
    made = ec2.create_vpc_endpoint(
        SecurityGroupIds=[group], PrivateDnsEnabled=False, **wanted, **marked("vpc-endpoint", "interface")
    )["VpcEndpoint"]
    assert [one["GroupId"] for one in made["Groups"]] == [group]
    mine = [{"Name": "tag:mine", "Values": ["interface"]}]
    found = ec2.describe_vpc_endpoints(Filters=mine)["VpcEndpoints"]
    assert [one["VpcEndpointId"] for one in found] == [made["VpcEndpointId"]]
    (interface,) = ec2.describe_network_interfaces(NetworkInterfaceIds=made["NetworkInterfaceIds"])["NetworkInterfaces"]
    assert (interface["SubnetId"], interface["InterfaceType"]) == (subnet, "vpc_endpoint")
    assert IPv4Network(interface["PrivateIpAddress"]).subnet_of(IPv4Network(stack.cidr))
    assert error_of(ec2.delete_network_interface, NetworkInterfaceId=interface["NetworkInterfaceId"]) == (
        "OperationNotPermitted"
    )
    ec2.delete_vpc_endpoints(VpcEndpointIds=[made["VpcEndpointId"]])
    assert ec2.describe_vpc_endpoints(Filters=mine)["VpcEndpoints"][0]["State"] == "deleting"
    assert error_of(ec2.delete_subnet, SubnetId=subnet) == "DependencyViolation"
    assert error_of(ec2.delete_security_group, GroupId=group) == "DependencyViolation"
    assert eventually(lambda: not ec2.describe_vpc_endpoints(Filters=mine)["VpcEndpoints"])
    ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_security_group(GroupId=group)


def test_a_gateway_endpoint_needs_no_type_and_goes_at_once(lab: RunningLab, stack: Stack) -> None:
    made = lab.ec2.create_vpc_endpoint(
        VpcId=stack.vpc, ServiceName="com.amazonaws.us-east-1.s3", RouteTableIds=[stack.table]
    )["VpcEndpoint"]
    assert (made["VpcEndpointType"], made["RouteTableIds"]) == ("Gateway", [stack.table])
    assert error_of(lab.ec2.delete_vpc, VpcId=stack.vpc) == "DependencyViolation"
    lab.ec2.delete_vpc_endpoints(VpcEndpointIds=[made["VpcEndpointId"]])
    assert not lab.ec2.describe_vpc_endpoints()["VpcEndpoints"]
    again = lab.ec2.delete_vpc_endpoints(VpcEndpointIds=[made["VpcEndpointId"]])
    assert again["Unsuccessful"][0]["Error"]["Code"] == "InvalidVpcEndpoint.NotFound"


def test_two_endpoints_cannot_have_one_private_name(lab: RunningLab, stack: Stack) -> None:
    ec2 = lab.ec2
    ec2.modify_vpc_attribute(VpcId=stack.vpc, EnableDnsHostnames={"Value": True})
    wanted = {
        "VpcId": stack.vpc,
        "ServiceName": SSM,
        "VpcEndpointType": "Interface",
        "SubnetIds": [stack.private],
        "PrivateDnsEnabled": True,
    }
    made = ec2.create_vpc_endpoint(**wanted)["VpcEndpoint"]["VpcEndpointId"]
    assert error_of(ec2.create_vpc_endpoint, **wanted) == "InvalidParameter"
    both = {**wanted, "SubnetIds": [stack.private, stack.public], "ServiceName": "com.amazonaws.us-east-1.ecr.api"}
    assert error_of(ec2.create_vpc_endpoint, **both) == "DuplicateSubnetsInSameZone"
    ec2.delete_vpc_endpoints(VpcEndpointIds=[made])


def test_an_instance_connect_endpoint_comes_and_goes_slowly(lab: RunningLab, stack: Stack) -> None:
    ec2, group = lab.ec2, stack.group("door")
    wanted = {"SubnetId": stack.private, "SecurityGroupIds": [group]}
    made = ec2.create_instance_connect_endpoint(**wanted, **marked("instance-connect-endpoint", "door"))
    identity = made["InstanceConnectEndpoint"]["InstanceConnectEndpointId"]
    assert made["InstanceConnectEndpoint"]["State"] == "create-in-progress"
    mine = [{"Name": "tag:mine", "Values": ["door"]}]

    def state() -> str:
        found = ec2.describe_instance_connect_endpoints(Filters=mine)["InstanceConnectEndpoints"]
        return str(found[0]["State"]) if found else "gone"

    assert eventually(lambda: state() == "create-complete")
    found = ec2.describe_instance_connect_endpoints(InstanceConnectEndpointIds=[identity])["InstanceConnectEndpoints"][
        0
    ]
    assert (found["VpcId"], found["SecurityGroupIds"], found["PreserveClientIp"]) == (stack.vpc, [group], False)
    assert found["Tags"] == [{"Key": "mine", "Value": "door"}]
    tags = ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [identity]}])["Tags"]
    assert tags[0]["ResourceType"] == "instance-connect-endpoint"
    assert error_of(ec2.create_instance_connect_endpoint, **wanted) == "InstanceConnectEndpointLimitExceeded"
    ec2.delete_instance_connect_endpoint(InstanceConnectEndpointId=identity)
    assert state() == "delete-in-progress"
    assert error_of(ec2.delete_security_group, GroupId=group) == "DependencyViolation"
    assert error_of(ec2.delete_subnet, SubnetId=stack.private) == "DependencyViolation"
    assert eventually(lambda: state() == "gone")
    ec2.delete_security_group(GroupId=group)
    refused = error_of(ec2.delete_instance_connect_endpoint, InstanceConnectEndpointId=identity)
    assert refused == "InvalidInstanceConnectEndpointId.NotFound"


def test_flow_logs_go_to_a_folder_of_a_bucket_that_exists(lab: RunningLab, stack: Stack) -> None:
    ec2, bucket = lab.ec2, f"flow-{stack.vpc}"
    wanted = {
        "ResourceIds": [stack.vpc],
        "ResourceType": "VPC",
        "TrafficType": "ALL",
        "LogDestinationType": "s3",
        "LogDestination": f"arn:aws:s3:::{bucket}/flow-logs/",
    }
    refused = ec2.create_flow_logs(**wanted)
    assert refused["FlowLogIds"] == []
    assert "does not exist" in refused["Unsuccessful"][0]["Error"]["Message"]
    lab.client("s3").create_bucket(Bucket=bucket)
    (identity,) = ec2.create_flow_logs(**wanted, **marked("vpc-flow-log", "flow"))["FlowLogIds"]
    (found,) = ec2.describe_flow_logs(Filter=[{"Name": "tag:mine", "Values": ["flow"]}])["FlowLogs"]
    assert (found["FlowLogId"], found["ResourceId"], found["LogDestination"]) == (
        identity,
        stack.vpc,
        wanted["LogDestination"],
    )
    assert error_of(ec2.create_flow_logs, **wanted) == "FlowLogAlreadyExists"
    ec2.delete_flow_logs(FlowLogIds=[identity])
    assert not ec2.describe_flow_logs()["FlowLogs"]
    lab.client("s3").delete_bucket(Bucket=bucket)

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each law of AWS: the wrong order is refused with AWS's code, and the right order passes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from lab.tests.running_lab import RunningLab, error_of, eventually, new_vpc

SMALL = "10.{}.250.0/24"


@pytest.fixture
def vpc(lab: RunningLab) -> Iterator[str]:
    """A VPC that the test leaves empty."""
    made, _ = new_vpc(lab, SMALL)
    yield made
    lab.ec2.delete_vpc(VpcId=made)


def cidr_of(lab: RunningLab, vpc: str) -> str:
    return str(lab.ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["CidrBlock"])


@pytest.fixture
def subnet(lab: RunningLab, vpc: str) -> Iterator[str]:
    made = str(
        lab.ec2.create_subnet(VpcId=vpc, CidrBlock=cidr_of(lab, vpc), AvailabilityZone="us-east-1a")["Subnet"][
            "SubnetId"
        ]
    )
    yield made
    lab.ec2.delete_subnet(SubnetId=made)


@pytest.fixture
def group(lab: RunningLab, vpc: str) -> Iterator[str]:
    made = str(lab.ec2.create_security_group(GroupName="group", Description="group", VpcId=vpc)["GroupId"])
    yield made
    lab.ec2.delete_security_group(GroupId=made)


@pytest.fixture
def gateway(lab: RunningLab, vpc: str) -> Iterator[str]:
    made = str(lab.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"])
    lab.ec2.attach_internet_gateway(InternetGatewayId=made, VpcId=vpc)
    yield made
    lab.ec2.detach_internet_gateway(InternetGatewayId=made, VpcId=vpc)
    lab.ec2.delete_internet_gateway(InternetGatewayId=made)


def launch(lab: RunningLab, subnet: str, **more: Any) -> str:
    parameters: dict[str, Any] = {
        "ImageId": lab.image("debian-12"),
        "InstanceType": "t3.micro",
        "SubnetId": subnet,
        "MinCount": 1,
        "MaxCount": 1,
    }
    return str(lab.ec2.run_instances(**{**parameters, **more})["Instances"][0]["InstanceId"])


def wait_until_free(lab: RunningLab, subnet: str) -> None:
    subnet_filter = [{"Name": "subnet-id", "Values": [subnet]}]
    assert eventually(lambda: not lab.ec2.describe_network_interfaces(Filters=subnet_filter)["NetworkInterfaces"])


# Deleting what is in use.


def test_a_security_group_of_an_instance_stays_until_the_instance_is_really_gone(
    lab: RunningLab, subnet: str, group: str
) -> None:
    instance = launch(lab, subnet, SecurityGroupIds=[group])
    assert error_of(lab.ec2.delete_security_group, GroupId=group) == "DependencyViolation"
    lab.ec2.terminate_instances(InstanceIds=[instance])
    assert error_of(lab.ec2.delete_security_group, GroupId=group) == "DependencyViolation", (
        "the interface of a terminated instance lives on for a moment"
    )
    assert error_of(lab.ec2.delete_subnet, SubnetId=subnet) == "DependencyViolation"
    wait_until_free(lab, subnet)


def test_a_security_group_of_an_interface_stays(lab: RunningLab, subnet: str, group: str) -> None:
    interface = lab.ec2.create_network_interface(SubnetId=subnet, Groups=[group])["NetworkInterface"][
        "NetworkInterfaceId"
    ]
    assert error_of(lab.ec2.delete_security_group, GroupId=group) == "DependencyViolation"
    assert error_of(lab.ec2.delete_subnet, SubnetId=subnet) == "DependencyViolation"
    lab.ec2.delete_network_interface(NetworkInterfaceId=interface)


def test_a_security_group_named_in_the_rules_of_another_stays(lab: RunningLab, vpc: str, group: str) -> None:
    other = lab.ec2.create_security_group(GroupName="other", Description="other", VpcId=vpc)["GroupId"]
    rules = [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "UserIdGroupPairs": [{"GroupId": group}]}]
    lab.ec2.authorize_security_group_ingress(GroupId=other, IpPermissions=rules)
    assert error_of(lab.ec2.delete_security_group, GroupId=group) == "DependencyViolation"
    lab.ec2.revoke_security_group_ingress(GroupId=other, IpPermissions=rules)
    lab.ec2.delete_security_group(GroupId=other)


def test_a_security_group_that_names_itself_may_go(lab: RunningLab, group: str) -> None:
    lab.ec2.authorize_security_group_ingress(
        GroupId=group, IpPermissions=[{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}]
    )


def test_the_default_security_group_stays(lab: RunningLab, vpc: str) -> None:
    default = lab.ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["SecurityGroups"][0][
        "GroupId"
    ]
    assert error_of(lab.ec2.delete_security_group, GroupId=default) == "CannotDelete"


def test_a_vpc_with_a_subnet_stays(lab: RunningLab, vpc: str, subnet: str) -> None:
    assert error_of(lab.ec2.delete_vpc, VpcId=vpc) == "DependencyViolation"


def test_a_vpc_with_a_security_group_stays(lab: RunningLab, vpc: str, group: str) -> None:
    assert error_of(lab.ec2.delete_vpc, VpcId=vpc) == "DependencyViolation"


def test_a_vpc_with_a_gateway_stays(lab: RunningLab, vpc: str, gateway: str) -> None:
    assert error_of(lab.ec2.delete_vpc, VpcId=vpc) == "DependencyViolation"
    assert error_of(lab.ec2.delete_internet_gateway, InternetGatewayId=gateway) == "DependencyViolation"


def test_a_vpc_with_a_route_table_stays(lab: RunningLab, vpc: str) -> None:
    table = lab.ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    assert error_of(lab.ec2.delete_vpc, VpcId=vpc) == "DependencyViolation"
    lab.ec2.delete_route_table(RouteTableId=table)


def test_a_vpc_with_an_endpoint_stays(lab: RunningLab, vpc: str) -> None:
    endpoint = lab.ec2.create_vpc_endpoint(
        VpcId=vpc, ServiceName="com.amazonaws.us-east-1.s3", VpcEndpointType="Gateway"
    )["VpcEndpoint"]["VpcEndpointId"]
    assert error_of(lab.ec2.delete_vpc, VpcId=vpc) == "DependencyViolation"
    lab.ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])


def test_the_main_route_table_stays(lab: RunningLab, vpc: str) -> None:
    main = lab.ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"][0][
        "RouteTableId"
    ]
    assert error_of(lab.ec2.delete_route_table, RouteTableId=main) == "DependencyViolation"


def test_a_route_table_of_a_subnet_stays(lab: RunningLab, vpc: str, subnet: str) -> None:
    table = lab.ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    association = lab.ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)["AssociationId"]
    assert error_of(lab.ec2.delete_route_table, RouteTableId=table) == "DependencyViolation"
    lab.ec2.disassociate_route_table(AssociationId=association)
    lab.ec2.delete_route_table(RouteTableId=table)


def test_a_deleted_subnet_frees_its_route_table(lab: RunningLab, vpc: str) -> None:
    table = lab.ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    subnet = lab.ec2.create_subnet(VpcId=vpc, CidrBlock=cidr_of(lab, vpc))["Subnet"]["SubnetId"]
    lab.ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
    lab.ec2.delete_subnet(SubnetId=subnet)
    lab.ec2.delete_route_table(RouteTableId=table)


def test_a_gateway_stays_attached_while_public_addresses_are_mapped(
    lab: RunningLab, vpc: str, gateway: str, subnet: str
) -> None:
    interface = lab.ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
    address = lab.ec2.allocate_address(Domain="vpc")["AllocationId"]
    association = lab.ec2.associate_address(AllocationId=address, NetworkInterfaceId=interface)["AssociationId"]
    assert error_of(lab.ec2.detach_internet_gateway, InternetGatewayId=gateway, VpcId=vpc) == "DependencyViolation"
    assert error_of(lab.ec2.release_address, AllocationId=address) == "InvalidIPAddress.InUse"
    lab.ec2.disassociate_address(AssociationId=association)
    lab.ec2.release_address(AllocationId=address)
    lab.ec2.delete_network_interface(NetworkInterfaceId=interface)


def test_an_attached_interface_stays(lab: RunningLab, subnet: str) -> None:
    instance = launch(lab, subnet)
    interface = lab.ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0][
        "NetworkInterfaces"
    ][0]["NetworkInterfaceId"]
    assert error_of(lab.ec2.delete_network_interface, NetworkInterfaceId=interface) == "InvalidParameterValue"
    lab.ec2.terminate_instances(InstanceIds=[instance])
    wait_until_free(lab, subnet)


def test_a_nat_gateway_holds_address_subnet_and_internet_gateway_until_it_is_deleted(
    lab: RunningLab, vpc: str, gateway: str, subnet: str
) -> None:
    ec2 = lab.ec2
    address = ec2.allocate_address(Domain="vpc")
    nat = ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address["AllocationId"])["NatGateway"]["NatGatewayId"]
    made = ec2.describe_nat_gateways(NatGatewayIds=[nat])["NatGateways"][0]
    assert made["State"] == "available"
    assert made["NatGatewayAddresses"][0]["PrivateIp"].rsplit(".", 1)[0] == cidr_of(lab, vpc).rsplit(".", 1)[0]
    interface = made["NatGatewayAddresses"][0]["NetworkInterfaceId"]
    assert (
        error_of(ec2.create_nat_gateway, SubnetId=subnet, AllocationId=address["AllocationId"])
        == "Resource.AlreadyAssociated"
    )
    assert error_of(ec2.delete_network_interface, NetworkInterfaceId=interface) == "OperationNotPermitted"
    ec2.delete_nat_gateway(NatGatewayId=nat)
    assert ec2.describe_nat_gateways(NatGatewayIds=[nat])["NatGateways"][0]["State"] == "deleting"
    association = ec2.describe_addresses(AllocationIds=[address["AllocationId"]])["Addresses"][0]["AssociationId"]
    assert error_of(ec2.release_address, AllocationId=address["AllocationId"]) == "AuthFailure"
    assert error_of(ec2.disassociate_address, AssociationId=association) == "OperationNotPermitted"
    assert error_of(ec2.delete_subnet, SubnetId=subnet) == "DependencyViolation"
    assert error_of(ec2.detach_internet_gateway, InternetGatewayId=gateway, VpcId=vpc) == "DependencyViolation"
    assert eventually(lambda: ec2.describe_nat_gateways(NatGatewayIds=[nat])["NatGateways"][0]["State"] == "deleted")
    ec2.release_address(AllocationId=address["AllocationId"])


def test_a_missing_nat_gateway_is_not_found(lab: RunningLab) -> None:
    assert error_of(lab.ec2.delete_nat_gateway, NatGatewayId="nat-00000000000000000") == "NatGatewayNotFound"


def test_a_nat_gateway_without_internet_gateway_fails(lab: RunningLab, subnet: str) -> None:
    address = lab.ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = lab.ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address)["NatGateway"]["NatGatewayId"]
    failed = lab.ec2.describe_nat_gateways(NatGatewayIds=[nat])["NatGateways"][0]
    assert (failed["State"], failed["FailureCode"]) == ("failed", "Gateway.NotAttached")
    lab.ec2.release_address(AllocationId=address)


def test_a_mount_target_holds_subnet_group_and_file_system_until_it_is_gone(
    lab: RunningLab, subnet: str, group: str
) -> None:
    file_system = lab.efs.create_file_system(CreationToken="laws")["FileSystemId"]
    target = lab.efs.create_mount_target(FileSystemId=file_system, SubnetId=subnet, SecurityGroups=[group])
    assert (
        error_of(lab.ec2.delete_network_interface, NetworkInterfaceId=target["NetworkInterfaceId"])
        == "OperationNotPermitted"
    )
    lab.efs.delete_mount_target(MountTargetId=target["MountTargetId"])
    assert lab.efs.describe_mount_targets(FileSystemId=file_system)["MountTargets"][0]["LifeCycleState"] == "deleting"
    assert error_of(lab.efs.delete_file_system, FileSystemId=file_system) == "FileSystemInUse"
    assert error_of(lab.ec2.delete_security_group, GroupId=group) == "DependencyViolation"
    assert error_of(lab.ec2.delete_subnet, SubnetId=subnet) == "DependencyViolation"
    assert eventually(lambda: not lab.efs.describe_mount_targets(FileSystemId=file_system)["MountTargets"])
    lab.efs.delete_file_system(FileSystemId=file_system)


def test_a_role_goes_after_its_policies_and_its_profile(lab: RunningLab) -> None:
    iam = lab.client("iam")
    document = json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    )
    trust = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
            ],
        }
    )
    iam.create_role(RoleName="laws", AssumeRolePolicyDocument=trust)
    iam.put_role_policy(RoleName="laws", PolicyName="inline", PolicyDocument=document)
    iam.create_instance_profile(InstanceProfileName="laws")
    iam.add_role_to_instance_profile(InstanceProfileName="laws", RoleName="laws")
    assert error_of(iam.delete_instance_profile, InstanceProfileName="laws") == "DeleteConflict"
    assert error_of(iam.delete_role, RoleName="laws") == "DeleteConflict"
    iam.remove_role_from_instance_profile(InstanceProfileName="laws", RoleName="laws")
    iam.delete_instance_profile(InstanceProfileName="laws")
    assert error_of(iam.delete_role, RoleName="laws") == "DeleteConflict"
    iam.delete_role_policy(RoleName="laws", PolicyName="inline")
    iam.delete_role(RoleName="laws")


def test_a_bucket_goes_after_its_objects_and_their_versions(lab: RunningLab) -> None:
    s3 = lab.client("s3")
    s3.create_bucket(Bucket="laws")
    s3.put_bucket_versioning(Bucket="laws", VersioningConfiguration={"Status": "Enabled"})
    version = s3.put_object(Bucket="laws", Key="key", Body=b"x")["VersionId"]
    assert error_of(s3.delete_bucket, Bucket="laws") == "BucketNotEmpty"
    marker = s3.delete_object(Bucket="laws", Key="key")["VersionId"]
    assert error_of(s3.delete_bucket, Bucket="laws") == "BucketNotEmpty"
    for identity in (version, marker):
        s3.delete_object(Bucket="laws", Key="key", VersionId=identity)
    s3.delete_bucket(Bucket="laws")


# Creating what cannot be.


def test_an_instance_needs_a_subnet(lab: RunningLab) -> None:
    assert (
        error_of(lab.ec2.run_instances, ImageId=lab.image("debian-12"), InstanceType="t3.micro", MinCount=1, MaxCount=1)
        == "VPCIdNotSpecified"
    )
    assert not [one for one in lab.ec2.describe_instances()["Reservations"] if not one["Instances"]]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        pytest.param({"ImageId": "ami-00000000000000000"}, "InvalidAMIID.NotFound", id="machine image"),
        pytest.param({"InstanceType": "z9.huge"}, "InvalidParameterValue", id="unknown type"),
        pytest.param({"KeyName": "nobody"}, "InvalidKeyPair.NotFound", id="key pair"),
        pytest.param({"SecurityGroupIds": ["sg-00000000000000000"]}, "InvalidGroup.NotFound", id="security group"),
        pytest.param({"SubnetId": "subnet-00000000000000000"}, "InvalidSubnetID.NotFound", id="subnet"),
        pytest.param({"PrivateIpAddress": "10.1.2.3"}, "InvalidParameterValue", id="address outside"),
    ],
)
def test_an_instance_needs_things_that_exist(lab: RunningLab, subnet: str, wrong: dict[str, Any], code: str) -> None:
    with pytest.raises(lab.ec2.exceptions.ClientError, match=code):
        launch(lab, subnet, **wrong)


def test_an_instance_type_must_be_offered_in_the_zone(lab: RunningLab, vpc: str) -> None:
    offers = lab.ec2.describe_instance_type_offerings(
        LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": ["p4d.24xlarge"]}]
    )
    zones = {offer["Location"] for offer in offers["InstanceTypeOfferings"]}
    without = min({f"us-east-1{letter}" for letter in "abcdef"} - zones)
    subnet = lab.ec2.create_subnet(VpcId=vpc, CidrBlock=cidr_of(lab, vpc), AvailabilityZone=without)["Subnet"][
        "SubnetId"
    ]
    with pytest.raises(lab.ec2.exceptions.ClientError, match="Unsupported"):
        launch(lab, subnet, InstanceType="p4d.24xlarge")
    lab.ec2.delete_subnet(SubnetId=subnet)


def test_gaudi_is_accepted_by_name(lab: RunningLab, subnet: str) -> None:
    lab.ec2.terminate_instances(InstanceIds=[launch(lab, subnet, InstanceType="dl1.24xlarge")])
    wait_until_free(lab, subnet)


def test_a_security_group_of_another_network_is_refused(lab: RunningLab, subnet: str) -> None:
    other, _ = new_vpc(lab, SMALL)
    group = lab.ec2.create_security_group(GroupName="far", Description="far", VpcId=other)["GroupId"]
    with pytest.raises(lab.ec2.exceptions.ClientError, match="InvalidParameter"):
        launch(lab, subnet, SecurityGroupIds=[group])
    file_system = lab.efs.create_file_system(CreationToken="far")["FileSystemId"]
    assert (
        error_of(lab.efs.create_mount_target, FileSystemId=file_system, SubnetId=subnet, SecurityGroups=[group])
        == "BadRequest"
    )
    lab.efs.delete_file_system(FileSystemId=file_system)
    lab.ec2.delete_security_group(GroupId=group)
    lab.ec2.delete_vpc(VpcId=other)


def test_a_terminated_instance_is_not_started(lab: RunningLab, subnet: str) -> None:
    instance = launch(lab, subnet)
    lab.ec2.terminate_instances(InstanceIds=[instance])
    assert error_of(lab.ec2.start_instances, InstanceIds=[instance]) == "IncorrectInstanceState"
    lab.ec2.terminate_instances(InstanceIds=[instance])
    wait_until_free(lab, subnet)


def test_a_network_has_one_internet_gateway(lab: RunningLab, vpc: str, gateway: str) -> None:
    second = lab.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    assert error_of(lab.ec2.attach_internet_gateway, InternetGatewayId=second, VpcId=vpc) == "InvalidParameterValue"
    lab.ec2.delete_internet_gateway(InternetGatewayId=second)


def test_a_route_needs_a_gateway_of_its_own_network(lab: RunningLab, vpc: str) -> None:
    table = lab.ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    loose = lab.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    assert (
        error_of(lab.ec2.create_route, RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=loose)
        == "InvalidParameterValue"
    )
    lab.ec2.delete_internet_gateway(InternetGatewayId=loose)
    lab.ec2.delete_route_table(RouteTableId=table)


def test_a_public_address_needs_an_internet_gateway(lab: RunningLab, subnet: str) -> None:
    interface = lab.ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
    address = lab.ec2.allocate_address(Domain="vpc")["AllocationId"]
    assert (
        error_of(lab.ec2.associate_address, AllocationId=address, NetworkInterfaceId=interface) == "Gateway.NotAttached"
    )
    lab.ec2.release_address(AllocationId=address)
    lab.ec2.delete_network_interface(NetworkInterfaceId=interface)


def test_a_vpc_may_not_cut_off_this_machine_nor_another_vpc(lab: RunningLab, vpc: str) -> None:
    assert error_of(lab.ec2.create_vpc, CidrBlock="127.0.0.0/16") == "InvalidVpc.Range"
    assert (
        error_of(lab.ec2.create_vpc, CidrBlock=lab.env["LAB_CLIENT_CIDR"].replace(".1/32", ".0/24"))
        == "InvalidVpc.Range"
    )
    assert error_of(lab.ec2.create_vpc, CidrBlock=cidr_of(lab, vpc)) == "InvalidVpc.Range"

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What moto gets wrong and the lab mends, seen from boto3. The shims of metadata, file systems and images are tested with those."""

from __future__ import annotations

from typing import Any

import pytest

from lab.tests.running_lab import RunningLab, Stack, error_of, eventually


def interfaces_of(lab: RunningLab, instance: dict[str, Any]) -> list[str]:
    return [interface["NetworkInterfaceId"] for interface in instance["NetworkInterfaces"]]


def existing(lab: RunningLab, interfaces: list[str]) -> list[Any]:
    return list(
        lab.ec2.describe_network_interfaces(Filters=[{"Name": "network-interface-id", "Values": interfaces}])[
            "NetworkInterfaces"
        ]
    )


def test_an_interface_made_by_a_launch_goes_with_its_instance(lab: RunningLab, stack: Stack) -> None:
    """Also when the launch names only a subnet, or an interface without DeleteOnTermination."""
    plain = stack.launch(NetworkInterfaces=[], SubnetId=stack.private)[0]
    silent = stack.launch(NetworkInterfaces=[{"DeviceIndex": 0, "SubnetId": stack.private}])[0]
    interfaces = interfaces_of(lab, plain) + interfaces_of(lab, silent)
    assert len(existing(lab, interfaces)) == 2
    stack.terminate(plain["InstanceId"], silent["InstanceId"])
    assert eventually(lambda: not existing(lab, interfaces))


def test_an_interface_that_shall_stay_stays(lab: RunningLab, stack: Stack) -> None:
    keeping = {"DeviceIndex": 0, "SubnetId": stack.private, "DeleteOnTermination": False}
    instance = stack.launch(NetworkInterfaces=[keeping])[0]
    own = lab.ec2.create_network_interface(SubnetId=stack.private)["NetworkInterface"]["NetworkInterfaceId"]
    stack.terminate(instance["InstanceId"])
    assert not eventually(lambda: not existing(lab, interfaces_of(lab, instance)), seconds=3)
    for interface in (*interfaces_of(lab, instance), own):
        lab.ec2.delete_network_interface(NetworkInterfaceId=interface)


def test_an_elastic_address_is_free_again_when_its_instance_is_terminated(lab: RunningLab, stack: Stack) -> None:
    instance = stack.launch(stack.public, stack.bastion_group)[0]["InstanceId"]
    address = lab.ec2.allocate_address(Domain="vpc")
    lab.ec2.associate_address(InstanceId=instance, AllocationId=address["AllocationId"])
    assert stack.describe(instance)["PublicIpAddress"] == address["PublicIp"]
    assert eventually(lambda: stack.ssh(address["PublicIp"], "true").returncode == 0), (
        "the box has moved to its elastic address"
    )
    stack.terminate(instance)
    assert "AssociationId" not in lab.ec2.describe_addresses(AllocationIds=[address["AllocationId"]])["Addresses"][0]
    lab.ec2.release_address(AllocationId=address["AllocationId"])


def test_terminate_again_takes_nothing_from_who_has_the_address_now(lab: RunningLab, stack: Stack) -> None:
    first = stack.launch()[0]
    stack.terminate(first["InstanceId"])
    assert eventually(lambda: not existing(lab, interfaces_of(lab, first)))
    heirs = {instance["PrivateIpAddress"]: instance for instance in stack.launch(count=3)}
    assert first["PrivateIpAddress"] in heirs
    stack.terminate(first["InstanceId"])
    assert not eventually(lambda: not existing(lab, interfaces_of(lab, heirs[first["PrivateIpAddress"]])), seconds=3)
    assert stack.launch()[0]["PrivateIpAddress"] not in heirs


def test_a_reboot_restarts_the_box(lab: RunningLab, stack: Stack) -> None:
    instance = stack.launch()[0]["InstanceId"]
    before = lab.box(instance).attrs["State"]["StartedAt"]
    lab.ec2.reboot_instances(InstanceIds=[instance])
    assert lab.box(instance).attrs["State"]["StartedAt"] > before


def test_a_private_address_is_used_again_only_after_it_is_free(lab: RunningLab, stack: Stack) -> None:
    first = stack.launch()[0]
    stack.terminate(first["InstanceId"])
    assert stack.launch()[0]["PrivateIpAddress"] != first["PrivateIpAddress"]


def test_tags_name_their_resources_as_aws_does(lab: RunningLab, stack: Stack) -> None:
    ec2 = lab.ec2
    mark = [{"Key": "named", "Value": stack.vpc}]
    marked = lambda kind: [{"ResourceType": kind, "Tags": mark}]  # noqa: E731
    address = ec2.allocate_address(Domain="vpc", TagSpecifications=marked("elastic-ip"))["AllocationId"]
    nat = ec2.create_nat_gateway(SubnetId=stack.public, AllocationId=address, TagSpecifications=marked("natgateway"))[
        "NatGateway"
    ]["NatGatewayId"]
    group = ec2.create_security_group(
        GroupName="named", Description="named", VpcId=stack.vpc, TagSpecifications=marked("security-group")
    )["GroupId"]
    key = ec2.create_key_pair(KeyName="named", TagSpecifications=marked("key-pair"))["KeyPairId"]
    template = ec2.create_launch_template(
        LaunchTemplateName="named",
        LaunchTemplateData={"InstanceType": "t3.micro"},
        TagSpecifications=marked("launch-template"),
    )["LaunchTemplate"]["LaunchTemplateId"]
    endpoint = ec2.create_vpc_endpoint(
        VpcId=stack.vpc,
        ServiceName="com.amazonaws.us-east-1.s3",
        VpcEndpointType="Gateway",
        TagSpecifications=marked("vpc-endpoint"),
    )["VpcEndpoint"]["VpcEndpointId"]
    node = stack.launch(TagSpecifications=[*marked("instance"), *marked("volume")])[0]
    volume = node["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    ec2.create_tags(Resources=[stack.vpc, stack.public, stack.gateway, stack.table], Tags=mark)

    def tagged(*more: dict[str, object]) -> dict[str, str]:
        tags = ec2.describe_tags(Filters=[{"Name": "key", "Values": ["named"]}, *more])["Tags"]
        return {tag["ResourceId"]: tag["ResourceType"] for tag in tags}

    long_lived = {
        stack.vpc: "vpc",
        stack.public: "subnet",
        stack.gateway: "internet-gateway",
        stack.table: "route-table",
    }
    lingering = {nat: "natgateway", node["InstanceId"]: "instance"}
    going = {
        address: "elastic-ip",
        group: "security-group",
        key: "key-pair",
        template: "launch-template",
        endpoint: "vpc-endpoint",
        volume: "volume",
    }
    assert tagged() == {**long_lived, **lingering, **going}
    assert tagged({"Name": "resource-type", "Values": ["natgateway"]}) == {nat: "natgateway"}
    for value, expected in ((stack.vpc, [nat]), ("another", [])):
        gateways = ec2.describe_nat_gateways(Filters=[{"Name": "tag:named", "Values": [value]}])["NatGateways"]
        assert [gateway["NatGatewayId"] for gateway in gateways] == expected

    stack.terminate(node["InstanceId"])
    ec2.delete_nat_gateway(NatGatewayId=nat)
    ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])
    ec2.delete_launch_template(LaunchTemplateId=template)
    ec2.delete_key_pair(KeyName="named")
    ec2.delete_security_group(GroupId=group)
    assert eventually(lambda: ec2.describe_nat_gateways(NatGatewayIds=[nat])["NatGateways"][0]["State"] == "deleted")
    ec2.release_address(AllocationId=address)
    assert tagged() == {**long_lived, **lingering}, "tags of deleted resources are gone"


@pytest.mark.parametrize(
    ("parameter", "box"),
    [
        ("/aws/service/canonical/ubuntu/server/22.04/stable/current/amd64/hvm/ebs-gp2/ami-id", "debian-12"),
        ("/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id", "debian-12"),
        ("/aws/service/debian/release/12/latest/amd64", "debian-12"),
        ("/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64", "debian-12"),
        (
            "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-22.04/latest/ami-id",
            "deep-learning",
        ),
    ],
)
def test_the_public_parameters_of_images_stand_for_the_boxes(lab: RunningLab, parameter: str, box: str) -> None:
    ssm = lab.client("ssm")
    assert ssm.get_parameter(Name=parameter)["Parameter"]["Value"] == lab.image(box)


def test_an_image_that_the_lab_cannot_boot_has_no_parameter(lab: RunningLab) -> None:
    for name in (
        "/aws/service/debian/release/12/latest/arm64",
        "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64",
    ):
        assert error_of(lab.client("ssm").get_parameter, Name=name) == "ParameterNotFound"

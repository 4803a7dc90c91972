# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""RunInstances in full: client tokens, launch templates, placement groups, devices and interfaces."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from lab.launch_requests import merged
from lab.tests.running_lab import RunningLab, Stack, error_of

TRUST = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}


@pytest.fixture(scope="module")
def profile(lab: RunningLab) -> str:
    iam, name = lab.client("iam"), "launches"
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
    iam.create_instance_profile(InstanceProfileName=name)
    iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    return name


@pytest.fixture
def template(lab: RunningLab, stack: Stack, profile: str) -> Iterator[dict[str, Any]]:
    """A launch template with all that a node wants; yields its data."""
    data = {
        "ImageId": lab.image("debian-12"),
        "InstanceType": "t3.micro",
        "KeyName": stack.key_name,
        "IamInstanceProfile": {"Name": profile},
        "UserData": base64.b64encode(b"#!/bin/sh\ntrue\n").decode(),
        "InstanceInitiatedShutdownBehavior": "terminate",
        "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 2, "HttpEndpoint": "enabled"},
        "NetworkInterfaces": [
            {"DeviceIndex": 0, "SubnetId": stack.private, "Groups": [stack.node_group], "DeleteOnTermination": True}
        ],
        "BlockDeviceMappings": [
            {
                "DeviceName": "/dev/xvda",
                "Ebs": {"VolumeSize": 40, "VolumeType": "gp3", "Iops": 4000, "Throughput": 250, "Encrypted": True},
            }
        ],
        "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "from", "Value": "template"}]}],
    }
    marks = [{"ResourceType": "launch-template", "Tags": [{"Key": "mine", "Value": "yes"}]}]
    lab.ec2.create_launch_template(LaunchTemplateName="node", LaunchTemplateData=data, TagSpecifications=marks)
    yield data
    lab.ec2.delete_launch_template(LaunchTemplateName="node")


def from_template(stack: Stack, **more: Any) -> dict[str, Any]:
    """The instance of a launch that says no more than its template and what is given."""
    answer = stack.lab.ec2.run_instances(
        LaunchTemplate={"LaunchTemplateName": "node", "Version": "$Latest"}, MinCount=1, MaxCount=1, **more
    )
    identity = answer["Instances"][0]["InstanceId"]
    stack.instances.append(identity)
    return stack.describe(identity)


def test_a_template_is_applied_in_full(lab: RunningLab, stack: Stack, template: dict[str, Any]) -> None:
    instance = from_template(stack)
    identity = instance["InstanceId"]
    assert instance["ImageId"] == template["ImageId"]
    assert instance["KeyName"] == stack.key_name
    assert instance["IamInstanceProfile"]["Arn"].endswith("instance-profile/launches")
    assert instance["MetadataOptions"]["HttpTokens"] == "required"
    assert instance["MetadataOptions"]["HttpPutResponseHopLimit"] == 2
    assert instance["SubnetId"] == stack.private
    assert [group["GroupId"] for group in instance["SecurityGroups"]] == [stack.node_group]
    assert {"Key": "from", "Value": "template"} in instance["Tags"]
    assert not [tag for tag in instance["Tags"] if tag["Key"] == "mine"]
    attribute = lab.ec2.describe_instance_attribute
    behaviour = attribute(InstanceId=identity, Attribute="instanceInitiatedShutdownBehavior")
    assert behaviour["InstanceInitiatedShutdownBehavior"]["Value"] == "terminate"
    assert attribute(InstanceId=identity, Attribute="userData")["UserData"]["Value"] == template["UserData"]
    (root,) = instance["BlockDeviceMappings"]
    assert root["DeviceName"] == instance["RootDeviceName"]
    assert root["Ebs"]["DeleteOnTermination"] is True
    volume = lab.ec2.describe_volumes(VolumeIds=[root["Ebs"]["VolumeId"]])["Volumes"][0]
    assert {name: volume[name] for name in ("Size", "VolumeType", "Iops", "Throughput", "Encrypted")} == {
        "Size": 40,
        "VolumeType": "gp3",
        "Iops": 4000,
        "Throughput": 250,
        "Encrypted": True,
    }


def test_the_request_outranks_the_template(stack: Stack, template: dict[str, Any]) -> None:
    more = {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 5, "DeleteOnTermination": True}}
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "more", "Value": "yes"}]}]
    interface = {"DeviceIndex": 0, "SubnetId": stack.public, "Groups": [stack.bastion_group]}
    instance = from_template(
        stack,
        InstanceType="t3.small",
        BlockDeviceMappings=[more],
        TagSpecifications=tags,
        NetworkInterfaces=[interface],
        MetadataOptions={"HttpPutResponseHopLimit": 1},
    )
    assert instance["InstanceType"] == "t3.small"
    assert instance["SubnetId"] == stack.public
    assert [group["GroupId"] for group in instance["SecurityGroups"]] == [stack.bastion_group]
    assert {device["DeviceName"] for device in instance["BlockDeviceMappings"]} == {"/dev/xvda", "/dev/sdf"}
    assert {tag["Key"] for tag in instance["Tags"]} >= {"from", "more"}
    assert instance["MetadataOptions"]["HttpTokens"] == "required"
    assert instance["MetadataOptions"]["HttpPutResponseHopLimit"] == 1


def test_a_template_is_read_back_as_it_was_given(lab: RunningLab, template: dict[str, Any]) -> None:
    version = lab.ec2.describe_launch_template_versions(LaunchTemplateName="node", Versions=["$Default"])
    assert version["LaunchTemplateVersions"][0]["LaunchTemplateData"] == template
    lab.ec2.create_launch_template_version(LaunchTemplateName="node", LaunchTemplateData={"InstanceType": "t3.small"})
    latest = lab.ec2.describe_launch_template_versions(LaunchTemplateName="node", Versions=["$Latest"])
    assert latest["LaunchTemplateVersions"][0]["LaunchTemplateData"] == {"InstanceType": "t3.small"}


def test_versions_of_a_template_are_removed_and_keep_their_numbers(lab: RunningLab, template: dict[str, Any]) -> None:
    def numbers() -> list[int]:
        found = lab.ec2.describe_launch_template_versions(LaunchTemplateName="node")
        return [version["VersionNumber"] for version in found["LaunchTemplateVersions"]]

    for size in ("small", "medium"):
        lab.ec2.create_launch_template_version(
            LaunchTemplateName="node", LaunchTemplateData={"InstanceType": f"t3.{size}"}
        )
    lab.ec2.modify_launch_template(LaunchTemplateName="node", DefaultVersion="3")
    answer = lab.ec2.delete_launch_template_versions(LaunchTemplateName="node", Versions=["1", "3", "9"])
    assert [one["VersionNumber"] for one in answer["SuccessfullyDeletedLaunchTemplateVersions"]] == [1]
    refused = answer["UnsuccessfullyDeletedLaunchTemplateVersions"]
    assert [(one["VersionNumber"], one["ResponseError"]["Code"]) for one in refused] == [
        (3, "unexpectedError"),
        (9, "launchTemplateVersionDoesNotExist"),
    ]
    assert numbers() == [2, 3]
    default = lab.ec2.describe_launch_template_versions(LaunchTemplateName="node", Versions=["$Default"])
    assert default["LaunchTemplateVersions"][0]["LaunchTemplateData"] == {"InstanceType": "t3.medium"}
    lab.ec2.create_launch_template_version(LaunchTemplateName="node", LaunchTemplateData={"InstanceType": "t3.nano"})
    assert numbers() == [2, 3, 4]


def test_a_subnet_beside_the_templates_interfaces_is_refused(lab: RunningLab, stack: Stack, template: Any) -> None:
    named = {"LaunchTemplate": {"LaunchTemplateName": "node"}, "MinCount": 1, "MaxCount": 1}
    assert error_of(lab.ec2.run_instances, SubnetId=stack.private, **named) == "InvalidParameterCombination"


def test_the_same_client_token_launches_once(lab: RunningLab, stack: Stack, profile: str) -> None:
    """Also with a profile: the answer to the first call may have been lost on its way."""
    once: dict[str, Any] = {"ClientToken": "once", "IamInstanceProfile": {"Name": profile}}
    first = stack.launch(count=2, **once)
    again = stack.launch(count=2, **once)
    assert [one["InstanceId"] for one in again] == [one["InstanceId"] for one in first]
    del stack.instances[-2:]
    by_token = lab.ec2.describe_instances(Filters=[{"Name": "client-token", "Values": ["once"]}])["Reservations"]
    assert len(by_token[0]["Instances"]) == 2
    assert by_token[0]["Instances"][0]["ClientToken"] == "once"


def test_a_client_token_stands_for_one_launch(lab: RunningLab, stack: Stack) -> None:
    launch = {"ImageId": lab.image("debian-12"), "SubnetId": stack.private, "MinCount": 1, "MaxCount": 1}
    stack.instances.append(
        lab.ec2.run_instances(InstanceType="t3.micro", ClientToken="one", **launch)["Instances"][0]["InstanceId"]
    )
    refused = error_of(lab.ec2.run_instances, InstanceType="t3.small", ClientToken="one", **launch)
    assert refused == "IdempotentParameterMismatch"


def test_a_launch_that_failed_leaves_its_token_free(lab: RunningLab, stack: Stack) -> None:
    launch = {"InstanceType": "t3.micro", "SubnetId": stack.private, "MinCount": 1, "MaxCount": 1, "ClientToken": "two"}
    assert error_of(lab.ec2.run_instances, ImageId="ami-00000000", **launch) == "InvalidAMIID.NotFound"
    answer = lab.ec2.run_instances(ImageId=lab.image("debian-12"), **launch)
    stack.instances.append(answer["Instances"][0]["InstanceId"])


def test_a_launch_gives_as_many_as_it_may(stack: Stack) -> None:
    assert len(stack.launch(MinCount=1, MaxCount=2)) == 2


def test_a_placement_group_holds_who_is_in_it(lab: RunningLab, stack: Stack) -> None:
    ec2 = lab.ec2
    tags = [{"ResourceType": "placement-group", "Tags": [{"Key": "mine", "Value": stack.vpc}]}]
    made = ec2.create_placement_group(GroupName="near", Strategy="cluster", TagSpecifications=tags)["PlacementGroup"]
    assert made["State"] == "available"
    assert error_of(ec2.create_placement_group, GroupName="near") == "InvalidPlacementGroup.Duplicate"
    for wanted in ({"Name": "tag:mine", "Values": [stack.vpc]}, {"Name": "group-name", "Values": ["near"]}):
        found = ec2.describe_placement_groups(Filters=[wanted])["PlacementGroups"]
        assert [(one["GroupName"], one["Tags"]) for one in found] == [("near", tags[0]["Tags"])]
    of_groups = [{"Name": "resource-type", "Values": ["placement-group"]}, {"Name": "key", "Values": ["mine"]}]
    assert len(ec2.describe_tags(Filters=of_groups)["Tags"]) == 1
    instance = stack.launch(Placement={"GroupName": "near"})[0]
    assert instance["Placement"]["GroupName"] == "near"
    assert error_of(ec2.delete_placement_group, GroupName="near") == "InvalidPlacementGroup.InUse"
    stack.terminate(instance["InstanceId"])
    ec2.delete_placement_group(GroupName="near")
    assert not ec2.describe_placement_groups()["PlacementGroups"]
    assert error_of(ec2.describe_placement_groups, GroupNames=["near"]) == "InvalidPlacementGroup.Unknown"
    assert error_of(stack.launch, Placement={"GroupName": "near"}) == "InvalidPlacementGroup.Unknown"


def test_interfaces_of_several_cards_come_and_go_with_their_instance(lab: RunningLab, stack: Stack) -> None:
    cards = [
        {
            "NetworkCardIndex": card,
            "DeviceIndex": min(card, 1),
            "InterfaceType": "efa",
            "SubnetId": stack.private,
            "Groups": [stack.node_group],
            "DeleteOnTermination": True,
        }
        for card in range(4)
    ]
    instance = stack.launch(NetworkInterfaces=cards)[0]
    found = instance["NetworkInterfaces"]
    assert len(found) == 4
    assert {interface["InterfaceType"] for interface in found} == {"efa"}
    public = [{**card, "AssociatePublicIpAddress": True} for card in cards]
    assert error_of(stack.launch, NetworkInterfaces=public) == "InvalidParameterCombination"


@pytest.mark.parametrize(
    ("template", "request_", "result"),
    [
        pytest.param({"ImageId": "a"}, {"ImageId": "b"}, {"ImageId": "b"}, id="the request's word"),
        pytest.param({"ImageId": "a"}, {"MinCount": 1}, {"ImageId": "a", "MinCount": 1}, id="both"),
        pytest.param(
            {"IamInstanceProfile": {"Name": "a"}},
            {"IamInstanceProfile": {"Arn": "b"}},
            {"IamInstanceProfile": {"Arn": "b"}},
            id="one profile",
        ),
        pytest.param(
            {"NetworkInterfaces": [{"DeviceIndex": 0, "SubnetId": "a"}, {"DeviceIndex": 1, "SubnetId": "c"}]},
            {"NetworkInterfaces": [{"DeviceIndex": 0, "SubnetId": "b"}]},
            {"NetworkInterfaces": [{"DeviceIndex": 0, "SubnetId": "b"}, {"DeviceIndex": 1, "SubnetId": "c"}]},
            id="interfaces by index",
        ),
        pytest.param(
            {"TagSpecifications": [{"ResourceType": "launch-template", "Tags": []}]}, {}, {}, id="not its own tags"
        ),
    ],
)
def test_merging(template: dict[str, Any], request_: dict[str, Any], result: dict[str, Any]) -> None:
    assert merged(template, request_) == result

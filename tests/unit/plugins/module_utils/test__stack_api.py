# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils._stack import Resource, names_of
from ansible_collections.trainyard.aws.plugins.module_utils._stack_api import resources_of
from botocore.exceptions import ClientError

STACK = "dcgan"
NAMES = names_of(STACK, "123456789012", "us-east-1")


def tags(stack: str = STACK, name: str = "") -> list[dict[str, str]]:
    return [{"Key": "trainyard:stack", "Value": stack}] + ([{"Key": "Name", "Value": name}] if name else [])


def specification(kind: str, stack: str = STACK) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": tags(stack)}]


def found(account: Any) -> dict[tuple[str, str], Resource]:
    return {(resource.type, resource.id): resource for resource in resources_of(account.client, STACK, NAMES)}


def types_found(account: Any) -> list[str]:
    return sorted(kind for kind, _identifier in found(account))


@pytest.fixture
def ec2(account: Any) -> Any:
    return account.client("ec2")


@pytest.fixture
def vpc(ec2: Any) -> str:
    return ec2.create_vpc(CidrBlock="10.77.0.0/16", TagSpecifications=specification("vpc"))["Vpc"]["VpcId"]


@pytest.fixture
def subnet(ec2: Any, vpc: str) -> str:
    made = ec2.create_subnet(VpcId=vpc, CidrBlock="10.77.1.0/24", TagSpecifications=specification("subnet"))
    return made["Subnet"]["SubnetId"]


def start_instance(ec2: Any, subnet: str, stack: str | None = STACK) -> str:
    arguments = {"TagSpecifications": specification("instance", stack)} if stack else {}
    started = ec2.run_instances(
        ImageId=ec2.register_image(Name="box", RootDeviceName="/dev/sda1")["ImageId"],
        MinCount=1,
        MaxCount=1,
        SubnetId=subnet,
        InstanceType="t3.micro",
        **arguments,
    )
    return started["Instances"][0]["InstanceId"]


def make_file_system(efs: Any, stack: str = STACK) -> str:
    return efs.create_file_system(CreationToken=stack, Tags=tags(stack, "checkpoints"))["FileSystemId"]


def make_role(iam: Any, name: str, **arguments: Any) -> None:
    iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}", **arguments)
    iam.create_instance_profile(InstanceProfileName=name, **arguments)


def make_alarm(account: Any, name: str, **arguments: Any) -> None:
    account.client("cloudwatch").put_metric_alarm(
        AlarmName=name,
        Namespace="trainyard/dcgan",
        MetricName="spot_notice",
        Statistic="Maximum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        **arguments,
    )


# ---- What an account holds -----------------------------------------------------------------------------------------


def test_nothing_belongs_to_a_stack_in_an_empty_account(account: Any) -> None:
    assert found(account) == {}


def test_looking_changes_nothing(account: Any) -> None:
    found(account)
    assert account.calls
    assert account.writing_calls == []


def test_a_vpc_is_found_with_its_facts(account: Any, vpc: str) -> None:
    assert found(account) == {
        ("vpc", vpc): Resource("vpc", vpc, state="available", attributes={"cidr": "10.77.0.0/16"})
    }


def test_an_instance_says_since_when_and_until_when_it_runs(account: Any, ec2: Any, subnet: str) -> None:
    instance = start_instance(ec2, subnet)
    ec2.create_tags(Resources=[instance], Tags=[{"Key": "trainyard:expires-at", "Value": "2026-11-22T02:30:00Z"}])
    resource = found(account)["instance", instance]
    launched = ec2.describe_instances()["Reservations"][0]["Instances"][0]["LaunchTime"]
    assert (resource.since, resource.expires_at) == (f"{launched:%Y-%m-%dT%H:%M:%SZ}", "2026-11-22T02:30:00Z")


MAKERS: dict[str, Callable[[Any, str], Any]] = {
    "elastic_ip": lambda ec2, stack: ec2.allocate_address(
        Domain="vpc", TagSpecifications=specification("elastic-ip", stack)
    ),
    "volume": lambda ec2, stack: ec2.create_volume(
        AvailabilityZone="us-east-1a", Size=1, TagSpecifications=specification("volume", stack)
    ),
    "internet_gateway": lambda ec2, stack: ec2.create_internet_gateway(
        TagSpecifications=specification("internet-gateway", stack)
    ),
    "launch_template": lambda ec2, stack: ec2.create_launch_template(
        LaunchTemplateName=stack,
        LaunchTemplateData={"InstanceType": "t3.micro"},
        TagSpecifications=specification("launch-template", stack),
    ),
    "key_pair": lambda ec2, stack: ec2.create_key_pair(
        KeyName=stack, TagSpecifications=specification("key-pair", stack)
    ),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_what_lies_in_no_vpc_is_found_by_its_tag(account: Any, ec2: Any, kind: str) -> None:
    MAKERS[kind](ec2, STACK)
    assert types_found(account) == [kind]


@pytest.mark.parametrize("kind", MAKERS)
def test_what_belongs_to_another_stack_is_not_listed(account: Any, ec2: Any, vpc: str, kind: str) -> None:
    MAKERS[kind](ec2, "dcgan-2")
    assert types_found(account) == ["vpc"]


def test_another_stack_with_all_it_has_is_not_listed(account: Any, ec2: Any) -> None:
    other = ec2.create_vpc(CidrBlock="10.78.0.0/16", TagSpecifications=specification("vpc", "other"))["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=other, CidrBlock="10.78.1.0/24")["Subnet"]["SubnetId"]
    start_instance(ec2, subnet, "other")
    make_file_system(account.client("efs"), "other")
    make_role(account.client("iam"), "trainyard-other-us-east-1-node", Tags=tags("other"))
    account.client("s3").create_bucket(Bucket="trainyard-other-123456789012-us-east-1")
    assert found(account) == {}


def make_lustre(fsx: Any, stack: str = STACK) -> None:
    fsx.create_file_system(
        ClientRequestToken=stack,
        FileSystemType="LUSTRE",
        StorageCapacity=1200,
        SubnetIds=["subnet-1"],
        LustreConfiguration={"DeploymentType": "SCRATCH_2"},
        Tags=[*tags(stack, "data"), {"Key": "trainyard:component", "Value": "storage"}],
    )


def test_lustre_is_found_in_one_call_with_what_it_costs_by(account: Any) -> None:
    make_lustre(account.client("fsx"))
    make_lustre(account.client("fsx"), "other")
    account.calls.clear()
    facts = {"size_gib": 1200, "deployment_type": "SCRATCH_2", "subnet_id": "subnet-1"}
    since = "2026-11-21T14:30:00Z"
    assert found(account) == {
        ("lustre_file_system", "fs-0"): Resource(
            "lustre_file_system", "fs-0", "AVAILABLE", "data", "storage", attributes=facts, since=since
        )
    }
    assert account.calls.count("DescribeFileSystems") == 2  # of EFS and of FSx
    assert "DescribeDataRepositoryAssociations" not in account.calls


# ---- States --------------------------------------------------------------------------------------------------------


def test_an_instance_counts_until_it_is_terminated(account: Any, ec2: Any, subnet: str) -> None:
    instance = start_instance(ec2, subnet)
    running = found(account)["instance", instance]
    assert (running.state, running.attributes["instance_type"]) == ("running", "t3.micro")
    assert running.attributes["private_ip_address"].startswith("10.77.1.")
    ec2.stop_instances(InstanceIds=[instance])
    assert found(account)["instance", instance].state == "stopped"
    ec2.terminate_instances(InstanceIds=[instance])
    assert types_found(account) == ["subnet", "vpc"]


EMPTY: dict[str, Any] = {
    "describe_file_systems": {"FileSystems": []},
    "get_resources": {"ResourceTagMappingList": []},
    "head_bucket": ClientError({"Error": {"Code": "404"}}, "HeadBucket"),
    "get_role": ClientError({"Error": {"Code": "NoSuchEntity"}}, "GetRole"),
    "get_schedule_group": ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "GetScheduleGroup"),
    "get_instance_profile": ClientError({"Error": {"Code": "NoSuchEntity"}}, "GetInstanceProfile"),
    "describe_alarms": {"MetricAlarms": []},
    "list_tags_for_resource": ClientError({"Error": {"Code": "InvalidResourceId"}}, "ListTagsForResource"),
}


class Answers:
    """A client whose calls answer as told, and else that there is nothing."""

    def __init__(self, **answers: Any) -> None:
        self.answers = EMPTY | answers

    def can_paginate(self, operation: str) -> bool:
        return False

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def answer(**_arguments: Any) -> Any:
            told = self.answers.get(operation, {})
            if isinstance(told, Exception):
                raise told
            return told

        return answer


def listed(**answers: Any) -> list[tuple[str, str, str]]:
    resources = resources_of(lambda _service: Answers(**answers), STACK, NAMES)
    return [(resource.type, resource.id, resource.state) for resource in resources]


@pytest.mark.parametrize(
    ("state", "counts"),
    [("open", True), ("active", True), ("disabled", True), ("closed", False), ("cancelled", False), ("failed", False)],
)
def test_a_spot_request_counts_until_it_is_over(state: str, counts: bool) -> None:
    request = {"SpotInstanceRequestId": "sir-1", "State": state, "Tags": tags()}
    expected = [("spot_request", "sir-1", state)] if counts else []
    assert listed(describe_spot_instance_requests={"SpotInstanceRequests": [request]}) == expected


@pytest.mark.parametrize("state", ["pending", "available", "deleting", "deleted"])
def test_a_placement_group_counts_until_it_is_deleted(state: str) -> None:
    group = {"GroupId": "pg-1", "GroupName": "trainyard-dcgan-train", "State": state, "Tags": tags()}
    expected = [] if state == "deleted" else [("placement_group", "pg-1", state)]
    assert listed(describe_placement_groups={"PlacementGroups": [group]}) == expected


@pytest.mark.parametrize(
    ("state", "counts"),
    [("pending", True), ("available", True), ("deleting", True), ("failed", True), ("deleted", False)],
)
def test_a_nat_gateway_counts_until_it_is_deleted(state: str, counts: bool) -> None:
    gateway = {"NatGatewayId": "nat-1", "State": state, "Tags": tags()}
    expected = [("nat_gateway", "nat-1", state)] if counts else []
    assert listed(describe_nat_gateways={"NatGateways": [gateway]}) == expected


@pytest.mark.parametrize(
    ("state", "counts"), [("in-use", True), ("available", True), ("deleting", False), ("deleted", False)]
)
def test_a_volume_counts_until_it_is_being_deleted(state: str, counts: bool) -> None:
    volume = {"VolumeId": "vol-1", "State": state, "Tags": tags()}
    assert listed(describe_volumes={"Volumes": [volume]}) == ([("volume", "vol-1", state)] if counts else [])


@pytest.mark.parametrize(
    ("state", "counts"), [("creating", True), ("available", True), ("deleting", True), ("deleted", False)]
)
def test_a_file_system_counts_until_it_is_deleted(state: str, counts: bool) -> None:
    told = {"FileSystemId": "fs-1", "LifeCycleState": state, "Tags": tags()}
    targets = {"MountTargets": [{"MountTargetId": "fsmt-1", "SubnetId": "subnet-1", "LifeCycleState": state}]}
    expected = [("file_system", "fs-1", state), ("mount_target", "fsmt-1", state)] if counts else []
    assert listed(describe_file_systems={"FileSystems": [told]}, describe_mount_targets=targets) == expected


def test_a_mount_target_that_is_deleted_does_not_count() -> None:
    told = {"FileSystemId": "fs-1", "LifeCycleState": "deleting", "Tags": tags()}
    targets = {"MountTargets": [{"MountTargetId": "fsmt-1", "SubnetId": "subnet-1", "LifeCycleState": "deleted"}]}
    assert listed(describe_file_systems={"FileSystems": [told]}, describe_mount_targets=targets) == [
        ("file_system", "fs-1", "deleting")
    ]


def test_a_file_system_that_goes_while_we_look_is_no_fault() -> None:
    told = {"FileSystemId": "fs-1", "LifeCycleState": "deleting", "Tags": tags()}
    gone = ClientError({"Error": {"Code": "FileSystemNotFound"}}, "DescribeMountTargets")
    assert listed(describe_file_systems={"FileSystems": [told]}, describe_mount_targets=gone) == [
        ("file_system", "fs-1", "deleting")
    ]


@pytest.mark.parametrize(
    "operation",
    [
        "describe_vpcs",
        "head_bucket",
        "get_role",
        "get_resources",
        "describe_file_systems",
        "get_schedule_group",
        "describe_alarms",
        "list_tags_for_resource",
    ],
)
def test_a_question_that_is_refused_is_not_taken_for_nothing(operation: str) -> None:
    refused = ClientError({"Error": {"Code": "AccessDenied"}}, operation)
    with pytest.raises(ClientError, match="AccessDenied"):
        listed(**{operation: refused})


# ---- What lies in our VPC without our tag --------------------------------------------------------------------------


def test_what_lies_in_our_vpc_counts_without_a_tag(account: Any, ec2: Any, vpc: str) -> None:
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.77.9.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(VpcId=vpc, GroupName="forgotten", Description="x")["GroupId"]
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    interface = ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
    instance = start_instance(ec2, subnet, stack=None)
    nat = ec2.create_nat_gateway(SubnetId=subnet, ConnectivityType="private")["NatGateway"]["NatGatewayId"]
    resources = found(account)
    assert {key: resource.tagged for key, resource in resources.items() if key[0] != "network_interface"} == {
        ("instance", instance): False,
        ("internet_gateway", gateway): False,
        ("nat_gateway", nat): False,
        ("route_table", table): False,
        ("security_group", group): False,
        ("subnet", subnet): False,
        ("vpc", vpc): True,
    }
    assert not resources["network_interface", interface].tagged


def test_the_default_group_and_the_main_table_are_left_to_aws(account: Any, ec2: Any, vpc: str) -> None:
    ours = [{"Name": "vpc-id", "Values": [vpc]}]
    assert ec2.describe_security_groups(Filters=ours)["SecurityGroups"]
    assert ec2.describe_route_tables(Filters=ours)["RouteTables"]
    assert types_found(account) == ["vpc"]


@pytest.mark.parametrize(
    ("facts", "counts"),
    [
        pytest.param({}, True, id="forgotten"),
        pytest.param({"RequesterManaged": False}, True, id="made by a user"),
        pytest.param({"RequesterManaged": True}, False, id="made by a service"),
        pytest.param({"Attachment": {"AttachmentId": "eni-attach-1"}}, False, id="part of an instance"),
        pytest.param({"RequesterManaged": True, "Tags": tags()}, True, id="made by a service, with our tag"),
    ],
)
def test_network_interfaces_that_others_remove_do_not_count(facts: dict[str, Any], counts: bool) -> None:
    vpcs = {"Vpcs": [{"VpcId": "vpc-1", "State": "available", "Tags": tags()}]}
    interface = {"NetworkInterfaceId": "eni-1", "Status": "in-use", **facts}
    resources = listed(describe_vpcs=vpcs, describe_network_interfaces={"NetworkInterfaces": [interface]})
    assert (("network_interface", "eni-1", "in-use") in resources) is counts


def test_what_lies_in_a_vpc_of_nobody_does_not_count(account: Any, ec2: Any, vpc: str) -> None:
    stranger = ec2.create_vpc(CidrBlock="10.79.0.0/16")["Vpc"]["VpcId"]
    ec2.create_subnet(VpcId=stranger, CidrBlock="10.79.1.0/24")
    assert types_found(account) == ["vpc"]


# ---- What is found by its name -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stack", "tagged"),
    [
        pytest.param(STACK, True, id="our tag"),
        pytest.param("other", False, id="tag of another stack"),
        pytest.param(None, False, id="no tag"),
    ],
)
def test_what_has_our_name_says_whether_it_is_tagged(account: Any, stack: str | None, tagged: bool) -> None:
    s3 = account.client("s3")
    s3.create_bucket(Bucket=NAMES.bucket)
    if stack:
        s3.put_bucket_tagging(Bucket=NAMES.bucket, Tagging={"TagSet": tags(stack)})
    tagging = {"Tags": tags(stack)} if stack else {"Tags": []}
    iam = account.client("iam")
    make_role(iam, NAMES.node_role, **tagging)
    iam.create_role(RoleName=NAMES.termination_role, AssumeRolePolicyDocument="{}", **tagging)
    account.client("scheduler").create_schedule_group(Name=NAMES.schedule_group, **tagging)
    make_role(iam, NAMES.monitor_role, **tagging)
    account.client("ssm").put_parameter(Name=NAMES.monitor_password, Value="x", Type="SecureString", **tagging)
    make_alarm(account, NAMES.alarms[0], **tagging)
    assert {key: resource.tagged for key, resource in found(account).items()} == {
        ("alarm", NAMES.alarms[0]): tagged,
        ("bucket", NAMES.bucket): tagged,
        ("iam_role", NAMES.node_role): tagged,
        ("iam_role", NAMES.termination_role): tagged,
        ("iam_role", NAMES.monitor_role): tagged,
        ("instance_profile", NAMES.monitor_role): tagged,
        ("parameter", NAMES.monitor_password): tagged,
        ("instance_profile", NAMES.node_role): tagged,
        ("schedule_group", NAMES.schedule_group): tagged,
    }


def test_alarms_of_a_stack_whose_name_begins_alike_are_not_ours(account: Any) -> None:
    make_alarm(account, names_of(f"{STACK}-2", "123456789012", "us-east-1").alarms[0], Tags=tags(f"{STACK}-2"))
    assert found(account) == {}


def test_an_alarm_of_ours_that_we_do_not_know_is_reported(account: Any) -> None:
    make_alarm(account, f"trainyard-{STACK}-mine", Tags=tags())
    assert types_found(account) == ["other"]


def test_another_bucket_with_our_tag_is_reported_as_it_stands(account: Any) -> None:
    s3 = account.client("s3")
    s3.create_bucket(Bucket="by-hand")
    s3.put_bucket_tagging(Bucket="by-hand", Tagging={"TagSet": tags(name="mine")})
    assert found(account) == {
        ("other", "arn:aws:s3:::by-hand"): Resource("other", "arn:aws:s3:::by-hand", "unknown", "mine")
    }


def test_what_only_the_tagging_api_knows_is_reported(account: Any) -> None:
    sns = account.client("sns")
    topic = sns.create_topic(Name="budget", Tags=tags())["TopicArn"]
    sns.create_topic(Name="of-another", Tags=tags("other"))
    assert list(found(account)) == [("other", topic)]


def test_a_file_system_brings_its_mount_targets(account: Any, subnet: str) -> None:
    efs = account.client("efs")
    file_system = make_file_system(efs)
    target = efs.create_mount_target(FileSystemId=file_system, SubnetId=subnet)["MountTargetId"]
    resources = found(account)
    assert resources["file_system", file_system].name == "checkpoints"
    assert resources["mount_target", target].attributes == {"file_system_id": file_system, "subnet_id": subnet}


def test_every_page_of_an_answer_is_read(account: Any) -> None:
    efs = account.client("efs")
    for number in range(12):  # moto answers ten to a page
        efs.create_file_system(CreationToken=str(number), Tags=tags())
    assert types_found(account) == ["file_system"] * 12


# ---- Doors and ways out ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stack", [STACK, None], ids=["ours", "without a tag"])
def test_endpoints_and_flow_logs_of_our_vpc_are_found(
    account: Any, ec2: Any, vpc: str, subnet: str, stack: str | None
) -> None:
    def born(kind: str) -> dict[str, Any]:
        return {"TagSpecifications": specification(kind, stack)} if stack else {}

    endpoint = ec2.create_vpc_endpoint(
        VpcId=vpc,
        ServiceName="com.amazonaws.us-east-1.sts",
        VpcEndpointType="Interface",
        SubnetIds=[subnet],
        **born("vpc-endpoint"),
    )["VpcEndpoint"]["VpcEndpointId"]
    account.client("s3").create_bucket(Bucket="dcgan-logs")
    flow_log = ec2.create_flow_logs(
        ResourceType="VPC",
        ResourceIds=[vpc],
        TrafficType="ALL",
        LogDestinationType="s3",
        LogDestination="arn:aws:s3:::dcgan-logs",
        **born("vpc-flow-log"),
    )["FlowLogIds"][0]
    tags_of_door = specification("instance-connect-endpoint", stack or "other")
    door = ec2.create_instance_connect_endpoint(
        SubnetId=subnet, SecurityGroupIds=[], PreserveClientIp=False, TagSpecifications=tags_of_door
    )["InstanceConnectEndpoint"]["InstanceConnectEndpointId"]
    resources = found(account)
    kinds = ("vpc_endpoint", "flow_log", "instance_connect_endpoint")
    assert {key: resource.tagged for key, resource in resources.items() if key[0] in kinds} == {
        ("vpc_endpoint", endpoint): bool(stack),
        ("flow_log", flow_log): bool(stack),
        ("instance_connect_endpoint", door): bool(stack),
    }
    assert resources["vpc_endpoint", endpoint].attributes == {
        "endpoint_type": "Interface",
        "service": "com.amazonaws.us-east-1.sts",
        "subnet_ids": [subnet],
    }
    assert resources["flow_log", flow_log].attributes == {"destination": "arn:aws:s3:::dcgan-logs", "vpc_id": vpc}
    assert resources["instance_connect_endpoint", door].attributes == {"vpc_id": vpc, "subnet_id": subnet}


def test_a_key_pair_tells_which_key_it_holds(account: Any, ec2: Any) -> None:
    tags_of_key = [*tags(), {"Key": "trainyard:public-key-sha256", "Value": "abc"}]
    ec2.create_key_pair(KeyName="dcgan", TagSpecifications=[{"ResourceType": "key-pair", "Tags": tags_of_key}])
    (key,) = found(account).values()
    assert key.attributes == {"key_name": "dcgan", "public_key_sha256": "abc"}

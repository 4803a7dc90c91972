# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A user of the lab may do what his policies say: which actions and which tags AWS would ask about."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lab.authorizations import questions
from lab.calls import Call
from lab.tests.running_lab import RunningLab, Stack, error_of, eventually, new_vpc

STACK = "trainyard:stack"
OURS: dict[str, Any] = {"StringEquals": {f"aws:ResourceTag/{STACK}": "demo"}}
AT_BIRTH: dict[str, Any] = {"StringEquals": {f"aws:RequestTag/{STACK}": "demo"}}


@dataclass
class User:
    """A user of the account and what he may do, which a test can change."""

    lab: RunningLab
    keys: dict[str, str]
    name: str = "operator"

    def may(self, *statements: dict[str, Any]) -> None:
        document = {"Version": "2012-10-17", "Statement": list(statements)}
        self.lab.client("iam").put_user_policy(
            UserName=self.name, PolicyName="only", PolicyDocument=json.dumps(document)
        )

    def client(self, service: str) -> Any:
        return self.lab.client(service, **self.keys)


@pytest.fixture(scope="module")
def user(lab: RunningLab) -> Iterator[User]:
    iam = lab.client("iam")
    iam.create_user(UserName="operator")
    made = iam.create_access_key(UserName="operator")["AccessKey"]
    keys = {"aws_access_key_id": made["AccessKeyId"], "aws_secret_access_key": made["SecretAccessKey"]}
    yield User(lab, keys)
    iam.delete_access_key(UserName="operator", AccessKeyId=made["AccessKeyId"])
    iam.delete_user_policy(UserName="operator", PolicyName="only")
    iam.delete_user(UserName="operator")


@pytest.fixture(scope="module")
def vpc(lab: RunningLab) -> Iterator[str]:
    identity, _cidr = new_vpc(lab, "10.{}.0.0/16")
    yield identity
    lab.ec2.delete_vpc(VpcId=identity)


def allow(*actions: str, resource: str = "*", **condition: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource, "Condition": condition}


def tags(kind: str, stack: str = "demo") -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": [{"Key": STACK, "Value": stack}]}]


@pytest.mark.parametrize(
    ("service", "call", "code"),
    [
        pytest.param("ec2", lambda client: client.describe_vpcs(), "UnauthorizedOperation", id="ec2"),
        pytest.param("iam", lambda client: client.list_roles(), "AccessDenied", id="query"),
        pytest.param("s3", lambda client: client.list_buckets(), "AccessDenied", id="xml"),
        pytest.param("s3", lambda client: client.head_bucket(Bucket="any"), "403", id="head"),
        pytest.param("efs", lambda client: client.describe_file_systems(), "AccessDeniedException", id="rest-json"),
        pytest.param("ssm", lambda client: client.get_parameter(Name="/a"), "AccessDeniedException", id="json"),
    ],
)
def test_a_user_without_policies_may_nothing(user: User, service: str, call: Callable[[Any], Any], code: str) -> None:
    user.may(allow("nothing:AtAll"))
    with pytest.raises(ClientError) as refused:
        call(user.client(service))
    assert refused.value.response["Error"]["Code"] == code


def test_who_he_is_anybody_may_ask(user: User) -> None:
    assert user.client("sts").get_caller_identity()["Arn"].endswith(":user/operator")


def test_the_message_names_the_user_the_action_and_the_resource(user: User) -> None:
    user.may(allow("nothing:AtAll"))
    with pytest.raises(ClientError, match=r"user/operator is not authorized to perform: ec2:CreateVpc on .*:vpc/\*"):
        user.client("ec2").create_vpc(CidrBlock="10.250.0.0/16")


def test_what_is_made_must_carry_the_tag(user: User, lab: RunningLab) -> None:
    ec2 = user.client("ec2")
    user.may(
        allow("ec2:CreateInternetGateway", **AT_BIRTH),
        allow("ec2:CreateTags", StringEquals={"ec2:CreateAction": "CreateInternetGateway"}),
    )
    assert error_of(ec2.create_internet_gateway) == "UnauthorizedOperation"
    assert (
        error_of(ec2.create_internet_gateway, TagSpecifications=tags("internet-gateway", "other"))
        == "UnauthorizedOperation"
    )
    gateway = ec2.create_internet_gateway(TagSpecifications=tags("internet-gateway"))["InternetGateway"]
    lab.ec2.delete_internet_gateway(InternetGatewayId=gateway["InternetGatewayId"])


def test_tags_at_birth_are_a_right_of_their_own(user: User) -> None:
    user.may(
        allow("ec2:CreateInternetGateway"), allow("ec2:CreateTags", StringEquals={"ec2:CreateAction": "RunInstances"})
    )
    with pytest.raises(ClientError, match="ec2:CreateTags"):
        user.client("ec2").create_internet_gateway(TagSpecifications=tags("internet-gateway"))


def test_what_is_somebody_elses_is_not_touched(user: User, lab: RunningLab, vpc: str) -> None:
    group = lab.ec2.create_security_group(GroupName="foreign", Description="x", VpcId=vpc)["GroupId"]
    user.may(allow("ec2:DeleteSecurityGroup", "ec2:CreateTags", **OURS))
    ec2 = user.client("ec2")
    assert error_of(ec2.delete_security_group, GroupId=group) == "UnauthorizedOperation"
    assert (
        error_of(ec2.create_tags, Resources=[group], Tags=[{"Key": STACK, "Value": "demo"}]) == "UnauthorizedOperation"
    )
    lab.ec2.create_tags(Resources=[group], Tags=[{"Key": STACK, "Value": "demo"}])
    ec2.create_tags(Resources=[group], Tags=[{"Key": "Name", "Value": "x"}])
    ec2.delete_security_group(GroupId=group)


def test_things_are_made_only_inside_what_is_ours(user: User, lab: RunningLab, vpc: str) -> None:
    groups, vpcs = "arn:aws:ec2:*:*:security-group/*", "arn:aws:ec2:*:*:vpc/*"
    user.may(
        allow("ec2:CreateSecurityGroup", resource=groups, **AT_BIRTH),
        allow("ec2:CreateSecurityGroup", resource=vpcs, **OURS),
        allow("ec2:CreateTags", **AT_BIRTH),
    )
    wanted = {"GroupName": "a", "Description": "a", "VpcId": vpc, "TagSpecifications": tags("security-group")}
    assert error_of(user.client("ec2").create_security_group, **wanted) == "UnauthorizedOperation"
    lab.ec2.create_tags(Resources=[vpc], Tags=[{"Key": STACK, "Value": "demo"}])
    group = user.client("ec2").create_security_group(**wanted)["GroupId"]
    lab.ec2.delete_security_group(GroupId=group)


def test_one_region_only(user: User, lab: RunningLab) -> None:
    user.may(allow("ec2:DescribeVpcs", StringEquals={"aws:RequestedRegion": "us-east-1"}))
    user.client("ec2").describe_vpcs()
    elsewhere = lab.client("ec2", **user.keys, region_name="eu-west-1")
    assert error_of(elsewhere.describe_vpcs) == "UnauthorizedOperation"


def test_a_role_is_handed_on_only_to_the_service_that_is_named(user: User, lab: RunningLab) -> None:
    iam = lab.client("iam")
    iam.create_role(RoleName="handed", AssumeRolePolicyDocument="{}")
    iam.create_instance_profile(InstanceProfileName="handed")
    adding = {"InstanceProfileName": "handed", "RoleName": "handed"}
    for service, accepted in (("sagemaker.amazonaws.com", False), ("ec2.amazonaws.com", True)):
        user.may(
            allow("iam:AddRoleToInstanceProfile"),
            allow("iam:PassRole", StringEquals={"iam:PassedToService": service}),
        )
        call = user.client("iam").add_role_to_instance_profile
        assert (call(**adding) if accepted else error_of(call, **adding)) != ""
    iam.remove_role_from_instance_profile(**adding)
    iam.delete_instance_profile(InstanceProfileName="handed")
    iam.delete_role(RoleName="handed")


def test_a_file_system_is_ours_or_not_touched(user: User, lab: RunningLab) -> None:
    user.may(
        allow("elasticfilesystem:CreateFileSystem", **AT_BIRTH),
        allow("elasticfilesystem:TagResource", StringEquals={"elasticfilesystem:CreateAction": "CreateFileSystem"}),
        allow("elasticfilesystem:DeleteFileSystem", **OURS),
    )
    efs = user.client("efs")
    assert error_of(efs.create_file_system, CreationToken="a") == "AccessDeniedException"
    ours = efs.create_file_system(CreationToken="b", Tags=[{"Key": STACK, "Value": "demo"}])["FileSystemId"]
    foreign = lab.efs.create_file_system(CreationToken="c")["FileSystemId"]
    assert error_of(efs.delete_file_system, FileSystemId=foreign) == "AccessDeniedException"
    efs.delete_file_system(FileSystemId=ours)
    lab.efs.delete_file_system(FileSystemId=foreign)


def test_a_lustre_file_system_is_ours_or_not_touched(user: User, lab: RunningLab, stack: Stack) -> None:
    user.may(
        allow("fsx:CreateFileSystem", "fsx:TagResource", **AT_BIRTH),
        allow("iam:CreateServiceLinkedRole", StringEquals={"iam:AWSServiceName": "fsx.amazonaws.com"}),
        allow("fsx:DeleteFileSystem", **OURS),
    )
    group = stack.group("lustre-rights")
    itself = {"IpProtocol": "tcp", "FromPort": 988, "ToPort": 988, "UserIdGroupPairs": [{"GroupId": group}]}
    lab.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[itself])
    wanted = {
        "FileSystemType": "LUSTRE",
        "StorageCapacity": 1200,
        "SubnetIds": [stack.private],
        "SecurityGroupIds": [group],
    }
    fsx = user.client("fsx")
    assert error_of(fsx.create_file_system, **wanted) == "AccessDeniedException"
    ours = fsx.create_file_system(**wanted, Tags=[{"Key": STACK, "Value": "demo"}])["FileSystem"]["FileSystemId"]
    foreign = lab.client("fsx").create_file_system(**wanted)["FileSystem"]["FileSystemId"]
    assert error_of(fsx.delete_file_system, FileSystemId=foreign) == "AccessDeniedException"
    fsx.delete_file_system(FileSystemId=ours)
    lab.client("fsx").delete_file_system(FileSystemId=foreign)
    assert eventually(lambda: lab.client("fsx").describe_file_systems()["FileSystems"] == [])


def test_metrics_are_told_only_in_a_namespace_of_ones_own(user: User) -> None:
    put = user.client("cloudwatch").put_metric_data
    user.may(allow("cloudwatch:PutMetricData", StringEquals={"cloudwatch:namespace": "trainyard/demo"}))
    data = [{"MetricName": "run_epoch", "Value": 1.0}]
    put(Namespace="trainyard/demo", MetricData=data)
    assert error_of(put, Namespace="trainyard/other", MetricData=data) == "AccessDeniedException"


def test_a_parameter_is_read_by_its_name_and_by_its_arn(user: User, lab: RunningLab) -> None:
    store, read = lab.client("ssm"), user.client("ssm").get_parameter
    arn = f"arn:aws:ssm:{store.meta.region_name}:123456789012:parameter/team/token"
    store.put_parameter(Name="/team/token", Value="x", Type="SecureString")
    user.may(allow("ssm:GetParameter", resource=arn))
    for name in ("/team/token", arn):
        assert read(Name=name, WithDecryption=True)["Parameter"]["Value"] == "x"
        assert error_of(read, Name=f"{name}-of-others") == "AccessDeniedException"
    store.delete_parameter(Name="/team/token")


def test_a_secret_is_read_by_its_name_with_the_suffix_that_aws_gives_it(user: User, lab: RunningLab) -> None:
    store = lab.client("secretsmanager")
    secrets = {name: store.create_secret(Name=name, SecretString="x")["ARN"] for name in ("wandb", "others")}
    user.may(allow("secretsmanager:GetSecretValue", resource=secrets["wandb"][:-6] + "??????"))
    read = user.client("secretsmanager").get_secret_value
    assert read(SecretId="wandb")["SecretString"] == read(SecretId=secrets["wandb"])["SecretString"] == "x"
    assert error_of(read, SecretId="others") == error_of(read, SecretId="unknown") == "AccessDeniedException"
    for arn in secrets.values():
        store.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)


def test_the_simulator_answers_as_the_calls_do(user: User, lab: RunningLab) -> None:
    user.may(allow("ec2:CreateVpc", **AT_BIRTH), {"Effect": "Deny", "Action": "s3:*", "Resource": "*"})
    asked = {
        "PolicySourceArn": "arn:aws:iam::123456789012:user/operator",
        "ActionNames": ["ec2:CreateVpc", "ec2:DeleteVpc", "s3:ListBucket"],
        "ResourceArns": ["arn:aws:ec2:us-east-1:123456789012:vpc/*"],
        "ContextEntries": [
            {"ContextKeyName": f"aws:RequestTag/{STACK}", "ContextKeyType": "string", "ContextKeyValues": ["demo"]}
        ],
    }
    results = lab.client("iam").simulate_principal_policy(**asked)["EvaluationResults"]
    assert [item["EvalDecision"] for item in results] == ["allowed", "implicitDeny", "explicitDeny"]


@pytest.mark.parametrize(
    ("action", "parameters", "expected"),
    [
        pytest.param(
            "RunInstances", {"InstanceMarketOptions": {"MarketType": "spot"}}, "iam:CreateServiceLinkedRole", id="spot"
        ),
        pytest.param("CreateInstanceConnectEndpoint", {}, "iam:CreateServiceLinkedRole", id="endpoint's role"),
        pytest.param("CreateInstanceConnectEndpoint", {}, "ec2:CreateNetworkInterface", id="endpoint's interface"),
        pytest.param(
            "CreateVpcEndpoint", {"VpcEndpointType": "Interface"}, "route53:AssociateVPCWithHostedZone", id="its name"
        ),
        pytest.param("CreateFlowLogs", {"LogDestinationType": "s3"}, "logs:CreateLogDelivery", id="flow log"),
        pytest.param("DeleteFlowLogs", {}, "logs:DeleteLogDelivery", id="end of a flow log"),
    ],
)
def test_what_ec2_does_elsewhere_is_a_right_of_its_own(action: str, parameters: dict[str, Any], expected: str) -> None:
    call = Call("ec2", action, "us-east-1", "any", "ec2", parameters)
    assert expected in [question.action for question in questions(call)]


ALARM = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:a"
PARAMETER = "arn:aws:ssm:us-east-1:123456789012:parameter/team/token"
TAGS = [{"Key": STACK, "Value": "demo"}]


@pytest.mark.parametrize(
    ("service", "action", "parameters", "expected"),
    [
        pytest.param("cloudwatch", "DescribeAlarms", {"AlarmNames": ["a"]}, {("DescribeAlarms", "*")}, id="look"),
        pytest.param(
            "cloudwatch",
            "PutMetricAlarm",
            {"AlarmName": "a", "Tags": TAGS},
            {("PutMetricAlarm", ALARM), ("TagResource", ALARM)},
            id="make",
        ),
        pytest.param("cloudwatch", "PutMetricAlarm", {"AlarmName": "a"}, {("PutMetricAlarm", ALARM)}, id="change"),
        pytest.param("cloudwatch", "TagResource", {"ResourceARN": ALARM}, {("TagResource", ALARM)}, id="tag"),
        pytest.param(
            "cloudwatch",
            "DeleteAlarms",
            {"AlarmNames": ["a", "b"]},
            {("DeleteAlarms", ALARM), ("DeleteAlarms", f"{ALARM[:-1]}b")},
            id="remove",
        ),
        pytest.param(
            "ssm",
            "PutParameter",
            {"Name": "/team/token", "Tags": TAGS},
            {("PutParameter", PARAMETER), ("AddTagsToResource", PARAMETER)},
            id="make a parameter",
        ),
        pytest.param(
            "ssm",
            "ListTagsForResource",
            {"ResourceType": "Parameter", "ResourceId": "/team/token"},
            {("ListTagsForResource", PARAMETER)},
            id="look at its tags",
        ),
        pytest.param("ssm", "DescribeParameters", {}, {("DescribeParameters", "*")}, id="list parameters"),
    ],
)
def test_alarms_and_parameters_have_names(
    service: str, action: str, parameters: dict[str, Any], expected: set[tuple[str, str]]
) -> None:
    asked = questions(Call(service, action, "us-east-1", "any", service, parameters))
    assert {(one.action.removeprefix(f"{service}:"), one.resource) for one in asked} == expected
    assert all(one.context.get(f"aws:RequestTag/{STACK}") == "demo" for one in asked if "Tags" in parameters)


def test_a_key_pair_is_known_by_its_name(user: User, lab: RunningLab) -> None:
    user.may(allow("nothing:AtAll"))
    lab.ec2.create_key_pair(KeyName="edge")
    with pytest.raises(ClientError, match=r"ec2:DeleteKeyPair on resource: \S+:key-pair/edge "):
        user.client("ec2").delete_key_pair(KeyName="edge")
    lab.ec2.delete_key_pair(KeyName="edge")


def test_what_was_asked_can_be_read_again(user: User, lab: RunningLab) -> None:
    user.may(allow("ec2:DescribeVpcs"))
    user.client("ec2").describe_vpcs()
    last = lab.page("/_lab/authorizations")[-1]
    assert (last["call"], last["action"], last["decision"]) == ("ec2:DescribeVpcs", "ec2:DescribeVpcs", "allowed")
    assert last["context"]["aws:RequestedRegion"] == "us-east-1"


def test_what_a_bucket_forbids_it_forbids_to_everybody(user: User, lab: RunningLab) -> None:
    s3, bucket = lab.client("s3"), "arn:aws:s3:::forbidding"
    s3.create_bucket(Bucket="forbidding")
    forbidden = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"{bucket}/no/*"}
    s3.put_bucket_policy(Bucket="forbidding", Policy=json.dumps({"Version": "2012-10-17", "Statement": [forbidden]}))
    user.may(allow("s3:*"))
    for client in (s3, user.client("s3")):
        client.put_object(Bucket="forbidding", Key="yes/a", Body=b"x")
        assert error_of(client.put_object, Bucket="forbidding", Key="no/a", Body=b"x") == "AccessDenied"
    s3.delete_object(Bucket="forbidding", Key="yes/a")
    s3.delete_bucket(Bucket="forbidding")

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Instance metadata as a box sees it: IMDSv2, role credentials, tags, user data, hop limit, and the AWS API behind the same address."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from lab.tests.running_lab import RunningLab, Stack, error_of, eventually

ADDRESS = "http://169.254.169.254"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"],
            "Resource": "arn:aws:s3:::granted/runs/*",
        },
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::granted"},
    ],
}

# A Deny whose condition does not hold is passed over, as AWS does it: the lab's own wire stands for TLS.
TLS_ONLY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": ["arn:aws:s3:::granted", "arn:aws:s3:::granted/*"],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ],
    }
)


@pytest.fixture(scope="module")
def profile(lab: RunningLab) -> str:
    iam = lab.client("iam")
    iam.create_role(RoleName="node", AssumeRolePolicyDocument=json.dumps(TRUST))
    iam.put_role_policy(RoleName="node", PolicyName="storage", PolicyDocument=json.dumps(POLICY))
    iam.create_instance_profile(InstanceProfileName="node")
    iam.add_role_to_instance_profile(InstanceProfileName="node", RoleName="node")
    return "node"


@pytest.fixture(scope="module")
def nodes(lab: RunningLab, stack: Stack, profile: str) -> list[dict[str, Any]]:
    options = {"HttpTokens": "required", "HttpPutResponseHopLimit": 1, "InstanceMetadataTags": "enabled"}
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "node one"}, {"Key": "a/b", "Value": "c"}]}]
    made = stack.launch(
        count=2,
        MetadataOptions=options,
        IamInstanceProfile={"Name": profile},
        TagSpecifications=tags,
        UserData="#!/bin/sh\ntrue\n",
    )
    for node in made:
        eventually(lambda node=node: lab.run(node["InstanceId"], "systemctl", "is-active", "lab-network")[0] == 0)
    return made


@pytest.fixture(scope="module")
def node(nodes: list[dict[str, Any]]) -> dict[str, Any]:
    return nodes[0]


def curl(lab: RunningLab, node: dict[str, Any], *arguments: str) -> str:
    """Body, then the HTTP status on a line of its own."""
    return lab.run(node["InstanceId"], "curl", "-sS", "-m", "5", "-w", "\n%{http_code}", *arguments)[1]


def get(lab: RunningLab, node: dict[str, Any], path: str) -> str:
    """A page of the metadata, with a fresh token."""
    token = curl(
        lab, node, "-X", "PUT", "-H", "X-aws-ec2-metadata-token-ttl-seconds: 60", f"{ADDRESS}/latest/api/token"
    ).splitlines()[0]
    *body, status = curl(lab, node, "-H", f"X-aws-ec2-metadata-token: {token}", f"{ADDRESS}{path}").splitlines()
    return "\n".join(body) if status == "200" else status


def test_without_token_the_answer_is_401(lab: RunningLab, node: dict[str, Any]) -> None:
    assert curl(lab, node, f"{ADDRESS}/latest/meta-data/instance-id").endswith("401")


def test_a_wrong_token_is_refused(lab: RunningLab, node: dict[str, Any]) -> None:
    assert curl(lab, node, "-H", "X-aws-ec2-metadata-token: wrong", f"{ADDRESS}/latest/meta-data/instance-id").endswith(
        "401"
    )


@pytest.mark.parametrize("life", ["0", "21601", "soon"])
def test_a_token_needs_a_life_between_one_second_and_six_hours(
    lab: RunningLab, node: dict[str, Any], life: str
) -> None:
    assert curl(
        lab, node, "-X", "PUT", "-H", f"X-aws-ec2-metadata-token-ttl-seconds: {life}", f"{ADDRESS}/latest/api/token"
    ).endswith("400")


def test_each_box_is_told_about_itself(lab: RunningLab, nodes: list[dict[str, Any]]) -> None:
    for node in nodes:
        assert get(lab, node, "/latest/meta-data/instance-id") == node["InstanceId"]
        assert get(lab, node, "/latest/meta-data/placement/availability-zone") == "us-east-1a"
        document = json.loads(get(lab, node, "/latest/dynamic/instance-identity/document"))
        assert (document["instanceId"], document["region"], document["accountId"]) == (
            node["InstanceId"],
            "us-east-1",
            "123456789012",
        )


def test_a_token_of_one_box_is_no_use_to_another(lab: RunningLab, nodes: list[dict[str, Any]]) -> None:
    first, second = nodes
    token = curl(
        lab, first, "-X", "PUT", "-H", "X-aws-ec2-metadata-token-ttl-seconds: 60", f"{ADDRESS}/latest/api/token"
    ).splitlines()[0]
    assert curl(
        lab, second, "-H", f"X-aws-ec2-metadata-token: {token}", f"{ADDRESS}/latest/meta-data/instance-id"
    ).endswith("401")


def test_branches_list_their_names(lab: RunningLab, node: dict[str, Any]) -> None:
    assert {"instance-id", "placement/", "iam/", "tags/"} <= set(get(lab, node, "/latest/meta-data/").splitlines())
    assert get(lab, node, "/latest/meta-data/nothing-here") == "404"


def test_tags_are_told_when_the_instance_wants_it(lab: RunningLab, stack: Stack, node: dict[str, Any]) -> None:
    assert get(lab, node, "/latest/meta-data/tags/instance/Name") == "node one"
    silent = stack.launch()[0]
    eventually(lambda: lab.run(silent["InstanceId"], "systemctl", "is-active", "lab-network")[0] == 0)
    assert get(lab, silent, "/latest/meta-data/tags/instance/Name") == "404"


def test_user_data_is_told(lab: RunningLab, node: dict[str, Any]) -> None:
    assert get(lab, node, "/latest/user-data").splitlines() == ["#!/bin/sh", "true"]


def test_every_instance_of_a_launch_gets_credentials_of_its_role(lab: RunningLab, nodes: list[dict[str, Any]]) -> None:
    for node in nodes:
        assert get(lab, node, "/latest/meta-data/iam/security-credentials/") == "node"
        found = json.loads(get(lab, node, "/latest/meta-data/iam/security-credentials/node"))
        session = {
            "aws_access_key_id": found["AccessKeyId"],
            "aws_secret_access_key": found["SecretAccessKey"],
            "aws_session_token": found["Token"],
        }
        identity = lab.client("sts", **session).get_caller_identity()
        assert identity["Arn"] == f"arn:aws:sts::123456789012:assumed-role/node/{node['InstanceId']}"


def test_the_role_may_do_in_s3_what_its_policy_says_and_nothing_else(lab: RunningLab, node: dict[str, Any]) -> None:
    found = json.loads(get(lab, node, "/latest/meta-data/iam/security-credentials/node"))
    session = {
        "aws_access_key_id": found["AccessKeyId"],
        "aws_secret_access_key": found["SecretAccessKey"],
        "aws_session_token": found["Token"],
    }
    role, operator = lab.client("s3", **session), lab.client("s3")
    for bucket in ("granted", "foreign"):
        operator.create_bucket(Bucket=bucket)
    operator.put_bucket_policy(Bucket="granted", Policy=TLS_ONLY)
    role.put_object(Bucket="granted", Key="runs/a", Body=b"x")
    assert role.get_object(Bucket="granted", Key="runs/a")["Body"].read() == b"x"
    assert role.list_objects_v2(Bucket="granted", Prefix="runs/")["KeyCount"] == 1
    role.head_bucket(Bucket="granted")
    upload = role.create_multipart_upload(Bucket="granted", Key="runs/parts")["UploadId"]
    part = role.upload_part(Bucket="granted", Key="runs/parts", UploadId=upload, PartNumber=1, Body=b"y" * 5_242_880)[
        "ETag"
    ]
    role.complete_multipart_upload(
        Bucket="granted",
        Key="runs/parts",
        UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part}]},
    )
    for call, more in (
        (role.put_object, {"Bucket": "granted", "Key": "elsewhere", "Body": b"x"}),
        (role.delete_object, {"Bucket": "granted", "Key": "runs/a"}),
        (role.list_objects_v2, {"Bucket": "foreign"}),
        (role.put_object, {"Bucket": "foreign", "Key": "runs/a", "Body": b"x"}),
    ):
        assert error_of(call, **more) == "AccessDenied"
    operator.put_object(Bucket="foreign", Key="any", Body=b"x")


def test_a_box_uses_its_role_in_s3(lab: RunningLab, stack: Stack, node: dict[str, Any]) -> None:
    """s5cmd signs as Amazon's Go SDK does, which is not boto3's way. A gateway endpoint leads to S3."""
    tables = lab.ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [stack.vpc]}])["RouteTables"]
    endpoint = lab.ec2.create_vpc_endpoint(
        VpcId=stack.vpc,
        ServiceName="com.amazonaws.us-east-1.s3",
        RouteTableIds=[table["RouteTableId"] for table in tables],
    )["VpcEndpoint"]["VpcEndpointId"]
    options = {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}
    box = stack.launch(
        ImageId=lab.image("deep-learning"), IamInstanceProfile={"Name": "node"}, MetadataOptions=options
    )[0]["InstanceId"]
    eventually(lambda: lab.run(box, "systemctl", "is-active", "lab-network")[0] == 0)
    s5cmd = ["s5cmd", "--endpoint-url", ADDRESS, "cp", "/etc/os-release"]
    exit_code, said = lab.run(box, *s5cmd, "s3://granted/runs/from-box")
    assert exit_code == 0, said
    exit_code, said = lab.run(box, *s5cmd, "s3://foreign/runs/from-box")
    assert exit_code != 0, said
    assert "AccessDenied" in said
    lab.ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])


def test_the_aws_api_answers_at_the_metadata_address(lab: RunningLab, stack: Stack) -> None:
    public = stack.launch(stack.public, stack.bastion_group)[0]
    eventually(lambda: lab.run(public["InstanceId"], "systemctl", "is-active", "lab-network")[0] == 0)
    answer = curl(
        lab,
        public,
        f"{ADDRESS}/",
        "-d",
        "Action=GetCallerIdentity&Version=2011-06-15",
        "-H",
        "Authorization: AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/sts/aws4_request, Signature=x",
    )
    assert "<Account>123456789012</Account>" in answer


def test_the_hop_limit_decides_whether_a_container_reaches_the_address(lab: RunningLab, node: dict[str, Any]) -> None:
    identity = node["InstanceId"]
    # What a bridged container is to the network: a namespace behind a veth pair, whose packets the box forwards.
    behind = """set -e
        ip netns add inner; ip link add outer type veth peer name inner netns inner
        ip addr add 192.168.77.1/24 dev outer; ip link set outer up; echo 1 > /proc/sys/net/ipv4/ip_forward 2>/dev/null || true
        ip netns exec inner ip addr add 192.168.77.2/24 dev inner; ip netns exec inner ip link set inner up
        ip netns exec inner ip route add default via 192.168.77.1
        iptables -t nat -A POSTROUTING -s 192.168.77.0/24 -j MASQUERADE"""
    exit_code, said = lab.run(identity, "sh", "-c", behind)
    assert exit_code == 0, said
    put = [
        "ip",
        "netns",
        "exec",
        "inner",
        "curl",
        "-sS",
        "-m",
        "2",
        "-X",
        "PUT",
        "-H",
        "X-aws-ec2-metadata-token-ttl-seconds: 60",
        f"{ADDRESS}/latest/api/token",
    ]
    assert lab.run(identity, *put)[0] == 28, "a container behind a bridge reached the metadata at hop limit 1"
    lab.ec2.modify_instance_metadata_options(
        InstanceId=identity, HttpPutResponseHopLimit=2, HttpTokens="required", HttpEndpoint="enabled"
    )
    exit_code, token = lab.run(identity, *put)
    assert exit_code == 0, token
    assert len(token) > 20


def test_a_disabled_endpoint_answers_nothing(lab: RunningLab, stack: Stack) -> None:
    node = stack.launch(MetadataOptions={"HttpEndpoint": "disabled"})[0]
    eventually(lambda: lab.run(node["InstanceId"], "systemctl", "is-active", "lab-network")[0] == 0)
    assert curl(lab, node, f"{ADDRESS}/latest/meta-data/").endswith("403")


def test_the_metadata_is_not_told_to_this_machine(lab: RunningLab) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{lab.settings.endpoint}/latest/meta-data/instance-id", timeout=5)

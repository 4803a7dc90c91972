# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SSH without a bastion, with the stand-in for the AWS CLI: only where AWS would carry it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from lab.tests.running_lab import RunningLab, Stack, error_of, eventually

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
AGENT = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["ssmmessages:*", "ssm:UpdateInstanceInformation"], "Resource": "*"}],
}


OURS = {"StringEquals": {"aws:ResourceTag/trainyard:stack": "tunnels"}}


def tags(kind: str) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": [{"Key": "trainyard:stack", "Value": "tunnels"}]}]


@dataclass
class User:
    """A user of the account, who may do what a test says."""

    lab: RunningLab
    name: str
    key: dict[str, str]

    def may(self, *statements: dict[str, Any]) -> None:
        document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **one} for one in statements]}
        self.lab.client("iam").put_user_policy(
            UserName=self.name, PolicyName="only", PolicyDocument=json.dumps(document)
        )


@pytest.fixture
def user(lab: RunningLab, request: pytest.FixtureRequest) -> User:
    iam, name = lab.client("iam"), request.node.name[:60]
    iam.create_user(UserName=name)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    key = {"AWS_ACCESS_KEY_ID": made["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"]}
    return User(lab, name, key)


@pytest.fixture(scope="module")
def node(lab: RunningLab, stack: Stack) -> dict[str, Any]:
    """A private node with a role that may do nothing yet."""
    iam = lab.client("iam")
    iam.create_role(RoleName="tunnels", AssumeRolePolicyDocument=json.dumps(TRUST))
    iam.create_instance_profile(InstanceProfileName="tunnels")
    iam.add_role_to_instance_profile(InstanceProfileName="tunnels", RoleName="tunnels")
    made = stack.launch(IamInstanceProfile={"Name": "tunnels"}, TagSpecifications=tags("instance"))[0]
    assert eventually(lambda: lab.run(made["InstanceId"], "systemctl", "is-active", "ssh")[0] == 0)
    return made


@pytest.fixture
def endpoints(lab: RunningLab, stack: Stack) -> Iterator[list[str]]:
    """What the agent of a node without a way out needs."""
    ec2 = lab.ec2
    ec2.modify_vpc_attribute(VpcId=stack.vpc, EnableDnsHostnames={"Value": True})
    group = stack.group("https", [{"CidrIp": stack.cidr}], port=443)
    made = [
        ec2.create_vpc_endpoint(
            VpcId=stack.vpc,
            ServiceName=f"com.amazonaws.us-east-1.{service}",
            VpcEndpointType="Interface",
            SubnetIds=[stack.private],
            SecurityGroupIds=[group],
        )["VpcEndpoint"]["VpcEndpointId"]
        for service in ("ssm", "ssmmessages")
    ]
    yield made
    ec2.delete_vpc_endpoints(VpcEndpointIds=made)


def through(
    stack: Stack, command: str, instance: str, key: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """`cat` on the node over a proxy command, fed with more than fits into one piece."""
    environment = {**os.environ, **stack.lab.env, **(key or {})}
    environment["PATH"] = f"{stack.lab.env['LAB_COMMANDS']}:{os.environ['PATH']}"
    known = f"UserKnownHostsFile={stack.key_file}.known_hosts"
    options = ["StrictHostKeyChecking=accept-new", known, "LogLevel=ERROR", "BatchMode=yes"]
    line = ["ssh", "-i", str(stack.key_file), *(word for one in options for word in ("-o", one))]
    line += ["-o", f"ProxyCommand={command}", f"admin@{instance}", "cat"]
    return subprocess.run(
        line, input="x" * 300_000, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def session_to(instance: str) -> str:
    return (
        f"aws ssm start-session --region us-east-1 --target {instance}"
        " --document-name AWS-StartSSHSession --parameters portNumber=%p"
    )


def tunnel_to(instance: str) -> str:
    return f"aws ec2-instance-connect open-tunnel --region us-east-1 --instance-id {instance} --remote-port %p"


def test_session_manager_needs_a_role_and_a_way_to_the_service(
    lab: RunningLab, stack: Stack, node: dict[str, Any], endpoints: list[str], user: User
) -> None:
    identity = node["InstanceId"]
    ssm, session = lab.client("ssm"), {"Target": identity, "DocumentName": "AWS-StartSSHSession"}
    assert error_of(ssm.start_session, **session) == "TargetNotConnected", "its role lets the agent do nothing"
    assert "TargetNotConnected" in through(stack, session_to(identity), identity).stderr
    lab.client("iam").put_role_policy(RoleName="tunnels", PolicyName="agent", PolicyDocument=json.dumps(AGENT))
    carried = through(stack, session_to(identity), identity)
    assert (carried.returncode, carried.stderr) == (0, "")
    assert carried.stdout == "x" * 300_000
    online = ssm.describe_instance_information(Filters=[{"Key": "InstanceIds", "Values": [identity]}])
    assert [one["PingStatus"] for one in online["InstanceInformationList"]] == ["Online"]
    assert "AccessDenied" in through(stack, session_to(identity), identity, user.key).stderr
    document = "arn:aws:ssm:us-east-1::document/AWS-StartSSHSession"
    user.may({"Action": "ssm:StartSession", "Resource": document})
    assert f"instance/{identity}" in through(stack, session_to(identity), identity, user.key).stderr
    instances = "arn:aws:ec2:us-east-1:*:instance/*"
    user.may(
        {"Action": "ssm:StartSession", "Resource": document},
        {"Action": "ssm:StartSession", "Resource": instances, "Condition": OURS},
    )
    assert through(stack, session_to(identity), identity, user.key).returncode == 0
    lab.ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoints[1]])
    assert error_of(ssm.start_session, **session) == "TargetNotConnected", "it does not reach ssmmessages"


def test_an_instance_connect_endpoint_reaches_whom_its_group_is_let_in_by(
    lab: RunningLab, stack: Stack, node: dict[str, Any], user: User
) -> None:
    ec2, identity = lab.ec2, node["InstanceId"]
    assert "no available instance connect endpoints" in through(stack, tunnel_to(identity), identity).stderr
    door = stack.group("door")
    made = ec2.create_instance_connect_endpoint(
        SubnetId=stack.private, SecurityGroupIds=[door], TagSpecifications=tags("instance-connect-endpoint")
    )
    endpoint = made["InstanceConnectEndpoint"]["InstanceConnectEndpointId"]

    def state() -> str:
        found = ec2.describe_instance_connect_endpoints(InstanceConnectEndpointIds=[endpoint])
        return str(found["InstanceConnectEndpoints"][0]["State"])

    assert eventually(lambda: state() == "create-complete")
    assert "No security group" in through(stack, tunnel_to(identity), identity).stderr
    permission = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "UserIdGroupPairs": [{"GroupId": door}]}
    ec2.authorize_security_group_ingress(GroupId=stack.node_group, IpPermissions=[permission])
    carried = through(stack, tunnel_to(identity), identity)
    assert (carried.returncode, carried.stderr) == (0, "")
    assert carried.stdout == "x" * 300_000
    look = {"Action": "ec2:Describe*", "Resource": "*"}
    user.may(look)
    assert "OpenTunnel" in through(stack, tunnel_to(identity), identity, user.key).stderr
    user.may(look, {"Action": "ec2-instance-connect:OpenTunnel", "Resource": "*", "Condition": OURS})
    assert through(stack, tunnel_to(identity), identity, user.key).returncode == 0
    ec2.delete_instance_connect_endpoint(InstanceConnectEndpointId=endpoint)


def test_the_shell_that_uses_the_lab_finds_the_stand_ins(lab: RunningLab) -> None:
    line = f". {lab.settings.env_file} && command -v aws session-manager-plugin && aws --version"
    said = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True).stdout.splitlines()
    assert said[:2] == [f"{lab.env['LAB_COMMANDS']}/{name}" for name in ("aws", "session-manager-plugin")]
    assert said[2].startswith("aws-cli/2.")

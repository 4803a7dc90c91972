# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a private box gets out: through an instance that does NAT with real packets, and to AWS through endpoints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lab.tests.running_lab import RunningLab, Stack, eventually

MASQUERADE = """#cloud-config
write_files:
  - path: /etc/nat.nft
    content: |
      table ip nat_of_mine {{
        chain postrouting {{
          type nat hook postrouting priority srcnat; policy accept;
          ip saddr {cidr} ip daddr != {cidr} masquerade
        }}
      }}
runcmd:
  - [sysctl, --write, net.ipv4.ip_forward=1]
  - [nft, --file, /etc/nat.nft]
"""
# As a program signs a call; the lab does not check signatures.
SIGNED = "Authorization: AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/{service}/aws4_request"


@pytest.fixture(scope="module")
def node(lab: RunningLab, stack: Stack) -> dict[str, Any]:
    made = stack.launch()[0]
    assert eventually(lambda: lab.run(made["InstanceId"], "systemctl", "is-active", "lab-network")[0] == 0)
    return made


@pytest.fixture
def table(lab: RunningLab, stack: Stack) -> Iterator[str]:
    """The private subnet's route table."""
    made = lab.ec2.create_route_table(VpcId=stack.vpc)["RouteTable"]["RouteTableId"]
    association = lab.ec2.associate_route_table(RouteTableId=made, SubnetId=stack.private)["AssociationId"]
    yield made
    lab.ec2.disassociate_route_table(AssociationId=association)
    lab.ec2.delete_route_table(RouteTableId=made)


def gets_out(lab: RunningLab, node: dict[str, Any]) -> bool:
    """What is tried is an address of this machine outside the VPC: a refusal comes back, or nothing at all."""
    outside = lab.env["LAB_CLIENT_CIDR"].removesuffix("/32")
    return "refused" in lab.run(node["InstanceId"], "timeout", "1", "bash", "-c", f"</dev/tcp/{outside}/9")[1]


def calls(lab: RunningLab, node: dict[str, Any], service: str) -> bool:
    """Whether any answer comes to a call of a service."""
    call = ["curl", "--silent", "--output", "/dev/null", "--max-time", "5", "--header", SIGNED.format(service=service)]
    return lab.run(node["InstanceId"], *call, "http://169.254.169.254/")[0] == 0


def test_a_nat_instance_passes_packets_on(lab: RunningLab, stack: Stack, node: dict[str, Any], table: str) -> None:
    ec2 = lab.ec2
    group = stack.group("nat", [{"CidrIp": stack.cidr}], port=9)
    nat = stack.launch(stack.public, group, UserData=MASQUERADE.format(cidr=stack.cidr))[0]["InstanceId"]
    lab.when_there(nat, "/var/lib/cloud/instance/boot-finished")
    assert "masquerade" in lab.run(nat, "nft", "list", "ruleset")[1], lab.run(
        nat, "cat", "/var/log/cloud-init-output.log"
    )
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", InstanceId=nat)
    assert not gets_out(lab, node), "the source/destination check drops what is for others"
    ec2.modify_instance_attribute(InstanceId=nat, SourceDestCheck={"Value": False})
    assert gets_out(lab, node)
    assert calls(lab, node, "ssm")
    lab.run(nat, "nft", "delete", "table", "ip", "nat_of_mine")
    assert not gets_out(lab, node), "nobody answers a private address"
    stack.terminate(nat)
    assert not gets_out(lab, node)


def test_aws_is_called_through_endpoints_where_there_is_no_way_out(
    lab: RunningLab, stack: Stack, node: dict[str, Any], table: str
) -> None:
    ec2 = lab.ec2
    assert not calls(lab, node, "s3")
    gateway = ec2.create_vpc_endpoint(
        VpcId=stack.vpc, ServiceName="com.amazonaws.us-east-1.s3", VpcEndpointType="Gateway", RouteTableIds=[table]
    )["VpcEndpoint"]["VpcEndpointId"]
    assert calls(lab, node, "s3")
    assert not calls(lab, node, "ssm")
    ec2.modify_vpc_attribute(VpcId=stack.vpc, EnableDnsHostnames={"Value": True})
    group = stack.group("https", port=443)
    interface = ec2.create_vpc_endpoint(
        VpcId=stack.vpc,
        ServiceName="com.amazonaws.us-east-1.ssm",
        VpcEndpointType="Interface",
        SubnetIds=[stack.private],
        SecurityGroupIds=[group],
    )["VpcEndpoint"]["VpcEndpointId"]
    assert not calls(lab, node, "ssm"), "its security group lets nobody in"
    permission = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": stack.cidr}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])
    assert calls(lab, node, "ssm")
    assert not gets_out(lab, node)
    ec2.delete_vpc_endpoints(VpcEndpointIds=[gateway, interface])
    assert not calls(lab, node, "s3")

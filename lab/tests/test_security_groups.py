# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Inbound rules of security groups hold between boxes, and change while boxes run."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

import pytest

from lab.security_groups import Inbound, as_nft
from lab.tests.running_lab import RunningLab, Stack, eventually


@pytest.fixture(scope="module")
def client(stack: Stack) -> dict[str, Any]:
    return stack.launch(group=stack.bastion_group)[0]


@pytest.fixture(scope="module")
def server(lab: RunningLab, stack: Stack) -> dict[str, Any]:
    """A node that serves HTTP on port 8000 beside SSH."""
    made = stack.launch()[0]
    lab.box(made["InstanceId"]).exec_run(["python3", "-m", "http.server", "8000"], detach=True)
    assert eventually(lambda: reaches(lab, made, made, 8000))
    return made


def reaches(lab: RunningLab, source: dict[str, Any], target: dict[str, Any], port: int) -> bool:
    return (
        lab.run(source["InstanceId"], "timeout", "1", "bash", "-c", f"</dev/tcp/{target['PrivateIpAddress']}/{port}")[0]
        == 0
    )


def http_rule(stack: Stack) -> dict[str, Any]:
    return {
        "IpProtocol": "tcp",
        "FromPort": 8000,
        "ToPort": 8010,
        "UserIdGroupPairs": [{"GroupId": stack.bastion_group}],
    }


def test_what_no_rule_names_stays_out(lab: RunningLab, client: dict[str, Any], server: dict[str, Any]) -> None:
    assert eventually(lambda: reaches(lab, client, server, 22)), "SSH from this group is allowed"
    assert not reaches(lab, client, server, 8000)


def test_a_rule_holds_at_once_and_no_longer_than_it_stands(
    lab: RunningLab, stack: Stack, client: dict[str, Any], server: dict[str, Any]
) -> None:
    lab.ec2.authorize_security_group_ingress(GroupId=stack.node_group, IpPermissions=[http_rule(stack)])
    assert reaches(lab, client, server, 8000)
    lab.ec2.revoke_security_group_ingress(GroupId=stack.node_group, IpPermissions=[http_rule(stack)])
    assert not reaches(lab, client, server, 8000)


def test_a_new_member_of_an_admitted_group_is_let_in(lab: RunningLab, stack: Stack, server: dict[str, Any]) -> None:
    newcomer = stack.launch(group=stack.bastion_group)[0]
    assert eventually(lambda: reaches(lab, newcomer, server, 22))
    stranger = stack.launch()[0]
    assert not reaches(lab, stranger, server, 22)


def test_the_bastion_lets_in_the_addresses_of_its_rule_only(lab: RunningLab, stack: Stack) -> None:
    bastion = stack.launch(stack.public, stack.bastion_group)[0]
    address = bastion["PublicIpAddress"]
    assert eventually(lambda: stack.ssh(address, "true").returncode == 0)
    elsewhere = stack.group("elsewhere", [{"CidrIp": "203.0.113.7/32"}])
    lab.ec2.modify_instance_attribute(InstanceId=bastion["InstanceId"], Groups=[elsewhere])
    assert stack.ssh(address, "true", timeout=2).returncode == 255


def test_published_ports_of_containers_are_covered(
    lab: RunningLab, stack: Stack, client: dict[str, Any], server: dict[str, Any]
) -> None:
    """A container's published port is a redirection inside the box, before any ordinary input rule."""
    redirect = "iptables -t nat -A PREROUTING -p tcp --dport 9000 -j REDIRECT --to-ports 22"
    assert lab.run(server["InstanceId"], "sh", "-c", redirect)[0] == 0
    assert not reaches(lab, client, server, 9000)


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        pytest.param(Inbound("tcp", 22, 22, ("10.0.0.4",)), "ip saddr { 10.0.0.4 } tcp dport 22 accept", id="one port"),
        pytest.param(
            Inbound("udp", 1, 9, ("10.0.0.0/8", "10.0.0.4")),
            "ip saddr { 10.0.0.0/8, 10.0.0.4 } udp dport 1-9 accept",
            id="ports",
        ),
        pytest.param(Inbound("tcp", 80, 80, ("0.0.0.0/0",)), "tcp dport 80 accept", id="from everywhere"),
        pytest.param(
            Inbound("icmp", -1, -1, ("10.0.0.4",)), "ip saddr { 10.0.0.4 } ip protocol icmp accept", id="icmp"
        ),
        pytest.param(Inbound("-1", None, None, ("10.0.0.4",)), "ip saddr { 10.0.0.4 } accept", id="all"),
    ],
)
def test_each_rule_as_nftables_says_it(rule: Inbound, line: str) -> None:
    assert line in as_nft([rule]).replace("    ", "").splitlines()


def test_a_private_subnet_has_a_way_out_only_through_a_nat_gateway(
    lab: RunningLab, stack: Stack, server: dict[str, Any]
) -> None:
    """What is tried is an address of this machine outside the VPC: a refusal comes back, or nothing at all."""
    outside = lab.env["LAB_CLIENT_CIDR"].removesuffix("/32")

    def answers() -> bool:
        return "refused" in lab.run(server["InstanceId"], "timeout", "1", "bash", "-c", f"</dev/tcp/{outside}/9")[1]

    assert not answers()
    ec2 = lab.ec2
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = ec2.create_nat_gateway(SubnetId=stack.public, AllocationId=address)["NatGateway"]["NatGatewayId"]
    table = ec2.create_route_table(VpcId=stack.vpc)["RouteTable"]["RouteTableId"]
    ec2.associate_route_table(RouteTableId=table, SubnetId=stack.private)
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=nat)
    assert answers()
    ec2.delete_nat_gateway(NatGatewayId=nat)
    assert not answers()
    assert eventually(lambda: ec2.describe_nat_gateways(NatGatewayIds=[nat])["NatGateways"][0]["State"] == "deleted")
    ec2.release_address(AllocationId=address)


def test_a_public_instance_has_a_way_out(lab: RunningLab, stack: Stack) -> None:
    bastion = stack.launch(stack.public, stack.bastion_group)[0]["InstanceId"]
    subnet = lab.docker.networks.get("bridge").attrs["IPAM"]["Config"][0]["Subnet"]
    outside = str(IPv4Network(subnet)[1])  # another address of this machine
    said = lab.run(bastion, "timeout", "1", "bash", "-c", f"</dev/tcp/{outside}/9")[1]
    assert "refused" in said

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A lab of the tests: started and stopped by its command line, spoken to by boto3, ssh and Docker."""

from __future__ import annotations

import json
import random
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import docker
from botocore.config import Config
from botocore.exceptions import ClientError

from lab.settings import Settings

REPOSITORY = Path(__file__).resolve().parents[2]
NO_RETRIES = Config(retries={"mode": "standard", "total_max_attempts": 1})


def command(settings: Settings, verb: str, *more: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m lab VERB` as a user would."""
    line = [sys.executable, "-m", "lab", verb, "--state", str(settings.state), "--port", str(settings.port), *more]
    return subprocess.run(line, cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False)


@contextmanager
def running_lab(state: Path, port: int) -> Iterator[RunningLab]:
    """A lab that is up, and down again afterwards whatever happened."""
    settings = Settings(state, port)
    started = command(settings, "up")
    assert started.returncode == 0, f"the lab does not start:\n{started.stdout}{started.stderr}"
    try:
        yield RunningLab(settings)
    finally:
        command(settings, "down", "--purge")


@dataclass(frozen=True)
class RunningLab:
    """What a test can ask of a lab."""

    settings: Settings

    @cached_property
    def env(self) -> dict[str, str]:
        lines = self.settings.env_file.read_text().splitlines()
        return dict(line.removeprefix("export ").split("=", 1) for line in lines if "=" in line)

    def client(self, service: str, **more: Any) -> Any:
        """A boto3 client that never retries, so that a test sees each error."""
        known = {
            "endpoint_url": self.env["AWS_ENDPOINT_URL"],
            "region_name": self.env["AWS_REGION"],
            "aws_access_key_id": self.env["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": self.env["AWS_SECRET_ACCESS_KEY"],
            "config": NO_RETRIES,
        }
        return boto3.client(service, **{**known, **more})

    @cached_property
    def ec2(self) -> Any:
        return self.client("ec2")

    @cached_property
    def efs(self) -> Any:
        return self.client("efs")

    def image(self, name: str) -> str:
        """The id of a machine image."""
        return str(self.client("ssm").get_parameter(Name=f"/lab/images/{name}")["Parameter"]["Value"])

    @cached_property
    def docker(self) -> docker.DockerClient:
        return docker.from_env()

    def page(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.settings.endpoint}{path}", timeout=30) as answer:
            return json.load(answer)

    def control(self, path: str, given: dict[str, Any]) -> Any:
        """Set what a page of the lab's own controls."""
        request = urllib.request.Request(f"{self.settings.endpoint}{path}", json.dumps(given).encode())
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def containers(self, identity: str) -> list[Any]:
        """The containers behind an AWS id."""
        return list(
            self.docker.containers.list(
                all=True,
                ignore_removed=True,
                filters={"label": [f"trainyard.lab={self.settings.name}", f"trainyard.lab.id={identity}"]},
            )
        )

    def box(self, instance: str) -> Any:
        return self.containers(instance)[0]

    def run(self, instance: str, *arguments: str) -> tuple[int, str]:
        """Run a command in the box as root, through Docker; for looking inside without SSH."""
        exit_code, output = self.box(instance).exec_run(list(arguments))
        return int(exit_code), output.decode(errors="replace")

    def when_there(self, instance: str, path: str) -> str:
        """A file's content, as soon as the box has the file."""
        answer = eventually(lambda: (found := self.run(instance, "cat", path))[0] == 0 and found)
        assert answer, f"{instance} has no {path}"
        return str(answer[1])


def error_of(call: Callable[..., Any], **parameters: Any) -> str:
    """The code of the ClientError the call must end with."""
    try:
        call(**parameters)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    raise AssertionError(f"{call.__name__} was accepted")


def eventually(check: Callable[[], Any], seconds: float = 15) -> Any:
    """The first true result of the check; its last result when time is up."""
    deadline = time.monotonic() + seconds
    while True:
        result = check()
        if result or time.monotonic() > deadline:
            return result
        time.sleep(0.1)


def new_vpc(lab: RunningLab, pattern: str) -> tuple[str, str]:
    """A VPC on a range nobody on this machine has now: other labs may run their tests at the same time."""
    for number in random.sample(range(78, 250), 172):
        cidr = pattern.format(number)
        try:
            return str(lab.ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"]), cidr
        except ClientError as error:
            if error.response["Error"]["Code"] != "InvalidVpc.Range":
                raise
    raise AssertionError(f"no range {pattern} is free on this machine")


@dataclass
class Stack:
    """A small network with a public and a private subnet, made by boto3; removes what it made in AWS's order."""

    lab: RunningLab
    key_file: Path
    cidr: str = ""
    instances: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        ec2 = self.lab.ec2
        self.vpc, self.cidr = new_vpc(self.lab, "10.{}.0.0/16")
        base = self.cidr.rsplit(".", 2)[0]
        self.public = ec2.create_subnet(VpcId=self.vpc, CidrBlock=f"{base}.0.0/24", AvailabilityZone="us-east-1a")[
            "Subnet"
        ]["SubnetId"]
        self.private = ec2.create_subnet(VpcId=self.vpc, CidrBlock=f"{base}.1.0/24", AvailabilityZone="us-east-1a")[
            "Subnet"
        ]["SubnetId"]
        self.gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=self.gateway, VpcId=self.vpc)
        self.table = ec2.create_route_table(VpcId=self.vpc)["RouteTable"]["RouteTableId"]
        ec2.create_route(RouteTableId=self.table, DestinationCidrBlock="0.0.0.0/0", GatewayId=self.gateway)
        ec2.associate_route_table(RouteTableId=self.table, SubnetId=self.public)
        self.bastion_group = self.group("bastion", [{"CidrIp": self.lab.env["LAB_CLIENT_CIDR"]}])
        self.node_group = self.group("node", group_sources=[self.bastion_group])
        self.key_name = f"key-{self.vpc}"
        ec2.import_key_pair(KeyName=self.key_name, PublicKeyMaterial=self.key_file.with_suffix(".pub").read_bytes())

    def group(
        self,
        name: str,
        cidr_sources: list[dict[str, str]] | None = None,
        group_sources: list[str] | None = None,
        port: int = 22,
    ) -> str:
        """A security group that lets one TCP port in."""
        ec2 = self.lab.ec2
        group = str(ec2.create_security_group(GroupName=name, Description=name, VpcId=self.vpc)["GroupId"])
        permission: dict[str, Any] = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port}
        permission["IpRanges"] = cidr_sources or []
        permission["UserIdGroupPairs"] = [{"GroupId": source} for source in group_sources or []]
        if cidr_sources or group_sources:
            ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])
        return group

    def launch(self, subnet: str = "", group: str = "", count: int = 1, **more: Any) -> list[dict[str, Any]]:
        """Instances in the private subnet, unless said otherwise."""
        parameters: dict[str, Any] = {
            "ImageId": self.lab.image("debian-12"),
            "InstanceType": "t3.micro",
            "KeyName": self.key_name,
            "MinCount": count,
            "MaxCount": count,
            "NetworkInterfaces": [
                {
                    "DeviceIndex": 0,
                    "SubnetId": subnet or self.private,
                    "Groups": [group or self.node_group],
                    "AssociatePublicIpAddress": subnet == self.public,
                    "DeleteOnTermination": True,
                }
            ],
        }
        identities = [
            instance["InstanceId"] for instance in self.lab.ec2.run_instances(**{**parameters, **more})["Instances"]
        ]
        self.instances += identities
        return [self.describe(identity) for identity in identities]

    def describe(self, instance: str) -> dict[str, Any]:
        found: dict[str, Any] = self.lab.ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][
            0
        ]
        return found

    def terminate(self, *instances: str) -> None:
        self.lab.ec2.terminate_instances(InstanceIds=list(instances))
        self.instances = [identity for identity in self.instances if identity not in instances]

    def ssh(self, address: str, *arguments: str, jump: str = "", timeout: int = 10) -> subprocess.CompletedProcess[str]:
        """SSH as a user would, through the bastion when one is named; a host key seen once must stay the same."""
        options = [
            "-i",
            str(self.key_file),
            "-o",
            "StrictHostKeyChecking=accept-new",
            "-o",
            f"UserKnownHostsFile={self.key_file}.known_hosts",
            "-o",
            "LogLevel=ERROR",
        ]
        options += ["-o", "BatchMode=yes", "-o", f"ConnectTimeout={timeout}"]
        if jump:
            options += ["-o", f"ProxyCommand={' '.join(['ssh', *options, '-W', '%h:%p', f'admin@{jump}'])}"]
        return subprocess.run(
            ["ssh", *options, f"admin@{address}", *arguments],
            capture_output=True,
            text=True,
            timeout=timeout * 3,
            check=False,
        )

    def remove(self) -> None:
        """Everything of this VPC goes, in AWS's order, waiting where AWS would let one wait."""
        ec2 = self.lab.ec2
        if self.instances:
            self.terminate(*self.instances)
        interfaces = {"Filters": [{"Name": "vpc-id", "Values": [self.vpc]}]}
        eventually(lambda: not ec2.describe_network_interfaces(**interfaces)["NetworkInterfaces"])
        for table in ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [self.vpc]}])["RouteTables"]:
            if any(one.get("Main") for one in table["Associations"]):
                continue
            for association in table["Associations"]:
                ec2.disassociate_route_table(AssociationId=association["RouteTableAssociationId"])
            ec2.delete_route_table(RouteTableId=table["RouteTableId"])
        groups = list(
            ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [self.vpc]}])["SecurityGroups"]
        )
        for group in groups:
            if group["IpPermissions"]:
                ec2.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=group["IpPermissions"])
        for group in groups:
            if group["GroupName"] != "default":
                ec2.delete_security_group(GroupId=group["GroupId"])
        for subnet in ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [self.vpc]}])["Subnets"]:
            ec2.delete_subnet(SubnetId=subnet["SubnetId"])
        ec2.detach_internet_gateway(InternetGatewayId=self.gateway, VpcId=self.vpc)
        ec2.delete_internet_gateway(InternetGatewayId=self.gateway)
        ec2.delete_vpc(VpcId=self.vpc)
        ec2.delete_key_pair(KeyName=self.key_name)


def free_port() -> int:
    """A port nobody has now; outside the range from which the kernel gives ports to others."""
    while True:
        port = random.randrange(20_000, 30_000)  # noqa: S311 nothing secret about a port
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port

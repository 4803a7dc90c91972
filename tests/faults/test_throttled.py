# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One life of a stack under throttling and refusals, in an account that holds the things of others too.

The tests stand in the order of that life and build on each other.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.driver import Lab, Stack
from tests.faults.rig import PURGE, Faults, destroy, holdings

THROTTLED = {"status": 503, "code": "RequestLimitExceeded"}


@pytest.fixture(scope="module")
def foreign(lab: Lab) -> Iterator[set[str]]:
    """One of everything that is not ours, some with the very name of our stack but not its tag."""
    ec2, efs, s3, iam = (lab.client(service) for service in ("ec2", "efs", "s3", "iam"))
    before = holdings(lab)
    vpc = ec2.create_vpc(CidrBlock="10.90.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.90.0.0/24")["Subnet"]["SubnetId"]
    ec2.create_tags(Resources=[vpc, subnet], Tags=[{"Key": "Name", "Value": "faults"}])
    group = ec2.create_security_group(GroupName="faults-nodes", Description="not ours", VpcId=vpc)["GroupId"]
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    volume = ec2.create_volume(AvailabilityZone="us-east-1a", Size=1)["VolumeId"]
    ec2.create_key_pair(KeyName="faults2", KeyType="ed25519")
    ec2.create_tags(Resources=[volume], Tags=[{"Key": "trainyard:stack", "Value": "faults2"}])
    file_system = efs.create_file_system(CreationToken="faults2")["FileSystemId"]
    s3.create_bucket(Bucket="trainyard-faults2-123456789012-us-east-1")
    iam.create_role(RoleName="trainyard-faults2", AssumeRolePolicyDocument="{}")
    yield holdings(lab) - before
    iam.delete_role(RoleName="trainyard-faults2")
    s3.delete_bucket(Bucket="trainyard-faults2-123456789012-us-east-1")
    efs.delete_file_system(FileSystemId=file_system)
    ec2.delete_key_pair(KeyName="faults2")
    ec2.delete_volume(VolumeId=volume)
    ec2.release_address(AllocationId=address)
    ec2.delete_internet_gateway(InternetGatewayId=gateway)
    ec2.delete_route_table(RouteTableId=table)
    ec2.delete_security_group(GroupId=group)
    ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_vpc(VpcId=vpc)


class TestThrottled:
    def test_provision_outlives_a_burst_at_every_step(self, stack: Stack, faults: Faults, foreign: set[str]) -> None:
        assert len(foreign) == 13, "one of each, and the default group and route table of the VPC"
        for action in ("DescribeVpcs", "CreateVpc", "CreateSubnet", "CreateSecurityGroup", "AllocateAddress"):
            faults.add(action, THROTTLED, times=2)
        for action in ("CreateNatGateway", "RunInstances", "CreateFileSystem", "CreateRole", "PutBucketPolicy"):
            faults.add(action, {"status": 400, "code": "ThrottlingException"}, times=2)
        outcome = stack.play("provision")
        assert outcome.status == 0, outcome.text
        assert {rule["hits"] for rule in faults.listed()} == {2}

    def test_destroy_goes_on_past_what_will_not_go_and_says_so(
        self, stack: Stack, faults: Faults, foreign: set[str]
    ) -> None:
        faults.add("DeleteKeyPair", {"status": 403, "code": "UnauthorizedOperation"}, times=None)
        outcome = stack.play("destroy", *PURGE, "-e", "aws_stack_sweep_attempts=1")
        assert outcome.status != 0
        assert "UnauthorizedOperation" in outcome.text
        assert [one.rsplit("-", 1)[0] for one in holdings(stack.lab) - foreign] == ["ec2 key"]

    def test_the_second_destroy_finishes_and_touches_nothing_of_others(
        self, stack: Stack, faults: Faults, foreign: set[str]
    ) -> None:
        for action in ("DescribeKeyPairs", "DeleteKeyPair"):
            faults.add(action, THROTTLED, times=2)
        destroy(stack)
        assert holdings(stack.lab) == foreign

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What AWS has to give: refusals that a test sets, reservations, and the spot market."""

from __future__ import annotations

import urllib.error
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lab.tests.running_lab import RunningLab, Stack, error_of, eventually

SPOT = {"MarketType": "spot", "SpotOptions": {"SpotInstanceType": "one-time"}}


@pytest.fixture(autouse=True)
def enough_of_everything(lab: RunningLab) -> Iterator[None]:
    yield
    lab.control("/_lab/capacity", {"rules": [], "reservations": [], "block_offerings": []})


def refuse(lab: RunningLab, **rule: Any) -> None:
    lab.control("/_lab/capacity", {"rules": [rule]})


def test_a_rule_refuses_its_type_zone_and_market_as_often_as_told(lab: RunningLab, stack: Stack) -> None:
    refuse(lab, instance_type="t3.*", zone="us-east-1a", market="on-demand", times=1)
    with pytest.raises(ClientError) as refused:
        stack.launch()
    assert refused.value.response["Error"]["Code"] == "InsufficientInstanceCapacity"
    assert "t3.micro" in refused.value.response["Error"]["Message"]
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert stack.launch()


@pytest.mark.parametrize(
    "code", ["VcpuLimitExceeded", "MaxSpotInstanceCountExceeded", "Unsupported", "SpotMaxPriceTooLow"]
)
def test_each_refusal_has_the_code_it_is_given(lab: RunningLab, stack: Stack, code: str) -> None:
    refuse(lab, market="spot", code=code)
    assert error_of(stack.launch, InstanceMarketOptions=SPOT) == code
    assert error_of(stack.launch, InstanceMarketOptions=SPOT) == code


def test_some_capacity_is_given_to_who_takes_less(lab: RunningLab, stack: Stack) -> None:
    refuse(lab, available=1)
    assert error_of(stack.launch, count=2) == "InsufficientInstanceCapacity"
    assert len(stack.launch(MinCount=1, MaxCount=3)) == 1


def test_a_mistake_in_a_rule_is_said(lab: RunningLab) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        refuse(lab, typ="t3.micro")
    assert b"a rule has no typ" in refused.value.read()
    assert lab.page("/_lab/capacity")["rules"] == []


def test_a_reservation_is_filled_and_freed(lab: RunningLab, stack: Stack) -> None:
    reservation = {
        "CapacityReservationId": "cr-0123456789abcdef0",
        "InstanceType": "t3.micro",
        "AvailabilityZone": "us-east-1a",
        "TotalInstanceCount": 1,
        "Tags": [{"Key": "team", "Value": "vision"}],
    }
    lab.control("/_lab/capacity", {"reservations": [reservation]})
    describe = lab.ec2.describe_capacity_reservations
    wanted = {"CapacityReservationTarget": {"CapacityReservationId": reservation["CapacityReservationId"]}}
    found = describe(
        Filters=[{"Name": "instance-type", "Values": ["t3.micro"]}, {"Name": "tag:team", "Values": ["v*"]}]
    )
    assert found["CapacityReservations"][0]["AvailableInstanceCount"] == 1
    instance = stack.launch(CapacityReservationSpecification=wanted)[0]
    assert instance["CapacityReservationId"] == reservation["CapacityReservationId"]
    assert describe()["CapacityReservations"][0]["AvailableInstanceCount"] == 0
    assert error_of(stack.launch, CapacityReservationSpecification=wanted) == "ReservationCapacityExceeded"
    stack.terminate(instance["InstanceId"])
    assert describe()["CapacityReservations"][0]["AvailableInstanceCount"] == 1
    other = {"InstanceType": "t3.small", "CapacityReservationSpecification": wanted}
    assert error_of(stack.launch, **other) == "InvalidParameterValue"
    assert error_of(describe, CapacityReservationIds=["cr-0"]) == "InvalidCapacityReservationId.NotFound"


def test_a_capacity_block_is_a_market_of_its_own(lab: RunningLab, stack: Stack) -> None:
    block = {
        "CapacityReservationId": "cr-0123456789abcdef1",
        "InstanceType": "t3.micro",
        "AvailabilityZone": "us-east-1a",
        "TotalInstanceCount": 2,
        "ReservationType": "capacity-block",
    }
    offering = {"CapacityBlockOfferingId": "cb-1", "InstanceType": "t3.micro", "UpfrontFee": "12.5"}
    lab.control("/_lab/capacity", {"reservations": [block], "block_offerings": [offering]})
    market: dict[str, Any] = {"InstanceMarketOptions": {"MarketType": "capacity-block"}}
    assert error_of(stack.launch, **market) == "InvalidParameterCombination"
    target = {"CapacityReservationTarget": {"CapacityReservationId": block["CapacityReservationId"]}}
    assert stack.launch(CapacityReservationSpecification=target, **market)[0]["InstanceLifecycle"] == "capacity-block"
    asked = {"InstanceType": "t3.micro", "InstanceCount": 1, "CapacityDurationHours": 24}
    assert lab.ec2.describe_capacity_block_offerings(**asked)["CapacityBlockOfferings"][0]["UpfrontFee"] == "12.5"


def test_a_spot_instance_has_a_request_until_it_ends(lab: RunningLab, stack: Stack) -> None:
    tags = [{"ResourceType": "spot-instances-request", "Tags": [{"Key": "mine", "Value": stack.vpc}]}]
    instance = stack.launch(InstanceMarketOptions=SPOT, TagSpecifications=tags)[0]
    assert instance["InstanceLifecycle"] == "spot"
    identity = instance["SpotInstanceRequestId"]

    def request() -> dict[str, Any]:
        wanted = [{"Name": "tag:mine", "Values": [stack.vpc]}]
        (found,) = lab.ec2.describe_spot_instance_requests(Filters=wanted)["SpotInstanceRequests"]
        return dict(found)

    found = request()
    assert (found["SpotInstanceRequestId"], found["InstanceId"]) == (identity, instance["InstanceId"])
    assert (found["State"], found["Status"]["Code"], found["Tags"]) == ("active", "fulfilled", tags[0]["Tags"])
    tagged = lab.client("resourcegroupstaggingapi").get_resources(TagFilters=[{"Key": "mine", "Values": [stack.vpc]}])
    arns = [item["ResourceARN"] for item in tagged["ResourceTagMappingList"]]
    assert arns == [f"arn:aws:ec2:us-east-1:123456789012:spot-instances-request/{identity}"]
    lab.ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=[identity])
    assert request()["State"] == "cancelled"
    assert stack.describe(instance["InstanceId"])["State"]["Name"] == "running"
    other = stack.launch(InstanceMarketOptions=SPOT)[0]
    stack.terminate(other["InstanceId"])
    closed = lab.ec2.describe_spot_instance_requests(SpotInstanceRequestIds=[other["SpotInstanceRequestId"]])
    assert closed["SpotInstanceRequests"][0]["State"] == "closed"
    unknown = error_of(lab.ec2.cancel_spot_instance_requests, SpotInstanceRequestIds=["sir-0"])
    assert unknown == "InvalidSpotInstanceRequestID.NotFound"


def test_an_interruption_is_announced_and_then_done(lab: RunningLab, stack: Stack) -> None:
    identity = stack.launch(InstanceMarketOptions=SPOT)[0]["InstanceId"]
    notice = "http://169.254.169.254/latest/meta-data/spot/instance-action"

    def ask() -> str:
        return lab.run(identity, "curl", "--silent", "--fail", "--max-time", "2", notice)[1]

    assert ask() == ""
    lab.control("/_lab/spot", {"instance": identity, "seconds": 4})
    assert '"action": "terminate"' in eventually(ask)
    assert identity in lab.page("/_lab/spot")
    assert eventually(lambda: not lab.containers(identity), seconds=30), "the box goes though nobody calls the API"
    ended = stack.describe(identity)
    assert ended["State"]["Name"] == "terminated"
    assert ended["StateReason"]["Code"] == "Server.SpotInstanceTermination"


def test_only_a_spot_instance_is_interrupted(lab: RunningLab, stack: Stack) -> None:
    identity = stack.launch()[0]["InstanceId"]
    with pytest.raises(urllib.error.HTTPError) as refused:
        lab.control("/_lab/spot", {"instance": identity})
    assert b"not a spot instance" in refused.value.read()

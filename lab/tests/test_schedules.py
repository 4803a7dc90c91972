# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""EventBridge Scheduler terminates instances at their time, with what its role may do, and forgets what is done."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lab.schedules import TERMINATE
from lab.tests.running_lab import RunningLab, Stack, error_of, eventually

GROUP = "clock"
ROLE = "clock"
ACCOUNT = "123456789012"
TAGS = [{"Key": "mine", "Value": "yes"}]
HOURS = 12


def trust(group: str = GROUP, service: str = "scheduler.amazonaws.com") -> str:
    source = f"arn:aws:scheduler:us-east-1:{ACCOUNT}:schedule-group/{group}"
    condition = {"StringEquals": {"aws:SourceAccount": ACCOUNT, "aws:SourceArn": source}}
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [{**statement, "Condition": condition}]})


@pytest.fixture(scope="module")
def scheduler(lab: RunningLab) -> Iterator[Any]:
    client = lab.client("scheduler")
    client.create_schedule_group(Name=GROUP, Tags=TAGS)
    yield client
    client.delete_schedule_group(Name=GROUP)


@pytest.fixture(scope="module")
def role(lab: RunningLab) -> Iterator[str]:
    """A role that may terminate what carries the tag."""
    iam = lab.client("iam")
    made = iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=trust())["Role"]["Arn"]
    ours = {"StringEquals": {"aws:ResourceTag/mine": "yes"}}
    statement = {"Effect": "Allow", "Action": "ec2:TerminateInstances", "Resource": "*", "Condition": ours}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    iam.put_role_policy(RoleName=ROLE, PolicyName="only", PolicyDocument=json.dumps(document))
    yield made
    iam.delete_role_policy(RoleName=ROLE, PolicyName="only")
    iam.delete_role(RoleName=ROLE)


@pytest.fixture
def _later(lab: RunningLab) -> Iterator[None]:
    """The account's clock, beyond the time of every schedule here."""
    lab.control("/_lab/clock", {"ahead_seconds": (HOURS + 1) * 3600})
    yield
    lab.control("/_lab/clock", {})


def wanted(name: str, role: str, *instances: str, **more: Any) -> dict[str, Any]:
    at = datetime.now(UTC) + timedelta(hours=HOURS)
    target = {"Arn": TERMINATE, "RoleArn": role, "Input": json.dumps({"InstanceIds": list(instances)})}
    known = {
        "Name": name,
        "GroupName": GROUP,
        "ScheduleExpression": f"at({at:%Y-%m-%dT%H:%M:%S})",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "ActionAfterCompletion": "DELETE",
        "Target": target,
    }
    return {**known, **more}


def launched(stack: Stack, tag: str) -> str:
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "mine", "Value": tag}]}]
    return str(stack.launch(TagSpecifications=tags)[0]["InstanceId"])


def state_of(stack: Stack, instance: str) -> str:
    return str(stack.describe(instance)["State"]["Name"])


def names(scheduler: Any) -> list[str]:
    return [one["Name"] for one in scheduler.list_schedules(GroupName=GROUP)["Schedules"]]


def invocations(lab: RunningLab, instance: str) -> list[str | None]:
    """The errors of the calls that the scheduler made for the instance."""
    calls = [call for call in lab.page("/_lab/calls?since=0") if call["caller"] == "scheduler"]
    return [call["error"] for call in calls if call["parameters"] == {"InstanceIds": [instance]}]


def test_an_instance_is_terminated_at_its_time_and_not_before(
    lab: RunningLab, stack: Stack, scheduler: Any, role: str
) -> None:
    instance = launched(stack, "yes")
    scheduler.create_schedule(**wanted("once", role, instance))
    lab.control("/_lab/clock", {"ahead_seconds": (HOURS - 1) * 3600})
    try:
        assert not eventually(lambda: invocations(lab, instance), seconds=2)
        assert (state_of(stack, instance), names(scheduler)) == ("running", ["once"])
        lab.control("/_lab/clock", {"ahead_seconds": (HOURS + 1) * 3600})
        assert eventually(lambda: state_of(stack, instance) == "terminated")
        assert eventually(lambda: not lab.containers(instance))
    finally:
        lab.control("/_lab/clock", {})
    assert eventually(lambda: invocations(lab, instance)) == [None]
    assert names(scheduler) == []


@pytest.mark.usefixtures("_later")
def test_what_the_role_may_not_end_lives_on_and_is_tried_again(
    lab: RunningLab, stack: Stack, scheduler: Any, role: str
) -> None:
    instance = launched(stack, "no")
    scheduler.create_schedule(**wanted("refused", role, instance))
    try:
        assert eventually(lambda: len(invocations(lab, instance)) > 1)
        assert set(invocations(lab, instance)) == {"UnauthorizedOperation"}
        assert (state_of(stack, instance), names(scheduler)) == ("running", ["refused"])
    finally:
        scheduler.delete_schedule(GroupName=GROUP, Name="refused")


@pytest.mark.usefixtures("_later")
def test_what_was_tried_often_enough_is_forgotten(lab: RunningLab, stack: Stack, scheduler: Any, role: str) -> None:
    instance = launched(stack, "no")
    asked = wanted("forgotten", role, instance)
    asked["Target"]["RetryPolicy"] = {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60}
    scheduler.create_schedule(**asked)
    assert eventually(lambda: names(scheduler) == [])
    assert state_of(stack, instance) == "running"


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(trust("another"), id="another group"),
        pytest.param(trust(service="ec2.amazonaws.com"), id="another service"),
    ],
)
def test_a_role_must_trust_the_scheduler_for_this_group(lab: RunningLab, scheduler: Any, document: str) -> None:
    iam = lab.client("iam")
    made = iam.create_role(RoleName="other", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    try:
        assert error_of(scheduler.create_schedule, **wanted("x", made, "i-1")) == "ValidationException"
    finally:
        iam.delete_role(RoleName="other")


def test_what_is_refused_as_aws_refuses_it(scheduler: Any, role: str) -> None:
    nowhere = wanted("x", role, "i-1", GroupName="nowhere")
    assert error_of(scheduler.create_schedule_group, Name=GROUP) == "ConflictException"
    assert error_of(scheduler.create_schedule, **nowhere) == "ResourceNotFoundException"
    assert error_of(scheduler.list_schedules, GroupName="nowhere") == "ResourceNotFoundException"
    assert error_of(scheduler.delete_schedule_group, Name="nowhere") == "ResourceNotFoundException"
    rate = wanted("x", role, "i-1", ScheduleExpression="rate(1 hour)")
    assert error_of(scheduler.create_schedule, **rate) == "NotImplemented"


def test_a_group_takes_its_time_to_go_and_its_schedules_along(lab: RunningLab, scheduler: Any) -> None:
    made = scheduler.create_schedule_group(Name="short", Tags=TAGS)["ScheduleGroupArn"]
    assert scheduler.list_tags_for_resource(ResourceArn=made)["Tags"] == TAGS
    scheduler.delete_schedule_group(Name="short")
    assert scheduler.get_schedule_group(Name="short")["State"] == "DELETING"
    assert eventually(
        lambda: "short" not in [one["Name"] for one in scheduler.list_schedule_groups()["ScheduleGroups"]]
    )


def test_whoever_makes_a_schedule_must_be_allowed_to_hand_on_its_role(
    lab: RunningLab, scheduler: Any, role: str
) -> None:
    iam = lab.client("iam")
    iam.create_user(UserName="planner")
    key = iam.create_access_key(UserName="planner")["AccessKey"]
    keys = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    theirs = lab.client("scheduler", **keys)
    make = {"Effect": "Allow", "Action": "scheduler:CreateSchedule"}
    make["Resource"] = f"arn:aws:scheduler:us-east-1:{ACCOUNT}:schedule/{GROUP}/*"
    hand_on = {"Effect": "Allow", "Action": "iam:PassRole", "Resource": role}
    to_it = {"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}}
    try:
        for statements, error in (([make], "AccessDeniedException"), ([make, {**hand_on, "Condition": to_it}], "")):
            document = json.dumps({"Version": "2012-10-17", "Statement": statements})
            iam.put_user_policy(UserName="planner", PolicyName="only", PolicyDocument=document)
            if error:
                assert error_of(theirs.create_schedule, **wanted("theirs", role, "i-1")) == error
            else:
                theirs.create_schedule(**wanted("theirs", role, "i-1"))
        assert names(scheduler) == ["theirs"]
        scheduler.delete_schedule(GroupName=GROUP, Name="theirs")
    finally:
        iam.delete_access_key(UserName="planner", AccessKeyId=key["AccessKeyId"])
        iam.delete_user_policy(UserName="planner", PolicyName="only")
        iam.delete_user(UserName="planner")

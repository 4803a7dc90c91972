# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _termination as termination
from ansible_collections.trainyard.aws.plugins.module_utils._termination import Clock, Schedule

A, B = "i-0123456789abcdef0", "i-0123456789abcdef1"
NOON = "2026-11-21T12:00:00Z"
EVENING = "2026-11-21T20:00:00Z"
ROLE = "arn:aws:iam::123456789012:role/trainyard-dcgan-us-east-1-termination"


def clock(expiries: dict[str, str], node_group: str = "train") -> Clock:
    schedules = termination.schedules_of(node_group, expiries)
    return Clock("trainyard-dcgan", node_group, schedules, ROLE, {"trainyard:stack": "dcgan"})


def steps(expiries: dict[str, str], there: dict[str, str], state: str = "ACTIVE") -> list[str]:
    have = termination.schedules_of("train", there)
    return [f"{step.verb} {step.subject}" for step in termination.steps_to(clock(expiries), have, state)]


def test_the_name_says_which_instance_ends_when() -> None:
    (schedule,) = termination.schedules_of("train", {A: NOON})
    assert schedule == Schedule(f"train.{A}.20261121T120000Z", A, NOON)
    assert termination.schedule_named(schedule.name) == schedule


def test_a_node_without_an_expiry_has_no_schedule() -> None:
    assert termination.schedules_of("train", {A: ""}) == ()


@pytest.mark.parametrize("text", ["soon", "2026-11-21 12:00:00", "2026-11-21T12:00:00+01:00", "2026-13-01T00:00:00Z"])
def test_what_is_no_moment_is_told_with_the_tag_to_mend(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no moment such as .* Mend its tag trainyard:expires-at"):
        termination.schedules_of("train", {A: text})


@pytest.mark.parametrize(
    "node_group", ["a", "n" * 27, "n" * 28, "a-very-long-name-for-a-group-of-many-nodes", "with.a.dot", "t.i-0.x"]
)
def test_every_node_group_has_names_that_aws_takes_and_that_are_found_again(node_group: str) -> None:
    found = termination.schedules_of(node_group, {A: NOON, B: EVENING})
    assert all(len(one.name) <= 64 for one in found)
    assert termination.of_node_group(node_group, [one.name for one in found]) == found


def test_long_names_that_begin_alike_are_told_apart() -> None:
    one, other = (termination.schedules_of(f"{'n' * 30}-{number}", {A: NOON})[0].name for number in (1, 2))
    assert one != other


@pytest.mark.parametrize("other", ["train2", "train.2", "trai", "train.i-0"])
def test_schedules_of_other_node_groups_are_left_alone(other: str) -> None:
    names = [one.name for group in ("train", other) for one in termination.schedules_of(group, {A: NOON})]
    assert [one.name for one in termination.of_node_group("train", [*names, "by-hand", "train.by-hand"])] == names[:1]


NAME_OF_A = f"train.{A}.20261121T120000Z"
NAME_OF_B = f"train.{B}.20261121T120000Z"
LATER_OF_A = f"train.{A}.20261121T200000Z"


@pytest.mark.parametrize(
    ("expiries", "there", "state", "expected"),
    [
        pytest.param({}, {}, "", [], id="nothing wanted, nothing there"),
        pytest.param({A: NOON}, {}, "", ["create_group trainyard-dcgan", f"create {NAME_OF_A}"], id="the first"),
        pytest.param({A: NOON}, {}, "DELETING", ["create_group trainyard-dcgan", f"create {NAME_OF_A}"], id="leaving"),
        pytest.param({A: NOON}, {A: NOON}, "ACTIVE", [], id="second run"),
        pytest.param({A: NOON, B: NOON}, {A: NOON}, "ACTIVE", [f"create {NAME_OF_B}"], id="a node more"),
        pytest.param({A: NOON}, {A: NOON, B: NOON}, "ACTIVE", [f"remove {NAME_OF_B}"], id="a node less"),
        pytest.param({B: NOON}, {A: NOON}, "ACTIVE", [f"create {NAME_OF_B}", f"remove {NAME_OF_A}"], id="replaced"),
        pytest.param({A: EVENING}, {A: NOON}, "ACTIVE", [f"create {LATER_OF_A}", f"remove {NAME_OF_A}"], id="put off"),
        pytest.param({A: ""}, {A: NOON}, "ACTIVE", [f"remove {NAME_OF_A}"], id="for ever"),
    ],
)
def test_what_has_to_be_done(expiries: dict[str, str], there: dict[str, str], state: str, expected: list[str]) -> None:
    assert steps(expiries, there, state) == expected


@pytest.mark.parametrize(
    ("now", "expression"),
    [
        pytest.param(datetime(2026, 11, 21, 9, tzinfo=UTC), "at(2026-11-21T12:00:00)", id="ahead"),
        pytest.param(datetime(2026, 11, 21, 11, 59, 30, tzinfo=UTC), "at(2026-11-21T12:00:30)", id="at once"),
        pytest.param(datetime(2026, 11, 22, 9, tzinfo=UTC), "at(2026-11-22T09:01:00)", id="past"),
    ],
)
def test_an_expiry_that_has_passed_is_caught_up_with(now: datetime, expression: str) -> None:
    want = clock({A: NOON})
    request = termination.request_of(want, want.schedules[0], now)
    assert (request["ScheduleExpression"], request["ScheduleExpressionTimezone"]) == (expression, "UTC")


def test_what_aws_is_asked_for() -> None:
    want = clock({A: NOON})
    request = termination.request_of(want, want.schedules[0], datetime(2026, 11, 21, 9, tzinfo=UTC))
    assert (request["Name"], request["GroupName"]) == (NAME_OF_A, "trainyard-dcgan")
    assert request["ActionAfterCompletion"] == "DELETE"
    assert request["FlexibleTimeWindow"] == {"Mode": "OFF"}
    target = request["Target"]
    assert target["Arn"] == "arn:aws:scheduler:::aws-sdk:ec2:terminateInstances"
    assert (target["RoleArn"], json.loads(target["Input"])) == (ROLE, {"InstanceIds": [A]})
    assert target["RetryPolicy"]["MaximumEventAgeInSeconds"] == 24 * 3600

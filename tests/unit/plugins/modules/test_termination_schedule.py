# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from typing import Any

from ansible_collections.trainyard.aws.plugins.modules import termination_schedule

A, B = "i-0123456789abcdef0", "i-0123456789abcdef1"
NOON, EVENING = "2126-11-21T12:00:00Z", "2126-11-21T20:00:00Z"
WANTED: dict[str, Any] = {
    "schedule_group": "trainyard-dcgan",
    "node_group": "train",
    "expiries": {A: NOON},
    "role_arn": "arn:aws:iam::123456789012:role/trainyard-dcgan-us-east-1-termination",
    "tags": {"trainyard:stack": "dcgan"},
}
GONE = {"schedule_group": "trainyard-dcgan", "state": "absent"}


def there(account: Any) -> dict[str, list[str]]:
    """The instances of each schedule in the account, by its name."""
    scheduler = account.client("scheduler")
    found = {}
    for one in scheduler.list_schedules()["Schedules"]:
        target = scheduler.get_schedule(GroupName=one["GroupName"], Name=one["Name"])["Target"]
        found[one["Name"]] = json.loads(target["Input"])["InstanceIds"]
    return found


def verbs(answer: dict[str, Any]) -> list[str]:
    return [step["verb"] for step in answer["steps"]]


def test_what_is_required(run_module: Any, account: Any) -> None:
    assert run_module(termination_schedule)["msg"] == "missing required arguments: schedule_group"
    answer = run_module(termination_schedule, schedule_group="x")
    assert answer["msg"] == "state is present but all of the following are missing: node_group, role_arn"


def test_made_then_unchanged(run_module: Any, account: Any) -> None:
    first = run_module(termination_schedule, **WANTED)
    assert (first["changed"], verbs(first)) == (True, ["create_group", "create"])
    assert first["schedules"] == [{"name": f"train.{A}.21261121T120000Z", "instance_id": A, "at": NOON}]
    assert first["diff"] == {"before": {"schedules": []}, "after": {"schedules": first["schedules"]}}
    assert there(account) == {f"train.{A}.21261121T120000Z": [A]}
    scheduler = account.client("scheduler")
    group = scheduler.get_schedule_group(Name="trainyard-dcgan")["Arn"]
    assert scheduler.list_tags_for_resource(ResourceArn=group)["Tags"] == [{"Key": "trainyard:stack", "Value": "dcgan"}]

    account.calls.clear()
    second = run_module(termination_schedule, **WANTED)
    assert (second["changed"], second["steps"], second["schedules"]) == (False, [], first["schedules"])
    assert account.calls == ["GetScheduleGroup", "ListSchedules"]


def test_the_schedules_follow_the_nodes(run_module: Any, account: Any) -> None:
    run_module(termination_schedule, **WANTED)
    run_module(termination_schedule, **WANTED | {"node_group": "other", "expiries": {B: NOON}})
    answer = run_module(termination_schedule, **WANTED | {"expiries": {A: EVENING}})
    assert verbs(answer) == ["create", "remove"]
    assert there(account) == {f"train.{A}.21261121T200000Z": [A], f"other.{B}.21261121T120000Z": [B]}
    answer = run_module(termination_schedule, **WANTED | {"expiries": {A: ""}})
    assert verbs(answer) == ["remove"]
    assert there(account) == {f"other.{B}.21261121T120000Z": [B]}


def test_nothing_is_made_for_nodes_that_live_for_ever(run_module: Any, account: Any) -> None:
    answer = run_module(termination_schedule, **WANTED | {"expiries": {A: ""}})
    assert (answer["changed"], answer["schedules"], account.writing_calls) == (False, [], [])


def test_check_mode_tells_and_writes_nothing(run_module: Any, account: Any) -> None:
    answer = run_module(termination_schedule, check=True, **WANTED)
    assert (answer["changed"], verbs(answer)) == (True, ["create_group", "create"])
    run_module(termination_schedule, **WANTED)
    account.calls.clear()
    assert run_module(termination_schedule, check=True, **GONE)["changed"]
    assert account.writing_calls == []


def test_removed_then_unchanged(run_module: Any, account: Any) -> None:
    run_module(termination_schedule, **WANTED)
    answer = run_module(termination_schedule, **GONE)
    assert (answer["changed"], verbs(answer), answer["schedules"]) == (True, ["remove_group"], [])
    assert there(account) == {}
    account.calls.clear()
    assert not run_module(termination_schedule, **GONE)["changed"]
    assert account.calls == ["GetScheduleGroup"]


def test_what_is_no_moment_is_told(run_module: Any, account: Any) -> None:
    answer = run_module(termination_schedule, **WANTED | {"expiries": {A: "soon"}})
    assert answer["msg"].startswith(f'Cannot keep the schedules of "trainyard-dcgan": {A} is said to expire at "soon"')
    assert account.calls == []

# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

from ansible_collections.trainyard.aws.plugins.modules import metric_alarms

DISK = {"name": "a-disk", "metric": "fullest_disk_percent", "threshold": 90, "description": "Make room."}
SPOT = {"name": "a-spot", "metric": "spot_notice", "threshold": 1, "description": "Wait."}
WANTED: dict[str, Any] = {
    "alarms": [SPOT, DISK],
    "namespace": "trainyard/a",
    "actions": ["arn:aws:sns:us-east-1:123456789012:team"],
    "tags": {"trainyard:stack": "a"},
}
GONE = {"state": "absent", "names": ["a-disk", "a-spot", "a-never"]}


def there(account: Any) -> dict[str, dict[str, Any]]:
    return {alarm["AlarmName"]: alarm for alarm in account.client("cloudwatch").describe_alarms()["MetricAlarms"]}


def tags(account: Any, name: str) -> dict[str, str]:
    arn = there(account)[name]["AlarmArn"]
    found = account.client("cloudwatch").list_tags_for_resource(ResourceARN=arn)["Tags"]
    return {tag["Key"]: tag["Value"] for tag in found}


def verbs(answer: dict[str, Any]) -> list[tuple[str, str]]:
    return [(step["verb"], step["subject"]) for step in answer["steps"]]


def test_what_is_required(run_module: Any, account: Any) -> None:
    answer = run_module(metric_alarms, alarms=[DISK])
    assert answer["msg"] == "state is present but all of the following are missing: namespace"
    assert "all of the following are missing: names" in run_module(metric_alarms, state="absent")["msg"]


def test_made_with_tags_then_unchanged(run_module: Any, account: Any) -> None:
    first = run_module(metric_alarms, **WANTED)
    assert (first["changed"], verbs(first)) == (True, [("create", "a-spot"), ("create", "a-disk")])
    assert (first["names"], first["diff"]["before"]) == (["a-disk", "a-spot"], {})
    assert account.writing_calls == ["PutMetricAlarm"] * 2, "tagged in the call that makes them"
    assert tags(account, "a-disk") == {"trainyard:stack": "a"}
    disk = there(account)["a-disk"]
    assert (disk["Namespace"], disk["MetricName"], disk["Threshold"]) == ("trainyard/a", "fullest_disk_percent", 90)
    assert (disk["AlarmActions"], disk["TreatMissingData"]) == (WANTED["actions"], "notBreaching")

    account.calls.clear()
    second = run_module(metric_alarms, **WANTED)
    assert (second["changed"], second["steps"]) == (False, [])
    assert second["diff"]["before"] == second["diff"]["after"]
    assert account.calls == ["DescribeAlarms", "ListTagsForResource", "ListTagsForResource"]


def test_only_what_is_otherwise_is_changed(run_module: Any, account: Any) -> None:
    run_module(metric_alarms, **WANTED)
    answer = run_module(metric_alarms, **WANTED | {"alarms": [SPOT, DISK | {"threshold": 80}]})
    assert verbs(answer) == [("change", "a-disk")]
    assert there(account)["a-disk"]["Threshold"] == 80
    answer = run_module(metric_alarms, **WANTED | {"alarms": [SPOT], "tags": {"trainyard:owner": "ada"}})
    assert verbs(answer) == [("tag", "a-spot")]
    assert tags(account, "a-spot") == {"trainyard:stack": "a", "trainyard:owner": "ada"}


def test_check_mode_tells_and_writes_nothing(run_module: Any, account: Any) -> None:
    answer = run_module(metric_alarms, check=True, **WANTED)
    assert (answer["changed"], len(answer["steps"]), there(account)) == (True, 2, {})
    run_module(metric_alarms, **WANTED)
    account.calls.clear()
    assert run_module(metric_alarms, check=True, **GONE)["changed"]
    assert account.writing_calls == []


def test_removed_then_unchanged(run_module: Any, account: Any) -> None:
    run_module(metric_alarms, **WANTED)
    run_module(metric_alarms, **WANTED | {"alarms": [DISK | {"name": "b-disk"}]})
    answer = run_module(metric_alarms, **GONE)
    assert (answer["changed"], verbs(answer)) == (True, [("remove", "a-disk"), ("remove", "a-spot")])
    assert list(there(account)) == ["b-disk"]
    assert not run_module(metric_alarms, **GONE)["changed"]

# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _alarms as alarms
from ansible_collections.trainyard.aws.plugins.module_utils._alarms import Alarm, Wanted

DISK = Alarm("trainyard-dcgan-disk-nearly-full", "fullest_disk_percent", 90.0, "Make room.")
TAGS = {"trainyard:stack": "dcgan"}
WANT = Wanted((DISK,), "trainyard/dcgan", ("arn:aws:sns:us-east-1:123456789012:team",), TAGS)
# AWS adds what it knows beside.
THERE = {**alarms.settings_of(WANT, DISK), "StateValue": "OK", "EvaluationState": "PARTIAL_DATA"}


def steps(want: Wanted, there: dict[str, Any] | None, tags: dict[str, str] | None = None) -> list[tuple[str, str]]:
    have = {DISK.name: there} if there else {}
    found = alarms.steps_to(want, have, {DISK.name: TAGS if tags is None else tags})
    return [(step.verb, step.reason) for step in found]


def test_what_is_not_there_is_made() -> None:
    assert steps(WANT, None) == [("create", "it does not exist")]


def test_what_is_as_it_should_be_stays() -> None:
    assert steps(WANT, THERE) == []


@pytest.mark.parametrize(
    ("want", "other"),
    [
        pytest.param(replace(WANT, alarms=(replace(DISK, threshold=80.0),)), "Threshold", id="threshold"),
        pytest.param(replace(WANT, alarms=(replace(DISK, description="Run."),)), "AlarmDescription", id="description"),
        pytest.param(replace(WANT, alarms=(replace(DISK, metric="spot_notice"),)), "MetricName", id="metric"),
        pytest.param(replace(WANT, namespace="other"), "Namespace", id="namespace"),
        pytest.param(replace(WANT, actions=()), "AlarmActions", id="nobody is told any more"),
    ],
)
def test_what_is_otherwise_is_changed(want: Wanted, other: str) -> None:
    assert steps(want, THERE) == [("change", f"{other} should be different")]


def test_somebody_who_silenced_an_alarm_hears_it_again() -> None:
    assert steps(WANT, {**THERE, "ActionsEnabled": False}) == [("change", "ActionsEnabled should be different")]


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        pytest.param({}, [("tag", "its tags should be different")], id="lost"),
        pytest.param({"trainyard:stack": "other"}, [("tag", "its tags should be different")], id="of another"),
        pytest.param({**TAGS, "team": "vision"}, [], id="and one of others"),
    ],
)
def test_tags_are_added_and_none_is_taken_away(tags: dict[str, str], expected: list[tuple[str, str]]) -> None:
    assert steps(WANT, THERE, tags) == expected


def test_tags_go_with_a_new_alarm_only() -> None:
    assert alarms.request_of(WANT, DISK, is_new=True)["Tags"] == [{"Key": "trainyard:stack", "Value": "dcgan"}]
    assert "Tags" not in alarms.request_of(WANT, DISK, is_new=False)
    assert "Tags" not in alarms.request_of(replace(WANT, tags={}), DISK, is_new=True)


def test_the_worst_of_a_minute_counts_and_silence_is_good() -> None:
    settings = alarms.settings_of(WANT, DISK)
    assert (settings["Statistic"], settings["Period"], settings["EvaluationPeriods"]) == ("Maximum", 60, 1)
    assert (settings["TreatMissingData"], settings["Dimensions"]) == ("notBreaching", [])
    assert settings["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"

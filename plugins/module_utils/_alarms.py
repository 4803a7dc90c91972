# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""What the alarms of a stack are, and the steps from those that are there to those that are wanted. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.trainyard.aws.plugins.module_utils._stack import tags_as_list
from ansible_collections.trainyard.aws.plugins.module_utils._steps import Step

_PERIOD_SECONDS = 60  # what is put each minute is looked at each minute


@dataclass(frozen=True)
class Alarm:
    """One alarm: it goes off in a minute in which the worst value of the metric reaches the threshold."""

    name: str
    metric: str
    threshold: float
    description: str


@dataclass(frozen=True)
class Wanted:
    """The alarms, and what they have in common: the namespace of their metrics, whom they tell, and their tags."""

    alarms: tuple[Alarm, ...]
    namespace: str
    actions: tuple[str, ...] = ()
    tags: t.Mapping[str, str] = field(default_factory=dict)


def wanted_of(params: t.Mapping[str, t.Any]) -> Wanted:
    """What the user describes."""
    alarms = tuple(
        Alarm(item["name"], item["metric"], float(item["threshold"]), item["description"]) for item in params["alarms"]
    )
    return Wanted(alarms, params["namespace"], tuple(params["actions"]), dict(params["tags"]))


def settings_of(want: Wanted, alarm: Alarm) -> dict[str, t.Any]:
    """What PutMetricAlarm is asked for, and DescribeAlarms answers with. A node that is gone says nothing, which is no alarm."""
    return {
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.description,
        "ActionsEnabled": True,
        "AlarmActions": list(want.actions),
        "OKActions": [],
        "InsufficientDataActions": [],
        "Namespace": want.namespace,
        "MetricName": alarm.metric,
        "Dimensions": [],
        "Statistic": "Maximum",
        "Period": _PERIOD_SECONDS,
        "EvaluationPeriods": 1,
        "Threshold": alarm.threshold,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "notBreaching",
    }


def request_of(want: Wanted, alarm: Alarm, is_new: bool) -> dict[str, t.Any]:
    """AWS takes tags with a new alarm, and ignores them with one that is there."""
    settings = settings_of(want, alarm)
    return {**settings, "Tags": tags_as_list(want.tags)} if is_new and want.tags else settings


def steps_to(
    want: Wanted, have: t.Mapping[str, t.Mapping[str, t.Any]], tags: t.Mapping[str, t.Mapping[str, str]]
) -> tuple[Step, ...]:
    """What has to be done. ``have`` are AWS's descriptions of the alarms that are there, ``tags`` their tags, by name."""
    steps = []
    for alarm in want.alarms:
        if alarm.name not in have:
            steps.append(Step("create", alarm.name, "it does not exist"))
            continue
        settings = settings_of(want, alarm)
        other = sorted(key for key, value in settings.items() if have[alarm.name].get(key) != value)
        if other:
            steps.append(Step("change", alarm.name, f"{', '.join(other)} should be different"))
        if lacking_tags(want, tags.get(alarm.name, {})):
            steps.append(Step("tag", alarm.name, "its tags should be different"))
    return tuple(steps)


def lacking_tags(want: Wanted, there: t.Mapping[str, str]) -> dict[str, str]:
    """The tags that an alarm should carry and does not; those of others stay."""
    return {key: value for key, value in want.tags.items() if there.get(key) != value}


def shown(want: Wanted, names: t.Iterable[str], have: t.Mapping[str, t.Mapping[str, t.Any]]) -> dict[str, t.Any]:
    """The settings that count of the alarms that are there, for a diff."""
    keys = settings_of(want, Alarm("", "", 0.0, ""))
    return {name: {key: have[name].get(key) for key in keys} for name in sorted(names) if name in have}

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Which schedules in the account end the nodes of a stack, and what each one says. Pure."""

from __future__ import annotations

import hashlib
import json
import re
import typing as t
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, timezone

from ansible_collections.trainyard.aws.plugins.module_utils._steps import Step

TARGET = "arn:aws:scheduler:::aws-sdk:ec2:terminateInstances"
ACTIVE = "ACTIVE"

_MOMENT = "%Y-%m-%dT%H:%M:%SZ"
_LONGEST_NODE_GROUP = 27  # a name has 64 characters: node group, instance, moment, and two dots
_NAME = re.compile(r"(?P<node_group>.+)\.(?P<instance>i-[0-9a-f]+)\.(?P<moment>\d{8}T\d{6}Z)")
_SHORTEST_NOTICE = timedelta(seconds=60)  # what lies in the past by then need not come to pass


@dataclass(frozen=True)
class Schedule:
    """One invocation: the instance is terminated ``at`` that moment, in UTC (RFC 3339)."""

    name: str
    instance_id: str
    at: str


@dataclass(frozen=True)
class Clock:
    """The schedules of a node group as they should be, and what they have in common."""

    group: str
    node_group: str
    schedules: tuple[Schedule, ...]
    role_arn: str
    tags: t.Mapping[str, str]


def schedules_of(node_group: str, expiries: t.Mapping[str, str]) -> tuple[Schedule, ...]:
    """A schedule for each instance that has an expiry. Raises ValueError for what is no moment."""
    found = []
    for instance, expires_at in sorted(expiries.items()):
        if expires_at:
            moment = _moment_of(instance, expires_at)
            found.append(Schedule(f"{_prefix(node_group)}{instance}.{moment:%Y%m%dT%H%M%SZ}", instance, expires_at))
    return tuple(found)


def schedule_named(name: str) -> Schedule | None:
    """The schedule that a name of ours stands for; None for a name that is not ours."""
    known = _NAME.fullmatch(name)
    if known is None:
        return None
    moment = datetime.strptime(known["moment"], "%Y%m%dT%H%M%SZ")
    return Schedule(name, known["instance"], moment.strftime(_MOMENT))


def of_node_group(node_group: str, names: t.Iterable[str]) -> tuple[Schedule, ...]:
    """Those of the names that are schedules of the node group, in order."""
    found = [schedule_named(name) for name in sorted(names) if name.startswith(_prefix(node_group))]
    prefix = _prefix(node_group)
    return tuple(one for one in found if one and one.name.startswith(f"{prefix}{one.instance_id}."))


def steps_to(want: Clock, have: t.Sequence[Schedule], state: str) -> tuple[Step, ...]:
    """What has to be done, in order. The new schedule of an instance is there before the former one goes.

    A schedule is never changed: its name says when it ends which instance. ``state`` is that of the schedule group, if any.
    """
    there = {one.name for one in have}
    wanted = {one.name for one in want.schedules}
    living = {one.instance_id for one in want.schedules}
    steps = []
    if want.schedules and state != ACTIVE:
        steps.append(Step("create_group", want.group, "it does not exist"))
    steps += [
        Step("create", one.name, f"{one.instance_id} expires at {one.at}")
        for one in want.schedules
        if one.name not in there
    ]
    for one in have:
        if one.name not in wanted:
            reason = "expires at another time" if one.instance_id in living else "is no node with an expiry any more"
            steps.append(Step("remove", one.name, f"{one.instance_id} {reason}"))
    return tuple(steps)


def request_of(want: Clock, schedule: Schedule, now: datetime) -> dict[str, t.Any]:
    """What CreateSchedule is asked for. An expiry that has passed is caught up with."""
    moment = max(_moment_of(schedule.instance_id, schedule.at), now.astimezone(timezone.utc) + _SHORTEST_NOTICE)
    return {
        "Name": schedule.name,
        "GroupName": want.group,
        "Description": f"Terminates {schedule.instance_id} at the end of its time, if it has not ended itself",
        "ScheduleExpression": f"at({moment:%Y-%m-%dT%H:%M:%S})",
        "ScheduleExpressionTimezone": "UTC",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "ActionAfterCompletion": "DELETE",
        "Target": {
            "Arn": TARGET,
            "RoleArn": want.role_arn,
            "Input": json.dumps({"InstanceIds": [schedule.instance_id]}),
            "RetryPolicy": {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185},
        },
    }


def as_results(schedules: t.Iterable[Schedule]) -> list[dict[str, str]]:
    """What the user gets to see of the schedules."""
    return [asdict(one) for one in schedules]


def _prefix(node_group: str) -> str:
    """What the names of the node group's schedules start with; a long name is cut, and told apart by its hash."""
    if len(node_group) <= _LONGEST_NODE_GROUP:
        return f"{node_group}."
    return f"{node_group[:18]}-{hashlib.sha256(node_group.encode()).hexdigest()[:8]}."


def _moment_of(instance: str, expires_at: str) -> datetime:
    try:
        return datetime.strptime(expires_at, _MOMENT).replace(tzinfo=timezone.utc)
    except ValueError as error:
        raise ValueError(
            f'{instance} is said to expire at "{expires_at}", which is no moment such as 2026-11-21T14:30:00Z. '
            "Mend its tag trainyard:expires-at."
        ) from error

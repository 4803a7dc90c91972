# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Reads and changes the alarms of a stack, one small function for each call."""

from __future__ import annotations

import typing as t

from ansible_collections.trainyard.aws.plugins.module_utils._stack import tags_as_dict, tags_as_list

Client = t.Any


def alarms(client: Client, names: t.Iterable[str]) -> dict[str, dict[str, t.Any]]:
    """AWS's description of those alarms that are there, by name. A call takes a hundred names."""
    answer = client.describe_alarms(AlarmNames=list(names), AlarmTypes=["MetricAlarm"], MaxRecords=100)
    return {alarm["AlarmName"]: alarm for alarm in answer["MetricAlarms"]}


def tags_of(client: Client, have: t.Mapping[str, t.Mapping[str, t.Any]]) -> dict[str, dict[str, str]]:
    """The tags of each alarm, by name."""
    return {
        name: tags_as_dict(client.list_tags_for_resource(ResourceARN=alarm["AlarmArn"])["Tags"])
        for name, alarm in have.items()
    }


def put(client: Client, request: t.Mapping[str, t.Any]) -> None:
    """Make an alarm, or make it what it should be."""
    client.put_metric_alarm(**request)


def tag(client: Client, arn: str, tags: t.Mapping[str, str]) -> None:
    """Add tags, or change their values."""
    client.tag_resource(ResourceARN=arn, Tags=tags_as_list(tags))


def remove(client: Client, names: t.Iterable[str]) -> None:
    """All in one call, which fails as a whole; those that are not there do no harm."""
    client.delete_alarms(AlarmNames=list(names))

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Reads and changes the schedules that end nodes, one small function for each call."""

from __future__ import annotations

import time
import typing as t
from datetime import datetime

from ansible_collections.trainyard.aws.plugins.module_utils import _termination as decide
from ansible_collections.trainyard.aws.plugins.module_utils._stack import tags_as_list
from ansible_collections.trainyard.aws.plugins.module_utils._steps import wait_until
from ansible_collections.trainyard.aws.plugins.module_utils._termination import Clock, Schedule

try:
    from botocore.exceptions import ClientError
except ImportError:
    pass  # AnsibleAWSModule says so

Client = t.Any

_POLL_SECONDS = 2.0


def state_of(client: Client, group: str) -> str:
    """AWS's word for the state of the schedule group; empty where there is none."""
    try:
        return str(client.get_schedule_group(Name=group)["State"])
    except ClientError as error:
        if _code(error) != "ResourceNotFoundException":
            raise
        return ""


def schedules(client: Client, group: str, node_group: str) -> tuple[Schedule, ...]:
    """The schedules of a node group."""
    pages = client.get_paginator("list_schedules").paginate(GroupName=group)
    return decide.of_node_group(node_group, [item["Name"] for page in pages for item in page["Schedules"]])


def create_group(client: Client, want: Clock, deadline: float) -> None:
    """Make the schedule group, once a former one of its name is gone. Another node group may be first."""
    wait_until(lambda: state_of(client, want.group) in ("", decide.ACTIVE), deadline, "the former one is gone", 1.0)
    _unless("ConflictException", lambda: client.create_schedule_group(Name=want.group, Tags=tags_as_list(want.tags)))


def create(client: Client, want: Clock, schedule: Schedule, now: datetime, deadline: float) -> None:
    """Make a schedule. What AWS says of a group or a role that was only just made is asked again until ``deadline``."""
    request = decide.request_of(want, schedule, now)
    while True:
        try:
            return _unless("ConflictException", lambda: client.create_schedule(**request))
        except ClientError as error:
            if not _may_pass(error) or time.monotonic() > deadline:
                raise
        time.sleep(_POLL_SECONDS)


def remove(client: Client, group: str, name: str) -> None:
    _unless("ResourceNotFoundException", lambda: client.delete_schedule(GroupName=group, Name=name))


def remove_group(client: Client, group: str, deadline: float) -> None:
    """Remove the schedule group with all its schedules, and wait until it is gone."""
    _unless("ResourceNotFoundException", lambda: client.delete_schedule_group(Name=group))
    wait_until(lambda: not state_of(client, group), deadline, f"{group} is gone", _POLL_SECONDS / 2)


def _unless(code: str, call: t.Callable[[], t.Any]) -> None:
    """Make a call that has nothing to do where AWS answers with this code."""
    try:
        call()
    except ClientError as error:
        if _code(error) != code:
            raise


def _may_pass(error: ClientError) -> bool:
    is_new_role = _code(error) == "ValidationException" and "assume the role" in error.response["Error"]["Message"]
    return is_new_role or _code(error) == "ResourceNotFoundException"


def _code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""EventBridge Scheduler, of which moto keeps schedules but invokes none: one-time schedules that terminate instances.

Its clock is this machine's, and can be put ahead, so that nobody need wait until tomorrow.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from moto.backends import get_backend
from moto.core.exceptions import JsonRESTError
from moto.scheduler.exceptions import ScheduleGroupNotFound, ValidationException
from moto.scheduler.models import EventBridgeSchedulerBackend, ScheduleGroup

from lab.authorizations import arn, questions
from lab.calls import Call
from lab.patching import inner_call, law_before, regional_backends, replaces
from lab.permissions import Permissions, Principal, policies_of_role
from lab.policies import Decision, Question, decide
from lab.settings import ACCOUNT
from lab.transitions import after, hurry

log = logging.getLogger(__name__)
SERVICE = "scheduler.amazonaws.com"
TERMINATE = "arn:aws:scheduler:::aws-sdk:ec2:terminateInstances"
SECONDS_TO_REMOVE_A_GROUP = 1.0
SECONDS_BETWEEN_LOOKS = 0.5  # AWS is a minute late at most
SECONDS_BETWEEN_ATTEMPTS = 5.0
AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")
CALLER = "scheduler"  # the address in the call log


class Clock:
    """What time it is for the account's schedules."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(time.time() + self._ahead, UTC)

    def control(self, given: dict[str, Any] | None) -> dict[str, Any]:
        """The control /_lab/clock: put the clock so many seconds ahead of this machine's."""
        if given is not None:
            before, self._ahead = self._ahead, float(given.get("ahead_seconds", 0.0))
            hurry(max(0.0, self._ahead - before))
        return {"ahead_seconds": self._ahead, "now": f"{self.now():%Y-%m-%dT%H:%M:%SZ}"}


CLOCK = Clock()


def install() -> None:
    """Patch moto for this process. Must run before the first backend is made."""
    _refuse_what_aws_refuses()
    _remove_groups_slowly()


def _refuse_what_aws_refuses() -> None:
    @law_before(EventBridgeSchedulerBackend, "create_schedule")
    def must_be_possible(backend: Any, **given: Any) -> None:
        group = backend.get_schedule_group(given["group_name"])
        if not AT.fullmatch(given["schedule_expression"]) or given["target"].get("Arn") != TERMINATE:
            raise NotImplementedError("schedules other than one-time ones that terminate instances")
        role = role_of(given["target"].get("RoleArn", ""))
        if role is None or not lets_in(role, backend.region_name, group.name):
            raise ValidationException(
                "The execution role you provide must allow AWS EventBridge Scheduler to assume the role."
            )

    @law_before(EventBridgeSchedulerBackend, "create_schedule_group")
    def must_be_new(backend: Any, name: str, **_given: Any) -> None:
        if name in backend.schedule_groups:
            raise JsonRESTError("ConflictException", f"Schedule group {name} already exists.")

    @replaces(EventBridgeSchedulerBackend, "list_schedules")
    def of_groups_that_are_there(original: Any, self: Any, group_names: Any, *args: Any, **kwargs: Any) -> Any:
        for name in [group_names] if isinstance(group_names, str) else group_names or []:
            if name not in self.schedule_groups:
                raise ScheduleGroupNotFound(name)
        return original(self, group_names, *args, **kwargs)


def _remove_groups_slowly() -> None:
    @replaces(EventBridgeSchedulerBackend, "delete_schedule_group")
    def removed(original: Any, self: Any, name: str) -> None:
        group = self.get_schedule_group(name)
        group.lab_state = "DELETING"
        group.schedules.clear()
        after(SECONDS_TO_REMOVE_A_GROUP, lambda: self.schedule_groups.pop(name, None))

    @replaces(ScheduleGroup, "to_dict")
    def with_its_state(original: Any, self: Any) -> dict[str, Any]:
        return {**original(self), "State": getattr(self, "lab_state", "ACTIVE")}


def role_of(role_arn: str) -> Any | None:
    roles = get_backend("iam")[ACCOUNT]["aws"].roles.values()
    return next((role for role in roles if role.arn == role_arn), None)


def lets_in(role: Any, region: str, group: str) -> bool:
    """Whether the role's trust policy lets the scheduler take it for schedules of the group."""
    document: Any = role.assume_role_policy_document
    document = json.loads(document) if isinstance(document, str) else document
    statements = document["Statement"] if isinstance(document["Statement"], list) else [document["Statement"]]
    trusting = [{**one, "Resource": "*"} for one in statements if SERVICE in _listed(one.get("Principal"))]
    context = {"aws:SourceAccount": ACCOUNT, "aws:SourceArn": arn("scheduler", region, f"schedule-group/{group}")}
    question = Question("sts:AssumeRole", role.arn, context)
    return decide([{"Statement": trusting}], question) is Decision.ALLOWED


def _listed(principal: Any) -> list[str]:
    services = principal.get("Service", []) if isinstance(principal, Mapping) else []
    return [services] if isinstance(services, str) else list(services)


def invoke_due(permissions: Permissions) -> list[tuple[Call, str | None]]:
    """Invoke what is due, each as its role may. Returns the calls with their errors. The caller holds the account's lock."""
    made = []
    for backend in regional_backends("scheduler"):
        for group in list(backend.schedule_groups.values()):
            for schedule in [one for one in group.schedules.values() if _is_due(one)]:
                call = Call("ec2", "TerminateInstances", backend.region_name, "", "ec2", _input(schedule))
                error = _invoke(schedule, call, group.name, permissions)
                made.append((call, error))
                _after_attempt(group, schedule, error)
    return made


def _is_due(schedule: Any) -> bool:
    written = AT.fullmatch(schedule.schedule_expression)
    if written is None or schedule.state != "ENABLED" or schedule.schedule_expression_timezone != "UTC":
        return False
    when = datetime.fromisoformat(written[1]).replace(tzinfo=UTC)
    return CLOCK.now() >= when and time.monotonic() >= getattr(schedule, "lab_again_at", 0.0)


def _input(schedule: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(schedule.target.get("Input") or "{}")
    return found


def _invoke(schedule: Any, call: Call, group: str, permissions: Permissions) -> str | None:
    """The error that the invocation meets, as AWS names it; None when it went through."""
    role = role_of(schedule.target["RoleArn"])
    if role is None or not lets_in(role, call.region, group):
        return "AccessDenied"
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/{role.name}/{schedule.name}"
    principal = Principal(session, tuple(policies_of_role(role.name)))
    for question in questions(call):
        if permissions.decided(principal, "ec2:TerminateInstances", question) is not Decision.ALLOWED:
            return "UnauthorizedOperation"
    try:
        with inner_call():
            get_backend("ec2")[ACCOUNT][call.region].terminate_instances(call.parameters["InstanceIds"])
    except Exception as error:  # whatever moto raises is the answer to an invocation, and must not end the clock
        log.info("%s cannot terminate: %s", schedule.name, error)
        return str(getattr(error, "error_type", type(error).__name__))
    return None


def _after_attempt(group: Any, schedule: Any, error: str | None) -> None:
    """What has done its work, or was tried often enough, is deleted if it says so; otherwise it stays and is done."""
    schedule.lab_attempts = getattr(schedule, "lab_attempts", 0) + 1
    schedule.lab_again_at = time.monotonic() + SECONDS_BETWEEN_ATTEMPTS
    if error and schedule.lab_attempts <= schedule.target["RetryPolicy"]["MaximumRetryAttempts"]:
        return
    if schedule.action_after_completion == "DELETE":
        group.schedules.pop(schedule.name, None)
    schedule.lab_again_at = float("inf")


def start(look: Callable[[], None]) -> None:
    """Look for what is due, again and again, while this process lives."""

    def go_on() -> None:
        while True:
            try:
                look()
            except Exception:  # the next look may succeed
                log.exception("cannot invoke what is due")
            time.sleep(SECONDS_BETWEEN_LOOKS)

    threading.Thread(target=go_on, daemon=True, name="schedules").start()

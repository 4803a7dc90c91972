# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _termination as decide
from ansible_collections.trainyard.aws.plugins.module_utils import _termination_api as api
from ansible_collections.trainyard.aws.plugins.module_utils._steps import NotSettled
from botocore.exceptions import ClientError

A = "i-0123456789abcdef0"
WANT = decide.Clock("trainyard-dcgan", "train", decide.schedules_of("train", {A: "2026-11-21T12:00:00Z"}), "arn", {})
NOT_YET = "The execution role you provide must allow AWS EventBridge Scheduler to assume the role."


def error(code: str, message: str = "") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "CreateSchedule")


class Answers:
    """A client that answers each call with the next of what it was told; None and texts are answers, errors are raised."""

    def __init__(self, **told: list[Any]) -> None:
        self.told, self.calls = told, []

    def __getattr__(self, operation: str) -> Any:
        def answer(**_arguments: Any) -> Any:
            self.calls.append(operation)
            told = self.told[operation].pop(0)
            if isinstance(told, Exception):
                raise told
            return {"State": told}

        return answer


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)


def create(client: Answers, seconds: float = 60) -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    api.create(client, WANT, WANT.schedules[0], now, time.monotonic() + seconds)


@pytest.mark.parametrize(
    "passing",
    [
        pytest.param(error("ValidationException", NOT_YET), id="the role is new"),
        pytest.param(error("ResourceNotFoundException"), id="the group is new"),
    ],
)
def test_what_was_only_just_made_is_asked_for_again(passing: ClientError) -> None:
    client = Answers(create_schedule=[passing, passing, None])
    create(client)
    assert len(client.calls) == 3
    with pytest.raises(ClientError):
        create(Answers(create_schedule=[passing]), seconds=-1)


def test_another_error_is_told_at_once() -> None:
    with pytest.raises(ClientError, match="another"):
        create(Answers(create_schedule=[error("ValidationException", "another")]))


def test_a_schedule_that_somebody_else_has_made_is_made() -> None:
    create(Answers(create_schedule=[error("ConflictException")]))


def test_a_former_group_is_waited_for() -> None:
    client = Answers(
        get_schedule_group=["DELETING", error("ResourceNotFoundException")],
        create_schedule_group=[error("ConflictException")],
    )
    api.create_group(client, WANT, time.monotonic() + 60)
    assert client.calls == ["get_schedule_group", "get_schedule_group", "create_schedule_group"]


def test_a_group_that_does_not_go_is_given_up() -> None:
    client = Answers(delete_schedule_group=[None], get_schedule_group=["DELETING"])
    with pytest.raises(NotSettled, match="trainyard-dcgan is gone"):
        api.remove_group(client, "trainyard-dcgan", time.monotonic() - 1)


def test_what_is_gone_need_not_be_removed() -> None:
    gone = error("ResourceNotFoundException")
    api.remove(Answers(delete_schedule=[gone]), "trainyard-dcgan", "x")
    api.remove_group(Answers(delete_schedule_group=[gone], get_schedule_group=[gone]), "trainyard-dcgan", 0)


def test_a_refusal_is_not_taken_for_nothing() -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        api.state_of(Answers(get_schedule_group=[error("AccessDeniedException")]), "trainyard-dcgan")

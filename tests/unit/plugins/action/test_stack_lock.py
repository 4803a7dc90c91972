# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io
import json
import os
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.plugins.action import ActionBase
from ansible_collections.trainyard.aws.plugins.action import stack_lock
from botocore.exceptions import EndpointConnectionError

HOLDER = {"host": socket.gethostname(), "pid": os.getppid()}
LOCK = {"owner": "ada", **HOLDER, "started": "2026-11-21T14:30:00Z", "operation": "train"}
TAKEN = {"name": "dcgan", "bucket": "results", "region": "us-east-1"}


class Bucket:
    """S3 with one lock in it."""

    def __init__(self, lock: dict[str, Any]) -> None:
        self.lock = lock
        self.removed: list[dict[str, Any]] = []

    def get_object(self, **_: Any) -> dict[str, Any]:
        return {"Body": io.BytesIO(json.dumps(self.lock).encode()), "ETag": "tag"}

    def delete_object(self, **arguments: Any) -> None:
        self.removed.append(arguments)


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """A task of this playbook's process: its options and the module's answer."""
    monkeypatch.setattr(ActionBase, "run", lambda *_: {})
    monkeypatch.setattr(stack_lock.C, "DEFAULT_LOCAL_TMP", str(tmp_path))

    def play(args: dict[str, Any], answer: dict[str, Any]) -> None:
        action = stack_lock.ActionModule.__new__(stack_lock.ActionModule)
        action._task = SimpleNamespace(args=args)
        action._execute_module = lambda **_: answer
        action.run(None, {})

    return play


def end(monkeypatch: pytest.MonkeyPatch, bucket: Bucket) -> list[dict[str, Any]]:
    """The playbook ends, with that in the bucket; returns what it removes."""
    session = SimpleNamespace(client=lambda _: bucket)
    monkeypatch.setattr(stack_lock.boto3.session, "Session", lambda **_: session)
    stack_lock._let_go()
    return bucket.removed


def test_a_playbook_that_breaks_off_lets_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, play: Any) -> None:
    play(TAKEN, {"lock": LOCK})
    assert end(monkeypatch, Bucket(LOCK)) == [
        {"Bucket": "results", "Key": ".trainyard/dcgan/lock.json", "IfMatch": "tag"}
    ]
    assert list(tmp_path.iterdir()) == []


def test_what_was_let_go_of_in_time_is_not_asked_for_again(monkeypatch: pytest.MonkeyPatch, play: Any) -> None:
    play(TAKEN, {"lock": LOCK})
    play({**TAKEN, "state": "released"}, {"lock": {}})
    assert end(monkeypatch, Bucket(LOCK)) == []


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"failed": True, "lock": LOCK}, id="refused"),
        pytest.param({"lock": {**LOCK, "pid": 1}}, id="check mode, and another holds it"),
        pytest.param({"lock": {}}, id="no bucket"),
    ],
)
def test_what_is_not_held_is_left_alone(monkeypatch: pytest.MonkeyPatch, play: Any, answer: dict[str, Any]) -> None:
    play(TAKEN, answer)
    assert end(monkeypatch, Bucket(LOCK)) == []


def test_what_was_taken_over_meanwhile_stays(monkeypatch: pytest.MonkeyPatch, play: Any) -> None:
    play(TAKEN, {"lock": LOCK})
    assert end(monkeypatch, Bucket({**LOCK, "owner": "grace"})) == []


def test_a_bucket_that_does_not_answer_holds_nobody_up(monkeypatch: pytest.MonkeyPatch, play: Any) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://s3.example.com")

    play(TAKEN, {"lock": LOCK})
    monkeypatch.setattr(Bucket, "get_object", fails)
    assert end(monkeypatch, Bucket(LOCK)) == []


def test_the_playbooks_process_holds_the_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    monkeypatch.setattr(ActionBase, "run", lambda *_: {})
    action = stack_lock.ActionModule.__new__(stack_lock.ActionModule)
    action._task = SimpleNamespace(args={"name": "dcgan"})
    action._execute_module = lambda **arguments: seen.update(arguments) or {"changed": True}
    assert action.run(None, {}) == {"changed": True}
    assert seen["module_name"] == "trainyard.aws.stack_lock"
    assert seen["module_args"] == {"name": "dcgan", "host": socket.gethostname(), "pid": os.getppid()}

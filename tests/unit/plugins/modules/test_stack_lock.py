# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
from typing import Any

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _lock_api as api
from ansible_collections.trainyard.aws.plugins.modules import stack_lock

KEY = ".trainyard/dcgan/lock.json"
MINE = {
    "name": "dcgan",
    "bucket": "results",
    "owner": "ada",
    "operation": "provision",
    "host": "laptop",
    "pid": os.getpid(),
}
THEIRS = {**MINE, "owner": "bob", "host": "desktop", "operation": "destroy"}


@pytest.fixture
def s3(account: Any) -> Any:
    client = account.client("s3")
    client.create_bucket(Bucket="results")
    client.put_bucket_versioning(Bucket="results", VersioningConfiguration={"Status": "Enabled"})
    return client


def test_taken_kept_and_released(run_module: Any, s3: Any) -> None:
    first = run_module(stack_lock, **MINE)
    assert first["changed"]
    written = json.loads(s3.get_object(Bucket="results", Key=KEY)["Body"].read())
    assert written == first["lock"]
    assert {key: written[key] for key in ("owner", "host", "pid", "operation")} == {
        "owner": "ada",
        "host": "laptop",
        "pid": os.getpid(),
        "operation": "provision",
    }
    assert run_module(stack_lock, **MINE)["changed"] is False
    assert run_module(stack_lock, **MINE, state="released")["lock"] == {}
    assert "Contents" not in s3.list_objects_v2(Bucket="results")
    assert run_module(stack_lock, **MINE, state="released")["changed"] is False
    assert run_module(stack_lock, **THEIRS)["changed"]


def test_the_second_is_told_who_was_first_and_may_take_over(run_module: Any, s3: Any) -> None:
    run_module(stack_lock, **THEIRS)
    refused = run_module(stack_lock, **MINE)
    assert f"is held by bob on desktop (process {os.getpid()})" in refused["msg"]
    assert run_module(stack_lock, **MINE, state="released")["lock"]["owner"] == "bob"
    taken = run_module(stack_lock, **MINE, take_over=True)
    assert (taken["lock"]["owner"], taken["taken_over_from"]["owner"]) == ("ada", "bob")
    assert "was held by bob on desktop" in str(taken["warnings"])
    assert run_module(stack_lock, **THEIRS, state="released")["lock"]["owner"] == "ada"


def test_what_a_dead_process_of_ours_left_is_taken_over(
    run_module: Any, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_module(stack_lock, **{**MINE, "pid": 4711})
    monkeypatch.setattr(api, "is_alive", lambda pid: pid != 4711)
    taken = run_module(stack_lock, **MINE)
    assert taken["taken_over_from"]["pid"] == 4711
    assert "process 4711, which held it, is gone" in str(taken["warnings"])


def test_who_is_slower_by_a_moment_is_refused(run_module: Any, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run_module(stack_lock, **THEIRS)
    read = api.read
    answers = [(None, "")]
    monkeypatch.setattr(api, "read", lambda *arguments: answers.pop() if answers else read(*arguments))
    assert "is held by bob" in run_module(stack_lock, **MINE)["msg"]


def test_check_mode_holds_nothing_and_refuses_nobody(run_module: Any, account: Any, s3: Any) -> None:
    run_module(stack_lock, **THEIRS)
    account.calls.clear()
    for state in ("taken", "released"):
        assert run_module(stack_lock, check=True, **MINE, state=state)["changed"] is False
    assert account.writing_calls == []


def test_without_a_bucket_there_is_nothing_to_hold(run_module: Any, account: Any) -> None:
    assert run_module(stack_lock, **MINE)["lock"] == {}
    assert run_module(stack_lock, **MINE, state="released")["lock"] == {}


def test_whether_a_process_lives() -> None:
    assert api.is_alive(os.getpid())
    assert api.is_alive(1)
    assert not api.is_alive(2**22 + 1)

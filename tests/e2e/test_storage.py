# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One writer for each stack: who comes second is told who was first."""

from __future__ import annotations

import json

import pytest

from tests.e2e.driver import Lab, Stack, copy_inventory, stack_environment, writes

BUCKET = "trainyard-lock-123456789012-us-east-1"
KEY = ".trainyard/lock/lock.json"
THEIRS = {"owner": "bob", "host": "desktop", "pid": 4711, "started": "2026-11-21T14:30:00Z", "operation": "provision"}


@pytest.fixture(scope="module")
def stack(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    home = tmp_path_factory.mktemp("home")
    made = Stack(
        "lock", lab, home, copy_inventory("lock", home / "inventory", "10.88"), "", stack_environment(lab, home)
    )
    tags = [{"Key": "trainyard:stack", "Value": "lock"}]
    lab.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"Tags": tags})
    lab.client("s3").put_object(Bucket=BUCKET, Key=KEY, Body=json.dumps(THEIRS).encode())
    return made


def test_the_second_writer_is_told_who_was_first(stack: Stack) -> None:
    before = len(stack.lab.calls())
    for playbook in ("provision", "destroy"):
        outcome = stack.play(playbook)
        assert outcome.status != 0
        for text in ("held by bob on desktop", "2026-11-21T14:30:00Z", "provision", "-e stack_take_over=true"):
            assert text in outcome.text
    assert writes(stack.lab.calls(before)) == []
    assert json.loads(stack.objects(KEY)[KEY]) == THEIRS


def test_check_mode_is_refused_to_nobody(stack: Stack) -> None:
    outcome = stack.play("destroy", "--check")
    assert outcome.status == 0, outcome.text


def test_the_stack_is_taken_over_and_let_go(stack: Stack) -> None:
    outcome = stack.play("destroy", "-e", "stack_take_over=true")
    assert outcome.status == 0, outcome.text
    assert "was held by bob on desktop" in " ".join(outcome.text.split())
    assert stack.objects() == {}


def test_nothing_is_left(stack: Stack) -> None:
    outcome = stack.play("destroy", "-e", "stack_purge=lock")
    assert outcome.status == 0, outcome.text
    assert BUCKET not in [bucket["Name"] for bucket in stack.lab.client("s3").list_buckets()["Buckets"]]

# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _runs_api
from ansible_collections.trainyard.aws.plugins.modules import run_info

BUCKET = "trainyard-digits"


@pytest.fixture
def s3(account: Any) -> Any:
    client = account.client("s3")
    client.create_bucket(Bucket=BUCKET)
    for name, started in (("late", "2026-11-21T10:00:00Z"), ("early", "2026-11-20T10:00:00Z")):
        text = json.dumps({"run_id": name, "outcome": "succeeded", "started_at": started})
        client.put_object(Bucket=BUCKET, Key=f"runs/{name}/run.json", Body=text)
    client.put_object(Bucket=BUCKET, Key="runs/going/checkpoints/1.pt", Body="weights")
    client.put_object(Bucket=BUCKET, Key="elsewhere/run.json", Body="{}")
    account.calls.clear()
    return client


@pytest.mark.parametrize("check", [False, True], ids=["run", "check mode"])
def test_all_runs_are_found(run_module: Any, account: Any, s3: Any, check: bool) -> None:
    answer = run_module(run_info, bucket=BUCKET, check=check)
    assert [(run["run_id"], run["outcome"]) for run in answer["runs"]] == [
        ("early", "succeeded"),
        ("late", "succeeded"),
        ("going", "unfinished"),
    ]
    assert answer["runs"][2]["changed_at"]
    assert len(answer["table"].split("\n")) == 4
    assert answer["faults"] == []
    assert not answer["changed"]
    assert account.writing_calls == []


def test_only_the_named_ones_are_read_and_one_that_is_not_there_is_told(run_module: Any, s3: Any) -> None:
    answer = run_module(run_info, bucket=BUCKET, run_ids=["late", "nobody"])
    assert [run["run_id"] for run in answer["runs"]] == ["late"]
    assert answer["faults"] == ["nobody: there is nothing of it in s3://trainyard-digits/runs/"]


def test_it_says_what_the_bucket_keeps_of_each(run_module: Any, s3: Any) -> None:
    latest = {"name": "1.pt", "time": "2026-11-21T10:00:00Z"}
    s3.put_object(Bucket=BUCKET, Key="runs/going/checkpoints/LATEST", Body=json.dumps(latest))
    answer = run_module(run_info, bucket=BUCKET, run_ids=["going", "late", "nobody"])
    assert answer["runs"][1]["newest_checkpoint"] == latest
    assert [text.split(".")[0] for text in answer["kept"]] == [
        'Run "going" had not ended',
        'Run "late" has ended (succeeded), and all it made is in s3://trainyard-digits/runs/late/',
        'Nothing that could be read of run "nobody" is in s3://trainyard-digits/runs/nobody/',
    ]


def test_a_run_whose_node_is_gone_is_told(run_module: Any, s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="runs/going/spec.json", Body='{"settings": {"node": "digits-train-0"}}')
    assert run_module(run_info, bucket=BUCKET)["lost"] == []
    here = run_module(run_info, bucket=BUCKET, nodes=["digits-train-0"])
    assert here["lost"] == []
    assert here["going"] == [
        'Run "going" has not ended on node "digits-train-0"; it has no checkpoint in s3://trainyard-digits/runs/going/checkpoints/.'
    ]
    (text,) = run_module(run_info, bucket=BUCKET, nodes=[])["lost"]
    assert text.startswith('Node "digits-train-0" is gone. Run "going" had not ended')


def test_one_bad_record_does_not_hide_the_others(run_module: Any, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    s3.put_object(Bucket=BUCKET, Key="runs/early/run.json", Body="no JSON")
    s3.put_object(Bucket=BUCKET, Key="runs/huge/run.json", Body=b" " * 101)
    monkeypatch.setattr(_runs_api, "LARGEST_RECORD_BYTES", 100)
    answer = run_module(run_info, bucket=BUCKET)
    assert [run["run_id"] for run in answer["runs"]] == ["late", "going"]
    assert answer["faults"] == [
        "early: run.json is no JSON: Expecting value: line 1 column 1 (char 0)",
        "huge: run.json has 101 bytes, more than any record of ours",
    ]


def test_another_prefix(run_module: Any, s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="team/a/run.json", Body='{"run_id": "a", "outcome": "failed"}')
    assert [run["run_id"] for run in run_module(run_info, bucket=BUCKET, prefix="/team/")["runs"]] == ["a"]


def test_a_bucket_that_is_not_there_is_an_error(run_module: Any, account: Any) -> None:
    answer = run_module(run_info, bucket="nowhere")
    assert answer["msg"].startswith("Cannot read the runs in s3://nowhere/runs/")

# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _run_report_api
from ansible_collections.trainyard.aws.plugins.modules import run_report

BUCKET = "trainyard-digits"
LOG = "".join(f"epoch {epoch}/3 loss={1 / epoch:.4f} accuracy={epoch / 4}\n" for epoch in (1, 2, 3)) + "bye \x1b[31m<b>"


@pytest.fixture
def s3(account: Any) -> Any:
    client = account.client("s3")
    client.create_bucket(Bucket=BUCKET)
    usage = [
        {
            "time": f"2026-11-20T10:0{minute}:00Z",
            "accelerators": [{"name": "L4", "utilization_percent": 10 * minute}],
            "cpu_percent": 50 + minute,
        }
        for minute in range(3)
    ]
    for name, text in {
        "run.json": json.dumps({"run_id": "digits-001", "outcome": "succeeded", "reason": "finished"}),
        "log.txt": LOG,
        "events-0.jsonl": '{"time": "2026-11-20T10:00:00Z", "event": "started"}\n{"cut sho',
        "usage-0.jsonl": "\n".join(map(json.dumps, usage)),
        "usage-11.jsonl": "\n".join(map(json.dumps, usage)) + "\n" + "[" * 100_000,
    }.items():
        client.put_object(Bucket=BUCKET, Key=f"runs/digits-001/{name}", Body=text)
    client.put_object(Bucket=BUCKET, Key="runs/going/log.txt", Body=LOG)
    account.calls.clear()
    return client


def test_a_run_with_a_record_has_a_page(run_module: Any, account: Any, s3: Any, tmp_path: Path) -> None:
    asked = {"bucket": BUCKET, "run_ids": ["digits-001", "going", "nobody"], "dest": str(tmp_path)}
    file, index = tmp_path / "digits-001.html", tmp_path / "index.html"
    checked = run_module(run_report, check=True, **asked)
    assert checked["changed_files"] == [str(file), str(index)]
    assert not file.exists()
    answer = run_module(run_report, **asked)
    assert (answer["changed"], answer["files"]) == (True, [str(file), str(index)])
    assert '<a href="digits-001.html">' in index.read_text()
    assert '<td>going</td><td class="unfinished">' in index.read_text()
    text = file.read_text()
    for told in (
        "finished",
        ">loss</figcaption>",
        "<span>1</span><span>0.3333</span>",
        ">accuracy</figcaption>",
        ">0 L4</span>",
    ):
        assert told in text
    assert text.count("<svg") == 6
    assert text.index("<h3>Node 0</h3>") < text.index("<h3>Node 11</h3>")
    assert "<td>started</td>" in text
    assert "bye &lt;b&gt;" in text
    assert account.writing_calls == []
    again = run_module(run_report, **asked)
    assert (again["changed"], again["changed_files"]) == (False, [])


def test_a_run_of_which_only_the_record_is_left_has_a_page(run_module: Any, s3: Any, tmp_path: Path) -> None:
    for name in ("log.txt", "events-0.jsonl", "usage-0.jsonl", "usage-11.jsonl"):
        s3.delete_object(Bucket=BUCKET, Key=f"runs/digits-001/{name}")
    run_module(run_report, bucket=BUCKET, run_ids=["digits-001"], dest=str(tmp_path))
    assert "<svg" not in (tmp_path / "digits-001.html").read_text()


def test_of_a_huge_log_the_end_is_read(
    run_module: Any, s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_run_report_api, "MOST_LOG_BYTES", 20)
    run_module(run_report, bucket=BUCKET, run_ids=["digits-001"], dest=str(tmp_path))
    text = (tmp_path / "digits-001.html").read_text()
    assert "bye" in text
    assert "epoch 1/3" not in text


def test_a_place_that_is_not_there_is_an_error(run_module: Any, s3: Any, tmp_path: Path) -> None:
    answer = run_module(run_report, bucket=BUCKET, run_ids=["digits-001"], dest=str(tmp_path / "nowhere"))
    assert answer["msg"].startswith(f"Cannot write the pages to {tmp_path}/nowhere: ")

# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _runs
from ansible_collections.trainyard.aws.plugins.module_utils._runs import Fault
from hypothesis import given
from hypothesis import strategies as st

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def record(run_id: str, **more: Any) -> dict[str, Any]:
    return {"run_id": run_id, "outcome": "succeeded", "started_at": "2026-11-20T10:00:00.1Z", **more}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "run.json is no JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ("[]", "run.json has no run_id and no outcome"),
        ('{"run_id": "a", "outcome": 3}', "run.json has no outcome"),
        ('{"run_id": "b\\u001b[31m", "outcome": "failed"}', 'run.json is of another run, "b"'),
    ],
)
def test_a_record_that_cannot_be_is_told(text: str, reason: str) -> None:
    assert _runs.parse_record("a", text) == Fault("a", reason)


@pytest.mark.parametrize(("prefix", "place"), [("runs", "runs/"), ("/team/runs/", "team/runs/"), ("", ""), ("/", "")])
def test_the_place_of_a_prefix(prefix: str, place: str) -> None:
    assert _runs.place_of(prefix) == place


def test_a_record_is_read() -> None:
    assert _runs.parse_record("a", json.dumps(record("a"))) == record("a")


def test_the_oldest_comes_first_and_what_has_not_started_last() -> None:
    runs = [
        record("new", started_at="2026-11-21T10:00:00Z"),
        _runs.unfinished("going", "2026-11-19T10:00:00Z"),
        record("old", started_at="2026-11-20T10:00:00Z"),
    ]
    assert [run["run_id"] for run in _runs.in_order(runs)] == ["old", "new", "going"]


LATEST = '{"name": "epoch-3.pt", "time": "2026-11-21T11:30:00Z", "files": []}'


@pytest.mark.parametrize(
    ("latest", "newest"),
    [
        pytest.param(LATEST, {"name": "epoch-3.pt", "time": "2026-11-21T11:30:00Z"}, id="one"),
        pytest.param("", None, id="never written"),
        pytest.param('{"name": "", "time": "2026-11-21T11:30:00Z"}', None, id="none yet"),
        pytest.param('["epoch-3.pt"]', None, id="a list"),
        pytest.param('{"name": 3, "time": 4}', None, id="no texts"),
    ],
)
def test_the_newest_checkpoint_of_an_unfinished_run(latest: str, newest: dict[str, str] | None) -> None:
    assert _runs.unfinished("a", "2026-11-21T11:30:00Z", latest)["newest_checkpoint"] == newest


@pytest.mark.parametrize(
    ("spec", "node"),
    [
        pytest.param('{"settings": {"node": "dcgan-train-0"}}', "dcgan-train-0", id="it says"),
        pytest.param("", "", id="never written"),
        pytest.param('{"settings": []}', "", id="none of ours"),
        pytest.param('{"settings": {"node": 3}}', "", id="no text"),
    ],
)
def test_the_node_of_an_unfinished_run(spec: str, node: str) -> None:
    assert _runs.unfinished("a", "2026-11-21T11:30:00Z", "", spec)["node"] == node


def test_a_run_is_lost_with_its_node() -> None:
    here, gone, unknown = ('{"settings": {"node": "n-0"}}', '{"settings": {"node": "n-1"}}', "")
    runs = [_runs.unfinished(name, "", LATEST, spec) for name, spec in zip("abc", (here, gone, unknown), strict=True)]
    (text,) = _runs.lost_texts([*runs, {**record("d"), "node": "n-1"}], ["n-0"], "s3://b/runs/")
    assert text.startswith('Node "n-1" is gone. Run "b" had not ended. Safe in s3://b/runs/b/checkpoints/')


def test_a_run_goes_on_where_its_node_is() -> None:
    spec = '{"settings": {"node": "n-0"}}'
    runs = [_runs.unfinished("a", "", LATEST, spec), _runs.unfinished("b", "", "", spec), _runs.unfinished("c", "")]
    assert _runs.going_texts([*runs, {**record("d"), "node": "n-0"}], ["n-0"], "s3://b/runs/") == [
        'Run "a" has not ended on node "n-0"; its newest checkpoint in s3://b/runs/a/checkpoints/ is "epoch-3.pt".',
        'Run "b" has not ended on node "n-0"; it has no checkpoint in s3://b/runs/b/checkpoints/.',
    ]


@pytest.mark.parametrize(
    ("runs", "text"),
    [
        pytest.param([], 'Nothing that could be read of run "a" is in s3://b/runs/a/.', id="nothing"),
        pytest.param(
            [record("z"), record("a")],
            'Run "a" has ended (succeeded), and all it made is in s3://b/runs/a/.',
            id="all",
        ),
        pytest.param(
            [_runs.unfinished("a", "2026-11-21T11:30:00Z")],
            'Run "a" had not ended, and s3://b/runs/a/ has no checkpoint of it.',
            id="no checkpoint",
        ),
        pytest.param(
            [_runs.unfinished("a", "2026-11-21T11:30:00Z", LATEST)],
            'Run "a" had not ended. Safe in s3://b/runs/a/checkpoints/ is its newest checkpoint "epoch-3.pt", copied at '
            "2026-11-21T11:30:00Z; what it made since then is lost if its node is gone. "
            "The playbook resume trains it on from there.",
            id="a checkpoint",
        ),
    ],
)
def test_what_the_bucket_keeps_of_a_run_is_said_in_words(runs: list[dict[str, Any]], text: str) -> None:
    assert _runs.kept_text("a", runs, "s3://b/runs/") == text


def test_runs_stand_side_by_side_with_what_differs() -> None:
    runs = [
        record("a", duration_seconds=5400.4, cost_usd=1.239, hyperparameters={"lr": 0.1, "batch_size": 64}, metrics={"loss": 0.123456}),
        record("b", outcome="failed", hyperparameters={"lr": 0.01, "batch_size": 64}, metrics={"accuracy": 1}),
        _runs.unfinished("c", "2026-11-21T11:30:00Z"),
    ]  # fmt: skip
    assert _runs.table(runs).split("\n") == [
        "run  outcome     started            took   USD  lr      loss  accuracy",
        "a    succeeded   2026-11-20 10:00  1h30m  1.24  0.1   0.1235",
        "b    failed      2026-11-20 10:00               0.01                 1",
        "c    unfinished  2026-11-21 11:30",
    ]


def test_the_commit_of_the_code_stands_beside_it() -> None:
    code = {"commit": "3f2504e04f8911d39a0c0305e82c3301", "changed": True}
    lines = _runs.table(
        [record("a", code=code), record("b", code={**code, "changed": False}), record("c")]
    ).splitlines()
    assert "code" in lines[0]
    assert ["3f2504e04f+" in lines[1], "3f2504e04f" in lines[2], "+" in lines[2], "3f25" in lines[3]] == [
        *(True, True),
        *(False, False),
    ]


def test_no_runs_are_a_heading_alone() -> None:
    assert _runs.table([]) == "run  outcome  started  took  USD"


def test_what_a_run_calls_itself_does_not_steer_the_terminal() -> None:
    runs = [
        record("a", hyperparameters={"\x1b]0;x\x07note": "\x1b[2Jone\ntwo" + "!" * 50}, metrics={"\x1b[5mloss": 1.0}),
        record("b", hyperparameters={}),
    ]
    text = _runs.table(runs)
    assert text.split("\n")[0].split() == ["run", "outcome", "started", "took", "USD", "note", "loss"]
    assert "\x1b" not in text
    assert "one two!!!" in text
    assert "..." in text


@pytest.mark.parametrize("strange", [float("nan"), float("inf"), 10**400, True, "1", None])
def test_a_number_that_is_none_is_left_out(strange: Any) -> None:
    run = record("a", duration_seconds=strange, cost_usd=strange, metrics={"loss": strange})
    assert _runs.table([run]).split("\n")[1] == "a    succeeded  2026-11-20 10:00"


@given(st.lists(st.dictionaries(st.sampled_from(["hyperparameters", "metrics", "started_at", "cost_usd", "duration_seconds"]), ANY_JSON)))  # fmt: skip
def test_whatever_stands_in_the_records_there_is_a_table(found: list[dict[str, Any]]) -> None:
    runs = [{**each, "run_id": f"run-{number}", "outcome": "failed"} for number, each in enumerate(found)]
    assert len(_runs.table(_runs.in_order(runs)).split("\n")) == len(runs) + 1


@pytest.mark.parametrize(
    ("attempts", "told"), [(1, "succeeded "), (3, "succeeded (attempt 3)"), ("x", "succeeded "), (0, "succeeded ")]
)
def test_the_table_tells_how_often_a_run_was_started(attempts: Any, told: str) -> None:
    assert f"a    {told}" in _runs.table([record("a", attempts=attempts)])

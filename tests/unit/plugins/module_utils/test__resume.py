# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _resume
from ansible_collections.trainyard.aws.plugins.module_utils._container_decide import spec_of
from ansible_collections.trainyard.aws.plugins.module_utils._container_types import TrainingError
from ansible_collections.trainyard.aws.plugins.module_utils._resume import Attempt, Checkpoint, Earlier

from tests.unit.plugins.module_utils.test__container_engine import params_in

SHA = "0" * 64


@pytest.mark.parametrize(
    ("written", "path", "epoch"),
    [
        pytest.param({}, None, None, id="none"),
        pytest.param({"epoch-0001.pt": 1, "epoch-0012.pt": 2}, "epoch-0012.pt", 12, id="numbered"),
        pytest.param({"epoch-9.pt": 5, "epoch-10.pt": 5}, "epoch-10.pt", 10, id="at the same time"),
        pytest.param({"epoch-1.pt": 9, "epoch-2.pt": 2}, "epoch-1.pt", 1, id="by time, not by number"),
        pytest.param({"best.pt": 9, "epoch-2.pt": 2}, "epoch-2.pt", 2, id="a number before none"),
        pytest.param({"last.pt": 9, "best.pt": 2}, "last.pt", None, id="no number"),
        pytest.param(
            {"houses/checkpoint_2.pt": 2, "houses/checkpoint_1.pt": 1}, "houses/checkpoint_2.pt", 2, id="in a folder"
        ),
        pytest.param({"msls_001/checkpoint_3.pt": 2}, "msls_001/checkpoint_3.pt", 3, id="in a numbered folder"),
        pytest.param(
            {"checkpoint-500/a-1-of-2.bin": 2, "checkpoint-400/b": 1}, "checkpoint-500", 500, id="a directory"
        ),
        pytest.param({"out/step=20/m.bin": 2}, "out/step=20", 20, id="a directory in a folder"),
        pytest.param({"model-7/weights.bin": 2}, "model-7", 7, id="a directory of another name"),
        pytest.param({"v1.5-epoch3.ckpt": 2}, "v1.5-epoch3.ckpt", 3, id="the last number"),
    ],
)
def test_the_newest_checkpoint_and_its_number(written: dict[str, int], path: str | None, epoch: int | None) -> None:
    assert _resume.newest_checkpoint(written) == (Checkpoint(path, epoch) if path else None)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param([], ["train", "--s_epoch", "0", "--n_epoch", "9", "x"], id="none"),
        pytest.param(["--s_epoch", "2"], ["train", "--s_epoch", "2", "--n_epoch", "9", "x"], id="replaced"),
        pytest.param(
            ["--resume", "/p"], ["train", "--s_epoch", "0", "--n_epoch", "9", "x", "--resume", "/p"], id="appended"
        ),
        pytest.param(["--n_epoch=3"], ["train", "--s_epoch", "0", "--n_epoch=3", "x"], id="with a sign"),
        pytest.param(["-1"], ["train", "--s_epoch", "0", "--n_epoch", "9", "x", "-1"], id="a number is no option"),
        pytest.param(
            ["--s_epoch", "2", "--resume"],
            ["train", "--s_epoch", "2", "--n_epoch", "9", "x", "--resume"],
            id="both",
        ),
    ],
)
def test_options_replace_the_same_ones_or_come_last(arguments: list[str], expected: list[str]) -> None:
    assert list(_resume.command_with(["train", "--s_epoch", "0", "--n_epoch", "9", "x"], arguments)) == expected


def test_an_option_with_a_sign_is_replaced() -> None:
    assert _resume.command_with(["a", "--from=0", "b"], ["--from", "3"]) == ("a", "--from", "3", "b")


def test_placeholders_are_filled_in() -> None:
    checkpoint = Checkpoint("houses/checkpoint_2.pt", 2)
    arguments = ["--s_epoch", "{epoch}", "--resume={path}", "{name}", "{directory}", "{other}"]
    assert _resume.filled(arguments, checkpoint) == (
        "--s_epoch",
        "2",
        "--resume=/opt/ml/checkpoints/houses/checkpoint_2.pt",
        "checkpoint_2.pt",
        "/opt/ml/checkpoints",
        "{other}",
    )
    assert _resume.filled(arguments, None) == ()
    with pytest.raises(TrainingError, match=r'"last\.pt", has no number'):
        _resume.filled(arguments, Checkpoint("last.pt", None))


@pytest.mark.parametrize("path", ["../evil", "/etc/passwd", "a//b", "LATEST", "a\nb", ""])
def test_latest_names_only_files_below_the_checkpoints(path: str) -> None:
    with pytest.raises(TrainingError, match="LATEST"):
        _resume.saved_in(json.dumps({"files": [{"path": path, "size": 1, "sha256": SHA}]}))


@pytest.mark.parametrize("text", ["", "no json", "[]", "{}", '{"files": [{"path": "a", "size": 1, "sha256": "x"}]}'])
def test_a_latest_that_cannot_be_used_is_told(text: str) -> None:
    with pytest.raises(TrainingError, match="LATEST in the bucket"):
        _resume.saved_in(text)


def test_after_a_lost_node_only_the_newest_is_doubtful() -> None:
    written = {"epoch-1.pt": 1, "epoch-2.pt": 2, "epoch-3.pt": 3}
    assert _resume.doubtful_units(written, {"epoch-1.pt"}) == {"epoch-3.pt"}
    assert _resume.doubtful_units(written, set(written)) == set()


def test_a_container_is_made_again_from_its_document(tmp_path: Path) -> None:
    want = spec_of(params_in(tmp_path, environment={"A": "b"}, command=["x"], memory="8g"))
    document = json.loads(json.dumps(asdict(replace(want, image_digest="image@sha256:1"))))
    again = _resume.spec_of_document(document, Attempt(2, "/opt/ml/checkpoints/e-1", 1, ("x", "y")))
    expected = {**dict(want.environment), "TRAINYARD_RESUME_CHECKPOINT": "/opt/ml/checkpoints/e-1"}
    assert dict(again.environment) == expected
    assert again == replace(
        want,
        image_digest="image@sha256:1",
        attempt=2,
        attempt_command=("x", "y"),
        environment=tuple(sorted(expected.items())),
    )


def test_attempts_come_back_as_they_were_written() -> None:
    attempt = Attempt(
        3, "/c", 4, ("x",), (Earlier(1, duration_seconds=10, cost_usd=0.5), Earlier(2, duration_seconds=5))
    )
    assert Attempt.parse(json.loads(json.dumps(asdict(attempt)))) == attempt
    assert Attempt.parse({}) == Attempt()
    assert (attempt.earlier_seconds, attempt.earlier_usd) == (15, 0.5)
    assert [each.attempt for each in attempt.before(2).earlier] == [1]


def test_what_an_attempt_used_is_what_the_record_has_more() -> None:
    before = Attempt(2, earlier=(Earlier(1, duration_seconds=10, cost_usd=0.5),))
    found = _resume.earlier_of_record(
        {"duration_seconds": 30, "cost_usd": 2.0, "exit_code": 3, "reason": "bad"}, 2, before
    )
    assert (found.duration_seconds, found.cost_usd, found.exit_code, found.reason) == (20, 1.5, 3, "bad")
    lost = _resume.earlier_of_lost({"price_per_hour_usd": 3.6, "node": "n"}, before, 40.0)
    assert (lost.attempt, lost.duration_seconds, lost.cost_usd, lost.node) == (2, 30, 0.03, "n")


@pytest.mark.parametrize(
    "document",
    [
        pytest.param("no json", id="no JSON"),
        pytest.param({"format": 2}, id="another format"),
        pytest.param({"run_id": "b"}, id="another run"),
        pytest.param({"container": {}}, id="no digest"),
    ],
)
def test_a_spec_that_cannot_be_used_is_told(document: t.Any) -> None:
    good = _resume.spec_document({"run_id": "a", "image_digest": "sha256:1"}, {}, {}, "{}")
    assert _resume.parse_spec("a", json.dumps(good)) == good
    text = document if isinstance(document, str) else json.dumps({**good, **document})
    with pytest.raises(TrainingError, match=r"its spec\.json in the bucket cannot be used"):
        _resume.parse_spec("a", text)


@pytest.mark.parametrize(
    ("text", "attempts"),
    [("", None), ("{", None), ('{"outcome": "failed"}', 1), ('{"outcome": "failed", "attempts": 3}', 3)],
)
def test_a_record_tells_how_often_the_run_was_started(text: str, attempts: int | None) -> None:
    assert _resume.parse_record(text).get("attempts") == attempts

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _supervisor_copies as copies
from ansible_collections.trainyard.aws.plugins.module_utils._container_types import TrainingError
from ansible_collections.trainyard.aws.plugins.module_utils._training_results_store import Bucket

from tests.unit.plugins.module_utils.test__supervisor_loop import PLACE
from tests.unit.plugins.module_utils.test__supervisor_loop import Bucket as FakeBucket


class Training:
    """Checkpoints on a disk, and their copies."""

    def __init__(self, directory: Path, kept: int = 0) -> None:
        self.root = directory / "checkpoints"
        self.root.mkdir()
        self.bucket = FakeBucket()
        self.while_resting: t.Callable[[], object] = lambda: None
        bucket = Bucket(self._s5cmd, f"{PLACE}checkpoints")
        self.copier = copies.Copier(bucket, str(self.root), str(directory / "latest.json"), 0, kept, 10)
        self.while_copying: t.Callable[[], object] = lambda: None

    def _s5cmd(self, arguments: t.Sequence[str], data: str | None) -> tuple[int, str, str]:
        answer = self.bucket(arguments, data)
        if data:
            self.while_copying()
        return answer

    def write(self, name: str, text: str = "x", when: int = 100) -> None:
        (self.root / name).write_text(text)
        os.utime(self.root / name, (when, when))


@pytest.fixture
def training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Training:
    made = Training(tmp_path)
    monkeypatch.setattr(copies.time, "sleep", lambda seconds: made.while_resting())
    return made


def test_a_half_written_file_is_not_copied(training: Training) -> None:
    training.write("epoch-1.pt")
    training.write("epoch-2.pt", "half")
    with (training.root / "epoch-2.pt").open("a"):
        done = training.copier.round({}, 0)
    assert (done.copied, done.newest) == (("epoch-1.pt",), "epoch-1.pt")
    assert training.bucket.paths() == {"checkpoints/epoch-1.pt", "checkpoints/LATEST"}
    assert training.copier.round(done.copies, 0).copied == ("epoch-2.pt",)


def test_a_file_that_grows_between_two_looks_waits(training: Training) -> None:
    training.write("epoch-1.pt")
    training.while_resting = lambda: training.write("epoch-1.pt", "longer", 101)
    assert training.copier.round({}, 0).copied == ()
    assert training.bucket.objects == {}


def test_a_file_that_changed_on_its_way_is_not_pointed_to(training: Training) -> None:
    training.write("epoch-1.pt")
    training.write("last.pt")
    training.while_copying = lambda: training.write("last.pt", "other", 102)
    done = training.copier.round({}, 0)
    assert done.copied == ("epoch-1.pt",)
    assert [entry["path"] for entry in training.bucket.latest()["files"]] == ["epoch-1.pt"]
    training.while_copying = lambda: None
    assert training.copier.round(done.copies, 0).copied == ("last.pt",)


def test_latest_points_only_to_what_was_seen_in_the_bucket(training: Training) -> None:
    training.write("epoch-1.pt")

    def lose() -> None:
        training.bucket.objects.pop(f"{PLACE}checkpoints/epoch-1.pt", None)

    training.while_copying = lose
    with pytest.raises(TrainingError, match=r"epoch-1\.pt is missing"):
        training.copier.round({}, 0)
    assert training.bucket.objects == {}


def test_what_the_training_removed_is_no_longer_pointed_to(training: Training) -> None:
    training.write("epoch-1.pt")
    training.write("epoch-2.pt", when=200)
    done = training.copier.round({}, 0)
    (training.root / "epoch-1.pt").unlink()
    training.copier.round(done.copies, 0)
    assert [entry["path"] for entry in training.bucket.latest()["files"]] == ["epoch-2.pt"]
    assert "checkpoints/epoch-1.pt" in training.bucket.paths()


def test_latest_is_written_only_when_it_says_something_new(training: Training) -> None:
    training.write("epoch-1.pt")
    done = training.copier.round({}, 0)
    training.copier.round(done.copies, 50)
    assert training.bucket.order.count("checkpoints/LATEST") == 1


def test_event_files_are_no_checkpoints(training: Training) -> None:
    (training.root / "epoch-1").mkdir()
    training.write("epoch-1/model.pt")
    training.write("events.out.tfevents.7.node.1.0", when=200)
    training.write("epoch-1/events.out.tfevents.8.node.1.0", when=200)
    with (training.root / "epoch-1/events.out.tfevents.8.node.1.0").open("a"):
        done = training.copier.round({}, 0)
    assert (done.copied, done.newest) == (("epoch-1/model.pt",), "epoch-1")


def test_a_file_that_a_killed_training_was_writing_is_left_out(training: Training) -> None:
    training.write("epoch-1.pt", when=100)
    training.write("epoch-2.pt", when=999)
    done = training.copier.round({}, 0, copies.Ended(137, 1000.0))
    assert (done.copied, done.newest) == (("epoch-1.pt",), "epoch-1.pt")


def test_old_checkpoints_that_may_not_be_removed_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training = Training(tmp_path, kept=1)
    monkeypatch.setattr(copies.time, "sleep", lambda seconds: None)
    training.write("epoch-1.pt", when=1)
    first = training.copier.round({}, 0)
    training.write("epoch-2.pt", when=2)
    monkeypatch.setattr(training.copier._bucket, "remove", refused)
    done = training.copier.round(first.copies, 0)
    assert "AccessDenied" in done.not_removed
    assert (done.copied, done.removed) == (("epoch-2.pt",), ())
    assert [entry["path"] for entry in training.bucket.latest()["files"]] == ["epoch-2.pt"]


def refused(paths: t.Iterable[str]) -> None:
    raise TrainingError("Cannot remove", "AccessDenied.", "See the role.")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param(b'{"spent_seconds": 12.5}', 12.5, id="ours"),
        pytest.param(b"oops", 0.0, id="nothing that can be read"),
        pytest.param(None, 0.0, id="none"),
    ],
)
def test_earlier_seconds(training: Training, text: bytes | None, seconds: float) -> None:
    if text is not None:
        training.bucket.objects[f"{PLACE}checkpoints/LATEST"] = text
    assert training.copier.earlier_seconds() == seconds

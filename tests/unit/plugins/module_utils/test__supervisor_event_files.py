# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils._supervisor import is_event_file
from ansible_collections.trainyard.aws.plugins.module_utils._supervisor_event_files import EventFiles
from ansible_collections.trainyard.aws.plugins.module_utils._training_results_store import Bucket

from tests.unit.plugins.module_utils.test__supervisor_loop import PLACE
from tests.unit.plugins.module_utils.test__supervisor_loop import Bucket as FakeBucket

EVENTS = "events.out.tfevents.1790000000.node.42.0"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (EVENTS, True),
        (f"tb/train/{EVENTS}", True),
        (f"tb/{EVENTS}.v2", True),
        ("epoch-1.pt", False),
        ("tfevents.json", False),
        ("old.tfevents.d/epoch-1.pt", False),
    ],
)
def test_is_event_file(path: str, expected: bool) -> None:
    assert is_event_file(path) is expected


class Training:
    """Two directories that a training writes to, and a bucket."""

    def __init__(self, directory: Path) -> None:
        self.checkpoints, self.output = directory / "checkpoints", directory / "output"
        self.bucket = FakeBucket()
        place = Bucket(self.bucket, f"{PLACE}tensorboard")
        self.files = EventFiles(place, [str(self.checkpoints), str(self.output)])

    def write(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(text)


@pytest.fixture
def training(tmp_path: Path) -> Training:
    return Training(tmp_path)


def test_they_are_copied_while_they_are_written(training: Training) -> None:
    training.write(training.output / "tb" / EVENTS, "one")
    training.write(training.checkpoints / f"{EVENTS}.v2", "two")
    training.write(training.checkpoints / "epoch-1.pt", "weights")
    with (training.output / "tb" / EVENTS).open("a"):
        assert training.files.round() == ""
    assert training.bucket.objects == {
        f"{PLACE}tensorboard/tb/{EVENTS}": b"one",
        f"{PLACE}tensorboard/{EVENTS}.v2": b"two",
    }


def test_only_what_has_grown_is_copied_again(training: Training) -> None:
    grows = training.output / EVENTS
    training.write(grows, "one")
    training.write(training.output / "other" / EVENTS, "stays")
    training.files.round()
    training.write(grows, "two")
    training.files.round()
    training.files.round()
    assert training.bucket.order == [f"tensorboard/{EVENTS}", f"tensorboard/other/{EVENTS}", f"tensorboard/{EVENTS}"]
    assert training.bucket.objects[f"{PLACE}tensorboard/{EVENTS}"] == b"onetwo"


def test_what_was_refused_is_copied_later(training: Training) -> None:
    training.write(training.output / EVENTS, "one")
    training.bucket.refuses = True
    assert "AccessDenied" in training.files.round()
    training.bucket.refuses = False
    assert training.files.round() == ""
    assert training.bucket.paths() == {f"tensorboard/{EVENTS}"}


def test_a_link_is_not_followed(training: Training, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    training.output.mkdir()
    (training.output / EVENTS).symlink_to(tmp_path / "secret")
    assert training.files.round() == ""
    assert training.bucket.objects == {}

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache of channels on a disk of 100 bytes."""

from __future__ import annotations

import fcntl
import os
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _channels_prune as prune
from ansible_collections.trainyard.aws.plugins.module_utils import _channels_store as store
from ansible_collections.trainyard.aws.plugins.module_utils._channels import S3, Channel
from ansible_collections.trainyard.aws.plugins.module_utils._container_types import EngineAway, TrainingError

from tests.unit.plugins.module_utils.test__channels_store import FakeS5cmd

DAY = 86400


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With versions of 20 bytes: a/old, a/new and b/only, unused for 3, 1 and 2 days."""

    def usage(path: str) -> t.Any:
        held = {(found := file.stat()).st_ino: found.st_size for file in tmp_path.rglob("*.bin")}
        return type("Usage", (), {"free": 100 - sum(held.values()), "total": 100})

    monkeypatch.setattr(prune.shutil, "disk_usage", usage)
    for name, days in (("a/old", 3), ("a/new", 1), ("b/only", 2)):
        directory = tmp_path / name
        directory.mkdir(parents=True)
        (directory / "data.bin").write_bytes(b"x" * 20)
        Path(f"{directory}.json").write_text("[]")
        os.utime(directory, (0, time.time() - days * DAY))
    return tmp_path


def left(cache: Path) -> set[str]:
    return {str(path.relative_to(cache)) for path in cache.glob("*/*") if path.is_dir()}


def room(cache: Path, needed: int, percent: int = 0, mounted: t.Iterable[str] = (), home: str = "") -> list[str]:
    places = {str(cache / each) for each in mounted}
    gone = prune.make_room(str(cache), str(cache / home) if home else "", needed, percent, lambda: places)
    return [os.path.relpath(each, cache) for each in gone]


@pytest.mark.parametrize(
    ("needed", "percent", "mounted", "gone"),
    [
        pytest.param(40, 0, [], [], id="there is room"),
        pytest.param(41, 0, [], ["a/old"], id="the longest unused"),
        pytest.param(61, 0, [], ["a/old", "b/only"], id="and the next"),
        pytest.param(99, 0, [], ["a/old", "b/only", "a/new"], id="all"),
        pytest.param(0, 50, [], ["a/old"], id="so much stays free"),
        pytest.param(41, 0, ["a/old"], ["b/only"], id="never what is mounted"),
        pytest.param(41, 0, ["a/old/images"], ["b/only"], id="nor what lies above it"),
        pytest.param(99, 0, ["a/old", "a/new", "b/only"], [], id="all are mounted"),
    ],
)
def test_what_goes(cache: Path, needed: int, percent: int, mounted: list[str], gone: list[str]) -> None:
    before = left(cache)
    assert room(cache, needed, percent, mounted) == gone
    assert left(cache) == before - set(gone)
    assert {path.stem for path in cache.glob("*/*.json")} == {Path(each).name for each in left(cache)}


def test_what_was_just_asked_for_stays(cache: Path) -> None:
    prune.note_use(str(cache / "a" / "old"))
    assert room(cache, 41) == ["b/only"]


def test_nothing_goes_where_nobody_knows_what_is_mounted(cache: Path) -> None:
    def away() -> set[str]:
        raise EngineAway("Cannot see", "Docker is away.", "Wait.")

    assert prune.make_room(str(cache), "", 99, 0, away) == []
    assert len(left(cache)) == 3


def test_a_source_that_another_fetches_is_left_alone(cache: Path) -> None:
    descriptor = os.open(cache / "a", os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        assert room(cache, 41) == ["b/only"]
        assert room(cache, 61, home="a") == ["a/old"]  # its own lock
    finally:
        os.close(descriptor)


def test_what_is_half_there_is_no_version(cache: Path) -> None:
    (cache / "a" / "next.part").mkdir()
    assert room(cache, 99) == ["a/old", "b/only", "a/new"]
    assert left(cache) == {"a/next.part"}


def test_a_new_version_takes_the_place_of_the_oldest(cache: Path) -> None:
    s5cmd = FakeS5cmd(**{"x/1.bin": b"y" * 50})
    here = store.Cache(str(cache), s5cmd, False, 0, lambda: {str(cache / "a" / "old")})
    result = store.stage([Channel("images", S3, "s3://bucket/x/")], here)
    assert result["removed"] == [str(cache / "b" / "only")]
    assert result["lines"][1:] == [f"{cache}/b/only: removed from the cache to make room"]
    assert left(cache) >= {"a/old", "a/new"}
    assert store.stage([Channel("images", S3, "s3://bucket/x/")], here)["changed"] is False


def test_a_version_that_is_asked_for_again_is_young_again(cache: Path) -> None:
    s5cmd = FakeS5cmd(**{"x/1.bin": b"y"})
    here = store.Cache(str(cache), s5cmd, False, 0, set)
    channel = Channel("images", S3, "s3://bucket/x/")
    directory = store.stage([channel], here)["channels"][0]["directory"]
    os.utime(directory, (0, 0))
    store.stage([channel], store.Cache(str(cache), s5cmd, True, 0, set))
    assert Path(directory).stat().st_mtime == 0
    store.stage([channel], here)
    assert Path(directory).stat().st_mtime > time.time() - 600


def test_too_much_is_still_refused(cache: Path) -> None:
    here = store.Cache(str(cache), FakeS5cmd(**{"x/1.bin": b"y" * 150}), False, 0, set)
    with pytest.raises(TrainingError, match="150 B are to be fetched"):
        store.stage([Channel("images", S3, "s3://bucket/x/")], here)

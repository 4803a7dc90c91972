# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import shlex
import tarfile
import typing as t
import zipfile
from pathlib import Path

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _channels_archive as archives
from ansible_collections.trainyard.aws.plugins.module_utils import _channels_store as store
from ansible_collections.trainyard.aws.plugins.module_utils._channels import ARCHIVE, NODE, S3, Channel
from ansible_collections.trainyard.aws.plugins.module_utils._container_types import TrainingError


class FakeS5cmd:
    """A bucket behind the command line of s5cmd. The ETag of an object is its content's checksum."""

    def __init__(self, **objects: bytes) -> None:
        self.objects = {"s3://bucket/" + name: body for name, body in objects.items()}
        self.fetched: list[str] = []
        self.says = ""

    def __call__(self, arguments: t.Sequence[str], data: str | None) -> tuple[int, str, str]:
        if self.says:
            return 1, "", self.says
        if "ls" in arguments:
            found = [
                {"key": key, "type": "file", "size": len(body), "etag": hashlib.sha256(body).hexdigest()}
                for key, body in self.objects.items()
                if key.startswith(arguments[-1].rstrip("*"))
            ]
            lines = "\n".join(map(json.dumps, found))
            return (0, lines, "") if found else (1, "", 'ERROR "ls": no object found')
        for line in (data or shlex.join(arguments[2:])).splitlines():
            verb, raw, source, target = shlex.split(line)
            assert (verb, raw) == ("cp", "--raw")
            Path(target).write_bytes(self.objects[source])
            self.fetched.append(source)
        return 0, "", ""


def staged(tmp_path: Path, s5cmd: FakeS5cmd, *channels: Channel, check_mode: bool = False) -> dict[str, t.Any]:
    return store.stage(channels, cache_in(tmp_path, s5cmd, check_mode))


def cache_in(tmp_path: Path, s5cmd: t.Any, check_mode: bool = False) -> store.Cache:
    return store.Cache(str(tmp_path / "cache"), s5cmd, check_mode, mounted=set)


IMAGES = Channel("images", S3, "s3://bucket/x/")


def test_a_prefix_is_fetched_once(tmp_path: Path) -> None:
    s5cmd = FakeS5cmd(**{"x/a/1": b"one", "x/2": b"two", "y": b"other"})
    first = staged(tmp_path, s5cmd, IMAGES)
    (channel,) = first["channels"]
    directory = Path(channel["directory"])
    assert first["changed"]
    assert (channel["files"], channel["bytes"]) == (2, 6)
    assert (directory / "a" / "1").read_bytes() == b"one"
    assert (directory / "a").stat().st_mode & 0o777 == 0o755
    assert first["volumes"] == [{"source": str(directory), "target": "/opt/ml/input/data/images", "read_only": True}]
    again = staged(tmp_path, s5cmd, IMAGES)
    assert not again["changed"]
    assert again["channels"] == first["channels"]
    assert len(s5cmd.fetched) == 2
    assert again["lines"] == ["images: 2 files, 6 B from s3://bucket/x/, here already"]


def test_what_changed_upstream_is_fetched_beside_what_a_training_reads(tmp_path: Path) -> None:
    s5cmd = FakeS5cmd(**{"x/1": b"one", "x/2": b"two"})
    old = Path(staged(tmp_path, s5cmd, IMAGES)["channels"][0]["directory"])
    s5cmd.objects["s3://bucket/x/2"] = b"TWO"  # as long as before
    s5cmd.fetched.clear()
    result = staged(tmp_path, s5cmd, IMAGES)
    new = Path(result["channels"][0]["directory"])
    assert result["changed"]
    assert s5cmd.fetched == ["s3://bucket/x/2"]
    assert (old / "2").read_bytes() == b"two"
    assert (new / "2").read_bytes() == b"TWO"
    assert (old / "1").stat().st_ino == (new / "1").stat().st_ino


def test_what_was_damaged_or_broken_off_is_fetched_anew(tmp_path: Path) -> None:
    s5cmd = FakeS5cmd(**{"x/1": b"one"})
    directory = Path(staged(tmp_path, s5cmd, IMAGES)["channels"][0]["directory"])
    (directory / "1").unlink()
    broken = Path(f"{directory}.part")
    broken.mkdir()
    (broken / "half").touch()
    assert staged(tmp_path, s5cmd, IMAGES)["changed"]
    assert [file.name for file in directory.iterdir()] == ["1"]
    assert not broken.exists()


def test_check_mode_fetches_nothing(tmp_path: Path) -> None:
    s5cmd = FakeS5cmd(**{"x/1": b"one"})
    result = staged(tmp_path, s5cmd, IMAGES, Channel("a", ARCHIVE, "https://x/y", "1" * 64), check_mode=True)
    assert result["changed"]
    assert result["lines"][0] == "images: 1 files, 3 B from s3://bucket/x/, would be fetched"
    assert not s5cmd.fetched
    assert list(tmp_path.iterdir()) == []
    staged(tmp_path, s5cmd, IMAGES)
    assert not staged(tmp_path, s5cmd, IMAGES, check_mode=True)["changed"]


def looked_at(tmp_path: Path, s5cmd: FakeS5cmd, *channels: Channel) -> dict[str, t.Any]:
    return store.stage(channels, dataclasses.replace(cache_in(tmp_path, s5cmd), fetch=False))


def test_whoever_looks_hears_what_is_lacking_and_fetches_nothing(tmp_path: Path) -> None:
    s5cmd = FakeS5cmd(**{"x/1": b"one", "z/1": b"two"})
    staged(tmp_path, s5cmd, Channel("here", S3, "s3://bucket/z/"))
    s5cmd.fetched.clear()
    archive = Channel("a", ARCHIVE, "https://x/y", "1" * 64)
    result = looked_at(tmp_path, s5cmd, IMAGES, archive, Channel("here", S3, "s3://bucket/z/"))
    assert result["fetched"] == ["images", "a"]
    assert [each["bytes"] for each in result["channels"]] == [3, None, 3]
    assert result["lines"][2] == "here: 1 files, 3 B from s3://bucket/z/, here already"
    assert not s5cmd.fetched
    assert not list(tmp_path.glob("cache/*/*.part"))
    assert staged(tmp_path, s5cmd, IMAGES)["fetched"] == ["images"]


def test_what_is_there_is_held_for_whoever_looks(tmp_path: Path) -> None:
    s5cmd = FakeS5cmd(**{"x/1": b"one"})
    directory = staged(tmp_path, s5cmd, IMAGES)["channels"][0]["directory"]
    os.utime(directory, (0, 0))
    result = looked_at(tmp_path, s5cmd, IMAGES)
    assert (result["changed"], result["fetched"]) == (False, [])
    assert os.stat(directory).st_mtime > 0


def test_whoever_looks_does_not_wait_for_what_another_task_fetches(tmp_path: Path) -> None:
    s5cmd = FakeS5cmd(**{"x/1": b"one"})
    home = os.path.dirname(staged(tmp_path, s5cmd, IMAGES)["channels"][0]["directory"])
    with store.alone_in(home):
        assert looked_at(tmp_path, s5cmd, IMAGES)["fetched"] == ["images"]
    assert looked_at(tmp_path, s5cmd, IMAGES)["fetched"] == []


def test_an_object_that_changes_while_it_is_fetched_is_noticed(tmp_path: Path) -> None:
    s5cmd = FakeS5cmd(**{"x/1": b"one"})

    def shrinks(arguments: t.Sequence[str], data: str | None) -> tuple[int, str, str]:
        answer = s5cmd(arguments, data)
        s5cmd.objects["s3://bucket/x/1"] = b"o"
        return answer

    with pytest.raises(TrainingError, match=r"not whole on the node: 1\. Did the objects change"):
        store.stage([IMAGES], cache_in(tmp_path, shrinks))


def test_a_full_disk_is_said_before_anything_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    s5cmd = FakeS5cmd(**{"x/1": b"one"})
    monkeypatch.setattr(store.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 2, "total": 2}))
    with pytest.raises(TrainingError, match=r"3 B are to be fetched, and .* has room for 2 B"):
        staged(tmp_path, s5cmd, IMAGES)
    assert not s5cmd.fetched


def test_every_channel_with_a_fault_is_named(tmp_path: Path) -> None:
    s5cmd = FakeS5cmd()
    s5cmd.says = "ERROR AccessDenied: Access Denied"
    (tmp_path / "empty").mkdir()
    with pytest.raises(TrainingError) as error:
        staged(tmp_path, s5cmd, IMAGES, *(Channel(name, NODE, str(tmp_path / name)) for name in ("empty", "gone")))
    text = str(error.value)
    assert '- Cannot stage channel "images" from s3://bucket/x/: ERROR AccessDenied: Access Denied.' in text
    assert "aws_identity_datasets" in text
    assert f'- Cannot stage channel "empty" from {tmp_path}/empty: it is empty.' in text
    assert "it does not exist on the node." in text


def test_a_directory_of_the_node_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "1").touch()
    result = staged(tmp_path, FakeS5cmd(), Channel("data", NODE, str(tmp_path / "data")))
    assert not result["changed"]
    assert result["volumes"][0]["source"] == str(tmp_path / "data")
    assert not (tmp_path / "cache").exists()


def test_the_first_mounted_fast_disk_holds_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "ismount", lambda path: path == "/b")
    assert store.cache_directory(["/a", "/b"], "/var/c") == "/b/trainyard/channels"
    assert store.cache_directory(["/a"], "/var/c") == "/var/c"


# ---- Archives ------------------------------------------------------------------------------------------------------


def tar_of(path: Path, *members: tuple[str, str, str]) -> Channel:
    """Members are (type, name, content or target)."""
    with tarfile.open(path, "w:gz") as tar:
        for kind, name, value in members:
            info = tarfile.TarInfo(name)
            info.type = getattr(tarfile, kind)
            info.mode = 0o777
            if kind == "REGTYPE":
                info.size = len(value)
            else:
                info.linkname = value
            tar.addfile(info, io.BytesIO(value.encode()))
    return channel_of(path)


def channel_of(path: Path) -> Channel:
    return Channel("words", ARCHIVE, f"https://example.com/{path.name}", hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What is asked for comes from the folder of the test."""
    asked: list[str] = []

    def open_url(url: str, timeout: float) -> t.IO[bytes]:
        asked.append(url)
        return (tmp_path / Path(url).name).open("rb")

    monkeypatch.setattr(archives, "open_url", open_url)
    return asked


def test_an_archive_is_fetched_and_unpacked_once(tmp_path: Path, served: list[str]) -> None:
    words = tar_of(
        tmp_path / "words.tgz",
        ("REGTYPE", "./deep/a.txt", "alpha"),
        ("SYMTYPE", "deep/link", "../b.txt"),
        ("REGTYPE", "b.txt", "beta"),
        ("LNKTYPE", "hard", "b.txt"),
    )
    first = staged(tmp_path, FakeS5cmd(), words)
    directory = Path(first["channels"][0]["directory"])
    assert (directory / "deep" / "a.txt").read_text() == "alpha"
    assert (directory / "deep" / "link").read_text() == "beta"
    assert (directory / "hard").read_text() == "beta"
    assert sorted(file.name for file in directory.parent.iterdir()) == [directory.name]
    again = staged(tmp_path, FakeS5cmd(), words)
    assert not again["changed"]
    assert again["channels"] == first["channels"]
    assert len(served) == 1


def test_a_zip_archive_from_s3(tmp_path: Path) -> None:
    file = tmp_path / "words.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a/b.txt", "beta")
    words = Channel("words", ARCHIVE, "s3://bucket/words.zip", hashlib.sha256(file.read_bytes()).hexdigest())
    result = staged(tmp_path, FakeS5cmd(**{"words.zip": file.read_bytes()}), words)
    assert Path(result["channels"][0]["directory"], "a", "b.txt").read_text() == "beta"


@pytest.mark.parametrize(
    ("members", "fault"),
    [
        pytest.param([("REGTYPE", "../out", "x")], "its entry ../out lies outside of it", id="file outside"),
        pytest.param([("SYMTYPE", "a", "/etc")], "outside of it", id="link to the node"),
        pytest.param(
            [("SYMTYPE", "a", "."), ("SYMTYPE", "b", "a/../x"), ("REGTYPE", "f", "")], "leads outside", id="two links"
        ),
        pytest.param([("SYMTYPE", "a", "d"), ("REGTYPE", "a/x", "")], "exists", id="file through a link"),
        pytest.param([("LNKTYPE", "a", "gone")], "No such file", id="hard link to nothing"),
        pytest.param([("FIFOTYPE", "a", "")], "is neither a file, a directory nor a link", id="pipe"),
        pytest.param([("DIRTYPE", "a", "")], "it holds no file", id="nothing"),
    ],
)
def test_archives_that_are_refused(
    tmp_path: Path, served: list[str], members: list[tuple[str, str, str]], fault: str
) -> None:
    words = tar_of(tmp_path / "words.tgz", *members)
    with pytest.raises(TrainingError, match=fault) as error:
        staged(tmp_path, FakeS5cmd(), words)
    assert 'Cannot stage channel "words"' in str(error.value)
    assert list((tmp_path / "cache").glob("*/*")) == []
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "sha256", "fault"),
    [
        pytest.param(b"x", "1" * 64, "its SHA-256 is 2d71.* and not 1111", id="other checksum"),
        pytest.param(b"x", "", "neither a tar archive", id="no archive"),
        pytest.param(b"\x1f\x8b\x08\x00broken", "", "neither a tar archive|it cannot be unpacked", id="broken"),
    ],
)
def test_what_is_not_the_archive_that_was_meant(
    tmp_path: Path, served: list[str], content: bytes, sha256: str, fault: str
) -> None:
    (tmp_path / "words").write_bytes(content)
    words = channel_of(tmp_path / "words")
    with pytest.raises(TrainingError, match=fault):
        staged(tmp_path, FakeS5cmd(), Channel("words", ARCHIVE, words.source, sha256 or words.sha256))
    assert list((tmp_path / "cache").glob("*/*")) == []


def test_half_an_archive_is_refused(tmp_path: Path, served: list[str]) -> None:
    whole = tmp_path / "words.tgz"
    tar_of(whole, ("REGTYPE", "a", os.urandom(50_000).hex()))
    whole.write_bytes(whole.read_bytes()[:30_000])
    with pytest.raises(TrainingError, match="it cannot be unpacked"):
        staged(tmp_path, FakeS5cmd(), channel_of(whole))


def test_an_address_that_does_not_answer_is_named(tmp_path: Path, served: list[str]) -> None:
    with pytest.raises(TrainingError, match=r"gone.tgz: .*No such file.* See that the node reaches that address"):
        staged(tmp_path, FakeS5cmd(), Channel("words", ARCHIVE, "https://example.com/gone.tgz", "1" * 64))

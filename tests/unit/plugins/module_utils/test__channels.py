# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _channels as channels
from ansible_collections.trainyard.aws.plugins.module_utils._channels import (
    Channel,
    ChannelError,
    Member,
    Object,
    Staged,
)

IMAGES = Channel("images", channels.S3, "s3://bucket/msls/")


def listing(*entries: dict[str, t.Any]) -> str:
    return "\n".join(json.dumps({"type": "file", "size": 1, "etag": "e", **each}) for each in entries)


def test_objects_are_sorted_and_markers_of_directories_left_out() -> None:
    text = listing(
        {"key": "s3://bucket/msls/b/2.png", "size": 7, "etag": "x"},
        {"key": "s3://bucket/msls/b/"},
        {"key": "s3://bucket/msls/"},
        {"key": "s3://bucket/msls/a", "type": "directory"},
        {"key": "s3://bucket/msls/a/1.png"},
    )
    assert channels.objects_of(IMAGES, text) == [Object("a/1.png", 1, "e"), Object("b/2.png", 7, "x")]


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        pytest.param(None, "there is no object below it", id="nothing"),
        pytest.param({"key": "s3://bucket/msls/../../etc/x"}, "is no name of a file", id="way out"),
        pytest.param({"key": "s3://bucket/msls//etc/x"}, "is no name of a file", id="absolute"),
        pytest.param({"key": "s3://bucket/msls/a\nb"}, "is no name of a file", id="newline"),
        pytest.param(
            {"key": "s3://bucket/msls/a", "storage_class": "GLACIER"}, "archived in Glacier: a", id="archived"
        ),
    ],
)
def test_prefixes_that_cannot_be_staged(entry: dict[str, t.Any] | None, what: str) -> None:
    with pytest.raises(ChannelError, match=what) as error:
        channels.objects_of(IMAGES, listing(entry) if entry else "")
    assert str(error.value).startswith('Cannot stage channel "images" from s3://bucket/msls/: ')


@pytest.mark.parametrize(
    "other",
    [
        pytest.param([Object("a", 2, "e")], id="size"),
        pytest.param([Object("a", 1, "f")], id="etag"),
        pytest.param([Object("b", 1, "e")], id="name"),
        pytest.param([Object("a", 1, "e"), Object("b", 1, "e")], id="one more"),
    ],
)
def test_a_version_stands_for_names_sizes_and_etags(other: list[Object]) -> None:
    assert channels.version_of([Object("a", 1, "e")]) == channels.version_of([Object("a", 1, "e")])
    assert channels.version_of([Object("a", 1, "e")]) != channels.version_of(other)


def test_commands_quote_names() -> None:
    assert channels.fetch_commands("s3://b/p/", [Object("it's *", 1, "e")], "/cache/x") == (
        "cp --raw 's3://b/p/it'\"'\"'s *' '/cache/x/it'\"'\"'s *'\n"
    )


def test_directories_come_after_those_above() -> None:
    assert channels.directories_of(["a/b/c/1", "a/2", "3", "d/4"]) == ["a", "a/b", "a/b/c", "d"]


def test_the_cache_knows_an_archive_by_its_checksum() -> None:
    one, other = (Channel("a", channels.ARCHIVE, f"https://{host}/x.tgz", "1" * 64) for host in ("a", "b"))
    assert channels.cache_key(one) == channels.cache_key(other)
    assert channels.cache_key(one).startswith("x.tgz-")
    assert channels.cache_key(IMAGES).startswith("msls-")
    assert channels.cache_key(IMAGES) != channels.cache_key(Channel("i", channels.S3, "s3://other/msls/"))


@pytest.mark.parametrize(
    ("member", "fault"),
    [
        pytest.param(Member("a/b", "file"), "", id="file"),
        pytest.param(Member("a/b", "symbolic link", "../c"), "", id="link inside"),
        pytest.param(Member("a/b", "hard link", "a/c"), "", id="hard link inside"),
        pytest.param(Member("../b", "file"), "its entry ../b lies outside", id="way up"),
        pytest.param(Member("a/../../b", "file"), "lies outside", id="hidden way up"),
        pytest.param(Member("/etc/b", "directory"), "lies outside", id="absolute"),
        pytest.param(Member("a\x1b[2J", "file"), "has characters", id="escape"),
        pytest.param(Member("b", "symbolic link", "../c"), "links to '../c', outside", id="link out"),
        pytest.param(Member("b", "symbolic link", "/etc/passwd"), "outside", id="absolute link"),
        pytest.param(Member("b", "symbolic link", ""), "outside", id="link to nothing"),
        pytest.param(Member("b", "hard link", "../../etc/shadow"), "outside", id="hard link out"),
        pytest.param(Member("b", "hard link", "/etc/shadow"), "outside", id="absolute hard link"),
        pytest.param(Member("b", "neither a file, a directory nor a link"), "is neither a file", id="device"),
    ],
)
def test_member_fault(member: Member, fault: str) -> None:
    found = channels.member_fault(member)
    assert fault in found
    assert bool(fault) == bool(found)


@pytest.mark.parametrize(("name", "path"), [("./a//b/", "a/b"), ("./", ""), ("/a", "/a"), ("a/../b", "a/../b")])
def test_member_path(name: str, path: str) -> None:
    assert channels.member_path(name) == path


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (999, "999 B"), (4_500_000_000, "4.5 GB"), (3 * 10**15, "3000.0 TB")]
)
def test_size_text(size: int, text: str) -> None:
    assert channels.size_text(size) == text


@pytest.mark.parametrize(
    ("changed", "check_mode", "line"),
    [
        pytest.param(True, False, "images: 3 files, 2.0 kB from s3://bucket/msls/, in 32 s", id="fetched"),
        pytest.param(False, False, "images: 3 files, 2.0 kB from s3://bucket/msls/, here already", id="here"),
        pytest.param(True, True, "images: 3 files, 2.0 kB from s3://bucket/msls/, would be fetched", id="check"),
    ],
)
def test_line_of(changed: bool, check_mode: bool, line: str) -> None:
    assert channels.line_of(Staged(IMAGES, "/c", changed, "v", 3, 2000, 32.1), check_mode) == line


def test_a_directory_of_the_node_is_told_as_it_is() -> None:
    staged = Staged(Channel("x", channels.NODE, "/efs/x"), "/efs/x", False)
    assert channels.line_of(staged, False) == "x: /efs/x, as it is on the node"
    assert channels.volume_of(staged) == {"source": "/efs/x", "target": "/opt/ml/input/data/x", "read_only": True}

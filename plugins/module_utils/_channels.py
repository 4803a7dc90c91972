# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""The channels of a run: what is to be fetched, what is there already, and what must not be let onto a node. Pure."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
import shlex
import typing as t
from dataclasses import dataclass

from ansible_collections.trainyard.aws.plugins.module_utils._container_decide import INPUT
from ansible_collections.trainyard.aws.plugins.module_utils._container_types import TrainingError
from ansible_collections.trainyard.aws.plugins.module_utils._training_results import unsafe

S3, ARCHIVE, NODE = "s3", "archive", "node"
_READABLE = re.compile(r"[^A-Za-z0-9._-]+")
_ARCHIVED = ("GLACIER", "DEEP_ARCHIVE")
_UNITS = ("B", "kB", "MB", "GB", "TB")
_SHOWN = 3


@dataclass(frozen=True)
class Channel:
    """A named input that the node itself has or fetches."""

    name: str
    kind: str  # S3, ARCHIVE or NODE
    source: str
    sha256: str = ""


@dataclass(frozen=True)
class Object:
    """An object of a bucket. ``path`` is relative to the prefix of the channel."""

    path: str
    size: int
    etag: str


@dataclass(frozen=True)
class Member:
    """One entry of an archive. ``target`` is what a link points to."""

    path: str
    kind: str  # "file", "directory", "symbolic link", "hard link" or what else it is
    target: str = ""


@dataclass(frozen=True)
class Staged:
    """A channel that is on the node, in ``directory``. ``removed`` is what had to go for it."""

    channel: Channel
    directory: str
    changed: bool
    version: str = ""
    files: int | None = None
    size: int | None = None
    seconds: float = 0.0
    removed: tuple[str, ...] = ()


class ChannelError(TrainingError):
    """A channel cannot be given to the run."""

    def __init__(self, channel: Channel, why: str, fix: str) -> None:
        super().__init__(f'Cannot stage channel "{channel.name}" from {channel.source}', why, fix)


def cache_key(channel: Channel) -> str:
    """The directory of the cache that belongs to a source; what an archive holds depends on its checksum only."""
    what = channel.sha256 if channel.kind == ARCHIVE else channel.source
    readable = _READABLE.sub("-", posixpath.basename(channel.source.rstrip("/")))[:40].strip("-.")
    return f"{readable or channel.kind}-{hashlib.sha256(what.encode()).hexdigest()[:16]}"


# ---- S3 ------------------------------------------------------------------------------------------------------------


def objects_of(channel: Channel, text: str) -> list[Object]:
    """What ``s5cmd --json ls`` prints, by path; markers of directories left out. Raises ChannelError."""
    found, archived = [], []
    for line in text.splitlines():
        entry = json.loads(line)
        path = str(entry["key"])[len(channel.source) :]
        if entry.get("type") != "file" or not path or path.endswith("/"):
            continue
        if leaves(path) or unsafe(path):
            raise ChannelError(
                channel, f"the key {path!a} is no name of a file.", "Give the object another key, or another prefix."
            )
        if entry.get("storage_class") in _ARCHIVED:
            archived.append(path)
        found.append(Object(path, int(entry.get("size", 0)), str(entry.get("etag", ""))))
    if archived:
        raise ChannelError(channel, f"archived in Glacier: {_shown(archived)}.", "Restore the objects first.")
    if not found:
        raise ChannelError(channel, "there is no object below it.", "Put the data there, or mend the prefix.")
    return sorted(found, key=lambda each: each.path)


def leaves(path: str) -> bool:
    """Whether a path could name something outside of the directory it is relative to."""
    return path.startswith("/") or any(part in ("", ".", "..") for part in path.split("/"))


def version_of(objects: t.Iterable[Object]) -> str:
    """The same for the same names, sizes and ETags, and for nothing else."""
    text = "".join(f"{each.path}\0{each.size}\0{each.etag}\n" for each in objects)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def text_of_objects(objects: t.Iterable[Object]) -> str:
    return json.dumps([[each.path, each.size, each.etag] for each in objects]) + "\n"


def parse_objects(text: str) -> set[Object]:
    return {Object(*each) for each in json.loads(text)}


def fetch_commands(source: str, objects: t.Iterable[Object], directory: str) -> str:
    """Input for ``s5cmd run``. ``--raw``: a star in a key is a star."""
    return "".join(
        f"cp --raw {shlex.quote(source + each.path)} {shlex.quote(directory + '/' + each.path)}\n" for each in objects
    )


def directories_of(paths: t.Iterable[str]) -> list[str]:
    """Every directory that the paths lie in, those above first."""
    found = set()
    for path in paths:
        parent = posixpath.dirname(path)
        while parent and parent not in found:
            found.add(parent)
            parent = posixpath.dirname(parent)
    return sorted(found)


def size_faults(objects: t.Sequence[Object], sizes: t.Mapping[str, int]) -> str:
    """What did not arrive whole; empty where all did."""
    missing = [each.path for each in objects if sizes.get(each.path) != each.size]
    return f"not whole on the node: {_shown(missing)}." if missing else ""


def _shown(paths: t.Sequence[str]) -> str:
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return ", ".join(paths[:_SHOWN]) + more


# ---- Archives ------------------------------------------------------------------------------------------------------


def member_path(name: str) -> str:
    """The path of an archive's entry without what says nothing: ``./a//b/`` is ``a/b``, and ``./`` is empty."""
    return "/".join(part for part in name.split("/") if part not in ("", ".")) if not name.startswith("/") else name


def member_fault(member: Member) -> str:
    """Why an entry of an archive must not be unpacked; empty where it may be."""
    if unsafe(member.path):
        return f"its entry {member.path!a} has characters that no name should have."
    if leaves(member.path):
        return f"its entry {member.path} lies outside of it."
    if member.kind == "hard link" and leaves(member_path(member.target)):
        return f"its entry {member.path} links to {member.target!a}, outside of it."
    if member.kind == "symbolic link" and not _stays(member):
        return f"its entry {member.path} links to {member.target!a}, outside of it."
    if member.kind not in ("file", "directory", "symbolic link", "hard link"):
        return f"its entry {member.path} is {member.kind}."
    return ""


def _stays(link: Member) -> bool:
    target = posixpath.normpath(posixpath.join(posixpath.dirname(link.path), link.target))
    return bool(link.target) and not link.target.startswith("/") and target != ".." and not target.startswith("../")


# ---- Words ---------------------------------------------------------------------------------------------------------


def size_text(size: float) -> str:
    """``4.5 GB``, in powers of ten as disks and bills count."""
    for unit in _UNITS[:-1]:
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} {_UNITS[-1]}"


def line_of(staged: Staged, looks_only: bool) -> str:
    """What the user reads of a channel."""
    name, source = staged.channel.name, staged.channel.source
    if staged.channel.kind == NODE:
        return f"{name}: {source}, as it is on the node"
    held = f"{staged.files} files, {size_text(staged.size or 0)}" if staged.files is not None else "to be fetched"
    if not staged.changed:
        return f"{name}: {held} from {source}, here already"
    if looks_only:
        return f"{name}: {held} from {source}" + (", would be fetched" if staged.files else "")
    return f"{name}: {held} from {source}, in {staged.seconds:.0f} s"


def result_of(staged: Staged) -> dict[str, t.Any]:
    """A channel as the module returns it."""
    return {
        "name": staged.channel.name,
        "kind": staged.channel.kind,
        "source": staged.channel.source,
        "sha256": staged.channel.sha256,
        "directory": staged.directory,
        "version": staged.version,
        "files": staged.files,
        "bytes": staged.size,
    }


def volume_of(staged: Staged) -> dict[str, t.Any]:
    """Where the container sees it."""
    return {"source": staged.directory, "target": f"{INPUT}/data/{staged.channel.name}", "read_only": True}

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""An archive unpacked so that nothing of it lies or leads outside."""

from __future__ import annotations

import lzma
import os
import shutil
import stat
import tarfile
import typing as t
import zipfile
import zlib

from ansible_collections.trainyard.aws.plugins.module_utils._channels import (
    Channel,
    ChannelError,
    Member,
    member_fault,
    member_path,
)

_DIRECTORY_MODE, _FILE_MODE, _PROGRAM_MODE = 0o755, 0o644, 0o755
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError)
_REPACK = "Pack it anew without it."

# An entry, its permissions, and a function that opens what it holds
Entry = tuple[Member, int, t.Callable[[], t.Optional[t.IO[bytes]]]]


def unpack(channel: Channel, path: str, directory: str) -> None:
    """Files and directories first, links last: so nothing is ever written through a link."""
    os.mkdir(directory, _DIRECTORY_MODE)
    links, files = [], 0
    try:
        for member, mode, opened in _entries(channel, path):
            if not member.path:
                continue
            fault = member_fault(member)
            if fault:
                raise ChannelError(channel, fault, _REPACK)
            target = os.path.join(directory, member.path)
            if member.kind == "symbolic link":
                links.append(member)
                continue
            _make_directories(directory, member.path if member.kind == "directory" else os.path.dirname(member.path))
            if member.kind == "file":
                _write(opened(), target, mode)
            elif member.kind == "hard link":
                os.link(os.path.join(directory, member_path(member.target)), target)
            files += member.kind != "directory"
    except _BROKEN as error:
        raise ChannelError(channel, f"it cannot be unpacked: {error}.", "Pack it anew.") from error
    if not files:
        raise ChannelError(channel, "it holds no file.", "Pack it anew with the data.")
    _make_links(channel, directory, links)


def _entries(channel: Channel, path: str) -> t.Iterator[Entry]:
    if tarfile.is_tarfile(path):
        with tarfile.open(path) as tar:
            for info in tar:
                yield _tar_member(info), info.mode, lambda info=info: tar.extractfile(info)
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for each in archive.infolist():
                yield _zip_member(archive, each), each.external_attr >> 16, lambda each=each: archive.open(each)
    else:
        raise ChannelError(
            channel,
            "it is neither a tar archive (plain, gzip, bzip2, xz) nor a zip archive.",
            "Pack it as one of them.",
        )


def _tar_member(info: tarfile.TarInfo) -> Member:
    kinds = {"file": info.isreg(), "directory": info.isdir(), "symbolic link": info.issym(), "hard link": info.islnk()}
    kind = next((kind for kind, is_it in kinds.items() if is_it), "neither a file, a directory nor a link")
    return Member(member_path(info.name), kind, info.linkname)


def _zip_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    if stat.S_ISLNK(info.external_attr >> 16):
        return Member(member_path(info.filename), "symbolic link", archive.read(info).decode("utf-8", "replace"))
    return Member(member_path(info.filename), "directory" if info.is_dir() else "file")


def _make_directories(directory: str, path: str) -> None:
    for part in path.split("/") if path else ():
        directory = os.path.join(directory, part)
        if not os.path.isdir(directory):
            os.mkdir(directory, _DIRECTORY_MODE)


def _write(source: t.IO[bytes] | None, target: str, mode: int) -> None:
    if os.path.isfile(target):
        os.remove(target)  # an archive may hold a file twice, and the later one counts
    with open(target, "wb") as file:
        if source:
            with source:
                shutil.copyfileobj(source, file, 1024 * 1024)
    os.chmod(target, _PROGRAM_MODE if mode & stat.S_IXUSR else _FILE_MODE)


def _make_links(channel: Channel, directory: str, links: t.Sequence[Member]) -> None:
    """By its words alone a link that passes other links may seem to stay inside, so all are followed at the end.

    Their directories are made before any of them, so that none is made through another.
    """
    for link in links:
        _make_directories(directory, os.path.dirname(link.path))
    for link in links:
        os.symlink(link.target, os.path.join(directory, link.path))
    root = os.path.realpath(directory)
    for link in links:
        if not (os.path.realpath(os.path.join(directory, link.path)) + "/").startswith(root + "/"):
            raise ChannelError(channel, f"its entry {link.path} leads outside of it.", _REPACK)

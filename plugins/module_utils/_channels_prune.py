# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Room in the cache of channels: what nobody uses goes, what was unused longest first."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.trainyard.aws.plugins.module_utils._container_types import TrainingError

MANIFEST, PART, DOWNLOAD = ".json", ".part", ".download"
# What was staged so shortly ago may be for a container that is about to be created.
FRESH_SECONDS = 3600


@dataclass(frozen=True)
class Version:
    """A version of a source in the cache, and when a run last asked for it."""

    directory: str
    used_at: float


def in_order_of_use(versions: t.Iterable[Version], mounted: t.Collection[str], now: float) -> list[Version]:
    """What may go, the longest unused first. Pure."""
    unused = [
        each
        for each in versions
        if now - each.used_at >= FRESH_SECONDS
        and not any(path == each.directory or path.startswith(each.directory + "/") for path in mounted)
    ]
    return sorted(unused, key=lambda each: (each.used_at, each.directory))


def make_room(cache: str, home: str, needed: int, free_percent: int, mounted: t.Callable[[], set[str]]) -> list[str]:
    """Remove versions until ``needed`` bytes fit and so much of the disk stays free, or nothing may go any more. Returns what went.

    ``home`` is the directory of a source that the caller holds the lock of. Where Docker does not say what it mounts, nothing goes.
    """
    if _has_room(cache, needed, free_percent):
        return []
    removed = []
    with lock(cache, fcntl.LOCK_EX):
        try:
            in_use = {os.path.realpath(each) for each in mounted()}
        except TrainingError:
            return []
        for version in in_order_of_use(versions_in(cache), in_use, time.time()):
            if _has_room(cache, needed, free_percent):
                break
            if _removed(version.directory, home):
                removed.append(version.directory)
    return removed


def versions_in(cache: str) -> list[Version]:
    """All that is whole in the cache."""
    sources = filter(os.path.isdir, (os.path.join(os.path.realpath(cache), name) for name in os.listdir(cache)))
    paths = (os.path.join(source, name) for source in sources for name in os.listdir(source))
    return [Version(path, os.stat(path).st_mtime) for path in paths if os.path.isdir(path) and not path.endswith(PART)]


def note_use(directory: str) -> None:
    """A version never changes, so its own time is free to say when it was last asked for."""
    os.utime(directory)


def _has_room(cache: str, needed: int, free_percent: int) -> bool:
    disk = shutil.disk_usage(cache)
    return bool(disk.free - needed >= disk.total * free_percent / 100)


def _removed(directory: str, home: str) -> bool:
    """Whether a version went. Of a source that is being fetched nothing does: its next version is made from the former."""
    source = os.path.dirname(directory)
    try:
        own = os.path.realpath(home) == source
        with contextlib.nullcontext() if own else lock(source, fcntl.LOCK_EX | fcntl.LOCK_NB):
            if os.path.exists(directory + MANIFEST):
                os.remove(directory + MANIFEST)
            os.rename(directory, directory + PART)
            shutil.rmtree(directory + PART)
    except OSError:
        return False
    return True


@contextlib.contextmanager
def lock(directory: str, how: int) -> t.Iterator[None]:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)

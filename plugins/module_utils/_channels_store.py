# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Channels fetched into the cache of a node, several at once.

Below the cache each source has a directory, and in it each version of the source has its own, which never changes once it is there: a
training reads on while a newer version is fetched for the next. What two versions share lies on the disk once (hard links).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from ansible_collections.trainyard.aws.plugins.module_utils import _channels_archive as archives
from ansible_collections.trainyard.aws.plugins.module_utils._channels import (
    ARCHIVE,
    NODE,
    Channel,
    ChannelError,
    Object,
    Staged,
    cache_key,
    directories_of,
    fetch_commands,
    line_of,
    objects_of,
    parse_objects,
    result_of,
    size_faults,
    size_text,
    text_of_objects,
    version_of,
    volume_of,
)
from ansible_collections.trainyard.aws.plugins.module_utils._channels_prune import (
    DOWNLOAD,
    MANIFEST,
    PART,
    lock,
    make_room,
    note_use,
)
from ansible_collections.trainyard.aws.plugins.module_utils._channels_unpack import unpack
from ansible_collections.trainyard.aws.plugins.module_utils._container_socket import mounted_directories
from ansible_collections.trainyard.aws.plugins.module_utils._container_types import TrainingError
from ansible_collections.trainyard.aws.plugins.module_utils._training_results_store import Runner, alone_in
from ansible_collections.trainyard.aws.plugins.module_utils._whole_file import write_whole

_AT_ONCE = 8
_MODE = 0o755  # the container's user must be able to read; nobody but root passes the cache itself


@dataclass(frozen=True)
class Cache:
    """Where channels are kept on the node, how S3 is asked, how much of the disk stays free, and what must not go for that.

    Without ``fetch`` what is there is held for the run, and what is lacking is named.
    """

    directory: str
    s5cmd: Runner
    check_mode: bool
    free_percent: int = 10
    mounted: t.Callable[[], set[str]] = mounted_directories
    fetch: bool = True

    @property
    def looks_only(self) -> bool:
        return self.check_mode or not self.fetch


def cache_directory(fast_disks: t.Sequence[str], directory: str) -> str:
    """On the first of the fast disks that is mounted, otherwise where the user says."""
    mounted = next(filter(os.path.ismount, fast_disks), "")
    return os.path.join(mounted, "trainyard", "channels") if mounted else directory


def stage(channels: t.Sequence[Channel], cache: Cache) -> dict[str, t.Any]:
    """All channels on the node. Raises TrainingError with all that is wrong with any of them."""
    if not cache.check_mode and any(each.kind != NODE for each in channels):
        os.makedirs(cache.directory, mode=0o750, exist_ok=True)
    found: list[Staged] = []
    faults: list[TrainingError] = []
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for work in [pool.submit(_stage_one, each, cache) for each in channels]:
            try:
                found.append(work.result())
            except TrainingError as error:
                faults.append(error)
    if len(faults) == 1:
        raise faults[0]
    if faults:
        told = "".join(f"\n- {each}" for each in faults)
        raise TrainingError("Cannot stage the channels", f"{len(faults)} have faults; nothing was started.", told)
    removed = [directory for each in found for directory in each.removed]
    return {
        "changed": any(each.changed for each in found),
        "channels": [result_of(each) for each in found],
        "volumes": [volume_of(each) for each in found],
        "removed": removed,
        "fetched": [each.channel.name for each in found if each.changed],
        "lines": [
            *(line_of(each, cache.looks_only) for each in found),
            *(f"{directory}: removed from the cache to make room" for directory in removed),
        ],
    }


def _stage_one(channel: Channel, cache: Cache) -> Staged:
    started = time.monotonic()
    try:
        if channel.kind == NODE:
            return _on_node(channel)
        home = os.path.join(cache.directory, cache_key(channel))
        if not cache.check_mode:
            os.makedirs(home, mode=_MODE, exist_ok=True)
        kind = _archive if channel.kind == ARCHIVE else _prefix
        if cache.check_mode:
            staged = kind(channel, home, cache)
        elif not cache.fetch:
            staged = _looked_at(lambda: kind(channel, home, cache), home)
        else:
            with alone_in(home):
                staged = kind(channel, home, cache)
                note_use(staged.directory)
    except OSError as error:
        raise ChannelError(channel, f"{error}.", "Mend that on the node.") from error
    return replace(staged, seconds=time.monotonic() - started)


def _looked_at(look: t.Callable[[], Staged], home: str) -> Staged:
    """Whoever looks waits for nobody: what another task fetches just now is not there yet."""
    try:
        with lock(home, fcntl.LOCK_EX | fcntl.LOCK_NB):
            staged = look()
            if not staged.changed:
                note_use(staged.directory)
            return staged
    except BlockingIOError:
        return replace(look(), changed=True)


def _on_node(channel: Channel) -> Staged:
    """A directory that is there is taken as it is."""
    if not os.path.isdir(channel.source):
        raise ChannelError(
            channel,
            "it is not a directory of the node."
            if os.path.exists(channel.source)
            else "it does not exist on the node.",
            "Mount its file system, or mend the path.",
        )
    with os.scandir(channel.source) as entries:
        if next(entries, None) is None:
            raise ChannelError(channel, "it is empty.", "Put the data there, or mount its file system.")
    return Staged(channel, channel.source, changed=False)


# ---- S3 ------------------------------------------------------------------------------------------------------------


def _prefix(channel: Channel, home: str, cache: Cache) -> Staged:
    objects = _listed(channel, cache.s5cmd)
    version = version_of(objects)
    directory = os.path.join(home, version)
    staged = Staged(channel, directory, False, version, len(objects), sum(each.size for each in objects))
    if os.path.exists(directory + MANIFEST) and not size_faults(objects, _sizes(directory)):
        return staged
    removed = _fetch_objects(channel, objects, directory, cache) if not cache.looks_only else []
    return replace(staged, changed=True, removed=tuple(removed))


def _listed(channel: Channel, s5cmd: Runner) -> list[Object]:
    code, out, err = s5cmd(["--json", "ls", f"{channel.source}*"], None)
    if code and "no object found" not in err + out:
        raise _refusal(channel, err or out)
    return objects_of(channel, "" if code else out)


def _refusal(channel: Channel, words: str) -> ChannelError:
    return ChannelError(
        channel,
        (" ".join(words.strip().splitlines()[:3]) or "s5cmd says nothing") + ".",
        "See that it exists and that the node's role may read it (aws_identity_datasets).",
    )


def _fetch_objects(channel: Channel, objects: t.Sequence[Object], directory: str, cache: Cache) -> list[str]:
    """What an earlier version has is linked, the rest fetched; the directory has its name only when it is whole. Returns what went for it."""
    part, home = directory + PART, os.path.dirname(directory)
    for left in (part, directory):
        shutil.rmtree(left, ignore_errors=True)
    os.makedirs(part, mode=_MODE)
    for each in directories_of(each.path for each in objects):
        os.mkdir(os.path.join(part, each), _MODE)
    known = _known(home)
    missing = [each for each in objects if not _linked(known.get(each), each, part)]
    needed = sum(each.size for each in missing)
    removed = make_room(cache.directory, home, needed, cache.free_percent, cache.mounted)
    free = shutil.disk_usage(part).free
    if needed > free:
        raise ChannelError(
            channel,
            f"{size_text(needed)} are to be fetched, and {home} has room for {size_text(free)}.",
            "Give the node a larger disk, or remove old data there.",
        )
    code, dummy, err = (
        cache.s5cmd(["--log", "error", "run"], fetch_commands(channel.source, missing, part))
        if missing
        else (0, "", "")
    )
    if code:
        raise _refusal(channel, err)
    fault = size_faults(objects, _sizes(part))
    if fault:
        raise ChannelError(channel, fault, "Did the objects change meanwhile? Run the same command again.")
    os.rename(part, directory)
    write_whole(directory + MANIFEST, text_of_objects(objects))
    return removed


def _known(home: str) -> dict[Object, str]:
    """The objects of all versions that are here, and where."""
    found = {}
    for name in sorted(os.listdir(home)):
        if name.endswith(MANIFEST):
            with open(os.path.join(home, name), encoding="utf-8") as file:
                directory = os.path.join(home, name[: -len(MANIFEST)])
                found.update({each: os.path.join(directory, each.path) for each in parse_objects(file.read())})
    return found


def _linked(known: str | None, wanted: Object, part: str) -> bool:
    if known is None or not os.path.isfile(known) or os.path.getsize(known) != wanted.size:
        return False
    os.link(known, os.path.join(part, wanted.path))
    return True


def _sizes(directory: str) -> dict[str, int]:
    found = {}
    for parent, dummy, files in os.walk(directory):
        for file in files:
            path = os.path.join(parent, file)
            found[os.path.relpath(path, directory)] = os.lstat(path).st_size
    return found


# ---- Archives ------------------------------------------------------------------------------------------------------


def _archive(channel: Channel, home: str, cache: Cache) -> Staged:
    directory = os.path.join(home, channel.sha256[:16])
    staged = Staged(channel, directory, not os.path.isdir(directory), channel.sha256)
    if not staged.changed:
        sizes = _sizes(directory)
        return replace(staged, files=len(sizes), size=sum(sizes.values()))
    if cache.looks_only:
        return staged
    part, file = directory + PART, directory + DOWNLOAD
    removed = make_room(cache.directory, home, 0, cache.free_percent, cache.mounted)
    try:
        shutil.rmtree(part, ignore_errors=True)
        archives.fetch(channel, file, cache.s5cmd)
        unpack(channel, file, part)
        os.rename(part, directory)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        if os.path.exists(file):
            os.remove(file)
    sizes = _sizes(directory)
    return replace(staged, files=len(sizes), size=sum(sizes.values()), removed=tuple(removed))

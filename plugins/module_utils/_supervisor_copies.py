# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Checkpoints on their way to the bucket while the training goes on: looked at, copied, verified, and LATEST last."""

from __future__ import annotations

import os
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.trainyard.aws.plugins.module_utils._container_types import TrainingError
from ansible_collections.trainyard.aws.plugins.module_utils._resume import spent_in
from ansible_collections.trainyard.aws.plugins.module_utils._supervisor import (
    Copy,
    File,
    closed_files,
    files_at_end,
    is_event_file,
    latest_document,
    newest_entry,
    time_text,
    to_copy,
)
from ansible_collections.trainyard.aws.plugins.module_utils._supervisor_node import (
    files_being_written,
    look,
)
from ansible_collections.trainyard.aws.plugins.module_utils._training_results import (
    LATEST,
    Artefact,
    entry_of,
    listing_faults,
    outdated_entries,
)
from ansible_collections.trainyard.aws.plugins.module_utils._training_results_store import Bucket, sha256_of
from ansible_collections.trainyard.aws.plugins.module_utils._whole_file import write_whole

SHOWN = 5


@dataclass(frozen=True)
class Ended:
    """How the training ended, which tells what of its files can be half written."""

    exit_code: int
    finished_at: float


@dataclass(frozen=True)
class Round:
    """What a round brought into the bucket, and what is there now."""

    copied: tuple[str, ...]
    removed: tuple[str, ...]
    copies: dict[str, Copy]
    newest: str
    time: str
    not_removed: str = ""
    event_files_not_copied: str = ""


class Copier:
    """Brings the checkpoints of one run into the bucket, a round at a time."""

    def __init__(self, bucket: Bucket, root: str, latest_file: str, node_rank: int, kept: int, rest: float) -> None:
        self._bucket = bucket
        self._root = root
        self._latest_file = latest_file
        self._rank = node_rank
        self._kept = kept
        self._rest = rest  # seconds between two looks
        self._pointed_to: dict[str, Copy] = {}

    def earlier_seconds(self) -> float:
        """How long the run has trained before it came to this node, as LATEST tells."""
        return spent_in(self._bucket.text(LATEST, self._bucket.listing()))

    def round(self, copies: t.Mapping[str, Copy], seconds: float, ended: Ended | None = None) -> Round:
        """Copy what is closed and not in the bucket yet. Raises TrainingError; whatever was copied is then copied again."""
        now, closed = self._look(ended)
        outdated = self._outdated(now, copies)
        wanted = [path for path in to_copy(now, closed, copies) if entry_of(path) not in outdated]
        sent = {path: copy for path, copy in self._send(now, wanted).items() if self._is_still(path, now[path])}
        # What changed on its way is torn, and what the training has removed is not what it would continue from.
        torn = set(wanted) - set(sent)
        there = {path: copy for path, copy in {**copies, **sent}.items() if path not in torn}
        kept = {path: copy for path, copy in there.items() if entry_of(path) not in outdated}
        moment = time_text(time.time())
        self._point_to({path: copy for path, copy in kept.items() if path in now}, moment, seconds)
        gone = sorted(set(there) - set(kept))
        fault = self._remove(gone)
        left = there if fault else kept
        return Round(tuple(sorted(sent)), () if fault else tuple(gone), left, newest_entry(kept), moment, fault)

    def _look(self, ended: Ended | None) -> tuple[dict[str, File], set[str]]:
        before = self._checkpoints()
        if ended is not None:
            return before, files_at_end(before, ended.exit_code, ended.finished_at)
        time.sleep(self._rest)
        now = self._checkpoints()
        return now, closed_files(before, now, files_being_written())

    def _checkpoints(self) -> dict[str, File]:
        return {path: file for path, file in look(self._root).items() if not is_event_file(path)}

    def _outdated(self, now: t.Mapping[str, File], copies: t.Mapping[str, Copy]) -> set[str]:
        entries: dict[str, float] = {}
        for path, file in {**copies, **now}.items():
            entries[entry_of(path)] = max(file.mtime_ns, entries.get(entry_of(path), 0.0))
        return outdated_entries(entries, self._kept)

    def _send(self, now: t.Mapping[str, File], wanted: t.Sequence[str]) -> dict[str, Copy]:
        copies = {}
        for path in wanted:
            try:
                copies[path] = Copy(now[path].size, now[path].mtime_ns, sha256_of(os.path.join(self._root, path)))
            except FileNotFoundError:
                continue  # the training removed it
        if copies:
            self._bucket.upload({path: os.path.join(self._root, path) for path in copies})
            listing = self._bucket.listing()
            # A file that grew on its way is no fault of the bucket.
            artefacts = [
                Artefact(path, copy.size, copy.sha256)
                for path, copy in copies.items()
                if self._is_still(path, now[path])
            ]
            faults = listing_faults(artefacts, listing)
            if faults:
                raise TrainingError(
                    f"The checkpoints in {self._bucket.place} are not complete",
                    "; ".join(faults[:SHOWN]) + ".",
                    "They are copied again.",
                )
        return copies

    def _is_still(self, path: str, file: File) -> bool:
        try:
            seen = os.lstat(os.path.join(self._root, path))
        except OSError:
            return False
        return File(seen.st_size, seen.st_mtime_ns, seen.st_dev, seen.st_ino) == file

    def _point_to(self, copies: t.Mapping[str, Copy], moment: str, seconds: float) -> None:
        """Write LATEST, if there is anything new to point to."""
        if copies and copies != self._pointed_to:
            write_whole(self._latest_file, latest_document(copies, moment, self._rank, seconds))
            self._bucket.upload({LATEST: self._latest_file})
            self._pointed_to = dict(copies)

    def _remove(self, paths: t.Sequence[str]) -> str:
        """Returns why it could not be done, which is no reason to stop copying."""
        try:
            if paths:
                self._bucket.remove(paths)
        except TrainingError as error:
            return str(error)
        return ""

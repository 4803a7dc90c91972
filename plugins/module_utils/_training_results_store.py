# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""The files of a run on the node, and their copies in a bucket by way of s5cmd."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import stat
import typing as t
from contextlib import contextmanager

from ansible_collections.trainyard.aws.plugins.module_utils._container_types import TrainingError
from ansible_collections.trainyard.aws.plugins.module_utils._training_results import (
    CHECKPOINTS,
    CODE_ARCHIVE,
    CODE_DIFF,
    LATEST,
    RECORD,
    Artefact,
    LeftOut,
    copy_commands,
    entry_of,
    fetch_commands,
    listing_faults,
    outdated_entries,
    parse_listing,
    parse_names,
    place_of,
    record_of,
    remove_commands,
    text_of_record,
    to_upload,
    unsafe,
)

# (return code, stdout, stderr) of a command with its arguments and its input
Runner = t.Callable[[t.Sequence[str], t.Optional[str]], tuple[int, str, str]]

SETTINGS = "settings.json"
# Of an attempt that another one has followed: log-1.txt.
_LOG = re.compile(r"log(-\d+)?\.txt")
_SYSTEM_ENVIRONMENT = "/etc/environment"
_SETTINGS = ("AWS_", "S3_")
_BLOCK = 1024 * 1024
_SHOWN_FAULTS = 10


def node_settings() -> dict[str, str]:
    """The node's own AWS settings. sudo drops what a login has, so they are read where the login has them from."""
    found: dict[str, str] = {}
    if os.path.exists(_SYSTEM_ENVIRONMENT):
        with open(_SYSTEM_ENVIRONMENT, encoding="utf-8", errors="replace") as file:
            pairs = (line.strip().removeprefix("export ").partition("=") for line in file)
            found = {name: value.strip("'\"") for name, dummy, value in pairs if name.startswith(_SETTINGS)}
    return {**found, **{name: value for name, value in os.environ.items() if name.startswith(_SETTINGS)}}


def settings_of(directory: str) -> dict[str, t.Any]:
    """The settings of a run, as they were written when it was staged; nothing where there are none."""
    path = os.path.join(directory, SETTINGS)
    if not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as file:
        return dict(json.load(file))


def files_of_run(directory: str, checkpoints: str) -> dict[str, str]:
    """Path in the results, and path on the node, of everything that is collected."""
    found = {}
    logs = [name for name in os.listdir(directory) if _LOG.fullmatch(name)] if os.path.isdir(directory) else []
    for path in (*logs, CODE_ARCHIVE, CODE_DIFF, "input/config/hyperparameters.json"):
        if os.path.lexists(os.path.join(directory, path)):
            found[path] = os.path.join(directory, path)
    for name, root in (
        ("model", os.path.join(directory, "model")),
        ("output", os.path.join(directory, "output")),
        (CHECKPOINTS, checkpoints),
    ):
        for parent, directories, files in os.walk(root):
            # A link to a directory is listed as a directory and not entered; it must be seen to be named as left out.
            links = [each for each in directories if os.path.islink(os.path.join(parent, each))]
            for file in files + links:
                source = os.path.join(parent, file)
                found[os.path.join(name, os.path.relpath(source, root))] = source
    return found


def sizes_of_outputs(directory: str) -> dict[str, int]:
    """The files that a run made, and links, which count for nothing, as empty ones."""
    found = {}
    for name in ("model", "output"):
        for parent, dummy, files in os.walk(os.path.join(directory, name)):
            for path in (os.path.join(parent, file) for file in files):
                seen = os.lstat(path)
                found[os.path.relpath(path, directory)] = seen.st_size if stat.S_ISREG(seen.st_mode) else 0
    return found


def examine(files: t.Mapping[str, str], kept: int = 0) -> tuple[list[Artefact], list[LeftOut]]:
    """Size and checksum of each file. The container wrote them, so a link could point at any file of the node."""
    artefacts, left_out, outdated = [], [], _outdated(files, kept)
    for path, source in sorted(files.items()):
        mode = os.lstat(source).st_mode
        if unsafe(path):
            left_out.append(LeftOut(ascii(path), "its name has characters that no name should have"))
        elif not stat.S_ISREG(mode):
            left_out.append(LeftOut(path, "it is a link" if stat.S_ISLNK(mode) else "it is not a file"))
        elif path in outdated:
            left_out.append(LeftOut(path, f"it is older than the newest {kept} of its series"))
        elif path == f"{CHECKPOINTS}/{LATEST}":
            left_out.append(LeftOut(path, "its name is taken"))
        else:
            artefacts.append(Artefact(path, os.path.getsize(source), sha256_of(source)))
    return artefacts, left_out


def _outdated(files: t.Mapping[str, str], kept: int) -> set[str]:
    """Checkpoints that newer ones have replaced."""
    paths = {path: path[len(CHECKPOINTS) + 1 :] for path in files if path.startswith(f"{CHECKPOINTS}/")}
    entries: dict[str, float] = {}
    for path, name in paths.items():
        entries[entry_of(name)] = max(os.lstat(files[path]).st_mtime, entries.get(entry_of(name), 0.0))
    outdated = outdated_entries(entries, kept)
    return {path for path, name in paths.items() if entry_of(name) in outdated}


def sha256_of(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(_BLOCK), b""):
            digest.update(block)
    return digest.hexdigest()


class Bucket:
    """A run's place in a bucket."""

    def __init__(self, run: Runner, place: str) -> None:
        self._run = run
        self.place = place

    def listing(self) -> dict[str, int]:
        code, out, err = self._run(["--json", "ls", f"{self.place}/*"], None)
        if code and "no object found" not in err + out:
            raise self._error("list", err or out)
        return parse_listing(out, self.place) if not code else {}

    def text(self, path: str, listing: t.Mapping[str, int]) -> str:
        """A small object; empty where the listing does not have it."""
        if path not in listing:
            return ""
        code, out, err = self._run(["cat", f"{self.place}/{path}"], None)
        if code:
            raise self._error(f"read {path} in", err)
        return out

    def upload(self, sources: t.Mapping[str, str]) -> None:
        code, dummy, err = self._run(["--log", "error", "run"], copy_commands(sources, self.place))
        if code:
            raise self._error("copy results to", err)

    def download(self, places: t.Mapping[str, str]) -> None:
        """Bring objects to files of the node."""
        for file in places.values():
            os.makedirs(os.path.dirname(file), exist_ok=True)
        code, dummy, err = self._run(["--log", "error", "run"], fetch_commands(places, self.place))
        if code:
            raise self._error("copy from", err)

    def neighbours(self) -> list[str]:
        """The runs that have anything in the bucket beside this one."""
        code, out, err = self._run(["--json", "ls", self.place.rsplit("/", 1)[0] + "/"], None)
        if code and "no object found" not in err + out:
            raise self._error("list the runs beside", err or out)
        return parse_names(out) if not code else []

    def remove(self, paths: t.Iterable[str]) -> None:
        code, dummy, err = self._run(["--log", "error", "run"], remove_commands(paths, self.place))
        if code:
            raise self._error("remove old checkpoints from", err)

    def _error(self, doing: str, err: str) -> TrainingError:
        lines = " ".join(err.strip().splitlines()[:3]) or "s5cmd says nothing"
        return TrainingError(
            f"Cannot {doing} {self.place}",
            f"{lines}.",
            "See that the bucket exists and that the node's role may use it, then run the same command again.",
        )


def collect(params: t.Mapping[str, t.Any], run: Runner, check_mode: bool) -> dict[str, t.Any]:
    """Write the record, bring everything into the bucket, look that it is there, and put the record there last."""
    with alone_in(params["directory"]):
        return _collect(params, run, check_mode)


@contextmanager
def alone_in(directory: str) -> t.Iterator[None]:
    """Who follows a run and what supervises it on the node may collect at the same time; the second finds it done."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _collect(params: t.Mapping[str, t.Any], run: Runner, check_mode: bool) -> dict[str, t.Any]:
    directory = params["directory"]
    files = files_of_run(directory, params["checkpoints_directory"] or os.path.join(directory, "checkpoints"))
    artefacts, left_out = examine(files, settings_of(directory).get("checkpoints_kept", 0))
    record = text_of_record(record_of(params["run"], artefacts, left_out))
    record_file = os.path.join(directory, RECORD)
    changed = _write_if_other(record_file, record, check_mode)
    result = {
        "record_file": record_file,
        "artefacts": [each.path for each in artefacts],
        "left_out": [f"{each.path}: {each.reason}" for each in left_out],
    }
    if not params["destination"]:
        return {"changed": changed, "destination": "", "uploaded": [], **result}
    bucket = Bucket(run, place_of(params["destination"], params["run"]["run_id"]))
    uploaded = _bring(bucket, files, artefacts, record, record_file, check_mode)
    return {"changed": changed or bool(uploaded), "destination": bucket.place, "uploaded": uploaded, **result}


def _write_if_other(path: str, text: str, check_mode: bool) -> bool:
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            if file.read() == text:
                return False
    if not check_mode:
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(path + ".new", path)
    return True


def _bring(
    bucket: Bucket,
    files: t.Mapping[str, str],
    artefacts: t.Sequence[Artefact],
    record: str,
    record_file: str,
    check_mode: bool,
) -> list[str]:
    """Returns what was uploaded, or would be."""
    listing = bucket.listing()
    earlier = bucket.text(RECORD, listing)
    lacking = to_upload(artefacts, listing, earlier, bucket.text(f"{CHECKPOINTS}/{LATEST}", listing))
    uploads = [each.path for each in lacking] + ([RECORD] if lacking or earlier != record else [])
    if check_mode or not uploads:
        return uploads
    if lacking:
        bucket.upload({each.path: files[each.path] for each in lacking})
    faults = listing_faults(artefacts, bucket.listing() if lacking else listing)
    if faults:
        shown = "; ".join(faults[:_SHOWN_FAULTS]) + (
            f"; and {len(faults) - _SHOWN_FAULTS} more" if len(faults) > _SHOWN_FAULTS else ""
        )
        raise TrainingError(
            f"The results in {bucket.place} are not complete",
            f"{shown}.",
            "Run the same command again; it copies what is missing.",
        )
    bucket.upload({RECORD: record_file})
    return uploads

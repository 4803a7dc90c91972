# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""What a run leaves behind, and what of it is not in the bucket yet. Pure."""

from __future__ import annotations

import json
import re
import shlex
import typing as t
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase

from ansible_collections.trainyard.aws.plugins.module_utils._container_types import TrainingError

RECORD = "run.json"
SPEC = "spec.json"
LATEST = "LATEST"
CHECKPOINTS = "checkpoints"
TENSORBOARD = "tensorboard"
CODE_ARCHIVE, CODE_DIFF = "code.tar.gz", "code.diff"
_DESTINATION = re.compile(r"^s3://(?P<bucket>[^/]+)/?(?P<prefix>.*?)/?$")
_EXTENSION = re.compile(r"\.[^.]*[A-Za-z][^.]*$")
_LAST_NUMBER = re.compile(r"(\d+)(?=\D*$)")
_UNSAFE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True)
class Artefact:
    """A file of a run. ``path`` is relative to the run, with slashes."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class LeftOut:
    """Something below a run's directories that is not collected."""

    path: str
    reason: str


def place_of(destination: str, run_id: str) -> str:
    """Where a run's results go: the destination, then the run's id."""
    match = _DESTINATION.match(destination)
    if not match:
        raise TrainingError(
            f'Cannot copy results to "{destination}"', "it is not a place in a bucket.", "Write it as s3://bucket/runs."
        )
    return "/".join(["s3:/", match["bucket"], *filter(None, [match["prefix"]]), run_id])


def unsafe(path: str) -> bool:
    """Whether a name could break a list of files or a terminal."""
    return bool(_UNSAFE.search(path))


def entry_of(path: str) -> str:
    """The file or directory directly among the checkpoints that a path belongs to."""
    return path.split("/", 1)[0]


def series_of(name: str) -> str:
    """What a name has in common with its earlier ones: epoch-1.pt and epoch-2.pt are a series; empty where it has no number."""
    extension = _EXTENSION.search(name)
    stem = name[: extension.start()] if extension else name
    return _LAST_NUMBER.sub("#", stem) + (extension.group() if extension else "") if _LAST_NUMBER.search(stem) else ""


def last_number(name: str) -> int | None:
    """The last number in a name, without its extension."""
    extension = _EXTENSION.search(name)
    match = _LAST_NUMBER.search(name[: extension.start()] if extension else name)
    return int(match.group(1)) if match else None


def outdated_entries(entries: t.Mapping[str, float], kept: int) -> set[str]:
    """What is older than the newest ``kept`` of its series, by the time each was written. What is in no series stays."""
    series: dict[str, list[str]] = {}
    for name in sorted(entries, key=lambda name: (entries[name], name), reverse=True):
        series.setdefault(series_of(name) or f"/{name}", []).append(name)
    return {name for names in series.values() for name in names[kept:]} if kept > 0 else set()


def missing_outputs(declared: t.Iterable[str], sizes: t.Mapping[str, int]) -> list[str]:
    """Which declared outputs a run did not make. Each is a file, a directory with anything in it, or a pattern of files."""
    faults = []
    for output in declared:
        found = [path for path in sizes if path.startswith(f"{output}/") or path == output or fnmatchcase(path, output)]
        if not any(sizes[path] for path in found):
            faults.append(f"{output} is empty" if found else f"{output} is missing")
    return faults


def outcome_of(run: t.Mapping[str, t.Any]) -> str:
    if str(run["reason"]).startswith("stopped"):
        return "stopped"
    return "succeeded" if run["exit_code"] == 0 and not run.get("missing_outputs") else "failed"


def record_of(
    run: t.Mapping[str, t.Any], artefacts: t.Sequence[Artefact], left_out: t.Sequence[LeftOut]
) -> dict[str, t.Any]:
    """What ran and what came out."""
    return {
        "format": 1,
        "outcome": outcome_of(run),
        **run,
        "node_rank": 0,
        "node_count": 1,
        "artefacts": [asdict(artefact) for artefact in artefacts],
        "left_out": [asdict(each) for each in left_out],
    }


def text_of_record(record: t.Mapping[str, t.Any]) -> str:
    return json.dumps(record, indent=2, sort_keys=True) + "\n"


def parse_listing(text: str, place: str) -> dict[str, int]:
    """Sizes by path from what ``s5cmd --json ls`` prints."""
    found = {}
    for line in text.splitlines():
        entry = json.loads(line)
        if entry.get("type") == "file":
            found[entry["key"][len(place) + 1 :]] = int(entry.get("size", 0))
    return found


def to_upload(
    artefacts: t.Sequence[Artefact], listing: t.Mapping[str, int], earlier: str, latest: str = ""
) -> list[Artefact]:
    """What is missing in the bucket, or differs from what the record there says, and what LATEST says of checkpoints."""
    checkpoints = {f"{CHECKPOINTS}/{path}": sha256 for path, sha256 in _checksums(latest, "files").items()}
    known = {**_checksums(earlier, "artefacts"), **checkpoints}
    return [each for each in artefacts if listing.get(each.path) != each.size or known.get(each.path) != each.sha256]


def _checksums(document: str, key: str) -> dict[str, str]:
    """Checksums by path in a list of files; nothing where the document is not one of ours."""
    try:
        return {entry["path"]: entry["sha256"] for entry in json.loads(document)[key]} if document else {}
    except (ValueError, KeyError, TypeError):
        return {}


def listing_faults(artefacts: t.Sequence[Artefact], listing: t.Mapping[str, int]) -> list[str]:
    """What the bucket lacks of a record."""
    return [
        f"{each.path} is missing"
        if each.path not in listing
        else f"{each.path} has {listing[each.path]} bytes instead of {each.size}"
        for each in artefacts
        if listing.get(each.path) != each.size
    ]


def remove_commands(paths: t.Iterable[str], place: str) -> str:
    """Input for ``s5cmd run``."""
    return "".join(f"rm --raw {shlex.quote(place + '/' + path)}\n" for path in sorted(paths))


def fetch_commands(places: t.Mapping[str, str], place: str) -> str:
    """Input for ``s5cmd run`` that brings objects to files of the node."""
    return "".join(
        f"cp --raw {shlex.quote(place + '/' + path)} {shlex.quote(file)}\n" for path, file in sorted(places.items())
    )


def parse_names(text: str) -> list[str]:
    """What lies directly below a place, from what ``s5cmd --json ls`` prints of it."""
    entries = [json.loads(line) for line in text.splitlines()]
    return sorted(each["key"].rstrip("/").rsplit("/", 1)[-1] for each in entries if each.get("type") == "directory")


def copy_commands(sources: t.Mapping[str, str], place: str) -> str:
    """Input for ``s5cmd run``. ``--raw``: a star in a file's name is a star."""
    return "".join(
        f"cp --raw {shlex.quote(source)} {shlex.quote(place + '/' + path)}\n"
        for path, source in sorted(sources.items())
    )

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

from ansible_collections.trainyard.aws.plugins.module_utils._container_types import TrainingError

RECORD = "run.json"
_DESTINATION = re.compile(r"^s3://(?P<bucket>[^/]+)/?(?P<prefix>.*?)/?$")
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


def record_of(
    run: t.Mapping[str, t.Any], artefacts: t.Sequence[Artefact], left_out: t.Sequence[LeftOut]
) -> dict[str, t.Any]:
    """What ran and what came out."""
    outcome = (
        "succeeded" if run["exit_code"] == 0 else "stopped" if str(run["reason"]).startswith("stopped") else "failed"
    )
    return {
        "format": 1,
        "outcome": outcome,
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


def to_upload(artefacts: t.Sequence[Artefact], listing: t.Mapping[str, int], earlier: str) -> list[Artefact]:
    """What is missing in the bucket, or differs from what the record there says."""
    try:
        known = {entry["path"]: entry["sha256"] for entry in json.loads(earlier)["artefacts"]} if earlier else {}
    except (ValueError, KeyError, TypeError):
        known = {}
    return [each for each in artefacts if listing.get(each.path) != each.size or known.get(each.path) != each.sha256]


def listing_faults(artefacts: t.Sequence[Artefact], listing: t.Mapping[str, int]) -> list[str]:
    """What the bucket lacks of a record."""
    return [
        f"{each.path} is missing"
        if each.path not in listing
        else f"{each.path} has {listing[each.path]} bytes instead of {each.size}"
        for each in artefacts
        if listing.get(each.path) != each.size
    ]


def copy_commands(sources: t.Mapping[str, str], place: str) -> str:
    """Input for ``s5cmd run``. ``--raw``: a star in a file's name is a star."""
    return "".join(
        f"cp --raw {shlex.quote(source)} {shlex.quote(place + '/' + path)}\n"
        for path, source in sorted(sources.items())
    )

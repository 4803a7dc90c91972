# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Runs as the bucket remembers them: their records, and how they compare. Pure."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass

from ansible_collections.trainyard.aws.plugins.module_utils._container_decide import time_of
from ansible_collections.trainyard.aws.plugins.module_utils._container_text import sanitise
from ansible_collections.trainyard.aws.plugins.module_utils._durations import text_of
from ansible_collections.trainyard.aws.plugins.module_utils._numbers import finite_number
from ansible_collections.trainyard.aws.plugins.module_utils._offers import columns
from ansible_collections.trainyard.aws.plugins.module_utils._training_results import CHECKPOINTS

UNFINISHED = "unfinished"
_NEEDED = ("run_id", "outcome")
_HEAD = ("run", "outcome", "started", "took", "USD")
_WIDEST_CELL = 40
_COMMIT = 10
_MOST_ATTEMPTS = 1000

Record = t.Mapping[str, t.Any]


@dataclass(frozen=True)
class Fault:
    """A record that cannot be read, and why."""

    run_id: str
    reason: str


def place_of(prefix: str) -> str:
    """What the key of every object below ``prefix`` begins with."""
    return f"{prefix.strip('/')}/".lstrip("/")


def parse_record(run_id: str, text: str) -> dict[str, t.Any] | Fault:
    """What ``run.json`` of a run says, or what is wrong with it."""
    try:
        record = json.loads(text)
    except ValueError as error:
        return Fault(run_id, f"run.json is no JSON: {error}")
    lacking = [name for name in _NEEDED if not isinstance(record, dict) or not isinstance(record.get(name), str)]
    if lacking:
        return Fault(run_id, f"run.json has no {' and no '.join(lacking)}")
    if record["run_id"] != run_id:
        return Fault(run_id, f'run.json is of another run, "{sanitise(record["run_id"])}"')
    return record


def unfinished(run_id: str, changed_at: str, latest: str = "", spec: str = "") -> dict[str, t.Any]:
    """A run that has something in the bucket and no record: it goes on, or it ended without its results being collected.

    ``latest`` is what its LATEST says, ``spec`` what its spec.json does.
    """
    newest = newest_checkpoint(latest)
    return {
        "run_id": run_id,
        "outcome": UNFINISHED,
        "changed_at": changed_at,
        "newest_checkpoint": newest,
        "node": node_in(spec),
    }


def node_in(spec: str) -> str:
    """The node that a run was started on; empty where its spec.json does not say."""
    try:
        return sanitise(json.loads(spec)["settings"]["node"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""


def newest_checkpoint(latest: str) -> dict[str, str] | None:
    """Name of the newest checkpoint, and when it was copied; None where there is none."""
    try:
        found = json.loads(latest)
        return {name: sanitise(found[name]) for name in ("name", "time")} if found["name"] else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def kept_text(run_id: str, runs: t.Iterable[Record], place: str) -> str:
    """What a bucket keeps of a run, wherever its node is. ``place`` is where its runs are."""
    run = next((run for run in runs if run["run_id"] == run_id), None)
    where = f"{place.rstrip('/')}/{run_id}/"
    if run is None:
        return f'Nothing that could be read of run "{run_id}" is in {where}.'
    if run["outcome"] != UNFINISHED:
        return f'Run "{run_id}" has ended ({run["outcome"]}), and all it made is in {where}.'
    newest = run.get("newest_checkpoint")
    if not newest:
        return f'Run "{run_id}" had not ended, and {where} has no checkpoint of it.'
    return (
        f'Run "{run_id}" had not ended. Safe in {where}checkpoints/ is its newest checkpoint "{newest["name"]}", copied at '
        f"{newest['time']}; what it made since then is lost if its node is gone. The playbook resume trains it on from there."
    )


def lost_texts(runs: t.Iterable[Record], nodes: t.Container[str], place: str) -> list[str]:
    """What is safe of each run whose node went away before the run had ended."""
    return [
        f'Node "{run["node"]}" is gone. {kept_text(run["run_id"], [run], place)}'
        for run in runs
        if run["outcome"] == UNFINISHED and run["node"] and run["node"] not in nodes
    ]


def going_texts(runs: t.Iterable[Record], nodes: t.Container[str], place: str) -> list[str]:
    """The runs that have not ended on nodes that are there, and what would be left of each if its node went away now."""
    found = [run for run in runs if run["outcome"] == UNFINISHED and run["node"] in nodes]
    return [f'Run "{run["run_id"]}" has not ended on node "{run["node"]}"; {_newest_in(run, place)}.' for run in found]


def _newest_in(run: Record, place: str) -> str:
    where, newest = f"{place.rstrip('/')}/{run['run_id']}/{CHECKPOINTS}/", run.get("newest_checkpoint")
    return f'its newest checkpoint in {where} is "{newest["name"]}"' if newest else f"it has no checkpoint in {where}"


def in_order(runs: t.Iterable[Record]) -> list[Record]:
    """The oldest first; those that have not said when they started come last."""
    return sorted(runs, key=lambda run: (str(run.get("started_at") or "~"), run["run_id"]))


def differences(runs: t.Sequence[Record], name: str) -> list[str]:
    """The keys of the mapping ``name`` whose values are not the same in all runs that have one."""
    mappings = [run[name] for run in runs if isinstance(run.get(name), dict)]
    keys = dict.fromkeys(key for mapping in mappings for key in mapping)
    return [key for key in keys if len({json.dumps(mapping.get(key), sort_keys=True) for mapping in mappings}) > 1]


@dataclass(frozen=True)
class Comparison:
    """Runs side by side: the titles of the columns, a row of cells for each run, and the columns with numbers."""

    head: t.Sequence[str]
    rows: t.Sequence[t.Sequence[str]]
    numbers: t.Collection[int]


def comparison(runs: t.Sequence[Record]) -> Comparison:
    """How each run ended, in which hyperparameters they differ, and every metric that one of them has."""
    hyperparameters = differences(runs, "hyperparameters")
    metrics = list(dict.fromkeys(key for run in runs for key in _mapping(run, "metrics")))
    code = ["code"] if any(code_text(run) for run in runs) else []
    rows = [
        [
            run["run_id"],
            run["outcome"] + (f" (attempt {attempts_of(run)})" if attempts_of(run) > 1 else ""),
            _minute(str(run.get("started_at") or run.get("changed_at") or "")),
            _took(run.get("duration_seconds")),
            _number(run.get("cost_usd"), "{:.2f}"),
            *([code_text(run)] if code else []),
            *(_cell(_mapping(run, "hyperparameters").get(key)) for key in hyperparameters),
            *(_number(_mapping(run, "metrics").get(key), "{:.4g}") for key in metrics),
        ]
        for run in runs
    ]
    head = [*_HEAD, *code, *(_cell(name) for name in hyperparameters + metrics)]
    numbers = {3, 4, *range(len(_HEAD) + len(code) + len(hyperparameters), len(head))}
    return Comparison(head, [[_cell(cell) for cell in row] for row in rows], numbers)


def table(runs: t.Sequence[Record]) -> str:
    """The comparison for a terminal."""
    compared = comparison(runs)
    return columns([compared.head, *compared.rows], right=compared.numbers)


def code_text(run: Record) -> str:
    """The commit that a run trained, with a + where there were changes beside it; empty where its code is in its image."""
    code = _mapping(run, "code")
    return str(code.get("commit") or "")[:_COMMIT] + ("+" if code.get("changed") else "")


def attempts_of(run: Record) -> int:
    """How often a run was started; once where its record does not say."""
    attempts = run.get("attempts")
    return attempts if isinstance(attempts, int) and 0 < attempts <= _MOST_ATTEMPTS else 1


def _mapping(run: Record, name: str) -> t.Mapping[str, t.Any]:
    found = run.get(name)
    return found if isinstance(found, dict) else {}


def _minute(text: str) -> str:
    try:
        moment = time_of(text)
    except (ValueError, OverflowError):
        return ""
    return moment.strftime("%Y-%m-%d %H:%M") if moment else ""


def _took(seconds: t.Any) -> str:
    known = finite_number(seconds)
    return "" if known is None else text_of(round(known))


def _number(value: t.Any, form: str) -> str:
    known = finite_number(value)
    return "" if known is None else form.format(known)


def _cell(value: t.Any) -> str:
    """A value in few characters, none of which a terminal obeys."""
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    text = sanitise(text.replace("\n", " "))
    return text if len(text) <= _WIDEST_CELL else text[: _WIDEST_CELL - 3] + "..."

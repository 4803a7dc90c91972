# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""From where a run that has ended trains on, and with what: its newest whole checkpoint, its command, what it has used so far. Pure."""

from __future__ import annotations

import json
import re
import typing as t
from dataclasses import dataclass, field, fields, replace

from ansible_collections.trainyard.aws.plugins.module_utils._container_decide import CHECKPOINTS as SEEN_AS
from ansible_collections.trainyard.aws.plugins.module_utils._container_decide import RESUME_CHECKPOINT
from ansible_collections.trainyard.aws.plugins.module_utils._container_types import Spec, TrainingError, Ulimit, Volume
from ansible_collections.trainyard.aws.plugins.module_utils._training_results import (
    LATEST,
    last_number,
    outcome_of,
    series_of,
    unsafe,
)

FORMAT = 1
NODE_GONE = "its node went away"
# Directories with a number in their names that are checkpoints, and not places that hold some: checkpoint-500, not houses-001.
_CHECKPOINT_NAME = re.compile(
    r"(?:^|[-_.=])(?:checkpoint|chkpt|ckpt|epoch|ep|global_?step|step|iteration|iter|save)[-_.=]?\d+$|^\d+$",
    re.IGNORECASE,
)
_OPTION = re.compile(r"-{1,2}[A-Za-z]")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Checkpoint:
    """What a training goes on from. ``path`` is a file or directory below the checkpoints, ``epoch`` the number in its name."""

    path: str
    epoch: int | None

    @property
    def seen_as(self) -> str:
        return f"{SEEN_AS}/{self.path}"


@dataclass(frozen=True)
class Saved:
    """A file that LATEST names."""

    path: str
    size: int
    sha256: str
    mtime_ns: int = 0


@dataclass(frozen=True)
class Earlier:
    """An attempt that has ended, and what it used."""

    attempt: int
    node: str = ""
    started_at: str = ""
    finished_at: str = ""
    duration_seconds: float = 0.0
    cost_usd: float | None = None
    exit_code: int | None = None
    reason: str = NODE_GONE


@dataclass(frozen=True)
class Attempt:
    """One start of a run. ``command`` is empty where it is the run's own."""

    attempt: int = 1
    checkpoint: str = ""
    epoch: int | None = None
    command: tuple[str, ...] = ()
    earlier: tuple[Earlier, ...] = field(default=())
    retry: int = 0  # how often the node has tried again by itself since somebody started the run

    @classmethod
    def parse(cls, values: t.Mapping[str, t.Any]) -> Attempt:
        """Takes what it knows. A run that was never resumed has no values."""
        known = {each.name: values[each.name] for each in fields(cls) if each.name in values}
        names = {each.name for each in fields(Earlier)}
        earlier = tuple(
            Earlier(**{name: value for name, value in each.items() if name in names})
            for each in known.get("earlier", ())
        )
        return cls(**{**known, "command": tuple(known.get("command", ())), "earlier": earlier})

    def before(self, attempt: int) -> Attempt:
        """What was before an attempt, also where a later one has been made ready."""
        return replace(
            self,
            attempt=attempt,
            earlier=tuple(each for each in self.earlier if each.attempt < attempt),
            retry=max(0, self.retry - (self.attempt - attempt)),
        )

    @property
    def earlier_seconds(self) -> float:
        return round(sum(each.duration_seconds for each in self.earlier), 3)

    @property
    def earlier_usd(self) -> float:
        return round(sum(each.cost_usd or 0 for each in self.earlier), 4)


# ---- Checkpoints ---------------------------------------------------------------------------------------------------


def unit_of(path: str) -> str:
    """The file or directory among the checkpoints that is one checkpoint: houses/checkpoint_2.pt, but checkpoint-500 as a whole."""
    parts = path.split("/")
    for index, name in enumerate(parts[:-1]):
        if _CHECKPOINT_NAME.search(name):
            return "/".join(parts[: index + 1])
    if series_of(parts[-1]):
        return path
    numbered = next((index for index, name in enumerate(parts) if series_of(name)), len(parts) - 1)
    return "/".join(parts[: numbered + 1])


def units_of(written: t.Mapping[str, int]) -> dict[str, int]:
    """When each checkpoint was written, by when its files were."""
    units: dict[str, int] = {}
    for path, mtime_ns in written.items():
        units[unit_of(path)] = max(mtime_ns, units.get(unit_of(path), 0))
    return units


def newest_checkpoint(written: t.Mapping[str, int]) -> Checkpoint | None:
    """The one written last, of those with a number if there are any."""
    units = units_of(written)
    numbered = {unit: mtime_ns for unit, mtime_ns in units.items() if number_in(unit) is not None}
    chosen = numbered or units
    newest = max(chosen, key=lambda unit: (chosen[unit], number_in(unit) or 0, unit), default=None)
    return Checkpoint(newest, number_in(newest)) if newest is not None else None


def number_in(unit: str) -> int | None:
    """The number in a checkpoint's name: 12 of epoch-0012.pt."""
    return last_number(unit.rsplit("/", 1)[-1])


def saved_in(latest: str) -> list[Saved]:
    """What LATEST names; raises TrainingError where it cannot be read."""
    try:
        return saved_files(json.loads(latest)["files"])
    except (ValueError, KeyError, TypeError) as error:
        raise TrainingError(
            "Cannot read the run's LATEST in the bucket",
            f"it is none of ours ({str(error)!a}).",
            "The bucket keeps its versions; put one back that is whole.",
        ) from error


def saved_files(entries: t.Iterable[t.Mapping[str, t.Any]]) -> list[Saved]:
    """Files of a run by their record in the bucket; raises ValueError where one could lie elsewhere."""
    found = [Saved(str(e["path"]), int(e["size"]), str(e["sha256"]), int(e.get("mtime_ns", 0))) for e in entries]
    for each in found:
        if unsafe(each.path) or not set(each.path.split("/")).isdisjoint({"", ".", ".."}) or each.path == LATEST:
            raise ValueError(f"{each.path!a} is no file below the run")
        if not _SHA256.fullmatch(each.sha256):
            raise ValueError(f"{each.path} has no SHA-256")
    return found


def spent_in(latest: str) -> float:
    """How long the run had trained, all its attempts together, when its last checkpoint was copied."""
    try:
        return float(json.loads(latest)["spent_seconds"]) if latest else 0.0
    except (ValueError, KeyError, TypeError):
        return 0.0


def doubtful_units(written: t.Mapping[str, int], vouched: t.Container[str]) -> set[str]:
    """What may be half written after a node went away: the newest checkpoint that was not copied. What is older was closed before."""
    units = units_of({path: mtime_ns for path, mtime_ns in written.items() if path not in vouched})
    newest = max(units.values(), default=0)
    return {unit for unit, mtime_ns in units.items() if mtime_ns == newest}


# ---- The command ---------------------------------------------------------------------------------------------------


def filled(arguments: t.Sequence[str], checkpoint: Checkpoint | None) -> tuple[str, ...]:
    """Arguments with what their placeholders stand for. Where there is no checkpoint the training begins, and has none of them."""
    if checkpoint is None:
        return ()
    values = {"{path}": checkpoint.seen_as, "{name}": checkpoint.path.rsplit("/", 1)[-1], "{directory}": SEEN_AS}
    if checkpoint.epoch is not None:
        values["{epoch}"] = str(checkpoint.epoch)
    elif any("{epoch}" in each for each in arguments):
        raise TrainingError(
            "Cannot fill in the epoch in training_run_resume_arguments",
            f'the newest checkpoint, "{checkpoint.path}", has no number in its name.',
            "Use {path} or {name}, or give the number itself.",
        )
    return tuple(_replaced(each, values) for each in arguments)


def _replaced(text: str, values: t.Mapping[str, str]) -> str:
    return re.sub(r"\{(?:path|name|directory|epoch)\}", lambda match: values[match.group()], text)


def command_with(command: t.Sequence[str], arguments: t.Sequence[str]) -> tuple[str, ...]:
    """A command with options that take the place of the same ones in it, or come at its end."""
    result = list(command)
    for group in _groups(arguments):
        option = group[0].split("=", 1)[0]
        place = next((at for at, each in enumerate(result) if each.split("=", 1)[0] == option), None)
        if place is None or not _OPTION.match(option):
            result += group
            continue
        end = place + 1
        if "=" not in result[place]:
            # As many values as come along; never the next option.
            while end < len(result) and end - place < max(len(group), 2) and not _OPTION.match(result[end]):
                end += 1
        result[place:end] = group
    return tuple(result)


def _groups(arguments: t.Sequence[str]) -> list[list[str]]:
    groups: list[list[str]] = []
    for each in arguments:
        if _OPTION.match(each) or not groups:
            groups.append([each])
        else:
            groups[-1].append(each)
    return groups


# ---- What is kept of a run -----------------------------------------------------------------------------------------


def spec_of_document(values: t.Mapping[str, t.Any], attempt: Attempt) -> Spec:
    """The container of an attempt: the first one's, at its digest, with the checkpoint and the command of the attempt."""
    known = {each.name: values[each.name] for each in fields(Spec) if each.name in values}
    environment = dict(known["environment"])
    spec = Spec(
        **{
            **known,
            "command": tuple(known["command"]),
            "entrypoint": tuple(known["entrypoint"]),
            "environment": tuple(sorted({**environment, RESUME_CHECKPOINT: attempt.checkpoint}.items())),
            "volumes": tuple(Volume(**each) for each in known["volumes"]),
            "capabilities": tuple(known["capabilities"]),
            "ulimits": tuple(Ulimit(**each) for each in known["ulimits"]),
            "secrets": tuple((name, place) for name, place in known.get("secrets", ())),
        }
    )
    return replace(spec, attempt=attempt.attempt, attempt_command=attempt.command)


def spec_document(
    container: t.Mapping[str, t.Any],
    settings: t.Mapping[str, t.Any],
    attempt: t.Mapping[str, t.Any],
    hyperparameters: str,
) -> dict[str, t.Any]:
    """``spec.json`` in the bucket: all it takes to start the run on a node that has nothing of it."""
    return {
        "format": FORMAT,
        "run_id": container["run_id"],
        "container": dict(container),
        "settings": dict(settings),
        "attempt": dict(attempt),
        "hyperparameters": hyperparameters,
    }


def parse_spec(run_id: str, text: str) -> dict[str, t.Any]:
    """Raises TrainingError where it cannot be used."""
    try:
        document = dict(json.loads(text))
        if document["format"] != FORMAT or document["run_id"] != run_id:
            raise ValueError(f"format {document['format']} of run {document['run_id']!r}")
        for name in ("container", "settings", "attempt"):
            dict(document[name])
        document["container"]["image_digest"]
    except (ValueError, KeyError, TypeError) as error:
        raise TrainingError(
            f'Cannot resume run "{run_id}"',
            f"its spec.json in the bucket cannot be used: {str(error)!a}.",
            "The bucket keeps its versions; put one back that is whole.",
        ) from error
    return document


def parse_record(text: str) -> dict[str, t.Any]:
    """What run.json says; nothing where there is none that could be used."""
    try:
        record = dict(json.loads(text)) if text else {}
        return {**record, "attempts": int(record.get("attempts", 1))} if "outcome" in record else {}
    except (ValueError, TypeError):
        return {}


def refuse_finished(run_id: str, outcome: str) -> None:
    if outcome == "succeeded":
        raise TrainingError(
            f'Cannot resume run "{run_id}"',
            "it has finished, so there is nothing left to train.",
            "Train under another run id.",
        )


def is_tried_again(run: t.Mapping[str, t.Any], retries: int, retry: int) -> bool:
    """Whether the node starts another attempt by itself: this one failed for a reason outside of the training, and not too often."""
    return outcome_of(run) == "failed" and bool(run["may_be_retried"]) and retry < retries


def earlier_of_record(record: t.Mapping[str, t.Any], attempt: int, before: Attempt) -> Earlier:
    """The attempt that a record tells of, without those before it."""
    cost = record.get("cost_usd")
    return Earlier(
        attempt=attempt,
        node=str(record.get("node") or ""),
        # A record tells when the run was started first.
        started_at="" if before.earlier else str(record.get("started_at") or ""),
        finished_at=str(record.get("finished_at") or ""),
        duration_seconds=round(max(0.0, float(record.get("duration_seconds") or 0) - before.earlier_seconds), 3),
        cost_usd=round(max(0.0, float(cost) - before.earlier_usd), 4) if cost is not None else None,
        exit_code=record.get("exit_code"),
        reason=str(record.get("reason") or ""),
    )


def earlier_of_lost(settings: t.Mapping[str, t.Any], before: Attempt, spent_seconds: float) -> Earlier:
    """An attempt that nobody could record. The last copy of a checkpoint tells how long it had trained at least."""
    seconds = round(max(0.0, spent_seconds - before.earlier_seconds), 3)
    price = settings.get("price_per_hour_usd")
    return Earlier(
        attempt=before.attempt,
        node=str(settings.get("node") or ""),
        duration_seconds=seconds,
        cost_usd=round(seconds / 3600 * float(price), 4) if price else None,
    )

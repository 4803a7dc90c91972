# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Makes the next attempt of a run ready on its node, from what is there or from the bucket."""

from __future__ import annotations

import os
import shutil
import typing as t
import zipfile
from dataclasses import asdict, dataclass, replace

from ansible_collections.trainyard.aws.plugins.module_utils._container_decide import time_of, unknown_run
from ansible_collections.trainyard.aws.plugins.module_utils._container_engine import ATTEMPT, CONTAINER
from ansible_collections.trainyard.aws.plugins.module_utils._container_record import (
    LOG,
    hyperparameters_text,
    run_on_node,
)
from ansible_collections.trainyard.aws.plugins.module_utils._container_types import State, TrainingError
from ansible_collections.trainyard.aws.plugins.module_utils._durations import seconds_of, text_of
from ansible_collections.trainyard.aws.plugins.module_utils._resume import (
    Attempt,
    Checkpoint,
    Earlier,
    Saved,
    command_with,
    doubtful_units,
    earlier_of_lost,
    earlier_of_record,
    filled,
    newest_checkpoint,
    parse_record,
    parse_spec,
    refuse_finished,
    saved_files,
    saved_in,
    spent_in,
    unit_of,
)
from ansible_collections.trainyard.aws.plugins.module_utils._supervisor import Copy, File, files_at_end
from ansible_collections.trainyard.aws.plugins.module_utils._supervisor_node import MEMORY, look
from ansible_collections.trainyard.aws.plugins.module_utils._training_code import unpack_code, write_facts
from ansible_collections.trainyard.aws.plugins.module_utils._training_results import (
    CHECKPOINTS,
    CODE_ARCHIVE,
    CODE_DIFF,
    LATEST,
    RECORD,
    SPEC,
    outcome_of,
    place_of,
)
from ansible_collections.trainyard.aws.plugins.module_utils._training_results_store import (
    SETTINGS,
    Bucket,
    Runner,
    settings_of,
    sha256_of,
)
from ansible_collections.trainyard.aws.plugins.module_utils._whole_file import (
    read_mapping,
    write_mapping,
    write_whole,
)

DAMAGED = "damaged"
_INCOMING = ".incoming"
_HYPERPARAMETERS = "input/config/hyperparameters.json"
_READABLE = 0o755
_OPEN_DIRECTORY, _OPEN_FILE = 0o777, 0o666  # the image chooses its user


class UsedUp(TrainingError):
    """Its time or its money is spent, so there is nothing to wait for."""


class Docker(t.Protocol):
    """The part of Engine that tells of runs."""

    def find(self, run_id: str) -> State | None: ...

    def all(self) -> list[State]: ...


@dataclass(frozen=True)
class Here:
    """What is outside: Docker, the bucket, other programs of the node."""

    docker: Docker
    s5cmd: Runner
    run: Runner


@dataclass(frozen=True)
class Known:
    """A run that has ended, as this node or the bucket tells it."""

    directory: str
    container: dict[str, t.Any]
    settings: dict[str, t.Any]
    hyperparameters: str
    before: Attempt
    last: Earlier
    state: State | None = None
    left: tuple[Saved, ...] = ()  # what the bucket has of its results, but for checkpoints
    recorded: int = 0  # the attempt whose log is log.txt

    @property
    def checkpoints(self) -> str:
        return self.settings.get("checkpoints_directory") or os.path.join(self.directory, CHECKPOINTS)


@dataclass(frozen=True)
class Found:
    """The checkpoints that can be trained on from, when each of their files was written, and what is not whole."""

    written: dict[str, int]
    lacking: tuple[Saved, ...] = ()
    vouched: tuple[Saved, ...] = ()
    set_aside: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()


def prepare(params: t.Mapping[str, t.Any], here: Here, check_mode: bool) -> dict[str, t.Any]:
    """Make the next attempt ready. Raises TrainingError."""
    run_id = params["run_id"]
    state = here.docker.find(run_id)
    if state is not None and not state.ended:
        return _result(Attempt(state.attempt), state.directory, {}, resumes=state.status == "created")
    if state is not None and not check_mode:
        # It may be about to let the node go. That there is no such unit is no fault.
        here.run(["systemctl", "stop", f"trainyard-run@{run_id}.service"], None)
    bucket = Bucket(here.s5cmd, place_of(params["results"], run_id)) if params["results"] else None
    known = _known_here(state, check_mode) if state is not None else _known_elsewhere(params, here, bucket)
    known = replace(known, settings=_settings(params, known))
    _refuse_unmounted(known, here)
    attempt, found = _make_ready(known, bucket, check_mode)
    return _result(attempt, known.directory, known.settings, True, found, known)


def prepare_again(state: State, here: Here, results: str) -> Attempt:
    """Make the next attempt ready where the last one has just ended, with the settings it had. Raises TrainingError."""
    known = _known_here(state, False)
    _refuse_unmounted(known, here)
    bucket = Bucket(here.s5cmd, place_of(results, state.run_id)) if results else None
    attempt, dummy = _make_ready(known, bucket, False, known.before.retry + 1)
    return attempt


def take_back(state: State) -> None:
    """The attempt that was made ready is not started after all, so the last log is the run's again."""
    log, kept = (os.path.join(state.directory, name) for name in (LOG, _kept_log(state.attempt)))
    if os.path.exists(kept) and not os.path.exists(log):
        os.replace(kept, log)


def _kept_log(attempt: int) -> str:
    return f"log-{attempt}.txt"


def _make_ready(known: Known, bucket: Bucket | None, check_mode: bool, retry: int = 0) -> tuple[Attempt, Found]:
    found = _checkpoints(known, bucket)
    if not check_mode:
        found = _bring(found, known, bucket)
    attempt = replace(_next(known, newest_checkpoint(found.written)), retry=retry)
    _refuse_used_up(known.container["run_id"], known.settings, attempt)
    if not check_mode:
        _write(known, found, attempt, bucket)
    return attempt, found


def _result(
    attempt: Attempt,
    directory: str,
    settings: t.Mapping[str, t.Any],
    resumes: bool,
    found: Found | None = None,
    known: Known | None = None,
) -> dict[str, t.Any]:
    found = found or Found({})
    before = {"attempt": known.before.attempt, "reason": known.last.reason} if known else {"attempt": attempt.attempt}
    return {
        "changed": resumes,
        "resumes": resumes,
        "attempt": attempt.attempt,
        "checkpoint": attempt.checkpoint,
        "epoch": attempt.epoch,
        "command": list(attempt.command),
        "directory": directory,
        "new_node": bool(known and known.state is None),
        "brought": [each.path for each in found.lacking],
        "damaged": list(found.damaged),
        "set_aside": list(found.set_aside),
        "inputs": settings.get("inputs") or {},
        "when_finished": settings.get("when_finished") or "keep",
        "spent_seconds": attempt.earlier_seconds,
        "spent_usd": attempt.earlier_usd,
        "diff": {
            "before": before,
            "after": {"attempt": attempt.attempt, "checkpoint": attempt.checkpoint, "command": list(attempt.command)}
            if known
            else before,
        },
    }


# ---- What is known -------------------------------------------------------------------------------------------------


def _known_here(state: State, check_mode: bool) -> Known:
    run = run_on_node(state, check_mode)
    refuse_finished(state.run_id, outcome_of(run))
    container = read_mapping(os.path.join(state.directory, CONTAINER))
    if not container:
        raise TrainingError(
            f'Cannot resume run "{state.run_id}"',
            f"{state.directory}/{CONTAINER} is missing, which says what it was started with.",
            "Train under another run id.",
        )
    before = Attempt.parse(read_mapping(os.path.join(state.directory, ATTEMPT))).before(state.attempt)
    return Known(
        state.directory,
        container,
        settings_of(state.directory),
        hyperparameters_text(state.directory),
        before,
        replace(earlier_of_record(run, state.attempt, before), started_at=state.started_at),
        state,
        recorded=state.attempt,
    )


def _known_elsewhere(params: t.Mapping[str, t.Any], here: Here, bucket: Bucket | None) -> Known:
    run_id = params["run_id"]
    listing = bucket.listing() if bucket else {}
    if bucket is None or SPEC not in listing:
        raise _unknown(run_id, here, bucket)
    document = parse_spec(run_id, bucket.text(SPEC, listing))
    before = Attempt.parse(document["attempt"])
    record = parse_record(bucket.text(RECORD, listing))
    settings, container = document["settings"], document["container"]
    recorded = record.get("attempts", 0)
    if recorded >= before.attempt:
        refuse_finished(run_id, record["outcome"])
        last = earlier_of_record(record, before.attempt, before)
    else:
        last = earlier_of_lost(settings, before, spent_in(bucket.text(f"{CHECKPOINTS}/{LATEST}", listing)))
    left = tuple(each for each in saved_files(record.get("artefacts", ())) if _is_left(each.path))
    text, directory = document["hyperparameters"], container["directory"]
    return Known(directory, container, settings, text, before, last, None, left, recorded)


def _is_left(path: str) -> bool:
    return not path.startswith(f"{CHECKPOINTS}/") and path not in (_HYPERPARAMETERS, CODE_ARCHIVE, CODE_DIFF)


def _unknown(run_id: str, here: Here, bucket: Bucket | None) -> TrainingError:
    if bucket is None:
        return unknown_run(run_id, here.docker.all())
    names = sorted({*bucket.neighbours(), *(state.run_id for state in here.docker.all())} - {run_id})
    return TrainingError(
        f'There is no run "{run_id}" that could be resumed',
        f"Neither this node nor {bucket.place} knows how it was started.",
        f"Runs that there are: {', '.join(names)}." if names else "There is no run at all.",
    )


def _settings(params: t.Mapping[str, t.Any], known: Known) -> dict[str, t.Any]:
    """The run's own, but for the node, and for what whoever resumes it asks for anew."""
    asked = {
        "node": params["node"],
        "results": params["results"],
        "price_per_hour_usd": params["price_per_hour_usd"],
        "metrics_namespace": params["metrics_namespace"],
        "max_duration_seconds": seconds_of(params["max_duration"]) if params["max_duration"] else 0,
        "budget_usd": params["budget_usd"],
        "resume_arguments": params["resume_arguments"],
    }
    return {**known.settings, **{name: value for name, value in asked.items() if value}}


def _refuse_unmounted(known: Known, here: Here) -> None:
    shared = known.settings.get("shared_directory") or ""
    # A file system whose server does not answer would hold a look for ever.
    if shared and here.run(["timeout", "--signal=KILL", "30", "mountpoint", "--quiet", shared], None)[0]:
        raise TrainingError(
            f'Cannot resume run "{known.container["run_id"]}"',
            f"nothing is mounted on {shared}, where its checkpoints are.",
            "Mount the file system (role trainyard.aws.efs_mount).",
        )


def _refuse_used_up(run_id: str, settings: t.Mapping[str, t.Any], attempt: Attempt) -> None:
    duration, budget = settings.get("max_duration_seconds") or 0, settings.get("budget_usd") or 0
    limits = [
        (
            f"its time limit of {text_of(duration)} is used up",
            "training_run_max_duration",
            duration,
            attempt.earlier_seconds,
        ),
        (f"its budget of {budget:g} USD is used up", "training_run_budget_usd", budget, attempt.earlier_usd),
    ]
    for why, variable, limit, used in limits:
        if limit and used >= limit:
            raise UsedUp(f'Cannot resume run "{run_id}"', f"{why}.", f"Give it a higher {variable}.")


def _next(known: Known, checkpoint: Checkpoint | None) -> Attempt:
    arguments = filled(known.settings.get("resume_arguments") or (), checkpoint)
    return Attempt(
        attempt=known.before.attempt + 1,
        checkpoint=checkpoint.seen_as if checkpoint else "",
        epoch=checkpoint.epoch if checkpoint else None,
        command=command_with(known.container["command"], arguments) if arguments else (),
        earlier=(*known.before.earlier, known.last),
    )


# ---- Checkpoints ---------------------------------------------------------------------------------------------------


def _checkpoints(known: Known, bucket: Bucket | None) -> Found:
    """What is whole here, and what the bucket has that is newer."""
    local = look(known.checkpoints)
    if known.state is not None:
        finished = time_of(known.state.finished_at)
        whole = files_at_end(local, known.state.exit_code, finished.timestamp() if finished else 0.0)
        if whole or bucket is None:
            return _found(local, whole)
    saved = _saved(bucket) if bucket else []
    there = {each.path: each for each in saved if _is_whole(os.path.join(known.checkpoints, each.path), each)}
    if known.state is not None:
        whole = set(there)  # what was written just before the kill and copied all the same
    else:
        doubtful = {
            unit for unit in doubtful_units(_times(local, local), there) if not _is_archive(known.checkpoints, unit)
        }
        whole = {path for path in local if path in there or unit_of(path) not in doubtful}
    found = _found(local, whole)
    newest = max(found.written.values(), default=-1)
    if newest >= max((each.mtime_ns for each in saved), default=0):
        return replace(found, vouched=tuple(there.values()))
    lacking = tuple(each for each in saved if each.path not in there)
    times = {each.path: each.mtime_ns for each in lacking}
    return replace(found, written={**found.written, **times}, lacking=lacking, vouched=tuple(there.values()))


def _found(local: t.Mapping[str, File], whole: t.Collection[str]) -> Found:
    return Found(_times(local, whole), set_aside=tuple(sorted({unit_of(path) for path in local if path not in whole})))


def _times(local: t.Mapping[str, File], paths: t.Iterable[str]) -> dict[str, int]:
    return {path: local[path].mtime_ns for path in paths if path != LATEST}


def _saved(bucket: Bucket) -> list[Saved]:
    latest = bucket.text(f"{CHECKPOINTS}/{LATEST}", bucket.listing())
    return saved_in(latest) if latest else []


def _is_whole(file: str, saved: Saved) -> bool:
    return (
        os.path.isfile(file)
        and not os.path.islink(file)
        and os.path.getsize(file) == saved.size
        and sha256_of(file) == saved.sha256
    )


def _is_archive(root: str, unit: str) -> bool:
    """The list at the end of a zip archive, which PyTorch, NumPy and Keras write, is written last."""
    file = os.path.join(root, unit)
    return os.path.isfile(file) and not os.path.islink(file) and zipfile.is_zipfile(file)


def _bring(found: Found, known: Known, bucket: Bucket | None) -> Found:
    """Bring what is lacking, prove it, and put what is not whole out of the training's way."""
    for unit in found.set_aside:
        _set_aside(known.checkpoints, unit)
    if bucket is None or not found.lacking:
        return found
    incoming = known.checkpoints + _INCOMING
    good = _fetch(bucket, CHECKPOINTS, found.lacking, incoming)
    bad = {unit_of(each.path) for each in found.lacking if each.path not in good}
    brought = tuple(each for each in found.lacking if unit_of(each.path) not in bad)
    for each in brought:
        _put(os.path.join(incoming, each.path), known.checkpoints, each)
    shutil.rmtree(incoming, ignore_errors=True)
    written = {path: mtime for path, mtime in found.written.items() if unit_of(path) not in bad}
    if not written:
        raise TrainingError(
            f'Cannot resume run "{known.container["run_id"]}"',
            f"none of its checkpoints in {bucket.place} is whole: {', '.join(sorted(bad)[:5])}.",
            "The bucket keeps its versions; put one back that is whole.",
        )
    return replace(found, written=written, lacking=brought, damaged=tuple(sorted(bad)))


def _fetch(bucket: Bucket, below: str, files: t.Sequence[Saved], incoming: str) -> set[str]:
    """Bring files of the bucket beside their place. Returns those that are as they were when they were copied."""
    shutil.rmtree(incoming, ignore_errors=True)
    listing = bucket.listing()
    prefix = f"{below}/" if below else ""
    there = [each for each in files if listing.get(prefix + each.path) == each.size]
    if there:
        bucket.download({prefix + each.path: os.path.join(incoming, each.path) for each in there})
    return {each.path for each in there if _is_whole(os.path.join(incoming, each.path), each)}


def _put(source: str, root: str, saved: Saved) -> None:
    """Put a file in its place, with the time it was written and open for whatever user the image has."""
    target = os.path.join(root, saved.path)
    parent = os.path.dirname(target)
    _make_open(parent, root)
    os.chmod(source, _OPEN_FILE)
    if saved.mtime_ns:
        os.utime(source, ns=(saved.mtime_ns, saved.mtime_ns))
    os.replace(source, target)


def _make_open(directory: str, root: str) -> None:
    if not os.path.isdir(directory):
        if directory != root:
            _make_open(os.path.dirname(directory), root)
        os.makedirs(directory)
        os.chmod(directory, _OPEN_DIRECTORY)


def _set_aside(root: str, unit: str) -> None:
    target = os.path.join(os.path.dirname(root), DAMAGED, unit)
    if os.path.isdir(target):
        shutil.rmtree(target)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    os.replace(os.path.join(root, unit), target)


# ---- What the attempt finds ----------------------------------------------------------------------------------------


def _write(known: Known, found: Found, attempt: Attempt, bucket: Bucket | None) -> None:
    if known.state is None:
        _make_directories(known)
        if bucket is not None:
            _bring_code(known, bucket)
            _bring_results(known, bucket)
    log = os.path.join(known.directory, LOG)
    if os.path.exists(log):
        os.replace(log, os.path.join(known.directory, _kept_log(known.recorded)))
    write_mapping(os.path.join(known.directory, SETTINGS), known.settings)
    os.chmod(os.path.join(known.directory, SETTINGS), 0o600)
    write_mapping(os.path.join(known.directory, MEMORY), _memory(known, found, attempt))
    write_mapping(os.path.join(known.directory, ATTEMPT), asdict(attempt))


def _memory(known: Known, found: Found, attempt: Attempt) -> dict[str, t.Any]:
    """What the supervisor would remember had it been here: what was used, and what the bucket has."""
    memory = read_mapping(os.path.join(known.directory, MEMORY)) if known.state else {}
    now = look(known.checkpoints)
    copies = {
        each.path: Copy(each.size, now[each.path].mtime_ns, each.sha256)
        for each in (*found.vouched, *found.lacking)
        if each.path in now
    }
    return {"copies": copies, "newest": None, "ended": "", **memory, "clock": {"earlier": attempt.earlier_seconds}}


def _make_directories(known: Known) -> None:
    os.makedirs(known.directory, mode=0o750, exist_ok=True)
    for name in ("input", "input/config", "input/data"):
        path = os.path.join(known.directory, name)
        os.makedirs(path, exist_ok=True)
        os.chmod(path, _READABLE)
    write_whole(os.path.join(known.directory, _HYPERPARAMETERS), known.hyperparameters or "{}\n")
    os.chmod(os.path.join(known.directory, _HYPERPARAMETERS), 0o644)
    write_mapping(os.path.join(known.directory, CONTAINER), known.container)


def _bring_code(known: Known, bucket: Bucket) -> None:
    """The very code that the run was started with, whatever its repository has become. Raises TrainingError."""
    code = (known.settings.get("inputs") or {}).get("code") or {}
    if not code:
        return
    files, incoming = saved_files(code["files"]), os.path.join(known.directory, _INCOMING)
    good = _fetch(bucket, "", files, incoming)
    lacking = [each.path for each in files if each.path not in good]
    if lacking:
        raise TrainingError(
            f'Cannot resume run "{known.container["run_id"]}"',
            f"{' and '.join(lacking)} in {bucket.place} is not what it was when the run was started, and holds its code.",
            "The bucket keeps its versions; put one back that is whole.",
        )
    for each in files:
        _put(os.path.join(incoming, each.path), known.directory, each)
    shutil.rmtree(incoming, ignore_errors=True)
    unpack_code(known.directory, code["repository"])
    write_facts(known.directory, code)


def _bring_results(known: Known, bucket: Bucket) -> None:
    """What earlier attempts left, so that the run's results stay one: logs, events, output, model."""
    incoming = os.path.join(known.directory, _INCOMING)
    good = _fetch(bucket, "", known.left, incoming)
    for each in known.left:
        if each.path in good and not os.path.exists(os.path.join(known.directory, each.path)):
            _put(os.path.join(incoming, each.path), known.directory, each)
    shutil.rmtree(incoming, ignore_errors=True)
    rank, listing = known.settings.get("node_rank", 0), bucket.listing()
    journal = {f"{name}-{rank}.jsonl": os.path.join(known.directory, f"{name}.jsonl") for name in ("events", "usage")}
    bucket.download({path: file for path, file in journal.items() if path in listing and not os.path.exists(file)})

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Decisions about a training container. Pure: no Docker, no clock, no file."""

from __future__ import annotations

import difflib
import posixpath
import re
import signal
import typing as t
from datetime import datetime, timezone

from ansible_collections.trainyard.aws.plugins.module_utils._container_accelerators import (
    ACCELERATOR_FORMS,
    accelerators_fault,
)
from ansible_collections.trainyard.aws.plugins.module_utils._container_types import (
    Ending,
    Spec,
    State,
    Step,
    TrainingError,
    Ulimit,
    Volume,
    run_id_fault,
)
from ansible_collections.trainyard.aws.plugins.module_utils._progress import PatternError, pattern_of
from ansible_collections.trainyard.aws.plugins.module_utils._secrets import FORMS, secret_fault
from ansible_collections.trainyard.aws.plugins.module_utils._verdict import clue_in

DOCKER_SOCKETS = ("/var/run/docker.sock", "/run/docker.sock")
INPUT, OUTPUT, MODEL, CHECKPOINTS = "/opt/ml/input", "/opt/ml/output", "/opt/ml/model", "/opt/ml/checkpoints"
SECRETS = "/run/secrets"
SECRETS_MEMORY = "/run/trainyard"
HYPERPARAMETERS = f"{INPUT}/config/hyperparameters.json"
RESERVED_ENVIRONMENT = "TRAINYARD_"
# Path in the container of the checkpoint that the run trains on from; empty at its first start.
RESUME_CHECKPOINT = "TRAINYARD_RESUME_CHECKPOINT"

_SIGKILL_CODE = 128 + int(signal.SIGKILL)
# Signals that a program does not send to itself: a node that shuts down, an engine that restarts, somebody's kill.
_CODES_FROM_OUTSIDE = frozenset(
    128 + int(each) for each in (signal.SIGHUP, signal.SIGINT, signal.SIGKILL, signal.SIGTERM)
)
_SHELL_CODES = {126: "the command cannot be executed", 127: "the command is not in the image"}
_NANOSECONDS = re.compile(r"\.(\d{1,9})\d*")
_SIZE = re.compile(r"^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$", re.IGNORECASE)


def bytes_of(size: str | None, option: str) -> int:
    """``8g`` as a number of bytes; 0 where nothing is asked for."""
    if not size:
        return 0
    match = _SIZE.match(size.strip())
    if not match:
        raise TrainingError(
            f'Cannot use {option} "{size}"', "it is not a size.", "Write it as 512m, 8g or a number of bytes."
        )
    return int(float(match.group(1)) * 1024 ** " kmgt".index(match.group(2).lower() or " "))


def spec_of(params: t.Mapping[str, t.Any]) -> Spec:
    """The container that the module's options ask for."""
    fault = run_id_fault(params["run_id"])
    if fault:
        raise TrainingError("Cannot use this run_id", fault, 'Choose an id such as "digits-001".')
    refuse_pattern(params["progress_pattern"])
    fault = accelerators_fault(params["accelerators"])
    if fault:
        raise TrainingError("Cannot use these accelerators", fault, ACCELERATOR_FORMS)
    directory = directory_of(params)
    return Spec(
        run_id=params["run_id"],
        image=params["image"] or "",
        command=tuple(params["command"] or ()),
        entrypoint=tuple(params["entrypoint"] or ()),
        environment=environment_of(params["run_id"], params["environment"] or {}),
        volumes=volumes_of(params, directory),
        directory=directory,
        user=params["user"] or "",
        capabilities=tuple(sorted(name.upper() for name in params["capabilities"] or ())),
        memory=bytes_of(params["memory"], "memory"),
        shm_size=bytes_of(params["shm_size"], "shm_size"),
        pids_limit=params["pids_limit"],
        ulimits=tuple(Ulimit(each["name"], each["soft"], each["hard"]) for each in params["ulimits"] or ()),
        secrets=secrets_of(params["secrets"] or {}),
        working_directory=params["working_directory"] or "",
        accelerators=params["accelerators"],
    )


def secrets_of(asked: t.Mapping[str, t.Any]) -> tuple[tuple[str, str], ...]:
    """The files of secrets and where each lies."""
    for name, place in asked.items():
        fault = secret_fault(name, place)
        if fault:
            raise TrainingError("Cannot use these secrets", fault, FORMS)
    return tuple(sorted(asked.items()))


def secrets_directory(run_id: str) -> str:
    """In the memory of the node; nobody but root passes the directories above it."""
    return f"{SECRETS_MEMORY}/{run_id}/secrets"


def login_of(params: t.Mapping[str, t.Any]) -> dict[str, str] | None:
    """What Docker is told for the registry of the image, or None where it has its own login or needs none."""
    login = {name: params[f"registry_{name}"] or "" for name in ("username", "password")}
    if bool(login["username"]) != bool(login["password"]):
        raise TrainingError(
            "Cannot log in to the registry of the image",
            f"registry_{'password' if login['username'] else 'username'} is missing.",
            "Give both, or none.",
        )
    return login if login["username"] else None


def refuse_pattern(pattern: str) -> None:
    """A pattern that cannot be used is said before anything is started."""
    try:
        pattern_of(pattern)
    except PatternError as error:
        raise TrainingError(
            "Cannot use this progress_pattern", str(error), "Leave it empty for the usual ones."
        ) from error


def directory_of(params: t.Mapping[str, t.Any]) -> str:
    return params["directory"] or f"/var/lib/trainyard/runs/{params['run_id']}"


def environment_of(run_id: str, asked: t.Mapping[str, t.Any]) -> tuple[tuple[str, str], ...]:
    """The run's environment: ours, what the user asked for, and unbuffered output so that lines come as they are written."""
    taken = sorted(name for name in asked if name.startswith(RESERVED_ENVIRONMENT))
    if taken:
        raise TrainingError(
            "Cannot set environment " + ", ".join(taken),
            f"names that start with {RESERVED_ENVIRONMENT} are set by the run.",
            "Choose other names.",
        )
    ours = {
        "TRAINYARD_RUN_ID": run_id,
        "TRAINYARD_NODE_RANK": "0",
        "TRAINYARD_NODE_COUNT": "1",
        "TRAINYARD_HEAD_ADDRESS": "127.0.0.1",
        "TRAINING_JOB_NAME": run_id,
        RESUME_CHECKPOINT: "",
    }
    return tuple(
        sorted({"PYTHONUNBUFFERED": "1", **ours, **{name: str(value) for name, value in asked.items()}}.items())
    )


def volumes_of(params: t.Mapping[str, t.Any], directory: str) -> tuple[Volume, ...]:
    """The directories of the container contract, then what the user adds."""
    contract = [
        Volume(f"{directory}/input", INPUT, read_only=True),
        Volume(params["checkpoints_directory"] or f"{directory}/checkpoints", CHECKPOINTS),
        Volume(f"{directory}/model", MODEL),
        Volume(f"{directory}/output", OUTPUT),
    ]
    if params["hyperparameters_path"]:
        contract.append(
            Volume(f"{directory}/input/config/hyperparameters.json", params["hyperparameters_path"], read_only=True)
        )
    if params["secrets"]:
        contract.append(Volume(secrets_directory(params["run_id"]), SECRETS, read_only=True))
    asked = [Volume(each["source"], each["target"], bool(each["read_only"])) for each in params["volumes"] or ()]
    for volume in contract + asked:
        refuse_docker_socket(volume.source)
    return tuple(contract + asked)


def refuse_docker_socket(source: str) -> None:
    """Who holds the Docker socket is root on the node. A directory above the socket holds it too."""
    path = posixpath.normpath("/" + source.lstrip("/"))
    if any(socket == path or socket.startswith(path.rstrip("/") + "/") for socket in DOCKER_SOCKETS):
        raise TrainingError(
            f'Cannot mount "{source}"',
            "it gives the container the Docker socket, and with it the whole node.",
            "Mount a narrower directory.",
        )


def faults_of_match(want: Spec, have: State) -> list[str]:
    """Where the container that bears the run's name is not the one asked for; each fault names both sides."""
    faults = []
    if want.image not in ("", have.image, have.image_digest):
        faults.append(f'its image is "{have.image}", asked for is "{want.image}"')
    if want.image and want.command != have.command:
        faults.append(f"its command is {list(have.command)}, asked for is {list(want.command)}")
    if want.image and want.entrypoint != have.entrypoint:
        faults.append(f"its entrypoint is {list(have.entrypoint)}, asked for is {list(want.entrypoint)}")
    # Only names: the values may be secrets. The checkpoint differs from attempt to attempt of the same run.
    names = sorted({name for name, dummy in set(want.environment) ^ set(have.environment)} - {RESUME_CHECKPOINT})
    if want.image and names:
        faults.append("its environment differs in " + ", ".join(names))
    secrets = sorted({name for name, dummy in set(want.secrets) ^ set(have.secrets)})
    if want.image and secrets:
        faults.append("its secrets differ in " + ", ".join(secrets))
    return faults


def steps_to_start(want: Spec, have: State | None, others: t.Sequence[State]) -> tuple[Step, ...]:
    """What to do so that the run is started, once in its life."""
    if have is None and not want.image:
        raise unknown_run(want.run_id, others)
    if have is None:
        return (Step("create", "it does not exist"), Step("start", "it was just created"))
    faults = faults_of_match(want, have)
    if faults:
        raise TrainingError(
            f'Cannot start run "{want.run_id}"',
            "a container of this run exists already, and " + "; ".join(faults) + ".",
            "One run id is one training: choose another run id, or remove the old container with state: absent.",
        )
    return (Step("start", "it was created and never started"),) if have.status == "created" else ()


def steps_to_resume(want: Spec, have: State | None) -> tuple[Step, ...]:
    """What to do so that the attempt that was made ready is started, once."""
    if have is None:
        return (Step("create", f"attempt {want.attempt} was made ready"), Step("start", "it was just created"))
    if have.status == "created":
        return (Step("start", "it was created and never started"),)
    if have.running or have.attempt >= want.attempt:
        return ()
    return (
        Step("remove", f"attempt {have.attempt} has ended"),
        Step("create", f"attempt {want.attempt} was made ready"),
        Step("start", "it was just created"),
    )


def steps_to_stop(have: State | None, waits_for_next: bool = False) -> tuple[Step, ...]:
    if have is not None and have.running:
        return (Step("stop", "it is running"),)
    return (Step("stop", "it is about to be tried again"),) if waits_for_next else ()


def steps_to_remove(have: State | None) -> tuple[Step, ...]:
    return () if have is None else (*steps_to_stop(have), Step("remove", "it exists"))


def unknown_run(run_id: str, others: t.Sequence[State]) -> TrainingError:
    """The answer to a run id that is not here: which ones are, and the nearest."""
    known = {other.run_id: f"{other.run_id} ({describe(other)})" for other in others}
    near = difflib.get_close_matches(run_id, known, n=1)
    runs = (
        "Runs here: " + ", ".join(known[name] for name in sorted(known)) + "."
        if known
        else "There is no run here at all."
    )
    fix = f'Did you mean "{near[0]}"?' if near else "Start it with an image, or name one that exists."
    return TrainingError(f'There is no run "{run_id}" on this node', runs, fix)


def describe(state: State) -> str:
    return f"ended with exit code {state.exit_code}" if state.ended else state.status


def ending_of(
    state: State,
    failure: str,
    stopped: str,
    lines: t.Sequence[str] = (),
    missing_outputs: t.Sequence[str] = (),
    kernel_lines: t.Sequence[str] = (),
) -> Ending:
    """Why the run ended. The run's own word in /opt/ml/output/failure counts more than any guess, a memory limit more than the log.

    ``stopped`` says why it was stopped, such as "stopped on request", and is empty where nobody did. ``lines`` are the end of its log.
    ``missing_outputs`` says which of the files that it was to make it did not, ``kernel_lines`` what the driver of its GPUs reported.
    """
    code = state.exit_code
    if stopped:
        # A training that answers SIGTERM politely ends with 0, and has not finished.
        return Ending(code, f"{stopped} (exit code {code})", stopped=True)
    if code == 0 and missing_outputs:
        reason = "it did not make what was declared: " + ", ".join(missing_outputs)
        return Ending(code, reason, stopped=False, missing_outputs=tuple(missing_outputs))
    if code == 0:
        return Ending(code, "finished", stopped=False)
    clue = clue_in(lines, kernel_lines)
    by_memory = _memory_reason(state)
    reason = failure or by_memory or (clue.reason if clue else _code_reason(code))
    retried = not by_memory and (clue.may_be_retried if clue else code in _CODES_FROM_OUTSIDE and not failure)
    return Ending(code, reason, False, clue.decisive_lines if clue else (), retried)


def _memory_reason(state: State) -> str:
    """What Docker and the limit say of memory, or nothing."""
    code = state.exit_code
    if code == _SIGKILL_CODE and (state.memory or state.out_of_memory):
        # Docker's OOMKilled stays false with some kernels and cgroup versions, so a limit and a SIGKILL are enough.
        limit = f"its memory limit is {_in_mebibytes(state.memory)}" if state.memory else "Docker says so"
        return f"killed (137), most likely out of memory: {limit}. Try a smaller batch size or a higher limit."
    if state.out_of_memory:
        return f"exit code {code} after the kernel killed one of its processes for memory (limit {_in_mebibytes(state.memory)})"
    return ""


def _code_reason(code: int) -> str:
    if code == _SIGKILL_CODE:
        return "killed (137): by the kernel when the node ran out of memory, or by somebody's SIGKILL. See dmesg on the node."
    if code in _SHELL_CODES:
        return f"{_SHELL_CODES[code]} (exit code {code})"
    if code > 128 and code - 128 in {int(each) for each in signal.Signals}:
        return f"ended by signal {signal.Signals(code - 128).name} (exit code {code})"
    return f"exit code {code}"


def _in_mebibytes(size: int) -> str:
    return f"{size / 1024**2:.0f} MiB" if size else "of the node"


def seconds_between(started_at: str, finished_at: str) -> float:
    """Seconds between two of Docker's timestamps; 0 where one of them is Docker's zero time.

    Engines before 26 note the start late, so what ended at once seems to have ended before it started: moby/moby#45445.
    """
    started, finished = time_of(started_at), time_of(finished_at)
    return round(max(0.0, (finished - started).total_seconds()), 3) if started and finished else 0.0


def time_of(text: str) -> datetime | None:
    """Docker's RFC 3339 with up to nine decimals; Python 3.9 reads six and no Z."""
    if not text or text.startswith("0001-"):
        return None
    decimals = _NANOSECONDS.search(text)
    whole = _NANOSECONDS.sub("", text).replace("Z", "+00:00")
    moment = datetime.fromisoformat(whole).astimezone(timezone.utc)
    return moment.replace(microsecond=int(decimals.group(1).ljust(9, "0")[:6])) if decimals else moment


def failure_message(run_id: str, ending: Ending, last_lines: t.Sequence[str], log_file: str) -> str:
    """What the user reads when a run failed."""
    lines = "".join(f"\n  {line}" for line in last_lines)
    shown = f" Its last lines:{lines}\n" if lines else " It wrote nothing.\n"
    decisive = "".join(f"\n  {line}" for line in ending.decisive_lines)
    shown = f" What decided it:{decisive}\n{shown.lstrip()}" if decisive else shown
    code = f"exit code {ending.exit_code}"
    why = f"{code}: {ending.reason.rstrip('.')}" if ending.reason != code else code
    what_next = (
        "The cause lies outside the training, so the same may be tried again"
        if ending.may_be_retried
        else "Mend the cause and train again"
    )
    return (
        f'Run "{run_id}" failed with {why}.{shown}'
        f"The whole log is in {log_file} on the node. {what_next} under another run id."
    )

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""The training containers of a node, through the Docker SDK for Python, and what they leave in their run directory."""

from __future__ import annotations

import glob
import json
import os
import stat
import traceback
import typing as t
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ansible_collections.trainyard.aws.plugins.module_utils._accelerators import inventory_of
from ansible_collections.trainyard.aws.plugins.module_utils._container_accelerators import Given, Machine, given_to
from ansible_collections.trainyard.aws.plugins.module_utils._container_decide import (
    CHECKPOINTS,
    INPUT,
    MODEL,
    OUTPUT,
    describe,
    ending_of,
    failure_message,
    faults_of_match,
    refuse_docker_socket,
    seconds_between,
    steps_to_remove,
    steps_to_resume,
    steps_to_start,
    steps_to_stop,
    time_of,
)
from ansible_collections.trainyard.aws.plugins.module_utils._container_log import line_of, whole_log
from ansible_collections.trainyard.aws.plugins.module_utils._container_socket import LogReader
from ansible_collections.trainyard.aws.plugins.module_utils._container_text import sanitise, text_of
from ansible_collections.trainyard.aws.plugins.module_utils._container_types import (
    LABEL_PREFIX,
    NAME_PREFIX,
    TRYING_AGAIN,
    Ending,
    EngineAway,
    Spec,
    State,
    Step,
    TrainingError,
    Volume,
)
from ansible_collections.trainyard.aws.plugins.module_utils._ecr_login import login_for
from ansible_collections.trainyard.aws.plugins.module_utils._kernel_log import xids_between
from ansible_collections.trainyard.aws.plugins.module_utils._pci_devices import pci_devices
from ansible_collections.trainyard.aws.plugins.module_utils._progress import PatternError, Progress, Reader
from ansible_collections.trainyard.aws.plugins.module_utils._resume import Attempt, spec_of_document
from ansible_collections.trainyard.aws.plugins.module_utils._secrets_node import (
    fetch_secrets,
    make_secrets_directory,
    owner_in,
    place_secrets,
    remove_secrets,
)
from ansible_collections.trainyard.aws.plugins.module_utils._training_results import missing_outputs
from ansible_collections.trainyard.aws.plugins.module_utils._training_results_store import settings_of, sizes_of_outputs
from ansible_collections.trainyard.aws.plugins.module_utils._whole_file import read_mapping, write_mapping

try:
    import docker
    from docker.errors import APIError, DockerException, ImageNotFound, NotFound
    from docker.types import DeviceRequest, LogConfig, Mount
    from docker.types import Ulimit as DockerUlimit

    DOCKER_IMPORT_ERROR = ""
except ImportError:
    DOCKER_IMPORT_ERROR = traceback.format_exc()

# The local driver keeps bytes that are not UTF-8, which json-file does not. 20 files of 1 GB are more than a training writes;
# beyond that Docker drops the oldest.
LOG_DRIVER = {"type": "local", "config": {"max-size": "1g", "max-file": "20", "compress": "false"}}
SYSFS = "/sys"
CONTAINER = "container.json"
ATTEMPT = "attempt.json"
STATUS = "status.json"
STOPPED_ON_REQUEST = "stopped on request"
_CONNECT_SECONDS = 60
_FAILURE_BYTES = 1024
_TAIL_BYTES = 1024 * 1024
_END_LINES = 2000
# How long a GPU's error can take to end a training: processes that wait for a lost one give up after ten minutes.
_KERNEL_SECONDS = 900


@dataclass(frozen=True)
class Output:
    """What a run that ended wrote: how many lines, the last of them for the user, and its end for those who read it for him."""

    log_lines: int
    last_lines: tuple[str, ...]
    end: tuple[str, ...] = ()


class Engine:
    """Docker on this node. ``login`` is a user name and a password for the image's registry, where they were given."""

    def __init__(self, login: t.Mapping[str, str] | None = None) -> None:
        if DOCKER_IMPORT_ERROR:
            raise TrainingError(
                "Cannot speak to Docker on this node",
                "the Docker SDK for Python is not installed for the Python that Ansible uses here.",
                "Install python3-docker (role trainyard.aws.docker_engine does).",
            )
        self._login = login
        self._secrets: dict[str, bytes] = {}
        try:
            self._client = docker.from_env(version="auto", timeout=_CONNECT_SECONDS)
        except DockerException as error:
            raise EngineAway(
                "Cannot reach Docker on this node",
                f"{error}.",
                "See `systemctl status docker` there, and run the task with become: true.",
            ) from error

    def find(self, run_id: str) -> State | None:
        try:
            return _state_of(self._client.api.inspect_container(NAME_PREFIX + run_id))
        except NotFound:
            return None
        except APIError as error:
            raise _docker_error(f'Cannot look for run "{run_id}"', error) from error

    def all(self) -> list[State]:
        """Every run on this node."""
        listed = self._client.api.containers(all=True, filters={"label": LABEL_PREFIX + "run"})
        found = (self.find(each["Labels"][LABEL_PREFIX + "run"]) for each in listed)
        return sorted((state for state in found if state), key=lambda state: state.run_id)

    def hold_secrets(self, values: dict[str, bytes]) -> None:
        """What the next container that is started is given."""
        self._secrets = values

    def do(self, step: Step, want: Spec, grace_seconds: int) -> None:
        try:
            if step.verb == "create":
                self._create(want)
            elif step.verb == "start":
                self._start(want)
            elif step.verb == "stop":
                self._stop(want, grace_seconds)
            else:
                self._client.api.remove_container(want.container_name)
        except APIError as error:
            raise _docker_error(f'Cannot {step.verb} the container of run "{want.run_id}"', error) from error

    def signal(self, run_id: str, name: str) -> None:
        """Send a signal to a run. One that has ended meanwhile needs none."""
        try:
            self._client.api.kill(NAME_PREFIX + run_id, signal=name)
        except APIError as error:
            if error.status_code not in (404, 409):
                raise _docker_error(f'Cannot send {name} to run "{run_id}"', error) from error

    def resolve(self, image: str) -> tuple[str, str]:
        """The image's id and its digest, from the registry if it is not here. Its digest is its id where no registry gave it."""
        try:
            try:
                found = self._client.images.get(image)
            except ImageNotFound:
                found = self._client.images.pull(image, auth_config=self._login or login_for(image))
        except APIError as error:
            raise TrainingError(
                f'Cannot pull image "{image}"',
                f"{error.explanation or error}.",
                "See that its name and tag are right, that the node may read the registry, and that it is logged in there where it must be.",
            ) from error
        repository = image.split("@")[0].rsplit(":", 1)[0] if ":" in image.rsplit("/", 1)[-1] else image.split("@")[0]
        digests = [each for each in found.attrs.get("RepoDigests") or () if each.split("@")[0] == repository]
        return found.id, (digests or [found.id])[0]

    def _image_of(self, want: Spec) -> tuple[str, str]:
        """A run has one image in its life, whatever its tag has come to mean."""
        if not want.image_digest:
            return self.resolve(want.image)
        if "@" in want.image_digest:
            return self.resolve(want.image_digest)[0], want.image_digest
        try:
            return self._client.images.get(want.image_digest).id, want.image_digest
        except ImageNotFound as error:
            raise TrainingError(
                f'Cannot train run "{want.run_id}" here',
                f'its image "{want.image}" never was in a registry, and this node does not have it.',
                "Train on the node where it was started, or push the image and train under another run id.",
            ) from error

    def _create(self, want: Spec) -> None:
        image_id, digest = self._image_of(want)
        _prepare_directories(want)
        write_mapping(os.path.join(want.directory, CONTAINER), asdict(replace(want, image_digest=digest)))
        given = given_to(want.run_id, want.accelerators, self._machine())
        try:
            self._client.containers.create(image_id, **_options_of(want, digest, given))
        except APIError as error:
            # A second run of this task, started by hand or left over from a killed one, was faster: its container is the run's.
            other = self.find(want.run_id)
            if error.status_code != 409 or other is None or faults_of_match(want, other):
                raise

    def _machine(self) -> Machine:
        """What this node has of accelerators, and what Docker knows of them."""
        docker_info = self._client.info()
        found = inventory_of(pci_devices(Path(SYSFS)))
        counts: dict[str, int] = {}
        for each, count in found.accelerators:
            counts[each.vendor] = counts.get(each.vendor, 0) + count
        # Docker names no directories where it does not read descriptions.
        described = any(glob.glob(f"{place}/nvidia.*") for place in docker_info.get("CDISpecDirs") or ())
        return Machine(counts, tuple(docker_info.get("Runtimes") or ()), described)

    def _start(self, want: Spec) -> None:
        try:
            if want.secrets:
                place_secrets(want.run_id, self._secrets, self._user_of(want))
            self._client.api.start(want.container_name)
        except (APIError, TrainingError):
            # A container that never ran would keep its faulty command under the run's name for ever.
            state = self.find(want.run_id)
            if state is not None and not time_of(state.started_at):
                self._client.api.remove_container(want.container_name)
                remove_secrets(want.run_id)
            raise

    def _user_of(self, want: Spec) -> int:
        """The number of the container's user. A name stands in a file of the image."""
        user = self._client.api.inspect_container(want.container_name)["Config"].get("User") or "0"
        name = user.split(":")[0]
        if name.isdigit():
            return int(name)
        parts, dummy = self._client.api.get_archive(want.container_name, "/etc/passwd")
        return owner_in(b"".join(parts), name)

    def _stop(self, want: Spec, grace_seconds: int) -> None:
        state = self.find(want.run_id)
        if state is not None:
            mark_stopped(state.directory, STOPPED_ON_REQUEST)
        self._client.containers.get(want.container_name).stop(timeout=grace_seconds)


def _waits_for_next(directory: str) -> bool:
    """Whether the supervisor of a run that has ended is about to start it again."""
    return read_mapping(os.path.join(directory, STATUS)).get("state") == TRYING_AGAIN


def _stop_marker(directory: str) -> str:
    return os.path.join(directory, "stop-requested")


def mark_stopped(directory: str, why: str) -> None:
    """Say beside the run why it is being stopped; the first to say so is right."""
    try:
        with open(_stop_marker(directory), "x", encoding="utf-8") as marker:
            marker.write(why + "\n")
    except FileExistsError:
        pass


def _why_stopped(directory: str) -> str:
    marker = _stop_marker(directory)
    if not os.path.exists(marker):
        return ""
    with open(marker, encoding="utf-8") as file:
        return file.read().strip() or STOPPED_ON_REQUEST


def _failure_file(directory: str) -> str:
    return os.path.join(directory, "output", "failure")


def _prepare_directories(want: Spec) -> None:
    """Make the directories of the contract, and forget how an earlier container of this run ended."""
    os.makedirs(want.directory, mode=0o750, exist_ok=True)
    if want.secrets:
        make_secrets_directory(want.run_id)
    for volume in want.volumes:
        refuse_docker_socket(os.path.realpath(volume.source))
        if volume.target.startswith(f"{INPUT}/") and os.path.isdir(volume.source):
            # Docker cannot make the place of a mount in what is read-only.
            os.makedirs(os.path.join(want.directory, "input", os.path.relpath(volume.target, INPUT)), exist_ok=True)
        if os.path.exists(volume.source):
            continue
        if volume.target not in (INPUT, OUTPUT, MODEL, CHECKPOINTS):
            raise TrainingError(
                f'Cannot mount "{volume.source}" at {volume.target}',
                "it does not exist on the node.",
                "Put it there first.",
            )
        os.makedirs(volume.source)
        # The image chooses its user, and without capabilities not even root writes into what belongs to others. Nobody but root
        # passes the run's own directory above.
        os.chmod(volume.source, 0o755 if volume.read_only else 0o777)
    for left in (_stop_marker(want.directory), _failure_file(want.directory)):
        if os.path.lexists(left):
            os.remove(left)


def _docker_error(what: str, error: t.Any) -> TrainingError:
    return TrainingError(
        what, f"Docker says: {str(error.explanation or error).strip()}.", "Mend that, then run the same command again."
    )


def _options_of(want: Spec, digest: str, given: Given) -> dict[str, t.Any]:
    """The container for the Docker SDK: it can do nothing but compute and write to its own directories."""
    return {
        "name": want.container_name,
        "command": list(want.attempt_command or want.command) or None,
        "entrypoint": list(want.entrypoint) or None,
        "environment": {**given.environment, **dict(want.environment)},
        "labels": _labels_of(want, digest),
        "mounts": [Mount(each.target, each.source, type="bind", read_only=each.read_only) for each in want.volumes],
        "user": want.user or None,
        "working_dir": want.working_directory or None,
        "privileged": False,
        "cap_drop": ["ALL"],
        "cap_add": sorted({*want.capabilities, *given.capabilities}),
        "runtime": given.runtime or None,
        "device_requests": [DeviceRequest(driver="cdi", device_ids=[each]) for each in given.devices] or None,
        "security_opt": ["no-new-privileges"],
        "init": True,
        "detach": True,
        "restart_policy": {"Name": "no"},
        "log_config": LogConfig(**LOG_DRIVER),
        "mem_limit": want.memory or None,
        "memswap_limit": want.memory or None,
        "shm_size": want.shm_size or None,
        "pids_limit": want.pids_limit,
        "ulimits": [DockerUlimit(name=each.name, soft=each.soft, hard=each.hard) for each in want.ulimits],
    }


def _labels_of(want: Spec, digest: str) -> dict[str, str]:
    """What was asked for, so that the same wish is known again."""
    values = {
        "run": want.run_id,
        "image": want.image,
        "image-digest": digest,
        "command": json.dumps(want.command),
        "entrypoint": json.dumps(want.entrypoint),
        "environment": json.dumps([name for name, dummy in want.environment]),
        "secrets": json.dumps(dict(want.secrets)),
        "directory": want.directory,
        "attempt": str(want.attempt),
    }
    return {LABEL_PREFIX + name: value for name, value in values.items()}


def _state_of(container: dict[str, t.Any]) -> State:
    labels = {
        name[len(LABEL_PREFIX) :]: value
        for name, value in container["Config"]["Labels"].items()
        if name.startswith(LABEL_PREFIX)
    }
    if "run" not in labels:
        name = container["Name"].lstrip("/")
        raise TrainingError(
            f'Cannot use container "{name}"', "it has the name of a run and was not made by us.", "Rename or remove it."
        )
    state = container["State"]
    environment = dict(pair.split("=", 1) for pair in container["Config"]["Env"] or () if "=" in pair)
    asked = json.loads(labels["environment"])
    return State(
        container_id=container["Id"],
        run_id=labels["run"],
        status=state["Status"],
        image=labels["image"],
        image_digest=labels["image-digest"],
        command=tuple(json.loads(labels["command"])),
        entrypoint=tuple(json.loads(labels["entrypoint"])),
        environment=tuple((name, environment.get(name, "")) for name in asked),
        directory=labels["directory"],
        attempt=int(labels.get("attempt", 1)),
        secrets=tuple(sorted(json.loads(labels.get("secrets", "{}")).items())),
        memory=container["HostConfig"]["Memory"],
        exit_code=state["ExitCode"],
        out_of_memory=bool(state.get("OOMKilled")),
        started_at=state["StartedAt"],
        finished_at=state["FinishedAt"],
        checkpoints_directory=next(
            (each["Source"] for each in container.get("Mounts") or () if each["Destination"] == CHECKPOINTS), ""
        ),
    )


def ending(state: State, lines: t.Sequence[str] = ()) -> Ending:
    """How a run ended, with what it said itself in its output directory and at the end of its log, and the kernel of its GPUs."""
    failure = _own_words(_failure_file(state.directory))
    stopped, missing = _why_stopped(state.directory), _missing_outputs(state.directory)
    return ending_of(state, failure, stopped, lines, missing, _kernel_lines(state))


def _kernel_lines(state: State) -> list[str]:
    started, finished = time_of(state.started_at), time_of(state.finished_at)
    if not started or not finished or state.exit_code == 0:
        return []
    first = max(started.timestamp(), finished.timestamp() - _KERNEL_SECONDS)
    return [each.text for each in xids_between(state.directory, first, finished.timestamp())]


def _missing_outputs(directory: str) -> list[str]:
    declared = settings_of(directory).get("outputs")
    return missing_outputs(declared, sizes_of_outputs(directory)) if declared else []


def _own_words(path: str) -> str:
    """The beginning of a file that the container wrote; never of a file that a link of its points to."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return ""
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ""
        text = os.read(descriptor, _FAILURE_BYTES).decode("utf-8", "replace")
    finally:
        os.close(descriptor)
    return " ".join(sanitise(line).strip() for line in text.splitlines() if line.strip())


def write_log(state: State, log_file: str) -> None:
    """Write the whole log beside the run, once: the log of a container that ended does not change."""
    finished = time_of(state.finished_at)
    if not (os.path.exists(log_file) and finished and os.path.getmtime(log_file) >= finished.timestamp()):
        os.makedirs(os.path.dirname(log_file), exist_ok=True)
        # Whoever follows the run and what supervises it on the node may write it at the same time.
        new = f"{log_file}.{os.getpid()}.new"
        with open(new, "wb") as file:
            file.writelines(whole_log(LogReader(state.run_id).all_frames()))
        os.replace(new, log_file)


def read_output(log_file: str, tail: int) -> Output:
    """How many lines a log has, and the last of them, fit for a terminal."""
    if not os.path.exists(log_file):
        return Output(0, ())
    lines, last = 0, b"\n"
    with open(log_file, "rb") as file:
        for block in iter(lambda: file.read(_TAIL_BYTES), b""):
            lines += block.count(b"\n")
            last = block[-1:]
        lines += last != b"\n"
        file.seek(max(0, os.path.getsize(log_file) - _TAIL_BYTES))
        end = file.read()
    last_lines = (end[:-1] if end.endswith(b"\n") else end).split(b"\n")[-max(tail, _END_LINES) :] if lines else []
    texts = tuple(text_of(line_of(each)) for each in last_lines)
    return Output(lines, texts[-tail:] if tail > 0 else (), texts)


def words_on(how: Ending, output: Output, pattern: str) -> dict[str, t.Any]:
    """What a run's end says of it, for results and records."""
    try:
        reader = Reader(pattern)
    except PatternError:
        reader = Reader()  # whoever started the run was told; a record is written all the same
    reader.add_all(output.end)
    return {
        "decisive_lines": list(how.decisive_lines),
        "may_be_retried": how.may_be_retried,
        "missing_outputs": list(how.missing_outputs),
        "progress": reader.progress.position(),
        "metrics": reader.progress.last_values(),
    }


def act(engine: Engine, params: t.Mapping[str, t.Any], want: Spec, check_mode: bool) -> dict[str, t.Any]:
    """Bring the run into the wished state and say how it is."""
    have = engine.find(want.run_id)
    if params["state"] == "resumed":
        want = _made_ready(want.run_id, want.directory, want.volumes)
    elif have is not None and not want.image:
        want = replace(want, secrets=have.secrets)
    steps = {
        "resumed": lambda: steps_to_resume(want, have),
        "started": lambda: steps_to_start(want, have, [] if want.image else engine.all()),
        "stopped": lambda: steps_to_stop(have, have is not None and _waits_for_next(have.directory)),
        "absent": lambda: steps_to_remove(have),
    }[params["state"]]()
    if not check_mode:
        _take(engine, steps, want, params["grace_seconds"])
    now = engine.find(want.run_id) if steps and not check_mode else have
    if not check_mode and (now is None or now.ended):
        remove_secrets(want.run_id)
    return {
        "changed": bool(steps),
        "steps": [f"{step.verb}: {step.reason}" for step in steps],
        "attached": params["state"] in ("started", "resumed")
        and have is not None
        and have.status != "created"
        and not steps,
        "diff": {"before": _outline(have), "after": _outline_after(params["state"], have, now, want, check_mode)},
        **result_of(now, want, params, check_mode),
    }


class Starter(t.Protocol):
    """The part of Engine that starts an attempt."""

    def find(self, run_id: str) -> State | None: ...

    def do(self, step: Step, want: Spec, grace_seconds: int) -> None: ...

    def hold_secrets(self, values: dict[str, bytes]) -> None: ...


def start_attempt(engine: Starter, run_id: str, directory: str) -> None:
    """Have the attempt that was made ready take the place of the one that has ended, with the same channels."""
    want = _made_ready(run_id, directory)
    _take(engine, steps_to_resume(want, engine.find(run_id)), want, 0)


def _take(engine: Starter, steps: t.Sequence[Step], want: Spec, grace_seconds: int) -> None:
    """Secrets that cannot be read are told before anything is done."""
    if want.secrets and "start" in {step.verb for step in steps}:
        engine.hold_secrets(fetch_secrets(want.run_id, dict(want.secrets)))
    for step in steps:
        engine.do(step, want, grace_seconds)


def _made_ready(run_id: str, directory: str, volumes: t.Sequence[Volume] = ()) -> Spec:
    """The container of the attempt that M(trainyard.aws.training_attempt) has made ready."""
    container = read_mapping(os.path.join(directory, CONTAINER))
    attempt = read_mapping(os.path.join(directory, ATTEMPT))
    if not container or not attempt:
        raise TrainingError(
            f'Cannot resume run "{run_id}"',
            f"nothing was made ready for it in {directory}.",
            "Make it ready with trainyard.aws.training_attempt first.",
        )
    spec = spec_of_document(container, Attempt.parse(attempt))
    # Channels were staged anew, and may lie elsewhere on this node.
    staged = {each.target: each for each in volumes if each.target.startswith(f"{INPUT}/")}
    return replace(spec, volumes=tuple(staged.get(each.target, each) for each in spec.volumes))


def outline_of(state: State) -> dict[str, t.Any]:
    """A run in a list of runs."""
    return {
        "run_id": state.run_id,
        "status": state.status,
        "image": state.image,
        "image_digest": state.image_digest,
        "directory": state.directory,
        "started_at": state.started_at,
        "exit_code": state.exit_code if state.ended else None,
    }


def _outline(state: State | None) -> dict[str, str]:
    return {"status": describe(state), "image": state.image} if state else {"status": "absent"}


def _outline_after(wish: str, have: State | None, now: State | None, want: Spec, check_mode: bool) -> dict[str, str]:
    if not check_mode:
        return _outline(now)
    if wish == "resumed" and not (have and have.running):
        return {"status": "running", "image": want.image}
    if wish == "started" and (have is None or have.status == "created"):
        return {"status": "running", "image": want.image or (have.image if have else "")}
    if wish == "stopped" and have is not None and have.running:
        return {"status": "stopped", "image": have.image}
    return {"status": "absent"} if wish == "absent" else _outline(have)


def result_of(state: State | None, want: Spec, params: t.Mapping[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
    """What the module returns, with the same keys on every path."""
    log_file = params["log_file"] or os.path.join(state.directory if state else want.directory, "log.txt")
    result: dict[str, t.Any] = {
        "run_id": want.run_id,
        "container_name": want.container_name,
        "container_id": state.container_id if state else "",
        "status": state.status if state else "absent",
        "image": state.image if state else want.image,
        "image_digest": state.image_digest if state else "",
        "command": list(state.command if state else want.command),
        "entrypoint": list(state.entrypoint if state else want.entrypoint),
        "environment_names": [name for name, dummy in (state.environment if state else want.environment)],
        "directory": state.directory if state else want.directory,
        "started_at": state.started_at if state and time_of(state.started_at) else "",
        "finished_at": "",
        "duration_seconds": 0.0,
        "exit_code": None,
        "reason": "",
        "run_failed": False,
        "log_file": log_file,
        "log_lines": 0,
        "last_lines": [],
        "decisive_lines": [],
        "may_be_retried": False,
        "missing_outputs": [],
        "progress": Progress().position(),
        "metrics": {},
    }
    if state is None or not state.ended:
        return result
    if not check_mode:
        write_log(state, log_file)
    output = read_output(log_file, params["tail"])
    how = ending(state, output.end)
    result.update(
        words_on(how, output, params["progress_pattern"]),
        finished_at=state.finished_at,
        duration_seconds=seconds_between(state.started_at, state.finished_at),
        exit_code=how.exit_code,
        reason=how.reason,
        log_lines=output.log_lines,
        last_lines=list(output.last_lines),
    )
    if how.failed and params["state"] in ("started", "resumed"):
        result["run_failed"] = True
        result["msg"] = failure_message(want.run_id, how, output.last_lines, log_file)
    return result

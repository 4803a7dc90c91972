# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import typing as t
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _container_engine as engine
from ansible_collections.trainyard.aws.plugins.module_utils._container_accelerators import Given, Machine
from ansible_collections.trainyard.aws.plugins.module_utils._container_decide import spec_of
from ansible_collections.trainyard.aws.plugins.module_utils._container_types import (
    EngineAway,
    Frame,
    Spec,
    State,
    Step,
    TrainingError,
)
from ansible_collections.trainyard.aws.plugins.module_utils._whole_file import write_mapping

FINISHED = "2020-01-01T00:00:10Z"


def params_in(directory: Path, **changes: t.Any) -> dict[str, t.Any]:
    return {
        "run_id": "a",
        "state": "started",
        "image": "image:1",
        "command": None,
        "entrypoint": None,
        "environment": None,
        "secrets": None,
        "working_directory": None,
        "directory": str(directory / "a"),
        "checkpoints_directory": None,
        "hyperparameters_path": None,
        "volumes": None,
        "user": None,
        "capabilities": ["sys_nice"],
        "accelerators": "all",
        "memory": "64m",
        "shm_size": None,
        "pids_limit": 10,
        "ulimits": None,
        "grace_seconds": 1,
        "tail": 2,
        "log_file": None,
        "progress_pattern": "",
        **changes,
    }


def container_of(want: Spec, **state: t.Any) -> dict[str, t.Any]:
    """What Docker tells about the container that we made."""
    return {
        "Id": "c0ffee",
        "Name": "/" + want.container_name,
        "Config": {
            "Labels": engine._labels_of(want, "image@sha256:1"),
            "Env": ["PATH=/bin", *(f"{name}={value}" for name, value in want.environment)],
        },
        "HostConfig": {"Memory": want.memory},
        "State": {
            "Status": "running",
            "ExitCode": 0,
            "StartedAt": "2020-01-01T00:00:00Z",
            "FinishedAt": FINISHED,
            **state,
        },
    }


class Node:
    """Stands in for Docker: does what it is told and writes it down."""

    def __init__(self, want: Spec, state: State | None, exits_with: int | None = None) -> None:
        self.want, self.state, self.exits_with = want, state, exits_with
        self.done: list[str] = []

    def find(self, run_id: str) -> State | None:
        return self.state if run_id == self.want.run_id else None

    def all(self) -> list[State]:
        return [self.state] if self.state else []

    def do(self, step: Step, want: Spec, grace_seconds: int) -> None:
        self.done.append(step.verb)
        if step.verb == "start":
            running = (
                {"Status": "running"} if self.exits_with is None else {"Status": "exited", "ExitCode": self.exits_with}
            )
            self.state = engine._state_of(container_of(want, **running))
        elif step.verb == "stop":
            self.state = engine._state_of(container_of(want, Status="exited", ExitCode=143))
        elif step.verb == "remove":
            self.state = None


@pytest.fixture(autouse=True)
def log_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [Frame(1, "t", b"one\n"), Frame(1, "t", b"\x1b[31mtwo\n"), Frame(1, "t", b"1%\r2%\n")]
    monkeypatch.setattr(engine.LogReader, "all_frames", lambda self: iter(frames))


def started(directory: Path, exits_with: int | None, **changes: t.Any) -> tuple[dict[str, t.Any], Node]:
    params = params_in(directory, **changes)
    want = spec_of(params)
    node = Node(want, None, exits_with)
    os.makedirs(want.directory + "/output")
    return engine.act(node, params, want, check_mode=False), node


def test_what_we_make_is_known_again(tmp_path: Path) -> None:
    want = spec_of(params_in(tmp_path, environment={"KEY": "a=b"}, command=["x"], entrypoint=["y"]))
    have = engine._state_of(container_of(want))
    assert (have.image, have.command, have.entrypoint) == (want.image, want.command, want.entrypoint)
    assert have.environment == want.environment
    assert have.directory == want.directory


def test_a_container_of_others_is_not_touched() -> None:
    container = {"Id": "1", "Name": "/trainyard-run-a", "Config": {"Labels": {}}, "State": {}}
    with pytest.raises(TrainingError, match="not made by us"):
        engine._state_of(container)


def test_container_can_do_little(tmp_path: Path) -> None:
    options = engine._options_of(spec_of(params_in(tmp_path)), "image@sha256:1", Given())
    assert options["privileged"] is False
    assert options["cap_drop"] == ["ALL"]
    assert options["cap_add"] == ["SYS_NICE"]
    assert options["security_opt"] == ["no-new-privileges"]
    assert options["init"] is True
    assert options["pids_limit"] == 10
    assert options["mem_limit"] == options["memswap_limit"] == 64 * 1024**2
    assert options["restart_policy"] == {"Name": "no"}
    assert options["log_config"]["Type"] == "local"


def test_started_and_going_on(tmp_path: Path) -> None:
    result, node = started(tmp_path, exits_with=None)
    assert node.done == ["create", "start"]
    assert (result["changed"], result["attached"], result["exit_code"]) == (True, False, None)
    assert result["diff"] == {"before": {"status": "absent"}, "after": {"status": "running", "image": "image:1"}}


def test_ended_well(tmp_path: Path) -> None:
    result, _ = started(tmp_path, exits_with=0)
    assert (result["exit_code"], result["reason"], result["run_failed"]) == (0, "finished", False)
    assert result["last_lines"] == ["two", "2%"]
    assert result["log_lines"] == 3
    assert result["duration_seconds"] == 10.0
    assert Path(result["log_file"]).read_bytes() == b"one\n\x1b[31mtwo\n1%\r2%\n"


def test_ended_badly(tmp_path: Path) -> None:
    result, _ = started(tmp_path, exits_with=3)
    assert result["run_failed"] is True
    assert 'Run "a" failed with exit code 3' in result["msg"]
    assert "\x1b" not in result["msg"]


def test_a_second_time_nothing_is_started_and_the_result_is_the_same(tmp_path: Path) -> None:
    first, node = started(tmp_path, exits_with=0)
    params = params_in(tmp_path)
    second = engine.act(node, params, spec_of(params), check_mode=False)
    assert node.done == ["create", "start"]
    assert second["changed"] is False
    assert second["attached"] is True
    same = set(first) - {"changed", "attached", "steps", "diff"}
    assert {key: second[key] for key in same} == {key: first[key] for key in same}


def test_check_mode_does_nothing_and_says_what_it_would(tmp_path: Path) -> None:
    params = params_in(tmp_path)
    node = Node(spec_of(params), None)
    result = engine.act(node, params, spec_of(params), check_mode=True)
    assert node.done == []
    assert result["changed"] is True
    assert result["diff"]["after"] == {"status": "running", "image": "image:1"}
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("wish", "verbs", "status"),
    [
        pytest.param("stopped", ["stop"], "exited", id="stopped"),
        pytest.param("absent", ["stop", "remove"], "absent", id="absent"),
    ],
)
def test_stopped_and_absent(tmp_path: Path, wish: str, verbs: list[str], status: str) -> None:
    params = params_in(tmp_path, state=wish)
    want = spec_of(params)
    os.makedirs(want.directory + "/output")
    node = Node(want, engine._state_of(container_of(want)))
    result = engine.act(node, params, want, check_mode=False)
    assert node.done == verbs
    assert (result["status"], result["changed"], result["run_failed"]) == (status, True, False)
    again = engine.act(node, params, want, check_mode=False)
    assert again["changed"] is False


def test_own_words_count(tmp_path: Path) -> None:
    want = spec_of(params_in(tmp_path))
    os.makedirs(want.directory + "/output")
    Path(want.directory, "output", "failure").write_bytes(b"\x1b[31mKeyError:\n 'x' \xff\n")
    ending = engine.ending(engine._state_of(container_of(want, Status="exited", ExitCode=1)))
    assert ending.reason == "KeyError: 'x' \ufffd"


@pytest.mark.parametrize(
    ("code", "content", "reason", "failed"),
    [
        pytest.param(0, "weights", "finished", False, id="made"),
        pytest.param(0, "", "it did not make what was declared: model/a.pt is empty", True, id="empty"),
        pytest.param(0, None, "it did not make what was declared: model/a.pt is missing", True, id="missing"),
        pytest.param(3, None, "exit code 3", True, id="failed anyway"),
    ],
)
def test_declared_outputs_belong_to_success(
    tmp_path: Path, code: int, content: str | None, reason: str, failed: bool
) -> None:
    want = spec_of(params_in(tmp_path))
    os.makedirs(want.directory + "/model")
    Path(want.directory, "settings.json").write_text('{"outputs": ["model/a.pt"]}')
    if content is not None:
        Path(want.directory, "model", "a.pt").write_text(content)
    ending = engine.ending(engine._state_of(container_of(want, Status="exited", ExitCode=code)))
    assert (ending.reason, ending.failed, ending.stopped) == (reason, failed, False)


def test_places_of_mounts_in_the_input_are_made(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    volume = {"source": str(tmp_path / "images"), "target": "/opt/ml/input/data/images", "read_only": True}
    engine._prepare_directories(spec_of(params_in(tmp_path, volumes=[volume])))
    assert (tmp_path / "a" / "input" / "data" / "images").is_dir()


def test_a_resumed_run_reads_its_channels_where_they_were_staged_now(tmp_path: Path) -> None:
    def images_in(directory: str) -> Spec:
        volume = {"source": directory, "target": "/opt/ml/input/data/images", "read_only": True}
        return spec_of(params_in(tmp_path, volumes=[volume]))

    first = images_in("/nvme/old")
    os.makedirs(first.directory)
    write_mapping(os.path.join(first.directory, engine.CONTAINER), asdict(first))
    write_mapping(os.path.join(first.directory, engine.ATTEMPT), {"attempt": 2})
    ready = engine._made_ready(first.run_id, first.directory, images_in("/var/new").volumes)
    assert [each.source for each in ready.volumes if "images" in each.target] == ["/var/new"]
    assert ready.volumes[:-1] == first.volumes[:-1]
    assert engine._made_ready(first.run_id, first.directory).volumes == first.volumes


def test_own_words_are_not_read_through_a_link(tmp_path: Path) -> None:
    want = spec_of(params_in(tmp_path))
    os.makedirs(want.directory + "/output")
    (tmp_path / "shadow").write_text("root:secret")
    Path(want.directory, "output", "failure").symlink_to(tmp_path / "shadow")
    ending = engine.ending(engine._state_of(container_of(want, Status="exited", ExitCode=1)))
    assert ending.reason == "exit code 1"


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_own_words_are_read_from_a_file_only(tmp_path: Path, make: t.Callable[[str], None]) -> None:
    want = spec_of(params_in(tmp_path))
    os.makedirs(want.directory + "/output")
    make(want.directory + "/output/failure")
    assert engine.ending(engine._state_of(container_of(want, Status="exited", ExitCode=1))).reason == "exit code 1"


@pytest.mark.parametrize(
    ("written", "count", "last"),
    [
        pytest.param(b"", 0, (), id="empty"),
        pytest.param(b"one\n", 1, ("one",), id="one"),
        pytest.param(b"one\ntwo\nthree", 3, ("two", "three"), id="no newline at the end"),
        pytest.param(b"one\n\n\n", 3, ("", ""), id="blank lines"),
    ],
)
def test_read_output(tmp_path: Path, written: bytes, count: int, last: tuple[str, ...]) -> None:
    (tmp_path / "log.txt").write_bytes(written)
    output = engine.read_output(str(tmp_path / "log.txt"), tail=2)
    assert (output.log_lines, output.last_lines) == (count, last)


def test_directories_of_a_run_are_its_own(tmp_path: Path) -> None:
    want = spec_of(params_in(tmp_path))
    os.umask(0o022)
    os.makedirs(want.directory + "/output")
    Path(want.directory, "stop-requested").touch()
    Path(want.directory, "output", "failure").touch()
    engine._prepare_directories(want)
    assert Path(want.directory, "model").stat().st_mode & 0o777 == 0o777
    assert Path(want.directory, "input").stat().st_mode & 0o777 == 0o755
    assert not Path(want.directory, "stop-requested").exists()
    assert not Path(want.directory, "output", "failure").exists()


def test_a_missing_source_is_not_made_up(tmp_path: Path) -> None:
    want = spec_of(
        params_in(tmp_path, volumes=[{"source": str(tmp_path / "data"), "target": "/data", "read_only": True}])
    )
    with pytest.raises(TrainingError, match="does not exist on the node"):
        engine._prepare_directories(want)


def test_docker_socket_is_refused_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/run/docker.sock")
    want = spec_of(params_in(tmp_path, volumes=[{"source": str(tmp_path / "link"), "target": "/x", "read_only": True}]))
    with pytest.raises(TrainingError, match="Docker socket"):
        engine._prepare_directories(want)


SECRETS = {"hf": "ssm:/team/hf"}


class Secretive(Node):
    """Also takes secrets, and tells when."""

    def hold_secrets(self, values: dict[str, bytes]) -> None:
        self.done.append(f"hold {values}")


@pytest.mark.parametrize(("exits_with", "left"), [(None, []), (0, ["a"])])
def test_secrets_are_read_first_and_go_with_the_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exits_with: int | None, left: list[str]
) -> None:
    removed: list[str] = []
    monkeypatch.setattr(engine, "remove_secrets", removed.append)
    monkeypatch.setattr(engine, "fetch_secrets", lambda run_id, wanted: dict.fromkeys(wanted, b"hush"))
    params = params_in(tmp_path, secrets=SECRETS)
    node = Secretive(spec_of(params), None, exits_with)
    os.makedirs(node.want.directory + "/output")
    result = engine.act(node, params, node.want, check_mode=False)
    assert node.done == ["hold {'hf': b'hush'}", "create", "start"]
    assert removed == left
    assert "hush" not in repr(result)


def test_without_its_secrets_nothing_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(run_id: str, wanted: dict[str, str]) -> t.NoReturn:
        raise TrainingError("no", "right", "here")

    monkeypatch.setattr(engine, "fetch_secrets", refuse)
    params = params_in(tmp_path, secrets=SECRETS)
    node = Secretive(spec_of(params), None)
    with pytest.raises(TrainingError):
        engine.act(node, params, node.want, check_mode=False)
    assert node.done == []


def test_docker_is_told_where_secrets_lie_and_not_what_they_are(tmp_path: Path) -> None:
    want = spec_of(params_in(tmp_path, secrets=SECRETS))
    options = engine._options_of(want, "image@sha256:1", Given())
    (mount,) = [each for each in options["mounts"] if each["Target"] == "/run/secrets"]
    assert (mount["Source"], mount["ReadOnly"]) == ("/run/trainyard/a/secrets", True)
    assert engine._state_of(container_of(want)).secrets == (("hf", "ssm:/team/hf"),)
    assert "hf" not in repr(options["environment"])


def test_other_secrets_are_another_run(tmp_path: Path) -> None:
    node = Node(spec_of(params_in(tmp_path)), engine._state_of(container_of(spec_of(params_in(tmp_path)))))
    params = params_in(tmp_path, secrets=SECRETS)
    with pytest.raises(TrainingError, match="its secrets differ in hf"):
        engine.act(node, params, spec_of(params), check_mode=False)


class Containers:
    """Docker's calls around the start of a container that was made for a user, and that cannot be started."""

    def __init__(self, want: Spec, user: str) -> None:
        self.api, self._want, self._user = self, want, user
        self.done: list[str] = []

    def inspect_container(self, name: str) -> dict[str, t.Any]:
        container = container_of(self._want, Status="created", StartedAt="0001-01-01T00:00:00Z")
        container["Config"]["User"] = self._user
        return container

    def start(self, name: str) -> t.NoReturn:
        self.done.append("start")
        raise engine.APIError("no such program")

    def remove_container(self, name: str) -> None:
        self.done.append("remove")


@pytest.mark.parametrize(("user", "owner"), [("", 0), ("1042", 1042), ("1042:7", 1042)])
def test_secrets_belong_to_the_containers_user_and_do_not_outlive_a_failed_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: str, owner: int
) -> None:
    want = spec_of(params_in(tmp_path, secrets=SECRETS))
    node, placed = engine.Engine.__new__(engine.Engine), []
    containers = Containers(want, user)
    monkeypatch.setattr(node, "_client", containers, raising=False)
    monkeypatch.setattr(engine, "place_secrets", lambda *args: placed.append(args))
    monkeypatch.setattr(engine, "remove_secrets", lambda run_id: containers.done.append(f"forget {run_id}"))
    node.hold_secrets({"hf": b"hush"})
    with pytest.raises(engine.APIError):
        node._start(want)
    assert placed == [("a", {"hf": b"hush"}, owner)]
    assert containers.done == ["start", "remove", "forget a"]


class Registry:
    """Stands in for Docker's images: none is here, and one is in a registry."""

    def __init__(self) -> None:
        self.images = self
        self.logins: list[object] = []

    def get(self, image: str) -> t.NoReturn:
        raise engine.ImageNotFound("no such image")

    def pull(self, image: str, auth_config: object = None) -> t.Any:
        self.logins.append(auth_config)
        return SimpleNamespace(id="sha256:1", attrs={"RepoDigests": ["registry.test/a@sha256:2"]})


@pytest.mark.parametrize("login", [None, {"username": "AWS", "password": "for-twelve-hours"}])
def test_a_login_is_for_the_pull(monkeypatch: pytest.MonkeyPatch, login: dict[str, str] | None) -> None:
    registry = Registry()
    monkeypatch.setattr(engine.docker, "from_env", lambda **options: registry)
    assert engine.Engine(login).resolve("registry.test/a:1") == ("sha256:1", "registry.test/a@sha256:2")
    assert registry.logins == [login]


def test_missing_sdk_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "DOCKER_IMPORT_ERROR", "ImportError")
    with pytest.raises(TrainingError, match="Install python3-docker"):
        engine.Engine()


def test_a_docker_that_does_not_answer_is_away(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nowhere.sock")
    with pytest.raises(EngineAway, match="Cannot reach Docker"):
        engine.Engine()


def test_accelerators_become_what_docker_is_asked_for(tmp_path: Path) -> None:
    want = spec_of(params_in(tmp_path, environment={"NVIDIA_DRIVER_CAPABILITIES": "all"}))
    runtime = engine._options_of(
        want,
        "d",
        Given("nvidia", (), {"NVIDIA_VISIBLE_DEVICES": "all", "NVIDIA_DRIVER_CAPABILITIES": "compute"}, ("IPC_LOCK",)),
    )
    assert runtime["runtime"] == "nvidia"
    assert runtime["device_requests"] is None
    assert runtime["cap_add"] == ["IPC_LOCK", "SYS_NICE"]
    assert runtime["environment"]["NVIDIA_VISIBLE_DEVICES"] == "all"
    assert runtime["environment"]["NVIDIA_DRIVER_CAPABILITIES"] == "all"  # the user's own word counts
    described = engine._options_of(want, "d", Given(devices=("nvidia.com/gpu=0", "nvidia.com/gpu=2")))
    asked = [(each["Driver"], each["DeviceIDs"]) for each in described["device_requests"]]
    assert asked == [("cdi", ["nvidia.com/gpu=0"]), ("cdi", ["nvidia.com/gpu=2"])]
    assert described["runtime"] is None


@pytest.mark.parametrize("description", ["nvidia.yaml", "", None], ids=["described", "not described", "not read"])
def test_the_machine_is_its_bus_and_what_docker_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, description: str | None
) -> None:
    for number, (vendor, device) in enumerate([("0x10de", "0x27b8"), ("0x10de", "0x27b8"), ("0x8086", "0x1237")]):
        place = tmp_path / "sys/bus/pci/devices" / f"0000:00:{number:02d}.0"
        place.mkdir(parents=True)
        for name, text in (("vendor", vendor), ("device", device), ("class", "0x030200")):
            (place / name).write_text(f"{text}\n")
    directories = tmp_path / "cdi"
    directories.mkdir()
    if description:
        (directories / description).touch()
    told = {"Runtimes": {"runc": {}, "nvidia": {}}, "CDISpecDirs": None if description is None else [str(directories)]}
    monkeypatch.setattr(engine, "SYSFS", str(tmp_path / "sys"))
    node = engine.Engine.__new__(engine.Engine)
    node._client = SimpleNamespace(info=lambda: told)
    assert node._machine() == Machine({"nvidia": 2}, ("runc", "nvidia"), gpus_described=description == "nvidia.yaml")

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from dataclasses import replace

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _container_decide as decide
from ansible_collections.trainyard.aws.plugins.module_utils._container_types import (
    Ending,
    Spec,
    State,
    TrainingError,
    run_id_fault,
)

PARAMS: dict[str, t.Any] = {
    "run_id": "digits-001",
    "image": "trainyard/digits:1",
    "command": ["--fast"],
    "entrypoint": None,
    "environment": {"EPOCHS": 3},
    "secrets": None,
    "working_directory": None,
    "directory": None,
    "checkpoints_directory": None,
    "hyperparameters_path": None,
    "volumes": None,
    "user": None,
    "capabilities": None,
    "accelerators": "all",
    "memory": None,
    "shm_size": "2g",
    "pids_limit": 4096,
    "ulimits": None,
    "progress_pattern": "",
}
WANT = decide.spec_of(PARAMS)


def state_like(want: Spec, **changes: t.Any) -> State:
    made = State(
        container_id="c0ffee",
        run_id=want.run_id,
        status="running",
        image=want.image,
        image_digest="trainyard/digits@sha256:abcd",
        command=want.command,
        entrypoint=want.entrypoint,
        environment=want.environment,
        directory=want.directory,
        memory=0,
        exit_code=0,
        out_of_memory=False,
        started_at="2026-11-20T10:00:00.5Z",
        finished_at="0001-01-01T00:00:00Z",
    )
    return replace(made, **changes)


@pytest.mark.parametrize(
    ("run_id", "good"),
    [
        pytest.param("a", True, id="shortest"),
        pytest.param("digits-001", True, id="usual"),
        pytest.param("a" * 40, True, id="longest"),
        pytest.param("a" * 41, False, id="too long"),
        pytest.param("", False, id="empty"),
        pytest.param("-a", False, id="hyphen first"),
        pytest.param("Digits", False, id="capital"),
        pytest.param("a_b", False, id="underscore"),
        pytest.param("a\n", False, id="newline at the end"),
        pytest.param("a;$(reboot)", False, id="shell"),
        pytest.param("../etc", False, id="path"),
    ],
)
def test_run_id_fault(run_id: str, good: bool) -> None:
    assert (run_id_fault(run_id) == "") is good


@pytest.mark.parametrize(
    ("size", "number"),
    [
        pytest.param(None, 0, id="nothing"),
        pytest.param("", 0, id="empty"),
        pytest.param("100", 100, id="bytes"),
        pytest.param("64m", 64 * 1024**2, id="m"),
        pytest.param("8g", 8 * 1024**3, id="g"),
        pytest.param("1.5G", 1610612736, id="half"),
        pytest.param("8GiB", 8 * 1024**3, id="GiB"),
        pytest.param("2 kb", 2048, id="space"),
    ],
)
def test_bytes_of(size: str | None, number: int) -> None:
    assert decide.bytes_of(size, "memory") == number


@pytest.mark.parametrize("size", ["much", "8x", "-1g", "1g2"])
def test_bytes_of_no_size(size: str) -> None:
    with pytest.raises(TrainingError, match=f'memory "{size}": it is not a size'):
        decide.bytes_of(size, "memory")


def test_spec_follows_the_container_contract() -> None:
    spec = decide.spec_of({**PARAMS, "hyperparameters_path": "/data/h.json", "checkpoints_directory": "/efs/c"})
    base = "/var/lib/trainyard/runs/digits-001"
    assert [(each.source, each.target, each.read_only) for each in spec.volumes] == [
        (f"{base}/input", "/opt/ml/input", True),
        ("/efs/c", "/opt/ml/checkpoints", False),
        (f"{base}/model", "/opt/ml/model", False),
        (f"{base}/output", "/opt/ml/output", False),
        (f"{base}/input/config/hyperparameters.json", "/data/h.json", True),
    ]
    assert dict(spec.environment) == {
        "EPOCHS": "3",
        "PYTHONUNBUFFERED": "1",
        "TRAINING_JOB_NAME": "digits-001",
        "TRAINYARD_HEAD_ADDRESS": "127.0.0.1",
        "TRAINYARD_NODE_COUNT": "1",
        "TRAINYARD_NODE_RANK": "0",
        "TRAINYARD_RESUME_CHECKPOINT": "",
        "TRAINYARD_RUN_ID": "digits-001",
    }
    assert spec.container_name == "trainyard-run-digits-001"
    assert spec.shm_size == 2 * 1024**3


def test_environment_of_the_user_wins_where_it_may() -> None:
    assert dict(decide.environment_of("a", {"PYTHONUNBUFFERED": ""}))["PYTHONUNBUFFERED"] == ""
    with pytest.raises(TrainingError, match="TRAINYARD_RUN_ID"):
        decide.environment_of("a", {"TRAINYARD_RUN_ID": "b"})


@pytest.mark.parametrize(
    "source",
    [
        "/var/run/docker.sock",
        "/run/docker.sock",
        "/run",
        "/var/run/",
        "/var",
        "/",
        "/data/../run/docker.sock",
        "//run/docker.sock",
    ],
)
def test_docker_socket_is_refused(source: str) -> None:
    with pytest.raises(TrainingError, match="Docker socket"):
        decide.spec_of({**PARAMS, "volumes": [{"source": source, "target": "/x", "read_only": True}]})


@pytest.mark.parametrize("source", ["/data", "/runs", "/var/lib", "/running/docker.sock"])
def test_other_volumes_are_not_refused(source: str) -> None:
    spec = decide.spec_of({**PARAMS, "volumes": [{"source": source, "target": "/x", "read_only": False}]})
    assert spec.volumes[-1].source == source


@pytest.mark.parametrize(
    ("have", "verbs"),
    [
        pytest.param(None, ["create", "start"], id="nothing there"),
        pytest.param(state_like(WANT), [], id="running"),
        pytest.param(state_like(WANT, status="paused"), [], id="paused"),
        pytest.param(state_like(WANT, status="exited"), [], id="ended"),
        pytest.param(state_like(WANT, status="exited", exit_code=3), [], id="failed"),
        pytest.param(state_like(WANT, status="created"), ["start"], id="created only"),
    ],
)
def test_steps_to_start(have: State | None, verbs: list[str]) -> None:
    assert [step.verb for step in decide.steps_to_start(WANT, have, [])] == verbs


@pytest.mark.parametrize(
    ("have", "message"),
    [
        pytest.param({"image": "other:2"}, 'image is "other:2", asked for is "trainyard/digits:1"', id="image"),
        pytest.param({"command": ("--slow",)}, r"command is \['--slow'\], asked for is \['--fast'\]", id="command"),
        pytest.param({"entrypoint": ("sh",)}, r"entrypoint is \['sh'\], asked for is \[\]", id="entrypoint"),
        pytest.param({"environment": (("EPOCHS", "secret"),)}, "environment differs in EPOCHS", id="environment"),
    ],
)
def test_another_container_under_the_runs_name(have: dict[str, t.Any], message: str) -> None:
    with pytest.raises(TrainingError, match=message) as caught:
        decide.steps_to_start(WANT, state_like(WANT, **have), [])
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("image", ["", "trainyard/digits@sha256:abcd"])
def test_a_run_is_known_by_digest_or_by_id_alone(image: str) -> None:
    have = state_like(WANT)
    assert decide.steps_to_start(replace(WANT, image=image), have, []) == ()


def test_unknown_run_names_those_there_are() -> None:
    others = [state_like(WANT, run_id="digits-002"), state_like(WANT, run_id="old", status="exited", exit_code=3)]
    with pytest.raises(TrainingError) as caught:
        decide.steps_to_start(replace(WANT, image=""), None, others)
    assert "Runs here: digits-002 (running), old (ended with exit code 3)." in str(caught.value)
    assert 'Did you mean "digits-002"?' in str(caught.value)
    with pytest.raises(TrainingError, match="no run here at all"):
        decide.steps_to_start(replace(WANT, image=""), None, [])


@pytest.mark.parametrize(
    ("have", "stop", "remove"),
    [
        pytest.param(None, [], [], id="nothing there"),
        pytest.param(state_like(WANT), ["stop"], ["stop", "remove"], id="running"),
        pytest.param(state_like(WANT, status="exited"), [], ["remove"], id="ended"),
    ],
)
def test_steps_to_stop_and_remove(have: State | None, stop: list[str], remove: list[str]) -> None:
    assert [step.verb for step in decide.steps_to_stop(have)] == stop
    assert [step.verb for step in decide.steps_to_remove(have)] == remove


def test_what_is_about_to_be_tried_again_can_be_stopped() -> None:
    ended = state_like(WANT, status="exited")
    assert [step.verb for step in decide.steps_to_stop(ended, waits_for_next=True)] == ["stop"]


ASKED = "stopped on request"


@pytest.mark.parametrize(
    ("state", "failure", "stopped", "reason", "failed"),
    [
        pytest.param({}, "", "", "finished", False, id="good"),
        pytest.param({}, "odd", "", "finished", False, id="good with a failure file"),
        pytest.param({"exit_code": 3}, "", "", "exit code 3", True, id="plain"),
        pytest.param({"exit_code": 1}, "KeyError: x", "", "KeyError: x", True, id="own words"),
        pytest.param(
            {"exit_code": 137, "memory": 2**26},
            "",
            "",
            "out of memory: its memory limit is 64 MiB",
            True,
            id="limit",
        ),
        pytest.param(
            {"exit_code": 137, "out_of_memory": True}, "", "", "out of memory: Docker says so", True, id="OOMKilled"
        ),
        pytest.param({"exit_code": 137}, "", "", "SIGKILL. See dmesg", True, id="killed, nobody knows why"),
        pytest.param(
            {"exit_code": 1, "out_of_memory": True, "memory": 2**30},
            "",
            "",
            "for memory (limit 1024 MiB)",
            True,
            id="child",
        ),
        pytest.param({"exit_code": 139}, "", "", "ended by signal SIGSEGV (exit code 139)", True, id="signal"),
        pytest.param(
            {"exit_code": 127}, "", "", "the command is not in the image (exit code 127)", True, id="no command"
        ),
        pytest.param({"exit_code": 255}, "", "", "exit code 255", True, id="no such signal"),
        pytest.param(
            {"exit_code": 1}, "KeyError: x", ASKED, "stopped on request (exit code 1)", False, id="stopped, own words"
        ),
        pytest.param({"exit_code": 143}, "", ASKED, "stopped on request (exit code 143)", False, id="stopped"),
        pytest.param(
            {"exit_code": 137, "memory": 2**26},
            "",
            ASKED,
            "stopped on request (exit code 137)",
            False,
            id="stopped hard",
        ),
        pytest.param({}, "", ASKED, "stopped on request (exit code 0)", False, id="ended politely when stopped"),
        pytest.param(
            {}, "", "stopped by its time limit of 2h", "its time limit of 2h (exit code 0)", False, id="hard stop"
        ),
    ],
)
def test_ending_of(state: dict[str, t.Any], failure: str, stopped: str, reason: str, failed: bool) -> None:
    ending = decide.ending_of(state_like(WANT, status="exited", **state), failure, stopped)
    assert reason in ending.reason
    assert ending.failed is failed


CUDA = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 22.78 GiB."
LOST = "ncclSystemError: System call (e.g. socket, malloc) or external library call failed or device error."


@pytest.mark.parametrize(
    ("state", "failure", "lines", "reason", "decisive", "retried"),
    [
        pytest.param({"exit_code": 1}, "", [CUDA], "the memory of the accelerator is full", CUDA, False, id="log"),
        pytest.param({"exit_code": 1}, "too big", [CUDA], "too big", CUDA, False, id="own words, with the lines"),
        pytest.param({"exit_code": 1}, "", [LOST], "the accelerators lost each other", LOST, True, id="from outside"),
        pytest.param(
            {"exit_code": 137, "memory": 2**26}, "", [LOST], "killed (137), most likely", LOST, False, id="memory limit"
        ),
        pytest.param({"exit_code": 143}, "", [], "ended by signal SIGTERM", "", True, id="SIGTERM of somebody"),
        pytest.param({"exit_code": 137}, "", [], "killed (137)", "", True, id="SIGKILL of somebody"),
        pytest.param({"exit_code": 139}, "", [], "ended by signal SIGSEGV", "", False, id="SIGSEGV"),
        pytest.param({"exit_code": 143}, "I gave up", [], "I gave up", "", False, id="own words for a signal"),
        pytest.param({"exit_code": 3}, "", [], "exit code 3", "", False, id="nothing known"),
        pytest.param({}, "", [CUDA], "finished", "", False, id="finished all the same"),
    ],
)
def test_the_log_tells_why(
    state: dict[str, t.Any], failure: str, lines: list[str], reason: str, decisive: str, retried: bool
) -> None:
    ending = decide.ending_of(state_like(WANT, status="exited", **state), failure, "", lines)
    assert ending.reason.startswith(reason)
    assert ending.decisive_lines == ((decisive,) if decisive else ())
    assert ending.may_be_retried is retried


def test_a_stopped_run_needs_no_clue() -> None:
    ending = decide.ending_of(state_like(WANT, status="exited", exit_code=143), "", "stopped on request", [LOST])
    assert (ending.decisive_lines, ending.may_be_retried) == ((), False)


@pytest.mark.parametrize("pattern", ["(", "no group"])
def test_a_pattern_that_cannot_be_used_is_refused(pattern: str) -> None:
    with pytest.raises(TrainingError, match="Cannot use this progress_pattern"):
        decide.spec_of({**PARAMS, "progress_pattern": pattern})


@pytest.mark.parametrize(
    ("started", "finished", "seconds"),
    [
        pytest.param("2026-11-20T10:00:00.123456789Z", "2026-11-20T10:00:02.5Z", 2.377, id="decimals"),
        pytest.param("2026-11-20T10:00:00Z", "2026-11-20T11:00:00Z", 3600.0, id="no decimals"),
        pytest.param("2026-11-20T10:00:00Z", "0001-01-01T00:00:00Z", 0.0, id="not finished"),
        pytest.param("2026-11-20T10:00:00+01:00", "2026-11-20T10:00:00Z", 3600.0, id="zone"),
        pytest.param("2026-11-20T10:00:00.0014Z", "2026-11-20T10:00:00Z", 0.0, id="noted late"),
    ],
)
def test_seconds_between(started: str, finished: str, seconds: float) -> None:
    assert decide.seconds_between(started, finished) == seconds


@pytest.mark.parametrize(
    ("ending", "lines", "message"),
    [
        pytest.param(
            Ending(3, "exit code 3", False),
            ["bad luck"],
            'Run "a" failed with exit code 3. Its last lines:\n  bad luck\n',
            id="plain",
        ),
        pytest.param(
            Ending(1, "KeyError: x.", False),
            [],
            'Run "a" failed with exit code 1: KeyError: x. It wrote nothing.\n',
            id="silent",
        ),
        pytest.param(
            Ending(1, "it is full", False, ("CUDA out of memory",), True),
            ["goodbye"],
            'Run "a" failed with exit code 1: it is full. What decided it:\n  CUDA out of memory\nIts last lines:\n  goodbye\n'
            "The whole log is in /runs/a/log.txt on the node. The cause lies outside the training, so the same may be tried again",
            id="decided",
        ),
    ],
)
def test_failure_message(ending: Ending, lines: list[str], message: str) -> None:
    text = decide.failure_message("a", ending, lines, "/runs/a/log.txt")
    assert text.startswith(message)
    assert "/runs/a/log.txt" in text


@pytest.mark.parametrize(
    ("have", "verbs"),
    [
        pytest.param(None, ["create", "start"], id="removed"),
        pytest.param({"status": "exited", "attempt": 1}, ["remove", "create", "start"], id="ended"),
        pytest.param({"status": "created", "attempt": 2}, ["start"], id="never started"),
        pytest.param({"status": "running", "attempt": 2}, [], id="running"),
        pytest.param({"status": "exited", "attempt": 2}, [], id="this attempt has ended"),
    ],
)
def test_an_attempt_is_started_once(have: dict[str, t.Any] | None, verbs: list[str]) -> None:
    want = replace(WANT, attempt=2)
    state = state_like(want, **have) if have else None
    assert [step.verb for step in decide.steps_to_resume(want, state)] == verbs


def test_a_resumed_run_is_the_one_that_was_asked_for() -> None:
    environment = tuple(sorted({**dict(WANT.environment), decide.RESUME_CHECKPOINT: "/opt/ml/checkpoints/e-1"}.items()))
    assert decide.faults_of_match(WANT, state_like(WANT, environment=environment)) == []
    assert decide.faults_of_match(WANT, state_like(WANT, environment=(*environment, ("Z", "1"))))


@pytest.mark.parametrize(
    ("username", "password", "expected"),
    [(None, None, None), ("", "", None), ("AWS", "secret", {"username": "AWS", "password": "secret"})],
)
def test_login_of(username: str | None, password: str | None, expected: dict[str, str] | None) -> None:
    assert decide.login_of({"registry_username": username, "registry_password": password}) == expected


@pytest.mark.parametrize(("username", "password", "missing"), [("AWS", None, "password"), (None, "x", "username")])
def test_half_a_login_is_refused(username: str | None, password: str | None, missing: str) -> None:
    with pytest.raises(TrainingError, match=f"registry_{missing} is missing"):
        decide.login_of({"registry_username": username, "registry_password": password})

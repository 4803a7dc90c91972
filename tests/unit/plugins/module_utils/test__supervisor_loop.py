# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The supervision of a run against a container, a clock and a bucket that are none."""

from __future__ import annotations

import json
import os
import shlex
import typing as t
from concurrent.futures import Future
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _container_engine as engine
from ansible_collections.trainyard.aws.plugins.module_utils import _kernel_log as kernel
from ansible_collections.trainyard.aws.plugins.module_utils import _run_metrics_node as metrics
from ansible_collections.trainyard.aws.plugins.module_utils import _supervisor_copies as copies
from ansible_collections.trainyard.aws.plugins.module_utils import _supervisor_loop as loop
from ansible_collections.trainyard.aws.plugins.module_utils._container_decide import spec_of
from ansible_collections.trainyard.aws.plugins.module_utils._container_types import (
    Frame,
    Spec,
    State,
    Step,
    TrainingError,
)
from ansible_collections.trainyard.aws.plugins.module_utils._instance_metadata import Credentials
from ansible_collections.trainyard.aws.plugins.module_utils._supervisor import Settings, time_text

from tests.unit.plugins.module_utils.test__container_engine import container_of, params_in
from tests.unit.plugins.module_utils.test__run_metrics_node import CloudWatch, Log

START = 1_600_000_000.0
PLACE = "s3://bucket/runs/a/"


class Bucket:
    """A bucket behind the command line of s5cmd."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.order: list[str] = []
        self.refuses = False

    def __call__(self, arguments: t.Sequence[str], data: str | None) -> tuple[int, str, str]:
        if self.refuses:
            return 1, "", "ERROR AccessDenied: Access Denied status code: 403"
        if "ls" in arguments and not arguments[-1].endswith("*"):
            below = {key.removeprefix(arguments[-1]).split("/")[0] for key in self.objects}
            names = [json.dumps({"key": f"{arguments[-1]}{name}/", "type": "directory"}) for name in below]
            return (0, "\n".join(names), "") if names else (1, "", "no object found")
        if "ls" in arguments:
            prefix = arguments[-1].rstrip("*")
            lines = [
                json.dumps({"key": key, "type": "file", "size": len(body)})
                for key, body in self.objects.items()
                if key.startswith(prefix)
            ]
            return (0, "\n".join(lines), "") if lines else (1, "", "no object found")
        if arguments[0] == "cat":
            return 0, self.objects[arguments[1]].decode(), ""
        for words in map(shlex.split, (data or "").splitlines()):
            if words[0] == "rm":
                del self.objects[words[2]]
            elif words[2].startswith("s3://"):
                Path(words[3]).write_bytes(self.objects[words[2]])
            else:
                self.objects[words[3]] = Path(words[2]).read_bytes()
                self.order.append(words[3].removeprefix(PLACE))
        return 0, "", ""

    def paths(self) -> set[str]:
        return {key.removeprefix(PLACE) for key in self.objects}

    def latest(self) -> dict[str, t.Any]:
        return dict(json.loads(self.objects[f"{PLACE}checkpoints/LATEST"]))


class Docker:
    """A container that does what the test says, second by second."""

    def __init__(self, directory: Path) -> None:
        want = spec_of(params_in(directory))
        Path(want.directory, "checkpoints").mkdir(parents=True)
        self.directory = Path(want.directory)
        self.state: State | None = replace(
            engine._state_of(container_of(want)),
            started_at=time_text(START),
            checkpoints_directory=str(self.directory / "checkpoints"),
        )
        self.first = self.state
        self.signals: list[str] = []
        self.steps: list[str] = []
        self.held: list[dict[str, bytes]] = []
        self.fails: set[str] = set()
        self.ends_at_once: int | None = None
        self.polite = True
        self.others: list[State] = []
        self.reachable = True
        self.now = START

    def find(self, run_id: str) -> State | None:
        if not self.reachable:
            raise TrainingError("Cannot reach Docker", "it is being restarted.", "Wait.")
        return self.state if run_id == "a" else None

    def all(self) -> list[State]:
        return self.others

    def signal(self, run_id: str, name: str) -> None:
        self.signals.append(name)
        if name == "SIGKILL" or self.polite:
            self.end(137 if name == "SIGKILL" else 143)

    def hold_secrets(self, values: dict[str, bytes]) -> None:
        self.held.append(values)

    def do(self, step: Step, want: Spec, grace_seconds: int) -> None:
        self.steps.append(step.verb)
        if step.verb in self.fails:
            raise TrainingError("Cannot do it", "Docker does not want to.", "Wait.")
        if step.verb == "remove":
            self.state = None
        elif step.verb == "create":
            started = time_text(self.now)
            self.state = replace(self.first, attempt=want.attempt, container_id=f"c{want.attempt}", started_at=started)
        elif self.ends_at_once is not None:
            self.end(self.ends_at_once)

    def end(self, exit_code: int) -> None:
        assert self.state is not None
        self.state = replace(self.state, status="exited", exit_code=exit_code, finished_at=time_text(self.now))


class Metadata:
    def __init__(self) -> None:
        self.answer: str | None = ""

    def spot_notice(self) -> str:
        if self.answer is None:
            raise OSError("timed out")
        return self.answer

    def credentials(self) -> Credentials:
        return Credentials("AKIA", "hush", "until tonight")

    def region(self) -> str:
        return "us-east-1"


class World:
    """A node. What happens when is said by ``at``."""

    def __init__(self, directory: Path) -> None:
        self.docker = Docker(directory)
        self.bucket = Bucket()
        self.metadata = Metadata()
        self.now = START
        self.down_at = 0.0
        self.use = ""
        self.log = Log()
        self._script: dict[float, t.Callable[[], object]] = {}

    def at(self, seconds: float, act: t.Callable[[], object]) -> None:
        self._script[START + seconds] = act

    def sleep(self, seconds: float) -> None:
        self.now = self.docker.now = self.now + seconds
        for moment in sorted(moment for moment in self._script if moment <= self.now):
            self._script.pop(moment)()
        assert self.now < START + 3 * 24 * 3600, "it never ends"

    def run(self, command: t.Sequence[str], data: str | None) -> tuple[int, str, str]:
        return (0, self.use, "") if self.use and command[0] == "nvidia-smi" else (127, "", "")

    def shutdown(self) -> None:
        self.down_at = self.now

    def checkpoint(self, name: str, text: str = "x") -> None:
        path = self.docker.directory / "checkpoints" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        os.utime(path, (self.now, self.now))

    def supervise(self, **settings: t.Any) -> None:
        wanted = {"results": "s3://bucket/runs", "checkpoint_interval_seconds": 60, **settings}
        node = loop.Node(
            docker=lambda: self.docker,
            run=self.run,
            s5cmd=self.bucket,
            metadata=t.cast(t.Any, self.metadata),
            shutdown=self.shutdown,
            sleep=self.sleep,
            now=lambda: self.now,
            log=lambda run_id: self.log,
        )
        while loop.Supervision(Settings(run_id="a", **wanted), str(self.docker.directory), node).supervise():
            pass

    def file(self, name: str) -> t.Any:
        return json.loads((self.docker.directory / name).read_text())

    def events(self) -> list[str]:
        lines = (self.docker.directory / "events.jsonl").read_text().splitlines()
        return [json.loads(line)["event"] for line in lines]


class AtOnce:
    """A pool whose jobs are done when they are handed in."""

    def __init__(self, max_workers: int) -> None:
        assert max_workers == 1

    def submit(self, function: t.Callable[..., t.Any], *args: t.Any) -> Future[t.Any]:
        future: Future[t.Any] = Future()
        try:
            future.set_result(function(*args))
        except Exception as error:
            future.set_exception(error)
        return future


class Later(Future[t.Any]):
    """What is done only when somebody waits for it."""

    def __init__(self, act: t.Callable[[], t.Any]) -> None:
        super().__init__()
        self._act = act

    def result(self, timeout: float | None = None) -> t.Any:
        return self._act()


class MetricsLater(AtOnce):
    def submit(self, function: t.Callable[..., t.Any], *args: t.Any) -> Future[t.Any]:
        is_metric = bool(args) and isinstance(args[0], loop.Look)
        return Later(lambda: function(*args)) if is_metric else super().submit(function, *args)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(engine.LogReader, "all_frames", lambda self: iter([Frame(1, "t", b"one\n")]))
    monkeypatch.setattr(loop, "ThreadPoolExecutor", AtOnce)
    monkeypatch.setattr(copies.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(copies, "files_being_written", lambda: set())
    return World(tmp_path)


@pytest.fixture
def cloudwatch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> CloudWatch:
    found = CloudWatch()
    monkeypatch.setattr(metrics, "ask", found.ask)
    monkeypatch.setattr(metrics, "PROMETHEUS_DIRECTORY", str(tmp_path / "exporter"))
    return found


def test_a_run_to_its_end(world: World) -> None:
    world.at(30, lambda: world.checkpoint("epoch-1.pt"))
    world.at(90, lambda: world.docker.end(0))
    world.supervise(price_per_hour_usd=3.6)
    assert world.events() == ["supervision_started", "checkpoint_copied", "container_ended", "results_collected"]
    assert world.bucket.paths() == {
        "checkpoints/epoch-1.pt",
        "checkpoints/LATEST",
        "log.txt",
        "run.json",
        "events-0.jsonl",
        "usage-0.jsonl",
    }
    assert world.bucket.latest()["name"] == "epoch-1.pt"
    assert world.bucket.order.count("checkpoints/epoch-1.pt") == 1
    status = world.file("status.json")
    assert (status["state"], status["cost_usd"], status["copies_late"]) == ("ended", 0.09, False)
    assert status["newest_checkpoint"]["name"] == "epoch-1.pt"
    assert world.down_at == 0


def test_latest_comes_after_what_it_points_to(world: World) -> None:
    world.at(10, lambda: world.checkpoint("epoch-1.pt"))
    world.at(70, lambda: world.checkpoint("epoch-2.pt"))
    world.at(150, lambda: world.docker.end(0))
    world.supervise()
    checkpoints = [path for path in world.bucket.order if path.startswith("checkpoints/")]
    assert checkpoints == [
        "checkpoints/epoch-1.pt",
        "checkpoints/LATEST",
        "checkpoints/epoch-2.pt",
        "checkpoints/LATEST",
    ]


def test_only_the_newest_are_kept(world: World) -> None:
    for number in range(1, 5):
        world.at(60 * number - 30, lambda number=number: world.checkpoint(f"epoch-{number}.pt"))
    world.at(20, lambda: world.checkpoint("best.pt"))
    world.at(300, lambda: world.docker.end(0))
    (world.docker.directory / "settings.json").write_text('{"checkpoints_kept": 2}')
    world.supervise(checkpoints_kept=2)
    kept = {path for path in world.bucket.paths() if path.endswith(".pt")}
    assert kept == {"checkpoints/best.pt", "checkpoints/epoch-3.pt", "checkpoints/epoch-4.pt"}
    assert "checkpoint_removed" in world.events()
    assert {entry["path"] for entry in world.bucket.latest()["files"]} == {"best.pt", "epoch-3.pt", "epoch-4.pt"}


def test_the_time_limit_stops_politely_and_says_so(world: World) -> None:
    world.supervise(max_duration_seconds=100)
    assert world.docker.signals == ["SIGTERM"]
    assert world.now - START < 110
    record = json.loads(world.bucket.objects[f"{PLACE}run.json"])
    assert (record["outcome"], record["reason"]) == ("stopped", "stopped by its time limit of 1m40s (exit code 143)")
    assert "time_limit" in world.events()


def test_who_does_not_end_in_time_is_killed(world: World) -> None:
    world.docker.polite = False
    world.supervise(budget_usd=1, price_per_hour_usd=36, grace_seconds=30)
    assert world.docker.signals == ["SIGTERM", "SIGKILL"]
    assert 130 <= world.now - START < 140
    assert [event for event in world.events() if event in ("budget_limit", "killed")] == ["budget_limit", "killed"]


def test_time_on_another_node_counts(world: World) -> None:
    world.bucket.objects[f"{PLACE}checkpoints/LATEST"] = b'{"spent_seconds": 80, "files": []}'
    world.supervise(max_duration_seconds=100)
    assert 20 <= world.now - START < 30


def test_a_supervisor_that_was_restarted_counts_on(world: World) -> None:
    (world.docker.directory / "supervisor.json").write_text('{"clock": {"c0ffee another start": 80}}')
    world.supervise(max_duration_seconds=100)
    assert 20 <= world.now - START < 30


def test_a_supervisor_that_is_killed_after_it_copied_does_not_copy_again(world: World) -> None:
    def die() -> None:
        raise InterruptedError

    world.at(10, lambda: world.checkpoint("epoch-1.pt"))
    world.at(62, die)
    with pytest.raises(InterruptedError):
        world.supervise()
    assert world.events() == ["supervision_started", "checkpoint_copied"]
    world.at(200, lambda: world.docker.end(0))
    world.supervise()
    assert world.bucket.order.count("checkpoints/epoch-1.pt") == 1


def test_a_spot_notice_brings_the_last_checkpoint_home(world: World) -> None:
    def notice() -> None:
        world.metadata.answer = json.dumps({"action": "terminate", "time": time_text(world.now + 120)})
        world.checkpoint("epoch-7.pt")

    world.at(20, notice)
    world.supervise(when_finished="terminate")
    assert world.docker.signals == ["SIGTERM"]
    assert world.now - START < 40
    assert world.bucket.latest()["name"] == "epoch-7.pt"
    assert "spot_interruption" in world.events()
    assert "shutdown" not in world.events()


def test_without_a_metadata_service_the_run_goes_on(world: World) -> None:
    world.metadata.answer = None
    world.at(200, lambda: world.docker.end(0))
    world.supervise()
    assert world.docker.signals == []


def test_idle_accelerators_stop_the_run(world: World) -> None:
    world.use = "L4, 50, 1, 2"
    world.at(100, lambda: setattr(world, "use", "L4, 1, 1, 2"))
    world.supervise(idle_stop_seconds=300)
    assert world.docker.signals == ["SIGTERM"]
    assert 400 <= world.now - START < 420
    assert "idle_limit" in world.events()


def test_a_node_without_accelerators_is_never_idle(world: World) -> None:
    world.at(1000, lambda: world.docker.end(0))
    world.supervise(idle_stop_seconds=300)
    assert world.docker.signals == []


def test_a_refused_upload_does_not_end_the_training(world: World) -> None:
    world.bucket.refuses = True
    world.at(30, lambda: world.checkpoint("epoch-1.pt"))
    world.at(200, lambda: setattr(world.bucket, "refuses", False))
    late: list[bool] = []
    world.at(199, lambda: late.append(world.file("status.json")["copies_late"]))
    world.at(400, lambda: world.docker.end(0))
    world.supervise()
    assert world.docker.signals == []
    assert late == [True]
    assert [event for event in world.events() if event.startswith("cop")] == [
        "copy_failed",
        "copies_late",
        "copies_caught_up",
    ]
    assert world.events().count("checkpoint_copied") == 1
    assert world.file("status.json")["copies_late"] is False


EVENTS = "output/tb/events.out.tfevents.7.node.1.0"


def append(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(text)


def test_event_files_are_in_the_bucket_while_the_run_goes(world: World) -> None:
    path = world.docker.directory / EVENTS
    seen: list[bytes | None] = []
    world.at(30, lambda: append(path, "one"))
    world.at(100, lambda: seen.append(world.bucket.objects.get(f"{PLACE}tensorboard/{EVENTS[7:]}")))
    world.at(110, lambda: append(path, "two"))
    world.at(115, lambda: world.docker.end(0))
    world.supervise()
    assert seen == [b"one"]
    assert world.bucket.objects[f"{PLACE}tensorboard/{EVENTS[7:]}"] == b"onetwo"
    assert world.bucket.objects[f"{PLACE}{EVENTS}"] == b"onetwo"


def test_event_files_that_cannot_be_copied_keep_no_checkpoint_from_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop.EventFiles, "round", lambda self: "Cannot copy results. AccessDenied.")
    world.at(30, lambda: world.checkpoint("epoch-1.pt"))
    world.at(90, lambda: world.docker.end(0))
    world.supervise()
    assert world.events()[1:3] == ["checkpoint_copied", "event_files_not_copied"]
    assert world.bucket.latest()["name"] == "epoch-1.pt"


def test_the_node_goes_down_only_after_the_results_are_home(world: World) -> None:
    world.bucket.refuses = True
    world.at(10, lambda: world.docker.end(3))
    world.at(1000, lambda: setattr(world.bucket, "refuses", False))
    world.supervise(when_finished="terminate", linger_seconds=60)
    assert "run.json" in world.bucket.paths()
    assert world.down_at > START + 1060
    assert world.events()[-3:] == ["results_failed", "results_collected", "shutdown"]
    assert "shutdown" in world.bucket.objects[f"{PLACE}events-0.jsonl"].decode()
    world.down_at = 0
    world.supervise(when_finished="terminate")
    assert world.down_at == 0, "a node that was started again stays"


def test_a_bucket_that_stays_closed_keeps_the_node(world: World) -> None:
    world.bucket.refuses = True
    world.at(10, lambda: world.docker.end(0))
    world.supervise(when_finished="terminate")
    assert world.down_at == 0
    assert world.events()[-1] == "results_given_up"
    assert world.now - START < 25 * 3600


def test_without_a_bucket_nothing_is_let_go(world: World) -> None:
    world.at(10, lambda: world.docker.end(0))
    world.supervise(results="", when_finished="terminate")
    assert world.down_at == 0
    assert (world.docker.directory / "run.json").exists()


def test_another_run_keeps_the_node_up(world: World) -> None:
    assert world.docker.state is not None
    world.docker.others = [replace(world.docker.state, run_id="b", status="running")]
    world.at(10, lambda: world.docker.end(0))
    world.at(500, lambda: world.docker.others.clear())
    world.supervise(when_finished="stop", linger_seconds=0)
    assert world.down_at >= START + 500


def test_docker_being_restarted_says_nothing_about_the_run(world: World) -> None:
    world.at(20, lambda: setattr(world.docker, "reachable", False))
    world.at(50, lambda: setattr(world.docker, "reachable", True))
    world.at(90, lambda: world.docker.end(0))
    world.supervise()
    assert world.events() == ["supervision_started", "container_ended", "results_collected"]


def test_a_container_that_comes_late_is_waited_for(world: World) -> None:
    state, world.docker.state = world.docker.state, None
    world.at(3000, lambda: setattr(world.docker, "state", replace(state, started_at=time_text(world.now))))
    world.at(3100, lambda: world.docker.end(0))
    world.supervise(max_duration_seconds=200)
    assert world.docker.signals == []
    assert world.events() == ["supervision_started", "container_ended", "results_collected"]


class TestTryingAgain:
    """The log says what fails, and by that whether another try may help."""

    @pytest.fixture
    def fails(self, world: World, monkeypatch: pytest.MonkeyPatch) -> World:
        frames = [Frame(1, "t", b"ConnectionResetError: [Errno 104] Connection reset by peer\n")]
        monkeypatch.setattr(engine.LogReader, "all_frames", lambda self: iter(frames))
        container = replace(spec_of(params_in(world.docker.directory.parent)), image_digest="image@sha256:1")
        (world.docker.directory / "container.json").write_text(json.dumps(asdict(container)))
        settings = {"run_id": "a", "price_per_hour_usd": 3.6, "checkpoints_directory": ""}
        (world.docker.directory / "settings.json").write_text(json.dumps(settings))
        return world

    def record(self, world: World) -> dict[str, t.Any]:
        return dict(json.loads(world.bucket.objects[f"{PLACE}run.json"]))

    def test_what_failed_outside_of_the_training_is_tried_again_from_its_newest_checkpoint(self, fails: World) -> None:
        fails.at(50, lambda: fails.checkpoint("epoch-1.pt"))
        fails.at(100, lambda: fails.docker.end(1))
        told: list[str] = []
        fails.at(110, lambda: told.append(fails.file("status.json")["state"]))
        fails.at(120, lambda: told.append(fails.file("status.json")["why"]))
        fails.at(200, lambda: fails.docker.end(0))
        fails.supervise(retries=2, price_per_hour_usd=3.6, when_finished="terminate")
        assert told == [
            "trying_again",
            "a connection to data or to the network broke; it is tried again in 30 s (1 of 2)",
        ]
        assert fails.docker.steps == ["remove", "create", "start"]
        record = self.record(fails)
        assert (record["outcome"], record["attempts"]) == ("succeeded", 2)
        assert [each["exit_code"] for each in record["earlier_attempts"]] == [1]
        assert record["duration_seconds"] == pytest.approx(170, abs=3)
        assert fails.file("attempt.json")["checkpoint"] == "/opt/ml/checkpoints/epoch-1.pt"
        assert fails.bucket.paths() >= {"log-1.txt", "log.txt"}
        assert fails.down_at > START + 200
        events = fails.events()
        assert [each for each in events if "again" in each] == ["trying_again", "tried_again"]
        assert events.count("shutdown") == events.count("results_collected") == 1

    def test_the_metrics_of_an_attempt_are_told_before_its_log_goes(
        self, fails: World, cloudwatch: CloudWatch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(loop, "ThreadPoolExecutor", MetricsLater)
        told, act = [], fails.docker.do

        def do(step: Step, *args: t.Any) -> None:
            told.append((step.verb, len(cloudwatch.calls)))
            act(step, *args)

        monkeypatch.setattr(fails.docker, "do", do)
        fails.at(30, lambda: fails.docker.end(1))
        fails.at(90, lambda: fails.docker.end(0))
        fails.supervise(retries=1, price_per_hour_usd=3.6, metrics_namespace="trainyard/demo")
        assert told[0] == ("remove", 2)

    def test_only_so_often(self, fails: World) -> None:
        fails.docker.ends_at_once = 1
        fails.at(10, lambda: fails.docker.end(1))
        fails.supervise(retries=2)
        assert fails.docker.steps.count("create") == 2
        record = self.record(fails)
        assert (record["outcome"], record["attempts"]) == ("failed", 3)

    @pytest.mark.parametrize(
        ("line", "exit_code", "settings"),
        [
            pytest.param(b"ValueError: no\n", 1, {"retries": 2}, id="the program's own fault"),
            pytest.param(b"", 3, {"retries": 2}, id="an exit code of its own"),
            pytest.param(b"", 0, {"retries": 2}, id="it succeeded"),
            pytest.param(b"", 137, {}, id="nobody asked for it"),
            pytest.param(b"", 137, {"retries": 2, "max_duration_seconds": 60}, id="its time was up"),
        ],
    )
    def test_nothing_else_is(
        self, fails: World, monkeypatch: pytest.MonkeyPatch, line: bytes, exit_code: int, settings: dict[str, t.Any]
    ) -> None:
        monkeypatch.setattr(engine.LogReader, "all_frames", lambda self: iter([Frame(1, "t", line)] if line else []))
        fails.at(100, lambda: fails.docker.end(exit_code))
        fails.supervise(**settings)
        assert fails.docker.steps == []

    def test_what_its_node_took_down_is(self, fails: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(engine.LogReader, "all_frames", lambda self: iter([]))
        fails.at(100, lambda: fails.docker.end(143))
        fails.at(200, lambda: fails.docker.end(0))
        fails.supervise(retries=1)
        assert self.record(fails)["attempts"] == 2

    def test_a_limit_counts_on(self, fails: World) -> None:
        fails.at(100, lambda: fails.docker.end(1))
        fails.supervise(retries=1, max_duration_seconds=150)
        assert fails.now - START == pytest.approx(180, abs=5)
        record = self.record(fails)
        assert (record["outcome"], record["attempts"]) == ("stopped", 2)

    def test_its_secrets_go_with_the_attempt_and_are_read_anew_for_the_next(
        self, fails: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told: list[str] = []
        monkeypatch.setattr(
            loop, "remove_secrets", lambda run_id: told.append(f"removed at {fails.docker.now - START:.0f}")
        )
        monkeypatch.setattr(engine, "fetch_secrets", lambda run_id, wanted: dict.fromkeys(wanted, b"hush"))
        path = fails.docker.directory / "container.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "secrets": [["token", "ssm:/a/token"]]}))
        fails.at(100, lambda: fails.docker.end(1))
        fails.at(200, lambda: fails.docker.end(0))
        fails.supervise(retries=1)
        assert fails.docker.held == [{"token": b"hush"}]
        assert told == ["removed at 100", "removed at 200"]
        assert self.record(fails)["attempts"] == 2

    def test_secrets_that_cannot_be_read_again_end_the_run(self, fails: World, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(run_id: str, wanted: dict[str, str]) -> dict[str, bytes]:
            raise TrainingError("Cannot read the secrets", "it is denied.", "Allow it.")

        monkeypatch.setattr(engine, "fetch_secrets", refuse)
        path = fails.docker.directory / "container.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "secrets": [["token", "ssm:/a/token"]]}))
        fails.at(100, lambda: fails.docker.end(1))
        fails.at(900, lambda: fails.docker.end(0))
        fails.supervise(retries=1)
        assert fails.docker.steps == []
        assert "not_tried_again" in fails.events()
        assert self.record(fails)["attempts"] == 1

    def test_who_stops_it_in_the_pause_is_heard(self, fails: World) -> None:
        fails.at(100, lambda: fails.docker.end(1))
        fails.at(110, lambda: engine.mark_stopped(str(fails.docker.directory), engine.STOPPED_ON_REQUEST))
        fails.supervise(retries=1)
        assert fails.docker.steps == []
        assert self.record(fails)["outcome"] == "stopped"

    def test_what_cannot_be_started_again_is_collected_as_it_was(self, fails: World) -> None:
        fails.docker.fails = {"create"}
        fails.at(100, lambda: fails.docker.end(1))
        fails.supervise(retries=1)
        assert fails.docker.steps.count("remove") == 1
        assert fails.docker.steps.count("create") > 10
        assert fails.events()[-2:] == ["not_tried_again", "results_collected"]
        assert (self.record(fails)["outcome"], self.record(fails)["attempts"]) == ("failed", 1)
        assert "log.txt" in fails.bucket.paths()


def test_a_container_that_is_removed_ends_the_supervision(world: World) -> None:
    world.at(20, lambda: setattr(world.docker, "state", None))
    world.supervise(when_finished="terminate")
    assert world.events()[-1] == "container_removed"
    assert world.down_at == 0


@pytest.mark.parametrize("end", ["ended", "removed"])
def test_secrets_go_with_the_container(world: World, monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    gone: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(loop, "remove_secrets", lambda run_id: gone.append((run_id, world.events())))
    world.at(20, lambda: world.docker.end(0) if end == "ended" else setattr(world.docker, "state", None))
    world.supervise()
    assert gone == [("a", ["supervision_started"])]


def test_use_is_written_often_at_first_and_then_once_a_minute(world: World) -> None:
    world.use = "L4, 50, 1, 2"
    world.at(7300, lambda: world.docker.end(0))
    world.supervise(price_per_hour_usd=3.6)
    lines = [json.loads(line) for line in (world.docker.directory / "usage.jsonl").read_text().splitlines()]
    assert lines[1]["accelerators"][0]["utilization_percent"] == 50
    assert set(lines[1]) == {
        "time", "node_rank", "accelerators", "cpu_percent", "memory_used_mib", "memory_total_mib", "cost_usd",
        "disk_read_bytes_per_second", "disk_written_bytes_per_second",
        "network_received_bytes_per_second", "network_sent_bytes_per_second",
    }  # fmt: skip
    assert set(lines[1]) - set(lines[0]) == {name for name in lines[1] if name.endswith("_per_second")}
    spent = [line["cost_usd"] * 1000 for line in lines]
    apart = [round(after - before) for before, after in pairwise(spent)]
    assert (apart[0], apart[-1], apart) == (5, 60, sorted(apart))


def test_what_the_gpu_reports_is_told_and_explains_the_end(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log = tmp_path / "kmsg"
    monkeypatch.setattr(kernel, "KERNEL_LOG", str(log))
    monkeypatch.setattr(kernel, "_booted_at", lambda: START)
    text = "NVRM: Xid (PCI:0000:02:00): 79, GPU has fallen off the bus."
    world.at(50, lambda: log.write_text(f"3,7,49000000,-;{text}\n") and None)
    world.at(70, log.unlink)  # the kernel has overwritten it
    world.at(100, lambda: world.docker.end(1))
    world.supervise()
    assert world.events().count("gpu_error") == 1
    events = [json.loads(line) for line in (world.docker.directory / "events.jsonl").read_text().splitlines()]
    assert {text} == {each["detail"] for each in events if each["event"] == "gpu_error"}
    record = json.loads(world.bucket.objects[f"{PLACE}run.json"])
    assert "reported Xid 79: a GPU failed" in record["reason"]
    assert (record["decisive_lines"], record["may_be_retried"]) == ([text], True)


def test_a_failed_round_is_tried_again_soon(world: World) -> None:
    world.bucket.refuses = True
    world.at(30, lambda: world.checkpoint("epoch-1.pt"))
    world.at(610, lambda: setattr(world.bucket, "refuses", False))
    copied: list[bool] = []
    world.at(700, lambda: copied.append("checkpoints/LATEST" in world.bucket.paths()))
    world.at(710, lambda: world.docker.end(0))
    world.supervise(checkpoint_interval_seconds=600)
    assert copied == [True]


def test_the_bucket_knows_from_the_start_how_to_start_it_again(world: World) -> None:
    files = {
        "container.json": {"run_id": "a", "image_digest": "image@sha256:1"},
        "settings.json": {"run_id": "a", "results": "s3://bucket/runs"},
        "attempt.json": {"attempt": 2, "earlier": [{"attempt": 1, "duration_seconds": 3600, "cost_usd": 7.0}]},
        "input/config/hyperparameters.json": {"epochs": 6},
        "supervisor.json": {"clock": {"earlier": 3600}},
    }
    (world.docker.directory / "code.tar.gz").write_bytes(b"code")
    for name, document in files.items():
        path = world.docker.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document))
    seen: list[set[str]] = []
    world.at(30, lambda: seen.append(world.bucket.paths()))
    world.at(40, lambda: world.docker.end(1))
    world.supervise(price_per_hour_usd=3.6)
    assert "spec.json" in seen[0]
    assert world.bucket.order.index("code.tar.gz") < world.bucket.order.index("spec.json")
    assert world.bucket.objects[f"{PLACE}code.tar.gz"] == b"code"
    assert json.loads(world.bucket.objects[f"{PLACE}spec.json"]) == {
        "format": 1,
        "run_id": "a",
        "container": files["container.json"],
        "settings": files["settings.json"],
        "attempt": files["attempt.json"],
        "hyperparameters": '{"epochs": 6}',
    }
    assert world.file("status.json")["cost_usd"] == 7.04


class TestMetrics:
    def test_a_run_is_told_of_each_minute_and_at_its_end(self, world: World, cloudwatch: CloudWatch) -> None:
        world.use = "L4, 50, 1, 2"
        world.at(70, lambda: world.log.lines.append("epoch 2/2 loss: 0.5"))
        world.at(130, lambda: world.docker.end(0))
        world.supervise(metrics_namespace="trainyard/demo", price_per_hour_usd=36, budget_usd=13)
        assert {each["Timestamp"] - START for each in cloudwatch.data()} == {0, 60, 120, 130}
        assert [each["Sum"] for each in cloudwatch.statistics("loss")] == [0.5]
        assert (cloudwatch.last("run_cost_usd"), cloudwatch.last("budget_used_percent")) == (1.3, 10)
        assert (
            cloudwatch.last("checkpoint_age_seconds") == 59
        )  # a round begins each 60 seconds, and ends a second later
        assert cloudwatch.last("idle_accelerator_seconds") == 0
        use = [each for each in cloudwatch.data() if each["MetricName"] == "run_accelerator_utilization"]
        assert [each["StatisticValues"]["SampleCount"] for each in use] == [1, 6, 6]

    def test_without_a_namespace_nobody_is_told(self, world: World, cloudwatch: CloudWatch) -> None:
        world.at(70, lambda: world.docker.end(0))
        world.supervise()
        assert (cloudwatch.calls, world.log.read_lines) == ([], 0)

    def test_a_spot_notice_is_told_at_once(self, world: World, cloudwatch: CloudWatch) -> None:
        world.docker.polite = False
        world.at(20, lambda: setattr(world.metadata, "answer", '{"action": "terminate"}'))
        world.supervise(metrics_namespace="trainyard/demo")
        told = [each["Timestamp"] - START for each in cloudwatch.data() if each["MetricName"] == "spot_notice"]
        assert told[0] <= 25

    def test_all_is_told_before_the_node_goes_down(self, world: World, cloudwatch: CloudWatch) -> None:
        world.at(30, lambda: world.log.lines.append("loss: 0.5"))
        world.at(90, lambda: setattr(cloudwatch, "refuses", OSError("timed out")))
        world.at(100, lambda: world.docker.end(0))
        shutdown, told = world.shutdown, []
        bucket = world.bucket

        def collected(arguments: t.Sequence[str], data: str | None) -> tuple[int, str, str]:
            if "run.json" in (data or ""):
                cloudwatch.refuses = None
            return Bucket.__call__(bucket, arguments, data)

        world.bucket = t.cast(t.Any, collected)
        world.shutdown = lambda: (told.append(cloudwatch.last("run_cost_usd")), shutdown())  # type: ignore[method-assign]
        world.supervise(metrics_namespace="trainyard/demo", when_finished="stop", price_per_hour_usd=36)
        assert told == [1.0]
        assert [event for event in world.events() if event.startswith("metrics_")] == [
            "metrics_failed",
            "metrics_caught_up",
        ]

    def test_a_cloudwatch_that_never_answers_delays_nothing(
        self, world: World, cloudwatch: CloudWatch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Later, "result", lambda self, timeout=None: Future.result(self, timeout))
        monkeypatch.setattr(loop, "ThreadPoolExecutor", MetricsLater)
        monkeypatch.setattr(loop, "LAST_METRICS_SECONDS", 0.01)
        world.at(200, lambda: world.docker.end(0))
        world.supervise(metrics_namespace="trainyard/demo")
        assert world.now - START < 210
        assert world.events()[-3:] == ["container_ended", "results_collected", "metrics_failed"]

    def test_whatever_is_wrong_with_a_metric_the_run_goes_on(
        self, world: World, cloudwatch: CloudWatch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(metrics.Publisher, "round", lambda self, look, ended=False: 1 / 0)
        world.at(200, lambda: world.docker.end(0))
        world.supervise(metrics_namespace="trainyard/demo")
        assert [event for event in world.events() if event == "metrics_failed"] == ["metrics_failed"]
        assert "results_collected" in world.events()

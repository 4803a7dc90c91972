# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that have ended, made ready on their node or on another one, with Docker and a bucket that are none."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
import typing as t
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _container_engine as engine
from ansible_collections.trainyard.aws.plugins.module_utils import _resume_node
from ansible_collections.trainyard.aws.plugins.module_utils._container_decide import spec_of
from ansible_collections.trainyard.aws.plugins.module_utils._container_types import Frame, TrainingError
from ansible_collections.trainyard.aws.plugins.module_utils._resume import Attempt, spec_document

from tests.unit.plugins.module_utils.test__container_engine import params_in
from tests.unit.plugins.module_utils.test__supervisor_loop import PLACE, START, Bucket, Docker

PARAMS: dict[str, t.Any] = {
    "run_id": "a",
    "node": "demo-train-1",
    "results": "s3://bucket/runs",
    "resume_arguments": None,
    "max_duration": "",
    "budget_usd": 0,
    "price_per_hour_usd": 0,
    "metrics_namespace": "",
}
SETTINGS = {
    "run_id": "a",
    "node": "demo-train-0",
    "price_per_hour_usd": 3.6,
    "resume_arguments": ["--s_epoch", "{epoch}"],
}


class Run:
    """A run with a container that ended after 100 seconds, on its node."""

    def __init__(self, directory: Path) -> None:
        self.docker = Docker(directory)
        self.directory = self.docker.directory
        self.checkpoints = self.directory / "checkpoints"
        self.bucket = Bucket()
        self.commands: list[str] = []
        self.mounted = True
        self.docker.now = START + 100
        self.docker.end(1)
        container = replace(
            spec_of(params_in(directory, command=["train", "--s_epoch", "0"])), image_digest="image@sha256:1"
        )
        self.write("container.json", asdict(container))
        self.write("settings.json", {**SETTINGS, "checkpoints_directory": str(self.checkpoints)})
        self.write("input/config/hyperparameters.json", {"epochs": 6})

    def write(self, name: str, document: t.Any) -> None:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(document if isinstance(document, str) else json.dumps(document))

    def read(self, name: str) -> t.Any:
        return json.loads((self.directory / name).read_text())

    def checkpoint(self, name: str, text: str = "whole", when: float = 50) -> None:
        path = self.checkpoints / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, (START + when, START + when))

    def copied(self, *names: str, seconds: float = 90, **documents: t.Any) -> None:
        """What the supervisor has brought into the bucket."""
        files = []
        for name in names:
            body = (self.checkpoints / name).read_bytes()
            self.bucket.objects[f"{PLACE}checkpoints/{name}"] = body
            mtime_ns = (self.checkpoints / name).stat().st_mtime_ns
            sha256 = hashlib.sha256(body).hexdigest()
            files.append({"path": name, "size": len(body), "sha256": sha256, "mtime_ns": mtime_ns})
        attempt = self.read("attempt.json") if (self.directory / "attempt.json").exists() else {}
        spec = spec_document(self.read("container.json"), self.read("settings.json"), attempt, '{"epochs": 6}\n')
        latest = {"files": files, "spent_seconds": seconds}
        for name, document in {"spec.json": spec, "checkpoints/LATEST": latest, **documents}.items():
            self.bucket.objects[PLACE + name] = (
                document if isinstance(document, str) else json.dumps(document)
            ).encode()

    def lose_node(self, but_checkpoints: bool = False) -> None:
        self.docker.state = None
        for path in self.directory.iterdir():
            if not (but_checkpoints and path == self.checkpoints):
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def run(self, command: t.Sequence[str], data: str | None) -> tuple[int, str, str]:
        self.commands.append(" ".join(command))
        return (0 if self.mounted or "mountpoint" not in command else 32), "", ""

    def prepare(self, check_mode: bool = False, **params: t.Any) -> dict[str, t.Any]:
        here = _resume_node.Here(self.docker, self.bucket, self.run)
        return _resume_node.prepare({**PARAMS, **params}, here, check_mode)

    def files(self) -> set[str]:
        return {str(path.relative_to(self.directory)) for path in self.directory.rglob("*") if path.is_file()}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(engine.LogReader, "all_frames", lambda self: iter([Frame(1, "t", b"epoch 2\n")]))
    return Run(tmp_path)


# ---- On its node ---------------------------------------------------------------------------------------------------


def test_the_only_checkpoint_is_whole_if_it_was_copied_just_before_the_kill(run: Run) -> None:
    run.checkpoint("epoch-1.pt", when=98)
    run.copied("epoch-1.pt")
    run.docker.end(137)
    made = run.prepare()
    assert (made["checkpoint"], made["set_aside"]) == ("/opt/ml/checkpoints/epoch-1.pt", [])
    assert (run.checkpoints / "epoch-1.pt").exists()


def test_a_run_trains_on_where_it_was(run: Run) -> None:
    run.checkpoint("epoch-1.pt", when=40)
    run.checkpoint("epoch-2.pt", when=50)
    run.write("supervisor.json", {"clock": {"x": 99.0}, "copies": {"epoch-1.pt": [5, 1, "ab"]}, "ended": "x"})
    made = run.prepare()
    assert (made["changed"], made["resumes"], made["attempt"], made["new_node"]) == (True, True, 2, False)
    assert (made["checkpoint"], made["epoch"]) == ("/opt/ml/checkpoints/epoch-2.pt", 2)
    assert made["command"] == ["train", "--s_epoch", "2"]
    assert run.commands == ["systemctl stop trainyard-run@a.service"]
    assert (run.directory / "log-1.txt").read_text() == "epoch 2\n"
    assert not (run.directory / "log.txt").exists()
    assert run.read("supervisor.json") == {
        "clock": {"earlier": 100.0},
        "copies": {"epoch-1.pt": [5, 1, "ab"]},
        "newest": None,
        "ended": "x",
    }
    attempt = Attempt.parse(run.read("attempt.json"))
    assert [(each.attempt, each.exit_code, each.duration_seconds, each.cost_usd) for each in attempt.earlier] == [
        (1, 1, 100.0, 0.1)
    ]
    assert run.read("settings.json")["node"] == "demo-train-1"


def test_made_ready_twice_is_one_attempt(run: Run) -> None:
    run.checkpoint("epoch-1.pt")
    first = run.prepare()
    assert {**run.prepare()} == first
    assert Attempt.parse(run.read("attempt.json")).earlier_seconds == 100
    assert (run.directory / "log-1.txt").exists()


def test_check_mode_says_the_same_and_writes_nothing(run: Run) -> None:
    run.checkpoint("epoch-1.pt")
    before = run.files()
    said = run.prepare(check_mode=True)
    assert run.files() == before
    assert run.commands == []
    assert run.prepare() == said


def test_what_was_half_written_at_a_kill_is_set_aside(run: Run) -> None:
    run.docker.end(137)
    run.checkpoint("epoch-1.pt", when=40)
    run.checkpoint("epoch-2.pt", "half", when=98)
    made = run.prepare()
    assert made["epoch"] == 1
    assert made["set_aside"] == ["epoch-2.pt"]
    assert {path for path in run.files() if "epoch" in path} == {"checkpoints/epoch-1.pt", "damaged/epoch-2.pt"}


def test_without_a_checkpoint_it_begins_again(run: Run) -> None:
    made = run.prepare()
    assert (made["changed"], made["checkpoint"], made["epoch"], made["command"]) == (True, "", None, [])


def test_a_run_that_goes_on_is_left_alone(run: Run) -> None:
    assert run.docker.state is not None
    run.docker.state = replace(run.docker.state, status="running", attempt=3)
    before = run.files()
    made = run.prepare()
    assert (made["changed"], made["resumes"], made["attempt"]) == (False, False, 3)
    assert run.files() == before
    assert run.commands == []


@pytest.mark.parametrize(
    ("settings", "params", "variable"),
    [
        pytest.param({"max_duration_seconds": 90}, {}, "training_run_max_duration", id="time"),
        pytest.param({"budget_usd": 0.05}, {}, "training_run_budget_usd", id="dollars"),
        pytest.param({"max_duration_seconds": 90}, {"max_duration": "1h"}, "", id="more time"),
        pytest.param({"budget_usd": 0.05}, {"budget_usd": 5.0}, "", id="more dollars"),
    ],
)
def test_limits_count_all_attempts(
    run: Run, settings: dict[str, t.Any], params: dict[str, t.Any], variable: str
) -> None:
    run.write("settings.json", {**run.read("settings.json"), **settings})
    if variable:
        with pytest.raises(TrainingError, match=f"used up. Give it a higher {variable}"):
            run.prepare(**params)
    else:
        assert run.prepare(**params)["changed"]


def test_a_run_that_has_finished_is_refused(run: Run) -> None:
    run.docker.end(0)
    with pytest.raises(TrainingError, match="it has finished"):
        run.prepare()


def test_a_shared_file_system_must_be_mounted(run: Run) -> None:
    run.write("settings.json", {**run.read("settings.json"), "shared_directory": "/efs"})
    run.mounted = False
    with pytest.raises(TrainingError, match="nothing is mounted on /efs"):
        run.prepare()


# ---- On another node -----------------------------------------------------------------------------------------------


def test_all_comes_from_the_bucket(run: Run) -> None:
    run.checkpoint("epoch-1.pt", "first", when=40)
    run.checkpoint("epoch-2.pt", "second", when=50)
    run.copied("epoch-1.pt", "epoch-2.pt", **{"events-0.jsonl": '{"event": "x"}\n'})
    run.lose_node()
    made = run.prepare(price_per_hour_usd=7.2, metrics_namespace="trainyard/demo")
    assert (made["attempt"], made["epoch"], made["new_node"]) == (2, 2, True)
    assert made["brought"] == ["epoch-1.pt", "epoch-2.pt"]
    assert (made["spent_seconds"], made["spent_usd"]) == (90.0, 0.09)
    assert (run.checkpoints / "epoch-2.pt").read_text() == "second"
    assert (run.checkpoints / "epoch-2.pt").stat().st_mtime == START + 50
    assert (run.checkpoints / "epoch-2.pt").stat().st_mode & 0o777 == 0o666
    assert (run.directory / "input/config/hyperparameters.json").read_text() == '{"epochs": 6}\n'
    assert (run.directory / "events.jsonl").read_text() == '{"event": "x"}\n'
    assert run.read("settings.json")["price_per_hour_usd"] == 7.2
    assert run.read("settings.json")["metrics_namespace"] == "trainyard/demo"
    assert run.read("container.json")["image_digest"] == "image@sha256:1"
    memory = run.read("supervisor.json")
    assert memory["clock"] == {"earlier": 90.0}
    assert sorted(memory["copies"]) == ["epoch-1.pt", "epoch-2.pt"]
    assert not (run.directory / "checkpoints.incoming").exists()


def with_code(run: Run) -> dict[str, bytes]:
    """The run has code, and the bucket keeps it."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        entry = tarfile.TarInfo("train.py")
        entry.size = 3
        tar.addfile(entry, io.BytesIO(b"one"))
    held = {"code.tar.gz": archive.getvalue(), "code.diff": b"+one"}
    files = [
        {"path": name, "size": len(body), "sha256": hashlib.sha256(body).hexdigest()} for name, body in held.items()
    ]
    code = {"repository": "/src", "commit": "3f25", "changed": True, "tree": "t1", "files": files}
    run.write("settings.json", {**run.read("settings.json"), "inputs": {"code": code}})
    run.checkpoint("epoch-2.pt")
    run.copied("epoch-2.pt")
    run.bucket.objects.update({PLACE + name: body for name, body in held.items()})
    run.lose_node()
    return held


def test_the_code_comes_from_the_bucket(run: Run) -> None:
    with_code(run)
    assert run.prepare()["new_node"]
    assert (run.directory / "code" / "train.py").read_text() == "one"
    assert {"code.tar.gz", "code.diff"} <= run.files()
    assert run.read("code.json")["tree"] == "t1"


@pytest.mark.parametrize("body", [None, b"other"])
def test_other_code_is_not_trained_on(run: Run, body: bytes | None) -> None:
    held = with_code(run)
    run.bucket.objects.pop(f"{PLACE}code.tar.gz")
    if body is not None:
        run.bucket.objects[f"{PLACE}code.tar.gz"] = body.ljust(len(held["code.tar.gz"]))
    with pytest.raises(TrainingError, match=r"code\.tar\.gz in s3://bucket/runs/a is not what it was"):
        run.prepare()


def test_a_damaged_checkpoint_gives_way_to_an_older_one(run: Run) -> None:
    run.checkpoint("epoch-1.pt", when=40)
    run.checkpoint("epoch-2.pt", when=50)
    run.copied("epoch-1.pt", "epoch-2.pt")
    run.bucket.objects[f"{PLACE}checkpoints/epoch-2.pt"] = b"other"
    run.lose_node()
    assert run.prepare(check_mode=True)["epoch"] == 2
    made = run.prepare()
    assert (made["epoch"], made["damaged"], made["brought"]) == (1, ["epoch-2.pt"], ["epoch-1.pt"])
    assert not (run.checkpoints / "epoch-2.pt").exists()


@pytest.mark.parametrize("body", [None, b"short"])
def test_where_nothing_is_whole_it_says_so(run: Run, body: bytes | None) -> None:
    run.checkpoint("epoch-1.pt", "some text")
    run.copied("epoch-1.pt")
    run.lose_node()
    if body is None:
        del run.bucket.objects[f"{PLACE}checkpoints/epoch-1.pt"]
    else:
        run.bucket.objects[f"{PLACE}checkpoints/epoch-1.pt"] = body
    with pytest.raises(TrainingError, match=r"none of its checkpoints in s3://bucket/runs/a\S* is whole: epoch-1\.pt"):
        run.prepare()


def test_what_is_newer_on_the_shared_file_system_is_not_copied(run: Run) -> None:
    run.checkpoint("epoch-0.pt", when=30)
    run.checkpoint("epoch-1.pt", when=40)
    run.copied("epoch-0.pt", "epoch-1.pt")
    (run.checkpoints / "epoch-0.pt").unlink()
    run.checkpoint("epoch-2.pt", when=50)
    run.checkpoint("epoch-3.pt", "half", when=60)
    run.lose_node(but_checkpoints=True)
    made = run.prepare()
    assert (made["epoch"], made["brought"], made["set_aside"]) == (2, [], ["epoch-3.pt"])


def test_a_whole_archive_is_known_as_whole(run: Run, tmp_path: Path) -> None:
    run.checkpoint("epoch-1.pt", when=40)
    run.copied("epoch-1.pt")
    archive = shutil.make_archive(str(tmp_path / "archive"), "zip", run.directory / "input")
    run.lose_node(but_checkpoints=True)
    shutil.move(archive, run.checkpoints / "epoch-2.pt")
    assert run.prepare()["epoch"] == 2


def test_results_of_earlier_attempts_come_along(run: Run) -> None:
    run.checkpoint("epoch-1.pt", when=40)
    artefacts = {"log.txt": "first", "output/metrics.jsonl": "{}", "model/m.pt": "damaged"}
    entries = [
        {"path": path, "size": len(text), "sha256": hashlib.sha256(text.encode()).hexdigest()}
        for path, text in artefacts.items()
    ]
    record = {
        "outcome": "stopped",
        "attempts": 1,
        "duration_seconds": 95.0,
        "cost_usd": 0.1,
        "reason": "stopped because AWS takes the spot instance back",
        "artefacts": entries,
    }
    run.copied("epoch-1.pt", **{"run.json": record, **artefacts, "model/m.pt": "Damaged"})
    run.lose_node()
    made = run.prepare()
    assert (made["spent_seconds"], made["spent_usd"]) == (95.0, 0.1)
    assert (run.directory / "log-1.txt").read_text() == "first"
    assert (run.directory / "output/metrics.jsonl").stat().st_mode & 0o777 == 0o666
    assert (run.directory / "output").stat().st_mode & 0o777 == 0o777
    assert not (run.directory / "model/m.pt").exists()
    assert Attempt.parse(run.read("attempt.json")).earlier[0].reason.startswith("stopped because AWS")


def test_a_run_that_has_finished_elsewhere_is_refused(run: Run) -> None:
    run.copied(**{"run.json": {"outcome": "succeeded", "artefacts": []}})
    run.lose_node()
    with pytest.raises(TrainingError, match="it has finished"):
        run.prepare()


def test_an_unknown_run_names_those_that_there_are(run: Run) -> None:
    run.bucket.objects["s3://bucket/runs/digits-001/spec.json"] = b"{}"
    run.lose_node()
    with pytest.raises(TrainingError, match=r'no run "a".*Runs that there are: digits-001\.'):
        run.prepare()
    run.bucket.objects.clear()
    with pytest.raises(TrainingError, match="There is no run at all"):
        run.prepare()

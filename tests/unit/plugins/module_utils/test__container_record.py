# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import socket
import typing as t
from pathlib import Path

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _container_engine as engine
from ansible_collections.trainyard.aws.plugins.module_utils import _container_record as record
from ansible_collections.trainyard.aws.plugins.module_utils._container_decide import spec_of
from ansible_collections.trainyard.aws.plugins.module_utils._container_types import Frame, State, TrainingError

from tests.unit.plugins.module_utils.test__container_engine import container_of, params_in

SETTINGS = {
    "node": "demo-train-0",
    "price_per_hour_usd": 36.0,
    "inputs": {"code": {"commit": "3f25", "files": [{"path": "code.tar.gz"}]}},
}


@pytest.fixture(autouse=True)
def log_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.LogReader, "all_frames", lambda self: iter([Frame(1, "t", b"epoch 1/2 loss 0.5\n")]))


def state_in(directory: Path, **state: t.Any) -> State:
    want = spec_of(params_in(directory, environment={"KEY": "hush"}, secrets={"hf": "ssm:/team/hf"}, command=["x"]))
    Path(want.directory, "input", "config").mkdir(parents=True)
    container = container_of(want, **{"Status": "exited", **state})
    container["Mounts"] = [{"Source": "/efs/runs/a/checkpoints", "Destination": "/opt/ml/checkpoints"}]
    return engine._state_of(container)


def test_the_node_alone_knows_what_ran(tmp_path: Path) -> None:
    state = state_in(tmp_path, ExitCode=3)
    Path(state.directory, "input/config/hyperparameters.json").write_text('{"epochs": 6}')
    Path(state.directory, "settings.json").write_text(json.dumps(SETTINGS))
    found = record.run_on_node(state)
    assert found == {
        "run_id": "a",
        "image": "image:1",
        "image_digest": "image@sha256:1",
        "command": ["x"],
        "entrypoint": [],
        "environment_names": [name for name, dummy in state.environment],
        "secrets": {"hf": "ssm:/team/hf"},
        "hyperparameters": {"epochs": 6},
        "channels": [],
        "code": {"commit": "3f25"},
        "outputs": [],
        "node": "demo-train-0",
        "attempts": 1,
        "earlier_attempts": [],
        "started_at": "2020-01-01T00:00:00Z",
        "finished_at": "2020-01-01T00:00:10Z",
        "duration_seconds": 10.0,
        "cost_usd": 0.1,
        "exit_code": 3,
        "reason": "exit code 3",
        "decisive_lines": [],
        "may_be_retried": False,
        "missing_outputs": [],
        "progress": {"epoch": 1, "epochs": 2, "step": None, "steps": None, "percent": 50.0},
        "metrics": {"loss": 0.5},
    }
    assert "hush" not in json.dumps(found)
    assert Path(state.directory, "log.txt").read_text() == "epoch 1/2 loss 0.5\n"
    assert state.checkpoints_directory == "/efs/runs/a/checkpoints"


@pytest.mark.parametrize(
    ("pattern", "epoch"),
    [pytest.param("/(?P<epoch>[0-9])", 2, id="of the settings"), pytest.param("(", 1, id="that cannot be used")],
)
def test_progress_is_read_by_the_pattern(tmp_path: Path, pattern: str, epoch: int) -> None:
    state = state_in(tmp_path)
    Path(state.directory, "settings.json").write_text(json.dumps({"progress_pattern": pattern}))
    assert record.run_on_node(state)["progress"]["epoch"] == epoch


def test_a_run_without_settings_has_the_name_of_its_host(tmp_path: Path) -> None:
    found = record.run_on_node(state_in(tmp_path), check_mode=True)
    assert (found["node"], found["hyperparameters"], found["cost_usd"]) == (socket.gethostname(), {}, None)
    assert not Path(tmp_path, "a", "log.txt").exists()


def test_a_run_that_goes_on_has_no_record(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="its container is running"):
        record.run_on_node(state_in(tmp_path, Status="running"))


def test_the_first_to_stop_a_run_says_why(tmp_path: Path) -> None:
    state = state_in(tmp_path, ExitCode=0)
    engine.mark_stopped(state.directory, "stopped by its time limit of 2h")
    engine.mark_stopped(state.directory, "stopped on request")
    assert record.run_on_node(state)["reason"] == "stopped by its time limit of 2h (exit code 0)"

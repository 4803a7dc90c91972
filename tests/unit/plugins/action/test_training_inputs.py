# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t
from pathlib import Path
from unittest.mock import MagicMock

from ansible_collections.trainyard.aws.plugins.action.training_inputs import ActionModule


def run(**args: t.Any) -> dict[str, t.Any]:
    given = {"run_id": "a", "image": "i", "variable_prefix": "training_run_", **args}
    task = MagicMock(args=given, async_val=0, check_mode=False)
    return ActionModule(task, MagicMock(), MagicMock(), MagicMock(), MagicMock()).run(task_vars={})


def test_good_inputs(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "1.png").touch()
    (tmp_path / "one").touch()
    (tmp_path / "h.json").write_text('{"epochs": 6, "rate": 1e-3}')
    (tmp_path / "s.json").write_text('{"required": ["epochs"]}')
    result = run(
        hyperparameters_file=str(tmp_path / "h.json"),
        hyperparameters_schema=str(tmp_path / "s.json"),
        channels={"one": str(tmp_path / "one"), "images": str(tmp_path / "images")},
    )
    assert result.get("failed") is None
    assert result["hyperparameters"] == {"epochs": 6, "rate": 0.001}
    assert json.loads(result["hyperparameters_json"]) == result["hyperparameters"]
    assert result["channels"] == [
        {"name": "images", "kind": "controller", "source": f"{tmp_path}/images/", "sha256": ""},
        {"name": "one", "kind": "controller", "source": f"{tmp_path}/one", "sha256": ""},
    ]


def test_no_hyperparameters_are_an_empty_object() -> None:
    result = run(hyperparameters={}, hyperparameters_file="")
    assert result["hyperparameters_json"] == "{}\n"


def test_every_fault_in_one_pass(tmp_path: Path) -> None:
    (tmp_path / "h.json").write_text("{,}")
    result = run(
        run_id="A",
        image="",
        hyperparameters_file=str(tmp_path / "h.json"),
        hyperparameters_schema="/nothing",
        channels={"x": "/nothing"},
    )
    assert result["failed"] is True
    assert result["msg"].startswith('5 faults in the inputs of run "A"; nothing was started.\n- training_run_id: ')
    for name in (
        "training_run_image",
        "training_run_channels",
        "training_run_hyperparameters_file",
        "training_run_hyperparameters_schema",
    ):
        assert f"\n- {name}: " in result["msg"]


def test_schema_faults_name_the_variable(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text('{"required": ["epochs"]}')
    result = run(hyperparameters={"x": 1}, hyperparameters_schema=str(tmp_path / "s.json"))
    assert result["msg"].startswith(
        '1 fault in the inputs of run "a"; nothing was started.\n- training_run_hyperparameters: '
    )


def test_only_one_way_to_give_hyperparameters() -> None:
    result = run(hyperparameters={"a": 1}, hyperparameters_file="h.json")
    assert (
        "training_run_hyperparameters and training_run_hyperparameters_file: both are set. Set one of them."
        in result["msg"]
    )

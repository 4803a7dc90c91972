# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils._supervisor import Settings
from ansible_collections.trainyard.aws.plugins.plugin_utils import _training_supervision as supervision
from ansible_collections.trainyard.aws.plugins.plugin_utils._training_inputs import Names

DEFAULTS = {name: option["default"] for name, option in supervision.SUPERVISION.items()}


@pytest.mark.parametrize(
    ("options", "faults"),
    [
        pytest.param({}, [], id="defaults"),
        pytest.param({"max_duration": "12h", "idle_stop": "1h30m"}, [], id="durations"),
        pytest.param({"max_duration": "12 hours"}, ['run_max_duration: "12 hours" is no duration.'], id="no duration"),
        pytest.param({"checkpoint_interval": ""}, ['run_checkpoint_interval: "" is no duration.'], id="none at all"),
        pytest.param({"checkpoint_interval": "0s"}, ['run_checkpoint_interval: "0s" is no duration.'], id="no time"),
        pytest.param({"budget_usd": -1.0}, ["run_budget_usd: -1 is no amount."], id="less than nothing"),
        pytest.param({"budget_usd": float("nan")}, ["run_budget_usd: nan is no amount."], id="no number"),
        pytest.param({"idle_threshold_percent": 0.0}, ["run_idle_threshold_percent: 0 is no"], id="never idle"),
        pytest.param({"metrics_namespace": "trainyard/demo-1"}, [], id="namespace"),
        pytest.param({"metrics_namespace": "AWS/EC2"}, ["run_metrics_namespace"], id="namespace of AWS"),
        pytest.param({"metrics_namespace": "x" * 256}, ["run_metrics_namespace"], id="long namespace"),
        pytest.param({"checkpoints_kept": -1, "idle_stop": "x"}, ["run_idle_stop", "run_checkpoints_kept"], id="both"),
    ],
)
def test_supervision_faults(options: dict[str, t.Any], faults: list[str]) -> None:
    found = [str(fault) for fault in supervision.supervision_faults(Names("run_"), {**DEFAULTS, **options})]
    assert len(found) == len(faults)
    assert all(fault in text for fault, text in zip(faults, found, strict=True))


def test_the_supervisor_understands_what_it_is_told() -> None:
    told = supervision.supervision_of({**DEFAULTS, "max_duration": "2h", "budget_usd": 5.0, "when_finished": "stop"})
    settings = Settings.parse({"run_id": "a", **told})
    assert settings == Settings(run_id="a", max_duration_seconds=7200, budget_usd=5.0, when_finished="stop")
    assert set(told) <= set(Settings.__dataclass_fields__)

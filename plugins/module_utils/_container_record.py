# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""What ran, told by the node alone: its container, the hyperparameters it was given, and the settings of its run."""

from __future__ import annotations

import json
import os
import socket
import typing as t
from dataclasses import asdict

from ansible_collections.trainyard.aws.plugins.module_utils._container_decide import seconds_between, time_of
from ansible_collections.trainyard.aws.plugins.module_utils._container_engine import (
    ATTEMPT,
    ending,
    read_output,
    words_on,
    write_log,
)
from ansible_collections.trainyard.aws.plugins.module_utils._container_types import State, TrainingError
from ansible_collections.trainyard.aws.plugins.module_utils._resume import Attempt
from ansible_collections.trainyard.aws.plugins.module_utils._training_results_store import settings_of
from ansible_collections.trainyard.aws.plugins.module_utils._whole_file import read_mapping

LOG, CHANNELS = "log.txt", "channels.json"
_SECONDS_PER_HOUR = 3600


def run_on_node(state: State, check_mode: bool = False) -> dict[str, t.Any]:
    """The ``run`` of module training_results. Its whole log is written beside the run."""
    if not state.ended:
        raise TrainingError(
            f'Cannot record run "{state.run_id}"',
            f"its container is {state.status}.",
            "Wait until it has ended, or stop it.",
        )
    log_file, settings = os.path.join(state.directory, LOG), settings_of(state.directory)
    if not check_mode:
        write_log(state, log_file)
    output = read_output(log_file, tail=0)
    how = ending(state, output.end)
    seconds = seconds_between(state.started_at, state.finished_at)
    price = settings.get("price_per_hour_usd")
    before = Attempt.parse(read_mapping(os.path.join(state.directory, ATTEMPT))).before(state.attempt)
    started = state.started_at if time_of(state.started_at) else ""
    return {
        "run_id": state.run_id,
        "image": state.image,
        "image_digest": state.image_digest,
        "command": list(state.command),
        "entrypoint": list(state.entrypoint),
        "environment_names": [name for name, dummy in state.environment],
        "secrets": dict(state.secrets),
        "hyperparameters": dict(json.loads(hyperparameters_text(state.directory) or "{}")),
        "channels": read_mapping(os.path.join(state.directory, CHANNELS)).get("channels", []),
        "code": code_of(settings),
        "outputs": settings.get("outputs") or [],
        "node": settings.get("node") or socket.gethostname(),
        "attempts": state.attempt,
        "earlier_attempts": [asdict(each) for each in before.earlier],
        "started_at": next((each.started_at for each in before.earlier if each.started_at), started),
        "finished_at": state.finished_at,
        "duration_seconds": round(before.earlier_seconds + seconds, 3),
        "cost_usd": round(before.earlier_usd + seconds / _SECONDS_PER_HOUR * price, 4)
        if price
        else before.earlier_usd or None,
        "exit_code": how.exit_code,
        "reason": how.reason,
        **words_on(how, output, settings.get("progress_pattern") or ""),
    }


def code_of(settings: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Which code the run trains; nothing where it is in its image. What the archive holds stands among the artefacts."""
    code = (settings.get("inputs") or {}).get("code") or {}
    return {name: value for name, value in code.items() if name != "files"}


def hyperparameters_text(directory: str) -> str:
    """Empty where the run has none."""
    path = os.path.join(directory, "input", "config", "hyperparameters.json")
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8") as file:
        return file.read()

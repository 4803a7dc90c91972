# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a training reads and writes: the places of SageMaker's containers, so it trains there as it trains here."""

from __future__ import annotations

import contextlib
import json
import os
import traceback
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(os.environ.get("TRAINING_ROOT", "/opt/ml"))
HYPERPARAMETERS = ROOT / "input" / "config" / "hyperparameters.json"
CHECKPOINTS = ROOT / "checkpoints"
MODEL = ROOT / "model"
OUTPUT = ROOT / "output"


def save(state: dict, path: Path) -> None:
    """Under its name only when it is whole: the node may vanish at any moment."""
    import torch  # only who trains needs it

    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    torch.save(state, unfinished)
    unfinished.replace(path)


def note(metrics: dict) -> None:
    """One more line of metrics."""
    OUTPUT.mkdir(parents=True, exist_ok=True)
    with (OUTPUT / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(metrics) + "\n")


@contextlib.contextmanager
def failures_told() -> Iterator[None]:
    """What goes wrong inside is written where whoever started the training is shown it."""
    try:
        yield
    except Exception as error:  # whatever it is; it is told and goes its way
        OUTPUT.mkdir(parents=True, exist_ok=True)
        last = traceback.extract_tb(error.__traceback__)[-1]
        (OUTPUT / "failure").write_text(
            f"{type(error).__name__}: {error} (line {last.lineno} of {Path(last.filename).name})\n"
        )
        raise

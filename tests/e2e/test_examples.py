# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples train, in their images, with the commands of their READMEs. The demo trains the third, digits."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import docker
import pytest
from docker.errors import ContainerError

from examples import build

EXAMPLES = Path(build.__file__).parent


class Training:
    """A container of an example with a folder of its own as /opt/ml."""

    def __init__(self, example: str, root: Path) -> None:
        self.client = docker.from_env(timeout=600)
        self.image = build.build(self.client, example, print)
        self.root = root
        self.settings = EXAMPLES / example / "hyperparameters.lab.json"

    def run(self, *command: str, seen_as: str = "/opt/ml/input/config/hyperparameters.json") -> str:
        return self.client.containers.run(
            self.image.id,
            list(command),
            remove=True,
            stderr=True,
            # More threads than cores wait for each other.
            environment={"OMP_NUM_THREADS": "1"},
            volumes={
                str(self.root): {"bind": "/opt/ml", "mode": "rw"},
                str(self.settings): {"bind": seen_as, "mode": "ro"},
            },
        ).decode()

    def losses(self, name: str) -> list[float]:
        lines = (self.root / "output" / "metrics.jsonl").read_text().splitlines()
        return [line[name] for line in map(json.loads, lines) if name in line]


def test_toxicity_learns_from_hyperparameters_where_the_original_has_them(tmp_path: Path) -> None:
    training = Training("toxicity", tmp_path)
    log = training.run(seen_as="/data/hyperparams.json")
    losses = training.losses("validation_loss")
    assert losses[-1] < losses[0]
    # A quarter of the texts is of the commonest class.
    (accuracy,) = re.findall(r"test loss [\d.]+ accuracy ([\d.]+) on 1430 texts", log)
    assert float(accuracy) > 0.3
    assert {file.name for file in (tmp_path / "model").iterdir()} == {"multi-conv.pt", "vocabulary.json"}
    again = training.run(seen_as="/data/hyperparams.json")
    assert "resuming after epoch 6 from epoch-0006.pt" in again


def test_dcgan_goes_on_after_a_checkpoint_as_if_nothing_had_happened(tmp_path: Path) -> None:
    training = Training("dcgan", tmp_path / "once")
    command = ("python3", "run_gaudi_dcgan.py", "--dataroot", "/opt/ml/images", "--seed", "215", "--name", "houses")
    training.run("python3", "make_images.py", "/opt/ml/images")
    training.run(*command, "--s_epoch", "0", "--n_epoch", "2")
    whole = training.losses("critic_loss")
    assert len(whole) == 2
    assert whole[1] < whole[0]
    checkpoints = tmp_path / "once" / "checkpoints" / "houses"
    assert sorted(file.name for file in checkpoints.iterdir()) == ["checkpoint_1.pt", "checkpoint_2.pt"]
    assert list((tmp_path / "once" / "output" / "tensorboard" / "houses").glob("events.out.tfevents.*"))
    assert (tmp_path / "once" / "model" / "drawn.png").read_bytes().startswith(b"\x89PNG")

    checkpoint = (checkpoints / "checkpoint_1.pt").read_bytes()
    shutil.rmtree(tmp_path / "once" / "output")
    shutil.rmtree(checkpoints)
    checkpoints.mkdir()
    (checkpoints / "checkpoint_1.pt").write_bytes(checkpoint)
    log = training.run(*command, "--s_epoch", "1", "--n_epoch", "2")
    assert "resuming after epoch 1" in log
    assert training.losses("critic_loss") == pytest.approx(whole[1:])
    with pytest.raises(ContainerError):
        training.run(*command, "--s_epoch", "7", "--n_epoch", "8")
    assert "there is no /opt/ml/checkpoints/houses/checkpoint_7.pt" in (tmp_path / "once/output/failure").read_text()

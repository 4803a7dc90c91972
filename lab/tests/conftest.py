# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One lab for the whole test run, and a network in it for each test file."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from docker.errors import DockerException

from lab.tests.running_lab import RunningLab, Stack, free_port, running_lab


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    try:
        docker.from_env().ping()
    except DockerException as error:
        pytest.fail(f"The lab's tests need the Docker engine: {error}")
    with running_lab(tmp_path_factory.mktemp("lab"), free_port()) as running:
        yield running


@pytest.fixture(scope="session")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("key") / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


@pytest.fixture(scope="module")
def stack(lab: RunningLab, key_file: Path) -> Iterator[Stack]:
    made = Stack(lab, key_file)
    yield made
    made.remove()

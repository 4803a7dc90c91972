# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One lab for the whole test run, and a network in it for each test file."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from docker.errors import DockerException

from lab.tests.running_lab import RunningLab, Stack, free_port, running_lab

# Ranges of the tests; a demo lab uses others. Each worker of pytest-xdist has its own.
_networks = (
    f"10.{100 + number}.0.0/16"
    for number in itertools.count(int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) * 20)
)


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
    made = Stack(lab, next(_networks), key_file)
    yield made
    made.remove()

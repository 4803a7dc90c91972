# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab of its own for the end-to-end tests."""

from __future__ import annotations

import os
from collections.abc import Iterator

import docker
import pytest

from tests.e2e.driver import BIN, ROOT, Lab, Stack, copy_inventory, lab_command


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    state = ROOT / "build" / "e2e" / "lab"
    state.mkdir(parents=True, exist_ok=True)
    lab_command(state, "down")
    lab_command(state, "up")
    try:
        lines = (line.removeprefix("export ") for line in (state / "env").read_text().splitlines())
        yield Lab(dict(line.split("=", 1) for line in lines if "=" in line), state)
    finally:
        lab_command(state, "down")


@pytest.fixture(scope="session")
def shell_image(lab: Lab) -> str:
    """The smallest training image: a Debian with a shell, in the account's registry."""
    client = docker.from_env()
    base = next(tag for image in client.images.list("trainyard-lab/base") for tag in image.tags)
    repository = f"{lab.environment['LAB_REGISTRY_PUSH']}/e2e/shell"
    client.images.get(base).tag(repository, "1")
    for line in client.images.push(repository, "1", stream=True, decode=True):
        assert "error" not in line, line
    client.images.remove(f"{repository}:1")
    return "123456789012.dkr.ecr.us-east-1.amazonaws.com/e2e/shell:1"


@pytest.fixture(scope="module")
def stack(lab: Lab, shell_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    home = tmp_path_factory.mktemp("home")
    inventory = copy_inventory("e2e", home / "inventory", "10.78")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "ANSIBLE_"))}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment |= lab.environment | {"HOME": str(home), "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "NO_COLOR": "1"}
    environment |= {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "ANSIBLE_NOCOLOR": "1"}
    environment |= {"ANSIBLE_DEPRECATION_WARNINGS": "True"}
    yield Stack("e2e", lab, home, inventory, shell_image, environment)

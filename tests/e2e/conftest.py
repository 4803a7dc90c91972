# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab of its own for the end-to-end tests; for each of two workers, if they run side by side."""

from __future__ import annotations

from collections.abc import Iterator

import docker
import pytest

from tests.e2e.driver import (
    ROOT,
    WORKER,
    Lab,
    Stack,
    copy_inventory,
    push_shell_image,
    running_lab,
    stack_environment,
)


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    with running_lab(ROOT / "build" / "e2e" / f"lab-{WORKER}") as lab:
        yield lab


@pytest.fixture(scope="session")
def shell_image(lab: Lab) -> str:
    return push_shell_image(docker.from_env(), lab)


@pytest.fixture(scope="module")
def stack(lab: Lab, shell_image: str, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    home = tmp_path_factory.mktemp("home")
    # Two labs side by side share this machine's routes, so their networks must differ; other files have ranges of their own.
    inventory = copy_inventory("e2e", home / "inventory", ("10.78", "10.89")[WORKER])
    with (inventory / "group_vars" / "all.yml").open("a") as variables:
        variables.write('\naws_identity_secrets: ["ssm:/e2e/token", "secretsmanager:e2e/wandb"]\n')
    environment = stack_environment(lab, home) | {"ANSIBLE_DEPRECATION_WARNINGS": "True"}
    return Stack("e2e", lab, home, inventory, shell_image, environment)

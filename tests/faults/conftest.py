# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab for the tests that break things, and a stack in it that each test finds empty and leaves empty."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.driver import ROOT, WORKER, Lab, Stack, copy_inventory, running_lab, stack_environment
from tests.faults.rig import Faults, holdings


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    with running_lab(ROOT / "build" / "faults" / f"lab-{WORKER}") as lab:
        yield lab


@pytest.fixture
def faults(lab: Lab) -> Iterator[Faults]:
    faults = Faults(lab)
    yield faults
    faults.clear()


@pytest.fixture(scope="session")
def stack(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    home = tmp_path_factory.mktemp("home")
    # Two labs side by side share this machine's routes, so their networks must differ.
    inventory = copy_inventory("faults", home / "inventory", f"10.{82 + WORKER}")
    return Stack("faults", lab, home, inventory, "", stack_environment(lab, home))


@pytest.fixture
def nothing_left(lab: Lab) -> Iterator[None]:
    """What a test is about in the end: the account holds just what it held before."""
    before = holdings(lab)
    yield
    assert holdings(lab) == before

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The longest chain of waits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.latency import TABLES, Waits
from tests.benchmarks.critical_path import DESTROY, PROVISION, Step, critical_path

AWS = TABLES["aws"]
DIAMOND = {
    "base": Step(1),
    "slow": Step(1, "nat_gateway_pending", ("base",)),
    "quick": Step(1, "instance_pending", ("base",)),
    "top": Step(2, needs=("quick", "slow")),
    "alone": Step(3),
}


@pytest.mark.parametrize(
    ("waits", "names", "seconds"),
    [
        pytest.param(Waits(call=1, nat_gateway_pending=5), ("base", "slow", "top"), 9, id="slow"),
        pytest.param(Waits(call=1, instance_pending=6), ("base", "quick", "top"), 10, id="quick"),
        pytest.param(Waits(), ("base",), 0, id="no waits"),
    ],
)
def test_the_chain_that_takes_longest(waits: Waits, names: tuple[str, ...], seconds: float) -> None:
    path = critical_path(DIAMOND, waits)
    assert path.names == names
    assert path.seconds == pytest.approx(seconds)


def test_provision_waits_for_the_nat_gateway() -> None:
    path = critical_path(PROVISION, AWS)
    assert path.names == ("vpc", "internet gateway", "NAT gateway", "private route")
    assert path.seconds == pytest.approx(60 + 5 * 0.08)


def test_without_a_slow_nat_gateway_provision_waits_for_the_file_system() -> None:
    path = critical_path(PROVISION, replace(AWS, nat_gateway_pending=0))
    assert path.names == ("file system", "mount target")
    assert path.seconds == pytest.approx(35 + 2 * 0.08)


def test_destroy_waits_for_the_nat_gateway() -> None:
    path = critical_path(DESTROY, AWS)
    assert path.names == ("NAT gateway", "internet gateway", "vpc")
    assert path.seconds == pytest.approx(45 + 4 * 0.08)


@pytest.mark.parametrize("steps", [PROVISION, DESTROY], ids=["provision", "destroy"])
def test_every_wait_is_one_of_the_table(steps: dict[str, Step]) -> None:
    assert {step.wait for step in steps.values() if step.wait} <= set(Waits.__dataclass_fields__)

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the bench prints of its samples."""

from __future__ import annotations

from collections import Counter

from tests.benchmarks.beside_terraform import AGAIN, ALONE, FIRST, GONE, PLAN, Life, Sample, report


def life(name: str, seconds: tuple[float, ...], **objects: int) -> Life:
    made = Life(name, {}, objects=Counter(objects))
    for verb in (PLAN, FIRST, AGAIN, GONE):
        made.samples[verb] = [Sample(one, one / 2, 10, 3) for one in seconds]
    return made


def test_the_last_of_ours_stands_beside_terraform() -> None:
    theirs, cold, warm = life("Terraform", (40, 50, 60), vpc=1), life("cold", (70,)), life("warm", (20, 25, 90), vpc=2)
    theirs.samples[ALONE] = [Sample(3, 1, 0, 0)]
    lines = report([theirs, cold, warm], "aws")
    assert "| verb | Terraform | cold | warm | warm / Terraform | longest chain of waits |" in lines
    assert f"| {ALONE} | 3.0 (3.0 to 3.0) |  |  |  |  |" in lines
    assert f"| {FIRST} | 50.0 (40.0 to 60.0) | 70.0 (70.0 to 70.0) | 25.0 (20.0 to 90.0) | 0.50 | 60.4 |" in lines
    assert f"| {FIRST} | 25.0 | 35.0 | 12.5 |" in lines
    assert f"| {GONE} | 10 + 3 | 10 + 3 | 10 + 3 |" in lines
    assert "| vpc | 1 | 0 | 2 |" in lines

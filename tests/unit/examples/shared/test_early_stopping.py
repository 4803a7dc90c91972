# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from examples.shared.early_stopping import EarlyStopping


@pytest.mark.parametrize(
    ("losses", "reached"),
    [
        pytest.param([], False, id="no epoch"),
        pytest.param([3, 2, 1], False, id="falling"),
        pytest.param([1, 2, 3], False, id="two rises"),
        pytest.param([1, 2, 3, 4], True, id="three rises running"),
        pytest.param([1, 2, 3, 2.5, 3, 4], False, id="three rises, not running"),
        pytest.param([5, 1, 2, 2, 3], False, id="the same is no rise"),
    ],
)
def test_three_rises_running_are_enough(losses: list[float], reached: bool) -> None:
    early = EarlyStopping(patience=3)
    for loss in losses:
        early = early.after(loss)
    assert early.reached is reached

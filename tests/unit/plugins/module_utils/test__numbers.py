# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import math
from typing import Any

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils._numbers import finite_number


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (1, 1.0),
        (0.5, 0.5),
        (True, None),
        ("1", None),
        (None, None),
        (math.nan, None),
        (-math.inf, None),
        (10**400, None),
    ],
    ids=str,
)
def test_finite_number(value: Any, number: float | None) -> None:
    assert finite_number(value) == number

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Numbers in JSON that others wrote. Pure."""

from __future__ import annotations

import math
import typing as t


def finite_number(value: t.Any) -> float | None:
    """A number that can be written and drawn; JSON of others may hold anything."""
    try:
        number = float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
    except OverflowError:
        return None
    return number if math.isfinite(number) else None

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Durations as people write them: 90s, 30m, 12h, 2d, 1h30m. Pure."""

from __future__ import annotations

import re

_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


def seconds_of(text: str) -> int:
    """How many seconds ``text`` means; ValueError says how to write it where it means nothing."""
    match = _DURATION.fullmatch(text.strip())
    seconds = sum(int(number) * unit for number, unit in zip(match.groups("0"), _UNITS.values())) if match else 0
    if not seconds:
        raise ValueError(f'"{text}" is no duration: write it as 90s, 30m, 12h, 2d or 1h30m.')
    return seconds


def text_of(seconds: int) -> str:
    """The shortest way to write ``seconds``: 5400 is 1h30m."""
    parts = []
    for unit, length in _UNITS.items():
        count, seconds = divmod(seconds, length)
        parts.append(f"{count}{unit}" if count else "")
    return "".join(parts) or "0s"

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils._durations import seconds_of, text_of


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1800), ("12h", 43200), ("2d", 172800), ("1h30m", 5400), (" 1d1h1m1s ", 90061), ("90m", 5400)],
)
def test_reads_what_people_write(text: str, seconds: int) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "12", "h", "1.5h", "-1h", "30m1h", "0s", "1 h", "12hours"])
def test_refuses_anything_else_and_says_how_to_write_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no duration: write it as 90s, 30m, 12h, 2d or 1h30m"):
        seconds_of(text)


@pytest.mark.parametrize(("seconds", "text"), [(5400, "1h30m"), (86400, "1d"), (61, "1m1s"), (0, "0s")])
def test_writes_them_the_short_way(seconds: int, text: str) -> None:
    assert text_of(seconds) == text

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Removal goes on where Docker is busy or refuses; what stays is named."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests
from docker.errors import APIError, NotFound

from lab import sweep
from lab.sweep import Swept, remove_all


def answer(status: int) -> APIError:
    response = requests.Response()
    response.status_code = status
    return APIError("refused", response, f"status {status}")


def failing(times: int, error: Exception) -> Callable[[], None]:
    left = [error] * times

    def remove() -> None:
        if left:
            raise left.pop()

    return remove


@pytest.mark.parametrize("status", [403, 409])
def test_a_busy_thing_is_tried_again(status: int) -> None:
    swept = Swept()
    remove_all({"network": failing(2, answer(status))}, swept)
    assert swept == Swept(["network"], {})


def test_what_is_gone_already_is_fine() -> None:
    swept = Swept()
    remove_all({"container": failing(1, NotFound("gone"))}, swept)
    assert swept == Swept(["container"], {})


def test_what_cannot_go_is_named_and_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "SECONDS_TO_TRY", 0.1)
    done: list[str] = []
    removals = {
        "broken": failing(99, answer(500)),
        "busy": failing(99, answer(403)),
        "fine": lambda: done.append("fine"),
    }
    swept = Swept()
    remove_all(removals, swept)
    assert swept == Swept(["fine"], {"broken": "status 500", "busy": "status 403"})
    assert done == ["fine"]

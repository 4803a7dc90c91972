# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.trainyard.aws.plugins.filter.costs import FilterModule

COSTS = FilterModule().filters()["costs"]
NOW = "2026-11-21T12:00:00Z"


def resource(kind: str, usd: float | None, since: str = "2026-11-21T09:30:00Z", expires: str = "") -> dict[str, Any]:
    return {
        "type": kind,
        "id": f"{kind}-1",
        "name": "dcgan",
        "state": "running",
        "since": since,
        "expires_at": expires,
        "usd_per_hour": usd,
    }


def test_what_costs_is_added_up_and_what_is_free_is_left_out() -> None:
    told = COSTS(
        [
            resource("instance", 4.0, expires="2026-11-22T00:00:00Z"),
            resource("nat_gateway", 0.05),
            resource("vpc", 0.0),
        ],
        NOW,
    )
    assert (told["usd_per_hour"], told["usd_so_far"], told["unknown"]) == (4.05, pytest.approx(10.125), [])
    head, instance, gateway, total = told["table"].splitlines()
    assert head.split()[:2] == ["type", "id"]
    assert instance.split()[-3:] == ["2026-11-22T00:00:00Z", "4.000", "10.000"]
    assert gateway.split()[-2:] == ["0.050", "0.125"]
    assert total.split() == ["total", "4.050", "10.125"]


@pytest.mark.parametrize(
    "unknown", [resource("bucket", None), resource("elastic_ip", 0.005, since="")], ids=["no price", "no beginning"]
)
def test_what_is_not_known_is_told(unknown: dict[str, Any]) -> None:
    told = COSTS([unknown], NOW)
    assert (told["usd_so_far"], told["unknown"]) == (0.0, [unknown["id"]])
    assert told["table"].splitlines()[1].endswith("?")


def test_nothing_costs_nothing() -> None:
    assert COSTS([], NOW)["table"].splitlines()[-1].split() == ["total", "0.000", "0.000"]


def test_a_time_without_zone_is_utc_and_the_future_costs_nothing() -> None:
    assert COSTS([resource("instance", 2.0, since="2026-11-21T11:00:00+00:00")], NOW)["usd_so_far"] == 2.0
    assert COSTS([resource("instance", 2.0, since="2026-11-21T11:00:00")], NOW)["usd_so_far"] == 2.0
    assert COSTS([resource("instance", 2.0, since="2026-11-21T13:00:00Z")], NOW)["usd_so_far"] == 0.0

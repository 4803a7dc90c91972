# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: costs
short_description: What the resources of a stack cost
version_added: 1.0.0
description:
  - Tells of what costs money since when it is there, what it costs an hour, what it has cost so far, and when it ends itself.
  - Prices are those that the resources bring, from C(trainyard.aws.stack_info). A price that changed meanwhile is not known.
positional: now
options:
  _input:
    description: Resources as C(trainyard.aws.stack_info) returns them.
    type: list
    elements: dict
    required: true
  now:
    description: The time until which is counted, as ISO 8601 in UTC.
    type: str
    required: true
author:
  - The trainyard developers (@trainyard)
"""

EXAMPLES = r"""
# table, usd_per_hour and usd_so_far
told: "{{ aws_stack_result.resources | trainyard.aws.costs('2026-01-01T12:00:00Z') }}"
"""

RETURN = r"""
_value:
  description: A C(table) for the terminal, C(usd_per_hour), C(usd_so_far), and C(unknown), the resources without a price.
  type: dict
"""

import datetime
import typing as t

from ansible_collections.trainyard.aws.plugins.module_utils._bill import cost_so_far
from ansible_collections.trainyard.aws.plugins.module_utils._offers import columns

HEAD = ("type", "id", "name", "state", "since", "expires", "USD/h", "USD so far")


def costs(resources: t.Sequence[t.Mapping[str, t.Any]], now: str) -> dict[str, t.Any]:
    """What costs money or may, with its sums; what is free is left out."""
    until = datetime.datetime.fromisoformat(now)
    counted = [(one, cost_so_far(one, until)) for one in resources if one.get("usd_per_hour") != 0]
    rows = [
        (
            one["type"],
            one["id"],
            one["name"],
            one["state"],
            str(one.get("since") or ""),
            str(one.get("expires_at") or ""),
            _usd(one.get("usd_per_hour")),
            _usd(so_far),
        )
        for one, so_far in counted
    ]
    hour = sum(one.get("usd_per_hour") or 0.0 for one, _so_far in counted)
    so_far = sum(usd or 0.0 for _one, usd in counted)
    total = ("total", "", "", "", "", "", _usd(hour), _usd(so_far))
    return {
        "table": columns([HEAD, *rows, total], right=(6, 7)),
        "usd_per_hour": hour,
        "usd_so_far": so_far,
        "unknown": [one["id"] for one, usd in counted if usd is None],
    }


def _usd(value: float | None) -> str:
    return "?" if value is None else f"{value:.3f}"


class FilterModule:
    """Filters about money."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"costs": costs}

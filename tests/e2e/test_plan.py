# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said about money before any is spent, on an account that is empty and stays so."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from tests.e2e.driver import Lab, Stack, writes

G_ON_DEMAND = "L-DB2E81BA"


@pytest.fixture
def market(lab: Lab) -> Iterator[Lab]:
    """The lab's prices and quotas, as they were again afterwards."""
    yield lab
    lab.page("quotas", "POST", {})
    lab.page("faults", "DELETE")


def test_a_plan_bills_every_part_and_writes_nothing(stack: Stack) -> None:
    before = len(stack.lab.calls())
    group = {"name": "train", "accelerator": {"name": "L4", "count": 4}, "markets": ["spot", "on-demand"]}
    variables = {"aws_nodes_groups": [group], "stack_time_to_live": "6h", "stack_budget_usd": 60}
    outcome = stack.play("plan", "-e", json.dumps(variables))
    assert outcome.status == 0, outcome.text
    assert outcome.changed == 0
    for part in ("nodes train", "g6.12xlarge spot", "bastion", "NAT gateway", "public IPv4", "EBS gp3", "EFS", "S3"):
        assert part in outcome.text, outcome.text
    # In the lab no agent reports; what a run tells is counted.
    assert re.search(r"CloudWatch +22 metrics", outcome.text), outcome.text
    assert "All G and VT Spot Instance Requests" in outcome.text
    assert "Prices: Price List API, spot price now." in outcome.text
    assert "USD a run of 6h" in outcome.text
    calls = stack.lab.calls(before)
    assert writes(calls) == []
    assert {"pricing:GetProducts", "service-quotas:ListServiceQuotas"} <= {
        f"{call['service']}:{call['action']}" for call in calls
    }


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        pytest.param(
            {"stack_budget_usd": 5, "stack_time_to_live": "12h"}, "stack_budget_usd allows 5.00", id="too dear"
        ),
        pytest.param({"stack_budget_usd": 5}, "nobody knows how long the stack lives", id="without end"),
    ],
)
def test_a_budget_stops_provision_before_anything_is_created(stack: Stack, variables: dict, expected: str) -> None:
    before = len(stack.lab.calls())
    outcome = stack.play("provision", "-e", json.dumps(variables))
    assert outcome.status != 0
    assert expected in outcome.text
    assert "Nothing was created." in outcome.text
    assert writes(stack.lab.calls(before)) == []


def test_a_quota_that_is_too_small_stops_provision(stack: Stack, market: Lab) -> None:
    market.page("quotas", "POST", {G_ON_DEMAND: 2})
    before = len(stack.lab.calls())
    outcome = stack.play("provision")
    assert outcome.status != 0
    assert "4 vCPUs of g6.xlarge exceed the quota" in outcome.text
    assert "2 allowed, 0 in use" in outcome.text
    assert writes(stack.lab.calls(before)) == []


def test_without_the_price_list_a_dated_table_is_used_and_named(stack: Stack, market: Lab) -> None:
    market.page("faults", "POST", {"match": {"service": "pricing"}, "times": None, "then": {"drop": "before"}})
    outcome = stack.play("plan")
    assert outcome.status == 0, outcome.text
    assert "Prices: table of us-east-1 at 2026-07-20." in outcome.text


def test_offers_are_a_table_of_types_and_prices(stack: Stack) -> None:
    outcome = stack.play("offers", "-e", json.dumps({"aws_plan_accelerator": "L4", "aws_plan_families": ["g6", "gr6"]}))
    assert outcome.status == 0, outcome.text
    assert "4.602" in next(line for line in outcome.text.splitlines() if "g6.12xlarge" in line)
    types = [
        word
        for line in outcome.text.splitlines()
        for word in line.split()
        if word.strip('"').startswith(("g6.", "gr6."))
    ]
    assert len(types) == 10


def test_the_status_of_nothing_is_nothing(stack: Stack) -> None:
    outcome = stack.play("status")
    assert outcome.status == 0, outcome.text
    assert "0 resources, 0.00 USD an hour, 0.00 USD so far" in outcome.text

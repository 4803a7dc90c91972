# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils._bill import Shape, Volume
from ansible_collections.trainyard.aws.plugins.module_utils._offers import Accelerator, Group, InstanceType
from ansible_collections.trainyard.aws.plugins.module_utils._plan import (
    Duration,
    Facts,
    Plan,
    duration_of,
    group_of,
    is_over_budget,
    plan_of,
    summary,
    table_of,
    volumes_of,
)
from ansible_collections.trainyard.aws.plugins.module_utils._prices import PriceList
from ansible_collections.trainyard.aws.plugins.module_utils._quotas import quotas_of

G_ON_DEMAND, G_SPOT = "Running On-Demand G and VT instances", "All G and VT Spot Instance Requests"
BARE = Shape(door="ssm", egress="none", file_system=False, bucket=False, monitor="none", agent=False, run_metrics=False)
SIX_HOURS = Duration(6.0, "the life of the stack")


def facts(on_demand: float = 96, spot: float = 96, spot_usd: float = 2.0) -> Facts:
    listed = [
        {"QuotaCode": code, "QuotaName": name, "Value": value}
        for code, name, value in (("L-1", G_ON_DEMAND, on_demand), ("L-2", G_SPOT, spot))
    ]
    prices = PriceList("us-east-1", spot={("g6.12xlarge", "us-east-1a"): spot_usd} if spot_usd else {})
    types = {name: InstanceType(name, vcpus, 1) for name, vcpus in (("g6.12xlarge", 48), ("t3.micro", 2))}
    return Facts(types, {"g6.12xlarge": ["us-east-1a"]}, prices, tuple(quotas_of(listed)))


def planned(given: Facts, budget: float = 0, duration: Duration = SIX_HOURS, **group: Any) -> Plan:
    train = Group("train", group.pop("count", 1), ("g6.12xlarge",), ("spot", "on-demand"), **group)
    return plan_of([(train, ())], BARE, given, duration, budget)


@pytest.mark.parametrize(
    ("arguments", "hours"),
    [
        pytest.param(("", "", 0, 0), None, id="nobody said"),
        pytest.param(("6h", "", 0, 0), 6, id="limit of the run"),
        pytest.param(("6h", "90m", 0, 0), 1.5, id="the stack ends first"),
        pytest.param(("6h", "12h", 900, 16), 4, id="epochs as measured"),
        pytest.param(("2h", "", 900, 16), 2, id="the limit comes first"),
        pytest.param(("", "", 900, 0), None, id="no epochs"),
    ],
)
def test_a_run_takes_the_shortest_of_what_is_known(arguments: Any, hours: float | None) -> None:
    assert duration_of(*arguments).hours == hours


def test_a_duration_that_means_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match='"soon" is no duration'):
        duration_of("soon", "", 0, 0)


def test_reads_a_group_as_the_inventory_has_it() -> None:
    item = {
        "name": "train",
        "root_volume_gib": 200,
        "volumes": [{"size_gib": 500, "iops": 8000, "throughput": 1000}],
        "max_price_usd": 3,
    }
    assert group_of(item, ["g6.xlarge"], ["a"]) == Group("train", 1, ("g6.xlarge",), ("on-demand",), ("a",), 3.0)
    assert group_of(item | {"zones": ["b"], "count": 2}, [], ["a"]).zones == ("b",)
    assert volumes_of(item) == (Volume(200), Volume(500, 8000, 1000))
    assert volumes_of({}) == (Volume(100),)


def test_the_first_offer_is_billed_and_the_dearest_is_told() -> None:
    plan = planned(facts())
    assert summary(plan) == ("Estimate: 2.00 USD an hour, 4.60 at most; 12.00 USD a run of 6h, 27.61 at most.")
    assert [(offer.market, offer.price and offer.price.usd) for offer in plan.choices[0].offers] == [
        ("spot", 2.0),
        ("on-demand", 4.6016),
    ]


def test_the_accelerators_of_the_offer_are_counted() -> None:
    given = facts()
    given.types["g6.12xlarge"] = InstanceType("g6.12xlarge", 48, 1, Accelerator("L4", 4, 24576))
    told = {}
    for name, facts_ in (("without", facts()), ("with", given)):
        plan = plan_of([(Group("train", 2, ("g6.12xlarge",)), ())], replace(BARE, agent=True), facts_, SIX_HOURS)
        told[name] = next(line.units for line in plan.lines if line.unit == "metric")
    assert told["with"] - told["without"] == 2 * 4 * 6


@pytest.mark.parametrize(
    ("budget", "over"), [(0, False), (28, False), (27, True)], ids=["no budget", "enough", "too little"]
)
def test_the_dearest_offer_must_stay_in_the_budget(budget: float, over: bool) -> None:
    plan = planned(facts(), budget)
    assert is_over_budget(plan) is over
    assert bool(plan.faults) is over
    if over:
        assert plan.faults[0].startswith(
            "A run may cost 27.61 USD (g6.12xlarge on-demand, 6h); stack_budget_usd allows 27.00."
        )


@pytest.mark.parametrize(
    ("given", "duration", "text"),
    [
        pytest.param(facts(), Duration(None, ""), "nobody knows how long the stack lives", id="no duration"),
        pytest.param(
            facts(spot_usd=0), SIX_HOURS, "the price of g6.12xlarge spot us-east-1a is not known", id="no price"
        ),
    ],
)
def test_a_budget_that_cannot_be_held_is_a_fault(given: Facts, duration: Duration, text: str) -> None:
    (fault,) = planned(given, 1000, duration).faults
    assert text in fault


def test_an_offer_beyond_the_quota_is_left_out_with_its_reason() -> None:
    plan = planned(facts(spot=40))
    assert [offer.market for offer in plan.choices[0].offers] == ["on-demand"]
    assert plan.choices[0].left_out == (
        f'g6.12xlarge spot: 48 vCPUs of g6.12xlarge exceed the quota "{G_SPOT}" (L-2): 40 allowed, 0 in use',
    )
    assert plan.faults == ()


def test_a_group_without_any_offer_is_a_fault() -> None:
    (fault,) = planned(facts(spot=0, on_demand=48), count=2).faults
    assert fault.startswith("Group train has no offer: ")
    assert "96 vCPUs of g6.12xlarge exceed the quota" in fault
    assert "trainyard.aws.service_quota" in fault


def test_a_group_of_no_nodes_needs_no_offer() -> None:
    assert planned(facts(spot=0, on_demand=0), count=0).faults == ()


def test_the_table_shows_bill_offers_quotas_and_sources() -> None:
    group = Group("train", 1, ("g6.12xlarge",), ("spot", "on-demand"))
    text = table_of(plan_of([(group, (Volume(200),))], Shape(traffic={"egress": 10}), facts(spot=40), SIX_HOURS, 20))
    for expected in (
        "nodes train",
        "EBS gp3 storage",
        "bastion",
        "NAT gateway",
        "traffic, 10 GB a run",
        "EFS",
        "S3",
        "CloudWatch",
        "USD/run of 6h",
        "at most",
        "Offers of group train, in order: g6.12xlarge on-demand us-east-1a 4.602",
        "left out: g6.12xlarge spot",
        f"{G_SPOT}   L-2",
        "too small",
        "A run takes 6h: the life of the stack.",
        "Prices: table of us-east-1 at 2026-07-20.",
        "stack_budget_usd allows 20.00",
        "Estimate: ",
    ):
        assert expected in text, text


def test_an_unknown_price_is_told_as_unknown() -> None:
    plan = planned(facts(spot_usd=0))
    assert summary(plan).endswith("; without g6.12xlarge spot us-east-1a, whose price is not known.")
    assert "?" in table_of(plan)

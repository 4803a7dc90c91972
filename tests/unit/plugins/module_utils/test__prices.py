# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils._price_table import PARTS as TABLE_OF_PARTS
from ansible_collections.trainyard.aws.plugins.module_utils._prices import (
    API,
    PARTS,
    TABLE,
    PriceList,
    instance_question,
    part_questions,
    price_in_table,
    sources_text,
    usd_of_instance,
    usd_of_part,
)


def product(usage: str, *tiers: tuple[str, str, str], operation: str = "") -> str:
    """A product as GetProducts answers it; each tier is where it begins, its unit and its price."""
    dimensions = {
        str(number): {"beginRange": begin, "unit": unit, "pricePerUnit": {"USD": usd}}
        for number, (begin, unit, usd) in enumerate(tiers)
    }
    attributes = {"usagetype": usage, "operation": operation}
    terms: dict[str, Any] = {"OnDemand": {"term": {"priceDimensions": dimensions}}, "Reserved": {}}
    return json.dumps({"product": {"attributes": attributes}, "terms": terms})


@pytest.mark.parametrize(
    ("documents", "usd"),
    [
        pytest.param([product("BoxUsage:g6.xlarge", ("0", "Hrs", "0.8048000000"))], 0.8048, id="one"),
        pytest.param([], None, id="none"),
        pytest.param([product("x", ("0", "Hrs", "0.0000000000")), product("y", ("0", "Hrs", "2"))], 2.0, id="not free"),
        pytest.param([json.dumps({"product": {"attributes": {}}, "terms": {}})], None, id="only reserved"),
    ],
)
def test_reads_the_price_of_an_instance(documents: list[str], usd: float | None) -> None:
    assert usd_of_instance(documents) == usd


@pytest.mark.parametrize(
    ("part", "documents", "usd"),
    [
        pytest.param("nat_hour", [product("NatGateway-Hours", ("0", "Hrs", "0.045"))], 0.045, id="us-east-1"),
        pytest.param("nat_hour", [product("EUC1-NatGateway-Hours", ("0", "Hrs", "0.052"))], 0.052, id="Frankfurt"),
        pytest.param("nat_hour", [product("X-Prvd-NatGateway-Hours", ("0", "Hrs", "9"))], None, id="another product"),
        pytest.param("nat_hour", [product("NatGateway-Bytes", ("0", "Quantity", "9"))], None, id="another usage"),
        pytest.param(
            "ebs_mibps", [product("EBS:VolumeP-Throughput.gp3", ("0", "GiBps-mo", "40.96"))], 0.04, id="GiB to MiB"
        ),
        pytest.param(
            "s3_gib",
            [product("TimedStorage-ByteHrs", ("51200", "GB-Mo", "0.022"), ("0", "GB-Mo", "0.023"))],
            0.023,
            id="first tier",
        ),
        pytest.param(
            "efs_write_gib",
            [
                product("ETDataAccess-Bytes", ("0", "GB", "0.03"), operation="Read"),
                product("ETDataAccess-Bytes", ("0", "GB", "0.06"), operation="Write"),
            ],
            0.06,
            id="operation",
        ),
    ],
)
def test_reads_the_price_of_a_part(part: str, documents: list[str], usd: float | None) -> None:
    assert usd_of_part(part, documents) == usd


@pytest.mark.parametrize(
    ("instance_type", "usd"),
    [
        ("g6.12xlarge", 4.6016),
        ("dl1.24xlarge", 13.10904),
        ("p6-b200.48xlarge", 113.9328),
        ("t3.micro", 0.0104),
        ("t3.nano", 0.0052),
        ("c5.2xlarge", 0.34),
        ("c5.metal", None),
        ("x1.32xlarge", None),
        ("g6.3xlarge", None),
        ("nonsense", None),
    ],
)
def test_the_table_knows_what_it_knows(instance_type: str, usd: float | None) -> None:
    assert price_in_table(instance_type) == usd


def test_every_part_has_a_price_in_the_table() -> None:
    assert PARTS.keys() == TABLE_OF_PARTS.keys()


def test_each_price_says_where_it_comes_from() -> None:
    prices = PriceList("us-east-1", {"g6.xlarge": 0.9}, {"nat_hour": 0.05}, {("g6.xlarge", "us-east-1b"): 0.3})
    told = {
        "on demand": prices.on_demand("g6.xlarge"),
        "table": prices.on_demand("g6.12xlarge"),
        "unknown": prices.on_demand("x1.32xlarge"),
        "part": prices.part("nat_hour"),
        "part of the table": prices.part("efs_gib"),
        "spot": prices.offer("g6.xlarge", "us-east-1b", "spot"),
        "no spot here": prices.offer("g6.xlarge", "us-east-1a", "spot"),
        "reserved": prices.offer("g6.xlarge", "us-east-1a", "capacity-reservation"),
    }
    assert {name: price and (price.usd, price.source) for name, price in told.items()} == {
        "on demand": (0.9, API),
        "table": (4.6016, TABLE),
        "unknown": None,
        "part": (0.05, API),
        "part of the table": (0.3, TABLE),
        "spot": (0.3, "spot price now"),
        "no spot here": None,
        "reserved": (0.9, API),
    }


def test_questions_name_the_region_and_are_shared() -> None:
    assert {"Type": "TERM_MATCH", "Field": "regionCode", "Value": "eu-west-1"} in instance_question(
        "g6.xlarge", "eu-west-1"
    ).filters()
    questions = part_questions(["ebs_gib", "ebs_iops", "efs_gib"], "eu-west-1")
    assert questions["ebs_gib"] == questions["ebs_iops"] != questions["efs_gib"]


def test_a_table_of_another_region_is_told() -> None:
    assert sources_text([API, TABLE], "eu-west-1") == (
        f"Prices: {API}, {TABLE}. The table is of us-east-1; eu-west-1 may differ."
    )
    assert sources_text([API], "eu-west-1") == "Prices: Price List API."

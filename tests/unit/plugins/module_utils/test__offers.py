# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils._offers import (
    Accelerator,
    Group,
    InstanceType,
    Wanted,
    by_price,
    fits,
    offers_of,
    type_of,
)
from ansible_collections.trainyard.aws.plugins.module_utils._prices import PriceList

ZONES = {"g6.12xlarge": ["us-east-1a", "us-east-1b"], "g5.12xlarge": ["us-east-1b"]}
SPOT = {("g6.12xlarge", "us-east-1a"): 2.0, ("g6.12xlarge", "us-east-1b"): 1.5, ("g5.12xlarge", "us-east-1b"): 3.0}


def described(**more: Any) -> dict[str, Any]:
    return {"InstanceType": "x.large", "VCpuInfo": {"DefaultVCpus": 2}, "MemoryInfo": {"SizeInMiB": 4096}, **more}


@pytest.mark.parametrize(
    ("more", "accelerator"),
    [
        pytest.param({}, None, id="none"),
        pytest.param(
            {"GpuInfo": {"Gpus": [{"Name": "L4", "Count": 4, "MemoryInfo": {"SizeInMiB": 22888}}]}},
            Accelerator("L4", 4, 22888),
            id="GPU",
        ),
        pytest.param(
            {
                "GpuInfo": {
                    "Gpus": [
                        {
                            "Name": "L4",
                            "Count": 0,
                            "LogicalGpuCount": 1,
                            "GpuPartitionSize": 0.125,
                            "MemoryInfo": {"SizeInMiB": 2861},
                        }
                    ]
                }
            },
            Accelerator("L4", 0.125, 2861),
            id="part of a GPU",
        ),
        pytest.param(
            {"NeuronInfo": {"NeuronDevices": [{"Name": "Trainium", "Count": 16, "MemoryInfo": {"SizeInMiB": 32768}}]}},
            Accelerator("Trainium", 16, 32768),
            id="Trainium",
        ),
        pytest.param(
            {"InferenceAcceleratorInfo": {"Accelerators": [{"Name": "AI100", "Count": 8}]}},
            Accelerator("AI100", 8, 0),
            id="no memory told",
        ),
    ],
)
def test_reads_the_accelerators(more: dict[str, Any], accelerator: Accelerator | None) -> None:
    assert type_of(described(**more)).accelerator == accelerator


@pytest.mark.parametrize(
    ("has", "wanted", "expected"),
    [
        ("L4", "l4", True),
        ("L40S", "L4", False),
        ("T4g", "T4", False),
        ("RTX PRO Server 6000", "RTX PRO 6000", True),
        ("Gaudi HL-205", "gaudi", True),
        ("Trainium2", "Trainium", False),
        ("", "L4", False),
    ],
)
def test_accelerators_are_known_by_words(has: str, wanted: str, expected: bool) -> None:
    assert fits(InstanceType("x.large", 2, 4096, Accelerator(has, 1, 1)), Wanted(wanted)) is expected


def test_the_cheapest_comes_first_and_the_unpriced_last() -> None:
    types = [InstanceType(name, 4, 1) for name in ("x1.large", "g6.12xlarge", "t3.micro")]
    assert [item.name for item in by_price(types, PriceList("us-east-1"))] == ["t3.micro", "g6.12xlarge", "x1.large"]


def order(offers: list[Any]) -> list[tuple[str, str, str]]:
    return [(offer.instance_type, offer.market, offer.zone[-1]) for offer in offers]


def test_markets_count_most_then_types_then_zones() -> None:
    group = Group("train", 1, ("g6.12xlarge", "g5.12xlarge"), ("spot", "on-demand"))
    offers, left_out = offers_of(group, ZONES, PriceList("us-east-1", spot=SPOT))
    assert order(offers) == [
        ("g6.12xlarge", "spot", "b"),
        ("g6.12xlarge", "spot", "a"),
        ("g5.12xlarge", "spot", "b"),
        ("g6.12xlarge", "on-demand", "a"),
        ("g6.12xlarge", "on-demand", "b"),
        ("g5.12xlarge", "on-demand", "b"),
    ]
    assert [offer.price.usd for offer in offers if offer.price] == [1.5, 2.0, 3.0, 4.6016, 4.6016, 5.672]
    assert left_out == []


def test_only_the_zones_asked_for_count_in_their_order() -> None:
    group = Group("train", 1, ("g6.12xlarge", "g5.12xlarge"), zones=("us-east-1b", "us-east-1a"))
    offers, _left_out = offers_of(group, ZONES, PriceList("us-east-1"))
    assert order(offers) == [
        ("g6.12xlarge", "on-demand", "b"),
        ("g6.12xlarge", "on-demand", "a"),
        ("g5.12xlarge", "on-demand", "b"),
    ]


@pytest.mark.parametrize(
    ("group", "left", "reason"),
    [
        pytest.param(
            Group("train", 1, ("g6.12xlarge",), ("spot", "on-demand"), max_price_usd=2),
            2,
            "g6.12xlarge on-demand us-east-1a: 4.602 USD an hour is above 2",
            id="too dear",
        ),
        pytest.param(
            Group("train", 1, ("g5.12xlarge",), zones=("us-east-1a",)),
            0,
            "g5.12xlarge on-demand: not offered in us-east-1a",
            id="not in this zone",
        ),
        pytest.param(
            Group("train", 1, ("dl1.24xlarge",)), 0, "dl1.24xlarge on-demand: not offered in any zone", id="nowhere"
        ),
    ],
)
def test_what_is_left_out_has_a_reason(group: Group, left: int, reason: str) -> None:
    offers, left_out = offers_of(group, ZONES, PriceList("us-east-1", spot=SPOT))
    assert len(offers) == left
    assert reason in left_out

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.trainyard.aws.plugins.modules import instance_offer_info


def names(answer: dict[str, Any]) -> list[str]:
    return [offer["instance_type"] for offer in answer["offers"]]


@pytest.mark.parametrize("check", [False, True], ids=["run", "check mode"])
def test_the_types_of_an_accelerator_come_cheapest_first(run_module: Any, account: Any, check: bool) -> None:
    """The table of the G6 and Gr6 that people copy from web pages."""
    answer = run_module(instance_offer_info, check=check, accelerator="L4", families=["g6", "gr6"])
    table = [
        (offer["instance_type"], offer["accelerator_count"], offer["vcpus"], offer["memory_gib"], offer["usd_per_hour"])
        for offer in answer["offers"]
    ]
    assert table == [
        ("g6.xlarge", 1, 4, 16, 0.8048),
        ("g6.2xlarge", 1, 8, 32, 0.9776),
        ("g6.4xlarge", 1, 16, 64, 1.3232),
        ("gr6.4xlarge", 1, 16, 128, 1.5392),
        ("g6.8xlarge", 1, 32, 128, 2.0144),
        ("gr6.8xlarge", 1, 32, 256, 2.4464),
        ("g6.16xlarge", 1, 64, 256, 3.3968),
        ("g6.12xlarge", 4, 48, 192, 4.6016),
        ("g6.24xlarge", 4, 96, 384, 6.6752),
        ("g6.48xlarge", 8, 192, 768, 13.3504),
    ]
    assert account.writing_calls == []


def test_without_the_price_list_the_table_is_used_and_named(run_module: Any, account: Any) -> None:
    answer = run_module(instance_offer_info, accelerator="L4", accelerator_count=4)
    assert {offer["price_source"] for offer in answer["offers"]} == {"table of us-east-1 at 2026-07-20"}
    assert answer["sources"] == "Prices: table of us-east-1 at 2026-07-20."
    assert answer["table"].splitlines()[-1] == answer["sources"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param({"accelerator": "Gaudi"}, ["dl1.24xlarge"], id="Gaudi, which EC2 no longer describes"),
        pytest.param({"instance_types": ["dl1.24xlarge"]}, ["dl1.24xlarge"], id="Gaudi by type"),
        pytest.param({"instance_types": ["c5.2xlarge", "no.such"]}, ["c5.2xlarge"], id="without accelerator"),
        pytest.param({"accelerator": "H100", "accelerator_count": 1}, ["p5.4xlarge"], id="count"),
        pytest.param({"accelerator": "A100", "accelerator_memory_gib": 80}, ["p4de.24xlarge"], id="GPU memory"),
        pytest.param(
            {"accelerator": "L4", "accelerator_memory_gib": 24, "accelerator_count": 1, "memory_gib": 250},
            ["gr6.8xlarge", "g6.16xlarge"],
            id="memory as sold",
        ),
        pytest.param(
            {"accelerator": "L4", "accelerator_count": 4, "efa_enabled": True, "vcpus": 90}, ["g6.24xlarge"], id="EFA"
        ),
        pytest.param({"accelerator": "abacus"}, [], id="nothing"),
    ],
)
def test_what_does_not_fit_is_left_out(
    run_module: Any, account: Any, arguments: dict[str, Any], expected: list[str]
) -> None:
    assert names(run_module(instance_offer_info, **arguments)) == expected


def test_each_offer_names_its_zones_and_its_spot_price(run_module: Any, account: Any) -> None:
    (offer,) = run_module(instance_offer_info, instance_types=["g6.12xlarge"])["offers"]
    assert "us-east-1a" in offer["zones"]
    assert offer["spot_zone"] in offer["zones"]
    assert offer["spot_usd_per_hour"] > 0
    assert (offer["storage_gb"], offer["network"], offer["efa_interfaces"]) == (3760, "40 Gigabit", 1)


def test_a_refusal_of_aws_is_told(run_module: Any, account: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    answer = run_module(instance_offer_info, accelerator="L4")
    assert answer["msg"].startswith("Cannot look at what AWS offers: Unable to locate credentials")

# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _preflight_groups as groups

GOOD: dict[str, Any] = {
    "name": "train",
    "count": 2,
    "accelerator": {"name": "L4", "count": 4},
    "markets": ["spot", "on-demand"],
    "root_volume_gib": 200,
    "volumes": [{"size_gib": 500, "iops": 4000}],
    "placement_group": True,
    "patience": "30m",
    "max_price_usd": 1.25,
}


def test_a_group_with_everything_has_no_fault() -> None:
    assert groups.group_faults([GOOD, {"name": "b", "instance_types": ["g6.xlarge"]}]) == []
    assert groups.group_warnings([GOOD]) == []


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        pytest.param({"cuont": 1}, '"cuont" is not known.', id="unknown key"),
        pytest.param({"name": "My Group"}, '"My Group" must start with a letter', id="odd name"),
        pytest.param({"name": "a;$(b)"}, '"a;$(b)" must start with a letter', id="shell in the name"),
        pytest.param({"instance_types": ["g6.xlarge"]}, "it needs either", id="both"),
        pytest.param({"accelerator": None}, "it needs either", id="neither"),
        pytest.param({"accelerator": {"count": 1}}, "accelerator has no name.", id="accelerator without name"),
        pytest.param({"accelerator": {"name": "L4", "conut": 1}}, '"conut" is not known.', id="misspelt inside"),
        pytest.param({"accelerator": {"name": "L4", "count": 0}}, 'accelerator count "0" is no', id="no accelerator"),
        pytest.param({"count": 0}, 'count "0" is no whole number', id="no node"),
        pytest.param({"count": True}, 'count "True" is no whole number', id="a switch for a number"),
        pytest.param({"max_price_usd": "cheap"}, 'max_price_usd "cheap" is no number', id="price"),
        pytest.param({"efa": "maybe"}, 'efa "maybe" is neither', id="switch"),
        pytest.param({"zones": "us-east-1a"}, "zones is no list.", id="list"),
        pytest.param({"patience": "soon"}, 'patience "soon" is no duration', id="duration"),
        pytest.param({"markets": ["stop"]}, 'the market "stop" is not known.', id="market"),
        pytest.param({"markets": ["capacity-block"]}, "a capacity market needs a reservation.", id="reservation"),
        pytest.param({"volumes": [{"iops": 1}]}, "a volume has no size.", id="volume"),
    ],
)
def test_each_fault_is_named(changes: dict[str, Any], what: str) -> None:
    (fault,) = groups.group_faults([GOOD | changes])
    assert fault.what.startswith(what)
    assert fault.subject.startswith("aws_nodes_groups")
    assert fault.fix


def test_a_misspelt_key_gets_the_nearest_name() -> None:
    (fault,) = groups.group_faults([GOOD | {"market": ["spot"]}])
    assert fault.fix == "Did you mean markets?"


def test_a_name_that_stands_there_twice() -> None:
    (fault,) = groups.group_faults([GOOD, GOOD])
    assert fault.what == 'the name "train" stands there twice.'


@pytest.mark.parametrize(("count", "warned"), [(16, False), (17, True), ("x", False)])
def test_many_nodes(count: Any, warned: bool) -> None:
    assert bool(groups.group_warnings([GOOD | {"count": count}])) is warned


def test_a_group_is_kept_to_zones_of_the_network() -> None:
    kept = [GOOD | {"zones": ["us-east-1b", "us-east-1c"]}]
    assert groups.zone_faults(kept, ["us-east-1b", "us-east-1c"]) == groups.zone_faults([GOOD], ["a"]) == []
    (fault,) = groups.zone_faults(kept, ["us-east-1b"])
    assert fault.what == "it is kept to us-east-1c, and the network lies in us-east-1b."


def test_efa_needs_types_that_carry_it() -> None:
    wants = [GOOD | {"efa": True}]
    assert groups.efa_faults(wants, {"train": ["p5.48xlarge"]}, {"p5.48xlarge"}) == []
    assert groups.efa_faults([GOOD], {"train": ["g6.xlarge"]}, set()) == []
    (fault,) = groups.efa_faults(wants, {"train": ["g6.xlarge", "p5.48xlarge"]}, {"p5.48xlarge"})
    assert fault.what == "g6.xlarge has no EFA."

# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.trainyard.aws.plugins.filter.nodes import FilterModule, nodes
from hypothesis import given
from hypothesis import strategies as st


def test_the_filter_is_called_nodes() -> None:
    assert FilterModule().filters() == {"nodes": nodes}


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        pytest.param([], [], id="no groups"),
        pytest.param([{"name": "train"}], ["dcgan-train-0"], id="one unless told"),
        pytest.param([{"name": "train", "count": 2}], ["dcgan-train-0", "dcgan-train-1"], id="two"),
        pytest.param([{"name": "train", "count": "2"}], ["dcgan-train-0", "dcgan-train-1"], id="number as text"),
        pytest.param([{"name": "train", "count": 0}], [], id="none"),
        pytest.param(
            [{"name": "b", "count": 2}, {"name": "a"}], ["dcgan-b-0", "dcgan-b-1", "dcgan-a-0"], id="in the order given"
        ),
    ],
)
def test_names(groups: list[dict[str, Any]], expected: list[str]) -> None:
    assert [node["name"] for node in nodes(groups, "dcgan")] == expected


def test_a_node_knows_its_group_and_place() -> None:
    group = {"name": "train", "count": 2, "instance_types": ["g6.xlarge"]}
    assert nodes([group], "dcgan")[1] == {"name": "dcgan-train-1", "group": group, "index": 1}


@pytest.mark.parametrize(
    "groups",
    [
        pytest.param([{"count": 2}], id="no name"),
        pytest.param([{"name": "train"}, {"name": "train"}], id="the same name twice"),
    ],
)
def test_groups_without_a_name_of_their_own_are_refused(groups: list[dict[str, Any]]) -> None:
    with pytest.raises(AnsibleFilterError, match="Every entry of aws_nodes_groups needs a name of its own"):
        nodes(groups, "dcgan")


@given(st.dictionaries(st.from_regex(r"[a-z0-9][a-z0-9-]{0,5}", fullmatch=True), st.integers(0, 12), max_size=5))
def test_every_node_has_a_name_of_its_own(counts: dict[str, int]) -> None:
    names = [node["name"] for node in nodes([{"name": name, "count": count} for name, count in counts.items()], "s")]
    assert len(set(names)) == len(names) == sum(counts.values())

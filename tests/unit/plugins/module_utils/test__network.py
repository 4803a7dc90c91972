# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _network as network

TAGS = {"trainyard:stack": "dcgan"}
LOG = network.FlowLog("vpc-1", "arn:aws:s3:::bucket/flow-logs/", "ALL", TAGS)
DOOR = network.Endpoint("subnet-1", ("sg-1", "sg-2"), TAGS)


def verbs(steps: tuple[network.Step, ...]) -> list[tuple[str, str]]:
    return [(step.verb, step.subject) for step in steps]


@pytest.mark.parametrize(
    ("want", "have", "expected"),
    [
        pytest.param(LOG, [], [("create", "vpc-1")], id="none"),
        pytest.param(LOG, [replace(LOG, id="fl-1")], [], id="as wanted"),
        pytest.param(
            LOG,
            [replace(LOG, id="fl-1", tags={"mine": "1"})],
            [("tag", "trainyard:stack")],
            id="tag missing, foreign tag stays",
        ),
        pytest.param(
            LOG,
            [replace(LOG, id="fl-1", destination="arn:aws:s3:::other")],
            [("remove", "fl-1"), ("create", "vpc-1")],
            id="other bucket",
        ),
        pytest.param(
            LOG,
            [replace(LOG, id="fl-1", traffic="REJECT")],
            [("remove", "fl-1"), ("create", "vpc-1")],
            id="other traffic",
        ),
        pytest.param(
            LOG, [replace(LOG, id="fl-1"), replace(LOG, id="fl-2", traffic="ACCEPT")], [("remove", "fl-2")], id="two"
        ),
        pytest.param(
            None, [replace(LOG, id="fl-1"), replace(LOG, id="fl-2")], [("remove", "fl-1"), ("remove", "fl-2")], id="off"
        ),
        pytest.param(None, [], [], id="off already"),
    ],
)
def test_flow_log_steps(
    want: network.FlowLog | None, have: list[network.FlowLog], expected: list[tuple[str, str]]
) -> None:
    assert verbs(network.flow_log_steps(want, have)) == expected


@pytest.mark.parametrize(
    ("want", "have", "expected"),
    [
        pytest.param(DOOR, None, [("create", "subnet-1")], id="none"),
        pytest.param(DOOR, replace(DOOR, id="eice-1"), [], id="as wanted"),
        pytest.param(
            DOOR, replace(DOOR, id="eice-1", security_group_ids=("sg-2", "sg-1")), [], id="groups in another order"
        ),
        pytest.param(DOOR, replace(DOOR, id="eice-1", tags={}), [("tag", "trainyard:stack")], id="tag missing"),
        pytest.param(
            DOOR,
            replace(DOOR, id="eice-1", subnet_id="subnet-2"),
            [("remove", "eice-1"), ("create", "subnet-1")],
            id="other subnet",
        ),
        pytest.param(
            DOOR,
            replace(DOOR, id="eice-1", security_group_ids=("sg-1",)),
            [("remove", "eice-1"), ("create", "subnet-1")],
            id="other groups",
        ),
        pytest.param(
            DOOR,
            replace(DOOR, id="eice-1", state="create-failed"),
            [("remove", "eice-1"), ("create", "subnet-1")],
            id="failed",
        ),
        pytest.param(
            DOOR, replace(DOOR, id="eice-1", state="delete-in-progress"), [("create", "subnet-1")], id="leaving"
        ),
        pytest.param(None, replace(DOOR, id="eice-1"), [("remove", "eice-1")], id="off"),
        pytest.param(None, replace(DOOR, id="eice-1", state="delete-in-progress"), [], id="off and leaving"),
        pytest.param(None, None, [], id="off already"),
    ],
)
def test_endpoint_steps(
    want: network.Endpoint | None, have: network.Endpoint | None, expected: list[tuple[str, str]]
) -> None:
    assert verbs(network.endpoint_steps(want, have)) == expected


def test_results_of_nothing_are_empty() -> None:
    assert network.flow_log_result(None) == network.endpoint_result(None) == {}

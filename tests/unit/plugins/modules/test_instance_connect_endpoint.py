# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _network_api as api
from ansible_collections.trainyard.aws.plugins.modules import instance_connect_endpoint

TAGS = {"trainyard:stack": "dcgan"}


@pytest.fixture
def place(account: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(api, "_POLL_SECONDS", 0)
    ec2 = account.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.77.1.0/24")["Subnet"]["SubnetId"]
    account.calls.clear()
    return {"vpc_id": vpc, "subnet_id": subnet, "security_group_ids": ["sg-1"], "tags": TAGS}


def verbs(answer: dict[str, Any]) -> list[str]:
    return [step["verb"] for step in answer["steps"]]


def test_created_then_unchanged_then_replaced_then_removed(
    run_module: Any, account: Any, place: dict[str, Any]
) -> None:
    first = run_module(instance_connect_endpoint, **place)
    assert (first["changed"], verbs(first)) == (True, ["create"])
    assert first["endpoint"]["state"] == "create-complete"
    assert first["endpoint"]["tags"] == TAGS
    assert account.writing_calls == ["CreateInstanceConnectEndpoint"]  # its tags are born with it
    assert [door["PreserveClientIp"] for door in account.doors.there.values()] == [False]

    account.calls.clear()
    second = run_module(instance_connect_endpoint, **place)
    assert (second["changed"], second["endpoint"]) == (False, first["endpoint"])
    assert account.writing_calls == []

    replaced = run_module(instance_connect_endpoint, **place | {"security_group_ids": ["sg-2"]})
    assert verbs(replaced) == ["remove", "create"]
    assert replaced["endpoint"]["security_group_ids"] == ["sg-2"]

    removed = run_module(instance_connect_endpoint, **place | {"state": "absent"})
    assert (verbs(removed), removed["endpoint"], account.doors.there) == (["remove"], {}, {})


@pytest.mark.parametrize("state", ["present", "absent"])
def test_check_mode_tells_and_writes_nothing(run_module: Any, account: Any, place: dict[str, Any], state: str) -> None:
    if state == "absent":
        run_module(instance_connect_endpoint, **place)
    account.calls.clear()
    answer = run_module(instance_connect_endpoint, check=True, **place, state=state)
    assert answer["changed"]
    assert account.writing_calls == []


def test_one_on_its_way_is_waited_for(run_module: Any, account: Any, place: dict[str, Any]) -> None:
    run_module(instance_connect_endpoint, **place)
    next(iter(account.doors.there.values()))["State"] = "create-in-progress"
    answer = run_module(instance_connect_endpoint, **place, wait_timeout=-1)
    assert "gave up waiting for it in state create-in-progress. Run again, it continues." in answer["msg"]


def test_one_that_failed_is_replaced(run_module: Any, account: Any, place: dict[str, Any]) -> None:
    run_module(instance_connect_endpoint, **place)
    next(iter(account.doors.there.values()))["State"] = "create-failed"
    answer = run_module(instance_connect_endpoint, **place)
    assert verbs(answer) == ["remove", "create"]
    assert answer["endpoint"]["state"] == "create-complete"


def test_the_endpoint_of_somebody_else_stays(run_module: Any, account: Any, place: dict[str, Any]) -> None:
    run_module(instance_connect_endpoint, **place | {"tags": {"trainyard:stack": "other"}})
    assert not run_module(instance_connect_endpoint, **place | {"state": "absent"})["changed"]
    assert len(account.doors.there) == 1


def test_tag_and_subnet_are_required(run_module: Any, account: Any) -> None:
    answer = run_module(instance_connect_endpoint, vpc_id="vpc-1", subnet_id="subnet-1", tags={})
    assert 'lack "trainyard:stack"' in answer["msg"]
    assert "needs a subnet" in run_module(instance_connect_endpoint, vpc_id="vpc-1", tags=TAGS)["msg"]
    assert account.calls == []

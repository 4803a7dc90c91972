# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.trainyard.aws.plugins.modules import vpc_flow_log

TAGS = {"trainyard:stack": "dcgan"}


@pytest.fixture
def place(account: Any) -> dict[str, Any]:
    account.client("s3").create_bucket(Bucket="dcgan-logs")
    account.client("s3").create_bucket(Bucket="dcgan-logs-2")
    vpc = account.client("ec2").create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
    account.calls.clear()
    return {"vpc_id": vpc, "destination": "arn:aws:s3:::dcgan-logs", "tags": TAGS}


def verbs(answer: dict[str, Any]) -> list[str]:
    return [step["verb"] for step in answer["steps"]]


def test_created_then_unchanged_then_moved_then_removed(run_module: Any, account: Any, place: dict[str, Any]) -> None:
    first = run_module(vpc_flow_log, **place)
    assert (first["changed"], verbs(first)) == (True, ["create"])
    made = first["flow_log"]
    assert (made["destination"], made["traffic"], made["tags"]) == ("arn:aws:s3:::dcgan-logs", "ALL", TAGS)
    assert first["diff"] == {"before": {}, "after": made}
    assert account.writing_calls == ["CreateFlowLogs"]  # its tags are born with it

    account.calls.clear()
    second = run_module(vpc_flow_log, **place)
    assert (second["changed"], second["flow_log"]) == (False, made)
    assert account.writing_calls == []

    moved = run_module(vpc_flow_log, **place | {"destination": "arn:aws:s3:::dcgan-logs-2"})
    assert verbs(moved) == ["remove", "create"]
    assert moved["flow_log"]["destination"] == "arn:aws:s3:::dcgan-logs-2"

    removed = run_module(vpc_flow_log, vpc_id=place["vpc_id"], state="absent", tags=TAGS)
    assert (verbs(removed), removed["flow_log"]) == (["remove"], {})
    assert account.client("ec2").describe_flow_logs()["FlowLogs"] == []


@pytest.mark.parametrize("state", ["present", "absent"])
def test_check_mode_tells_and_writes_nothing(run_module: Any, account: Any, place: dict[str, Any], state: str) -> None:
    if state == "absent":
        run_module(vpc_flow_log, **place)
    account.calls.clear()
    answer = run_module(vpc_flow_log, check=True, **place, state=state)
    assert answer["changed"]
    assert account.writing_calls == []


def test_the_flow_log_of_somebody_else_stays(run_module: Any, account: Any, place: dict[str, Any]) -> None:
    run_module(vpc_flow_log, **place | {"tags": {"trainyard:stack": "other"}})
    answer = run_module(vpc_flow_log, **place | {"state": "absent"})
    assert not answer["changed"]
    assert len(account.client("ec2").describe_flow_logs()["FlowLogs"]) == 1


def test_a_tag_is_mended(run_module: Any, place: dict[str, Any]) -> None:
    run_module(vpc_flow_log, **place)
    answer = run_module(vpc_flow_log, **place | {"tags": {**TAGS, "trainyard:owner": "ada"}})
    assert verbs(answer) == ["tag"]
    assert answer["flow_log"]["tags"]["trainyard:owner"] == "ada"


def test_a_refusal_in_the_answer_is_told(run_module: Any, place: dict[str, Any]) -> None:
    answer = run_module(vpc_flow_log, **place | {"destination": "arn:aws:s3:::no-such-bucket"})
    assert "no-such-bucket does not exist" in answer["msg"]


def test_tag_and_destination_are_required(run_module: Any, account: Any) -> None:
    assert 'lack "trainyard:stack"' in run_module(vpc_flow_log, vpc_id="vpc-1", destination="x", tags={})["msg"]
    assert "needs a destination" in run_module(vpc_flow_log, vpc_id="vpc-1", tags=TAGS)["msg"]
    assert account.calls == []


def test_a_refusal_of_aws_names_the_vpc(run_module: Any, place: dict[str, Any]) -> None:
    answer = run_module(vpc_flow_log, **place | {"vpc_id": "vpc-00000000"})
    assert answer["msg"].startswith("Cannot keep the flow log of vpc-00000000: ")

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults on demand: each kind reaches boto3 as the real thing would, as often as was asked, and leaves a trace."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError

from lab.tests.running_lab import RunningLab, error_of

THREE_ATTEMPTS = Config(retries={"mode": "standard", "total_max_attempts": 3})


class FaultsPage:
    """`/_lab/faults` as a test uses it."""

    def __init__(self, lab: RunningLab) -> None:
        self.url = f"{lab.settings.endpoint}/_lab/faults"

    def ask(self, method: str, rules: object = None) -> list[dict[str, Any]]:
        body = None if rules is None else json.dumps(rules).encode()
        request = urllib.request.Request(self.url, body, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return list(json.load(answer))

    def add(self, action: str, then: dict[str, Any], **more: Any) -> None:
        self.ask("POST", {"match": {"action": action}, "then": then, **more})


@pytest.fixture
def faults(lab: RunningLab) -> Iterator[FaultsPage]:
    page = FaultsPage(lab)
    yield page
    page.ask("DELETE")


@pytest.mark.parametrize(
    ("service", "operation", "parameters"),
    [
        pytest.param("ec2", "describe_vpcs", {}, id="ec2"),
        pytest.param("iam", "list_roles", {}, id="query"),
        pytest.param("ssm", "describe_parameters", {}, id="json"),
        pytest.param("efs", "describe_file_systems", {}, id="rest-json"),
        pytest.param("s3", "list_buckets", {}, id="rest-xml"),
    ],
)
def test_an_error_reaches_the_caller_in_the_words_of_its_protocol(
    lab: RunningLab, faults: FaultsPage, service: str, operation: str, parameters: dict[str, Any]
) -> None:
    faults.ask("POST", {"match": {"service": service}, "then": {"status": 503, "code": "SlowDown"}})
    client = lab.client(service)
    with pytest.raises(client.exceptions.ClientError) as caught:
        getattr(client, operation)(**parameters)
    assert caught.value.response["Error"]["Code"] == "SlowDown"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    getattr(client, operation)(**parameters)  # once only, unless told otherwise


def test_a_rule_lets_some_through_and_strikes_as_often_as_it_says(lab: RunningLab, faults: FaultsPage) -> None:
    faults.add("DescribeVpcs", {"code": "RequestLimitExceeded"}, skip=1, times=2)
    lab.ec2.describe_vpcs()
    lab.ec2.describe_subnets()
    assert [error_of(lab.ec2.describe_vpcs) for _ in range(2)] == ["RequestLimitExceeded"] * 2
    lab.ec2.describe_vpcs()
    (rule,) = faults.ask("GET")
    assert (rule["seen"], rule["hits"]) == (3, 2)


def test_a_rule_without_an_end_lasts_until_it_is_removed(lab: RunningLab, faults: FaultsPage) -> None:
    faults.add("Describe*", {"code": "RequestLimitExceeded"}, times=None)
    assert {error_of(lab.ec2.describe_vpcs) for _ in range(5)} == {"RequestLimitExceeded"}
    assert faults.ask("DELETE") == []
    lab.ec2.describe_vpcs()


def test_a_burst_is_outlived_by_a_client_that_tries_again(lab: RunningLab, faults: FaultsPage) -> None:
    faults.add("DescribeVpcs", {"status": 503, "code": "RequestLimitExceeded"}, times=2)
    before = lab.page("/_lab/status")["calls"]
    lab.client("ec2", config=THREE_ATTEMPTS).describe_vpcs()
    statuses = [call["status"] for call in lab.page(f"/_lab/calls?since={before}")]
    assert statuses == [503, 503, 200]


def test_a_late_answer_belongs_to_a_call_that_has_happened(lab: RunningLab, faults: FaultsPage) -> None:
    faults.add("DescribeVpcs", {"delay_seconds": 0.5})
    started = time.monotonic()
    lab.ec2.describe_vpcs()
    assert time.monotonic() - started >= 0.5
    assert lab.page("/_lab/calls?since=0")[-1]["seconds"] < 0.5


def test_a_call_dropped_before_never_happened(lab: RunningLab, faults: FaultsPage) -> None:
    faults.add("CreateKeyPair", {"drop": "before"})
    with pytest.raises(ConnectionClosedError):
        lab.ec2.create_key_pair(KeyName="dropped-before")
    assert error_of(lab.ec2.describe_key_pairs, KeyNames=["dropped-before"]) == "InvalidKeyPair.NotFound"
    lost = next(call for call in reversed(lab.page("/_lab/calls?since=0")) if call["action"] == "CreateKeyPair")
    assert (lost["status"], lost["error"]) == (0, "ConnectionDropped")


def test_a_call_dropped_after_has_happened(lab: RunningLab, faults: FaultsPage) -> None:
    faults.add("CreateKeyPair", {"drop": "after"})
    with pytest.raises(ConnectionClosedError):
        lab.ec2.create_key_pair(KeyName="dropped-after")
    assert lab.ec2.describe_key_pairs(KeyNames=["dropped-after"])["KeyPairs"]
    lab.ec2.delete_key_pair(KeyName="dropped-after")


def test_a_path_tells_objects_apart(lab: RunningLab, faults: FaultsPage) -> None:
    s3 = lab.client("s3")
    s3.create_bucket(Bucket="faulty")
    faults.ask("POST", {"match": {"service": "s3", "path": "/faulty/model/*"}, "then": {"code": "AccessDenied"}})
    s3.put_object(Bucket="faulty", Key="log.txt", Body=b"x")
    assert error_of(s3.put_object, Bucket="faulty", Key="model/weights", Body=b"x") == "AccessDenied"


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        pytest.param("all", "a rule is an object", id="no object"),
        pytest.param({"then": {"code": "X"}}, "match names at least one", id="matches everything"),
        pytest.param({"match": {"acton": "X"}, "then": {"code": "X"}}, "acton", id="misspelt"),
        pytest.param({"match": {"action": 1}, "then": {"code": "X"}}, "are texts", id="not a text"),
        pytest.param({"match": {"action": "X"}}, "then is an object", id="no then"),
        pytest.param({"match": {"action": "X"}, "then": {}}, "then is one of", id="nothing happens"),
        pytest.param({"match": {"action": "X"}, "then": {"code": "X", "drop": "after"}}, "then is one of", id="two"),
        pytest.param({"match": {"action": "X"}, "then": {"drop": "now"}}, "before or after", id="drop when"),
        pytest.param({"match": {"action": "X"}, "then": {"code": "X", "status": 200}}, "400 to 599", id="no error"),
        pytest.param({"match": {"action": "X"}, "then": {"delay_seconds": -1}}, "delay_seconds", id="delay"),
        pytest.param({"match": {"action": "X"}, "then": {"code": "X"}, "times": -1}, "times", id="times"),
    ],
)
def test_a_rule_that_cannot_be_understood_is_refused(
    lab: RunningLab, faults: FaultsPage, rule: object, said: str
) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        faults.ask("POST", [{"match": {"action": "Fine"}, "then": {"code": "Fine"}}, rule])
    assert refused.value.code == 400
    assert said in refused.value.read().decode()
    assert faults.ask("GET") == []

# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _bucket_api as api
from ansible_collections.trainyard.aws.plugins.modules import results_bucket
from botocore.exceptions import ClientError

NAME = "trainyard-dcgan-123456789012-us-east-1"
TAGS = {"trainyard:stack": "dcgan", "trainyard:owner": "ada"}
POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "No",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": f"arn:aws:s3:::{NAME}/*",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    ],
}


def arguments(**changes: Any) -> dict[str, Any]:
    return {"name": NAME, "tags": TAGS, "policy": POLICY} | changes


def verbs(answer: dict[str, Any]) -> list[str]:
    return [step["verb"] for step in answer["steps"]]


@pytest.fixture
def births(account: Any, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The arguments of each creation. Moto passes over the tags in it, so they are set as S3 sets them."""
    seen: list[dict[str, Any]] = []
    create = api._create

    def tagging(client: Any, name: str, want: Any, deadline: float) -> None:
        client.meta.events.register("before-parameter-build.s3.CreateBucket", lambda params, **_: seen.append(params))
        create(client, name, want, deadline)
        client.put_bucket_tagging(Bucket=name, Tagging={"TagSet": seen[-1]["CreateBucketConfiguration"]["Tags"]})

    monkeypatch.setattr(api, "_create", tagging)
    return seen


def test_created_then_unchanged(run_module: Any, account: Any, births: list[dict[str, Any]]) -> None:
    first = run_module(results_bucket, **arguments())
    assert verbs(first) == ["create", "close", "encrypt", "version", "set_policy", "set_lifecycle"]
    (birth,) = births
    assert {tag["Key"]: tag["Value"] for tag in birth["CreateBucketConfiguration"]["Tags"]} == TAGS
    assert birth["ObjectOwnership"] == "BucketOwnerEnforced"
    made = first["bucket"]
    assert (made["versioning"], made["encryption"], made["ownership"]) == ("Enabled", "AES256", "BucketOwnerEnforced")
    assert all(made["public_access"].values())
    assert [rule["ID"] for rule in made["lifecycle_rules"]] == ["trainyard-noncurrent", "trainyard-uploads"]

    account.calls.clear()
    second = run_module(results_bucket, **arguments())
    assert (second["changed"], second["steps"], second["bucket"]) == (False, [], made)
    assert account.writing_calls == []


def test_check_mode_tells_and_writes_nothing(run_module: Any, account: Any) -> None:
    answer = run_module(results_bucket, check=True, **arguments())
    assert answer["changed"]
    assert answer["bucket"] == {}
    assert answer["diff"]["after"]["tags"] == TAGS
    assert account.writing_calls == []


def test_what_was_undone_is_mended_and_what_is_foreign_stays(
    run_module: Any, account: Any, births: list[dict[str, Any]]
) -> None:
    run_module(results_bucket, **arguments())
    s3 = account.client("s3")
    s3.put_bucket_tagging(Bucket=NAME, Tagging={"TagSet": [{"Key": "mine", "Value": "1"}]})
    s3.delete_public_access_block(Bucket=NAME)
    s3.put_bucket_versioning(Bucket=NAME, VersioningConfiguration={"Status": "Suspended"})
    foreign = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "x/"}, "Expiration": {"Days": 1}}
    s3.put_bucket_lifecycle_configuration(Bucket=NAME, LifecycleConfiguration={"Rules": [foreign]})
    answer = run_module(results_bucket, **arguments(noncurrent_days=0))
    assert verbs(answer) == ["tag", "close", "version", "set_lifecycle"]
    assert answer["bucket"]["tags"] == {**TAGS, "mine": "1"}
    assert {rule["ID"] for rule in answer["bucket"]["lifecycle_rules"]} == {"theirs", "trainyard-uploads"}


def test_no_rule_at_all(run_module: Any, births: list[dict[str, Any]]) -> None:
    run_module(results_bucket, **arguments())
    answer = run_module(results_bucket, **arguments(noncurrent_days=0, uploads_days=0))
    assert answer["bucket"]["lifecycle_rules"] == []


def test_one_of_another_stack_is_left_alone(run_module: Any, account: Any) -> None:
    s3 = account.client("s3")
    s3.create_bucket(Bucket=NAME)
    s3.put_bucket_tagging(Bucket=NAME, Tagging={"TagSet": [{"Key": "trainyard:stack", "Value": "other"}]})
    account.calls.clear()
    assert 'belongs to stack "other"' in run_module(results_bucket, **arguments())["msg"]
    assert account.writing_calls == []


def test_an_adopted_one_is_only_looked_at(run_module: Any, account: Any) -> None:
    assert "There is no bucket" in run_module(results_bucket, **arguments(adopted=True))["msg"]
    account.client("s3").create_bucket(Bucket=NAME)
    account.calls.clear()
    answer = run_module(results_bucket, **arguments(adopted=True))
    assert (answer["changed"], answer["bucket"]) == (False, {"name": NAME})
    assert account.calls == ["HeadBucket"]


def test_the_tag_of_the_stack_is_required(run_module: Any) -> None:
    assert "by which it is found again" in run_module(results_bucket, **arguments(tags={"a": "b"}))["msg"]


class Refusing:
    """A service that refuses some calls first."""

    def __init__(self, code: str, times: int) -> None:
        self.code, self.times, self.calls = code, times, 0
        self.meta = type("Meta", (), {"region_name": "eu-west-1"})

    def head_bucket(self, **_: Any) -> None:
        self.refuse("HeadBucket")

    def create_bucket(self, **arguments: Any) -> None:
        self.refuse("CreateBucket")
        assert arguments["CreateBucketConfiguration"]["LocationConstraint"] == "eu-west-1"

    def get_waiter(self, _name: str) -> Any:
        return type("Waiter", (), {"wait": lambda *_, **__: None})()

    def refuse(self, operation: str) -> None:
        self.calls += 1
        if self.calls <= self.times:
            raise ClientError({"Error": {"Code": self.code}}, operation)


def test_a_name_that_was_just_given_back_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "_PAUSE_SECONDS", 0)
    client = Refusing("OperationAborted", 2)
    api._create(client, NAME, api.Bucket(tags=TAGS), deadline=float("inf"))
    assert client.calls == 3
    with pytest.raises(ClientError, match="OperationAborted"):
        api._create(Refusing("OperationAborted", 9), NAME, api.Bucket(tags=TAGS), deadline=0)


def test_a_bucket_out_of_reach_is_somebody_elses() -> None:
    with pytest.raises(api.SomebodyElses):
        api.exists(Refusing("403", 9), NAME)
    assert api.exists(Refusing("404", 9), NAME) is False

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The decisions of IAM, in tables."""

from __future__ import annotations

from typing import Any

import pytest

from lab.policies import Decision, Question, decide

ALLOWED, IMPLICIT, EXPLICIT = Decision.ALLOWED, Decision.IMPLICIT_DENY, Decision.EXPLICIT_DENY
VPC = "arn:aws:ec2:us-east-1:123456789012:vpc/vpc-1"
OURS = {"aws:ResourceTag/trainyard:stack": "demo"}


def statement(effect: str = "Allow", **elements: Any) -> dict[str, Any]:
    return {"Effect": effect, **({"Action": "ec2:DeleteVpc"} | {"Resource": "*"} | elements)}


def answer(*statements: dict[str, Any], question: Question | None = None) -> Decision:
    return decide(
        [{"Version": "2012-10-17", "Statement": list(statements)}], question or Question("ec2:DeleteVpc", VPC)
    )


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        pytest.param({}, ALLOWED, id="named"),
        pytest.param({"Action": ["s3:GetObject", "EC2:deletevpc"]}, ALLOWED, id="case of actions does not count"),
        pytest.param({"Action": "ec2:Delete*"}, ALLOWED, id="wildcard"),
        pytest.param({"Action": "ec2:DeleteVpcs"}, IMPLICIT, id="another action"),
        pytest.param({"Resource": "arn:aws:ec2:*:123456789012:vpc/*"}, ALLOWED, id="resource wildcard"),
        pytest.param({"Resource": "arn:aws:ec2:*:123456789012:subnet/*"}, IMPLICIT, id="another resource"),
        pytest.param({"Resource": VPC.upper()}, IMPLICIT, id="case of resources counts"),
        pytest.param({"Surprise": 1}, IMPLICIT, id="an element nobody knows"),
    ],
)
def test_actions_and_resources(elements: dict[str, Any], expected: Decision) -> None:
    assert answer(statement(**elements)) is expected


@pytest.mark.parametrize(
    ("action", "expected"), [("ec2:DeleteVpc", IMPLICIT), ("ec2:CreateVpc", ALLOWED)], ids=["excepted", "any other"]
)
def test_all_actions_but_some(action: str, expected: Decision) -> None:
    policy = {"Effect": "Allow", "NotAction": "ec2:Delete*", "Resource": "*"}
    assert answer(policy, question=Question(action, VPC)) is expected


def test_nothing_is_allowed_by_silence() -> None:
    assert decide([], Question("ec2:DeleteVpc", VPC)) is IMPLICIT


def test_a_refusal_outweighs_what_allows_in_any_order() -> None:
    for statements in ([statement(), statement("Deny")], [statement("Deny"), statement()]):
        assert answer(*statements) is EXPLICIT


@pytest.mark.parametrize(
    "odd",
    [
        {"Condition": {"DateGreaterThan": {"aws:CurrentTime": "2026-01-01"}}},
        {"Condition": {"StringEquals": {"aws:username": "${aws:username}"}}},
        {"Surprise": 1},
    ],
    ids=["operator", "variable", "element"],
)
def test_what_cannot_be_evaluated_counts_against_the_caller(odd: dict[str, Any]) -> None:
    assert answer(statement(**odd)) is IMPLICIT
    assert answer(statement(), statement("Deny", **odd)) is EXPLICIT


@pytest.mark.parametrize(
    ("condition", "context", "expected"),
    [
        pytest.param({"StringEquals": {"aws:ResourceTag/trainyard:stack": "demo"}}, OURS, True, id="equal"),
        pytest.param({"StringEquals": {"AWS:resourcetag/trainyard:stack": "demo"}}, OURS, True, id="case of keys"),
        pytest.param({"StringEquals": {"aws:ResourceTag/trainyard:stack": "other"}}, OURS, False, id="another value"),
        pytest.param({"StringEquals": {"aws:ResourceTag/trainyard:stack": ["a", "demo"]}}, OURS, True, id="any value"),
        pytest.param({"StringEquals": {"aws:ResourceTag/trainyard:stack": "demo"}}, {}, False, id="no such key"),
        pytest.param({"StringEqualsIfExists": {"k": "demo"}}, {}, True, id="no such key, if it exists"),
        pytest.param({"StringNotEquals": {"k": "demo"}}, {}, True, id="negated, no such key"),
        pytest.param({"StringNotEquals": {"k": ["a", "b"]}}, {"k": "b"}, False, id="negated, one of them"),
        pytest.param({"StringLike": {"k": "arn:*:vpc/?"}}, {"k": "arn:aws:vpc/1"}, True, id="like"),
        pytest.param({"StringLike": {"k": "demo"}}, {"k": "demo2"}, False, id="like the whole"),
        pytest.param({"Null": {"k": "true"}}, {}, True, id="null"),
        pytest.param({"Null": {"k": True}}, {"k": "x"}, False, id="not null"),
        pytest.param({"Null": {"k": "false"}}, {"k": "x"}, True, id="there"),
        pytest.param({"Bool": {"aws:SecureTransport": "false"}}, {"aws:SecureTransport": "true"}, False, id="bool"),
        pytest.param({"Bool": {"aws:SecureTransport": True}}, {"aws:SecureTransport": "true"}, True, id="bool of JSON"),
        pytest.param(
            {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}, {"aws:SourceIp": "192.0.2.7"}, True, id="address"
        ),
        pytest.param({"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}, {"aws:SourceIp": "192.0.3.7"}, False, id="far"),
        pytest.param({"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}}, {"aws:SourceIp": "192.0.3.7"}, True, id="not"),
        pytest.param({"NumericLessThan": {"k": "10"}}, {"k": "9"}, True, id="number"),
        pytest.param({"ForAnyValue:StringEquals": {"aws:TagKeys": "b"}}, {"aws:TagKeys": ["a", "b"]}, True, id="any"),
        pytest.param({"ForAnyValue:StringEquals": {"aws:TagKeys": "b"}}, {}, False, id="any of none"),
        pytest.param({"ForAllValues:StringEquals": {"aws:TagKeys": "b"}}, {"aws:TagKeys": ["a", "b"]}, False, id="all"),
        pytest.param({"ForAllValues:StringLike": {"aws:TagKeys": "*"}}, {}, True, id="all of none"),
        pytest.param({"StringEquals": {"k": "a"}, "Bool": {"b": "true"}}, {"k": "a"}, False, id="every operator"),
        pytest.param({"StringEquals": {"k": "a", "l": "b"}}, {"k": "a", "l": "c"}, False, id="every key"),
    ],
)
def test_conditions(condition: dict[str, Any], context: dict[str, Any], expected: bool) -> None:
    decision = answer(statement(Condition=condition), question=Question("ec2:DeleteVpc", VPC, context))
    assert (decision is ALLOWED) is expected

# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _file_system_settings as decide
from ansible_collections.trainyard.aws.plugins.module_utils._file_system_settings import (
    AccessPoint,
    Lifecycle,
    Settings,
    Throughput,
)

ARN = "arn:aws:elasticfilesystem:us-east-1:123456789012:file-system/fs-1"
RUNS = AccessPoint("/runs", 1000, 1000)
FOREIGN = json.dumps({"Version": "2012-10-17", "Statement": {"Sid": "Theirs", "Effect": "Allow"}})
OURS = decide.policy_requiring_tls(ARN)


@pytest.mark.parametrize(
    ("want", "have", "expected"),
    [
        pytest.param(Settings(), Settings(Throughput("bursting"), backup=True, policy=OURS), [], id="no wish"),
        pytest.param(Settings(Throughput("elastic")), Settings(Throughput("elastic")), [], id="throughput as it is"),
        pytest.param(
            Settings(Throughput("provisioned", 64)),
            Settings(Throughput("provisioned", 32)),
            [("set_throughput", "provisioned 64 MiB/s")],
            id="another rate",
        ),
        pytest.param(Settings(lifecycle=Lifecycle()), Settings(), [], id="never, and no rule is there"),
        pytest.param(Settings(lifecycle=Lifecycle(30)), Settings(), [("set_lifecycle", "")], id="lifecycle"),
        pytest.param(Settings(backup=True), Settings(backup=False), [("set_backup", "on")], id="backup on"),
        pytest.param(Settings(backup=False), Settings(backup=True), [("set_backup", "off")], id="backup off"),
        pytest.param(Settings(backup=False), Settings(), [], id="no backup is there"),
        pytest.param(
            Settings(tls_required=True), Settings(), [("set_policy", "trainyard-tls-required")], id="TLS required"
        ),
        pytest.param(Settings(tls_required=True), Settings(policy=OURS), [], id="TLS is required"),
        pytest.param(
            Settings(tls_required=False),
            Settings(policy=OURS),
            [("remove_policy", "trainyard-tls-required")],
            id="TLS no longer",
        ),
        pytest.param(Settings(tls_required=False), Settings(policy=FOREIGN), [], id="a foreign policy stays"),
        pytest.param(Settings(access_point=RUNS), Settings(), [("add_access_point", "/runs")], id="access point"),
        pytest.param(
            Settings(access_point=RUNS), Settings(access_points=(AccessPoint("/runs", 1000, 1000, id="fsap-1"),)), []
        ),
        pytest.param(
            Settings(access_point=RUNS),
            Settings(access_points=(AccessPoint("/runs", 1001, 1000, id="fsap-1"),)),
            [("add_access_point", "/runs")],
            id="another user is another door",
        ),
    ],
)
def test_steps(want: Settings, have: Settings, expected: list[tuple[str, str]]) -> None:
    steps = decide.steps_of_settings(want, have)
    assert [(step.verb, step.subject) for step in steps] == expected
    assert all(step.reason for step in steps)


@pytest.mark.parametrize(
    ("want", "expected"),
    [
        pytest.param(Settings(), "", id="nothing"),
        pytest.param(Settings(Throughput("elastic"), Lifecycle(30, 90, True)), "", id="all allowed"),
        pytest.param(Settings(lifecycle=Lifecycle(archive_days=45)), "cannot move after 45 days", id="days"),
        pytest.param(Settings(Throughput("bursting"), Lifecycle(1, 30)), 'not with "bursting"', id="archive"),
        pytest.param(Settings(lifecycle=Lifecycle(90, 90)), "Archive them later", id="archived too early"),
        pytest.param(Settings(Throughput("provisioned")), "Give both or neither", id="no rate"),
        pytest.param(Settings(Throughput("elastic", 10)), "Give both or neither", id="a rate too many"),
        pytest.param(Settings(access_point=AccessPoint("runs", 1, 1)), 'must start with "/"', id="path"),
    ],
)
def test_faults(want: Settings, expected: str) -> None:
    fault = decide.fault_in(want)
    assert bool(fault) is bool(expected)
    assert expected in fault


@pytest.mark.parametrize("lifecycle", [Lifecycle(), Lifecycle(1), Lifecycle(30, 90), Lifecycle(0, 365, True)], ids=str)
def test_lifecycle_comes_back_as_it_was_set(lifecycle: Lifecycle) -> None:
    assert decide.lifecycle_of(decide.as_lifecycle_policies(lifecycle)) == lifecycle


def test_our_policy_lets_in_whoever_reaches_a_mount_target_and_uses_tls() -> None:
    let_in, refuse = json.loads(OURS)["Statement"]
    assert (let_in["Effect"], refuse["Effect"], refuse["Action"]) == ("Allow", "Deny", "*")
    assert let_in["Condition"] == {"Bool": {"elasticfilesystem:AccessedViaMountTarget": "true"}}
    assert decide.refuses_plain_text(OURS)
    assert decide.is_our_policy(OURS)


def test_a_foreign_policy_keeps_its_statements() -> None:
    policy = decide.policy_requiring_tls(ARN, FOREIGN)
    assert [statement["Sid"] for statement in json.loads(policy)["Statement"]] == [
        "Theirs",
        "RefuseUnencryptedTransport",
    ]
    assert decide.refuses_plain_text(policy)
    assert not decide.is_our_policy(policy)


def test_the_root_of_a_file_system_is_not_made() -> None:
    assert "CreationInfo" not in decide.as_access_point_arguments(AccessPoint("/", 0, 0))["RootDirectory"]
    made = decide.as_access_point_arguments(RUNS)
    assert decide.access_point_of({"AccessPointId": "fsap-1", **made}) == AccessPoint("/runs", 1000, 1000, id="fsap-1")


def test_tokens_of_access_points_fit_and_differ() -> None:
    token = decide.access_point_token("fs-1", RUNS)
    assert len(token) <= 64
    assert token != decide.access_point_token("fs-1", AccessPoint("/runs", 1000, 1001))
    assert token != decide.access_point_token("fs-2", RUNS)

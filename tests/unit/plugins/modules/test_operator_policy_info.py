# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

from ansible_collections.trainyard.aws.plugins.modules import operator_policy_info


def test_writes_the_policy_for_the_account_of_the_caller(run_module: Any, account: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(operator_policy_info, "missing_permissions", lambda *_arguments: ["ec2:CreateVpc"])
    answer = run_module(operator_policy_info, name="dcgan")
    assert answer["changed"] is False
    assert '"arn:aws:s3:::trainyard-dcgan-123456789012-us-east-1"' in str(answer["documents"]).replace("'", '"')
    assert set(answer["reasons"]) == {item["Sid"] for each in answer["documents"] for item in each["Statement"]}
    assert (answer["missing_known"], answer["missing"]) == (True, ["ec2:CreateVpc"])
    assert account.writing_calls == []


def test_says_where_it_does_not_know_what_is_missing(run_module: Any, account: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(operator_policy_info, "missing_permissions", lambda *_arguments: None)
    answer = run_module(operator_policy_info, name="dcgan", check=True)
    assert (answer["missing_known"], answer["missing"]) == (False, [])


def test_a_name_that_cannot_be(run_module: Any, account: Any) -> None:
    assert "must start with a letter" in run_module(operator_policy_info, name="My Stack")["msg"]

# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.trainyard.aws.plugins.modules import instance_shutdown_behavior as shutdown


@pytest.fixture
def instance(account: Any) -> str:
    ec2 = account.client("ec2")
    made = ec2.run_instances(
        ImageId=account.register_image(),
        MinCount=1,
        MaxCount=1,
        InstanceInitiatedShutdownBehavior="terminate",
        InstanceType="t3.micro",
    )
    account.calls.clear()
    return str(made["Instances"][0]["InstanceId"])


def behavior(account: Any, instance: str) -> str:
    answer = account.client("ec2").describe_instance_attribute(InstanceId=instance, Attribute=shutdown.ATTRIBUTE)
    return str(answer["InstanceInitiatedShutdownBehavior"]["Value"])


def test_changed_once_and_then_left(run_module: Any, account: Any, instance: str) -> None:
    first = run_module(shutdown, instance_id=instance, behavior="stop")
    assert (first["changed"], first["diff"]["before"], first["diff"]["after"]) == (
        True,
        {"behavior": "terminate"},
        {"behavior": "stop"},
    )
    assert behavior(account, instance) == "stop"
    account.calls.clear()
    assert not run_module(shutdown, instance_id=instance, behavior="stop")["changed"]
    assert account.writing_calls == []


def test_check_mode_tells_and_writes_nothing(run_module: Any, account: Any, instance: str) -> None:
    answer = run_module(shutdown, check=True, instance_id=instance, behavior="stop")
    assert (answer["changed"], answer["behavior"]) == (True, "stop")
    assert account.writing_calls == []
    assert behavior(account, instance) == "terminate"


def test_an_unknown_instance_is_named(run_module: Any) -> None:
    answer = run_module(shutdown, instance_id="i-0123456789abcdef0", behavior="stop")
    assert "Cannot have instance i-0123456789abcdef0 stop when it shuts itself down" in answer["msg"]

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.trainyard.aws.plugins.modules import service_quota_info


@pytest.mark.parametrize("check", [False, True], ids=["run", "check mode"])
def test_the_quota_of_a_type_is_found(run_module: Any, account: Any, vcpu_quotas: Any, check: bool) -> None:
    answer = run_module(service_quota_info, check=check, instance_types=["g6.12xlarge", "t3.micro"], markets=["spot"])
    assert answer["quotas"] == [
        {
            "instance_type": "g6.12xlarge",
            "market": "spot",
            "vcpus": 48,
            "code": "L-2",
            "name": "All G and VT Spot Instance Requests",
            "allowed": 96,
            "in_use": 0,
            "left": 96,
        },
        {
            "instance_type": "t3.micro",
            "market": "spot",
            "vcpus": 2,
            "code": "",
            "name": "",
            "allowed": 0,
            "in_use": 0,
            "left": 0,
        },
    ]
    assert account.writing_calls == []


def test_what_runs_is_in_use(run_module: Any, account: Any, vcpu_quotas: Any) -> None:
    ec2 = account.client("ec2")
    ec2.run_instances(ImageId=account.register_image(), InstanceType="g6.xlarge", MinCount=2, MaxCount=2)
    (quota,) = run_module(service_quota_info, instance_types=["g5.xlarge"], markets=["on-demand"])["quotas"]
    assert (quota["in_use"], quota["left"]) == (8, 88)


def test_a_refusal_of_aws_is_told(run_module: Any, account: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert "Unable to locate credentials" in run_module(service_quota_info, instance_types=["g5.xlarge"])["msg"]

# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _preflight_adopted as adoption
from ansible_collections.trainyard.aws.plugins.module_utils._preflight_adopted import Adopted

IDS: dict[str, Any] = {
    "vpc_id": "vpc-1",
    "public_subnet_ids": ["subnet-1"],
    "private_subnet_ids": ["subnet-2"],
    "security_group_ids": ["sg-1"],
    "file_system_id": "fs-1",
    "bucket": "mine",
    "key_name": "key",
}
FOUND: dict[str, Any] = {
    "vpc_cidr": "10.0.0.0/16",
    "subnets": {"subnet-1": ("us-east-1a", "vpc-1"), "subnet-2": ("us-east-1a", "vpc-1")},
    "groups": {"sg-1": "vpc-1"},
    "file_system_state": "available",
    "bucket_region": "us-east-1",
    "has_key": True,
}


def test_everything_that_can_be_adopted() -> None:
    assert adoption.written_faults(IDS, "bastion") == adoption.written_faults({}, "bastion") == []
    assert adoption.found_faults(IDS, Adopted(**FOUND), "us-east-1") == []
    assert adoption.found_faults({}, Adopted(), "us-east-1") == []


@pytest.mark.parametrize(
    ("ids", "door", "what"),
    [
        pytest.param({"vpc": "vpc-1"}, "bastion", '"vpc" is not known.', id="unknown"),
        pytest.param({"security_group_ids": "sg-1", "vpc_id": "v"}, "ssm", "security_group_ids is no list", id="list"),
        pytest.param({"private_subnet_ids": ["s"]}, "ssm", "private_subnet_ids without vpc_id.", id="no VPC"),
        pytest.param({"vpc_id": "vpc-1"}, "ssm", "the nodes would have no subnet.", id="no subnet"),
        pytest.param(
            {"vpc_id": "vpc-1", "private_subnet_ids": ["s"]},
            "bastion",
            "the bastion would have no subnet.",
            id="no subnet for the bastion",
        ),
    ],
)
def test_faults_of_what_is_written(ids: dict[str, Any], door: str, what: str) -> None:
    assert adoption.written_faults(ids, door)[0].what.startswith(what)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        pytest.param({"vpc_cidr": ""}, "vpc-1 does not exist in us-east-1.", id="no VPC"),
        pytest.param({"dns_hostnames": False}, "vpc-1 gives no DNS names", id="no DNS names"),
        pytest.param({"subnets": {"subnet-1": ("a", "vpc-1")}}, "subnet-2 does not exist", id="no subnet"),
        pytest.param(
            {"subnets": FOUND["subnets"] | {"subnet-2": ("a", "vpc-2")}},
            "subnet-2 lies in vpc-2, not in vpc-1.",
            id="subnet elsewhere",
        ),
        pytest.param({"groups": {}}, "sg-1 does not exist", id="no group"),
        pytest.param({"groups": {"sg-1": "vpc-2"}}, "sg-1 lies in vpc-2", id="group elsewhere"),
        pytest.param({"file_system_state": ""}, "fs-1 does not exist", id="no file system"),
        pytest.param({"file_system_state": "deleting"}, "fs-1 is deleting.", id="file system on its way out"),
        pytest.param({"bucket_region": ""}, 'the bucket "mine" does not exist', id="no bucket"),
        pytest.param({"bucket_region": "eu-west-1"}, 'the bucket "mine" lies in eu-west-1', id="bucket elsewhere"),
        pytest.param({"has_key": False}, 'key pair "key" does not exist', id="no key"),
    ],
)
def test_faults_of_what_is_there(changes: dict[str, Any], what: str) -> None:
    (fault,) = adoption.found_faults(IDS, Adopted(**(FOUND | changes)), "us-east-1")
    assert fault.subject == "stack_adopted"
    assert fault.what.startswith(what)
    assert fault.fix


def test_one_subnet_for_each_zone() -> None:
    ids = IDS | {"private_subnet_ids": ["subnet-1", "subnet-2"]}
    (fault,) = adoption.found_faults(ids, Adopted(**FOUND), "us-east-1")
    assert fault.what == "private_subnet_ids has two subnets in us-east-1a."


def test_subnets_by_zone() -> None:
    assert adoption.by_zone(["subnet-2", "subnet-9"], Adopted(**FOUND)) == {"us-east-1a": "subnet-2"}

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils._quotas import Need, find, quotas_of, refusal, rows, uses


def listed(code: str, name: str, value: float = 96.0) -> dict[str, Any]:
    return {"QuotaCode": code, "QuotaName": name, "Value": value}


QUOTAS = quotas_of(
    [
        listed("L-DB2E81BA", "Running On-Demand G and VT instances", 192),
        listed("L-3819A6DF", "All G and VT Spot Instance Requests", 48),
        listed("L-417A185B", "Running On-Demand P instances"),
        listed("L-7212CCBC", "All P4, P3 and P2 Spot Instance Requests"),
        listed("L-C4BD4855", "All P5 Spot Instance Requests"),
        listed("L-6E869C2A", "Running On-Demand DL instances"),
        listed("L-85EED4F7", "All DL Spot Instance Requests"),
        listed("L-2C3B7624", "Running On-Demand Trn instances"),
        listed("L-1945791B", "Running On-Demand Inf instances"),
        listed("L-1216C47A", "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", 5),
        listed("L-34B43A08", "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests"),
        listed("L-74FC7D96", "Running On-Demand F instances"),
        listed("L-A6E7FE5E", "Running Dedicated g5 Hosts"),
        listed("L-0263D0A3", "EC2-VPC Elastic IPs"),
    ]
)


@pytest.mark.parametrize(
    ("instance_type", "market", "code"),
    [
        ("g6.12xlarge", "on-demand", "L-DB2E81BA"),
        ("gr6.4xlarge", "on-demand", "L-DB2E81BA"),
        ("vt1.3xlarge", "on-demand", "L-DB2E81BA"),
        ("g6.12xlarge", "spot", "L-3819A6DF"),
        ("p5.48xlarge", "on-demand", "L-417A185B"),
        ("p5en.48xlarge", "spot", "L-C4BD4855"),
        ("p4d.24xlarge", "spot", "L-7212CCBC"),
        ("p4d.24xlarge", "capacity-block", "L-417A185B"),
        ("dl1.24xlarge", "on-demand", "L-6E869C2A"),
        ("dl1.24xlarge", "spot", "L-85EED4F7"),
        ("trn1.32xlarge", "on-demand", "L-2C3B7624"),
        ("inf2.xlarge", "on-demand", "L-1945791B"),
        ("t3.micro", "on-demand", "L-1216C47A"),
        ("im4gn.large", "on-demand", "L-1216C47A"),
        ("c5.2xlarge", "spot", "L-34B43A08"),
        ("x1.32xlarge", "on-demand", ""),
        ("p6-b200.48xlarge", "spot", ""),
    ],
)
def test_a_type_finds_its_quota_by_name(instance_type: str, market: str, code: str) -> None:
    quota = find(QUOTAS, instance_type, market)
    assert (quota.code if quota else "") == code


def test_what_counts_something_else_is_no_quota_of_vcpus() -> None:
    assert {"L-A6E7FE5E", "L-0263D0A3"} & {quota.code for quota in QUOTAS} == set()


def test_trainium_and_inferentia_may_be_written_out() -> None:
    (quota,) = quotas_of([listed("L-1", "Running On-Demand Trainium instances")])
    assert find([quota], "trn2.48xlarge", "on-demand") == quota


def test_a_group_needs_the_largest_of_its_types_and_groups_add_up() -> None:
    needs = [
        Need("train", "g6.12xlarge", "on-demand", 96),
        Need("train", "g5.48xlarge", "on-demand", 192),
        Need("train", "g6.12xlarge", "spot", 96),
        Need("test", "g6.xlarge", "on-demand", 4),
        Need("bastion", "t3.micro", "on-demand", 2),
    ]
    in_use = [
        Need("", "g4dn.xlarge", "on-demand", 4),
        Need("", "m5.large", "on-demand", 2),
        Need("", "p3.2xlarge", "spot", 8),
    ]
    found = {row.quota.code: (row.needed, row.in_use, row.left, row.is_enough) for row in rows(QUOTAS, needs, in_use)}
    assert found == {
        "L-DB2E81BA": (196, 4, 188, False),
        "L-3819A6DF": (96, 0, 48, False),
        "L-1216C47A": (2, 2, 3, True),
    }


@pytest.mark.parametrize(
    ("need", "text"),
    [
        pytest.param(Need("train", "g6.12xlarge", "on-demand", 48), "", id="fits"),
        pytest.param(
            Need("train", "g6.24xlarge", "spot", 96),
            '96 vCPUs of g6.24xlarge exceed the quota "All G and VT Spot Instance Requests" (L-3819A6DF): '
            "48 allowed, 0 in use",
            id="too much",
        ),
        pytest.param(Need("train", "x1.32xlarge", "on-demand", 128), "", id="unknown"),
    ],
)
def test_a_refusal_names_the_quota(need: Need, text: str) -> None:
    assert refusal(rows(QUOTAS, [need], []), QUOTAS, need) == text


def test_what_runs_counts_but_for_this_stack() -> None:
    def instance(name: str, state: str = "running", **more: Any) -> dict[str, Any]:
        return {"InstanceType": name, "State": {"Name": state}, **more}

    ours = [{"Key": "trainyard:stack", "Value": "dcgan"}]
    reservations = [
        {"Instances": [instance("g6.xlarge", Tags=ours), instance("g6.xlarge", "stopped")]},
        {"Instances": [instance("g5.xlarge", InstanceLifecycle="spot"), instance("t3.micro", "pending")]},
        {"Instances": [instance("gone.large", CpuOptions={"CoreCount": 2, "ThreadsPerCore": 2})]},
    ]
    assert uses(reservations, {"g6.xlarge": 4, "g5.xlarge": 4, "t3.micro": 2}, but="dcgan") == [
        Need("", "g5.xlarge", "spot", 4),
        Need("", "t3.micro", "on-demand", 2),
        Need("", "gone.large", "on-demand", 4),
    ]

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.trainyard.aws.plugins.modules import stack_plan_info

TRAIN = {"name": "train", "instance_types": ["g6.12xlarge"], "root_volume_gib": 200}


pytestmark = pytest.mark.usefixtures("vcpu_quotas")


def plan(run_module: Any, *groups: dict[str, Any], check: bool = False, **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = run_module(
        stack_plan_info, check=check, name="dcgan", groups=list(groups), zones=["us-east-1a"], **more
    )
    return answer


def order(answer: dict[str, Any], group: str = "train") -> list[tuple[str, str, str]]:
    return [(item["instance_type"], item["market"], item["zone"]) for item in answer["groups"][group]["offers"]]


@pytest.mark.parametrize("check", [False, True], ids=["run", "check mode"])
def test_a_plan_writes_nothing(run_module: Any, account: Any, check: bool) -> None:
    answer = plan(run_module, TRAIN, check=check, max_duration="6h")
    assert (answer["changed"], answer["faults"], answer["over_budget"]) == (False, [], False)
    assert account.writing_calls == []
    assert order(answer) == [("g6.12xlarge", "on-demand", "us-east-1a")]
    nodes = [line for line in answer["lines"] if line["part"] == "nodes train"]
    assert [(line["what"], line["usd_per_hour"], line["usd_per_run"]) for line in nodes] == [
        ("g6.12xlarge on-demand us-east-1a", 4.6016, 27.6096),
        ("EBS gp3 storage", 0.021918, 0.131507),
    ]
    assert answer["total_usd_per_hour"] == pytest.approx(sum(line["usd_per_hour"] for line in answer["lines"]))
    assert answer["total_usd_per_run"] == pytest.approx(sum(line["usd_per_run"] for line in answer["lines"]))
    assert answer["hours_per_run"] == 6


def test_the_quota_that_counts_is_told(run_module: Any, account: Any) -> None:
    (quota,) = plan(run_module, TRAIN)["quotas"]
    assert quota == {
        "code": "L-1",
        "name": "Running On-Demand G and VT instances",
        "market": "on-demand",
        "needed": 48,
        "in_use": 0,
        "allowed": 96,
        "is_enough": True,
    }


def test_a_quota_that_is_too_small_is_a_fault(run_module: Any, vcpu_quotas: dict[str, float]) -> None:
    vcpu_quotas["Running On-Demand G and VT instances"] = 40.0
    (fault,) = plan(run_module, TRAIN)["faults"]
    assert "48 vCPUs of g6.12xlarge exceed the quota" in fault


def test_quotas_that_cannot_be_read_are_told_and_forbid_nothing(
    run_module: Any, account: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from moto.core.exceptions import ServiceException
    from moto.servicequotas.responses import ServiceQuotasResponse

    def refuse(_self: Any) -> str:
        raise ServiceException("AccessDeniedException", "not for you")

    monkeypatch.setattr(ServiceQuotasResponse, "list_service_quotas", refuse)
    answer = plan(run_module, TRAIN)
    assert (answer["quotas"], answer["faults"]) == ([], [])
    assert "Quotas could not be read" in answer["table"]


def test_types_by_accelerator_come_cheapest_first(run_module: Any, account: Any) -> None:
    group = {"name": "train", "accelerator": {"name": "L4", "count": 4}, "markets": ["spot", "on-demand"]}
    types = [(name, market) for name, market, _zone in order(plan(run_module, group))]
    assert types == [
        ("g6.12xlarge", "spot"),
        ("g6.24xlarge", "spot"),
        ("g6.12xlarge", "on-demand"),
        ("g6.24xlarge", "on-demand"),
    ]


def test_gaudi_is_taken_by_name_in_any_zone(run_module: Any, account: Any) -> None:
    answer = plan(run_module, {"name": "gaudi", "instance_types": ["dl1.24xlarge"]})
    assert order(answer, "gaudi") == [("dl1.24xlarge", "on-demand", "us-east-1a")]
    assert answer["groups"]["gaudi"]["offers"][0]["usd_per_hour"] == 13.10904


@pytest.mark.parametrize(
    ("arguments", "part", "usd_per_hour"),
    [
        pytest.param({}, "NAT gateway", 0.05, id="NAT gateway"),
        pytest.param({"egress": "nat_instance"}, "NAT instance", 0.012392, id="NAT instance"),
        pytest.param({"egress": "endpoints", "endpoint_services": 9}, "VPC endpoints", 0.09, id="endpoints"),
        pytest.param({"egress": "none"}, "NAT gateway", 0, id="adopted"),
        pytest.param({"door": "ssm"}, "bastion", 0, id="no bastion"),
        pytest.param({"lustre_gib": 1200}, "FSx for Lustre", 0.230137, id="Lustre"),
        pytest.param({"usage": {"file_system_gib": 730}}, "EFS", 0.3, id="usage"),
    ],
)
def test_each_way_has_its_price(
    run_module: Any, account: Any, arguments: dict[str, Any], part: str, usd_per_hour: float
) -> None:
    answer = plan(run_module, TRAIN, **arguments)
    lines = [line["usd_per_hour"] for line in answer["lines"] if line["part"] == part]
    assert sum(lines) == pytest.approx(usd_per_hour, abs=1e-5)


def test_schedules_that_end_nodes_are_part_of_the_plan(run_module: Any, account: Any) -> None:
    answer = plan(run_module, TRAIN, termination_schedules_enabled=True)
    (line,) = [line for line in answer["lines"] if line["part"] == "EventBridge"]
    assert (line["what"], line["usd_per_run"]) == ("schedules that end nodes; 14 million a month are free", 0)
    assert answer["sources"] == plan(run_module, TRAIN)["sources"]


def test_a_budget_that_is_too_small_is_told(run_module: Any, account: Any) -> None:
    answer = plan(run_module, TRAIN, seconds_per_epoch=900, epochs=16, time_to_live="12h", budget_usd=10)
    assert answer["over_budget"] is True
    assert "stack_budget_usd allows 10.00" in answer["faults"][0]
    assert "16 epochs of 900 s" in answer["table"]


def test_a_type_that_is_nowhere_is_a_fault(run_module: Any, account: Any) -> None:
    answer = plan(run_module, {"name": "train", "instance_types": ["g6.huge"]})
    assert answer["faults"][0].startswith("Group train has no offer: g6.huge on-demand: not offered in us-east-1a")


def test_a_duration_that_means_nothing_is_refused(run_module: Any, account: Any) -> None:
    assert plan(run_module, TRAIN, max_duration="soon")["msg"].startswith('"soon" is no duration')


def test_a_refusal_of_aws_is_told(run_module: Any, account: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert plan(run_module, TRAIN)["msg"].startswith("Cannot look at what AWS offers: Unable to locate credentials")

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.trainyard.aws.plugins.module_utils._bill import (
    ACCELERATOR_METRICS,
    AGENT_METRICS,
    Line,
    Nodes,
    Shape,
    Volume,
    bill,
    metrics_of,
    parts_of,
    resource_usd_per_hour,
)
from ansible_collections.trainyard.aws.plugins.module_utils._offers import Offer
from ansible_collections.trainyard.aws.plugins.module_utils._prices import Price, PriceList
from ansible_collections.trainyard.aws.plugins.module_utils._stack import EC2_KINDS

PRICES = PriceList("us-east-1")
NOTHING = Shape(door="ssm", egress="", file_system=False, bucket=False, monitor="none")


def hourly(lines: list[Line]) -> dict[tuple[str, str], float | None]:
    costs = {(line.part, line.what): line.usd_per_hour for line in lines}
    return {key: usd and round(usd, 5) for key, usd in costs.items()}


def only(lines: list[Line], part: str) -> list[Line]:
    return [line for line in lines if line.part == part]


def test_nodes_cost_their_offer_and_their_volumes() -> None:
    offer = Offer("g6.12xlarge", "us-east-1a", "spot", Price(1.5, "spot price now"))
    nodes = Nodes("train", 2, offer, (Volume(200), Volume(500, 8000, 1000)))
    assert hourly(only(bill([nodes], NOTHING, PRICES), "nodes train")) == {
        ("nodes train", "g6.12xlarge spot us-east-1a"): 3.0,
        ("nodes train", "EBS gp3 storage"): round(1400 * 0.08 / 730, 5),
        ("nodes train", "EBS gp3 IOPS beyond 3000"): round(10000 * 0.005 / 730, 5),
        ("nodes train", "EBS gp3 MiB/s beyond 125"): round(1750 * 0.04 / 730, 5),
    }


@pytest.mark.parametrize("nodes", [Nodes("train", 1, None), Nodes("train", 1, Offer("x9.large", "a", "spot"))])
def test_what_has_no_price_is_not_called_free(nodes: Nodes) -> None:
    (line, *_rest) = bill([nodes], NOTHING, PRICES)
    assert (line.usd_per_hour, line.usd_per_run(3), line.as_dict(3)["usd_per_run"]) == (None, None, None)


def test_a_group_of_none_costs_nothing() -> None:
    assert only(bill([Nodes("train", 0, None)], NOTHING, PRICES), "nodes train") == []


@pytest.mark.parametrize(
    ("shape", "part", "usd_per_hour", "usd_per_run"),
    [
        pytest.param(Shape(), "bastion", 0.0104 + 20 * 0.08 / 730 + 0.005, None, id="bastion"),
        pytest.param(Shape(door="ssm"), "bastion", 0, None, id="no bastion"),
        pytest.param(Shape(traffic={"egress": 20}), "NAT gateway", 0.045 + 0.005, 10 * 0.05 + 0.9, id="NAT gateway"),
        pytest.param(Shape(egress="nat_instance"), "NAT instance", 0.0052 + 20 * 0.08 / 730 + 0.005, None, id="thrift"),
        pytest.param(
            Shape(egress="endpoints", endpoint_services=9, zones=2, traffic={"egress": 10}),
            "VPC endpoints",
            0.18,
            1.8 + 0.1,
            id="no NAT",
        ),
        pytest.param(Shape(egress=""), "NAT gateway", 0, None, id="adopted network"),
        pytest.param(
            Shape(traffic={"file_system": 73, "file_system_read": 100, "file_system_write": 10}),
            "EFS",
            0.03,
            0.3 + 3 + 0.6,
            id="EFS",
        ),
        pytest.param(Shape(traffic={"bucket": 730}), "S3", 0.023, None, id="S3"),
        pytest.param(Shape(lustre_gib=1200), "FSx for Lustre", 1200 * 0.14 / 730, None, id="Lustre scratch"),
        pytest.param(
            Shape(lustre_gib=1200, lustre_deployment_type="PERSISTENT_2"),
            "FSx for Lustre",
            1200 * 0.145 / 730,
            None,
            id="Lustre persistent",
        ),
        pytest.param(
            Shape(traffic={"metrics": 73, "logs": 2}),
            "CloudWatch",
            0.03 + 5 * 0.1 / 730,
            0.3 + 10 * 5 * 0.1 / 730 + 1,
            id="CloudWatch",
        ),
        pytest.param(Shape(), "monitor", 0.0208 + 20 * 0.08 / 730, None, id="monitor"),
        pytest.param(Shape(monitor="bastion"), "monitor", 0, None, id="monitor on the bastion"),
        pytest.param(Shape(traffic={"flow_logs": 2}), "flow logs", 0, 0.5, id="flow logs"),
    ],
)
def test_each_part_of_the_stack_is_billed(
    shape: Shape, part: str, usd_per_hour: float, usd_per_run: float | None
) -> None:
    lines = only(bill([], shape, PRICES), part)
    assert sum(line.usd_per_hour or 0 for line in lines) == pytest.approx(usd_per_hour)
    if usd_per_run is not None:
        assert sum(line.usd_per_run(10) or 0 for line in lines) == pytest.approx(usd_per_run)


@pytest.mark.parametrize("wanted", [True, False])
def test_schedules_that_end_nodes_are_told_and_cost_nothing(wanted: bool) -> None:
    lines = only(bill([Nodes("train", 2, None)], Shape(termination_schedules=wanted), PRICES), "EventBridge")
    assert [(line.units, line.usd_per_run(10)) for line in lines] == ([(2, 0.0)] if wanted else [])


@pytest.mark.parametrize(
    ("nodes", "shape", "expected"),
    [
        pytest.param([], Shape(), 0, id="no node"),
        pytest.param([Nodes("train", 0, None)], Shape(), 0, id="a group of none"),
        pytest.param([Nodes("train", 1, None)], Shape(agent=False), 13 + 4 + 5, id="a run"),
        pytest.param([Nodes("train", 1, None)], Shape(run_metrics=False), 42, id="a node"),
        pytest.param(
            [Nodes("train", 2, None, (), 4), Nodes("small", 1, None)],
            Shape(),
            2 * (42 + 4 * 6 + 17) + 42 + 17 + 5,
            id="groups",
        ),
        pytest.param([Nodes("train", 1, None)], Shape(agent=False, run_metrics=False), 0, id="switched off"),
        pytest.param([Nodes("train", 9, None)], Shape(traffic={"metrics": 7}), 7, id="said"),
        pytest.param([Nodes("train", 9, None)], Shape(traffic={"metrics": 0}), 0, id="said to be none"),
    ],
)
def test_what_is_published_is_counted(nodes: list[Nodes], shape: Shape, expected: int) -> None:
    assert metrics_of(nodes, shape) == expected
    (line, *_rest) = only(bill(nodes, shape, PRICES), "CloudWatch")
    assert (line.units, line.what) == (expected, f"{expected} metrics")


def test_the_agents_metrics_are_those_of_its_role() -> None:
    path = Path(__file__).parents[4] / "roles/cloudwatch_agent/defaults/main.yml"
    defaults = yaml.safe_load(path.read_text(encoding="utf-8"))
    lists = {name: len(value) for name, value in defaults.items() if name.endswith("_measurements")}
    expected = {section: names for section, (names, _things) in AGENT_METRICS.items()}
    expected["nvidia_gpu"] = ACCELERATOR_METRICS
    assert lists == {f"cloudwatch_agent_{section}_measurements": names for section, names in expected.items()}


def test_every_price_that_a_bill_needs_is_asked_for() -> None:
    shape = Shape(lustre_gib=1200)
    assert "lustre_scratch_gib" in parts_of(shape)
    assert "lustre_scratch_gib" not in parts_of(Shape())


@pytest.mark.parametrize(
    ("kind", "attributes", "usd"),
    [
        pytest.param("instance", {"instance_type": "g6.xlarge"}, 0.8048, id="instance"),
        pytest.param("instance", {"instance_type": "t3.micro", "public_ip_address": "192.0.2.1"}, 0.0154, id="public"),
        pytest.param("instance", {"instance_type": "g6.xlarge", "state": "stopped"}, 0, id="stopped instance"),
        pytest.param("instance", {"instance_type": "x9.large"}, None, id="instance of an unknown type"),
        pytest.param("instance", {"instance_type": "g6.xlarge", "market": "spot", "zone": "a"}, 0.8048, id="spot"),
        pytest.param("volume", {"size_gib": 730}, 0.08, id="volume"),
        pytest.param("volume", {"size_gib": 0, "iops": 3730, "throughput": 125}, 0.005, id="IOPS"),
        pytest.param("nat_gateway", {}, 0.045, id="NAT gateway"),
        pytest.param("elastic_ip", {}, 0.005, id="address"),
        pytest.param("file_system", {"size_bytes": 73 * 1024**3}, 0.03, id="EFS"),
        pytest.param("vpc_endpoint", {"endpoint_type": "Interface", "zones": ["a", "b"]}, 0.02, id="interface"),
        pytest.param("vpc_endpoint", {"endpoint_type": "Gateway"}, 0, id="gateway endpoint"),
        pytest.param("lustre_file_system", {"size_gib": 730, "deployment_type": "SCRATCH_2"}, 0.14, id="Lustre"),
        pytest.param("alarm", {}, 0.1 / 730, id="alarm"),
        pytest.param("parameter", {}, 0, id="parameter"),
        pytest.param("vpc", {}, 0, id="free"),
        pytest.param("bucket", {}, None, id="nobody knows how full"),
        pytest.param("other", {}, None, id="unknown"),
    ],
)
def test_what_is_there_has_a_price(kind: str, attributes: dict[str, Any], usd: float | None) -> None:
    cost = resource_usd_per_hour(kind, attributes)
    assert cost == (usd if usd is None else pytest.approx(usd))


def test_the_price_of_the_day_goes_before_the_table() -> None:
    prices = PriceList("us-east-1", {"g6.xlarge": 0.9}, {"nat_hour": 0.05}, {("g6.xlarge", "us-east-1a"): 0.3})
    spot = {"instance_type": "g6.xlarge", "market": "spot", "zone": "us-east-1a"}
    assert resource_usd_per_hour("instance", spot, prices) == 0.3
    assert resource_usd_per_hour("instance", {"instance_type": "g6.xlarge"}, prices) == 0.9
    assert resource_usd_per_hour("nat_gateway", {}, prices) == 0.05


def test_no_kind_of_ec2_is_forgotten() -> None:
    unknown = [
        kind.type for kind in EC2_KINDS if resource_usd_per_hour(kind.type, {"instance_type": "t3.micro"}) is None
    ]
    assert unknown == []

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the lab says of prices and quotas, seen from boto3."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from lab.market import KNOWN
from lab.tests.running_lab import RunningLab, Stack, error_of

G_ON_DEMAND, G_SPOT, STANDARD = "L-DB2E81BA", "L-3819A6DF", "L-1216C47A"


def tell(lab: RunningLab, page: str, value: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(
        f"{lab.settings.endpoint}/_lab/{page}", json.dumps(value).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return dict(json.load(answer))


@pytest.fixture(autouse=True)
def _set_back(lab: RunningLab) -> Iterator[None]:
    yield
    tell(lab, "prices", {})


def products(lab: RunningLab, service: str, **attributes: str) -> list[dict[str, Any]]:
    filters = [{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in attributes.items()]
    pages = lab.client("pricing").get_paginator("get_products").paginate(ServiceCode=service, Filters=filters)
    return [json.loads(text) for page in pages for text in page["PriceList"]]


def usd_of(product: dict[str, Any]) -> tuple[float, str]:
    (term,) = product["terms"]["OnDemand"].values()
    (rate,) = term["priceDimensions"].values()
    return float(rate["pricePerUnit"]["USD"]), rate["unit"]


def spot_prices(lab: RunningLab, instance_type: str) -> dict[str, float]:
    history = lab.ec2.describe_spot_price_history(
        InstanceTypes=[instance_type], ProductDescriptions=["Linux/UNIX"], StartTime=datetime.now(UTC)
    )["SpotPriceHistory"]
    assert {item["ProductDescription"] for item in history} <= {"Linux/UNIX"}
    return {item["AvailabilityZone"]: float(item["SpotPrice"]) for item in history}


def quotas(lab: RunningLab) -> dict[str, dict[str, Any]]:
    pages = lab.client("service-quotas").get_paginator("list_service_quotas").paginate(ServiceCode="ec2")
    return {quota["QuotaCode"]: quota for page in pages for quota in page["Quotas"]}


def test_every_group_of_figures_names_its_source(lab: RunningLab) -> None:
    assert [name for name, group in KNOWN.items() if isinstance(group, dict) and not group.get("source")] == []
    assert set(lab.page("/_lab/prices")["sources"]) == {"instances", "parts", "spot"}
    assert lab.page("/_lab/quotas")["source"]


def test_the_price_list_knows_an_instance_type(lab: RunningLab) -> None:
    wanted = {"instanceType": "g6.12xlarge", "regionCode": "us-east-1", "operatingSystem": "Linux", "tenancy": "Shared"}
    (product,) = products(lab, "AmazonEC2", **wanted)
    assert usd_of(product) == (4.6016, "Hrs")
    assert products(lab, "AmazonEC2", **(wanted | {"operatingSystem": "Windows"})) == []
    assert products(lab, "AmazonEC2", **(wanted | {"regionCode": "eu-west-1"})) == []


def test_the_price_list_knows_the_other_parts(lab: RunningLab) -> None:
    found = products(lab, "AmazonEC2", volumeApiName="gp3", regionCode="us-east-1")
    assert {product["product"]["attributes"]["usagetype"]: usd_of(product) for product in found} == {
        "EBS:VolumeUsage.gp3": (0.08, "GB-Mo"),
        "EBS:VolumeP-IOPS.gp3": (0.005, "IOPS-Mo"),
        "EBS:VolumeP-Throughput.gp3": (40.96, "GiBps-mo"),
    }
    (hours, _bytes) = products(lab, "AmazonEC2", productFamily="NAT Gateway", regionCode="us-east-1")
    assert usd_of(hours) == (0.045, "Hrs")


def test_spot_prices_differ_between_zones_and_stay_below_the_list(lab: RunningLab) -> None:
    prices = spot_prices(lab, "g6.12xlarge")
    assert len(prices) > 1
    assert len(set(prices.values())) == len(prices)
    assert all(0 < usd < 4.6016 for usd in prices.values())


def test_prices_can_be_set_and_set_back(lab: RunningLab) -> None:
    change = {"instances": {"g6.xlarge": 9.0}, "spot": {"g6.xlarge": {"us-east-1b": 1.25}}}
    tell(lab, "prices", change | {"parts": {"NatGateway-Hours": 0.5}})
    assert usd_of(products(lab, "AmazonEC2", instanceType="g6.xlarge")[0])[0] == 9.0
    assert usd_of(products(lab, "AmazonEC2", productFamily="NAT Gateway")[0])[0] == 0.5
    assert spot_prices(lab, "g6.xlarge") == {"us-east-1b": 1.25}
    tell(lab, "prices", {})
    assert usd_of(products(lab, "AmazonEC2", instanceType="g6.xlarge")[0])[0] == 0.8048
    assert len(spot_prices(lab, "g6.xlarge")) > 1


@pytest.mark.parametrize(
    ("page", "value"),
    [("prices", {"coal": 1}), ("prices", {"parts": {"Coal-Hours": 1}}), ("quotas", {"L-00000000": 1})],
)
def test_nonsense_is_refused(lab: RunningLab, page: str, value: dict[str, Any]) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        tell(lab, page, value)
    assert refused.value.code == 400


def test_quotas_come_in_pages_and_by_code(lab: RunningLab) -> None:
    client = lab.client("service-quotas")
    assert "NextToken" in client.list_service_quotas(ServiceCode="ec2")
    listed = quotas(lab)
    assert listed[G_ON_DEMAND]["QuotaName"] == "Running On-Demand G and VT instances"
    one = client.get_service_quota(ServiceCode="ec2", QuotaCode=G_ON_DEMAND)["Quota"]
    assert one["Value"] == listed[G_ON_DEMAND]["Value"]
    assert client.get_aws_default_service_quota(ServiceCode="ec2", QuotaCode=G_ON_DEMAND)["Quota"]["Value"] == 0
    assert error_of(client.get_service_quota, ServiceCode="ec2", QuotaCode="L-0") == "NoSuchResourceException"
    assert error_of(client.list_service_quotas, ServiceCode="none") == "NoSuchResourceException"


def test_a_larger_quota_can_be_asked_for_once(lab: RunningLab) -> None:
    client = lab.client("service-quotas")
    wanted = {"ServiceCode": "ec2", "QuotaCode": G_ON_DEMAND}
    assert error_of(client.request_service_quota_increase, **wanted, DesiredValue=1) == "IllegalArgumentException"
    request = client.request_service_quota_increase(**wanted, DesiredValue=1000)["RequestedQuota"]
    assert (request["Status"], request["DesiredValue"]) == ("PENDING", 1000)
    history = client.list_requested_service_quota_change_history_by_quota(**wanted)["RequestedQuotas"]
    assert [item["Id"] for item in history] == [request["Id"]]
    again = error_of(client.request_service_quota_increase, **wanted, DesiredValue=2000)
    assert again == "ResourceAlreadyExistsException"


def test_a_launch_beyond_the_quota_is_refused(lab: RunningLab, stack: Stack) -> None:
    tell(lab, "quotas", {STANDARD: 3, G_SPOT: 0})
    stack.launch()  # a t3.micro has two vCPUs
    launch = {"ImageId": lab.image("debian-12"), "MinCount": 1, "MaxCount": 1, "SubnetId": stack.private}
    assert error_of(lab.ec2.run_instances, **launch, InstanceType="t3.micro") == "VcpuLimitExceeded"
    spot = launch | {"InstanceMarketOptions": {"MarketType": "spot"}}
    assert error_of(lab.ec2.run_instances, **spot, InstanceType="g6.xlarge") == "MaxSpotInstanceCountExceeded"

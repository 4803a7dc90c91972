# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What AWS says of money and limits and moto does not: list prices, spot prices, quotas.

The figures stand in market.json, each group with its source. /_lab/prices and /_lab/quotas change them for a while.
"""

from __future__ import annotations

import copy
import json
import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.ec2.responses.spot_instances import SpotInstances

from lab.calls import Call
from lab.errors import Answer, typed_error
from lab.patching import replaces

KNOWN: dict[str, Any] = json.loads(Path(__file__).with_name("market.json").read_text(encoding="utf-8"))
PAGE = 10  # quotas in an answer; AWS gives more, and whoever reads only the first page shall notice here


class MarketError(ValueError):
    """A request to change the market that cannot be understood."""


class Figures:
    """The figures as they are now."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        with self._lock:
            self._instances: dict[str, float] = dict(KNOWN["instances"]["usd_per_hour"])
            self._products: list[dict[str, Any]] = copy.deepcopy(KNOWN["parts"]["products"])
            self._spot: dict[str, dict[str, float]] = {}
            self._quotas: dict[str, dict[str, Any]] = {item["code"]: dict(item) for item in KNOWN["quotas"]["items"]}
            self._requests: list[dict[str, Any]] = []

    # What tests set; {} sets everything back.

    def control_prices(self, given: dict[str, Any] | None) -> dict[str, Any]:
        """The control /_lab/prices."""
        return self._control(given, self.set_prices, self.prices)

    def control_quotas(self, given: dict[str, Any] | None) -> dict[str, Any]:
        """The control /_lab/quotas."""
        return self._control(given, self.set_quotas, self.quotas)

    def _control(
        self, given: dict[str, Any] | None, change: Callable[[Any], None], state: Callable[[], dict[str, Any]]
    ) -> dict[str, Any]:
        if given:
            change(given)
        elif given is not None:
            self.reset()
        return state()

    def set_prices(self, change: Any) -> None:
        """Take {"instances": {type: usd}, "spot": {type: {zone: usd}}, "parts": {usagetype: usd}}."""
        known = {product["usagetype"] for product in self._products}
        if not isinstance(change, dict) or not set(change) <= {"instances", "spot", "parts"}:
            raise MarketError("a change of prices has the keys instances, spot and parts")
        unknown = set(change.get("parts", {})) - known
        if unknown:
            raise MarketError(f"no such usage type: {', '.join(sorted(unknown))}")
        with self._lock:
            self._instances.update(change.get("instances", {}))
            for name, zones in change.get("spot", {}).items():
                self._spot[name] = dict(zones)
            for product in self._products:
                product["usd"] = change.get("parts", {}).get(product["usagetype"], product["usd"])

    def set_quotas(self, change: Any) -> None:
        """Take {code: value}."""
        if not isinstance(change, dict) or not set(change) <= set(self._quotas):
            raise MarketError(f"a change of quotas is a mapping of these codes to values: {', '.join(self._quotas)}")
        with self._lock:
            for code, value in change.items():
                self._quotas[code]["value"] = float(value)

    def prices(self) -> dict[str, Any]:
        sources = {name: KNOWN[name]["source"] for name in ("instances", "parts", "spot")}
        return {"sources": sources, "instances": self._instances, "parts": self._products, "spot": self._spot}

    def quotas(self) -> dict[str, Any]:
        values = {code: item["value"] for code, item in self._quotas.items()}
        return {"source": KNOWN["quotas"]["source"], "values": values, "requests": self._requests}

    # What AWS answers.

    def answer(self, call: Call) -> Answer | None:
        """The answer to a call of the Price List or of Service Quotas; None for one that the lab does not have."""
        actions: dict[tuple[str, str], Callable[[dict[str, Any], str], dict[str, Any]]] = {
            ("pricing", "GetProducts"): self._get_products,
            ("service-quotas", "ListServiceQuotas"): self._list_quotas,
            ("service-quotas", "GetServiceQuota"): self._get_quota,
            ("service-quotas", "GetAWSDefaultServiceQuota"): self._get_default,
            ("service-quotas", "RequestServiceQuotaIncrease"): self._request,
            ("service-quotas", "ListRequestedServiceQuotaChangeHistoryByQuota"): self._history,
        }
        action = actions.get((call.service, call.action))
        if action is None or call.parameters.get("ServiceCode", "ec2") == "vpc":  # of which moto knows the quotas
            return None
        try:
            with self._lock:
                body = action(call.parameters, call.region)
        except LookupError as error:
            return typed_error(call.protocol, "NoSuchResourceException", f"{error.args[0]}")
        except MarketError as error:
            code, _colon, message = str(error).partition(": ")
            return typed_error(call.protocol, code, message)
        return Answer(200, "application/x-amz-json-1.1", json.dumps(body).encode())

    def _get_products(self, parameters: dict[str, Any], _region: str) -> dict[str, Any]:
        wanted = {one["Field"]: one["Value"] for one in parameters.get("Filters", ())}
        products = [*self._instance_products(wanted.get("instanceType")), *self._part_products()]
        found = [
            json.dumps(product)
            for product in products
            if product["serviceCode"] == parameters["ServiceCode"] and _has(product, wanted)
        ]
        return {"FormatVersion": "aws_v1", "PriceList": found}

    def _instance_products(self, name: str | None) -> list[dict[str, Any]]:
        names = [name] if name else sorted(self._instances)
        return [
            product(
                "AmazonEC2",
                "Compute Instance",
                f"BoxUsage:{one}",
                "Hrs",
                self._instances[one],
                instanceType=one,
                operatingSystem="Linux",
                preInstalledSw="NA",
                capacitystatus="Used",
                tenancy="Shared",
                marketoption="OnDemand",
            )
            for one in names
            if one in self._instances
        ]

    def _part_products(self) -> list[dict[str, Any]]:
        return [
            product(one["service"], one["family"], one["usagetype"], one["unit"], one["usd"], **one["attributes"])
            for one in self._products
        ]

    def _quota(self, item: dict[str, Any], region: str, value: str = "value") -> dict[str, Any]:
        return {
            "ServiceCode": "ec2",
            "ServiceName": "Amazon Elastic Compute Cloud (Amazon EC2)",
            "QuotaArn": f"arn:aws:servicequotas:{region}:123456789012:ec2/{item['code']}",
            "QuotaCode": item["code"],
            "QuotaName": item["name"],
            "Value": float(item[value]),
            "Unit": "None",
            "Adjustable": True,
            "GlobalQuota": False,
        }

    def _list_quotas(self, parameters: dict[str, Any], region: str) -> dict[str, Any]:
        self._check_service(parameters)
        first = int(parameters.get("NextToken") or 0)
        size = int(parameters.get("MaxResults") or PAGE)
        items = list(self._quotas.values())
        page = {"Quotas": [self._quota(item, region) for item in items[first : first + size]]}
        return page | ({"NextToken": str(first + size)} if first + size < len(items) else {})

    def _get_quota(self, parameters: dict[str, Any], region: str) -> dict[str, Any]:
        return {"Quota": self._quota(self._item(parameters), region)}

    def _get_default(self, parameters: dict[str, Any], region: str) -> dict[str, Any]:
        return {"Quota": self._quota(self._item(parameters), region, "default")}

    def _request(self, parameters: dict[str, Any], _region: str) -> dict[str, Any]:
        item, desired = self._item(parameters), float(parameters["DesiredValue"])
        if desired <= item["value"]:
            raise MarketError(
                "IllegalArgumentException: You must provide a quota value greater than the current value."
            )
        if any(one["QuotaCode"] == item["code"] and one["Status"] == "PENDING" for one in self._requests):
            raise MarketError(
                "ResourceAlreadyExistsException: Only one open service quota increase request is allowed."
            )
        request = {
            "Id": f"{len(self._requests) + 1:032x}",
            "ServiceCode": "ec2",
            "QuotaCode": item["code"],
            "QuotaName": item["name"],
            "DesiredValue": desired,
            "Status": "PENDING",
        }
        self._requests.append(request)
        return {"RequestedQuota": request}

    def _history(self, parameters: dict[str, Any], _region: str) -> dict[str, Any]:
        item, status = self._item(parameters), parameters.get("Status")
        found = [one for one in self._requests if one["QuotaCode"] == item["code"]]
        return {"RequestedQuotas": [one for one in found if status in (None, one["Status"])]}

    def _item(self, parameters: dict[str, Any]) -> dict[str, Any]:
        self._check_service(parameters)
        if parameters.get("QuotaCode") not in self._quotas:
            raise LookupError("The request failed because the specified quota does not exist.")
        return self._quotas[parameters["QuotaCode"]]

    def _check_service(self, parameters: dict[str, Any]) -> None:
        if parameters.get("ServiceCode") != "ec2":
            raise LookupError("The request failed because the specified service does not exist.")

    # What EC2 asks.

    def spot_price(self, instance_type: str, zone: str) -> float | None:
        if instance_type in self._spot:
            return self._spot[instance_type].get(zone)
        share = KNOWN["spot"]["share_by_zone"].get(zone)
        usd = self._instances.get(instance_type)
        return None if share is None or usd is None else round(usd * share, 6)

    def quota_for(self, instance_type: str, market: str) -> dict[str, Any] | None:
        """The quota that counts a type: its generation, such as p5, or its letters, such as p or vt."""
        found = re.match(r"([a-z]+)\d*", instance_type)
        families = (found[0], found[1], found[1][:1]) if found else ()
        for family in families:
            for item in self._quotas.values():
                if item["market"] == market and family in item["families"]:
                    return item
        return None

    def refusal(self, ec2: Any, instance_type: str, market: str, count: int) -> str:
        """The code with which EC2 refuses a launch beyond the quota, or an empty text."""
        counted = "spot" if market == "spot" else "on-demand"
        quota = self.quota_for(instance_type, counted)
        if quota is None:
            return ""
        used = sum(
            vcpus_of(one.instance_type)
            for one in ec2.all_instances()
            if one.state in ("pending", "running")
            and ("spot" if one.lifecycle == "spot" else "on-demand") == counted
            and self.quota_for(one.instance_type, counted) is quota
        )
        if used + count * vcpus_of(instance_type) <= quota["value"]:
            return ""
        return "MaxSpotInstanceCountExceeded" if counted == "spot" else "VcpuLimitExceeded"


def vcpus_of(instance_type: str) -> int:
    return int(INSTANCE_TYPES.get(instance_type, {}).get("VCpuInfo", {}).get("DefaultVCpus", 0))


def product(service: str, family: str, usage: str, unit: str, usd: float, **attributes: str) -> dict[str, Any]:
    """A product in the shape of GetProducts."""
    sku = f"LAB{sum(map(ord, usage + unit + str(sorted(attributes.items())))):013d}"
    rate = {
        "unit": unit,
        "beginRange": "0",
        "endRange": "Inf",
        "description": f"${usd} for {usage}, from the lab's figures",
        "pricePerUnit": {"USD": f"{usd:.10f}"},
    }
    known = {"regionCode": KNOWN["region"], "servicecode": service, "usagetype": usage, **attributes}
    return {
        "serviceCode": service,
        "product": {"sku": sku, "productFamily": family, "attributes": known},
        "terms": {"OnDemand": {f"{sku}.JRTCKXETXF": {"priceDimensions": {f"{sku}.JRTCKXETXF.6YS6EN2CT7": rate}}}},
    }


def _has(item: dict[str, Any], wanted: dict[str, str]) -> bool:
    attributes = {**item["product"]["attributes"], "productFamily": item["product"]["productFamily"]}
    return all(attributes.get(name) == value for name, value in wanted.items())


NOW = Figures()


def install() -> None:
    """Let EC2 answer with our spot prices. moto has one price for everything, of the year 2006."""

    @replaces(SpotInstances, "describe_spot_price_history")
    def with_prices(original: Any, self: Any) -> ActionResult:
        history = original(self).result["SpotPriceHistory"]
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        priced = [(item, NOW.spot_price(item["InstanceType"], item["AvailabilityZone"])) for item in history]
        kept = [
            {**item, "SpotPrice": f"{usd:.6f}", "ProductDescription": "Linux/UNIX", "Timestamp": now}
            for item, usd in priced
            if usd is not None
        ]
        return ActionResult({"SpotPriceHistory": kept})

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What AWS has to give: refusals by instance type, zone and market, and capacity that somebody reserved. Set at /_lab/capacity."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from fnmatch import fnmatchcase
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.responses import EC2Response

from lab.market import NOW

MESSAGES = {
    "InsufficientInstanceCapacity": "We currently do not have sufficient {type} capacity in the Availability Zone you requested ({zone}). "
    "Our system will be working on provisioning additional capacity.",
    "VcpuLimitExceeded": "You have requested more vCPU capacity than your current vCPU limit of 0 allows for the instance bucket that the "
    "specified instance type belongs to. Please visit http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit.",
    "MaxSpotInstanceCountExceeded": "Max spot instance count exceeded",
    "Unsupported": "Your requested instance type ({type}) is not supported in your requested Availability Zone ({zone}).",
    "SpotMaxPriceTooLow": "Your Spot request price of {price} is lower than the minimum required Spot request fulfillment price.",
}
# boto3 tries these again by itself, as it does with AWS.
SERVER_ERRORS = ("InsufficientInstanceCapacity", "InsufficientHostCapacity", "InternalError", "Unavailable")


@dataclass
class Rule:
    """One refusal. The first rule that fits decides."""

    instance_type: str = "*"  # shell patterns in all three
    zone: str = "*"
    market: str = "*"  # on-demand, spot, capacity-block, capacity-reservation
    code: str = "InsufficientInstanceCapacity"
    message: str = ""
    times: int | None = None  # how many calls are refused; None is all, until the rules are set again
    available: int = 0  # so many instances in a call are granted all the same

    def fits(self, instance_type: str, zone: str, market: str) -> bool:
        pairs = ((instance_type, self.instance_type), (zone, self.zone), (market, self.market))
        return self.times != 0 and all(fnmatchcase(value, pattern) for value, pattern in pairs)


class Market:
    """What is set now. The account's lock guards it."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self.reservations: list[dict[str, Any]] = []
        self.block_offerings: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def state(self) -> dict[str, Any]:
        return {
            "rules": [asdict(rule) for rule in self.rules],
            "reservations": self.reservations,
            "block_offerings": self.block_offerings,
        }

    def set(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Replace what the request names; the rest stays. ValueError says what is wrong with it."""
        known = {field.name for field in fields(Rule)}
        for rule in given.get("rules", []):
            if set(rule) - known:
                raise ValueError(
                    f"a rule has no {', '.join(sorted(set(rule) - known))}; it has {', '.join(sorted(known))}"
                )
        for reservation in given.get("reservations", []):
            missing = {"CapacityReservationId", "InstanceType", "AvailabilityZone", "TotalInstanceCount"} - set(
                reservation
            )
            if missing:
                raise ValueError(f"a reservation lacks {', '.join(sorted(missing))}")
        with self._lock:
            if "rules" in given:
                self.rules = [Rule(**rule) for rule in given["rules"]]
            self.reservations = list(given.get("reservations", self.reservations))
            self.block_offerings = list(given.get("block_offerings", self.block_offerings))
        return self.state()

    def rule_for(self, instance_type: str, zone: str, market: str) -> Rule | None:
        return next((rule for rule in self.rules if rule.fits(instance_type, zone, market)), None)


MARKET = Market()


def control(given: dict[str, Any] | None) -> dict[str, Any]:
    """The control /_lab/capacity."""
    return MARKET.state() if given is None else MARKET.set(given)


def install() -> None:
    for action in (describe_capacity_reservations, describe_capacity_block_offerings):
        setattr(EC2Response, action.__name__, action)


def granted(ec2: Any, wanted: Mapping[str, Any], subnet: Any | None) -> int:
    """How many instances a launch gets: as many as it may have, unless a rule or a reservation says less."""
    least, most = int(wanted.get("MinCount") or 1), int(wanted.get("MaxCount") or wanted.get("MinCount") or 1)
    if subnet is None:
        return most
    instance_type, zone = str(wanted.get("InstanceType", "m1.small")), str(subnet.availability_zone)
    target = wanted.get("CapacityReservationSpecification", {}).get("CapacityReservationTarget", {})
    options = wanted.get("InstanceMarketOptions", {})
    market = options.get("MarketType") or ("capacity-reservation" if target else "on-demand")
    beyond_quota = NOW.refusal(ec2, instance_type, market, least)
    if beyond_quota:
        raise EC2ClientError(beyond_quota, MESSAGES[beyond_quota])
    rule = MARKET.rule_for(instance_type, zone, market)
    if rule is not None and rule.available < least:
        rule.times = rule.times - 1 if rule.times else rule.times
        price = options.get("SpotOptions", {}).get("MaxPrice", "0")
        text = rule.message or MESSAGES.get(rule.code, "{type} in {zone} is refused.")
        raise EC2ClientError(rule.code, text.format(type=instance_type, zone=zone, price=price))
    most = min(most, rule.available) if rule is not None else most
    if target:
        most = min(most, left_in(ec2, str(target.get("CapacityReservationId")), instance_type, zone, least))
    elif market == "capacity-block":
        raise EC2ClientError(
            "InvalidParameterCombination", "A capacity block needs the id of its capacity reservation."
        )
    return most


def left_in(ec2: Any, identity: str, instance_type: str, zone: str, least: int) -> int:
    """How many instances still fit into a reservation of that type in that zone."""
    found = next((one for one in MARKET.reservations if one["CapacityReservationId"] == identity), None)
    if found is None:
        raise EC2ClientError(
            "InvalidCapacityReservationId.NotFound", f"The capacity reservation '{identity}' does not exist"
        )
    if (found["InstanceType"], found["AvailabilityZone"]) != (instance_type, zone):
        raise EC2ClientError(
            "InvalidParameterValue",
            f"The capacity reservation '{identity}' is for {found['InstanceType']} in {found['AvailabilityZone']}.",
        )
    left = available(ec2, found)
    if found.get("State", "active") != "active" or left < least:
        raise EC2ClientError(
            "ReservationCapacityExceeded", f"The capacity reservation '{identity}' has {left} instances left."
        )
    return left


def available(ec2: Any, reservation: Mapping[str, Any]) -> int:
    identity = reservation["CapacityReservationId"]
    used = [one for one in ec2.all_instances() if one.capacity_reservation_id == identity and one.state != "terminated"]
    return int(reservation["TotalInstanceCount"]) - len(used)


def describe_capacity_reservations(response: Any) -> ActionResult:
    ec2, identities = response.ec2_backend, response._get_param("CapacityReservationIds", [])
    known = {
        one["CapacityReservationId"]: {
            "State": "active",
            "InstancePlatform": "Linux/UNIX",
            "OwnerId": ec2.account_id,
            "ReservationType": "default",
            "InstanceMatchCriteria": "targeted",
            **one,
            "AvailableInstanceCount": available(ec2, one),
        }
        for one in MARKET.reservations
    }
    for identity in identities:
        if identity not in known:
            raise EC2ClientError(
                "InvalidCapacityReservationId.NotFound", f"The capacity reservation '{identity}' does not exist"
            )
    chosen = [one for identity, one in known.items() if not identities or identity in identities]
    filters = response._filters_from_querystring()
    return ActionResult({"CapacityReservations": [one for one in chosen if passes(one, filters)]})


def passes(reservation: Mapping[str, Any], filters: Mapping[str, Any]) -> bool:
    """Filters are named like the fields, in lower case with hyphens; tags are tag:KEY."""
    tags = {f"tag:{tag['Key']}": tag["Value"] for tag in reservation.get("Tags", [])}
    values = {**{name.lower(): str(value) for name, value in reservation.items()}, **tags}
    wanted = {name if name.startswith("tag:") else name.replace("-", ""): every for name, every in filters.items()}
    return all(any(fnmatchcase(values.get(name, ""), one) for one in every) for name, every in wanted.items())


def describe_capacity_block_offerings(response: Any) -> ActionResult:
    instance_type = response._get_param("InstanceType")
    found = [one for one in MARKET.block_offerings if one.get("InstanceType") == instance_type]
    return ActionResult({"CapacityBlockOfferings": found})

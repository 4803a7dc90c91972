# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Spot instances: the request behind each, and AWS taking one back with notice."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import EC2Backend
from moto.ec2.models.core import TaggedEC2Resource
from moto.ec2.models.instances import Instance
from moto.ec2.utils import convert_tag_spec, random_spot_request_id

from lab.launches import ENDING
from lab.patching import replaces

TAKEN_BACK = "Server.SpotInstanceTermination"
CODES = {TAKEN_BACK: "instance-terminated-no-capacity"}


class SpotRequest(TaggedEC2Resource):
    """The request that a launch on the spot market leaves; its attributes are named like the answer's."""

    def __init__(self, ec2: Any, instance: Any, wanted: Mapping[str, Any]) -> None:
        options = wanted.get("InstanceMarketOptions", {}).get("SpotOptions", {})
        self.ec2_backend, self.instance = ec2, instance
        self.id = self.spot_instance_request_id = random_spot_request_id()
        self.instance_id = instance.id
        self.launched_availability_zone = instance.placement.zone
        self.type = options.get("SpotInstanceType", "one-time")
        self.spot_price = options.get("MaxPrice")
        self.instance_interruption_behavior = options.get("InstanceInterruptionBehavior", "terminate")
        self.product_description = "Linux/UNIX"
        self.create_time = datetime.now(UTC)
        self.is_cancelled = False
        self.launch_specification = {
            "ImageId": instance.image_id,
            "InstanceType": instance.instance_type,
            "KeyName": instance.key_name,
            "SubnetId": instance.subnet_id,
            "Placement": {"AvailabilityZone": instance.placement.zone},
        }
        tags = convert_tag_spec(wanted.get("TagSpecifications", [])).get("spot-instances-request", {})
        self.add_tags(tags)

    @property
    def state(self) -> str:
        if self.is_cancelled:
            return "cancelled"
        return "closed" if self.instance.state == "terminated" else "active"

    @property
    def status(self) -> dict[str, Any]:
        code = "fulfilled"
        if self.instance.state == "terminated":
            code = CODES.get(self.instance.state_reason.code, "instance-terminated-by-user")
        elif self.is_cancelled:
            code = "request-canceled-and-instance-running"
        return {"Code": code, "Message": code.replace("-", " "), "UpdateTime": self.create_time}

    @property
    def tags(self) -> list[dict[str, str]]:
        return self.get_tags()


def install() -> None:
    """moto knows only requests made by RequestSpotInstances, and forgets those that are cancelled."""

    @replaces(EC2Backend, "cancel_spot_instance_requests")
    def cancelled(original: Any, self: Any, request_ids: list[str]) -> list[Any]:
        for identity in request_ids:
            if identity not in self.spot_instance_requests:
                raise unknown(identity)
        for identity in request_ids:
            self.spot_instance_requests[identity].is_cancelled = True
        return [self.spot_instance_requests[identity] for identity in request_ids]

    @replaces(EC2Backend, "describe_spot_instance_requests")
    def known(original: Any, self: Any, filters: Any = None, spot_instance_ids: list[str] | None = None) -> list[Any]:
        for identity in spot_instance_ids or []:
            if identity not in self.spot_instance_requests:
                raise unknown(identity)
        found: list[Any] = original(self, filters, spot_instance_ids)
        return found


def unknown(identity: str) -> EC2ClientError:
    return EC2ClientError(
        "InvalidSpotInstanceRequestID.NotFound", f"The spot instance request ID '{identity}' does not exist"
    )


def record(ec2: Any, instance: Any, wanted: Mapping[str, Any]) -> None:
    """Give a spot instance its request."""
    made = SpotRequest(ec2, instance, wanted)
    ec2.spot_instance_requests[made.id] = made
    instance.spot_instance_request_id = made.id


def announce(instance: Any, seconds: float) -> dict[str, Any]:
    """Put the notice where the instance finds it in its metadata. Returns the notice."""
    when = datetime.fromtimestamp(time.time() + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    instance.lab_spot_notice = {"action": "terminate", "time": when}
    return dict(instance.lab_spot_notice)


def notice_of(instance: Any) -> dict[str, Any] | None:
    notice: dict[str, Any] | None = getattr(instance, "lab_spot_notice", None)
    return notice


def take_back(instance: Instance) -> None:
    """End a spot instance as AWS does when it wants the machine for others."""
    if instance.state in ENDING:
        return
    instance.terminate()
    instance.state_reason.code = TAKEN_BACK
    instance.state_reason.message = f"{TAKEN_BACK}: Spot instance termination"

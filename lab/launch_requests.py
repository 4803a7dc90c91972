# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""RunInstances as EC2 reads it: client token, launch template, capacity, market, placement group, several interfaces."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError, InvalidLaunchTemplateVersionNotFound
from moto.ec2.models.instances import Instance
from moto.ec2.models.launch_templates import LaunchTemplate
from moto.ec2.responses.instances import InstanceResponse
from moto.ec2.responses.launch_templates import LaunchTemplates
from moto.ec2.utils import filter_dict_attribute_mapping

from lab import capacity, placement_groups, spot
from lab.patching import replaces

Parameters = dict[str, Any]
# Lists of which a template's entry and the request's are one thing, by what names it.
NAMED_LISTS = {"NetworkInterfaces": "DeviceIndex", "BlockDeviceMappings": "DeviceName"}
NOT_OF_A_LAUNCH = ("launch-template",)
OWN_OF_A_VOLUME = ("iops", "throughput")


@dataclass
class Launch:
    """What a client token stands for."""

    asked: Parameters
    reservation: Any = field(repr=False)


def install() -> None:
    _run_as_asked()
    _keep_template_data_as_given()
    _remove_versions_of_templates()
    _keep_what_a_launch_says_of_volumes()
    _know_interfaces_by_card()
    filter_dict_attribute_mapping.update(
        {
            "client-token": "client_token",
            "instance-lifecycle": "instance_lifecycle",
            "placement-group-name": "placement.group_name",
            "capacity-reservation-id": "capacity_reservation_id",
            "spot-instance-request-id": "spot_instance_request_id",
            "reservation-id": "reservation_id",
        }
    )
    for name in ("instance_lifecycle", "capacity_reservation_id", "spot_instance_request_id", "reservation_id"):
        setattr(Instance, name, None)


def _run_as_asked() -> None:
    """moto applies some of a template, forgets the market, launches the least it may, and does it again for each token."""
    launched: dict[tuple[str, str], Launch] = {}

    @replaces(InstanceResponse, "run_instances")
    def once(original: Any, self: Any) -> Any:
        asked: Parameters = copy.deepcopy(dict(self.params))
        token = (self.region, str(asked.pop("ClientToken", "")))
        known = launched.get(token)
        if known is not None:
            if known.asked != asked:
                raise EC2ClientError(
                    "IdempotentParameterMismatch",
                    "The token was used with different parameters: a client token stands for one launch.",
                )
            return ActionResult(known.reservation)
        reservation = launch(original, self, asked)
        if token[1]:
            launched[token] = Launch(asked, reservation)
        return ActionResult(reservation)


def launch(original: Any, response: Any, asked: Parameters) -> Any:
    """One new launch: the merged request is checked, given to moto, and what moto leaves out is added."""
    wanted = complete(response.ec2_backend, asked)
    subnet = subnet_of(response.ec2_backend, wanted)
    placement_groups.check(response.ec2_backend, wanted)
    check_interfaces(wanted)
    if not wanted.get("DryRun"):
        wanted["MinCount"] = capacity.granted(response.ec2_backend, wanted, subnet)
    response.params = {
        **wanted,
        **{name: response.params[name] for name in ("ClientToken",) if name in response.params},
    }
    reservation = original(response).result
    for instance in reservation.instances:
        finish(response.ec2_backend, instance, wanted, reservation)
    return reservation


def finish(ec2: Any, instance: Any, wanted: Parameters, reservation: Any) -> None:
    """What DescribeInstances says of a launched instance beyond moto's own."""
    placement = wanted.get("Placement", {})
    instance.reservation_id = reservation.id
    instance.placement.group_name = placement_groups.name_of(ec2, placement)
    instance.placement.tenancy = placement.get("Tenancy", "default")
    target = wanted.get("CapacityReservationSpecification", {}).get("CapacityReservationTarget", {})
    instance.capacity_reservation_id = target.get("CapacityReservationId")
    instance.lifecycle = instance.instance_lifecycle = market_of(wanted)
    if instance.instance_lifecycle == "spot":
        spot.record(ec2, instance, wanted)


def market_of(wanted: Mapping[str, Any]) -> str | None:
    """spot or capacity-block; None is on-demand, as the API says it by leaving it out."""
    market = wanted.get("InstanceMarketOptions", {}).get("MarketType")
    return str(market) if market else None


def subnet_of(ec2: Any, wanted: Mapping[str, Any]) -> Any | None:
    """The subnet of the first interface; None when the request names none, which another law refuses."""
    interfaces = wanted.get("NetworkInterfaces") or []
    named = wanted.get("SubnetId") or next((one["SubnetId"] for one in interfaces if one.get("SubnetId")), None)
    existing = next((one["NetworkInterfaceId"] for one in interfaces if one.get("NetworkInterfaceId")), None)
    if existing:
        return ec2.get_network_interface(existing).subnet
    return ec2.get_subnet(named) if named else None


def check_interfaces(wanted: Mapping[str, Any]) -> None:
    interfaces = wanted.get("NetworkInterfaces") or []
    if interfaces and any(wanted.get(name) for name in ("SubnetId", "SecurityGroupIds", "SecurityGroups")):
        raise EC2ClientError(
            "InvalidParameterCombination",
            "Network interfaces and an instance-level subnet ID or security groups may not be specified on the same request",
        )
    if len(interfaces) > 1 and any(one.get("AssociatePublicIpAddress") for one in interfaces):
        raise EC2ClientError(
            "InvalidParameterCombination",
            "The associatePublicIPAddress parameter cannot be specified when launching with multiple network interfaces.",
        )


# The launch template.


def complete(ec2: Any, asked: Parameters) -> Parameters:
    """The request with its template under it: what the request says outranks what the template says."""
    named = asked.get("LaunchTemplate")
    if not named:
        return copy.deepcopy(asked)
    version = ec2._get_template_from_args(named)
    return merged(copy.deepcopy(version.data), copy.deepcopy(asked))


def merged(template: Parameters, request: Parameters) -> Parameters:
    """Structures are merged, interfaces by index, devices by name, tags by key; everything else is the request's, if it says it."""
    result = {name: value for name, value in template.items() if value is not None}
    for name, value in request.items():
        below = result.get(name)
        if name == "TagSpecifications":
            result[name] = with_tags(below or [], value)
        elif name in NAMED_LISTS and below:
            result[name] = with_entries(below, value, NAMED_LISTS[name])
        elif name == "IamInstanceProfile" or not isinstance(value, dict) or not isinstance(below, dict):
            result[name] = value
        else:
            result[name] = {**below, **value}
    if result.get("UserData") is not None:
        result["UserData"] = str(result["UserData"])
    kept = [one for one in result.get("TagSpecifications", []) if one["ResourceType"] not in NOT_OF_A_LAUNCH]
    return {**{name: value for name, value in result.items() if name != "TagSpecifications"}, **tags_of(kept)}


def tags_of(specifications: list[Parameters]) -> Parameters:
    return {"TagSpecifications": specifications} if specifications else {}


def with_entries(below: Iterable[Parameters], above: Iterable[Parameters], key: str) -> list[Parameters]:
    """An entry of the request replaces the template's of the same name."""
    return list({**{one.get(key): one for one in below}, **{one.get(key): one for one in above}}.values())


def with_tags(below: Iterable[Parameters], above: Iterable[Parameters]) -> list[Parameters]:
    found: dict[str, dict[str, str]] = {}
    for specification in (*below, *above):
        tags = found.setdefault(specification["ResourceType"], {})
        tags.update({tag["Key"]: tag.get("Value", "") for tag in specification.get("Tags", [])})
    return [
        {"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
        for kind, tags in found.items()
    ]


def _keep_template_data_as_given() -> None:
    """moto adds the template's own tags, and an empty user data, to the data that its versions show."""

    for name in ("create_launch_template", "create_launch_template_version"):

        @replaces(LaunchTemplates, name)
        def as_given(original: Any, self: Any) -> Any:
            answer = original(self)
            for template in self.ec2_backend.launch_templates.values():
                clean(template.versions[-1].data)
            return answer

    @replaces(LaunchTemplates, "describe_launch_template_versions")
    def many(original: Any, self: Any) -> Any:
        self.params.setdefault("MaxResults", 200)
        return original(self)


def _remove_versions_of_templates() -> None:
    """moto has no DeleteLaunchTemplateVersions, and takes a version's number for its place."""

    @replaces(LaunchTemplate, "get_version")
    def by_number(original: Any, self: Any, num: Any) -> Any:
        number = {"$latest": self.versions[-1].number, "$default": self.default_version_number}.get(
            str(num).lower(), num
        )
        found = next((version for version in self.versions if str(version.number) == str(number)), None)
        if found is None:
            raise InvalidLaunchTemplateVersionNotFound(template_id=self.id, version=num)
        return found

    @replaces(LaunchTemplate, "default_version")
    def by_default_number(original: Any, self: Any) -> Any:
        return self.get_version("$default")

    @replaces(LaunchTemplate, "create_version")
    def with_a_new_number(original: Any, self: Any, *args: Any) -> Any:
        last = self.versions[-1].number if self.versions else 0
        version = original(self, *args)
        version.number = last + 1
        return version

    def delete_launch_template_versions(self: Any) -> ActionResult:
        name, identity = self._get_param("LaunchTemplateName"), self._get_param("LaunchTemplateId")
        backend = self.ec2_backend
        template = backend.get_launch_template(identity) if identity else backend.get_launch_template_by_name(name)
        named = {"LaunchTemplateId": template.id, "LaunchTemplateName": template.name}
        done, failed = [], []
        for number in map(int, self._get_param("Versions", [])):
            answer = {**named, "VersionNumber": number}
            version = next((one for one in template.versions if one.number == number), None)
            if version is None:
                failed.append({**answer, "ResponseError": {"Code": "launchTemplateVersionDoesNotExist"}})
            elif template.is_default(version):
                failed.append({**answer, "ResponseError": {"Code": "unexpectedError", "Message": "the default stays"}})
            else:
                template.versions.remove(version)
                done.append(answer)
        return ActionResult(
            {
                "SuccessfullyDeletedLaunchTemplateVersions": done,
                "UnsuccessfullyDeletedLaunchTemplateVersions": failed,
            }
        )

    setattr(LaunchTemplates, delete_launch_template_versions.__name__, delete_launch_template_versions)


def clean(data: Parameters) -> None:
    if data.get("UserData", "") is None:
        del data["UserData"]
    kept = [one for one in data.pop("TagSpecifications", None) or [] if one["ResourceType"] not in NOT_OF_A_LAUNCH]
    data.update(tags_of(kept))


# Volumes and interfaces.


def _keep_what_a_launch_says_of_volumes() -> None:
    """moto forgets IOPS and throughput, adds no root volume beside other devices, and lets the root volume outlive its instance."""

    @replaces(InstanceResponse, "_parse_block_device_mapping")
    def in_full(original: Any, self: Any) -> Any:
        given = self._get_param("BlockDeviceMappings", [])
        images = self.ec2_backend.describe_images(ami_ids=[self._get_param("ImageId")]) if given else []
        root = images[0].root_device_name if images else None
        parsed = original(self)
        for mapping, asked in zip(parsed, given, strict=True):
            mapping["Ebs"]["Throughput"] = asked.get("Ebs", {}).get("Throughput")
            if mapping["DeviceName"] == root:
                mapping["Ebs"]["VolumeSize"] = mapping["Ebs"]["VolumeSize"] or 8
                mapping["Ebs"]["DeleteOnTermination"] = asked.get("Ebs", {}).get("DeleteOnTermination", True)
        self.lab_mappings = {mapping["DeviceName"]: mapping["Ebs"] for mapping in parsed}
        if parsed and root and all(mapping["DeviceName"] != root for mapping in parsed):
            ebs = {"VolumeSize": 8, "DeleteOnTermination": True, "Encrypted": False}
            parsed.insert(0, {"DeviceName": root, "Ebs": ebs, "NoDevice": None})
        return parsed

    @replaces(InstanceResponse, "run_instances")
    def with_speed(original: Any, self: Any) -> Any:
        self.lab_mappings = {}
        answer = original(self)
        for instance in answer.result.instances:
            set_speed(self.ec2_backend, instance, self.lab_mappings)
        return answer

    @replaces(Instance, "setup_defaults")
    def at_its_own_device(original: Any, self: Any) -> None:
        volume = self.ec2_backend.create_volume(size=8, zone_name=self.placement.zone)
        self.ec2_backend.attach_volume(volume.id, self.id, self.root_device_name, True)


def set_speed(ec2: Any, instance: Any, mappings: Mapping[str, Parameters]) -> None:
    """Give the volumes of an instance the IOPS and throughput that its launch names, by device."""
    for device, attached in instance.get_block_device_mapping:
        for name in OWN_OF_A_VOLUME:
            asked = mappings.get(device, {}).get(name.capitalize())
            if asked:
                setattr(ec2.volumes[attached.volume_id], name, asked)


def _know_interfaces_by_card() -> None:
    """Interfaces of several network cards share a device index, by which alone moto knows them. An instance's groups are its first interface's."""

    @replaces(Instance, "prep_nics")
    def each_its_own(original: Any, self: Any, nic_spec: list[Parameters], *args: Any, **kwargs: Any) -> None:
        places = [(int(nic.get("NetworkCardIndex") or 0), int(nic.get("DeviceIndex") or 0)) for nic in nic_spec or []]
        numbers = {place: number for number, place in enumerate(sorted(places, key=lambda place: (place[1], place[0])))}
        for nic, place in zip(nic_spec or [], places, strict=True):
            nic["DeviceIndex"] = numbers[place] if len(numbers) > 1 else place[1]
        original(self, nic_spec, *args, **kwargs)
        for nic in nic_spec or []:
            interface = self.nics[nic["DeviceIndex"]]
            interface.network_card_index = int(nic.get("NetworkCardIndex") or 0)
            if nic.get("InterfaceType"):
                interface.interface_type = nic["InterfaceType"]
        self.security_groups = list(self.nics[0].group_set)

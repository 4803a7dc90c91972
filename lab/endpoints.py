# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Endpoints in a VPC: of AWS's services (gateway and interface), and of Instance Connect. Each holds its interfaces until it is gone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import EC2Backend
from moto.ec2.models.core import TaggedEC2Resource
from moto.ec2.responses import EC2Response
from moto.ec2.utils import EC2_PREFIX_TO_RESOURCE, EC2_RESOURCE_TO_PREFIX, generic_filter, random_id

from lab.attachments import manage, original_delete_interface
from lab.latency import SECONDS_TO_RELEASE
from lab.patching import replaces, state_of
from lab.transitions import after

SECONDS_TO_CREATE = 1.0


def install() -> None:
    EC2_RESOURCE_TO_PREFIX["instance-connect-endpoint"] = "eice"
    EC2_PREFIX_TO_RESOURCE["eice"] = "instance-connect-endpoint"
    _place_interface_endpoints_in_their_subnets()
    _let_service_endpoints_go_slowly()
    for action in (
        create_instance_connect_endpoint,
        describe_instance_connect_endpoints,
        delete_instance_connect_endpoint,
    ):
        setattr(EC2Response, action.__name__, action)


# Endpoints of services.


def _place_interface_endpoints_in_their_subnets() -> None:
    """moto gives them random addresses and no security groups, and takes subnets and groups of anybody."""

    @replaces(EC2Backend, "create_vpc_endpoint")
    def placed(
        original: Any, self: Any, vpc_id: str, service_name: str, endpoint_type: str | None, *args: Any, **kwargs: Any
    ) -> Any:
        kind = endpoint_type or "Gateway"
        if kind != "Interface":
            for table in kwargs.get("route_table_ids") or []:
                check_network(self.get_route_table(table), vpc_id)
            return original(self, vpc_id, service_name, kind, *args, **kwargs)
        subnets = [self.get_subnet(subnet) for subnet in kwargs.pop("subnet_ids", None) or []]
        groups = groups_for(self, vpc_id, kwargs.pop("security_group_ids", None) or [])
        check_interface_endpoint(self, vpc_id, service_name, subnets, bool(kwargs.get("private_dns_enabled")))
        made = original(self, vpc_id, service_name, kind, *args, **kwargs)
        made.subnet_ids, made.security_group_ids = [subnet.id for subnet in subnets], groups
        made.network_interface_ids = [
            interface_in(self, subnet, groups, "vpc_endpoint", f"VPC Endpoint Interface {made.id}")
            for subnet in subnets
        ]
        return made


def check_interface_endpoint(
    ec2: Any, vpc_id: str, service_name: str, subnets: Iterable[Any], private_dns_enabled: bool
) -> None:
    zones: set[str] = set()
    for subnet in subnets:
        check_network(subnet, vpc_id)
        if subnet.availability_zone in zones:
            raise EC2ClientError(
                "DuplicateSubnetsInSameZone", "Found another VPC endpoint subnet in the availability zone."
            )
        zones.add(subnet.availability_zone)
    if not private_dns_enabled:
        return
    vpc = ec2.get_vpc(vpc_id)
    if "false" in (str(vpc.enable_dns_support).lower(), str(vpc.enable_dns_hostnames).lower()):
        raise EC2ClientError(
            "InvalidParameter",
            "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true "
            f"for {vpc_id}",
        )
    if any(
        one.vpc_id == vpc_id and one.service_name == service_name and one.private_dns_enabled and is_interface(one)
        for one in ec2.vpc_end_points.values()
    ):
        raise EC2ClientError(
            "InvalidParameter",
            "private-dns-enabled cannot be set because there is already a conflicting DNS domain for "
            f"{service_name} in the VPC {vpc_id}",
        )


def is_interface(endpoint: Any) -> bool:
    return bool(endpoint.vpc_endpoint_type == "Interface" and endpoint.state in ("available", "pending"))


def check_network(part: Any, vpc_id: str) -> None:
    if part.vpc_id != vpc_id:
        raise EC2ClientError("InvalidParameter", f"{part.id} does not belong to the VPC {vpc_id}")


def groups_for(ec2: Any, vpc_id: str, wanted: list[str]) -> list[str]:
    """The groups asked for, which must be the network's; its default group when none is named."""
    for group_id in wanted:
        group = ec2.get_security_group_from_id(group_id)
        if group is None:
            raise EC2ClientError("InvalidGroup.NotFound", f"The security group '{group_id}' does not exist")
        check_network(group, vpc_id)
    return wanted or [group.id for group in ec2.groups[vpc_id].values() if group.name == "default"]


def interface_in(ec2: Any, subnet: Any, groups: list[str], kind: str, description: str) -> str:
    """An interface of a service's own, with an address of the subnet. Returns its id."""
    interface = ec2.create_network_interface(subnet, None, group_ids=groups)
    manage(interface, kind, description)
    return str(interface.id)


def release(ec2: Any, interfaces: Iterable[str]) -> None:
    for identity in interfaces:
        interface = ec2.enis.get(identity)
        if interface is not None:
            original_delete_interface(ec2, identity)
            interface.subnet.del_subnet_ip(interface.private_ip_address)


def _let_service_endpoints_go_slowly() -> None:
    """A deleted interface endpoint is `deleting` first and holds its interfaces; in moto all endpoints stay for ever as `deleted`."""

    @replaces(EC2Backend, "delete_vpc_endpoints")
    def going(original: Any, self: Any, vpce_ids: list[str] | None = None) -> None:
        for identity in vpce_ids or []:
            endpoint = self.vpc_end_points.get(identity)
            if endpoint is None:
                continue
            if endpoint.vpc_endpoint_type != "Interface":
                original(self, [identity])
                self.vpc_end_points.pop(identity, None)
            elif endpoint.state != "deleting":
                endpoint.state = "deleting"
                after(SECONDS_TO_RELEASE, lambda endpoint=endpoint: forget(self, endpoint))

    @replaces(EC2Response, "delete_vpc_endpoints")
    def saying_what_is_unknown(original: Any, self: Any) -> ActionResult:
        asked, known = self._get_param("VpcEndpointIds", []), set(self.ec2_backend.vpc_end_points)
        original(self)
        error = {"Code": "InvalidVpcEndpoint.NotFound", "Message": "The VPC endpoint does not exist"}
        return ActionResult(
            {"Unsuccessful": [{"ResourceId": one, "Error": error} for one in asked if one not in known]}
        )


def forget(ec2: Any, endpoint: Any) -> None:
    release(ec2, endpoint.network_interface_ids)
    ec2.vpc_end_points.pop(endpoint.id, None)


# Endpoints of Instance Connect.


class InstanceConnectEndpoint(TaggedEC2Resource):
    """A door to port 22 of a VPC's instances; its attributes are named like the answer's."""

    def __init__(
        self, ec2: Any, subnet: Any, groups: list[str], wanted: Mapping[str, Any], tags: dict[str, str]
    ) -> None:
        self.ec2_backend = ec2
        self.id = self.instance_connect_endpoint_id = random_id("eice")
        self.owner_id = ec2.account_id
        self.instance_connect_endpoint_arn = (
            f"arn:aws:ec2:{ec2.region_name}:{ec2.account_id}:instance-connect-endpoint/{self.id}"
        )
        self.state, self.state_message = "create-in-progress", ""
        self.subnet_id, self.vpc_id, self.availability_zone = subnet.id, subnet.vpc_id, subnet.availability_zone
        self.security_group_ids = groups
        self.preserve_client_ip = bool(wanted.get("PreserveClientIp", False))
        self.client_token = wanted.get("ClientToken")
        self.dns_name = f"{self.id}.ec2-instance-connect-endpoint.{ec2.region_name}.amazonaws.com"
        self.created_at = datetime.now(UTC)
        self.network_interface_ids = [
            interface_in(
                ec2, subnet, groups, "ec2_instance_connect_endpoint", f"EC2 Instance Connect Endpoint {self.id}"
            )
        ]
        self.add_tags(tags)

    @property
    def tags(self) -> list[dict[str, str]]:
        return self.get_tags()


def doors(ec2: Any) -> dict[str, InstanceConnectEndpoint]:
    """The Instance Connect endpoints of a region, by id."""
    found: dict[str, InstanceConnectEndpoint] = state_of(ec2, "instance_connect_endpoints", dict)
    return found


def create_instance_connect_endpoint(response: Any) -> ActionResult:
    ec2, wanted = response.ec2_backend, response.params
    token = wanted.get("ClientToken")
    known = next((door for door in doors(ec2).values() if token and door.client_token == token), None)
    if known is not None:
        return ActionResult({"InstanceConnectEndpoint": known, "ClientToken": token})
    subnet = ec2.get_subnet(wanted.get("SubnetId"))
    groups = groups_for(ec2, subnet.vpc_id, wanted.get("SecurityGroupIds") or [])
    response.error_on_dryrun()
    if any(door.vpc_id == subnet.vpc_id for door in doors(ec2).values()):
        raise EC2ClientError(
            "InstanceConnectEndpointLimitExceeded", f"The VPC {subnet.vpc_id} has an Instance Connect Endpoint already."
        )
    tags = response._parse_tag_specification().get("instance-connect-endpoint", {})
    made = InstanceConnectEndpoint(ec2, subnet, groups, wanted, tags)
    doors(ec2)[made.id] = made

    def complete() -> None:
        made.state = "create-complete" if made.state == "create-in-progress" else made.state

    after(SECONDS_TO_CREATE, complete)
    return ActionResult({"InstanceConnectEndpoint": made, "ClientToken": token})


def describe_instance_connect_endpoints(response: Any) -> ActionResult:
    found, identities = doors(response.ec2_backend), response._get_param("InstanceConnectEndpointIds", [])
    chosen = [known(found, identity) for identity in identities] or list(found.values())
    return ActionResult({"InstanceConnectEndpoints": generic_filter(response._filters_from_querystring(), chosen)})


def delete_instance_connect_endpoint(response: Any) -> ActionResult:
    ec2 = response.ec2_backend
    door = known(doors(ec2), response._get_param("InstanceConnectEndpointId"))
    response.error_on_dryrun()
    if door.state != "delete-in-progress":
        door.state = "delete-in-progress"

        def gone() -> None:
            release(ec2, door.network_interface_ids)
            doors(ec2).pop(door.id, None)

        after(SECONDS_TO_RELEASE, gone)
    return ActionResult({"InstanceConnectEndpoint": door})


def known(found: Mapping[str, InstanceConnectEndpoint], identity: str) -> InstanceConnectEndpoint:
    if identity not in found:
        raise EC2ClientError(
            "InvalidInstanceConnectEndpointId.NotFound", f"The Instance Connect Endpoint '{identity}' does not exist"
        )
    return found[identity]

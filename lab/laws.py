# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What AWS refuses and moto lets pass. Each law answers with the code and in the words of AWS; each has a test with the wrong order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from ipaddress import IPv4Network
from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import EC2Backend
from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS
from moto.efs.exceptions import BadRequest, EFSError
from moto.efs.models import EFSBackend

from lab.addresses import Taken, collision
from lab.launches import ENDING
from lab.patching import law_before

# Types that AWS has retired from its lists while some accounts still have them: known by name.
ACCEPTED_BY_NAME = ("dl1.24xlarge",)


def install(host_ranges: Callable[[], Iterable[Taken]]) -> None:
    """Bind every caller of this process. `host_ranges` tells which ranges no VPC may take on this machine."""
    _security_groups()
    _subnets_and_vpcs()
    _ranges(host_ranges)
    _routes()
    _gateways()
    _addresses()
    _interfaces()
    _instances()
    _mount_targets()


def refuse(code: str, message: str) -> None:
    raise EC2ClientError(code, message)


# Who uses what.


def interfaces(ec2: Any) -> list[Any]:
    return list(ec2.enis.values())


def interfaces_in(ec2: Any, vpc: str) -> list[Any]:
    return [eni for eni in interfaces(ec2) if eni.vpc_id == vpc]


def groups_of(ec2: Any, vpc: str | None = None) -> Iterator[Any]:
    for owner, groups in list(ec2.groups.items()):
        if vpc in (None, owner):
            yield from list(groups.values())


def refers_to(group: Any, other: str) -> bool:
    return any(rule.source_group.get("GroupId") == other for rule in (*group.ingress_rules, *group.egress_rules))


def attached_gateway(ec2: Any, vpc: str) -> Any | None:
    return next(
        (gateway for gateway in list(ec2.internet_gateways.values()) if gateway.vpc and gateway.vpc.id == vpc), None
    )


def nat_gateway_of(ec2: Any, interface: Any) -> Any | None:
    return next(
        (nat for nat in list(ec2.nat_gateways.values()) if interface is not None and nat._eni is interface), None
    )


# The laws.


def _security_groups() -> None:
    @law_before(EC2Backend, "delete_security_group")
    def unused(ec2: Any, name: str | None = None, group_id: str | None = None) -> None:
        group = ec2.get_security_group_by_name_or_id(group_id or name)
        if group is None:
            return
        if group.name == "default":
            refuse("CannotDelete", f'the specified group: "{group.id}" name: "default" cannot be deleted by a user')
        used = any(one.id == group.id for eni in interfaces(ec2) for one in eni.group_set)
        if used or any(refers_to(other, group.id) for other in groups_of(ec2) if other.id != group.id):
            refuse("DependencyViolation", f"resource {group.id} has a dependent object")


def _subnets_and_vpcs() -> None:
    @law_before(EC2Backend, "delete_subnet")
    def subnet_empty(ec2: Any, subnet_id: str) -> None:
        if any(eni.subnet_id == subnet_id for eni in interfaces(ec2)):
            refuse("DependencyViolation", f"The subnet '{subnet_id}' has dependencies and cannot be deleted.")

    @law_before(EC2Backend, "delete_vpc")
    def vpc_empty(ec2: Any, vpc_id: str) -> None:
        ec2.get_vpc(vpc_id)
        in_use = (
            interfaces_in(ec2, vpc_id)
            or any(group.name != "default" for group in groups_of(ec2, vpc_id))
            or attached_gateway(ec2, vpc_id)
            or any(
                endpoint.vpc_id == vpc_id and endpoint.state != "deleted"
                for endpoint in list(ec2.vpc_end_points.values())
            )
            or any(
                table.vpc_id == vpc_id and not table.main_association_id for table in list(ec2.route_tables.values())
            )
        )
        if in_use:
            refuse("DependencyViolation", f"The vpc '{vpc_id}' has dependencies and cannot be deleted.")


def _ranges(host_ranges: Callable[[], Iterable[Taken]]) -> None:
    @law_before(EC2Backend, "create_vpc")
    def range_free(ec2: Any, cidr_block: str, *_args: Any, **_kwargs: Any) -> None:
        """No law of AWS but of this machine: a VPC is a network here, and must not cut anything off."""
        try:
            wanted = IPv4Network(str(cidr_block), strict=False)
        except ValueError:
            return  # moto's answer is right
        others = [
            Taken(IPv4Network(vpc.cidr_block, strict=False), f"VPC {vpc.id} of this lab")
            for vpc in list(ec2.vpcs.values())
        ]
        hit = collision(wanted, [*others, *host_ranges()])
        if hit:
            refuse(
                "InvalidVpc.Range",
                f"The lab cannot use {cidr_block}: it overlaps {hit.range} ({hit.why}). Choose another range, for example 10.77.0.0/16.",
            )


def _routes() -> None:
    @law_before(EC2Backend, "delete_route_table")
    def table_not_main(ec2: Any, route_table_id: str) -> None:
        if ec2.get_route_table(route_table_id).main_association_id:
            refuse("DependencyViolation", f"The routeTable '{route_table_id}' has dependencies and cannot be deleted.")

    @law_before(EC2Backend, "create_route")
    def gateway_attached_here(
        ec2: Any, route_table_id: str, *_args: Any, gateway_id: str | None = None, **_kwargs: Any
    ) -> None:
        gateway = ec2.internet_gateways.get(gateway_id)
        if gateway and (gateway.vpc is None or gateway.vpc.id != ec2.get_route_table(route_table_id).vpc_id):
            refuse(
                "InvalidParameterValue",
                f"route table {route_table_id} and network gateway {gateway_id} belong to different networks",
            )


def _gateways() -> None:
    @law_before(EC2Backend, "attach_internet_gateway")
    def one_gateway(ec2: Any, internet_gateway_id: str, vpc_id: str) -> None:
        if attached_gateway(ec2, vpc_id):
            refuse("InvalidParameterValue", f"Network {vpc_id} already has an internet gateway attached")

    @law_before(EC2Backend, "detach_internet_gateway")
    def nothing_public(ec2: Any, internet_gateway_id: str, vpc_id: str) -> None:
        if any(eni.public_ip for eni in interfaces_in(ec2, vpc_id)):
            refuse(
                "DependencyViolation",
                f"Network {vpc_id} has some mapped public address(es). Please unmap those public address(es) before detaching the gateway.",
            )

    @law_before(EC2Backend, "create_nat_gateway")
    def address_free(ec2: Any, subnet_id: str, allocation_id: str | None = None, *_args: Any, **_kwargs: Any) -> None:
        if allocation_id and ec2.address_by_allocation([allocation_id])[0].association_id:
            refuse("Resource.AlreadyAssociated", f"Elastic IP address [{allocation_id}] is already associated")

    @law_before(EC2Backend, "delete_nat_gateway")
    def nat_exists(ec2: Any, nat_gateway_id: str) -> None:
        if nat_gateway_id not in ec2.nat_gateways:
            refuse("NatGatewayNotFound", f"NAT gateway {nat_gateway_id} was not found")


def _addresses() -> None:
    def addressed(ec2: Any, address: str | None, allocation_id: str | None) -> Any:
        return (ec2.address_by_ip([address]) if address else ec2.address_by_allocation([allocation_id]))[0]

    @law_before(EC2Backend, "release_address")
    def not_in_use(ec2: Any, address: str | None = None, allocation_id: str | None = None) -> None:
        held = addressed(ec2, address, allocation_id)
        if nat_gateway_of(ec2, held.eni):
            refuse("AuthFailure", "You do not have permission to access the specified resource.")
        if held.association_id:
            refuse("InvalidIPAddress.InUse", f"Address {held.public_ip} is in use.")

    @law_before(EC2Backend, "disassociate_address")
    def not_of_a_nat_gateway(ec2: Any, address: str | None = None, association_id: str | None = None) -> None:
        held = (ec2.address_by_ip([address]) if address else ec2.address_by_association([association_id]))[0]
        if nat_gateway_of(ec2, held.eni):
            refuse("OperationNotPermitted", "You are not allowed to manage 'ela-attach' attachments.")

    @law_before(EC2Backend, "associate_address")
    def network_has_a_gateway(ec2: Any, instance: Any = None, eni: Any = None, *_args: Any, **_kwargs: Any) -> None:
        vpc = eni.vpc_id if eni else instance.vpc_id if instance else None
        if vpc and attached_gateway(ec2, vpc) is None:
            refuse("Gateway.NotAttached", f"Network {vpc} is not attached to any internet gateway")


def _interfaces() -> None:
    @law_before(EC2Backend, "delete_network_interface")
    def interface_free(ec2: Any, eni_id: str) -> None:
        interface = ec2.get_network_interface(eni_id)
        if interface.requester_managed:
            refuse(
                "OperationNotPermitted",
                f"You do not have permission to access the specified resource {eni_id}: its service manages it.",
            )
        if interface.instance is not None:
            refuse("InvalidParameterValue", f"Network interface '{eni_id}' is currently in use.")


def _instances() -> None:
    @law_before(EC2Backend, "run_instances")
    def launchable(
        ec2: Any, image_id: str, count: int, user_data: Any, security_group_names: list[str], **wanted: Any
    ) -> None:
        template = ec2._get_template_from_args(wanted["launch_template"]).data if wanted.get("launch_template") else {}
        subnet = _subnet(ec2, wanted, template)
        _machine_image(ec2, image_id or template.get("ImageId"))
        _instance_type(
            ec2,
            wanted["instance_type"]
            if not wanted["is_instance_type_default"]
            else template.get("InstanceType", "m1.small"),
            subnet,
        )
        key_name = wanted.get("key_name") or template.get("KeyName")
        if key_name and key_name not in ec2.key_pairs:
            refuse("InvalidKeyPair.NotFound", f"The key pair '{key_name}' does not exist")
        named = [
            *(wanted.get("security_group_ids") or []),
            *(group for nic in wanted.get("nics") or [] for group in nic.get("Groups") or []),
        ]
        for group in named:
            _group_in(ec2, group, subnet)
        _private_address(subnet, wanted)

    for name in ("start_instances", "stop_instances", "reboot_instances"):

        @law_before(EC2Backend, name)
        def alive(ec2: Any, instance_ids: list[str]) -> None:
            for instance in ec2.get_multi_instances_by_id(instance_ids):
                if instance.state in ("pending", *ENDING):
                    refuse(
                        "IncorrectInstanceState",
                        f"The instance '{instance.id}' is not in a state from which it can be started, stopped or rebooted.",
                    )


def _subnet(ec2: Any, wanted: dict[str, Any], template: dict[str, Any]) -> Any:
    nics = wanted.get("nics") or template.get("NetworkInterfaces") or []
    named = wanted.get("subnet_id") or next((nic["SubnetId"] for nic in nics if nic.get("SubnetId")), None)
    existing = next((nic["NetworkInterfaceId"] for nic in nics if nic.get("NetworkInterfaceId")), None)
    if existing:
        return ec2.get_network_interface(existing).subnet
    if not named:
        refuse("VPCIdNotSpecified", "No default VPC for this user. Name a subnet.")
    return ec2.get_subnet(named)


def _machine_image(ec2: Any, image_id: str | None) -> None:
    if image_id not in ec2.amis:
        refuse("InvalidAMIID.NotFound", f"The image id '[{image_id}]' does not exist")


def _instance_type(ec2: Any, instance_type: str, subnet: Any) -> None:
    if instance_type in ACCEPTED_BY_NAME:
        return
    offered = INSTANCE_TYPE_OFFERINGS["availability-zone"].get(ec2.region_name, [])
    zones = {offer["Location"] for offer in offered if offer["InstanceType"] == instance_type}
    if not zones:
        refuse("InvalidParameterValue", f"Invalid value '{instance_type}' for InstanceType.")
    if subnet.availability_zone not in zones:
        refuse(
            "Unsupported",
            f"Your requested instance type ({instance_type}) is not supported in your requested Availability Zone ({subnet.availability_zone}). "
            f"Please retry your request by not specifying an Availability Zone or choosing {', '.join(sorted(zones))}.",
        )


def _group_in(ec2: Any, group_id: str, subnet: Any) -> None:
    group = ec2.get_security_group_from_id(group_id)
    if group is None:
        refuse("InvalidGroup.NotFound", f"The security group '{group_id}' does not exist")
    elif group.vpc_id != subnet.vpc_id:
        refuse("InvalidParameter", f"Security group {group_id} and subnet {subnet.id} belong to different networks.")


def _private_address(subnet: Any, wanted: dict[str, Any]) -> None:
    named = wanted.get("private_ip") or next(
        (nic["PrivateIpAddress"] for nic in wanted.get("nics") or [] if nic.get("PrivateIpAddress")), None
    )
    if not named:
        return
    if named in subnet._subnet_ips:
        refuse("InvalidIPAddress.InUse", f"Address {named} is in use.")
    reserved = [subnet.cidr[number] for number in range(4)] + [subnet.cidr.broadcast_address]
    if named in map(str, reserved) or not IPv4Network(named).subnet_of(subnet.cidr):
        refuse("InvalidParameterValue", f"Address {named} does not fall within the subnet's address range")


class NotAvailable(EFSError):
    code = 409

    def __init__(self, message: str) -> None:
        super().__init__("IncorrectFileSystemLifeCycleState", message)


def _mount_targets() -> None:
    @law_before(EFSBackend, "create_mount_target")
    def groups_of_the_network(
        efs: Any,
        file_system_id: str,
        subnet_id: str,
        ip_address: str | None = None,
        security_groups: list[str] | None = None,
    ) -> None:
        file_system = efs.file_systems_by_id.get(file_system_id)
        if file_system and file_system.life_cycle_state != "available":
            raise NotAvailable(f"File system {file_system_id} is {file_system.life_cycle_state}.")
        subnet = efs.ec2_backend.get_subnet(subnet_id)
        for group_id in security_groups or []:
            group = efs.ec2_backend.get_security_group_from_id(group_id)
            if group and group.vpc_id != subnet.vpc_id:
                raise BadRequest(f"Security group {group_id} does not belong to the network of subnet {subnet_id}.")

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is attached to what, and for how long: NAT gateways, interfaces, addresses, mount targets.

In moto all of it is gone at once, or never. AWS holds an interface for a while, so whoever destroys has to wait.
"""

from __future__ import annotations

from typing import Any

from moto.ec2.models import EC2Backend, nat_gateways
from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ec2.models.instances import Instance
from moto.efs.exceptions import MountTargetNotFound
from moto.efs.models import EFSBackend

from lab.latency import NOW
from lab.patching import replaces
from lab.transitions import after, linger

# moto's own methods, before laws and shims are laid over them.
original_disassociate = EC2Backend.disassociate_address
original_delete_interface = EC2Backend.delete_network_interface


def install() -> None:
    _put_nat_gateways_inside_their_subnet()
    _let_nat_gateways_come_and_go_slowly()
    _let_interfaces_go_slowly()
    _let_mount_targets_come_and_go_slowly()
    _let_file_systems_come_and_go_slowly()
    _delete_interfaces_with_their_instance()
    _forget_associations_of_deleted_subnets()


def _put_nat_gateways_inside_their_subnet() -> None:
    """moto gives a NAT gateway a random 10.x address outside its subnet, and makes one in a network without a way out."""

    @replaces(nat_gateways.NatGateway, "__init__")
    def inside(original: Any, self: Any, backend: Any, subnet_id: str, *args: Any, **kwargs: Any) -> None:
        module: Any = nat_gateways
        module.random_private_ip = lambda: backend.get_subnet(subnet_id).get_available_subnet_ip(self)
        original(self, backend, subnet_id, *args, **kwargs)
        self._eni._group_set = []  # a NAT gateway has no security group
        manage(self._eni, "nat_gateway", f"Interface for NAT Gateway {self.id}")

    @replaces(EC2Backend, "create_nat_gateway")
    def failing_without_internet(original: Any, self: Any, subnet_id: str, *args: Any, **kwargs: Any) -> Any:
        nat = original(self, subnet_id, *args, **kwargs)
        if nat.connectivity_type != "private" and not any(
            gateway.vpc and gateway.vpc.id == nat.vpc_id for gateway in self.internet_gateways.values()
        ):
            nat.state = "failed"
            nat.failure_code = "Gateway.NotAttached"
            nat.failure_message = f"Network {nat.vpc_id} has no Internet gateway attached"
            release_nat_gateway(self, nat)
        return nat


def _let_nat_gateways_come_and_go_slowly() -> None:
    """A deleted NAT gateway is `deleting` first and holds interface and address; moto keeps both for ever."""

    @replaces(EC2Backend, "create_nat_gateway")
    def nat_pending(original: Any, self: Any, *args: Any, **kwargs: Any) -> Any:
        nat = original(self, *args, **kwargs)
        if nat.state == "available":
            linger(nat, "state", "pending", NOW.waits.nat_gateway_pending)
        return nat

    @replaces(EC2Backend, "delete_nat_gateway")
    def nat_deleting(original: Any, self: Any, nat_gateway_id: str) -> Any:
        nat = self.nat_gateways[nat_gateway_id]
        if nat.state in ("deleting", "deleted"):
            return nat
        failed = nat.state == "failed"
        nat.state = "deleting"

        def deleted() -> None:
            nat.state = "deleted"
            if not failed:
                release_nat_gateway(self, nat)

        after(NOW.waits.nat_gateway_deleting, deleted)
        return nat


def _let_interfaces_go_slowly() -> None:
    """The interface of a terminated instance is in use for a moment longer."""

    @replaces(NetworkInterface, "delete")
    def interface_later(original: Any, self: Any) -> None:
        def gone() -> None:
            if self.id in self.ec2_backend.enis:
                original_delete_interface(self.ec2_backend, self.id)
            for address in self.private_ip_addresses:
                self.subnet.del_subnet_ip(address["PrivateIpAddress"])

        after(NOW.waits.interface_releasing, gone)


def _let_mount_targets_come_and_go_slowly() -> None:
    """A deleted mount target is `deleting` first; its interface belongs to EFS, so nobody else may delete it."""

    @replaces(EFSBackend, "create_mount_target")
    def managed(original: Any, self: Any, *args: Any, **kwargs: Any) -> Any:
        target = original(self, *args, **kwargs)
        interface = self.ec2_backend.get_network_interface(target.network_interface_id)
        manage(interface, "efs", f"EFS mount target for {target.file_system_id} ({target.mount_target_id})")
        linger(target, "life_cycle_state", "creating", NOW.waits.mount_target_creating)
        return target

    @replaces(EFSBackend, "delete_mount_target")
    def target_later(original: Any, self: Any, mount_target_id: str) -> None:
        target = self.mount_targets_by_id.get(mount_target_id)
        if target is None:
            raise MountTargetNotFound(mount_target_id)
        if target.life_cycle_state != "deleting":
            target.life_cycle_state = "deleting"
            after(NOW.waits.mount_target_deleting, lambda: original(self, mount_target_id))


def _let_file_systems_come_and_go_slowly() -> None:
    """A file system is `creating` first, and `deleting` before it is gone."""

    @replaces(EFSBackend, "create_file_system")
    def file_system_creating(original: Any, self: Any, *args: Any, **kwargs: Any) -> Any:
        file_system = original(self, *args, **kwargs)
        linger(file_system, "life_cycle_state", "creating", NOW.waits.file_system_creating)
        return file_system

    @replaces(EFSBackend, "delete_file_system")
    def file_system_later(original: Any, self: Any, file_system_id: str) -> None:
        file_system = self.file_systems_by_id.get(file_system_id)
        seconds = NOW.waits.file_system_deleting
        if file_system is None or file_system.number_of_mount_targets or not seconds:
            original(self, file_system_id)
        elif file_system.life_cycle_state != "deleting":
            file_system.life_cycle_state = "deleting"
            after(seconds, lambda: original(self, file_system_id))


def manage(interface: Any, kind: str, description: str) -> None:
    """Mark an interface as one that a service made and alone may delete."""
    interface.status, interface.interface_type, interface.description = "in-use", kind, description
    interface.requester_managed = True


def release_nat_gateway(ec2: Any, nat: Any) -> None:
    """The gateway's interface goes and its elastic address is free again."""
    for address in [address for address in ec2.addresses if address.eni is nat._eni]:
        original_disassociate(ec2, association_id=address.association_id)
    original_delete_interface(ec2, nat._eni.id)
    nat._eni.subnet.del_subnet_ip(nat._eni.private_ip_address)


def _delete_interfaces_with_their_instance() -> None:
    """An interface made by a launch goes with its instance unless told otherwise; moto keeps it unless told otherwise. An elastic address is freed."""

    @replaces(Instance, "prep_nics")
    def going_along(original: Any, self: Any, nic_spec: list[dict[str, Any]], *args: Any, **kwargs: Any) -> None:
        specification = nic_spec or [{"DeviceIndex": 0}]
        for nic in specification:
            if not nic.get("NetworkInterfaceId"):
                nic.setdefault("DeleteOnTermination", True)
        original(self, specification, *args, **kwargs)

    @replaces(Instance, "terminate")
    def freeing_addresses(original: Any, self: Any) -> Any:
        for address in [
            address
            for address in self.ec2_backend.addresses
            if address.instance is self or address.eni in self.nics.values()
        ]:
            original_disassociate(self.ec2_backend, association_id=address.association_id)
        for nic in [nic for nic in self.nics.values() if not nic.delete_on_termination]:
            after(NOW.waits.interface_releasing, lambda nic=nic: detach(nic))
        return original(self)


def detach(interface: Any) -> None:
    """Free an interface of its instance, which keeps it in its own records as AWS shows it for a while."""
    interface.instance, interface.attachment_id, interface.attach_time, interface.status = None, None, None, "available"


def _forget_associations_of_deleted_subnets() -> None:
    """AWS dissolves a deleted subnet's association with its route table; in moto the table can then never be deleted."""

    @replaces(EC2Backend, "delete_subnet")
    def dissolving(original: Any, self: Any, subnet_id: str) -> Any:
        for table in self.route_tables.values():
            table._associations = {
                identity: target for identity, target in table._associations.items() if target != subnet_id
            }
        return original(self, subnet_id)

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What moto gets wrong or lacks, mended in place. Each shim says what it mends; each has a test."""

from __future__ import annotations

import copy
import json
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import EC2Backend, elastic_ip_addresses, elastic_network_interfaces, nat_gateways
from moto.ec2.models.amis import Ami, AmiBackend
from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ec2.models.instances import Instance
from moto.ec2.responses.tags import TagResponse
from moto.ec2.utils import EC2_PREFIX_TO_RESOURCE, get_prefix
from moto.efs import urls as efs_urls
from moto.efs.exceptions import FileSystemNotFound, MountTargetNotFound
from moto.efs.models import EFSBackend
from moto.efs.responses import EFSResponse
from moto.ssm.models import SimpleSystemManagerBackend

from lab.addresses import AddressPool
from lab.machine_images import CREATED, DEBIAN_OWNER, MACHINE_IMAGES
from lab.patching import regional_backends, replaces
from lab.transitions import SECONDS_TO_RELEASE, after

NO_TOKEN = "ABCDE"  # what moto notes for a call without client token


def install(pool: AddressPool) -> None:
    """Patch moto for this process. Must run before the first backend is made."""
    _start_with_an_empty_account()
    _offer_only_our_machine_images()
    _publish_machine_images_in_ssm()
    _give_public_addresses_from(pool)
    _put_nat_gateways_inside_their_subnet()
    _let_deletions_take_their_time()
    _delete_interfaces_with_their_instance()
    _change_groups_of_a_running_instance()
    _forget_associations_of_deleted_subnets()
    _give_every_instance_its_profile()
    _launch_once_per_client_token()
    _count_reboots()
    _terminate_again_in_peace()
    _name_tagged_resources_as_aws_does()
    _forget_tags_of_what_is_gone()
    _answer_legacy_file_system_tags()


def _start_with_an_empty_account() -> None:
    """moto puts a default VPC with subnets, gateway, groups and ACLs into every region."""

    @replaces(EC2Backend, "__init__")
    def without_default_vpc(original: Any, self: Any, *args: Any, **kwargs: Any) -> None:
        self.create_default_vpc = lambda: None  # hides the method only while moto fills the new region
        original(self, *args, **kwargs)
        del self.create_default_vpc


def _offer_only_our_machine_images() -> None:
    """moto lists more than a thousand AMIs of Amazon's, none of which the lab can boot."""

    def load(self: Any) -> None:
        for image in MACHINE_IMAGES:
            self.amis[image.ami] = Ami(
                self,
                image.ami,
                name=image.name,
                description=image.description,
                owner_id=DEBIAN_OWNER,
                owner_alias="amazon",
                public=True,
                virtualization_type="hvm",
                architecture="x86_64",
                creation_date=CREATED,
                hypervisor="xen",
                image_location=f"amazon/{image.name}",
                root_device_type="ebs",
                root_device_name="/dev/xvda",
                region_name=f"{self.region_name}a",
            )

    AmiBackend._load_amis = load  # type: ignore[method-assign]


def _publish_machine_images_in_ssm() -> None:
    """AWS publishes the newest image of a family as an SSM parameter; so does the lab."""

    @replaces(SimpleSystemManagerBackend, "__init__")
    def with_images(original: Any, self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        for image in MACHINE_IMAGES:
            self.put_parameter(image.parameter, image.description, image.ami, "String", "", None, False, [], "text", "Standard", None)


def _give_public_addresses_from(pool: AddressPool) -> None:
    """moto invents public addresses that belong to strangers."""

    def take() -> str:
        address = pool.take(used_public_addresses())
        if address is None:
            raise EC2ClientError("AddressLimitExceeded", f"The lab's public range {pool.network} is used up. Release addresses or terminate instances.")
        return str(address)

    elastic_network_interfaces.random_public_ip = take
    elastic_ip_addresses.random_ip = take


def used_public_addresses() -> set[str]:
    """Every public address the account holds now."""
    backends = regional_backends("ec2")
    interfaces = {str(eni.public_ip) for backend in backends for eni in list(backend.enis.values()) if eni.public_ip}
    return interfaces | {str(address.public_ip) for backend in backends for address in list(backend.addresses)}


def _put_nat_gateways_inside_their_subnet() -> None:
    """moto gives a NAT gateway a random 10.x address outside its subnet, and makes one in a network without a way out."""

    @replaces(nat_gateways.NatGateway, "__init__")
    def inside(original: Any, self: Any, backend: Any, subnet_id: str, *args: Any, **kwargs: Any) -> None:
        nat_gateways.random_private_ip = lambda: backend.get_subnet(subnet_id).get_available_subnet_ip(self)
        original(self, backend, subnet_id, *args, **kwargs)
        self._eni._group_set = []  # a NAT gateway has no security group
        manage(self._eni, "nat_gateway", f"Interface for NAT Gateway {self.id}")

    @replaces(EC2Backend, "create_nat_gateway")
    def failing_without_internet(original: Any, self: Any, subnet_id: str, *args: Any, **kwargs: Any) -> Any:
        nat = original(self, subnet_id, *args, **kwargs)
        if nat.connectivity_type != "private" and not any(gateway.vpc and gateway.vpc.id == nat.vpc_id for gateway in self.internet_gateways.values()):
            nat.state = "failed"
            nat.failure_code = "Gateway.NotAttached"
            nat.failure_message = f"Network {nat.vpc_id} has no Internet gateway attached"
            release_nat_gateway(self, nat)
        return nat


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


# moto's own methods, before laws and shims were laid over them.
original_disassociate = EC2Backend.disassociate_address
original_delete_interface = EC2Backend.delete_network_interface


def _let_deletions_take_their_time() -> None:
    """In moto all is gone at once, or never; AWS holds interfaces for a while, so whoever destroys has to wait."""

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

        after(SECONDS_TO_RELEASE, deleted)
        return nat

    @replaces(NetworkInterface, "delete")
    def interface_later(original: Any, self: Any) -> None:
        def gone() -> None:
            if self.id in self.ec2_backend.enis:
                original_delete_interface(self.ec2_backend, self.id)
            for address in self.private_ip_addresses:
                self.subnet.del_subnet_ip(address["PrivateIpAddress"])

        after(SECONDS_TO_RELEASE, gone)

    @replaces(EFSBackend, "create_mount_target")
    def managed(original: Any, self: Any, *args: Any, **kwargs: Any) -> Any:
        target = original(self, *args, **kwargs)
        interface = self.ec2_backend.get_network_interface(target.network_interface_id)
        manage(interface, "efs", f"EFS mount target for {target.file_system_id} ({target.mount_target_id})")
        return target

    @replaces(EFSBackend, "delete_mount_target")
    def target_later(original: Any, self: Any, mount_target_id: str) -> None:
        target = self.mount_targets_by_id.get(mount_target_id)
        if target is None:
            raise MountTargetNotFound(mount_target_id)
        if target.life_cycle_state != "deleting":
            target.life_cycle_state = "deleting"
            after(SECONDS_TO_RELEASE, lambda: original(self, mount_target_id))


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
        for address in [address for address in self.ec2_backend.addresses if address.instance is self or address.eni in self.nics.values()]:
            original_disassociate(self.ec2_backend, association_id=address.association_id)
        for nic in [nic for nic in self.nics.values() if not nic.delete_on_termination]:
            after(SECONDS_TO_RELEASE, lambda nic=nic: detach(nic))
        return original(self)


def detach(interface: Any) -> None:
    """Free an interface of its instance, which keeps it in its own records as AWS shows it for a while."""
    interface.instance, interface.attachment_id, interface.attach_time, interface.status = None, None, None, "available"


def _change_groups_of_a_running_instance() -> None:
    """In moto an instance's new security groups are added to those of its interface; in AWS they replace them."""

    @replaces(EC2Backend, "modify_instance_security_groups")
    def replacing(original: Any, self: Any, instance_id: str, new_group_id_list: list[str]) -> Any:
        instance = original(self, instance_id, new_group_id_list)
        instance.nics[0]._group_set = list(instance.security_groups)
        return instance

    @replaces(EC2Backend, "modify_network_interface_attribute")
    def replacing_too(original: Any, self: Any, eni_id: str, group_ids: list[str], *args: Any, **kwargs: Any) -> None:
        original(self, eni_id, group_ids, *args, **kwargs)
        interface = self.get_network_interface(eni_id)
        if group_ids and interface.instance is not None and interface.device_index == 0:
            interface.instance.security_groups = list(interface._group_set)


def _forget_associations_of_deleted_subnets() -> None:
    """AWS dissolves a deleted subnet's association with its route table; in moto the table can then never be deleted."""

    @replaces(EC2Backend, "delete_subnet")
    def dissolving(original: Any, self: Any, subnet_id: str) -> Any:
        for table in self.route_tables.values():
            table._associations = {identity: target for identity, target in table._associations.items() if target != subnet_id}
        return original(self, subnet_id)


def _give_every_instance_its_profile() -> None:
    """moto gives the instance profile to the first instance of a RunInstances call only."""

    @replaces(EC2Backend, "run_instances")
    def with_profiles(original: Any, self: Any, *args: Any, **kwargs: Any) -> Any:
        reservation = original(self, *args, **kwargs)
        name, arn = kwargs.get("iam_instance_profile_name"), kwargs.get("iam_instance_profile_arn")
        for instance in reservation.instances[1:] if name or arn else ():
            self.associate_iam_instance_profile(instance.id, name, arn)
        return reservation


def _launch_once_per_client_token() -> None:
    """The same client token means the same launch; moto launches again."""
    launched: dict[tuple[str, str], Any] = {}

    @replaces(EC2Backend, "run_instances")
    def once(original: Any, self: Any, *args: Any, **kwargs: Any) -> Any:
        key = (self.region_name, kwargs.get("client_token", NO_TOKEN))
        if key[1] == NO_TOKEN:
            return original(self, *args, **kwargs)
        if key not in launched:
            launched[key] = original(self, *args, **kwargs)
        return launched[key]


def _count_reboots() -> None:
    """A reboot leaves no trace in moto; the lab has to see it to restart the box."""

    @replaces(Instance, "reboot")
    def counted(original: Any, self: Any) -> None:
        original(self)
        self.lab_boots = getattr(self, "lab_boots", 0) + 1


def _terminate_again_in_peace() -> None:
    """AWS accepts a second TerminateInstances; moto looks for the interfaces it deleted the first time."""

    @replaces(Instance, "terminate")
    def once(original: Any, self: Any) -> Any:
        return copy.copy(self._state) if self.state == "terminated" else original(self)


def _name_tagged_resources_as_aws_does() -> None:
    """DescribeTags of moto says nat-gateway where AWS says natgateway, so a filter by type finds nothing."""
    EC2_PREFIX_TO_RESOURCE.update(
        {
            "nat": "natgateway",
            "eipalloc": "elastic-ip",
            "fl": "vpc-flow-log",
            "h": "dedicated-host",
            "pl": "prefix-list",
            "sir": "spot-instances-request",
            "uuid4": "reserved-instances",
        }
    )


def _forget_tags_of_what_is_gone() -> None:
    """moto keeps the tags of deleted resources for ever, and deleted VPC endpoints too; a search by tag would find ghosts."""

    @replaces(TagResponse, "describe_tags")  # not the backend's: moto asks that one for the tags of things it is still making
    def of_the_living(original: Any, self: Any) -> Any:
        existing = identities(self.ec2_backend)
        for identity in list(self.ec2_backend.tags):
            if get_prefix(identity) in existing and identity not in existing[get_prefix(identity)]:
                del self.ec2_backend.tags[identity]
        return original(self)

    @replaces(EC2Backend, "delete_vpc_endpoints")
    def gone(original: Any, self: Any, vpce_ids: list[str] | None = None) -> None:
        original(self, vpce_ids)
        for identity in vpce_ids or []:
            self.vpc_end_points.pop(identity, None)


def identities(ec2: Any) -> dict[str, set[str]]:
    """What exists, by the prefix of its id. NAT gateways and instances linger after deletion, in AWS too."""
    rules = {rule.id for groups in ec2.groups.values() for group in groups.values() for rule in (*group.ingress_rules, *group.egress_rules)}
    return {
        "acl": set(ec2.network_acls),
        "eipalloc": {address.allocation_id for address in ec2.addresses},
        "eni": set(ec2.enis),
        "fl": set(ec2.flow_logs),
        "igw": set(ec2.internet_gateways),
        "key": {key_pair.id for key_pair in ec2.key_pairs.values()},
        "lt": set(ec2.launch_templates),
        "rtb": set(ec2.route_tables),
        "sg": {identity for groups in ec2.groups.values() for identity in groups},
        "sgr": rules,
        "snap": set(ec2.snapshots),
        "subnet": {identity for zone in ec2.subnets.values() for identity in zone},
        "vol": set(ec2.volumes),
        "vpc": set(ec2.vpcs),
        "vpce": set(ec2.vpc_end_points),
    }


def _answer_legacy_file_system_tags() -> None:
    """The module community.aws.efs still uses three calls of EFS that moto never had."""

    def checked(self: Any) -> str:
        identity = str(self._get_param("FileSystemId"))
        if identity not in self.efs_backend.file_systems_by_id:
            raise FileSystemNotFound(identity)
        return identity

    def describe_tags(self: Any) -> ActionResult:
        return ActionResult({"Tags": self.efs_backend.list_tags_for_resource(checked(self))})

    def create_tags(self: Any) -> ActionResult:
        self.efs_backend.tag_resource(checked(self), {tag["Key"]: tag["Value"] for tag in json.loads(self.body)["Tags"]})
        return EmptyResult()

    def delete_tags(self: Any) -> ActionResult:
        self.efs_backend.untag_resource(checked(self), json.loads(self.body)["TagKeys"])
        return EmptyResult()

    for function in (describe_tags, create_tags, delete_tags):
        setattr(EFSResponse, function.__name__, function)
    for path in ("tags", "create-tags", "delete-tags"):
        efs_urls.url_paths[f"/2015-02-01/{path}/<file_system_id>"] = efs_urls.response.dispatch

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What moto gets wrong or lacks, mended in place. Each shim says what it mends; each has a test."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from moto.backends import get_backend
from moto.core.responses import ActionResult, EmptyResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import EC2Backend, elastic_ip_addresses, elastic_network_interfaces, nat_gateways
from moto.ec2.models.amis import Ami, AmiBackend
from moto.ec2.models.instances import Instance
from moto.efs import urls as efs_urls
from moto.efs.exceptions import FileSystemNotFound
from moto.efs.responses import EFSResponse
from moto.ssm.models import SimpleSystemManagerBackend

from lab.addresses import AddressPool
from lab.machine_images import CREATED, DEBIAN_OWNER, MACHINE_IMAGES


def install(pool: AddressPool) -> None:
    """Patch moto for this process. Must run before the first backend is made."""
    _start_with_an_empty_account()
    _offer_only_our_machine_images()
    _publish_machine_images_in_ssm()
    _give_public_addresses_from(pool)
    _put_nat_gateways_inside_their_subnet()
    _give_every_instance_its_profile()
    _count_reboots()
    _terminate_again_in_peace()
    _answer_legacy_file_system_tags()


def regional_backends(service: str) -> list[Any]:
    """All backends of a service that moto has made so far, over accounts and regions."""
    return [backend for regions in list(get_backend(service).values()) for backend in list(regions.values())]  # type: ignore[call-overload]


def replaces(owner: Any, name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a function that takes the original method first; it becomes the method."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        original = getattr(owner, name)

        @wraps(original)
        def method(self: Any, *args: Any, **kwargs: Any) -> Any:
            return function(original, self, *args, **kwargs)

        setattr(owner, name, method)
        return function

    return decorate


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
    """moto gives a NAT gateway a random 10.x address outside its subnet, and DeleteNatGateway leaves its interface and address behind for ever."""

    @replaces(nat_gateways.NatGateway, "__init__")
    def inside(original: Any, self: Any, backend: Any, subnet_id: str, *args: Any, **kwargs: Any) -> None:
        nat_gateways.random_private_ip = lambda: backend.get_subnet(subnet_id).get_available_subnet_ip(self)
        original(self, backend, subnet_id, *args, **kwargs)
        self._eni._group_set = []  # a NAT gateway has no security group
        self._eni.status = "in-use"
        self._eni.interface_type = "nat_gateway"
        self._eni.description = f"Interface for NAT Gateway {self.id}"


def _give_every_instance_its_profile() -> None:
    """moto gives the instance profile to the first instance of a RunInstances call only."""

    @replaces(EC2Backend, "run_instances")
    def with_profiles(original: Any, self: Any, *args: Any, **kwargs: Any) -> Any:
        reservation = original(self, *args, **kwargs)
        name, arn = kwargs.get("iam_instance_profile_name"), kwargs.get("iam_instance_profile_arn")
        for instance in reservation.instances[1:] if name or arn else ():
            self.associate_iam_instance_profile(instance.id, name, arn)
        return reservation


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

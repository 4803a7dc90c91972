# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What moto gets wrong or lacks, mended in place. Each shim says what it mends; each has a test."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from moto.cloudwatch.models import CloudWatchBackend
from moto.core.resource_tagging import TaggedResource
from moto.core.responses import ActionResult, EmptyResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import EC2Backend, elastic_ip_addresses, elastic_network_interfaces
from moto.ec2.models.amis import Ami, AmiBackend
from moto.ec2.responses.tags import TagResponse
from moto.ec2.utils import EC2_PREFIX_TO_RESOURCE, get_prefix, tag_filter_matches
from moto.efs import urls as efs_urls
from moto.efs.exceptions import FileSystemNotFound
from moto.efs.responses import EFSResponse
from moto.ssm.models import Parameter, SimpleSystemManagerBackend

from lab import (
    attachments,
    capacity,
    endpoints,
    flow_logs,
    launch_requests,
    launches,
    lustre,
    placement_groups,
    spot,
    storage,
    tunnels,
)
from lab.addresses import AddressPool
from lab.machine_images import CREATED, DEBIAN_OWNER, MACHINE_IMAGES, MachineImage, parameters_of
from lab.patching import regional_backends, replaces


def install(pool: AddressPool) -> None:
    """Patch moto for this process. Must run before the first backend is made."""
    _start_with_an_empty_account()
    _offer_only_our_machine_images()
    _publish_machine_images_in_ssm()
    _give_public_addresses_from(pool)
    attachments.install()
    launches.install()
    for part in (capacity, placement_groups, spot, launch_requests, endpoints, flow_logs, tunnels, lustre):
        part.install()
    _name_tagged_resources_as_aws_does()
    _forget_tags_of_what_is_gone()
    _filter_nat_gateways_by_tag()
    _answer_legacy_file_system_tags()
    _list_each_metric_once()
    storage.install()


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
        self._parameters.latest_amis_loaded = True  # moto's own list names images that the lab cannot boot
        for image in MACHINE_IMAGES:
            for name in parameters_of(image):
                self._parameters[name] = [_parameter(self, name, image)]


def _parameter(backend: SimpleSystemManagerBackend, name: str, image: MachineImage) -> Any:
    parameter: Any = Parameter  # mypy takes what it inherits for missing
    return parameter(
        account_id=backend.account_id,
        name=name,
        value=image.ami,
        parameter_type="String",
        description=image.description,
        allowed_pattern=None,
        keyid=None,
        last_modified_date=CREATED,
        version=1,
        data_type="text",
    )


def _give_public_addresses_from(pool: AddressPool) -> None:
    """moto invents public addresses that belong to strangers."""

    def take() -> str:
        address = pool.take(used_public_addresses())
        if address is None:
            raise EC2ClientError(
                "AddressLimitExceeded",
                f"The lab's public range {pool.network} is used up. Release addresses or terminate instances.",
            )
        return str(address)

    for module, name in ((elastic_network_interfaces, "random_public_ip"), (elastic_ip_addresses, "random_ip")):
        setattr(module, name, take)


def used_public_addresses() -> set[str]:
    """Every public address the account holds now."""
    backends = regional_backends("ec2")
    interfaces = {str(eni.public_ip) for backend in backends for eni in list(backend.enis.values()) if eni.public_ip}
    return interfaces | {str(address.public_ip) for backend in backends for address in list(backend.addresses)}


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
    renamed = {"spot-instance-request": "spot-instances-request", "flow-logs": "vpc-flow-log"}

    @replaces(EC2Backend, "iter_tagged_resources")
    def called_as_in_their_arns(original: Any, self: Any) -> Iterator[TaggedResource]:
        for each in original(self):
            moto_name = each.resource_type.removeprefix("ec2:")
            name = renamed.get(moto_name, moto_name)
            yield replace(each, arn=each.arn.replace(f":{moto_name}/", f":{name}/"), resource_type=f"ec2:{name}")


def _forget_tags_of_what_is_gone() -> None:
    """moto keeps the tags of deleted resources for ever; a search by tag would find ghosts."""

    @replaces(
        TagResponse, "describe_tags"
    )  # not the backend's: moto asks that one for the tags of things it is still making
    def of_the_living(original: Any, self: Any) -> Any:
        existing = identities(self.ec2_backend)
        for identity in list(self.ec2_backend.tags):
            if get_prefix(identity) in existing and identity not in existing[get_prefix(identity)]:
                del self.ec2_backend.tags[identity]
        return original(self)


def _filter_nat_gateways_by_tag() -> None:
    """DescribeNatGateways of moto passes over filters by tag, so that a search for one stack finds another's."""

    @replaces(EC2Backend, "describe_nat_gateways")
    def filtered(original: Any, self: Any, filters: Any, nat_gateway_ids: list[str] | None) -> list[Any]:
        by_tag = {name: values for name, values in (filters or {}).items() if name.startswith("tag")}
        return [
            gateway
            for gateway in original(self, filters, nat_gateway_ids)
            if all(tag_filter_matches(gateway, name, values) for name, values in by_tag.items())
        ]


def identities(ec2: Any) -> dict[str, set[str]]:
    """What exists, by the prefix of its id. NAT gateways and instances linger after deletion, in AWS too."""
    rules = {
        rule.id
        for groups in ec2.groups.values()
        for group in groups.values()
        for rule in (*group.ingress_rules, *group.egress_rules)
    }
    return {
        "acl": set(ec2.network_acls),
        "eice": set(endpoints.doors(ec2)),
        "eipalloc": {address.allocation_id for address in ec2.addresses},
        "eni": set(ec2.enis),
        "fl": set(ec2.flow_logs),
        "igw": set(ec2.internet_gateways),
        "key": {key_pair.id for key_pair in ec2.key_pairs.values()},
        "lt": set(ec2.launch_templates),
        "pg": {group.id for group in placement_groups.groups(ec2).values()},
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
        self.efs_backend.tag_resource(
            checked(self), {tag["Key"]: tag["Value"] for tag in json.loads(self.body)["Tags"]}
        )
        return EmptyResult()

    def delete_tags(self: Any) -> ActionResult:
        self.efs_backend.untag_resource(checked(self), json.loads(self.body)["TagKeys"])
        return EmptyResult()

    for function in (describe_tags, create_tags, delete_tags):
        setattr(EFSResponse, function.__name__, function)
    for path in ("tags", "create-tags", "delete-tags"):
        efs_urls.url_paths[f"/2015-02-01/{path}/<file_system_id>"] = efs_urls.response.dispatch


def _list_each_metric_once() -> None:
    """ListMetrics of moto names a metric as often as it was told, and takes longer with the square of it."""

    @replaces(CloudWatchBackend, "get_filtered_metrics")
    def each_once(original: Any, self: Any, metric_name: str, namespace: str, dimensions: Any) -> list[Any]:
        found: dict[Any, Any] = {}
        for datum in self.get_all_metrics():
            named = (datum.namespace, datum.name, frozenset((each.name, each.value) for each in datum.dimensions))
            if named not in found and datum.filter(namespace=namespace, name=metric_name, dimensions=dimensions):
                found[named] = datum
        return list(found.values())

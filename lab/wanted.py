# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the emulated account wants to exist on this machine, read from moto in one pass."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from lab.machine_images import by_ami
from lab.patching import regional_backends
from lab.routes import nat_instance_of
from lab.security_groups import box_rules, server_rules

RUNNING, STOPPED = "running", "stopped"


@dataclass(frozen=True)
class Network:
    """A VPC that has something in it."""

    vpc: str
    cidr: str


@dataclass(frozen=True)
class Box:
    """An instance that is running or stopped."""

    instance: str
    region: str
    network: Network
    private_ip: str
    public_ip: str | None
    host_name: str
    has_docker: bool
    state: str
    authorized_key: str
    user_data: bytes
    hop_limit: int
    boots: int  # grows with each RebootInstances
    router: str | None  # the private address of the instance that does NAT for it
    rules: str  # what may come in and go out, as text for nft


@dataclass(frozen=True)
class FileServer:
    """An EFS mount target."""

    mount_target: str
    file_system: str
    region: str
    network: Network
    ip: str
    rules: str

    @property
    def dns_name(self) -> str:
        return f"{self.file_system}.efs.{self.region}.amazonaws.com"


@dataclass(frozen=True)
class Wanted:
    """Everything that has to exist."""

    boxes: frozenset[Box]
    file_servers: frozenset[FileServer]
    file_systems: frozenset[str]
    vpcs: frozenset[str]


def read() -> Wanted:
    """Read moto's state. The caller holds the account's lock."""
    boxes: set[Box] = set()
    file_servers: set[FileServer] = set()
    file_systems: set[str] = set()
    vpcs: set[str] = set()
    for ec2 in regional_backends("ec2"):
        vpcs.update(ec2.vpcs)
        boxes.update(
            _box(ec2, instance)
            for instance in ec2.all_instances()
            if instance.state in (RUNNING, STOPPED) and instance.lab_has_booted
        )
    for efs in regional_backends("efs"):
        file_systems.update(efs.file_systems_by_id)
        file_servers.update(
            _file_server(efs, target)
            for target in efs.mount_targets_by_id.values()
            if target.life_cycle_state == "available"
        )
    return Wanted(frozenset(boxes), frozenset(file_servers), frozenset(file_systems), frozenset(vpcs))


def _box(ec2: Any, instance: Any) -> Box:
    key_pair = ec2.key_pairs.get(instance.key_name)
    image = by_ami(instance.image_id)
    return Box(
        instance=instance.id,
        region=ec2.region_name,
        network=Network(instance.vpc_id, ec2.get_vpc(instance.vpc_id).cidr_block),
        private_ip=instance.private_ip,
        public_ip=instance.public_ip,
        host_name=instance.private_dns_name,
        has_docker=bool(image and image.has_docker),
        state=instance.state,
        authorized_key=key_pair.public_key.strip() if key_pair else "",
        user_data=decoded(instance.user_data),
        hop_limit=int(instance.metadata_options.http_put_response_hop_limit or 1),
        boots=getattr(instance, "lab_boots", 0),
        router=router.private_ip if (router := nat_instance_of(ec2, instance.nics[0])) else None,
        rules=box_rules(ec2, instance),
    )


def _file_server(efs: Any, target: Any) -> FileServer:
    ec2 = efs.ec2_backend
    return FileServer(
        mount_target=target.mount_target_id,
        file_system=target.file_system_id,
        region=efs.region_name,
        network=Network(target.vpc_id, ec2.get_vpc(target.vpc_id).cidr_block),
        ip=target.ip_address,
        rules=server_rules(ec2, ec2.get_network_interface(target.network_interface_id)),
    )


def decoded(user_data: Any) -> bytes:
    """User data as the instance sees it: moto keeps what came over the wire, mostly base64."""
    raw = str(user_data or "").encode()
    try:
        return base64.b64decode(raw, validate=True)
    except binascii.Error:
        return raw

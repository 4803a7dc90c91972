# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""FSx for Lustre, of which moto has the description alone: states, interfaces, growth, and links to buckets. It keeps no files."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from moto.backends import get_backend
from moto.core.exceptions import JsonRESTError
from moto.ec2.exceptions import EC2ClientError
from moto.fsx.exceptions import FileSystemNotFound
from moto.fsx.models import FileSystem, FSxBackend
from moto.fsx.responses import FSxResponse

from lab.attachments import manage
from lab.endpoints import release
from lab.latency import SECONDS_TO_RELEASE
from lab.patching import inner_call, replaces, state_of
from lab.transitions import after

SECONDS_TO_CREATE = 1.0
SECONDS_TO_UPDATE = 1.0
LNET_PORT = 988
SIZES = "Storage capacity must be 1200 GiB, 2400 GiB or a multiple of 2400 GiB."


@dataclass
class Association:
    """A directory linked to a place in S3, in the shape of the answer."""

    described: dict[str, Any]
    token: str
    arn: str = field(default="")


def refuse(code: str, message: str) -> None:
    raise JsonRESTError(code, message)


def install() -> None:
    """Patch moto for this process. Must run before the first backend is made."""
    _make_slowly_and_once()
    _describe_all()
    _remove_slowly()
    for function in (
        update_file_system,
        create_data_repository_association,
        describe_data_repository_associations,
        update_data_repository_association,
        delete_data_repository_association,
    ):
        setattr(FSxResponse, function.__name__, function)


def associations(fsx: Any) -> dict[str, Association]:
    found: dict[str, Association] = state_of(fsx, "associations", dict)
    return found


def _make_slowly_and_once() -> None:
    """moto answers at once, makes another for the same token, and looks neither at sizes nor at the network."""

    @replaces(FSxBackend, "create_file_system")
    def created(original: Any, self: Any, client_request_token: str, *args: Any, **kwargs: Any) -> Any:
        asked = {key: value for key, value in kwargs.items() if key != "tags"}
        for known in self.file_systems.values():
            if client_request_token and known.lab_token == client_request_token and known.lab_state != "DELETING":
                if known.lab_asked != asked:
                    refuse(
                        "IncompatibleParameterError",
                        f"A file system with token {client_request_token} exists with other parameters.",
                    )
                return known
        if kwargs.get("file_system_type") == "LUSTRE":
            check_settings(kwargs)
        interfaces = interfaces_for(self, kwargs["subnet_ids"], kwargs.get("security_group_ids") or [])
        made = original(self, client_request_token, *args, **kwargs)
        made.lab_token, made.lab_asked, made.lab_interfaces = client_request_token, asked, interfaces
        ec2 = ec2_of(self)
        for identity in interfaces:
            manage(ec2.enis[identity], "interface", f"Created By Amazon FSx for file system {made.file_system_id}")
        after(SECONDS_TO_CREATE, lambda: become(made, "CREATING", "AVAILABLE"))
        return made

    @replaces(FileSystem, "__init__")
    def creating(original: Any, self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        self.lab_token, self.lab_asked, self.lab_interfaces, self.lab_actions = "", {}, [], []
        self.lab_state, self.lab_created, self.lab_mount_name = "CREATING", time.time(), uuid4().hex[:8]
        self.lab_version = "2.15"


def become(made: Any, former: str, state: str) -> None:
    made.lab_state = state if made.lab_state == former else made.lab_state


def check_settings(wanted: dict[str, Any]) -> None:
    size, settings = wanted["storage_capacity"], wanted.get("lustre_configuration") or {}
    if size != 1200 and (size < 2400 or size % 2400):
        refuse("BadRequest", SIZES)
    if len(wanted["subnet_ids"]) != 1:
        refuse("BadRequest", "Exactly one subnet ID must be specified for Lustre.")
    throughput = settings.get("PerUnitStorageThroughput")
    if settings.get("DeploymentType") == "PERSISTENT_2":
        if throughput not in (125, 250, 500, 1000):
            refuse("BadRequest", "PerUnitStorageThroughput must be 125, 250, 500 or 1000 for PERSISTENT_2.")
    elif throughput:
        refuse("BadRequest", "PerUnitStorageThroughput is not supported for scratch file systems.")


def ec2_of(fsx: Any) -> Any:
    return get_backend("ec2")[fsx.account_id][fsx.region_name]


def interfaces_for(fsx: Any, subnets: list[str], groups: list[str]) -> list[str]:
    """An interface in each subnet, if the groups let Lustre's own traffic in."""
    ec2 = ec2_of(fsx)
    try:
        places = [ec2.get_subnet(subnet) for subnet in subnets]
    except EC2ClientError:
        refuse("InvalidNetworkSettings", f"The subnet ID is invalid: {', '.join(subnets)}.")
    vpc = places[0].vpc_id
    groups = groups or [group.id for group in ec2.groups[vpc].values() if group.name == "default"]
    members = [ec2.get_security_group_from_id(group) for group in groups]
    if any(group is None or group.vpc_id != vpc for group in members):
        refuse("InvalidNetworkSettings", f"A security group is invalid or not part of {vpc}: {', '.join(groups)}.")
    if not any(lets_lustre_in(rule, groups) for group in members for rule in group.ingress_rules):
        refuse(
            "InvalidNetworkSettings",
            "The file system cannot be created because the provided security groups do not permit Lustre LNET network "
            f"traffic on port {LNET_PORT}.",
        )
    with inner_call():
        return [str(ec2.create_network_interface(place, None, group_ids=groups).id) for place in places]


def lets_lustre_in(rule: Any, groups: list[str]) -> bool:
    """Whether the servers of the file system, which carry the groups, reach each other by this rule."""
    if rule.ip_protocol not in ("tcp", "6", "-1"):
        return False
    on_port = rule.ip_protocol == "-1" or int(rule.from_port) <= LNET_PORT <= int(rule.to_port)
    return on_port and bool(rule.cidr_ipv4 or rule.source_group.get("GroupId") in groups)


def _describe_all() -> None:
    """moto tells no state, no mount name and no interfaces; it tells the security groups, which AWS does not."""

    @replaces(FileSystem, "to_dict")
    def described(original: Any, self: Any) -> dict[str, Any]:
        known = {key: value for key, value in original(self).items() if key != "SecurityGroupIds"}
        more = {
            "OwnerId": self.backend.account_id,
            "CreationTime": self.lab_created,
            "Lifecycle": self.lab_state,
            "NetworkInterfaceIds": self.lab_interfaces,
            "AdministrativeActions": self.lab_actions,
        }
        if self.file_system_type == "LUSTRE":
            more["FileSystemTypeVersion"] = self.lab_version
            more["LustreConfiguration"] = {**(self.lustre_configuration or {}), "MountName": self.lab_mount_name}
        return {**known, **more}

    @replaces(FSxBackend, "describe_file_systems")
    def known_only(original: Any, self: Any, file_system_ids: list[str], **kwargs: Any) -> Any:
        for identity in file_system_ids or []:
            named(self, identity)
        return original(self, file_system_ids=file_system_ids, **kwargs)


def named(fsx: Any, identity: str) -> Any:
    if identity not in fsx.file_systems:
        raise FileSystemNotFound(identity)
    return fsx.file_systems[identity]


def _remove_slowly() -> None:
    """A deleted file system is DELETING first, holds its interfaces, and takes its links along."""

    @replaces(FSxBackend, "delete_file_system")
    def going(original: Any, self: Any, file_system_id: str, *args: Any, **kwargs: Any) -> Any:
        leaving = named(self, file_system_id)
        if leaving.lab_state != "DELETING":
            leaving.lab_state = "DELETING"
            after(SECONDS_TO_RELEASE, lambda: forget(self, leaving))
        return file_system_id, "DELETING", None, {}, None


def forget(fsx: Any, gone: Any) -> None:
    release(ec2_of(fsx), gone.lab_interfaces)
    fsx.file_systems.pop(gone.file_system_id, None)
    fsx.tagger.delete_all_tags_for_resource(gone.resource_arn)
    for identity, association in list(associations(fsx).items()):
        if association.described["FileSystemId"] == gone.file_system_id:
            forget_association(fsx, identity)


def forget_association(fsx: Any, identity: str) -> None:
    association = associations(fsx).pop(identity, None)
    if association is not None:
        fsx.tagger.delete_all_tags_for_resource(association.arn)


# Calls that moto lacks.


def update_file_system(self: Any) -> str:
    """Growth and throughput. The new value is a goal until the update has ended."""
    given = json.loads(self.body)
    changed = named(self.fsx_backend, given["FileSystemId"])
    size, settings = given.get("StorageCapacity"), given.get("LustreConfiguration") or {}
    throughput = settings.get("PerUnitStorageThroughput")
    if changed.lab_state != "AVAILABLE" or any(one["Status"] == "PENDING" for one in changed.lab_actions):
        refuse("BadRequest", "The file system is being created, updated or deleted.")
    if size is not None and (size % 2400 or size <= changed.storage_capacity):
        refuse("BadRequest", "Storage capacity must be a multiple of 2400 GiB and greater than the current one.")
    if throughput is not None and changed.lustre_configuration.get("DeploymentType") != "PERSISTENT_2":
        refuse("BadRequest", "PerUnitStorageThroughput is not supported for scratch file systems.")
    goal: dict[str, Any] = {"StorageCapacity": size} if size else {}
    if throughput:
        goal["LustreConfiguration"] = {"PerUnitStorageThroughput": throughput}
    action = {
        "AdministrativeActionType": "FILE_SYSTEM_UPDATE",
        "RequestTime": time.time(),
        "Status": "PENDING",
        "TargetFileSystemValues": goal,
    }
    changed.lab_actions.insert(0, action)

    def complete() -> None:
        action["Status"] = "COMPLETED"
        changed.storage_capacity = size or changed.storage_capacity
        if throughput:
            changed.lustre_configuration["PerUnitStorageThroughput"] = throughput

    after(SECONDS_TO_UPDATE, complete)
    return json.dumps({"FileSystem": changed.to_dict()})


def create_data_repository_association(self: Any) -> str:
    fsx, given = self.fsx_backend, json.loads(self.body)
    file_system, token = named(fsx, given["FileSystemId"]), given.get("ClientRequestToken", "")
    for known in associations(fsx).values():
        if token and known.token == token:
            return json.dumps({"Association": known.described})
    check_association(fsx, file_system, given)
    identity = f"dra-{uuid4().hex[:17]}"
    arn = f"{file_system.resource_arn.replace(':file-system/', ':association/')}/{identity}"
    described = {
        "AssociationId": identity,
        "ResourceARN": arn,
        "FileSystemId": given["FileSystemId"],
        "FileSystemPath": given.get("FileSystemPath", "/"),
        "DataRepositoryPath": given["DataRepositoryPath"],
        "BatchImportMetaDataOnCreate": given.get("BatchImportMetaDataOnCreate", False),
        "S3": given.get("S3", {}),
        "Lifecycle": "CREATING",
        "CreationTime": time.time(),
        "Tags": given.get("Tags", []),
    }
    associations(fsx)[identity] = Association(described, token, arn)
    after(SECONDS_TO_CREATE, lambda: described.update(Lifecycle="AVAILABLE"))
    return json.dumps({"Association": described})


def check_association(fsx: Any, file_system: Any, given: dict[str, Any]) -> None:
    if file_system.lab_state != "AVAILABLE":
        refuse("BadRequest", f"File system {file_system.file_system_id} is not available.")
    bucket = given["DataRepositoryPath"].removeprefix("s3://").split("/")[0]
    if bucket not in get_backend("s3")[fsx.account_id]["aws"].buckets:
        refuse("BadRequest", f"Unable to access the S3 bucket {bucket}.")
    path = given.get("FileSystemPath", "/").rstrip("/") + "/"
    for known in associations(fsx).values():
        other = known.described["FileSystemPath"].rstrip("/") + "/"
        if known.described["FileSystemId"] == file_system.file_system_id and (
            path.startswith(other) or other.startswith(path)
        ):
            refuse("BadRequest", f"The path {path} overlaps that of {known.described['AssociationId']}.")


def describe_data_repository_associations(self: Any) -> str:
    given = json.loads(self.body)
    identities = given.get("AssociationIds")
    allowed = [one["Values"] for one in given.get("Filters") or [] if one["Name"] == "file-system-id"]
    found = [
        known.described
        for identity, known in associations(self.fsx_backend).items()
        if (not identities or identity in identities)
        and all(known.described["FileSystemId"] in values for values in allowed)
    ]
    return json.dumps({"Associations": found})


def update_data_repository_association(self: Any) -> str:
    given = json.loads(self.body)
    described = known_association(self.fsx_backend, given["AssociationId"]).described
    described["S3"] = {**described["S3"], **given.get("S3", {})}
    return json.dumps({"Association": described})


def delete_data_repository_association(self: Any) -> str:
    given = json.loads(self.body)
    identity = given["AssociationId"]
    known_association(self.fsx_backend, identity).described["Lifecycle"] = "DELETING"
    after(SECONDS_TO_RELEASE, lambda: forget_association(self.fsx_backend, identity))
    return json.dumps({"AssociationId": identity, "Lifecycle": "DELETING"})


def known_association(fsx: Any, identity: str) -> Association:
    if identity not in associations(fsx):
        refuse("DataRepositoryAssociationNotFound", f"Association {identity} does not exist.")
    return associations(fsx)[identity]

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""FSx for Lustre: comes and goes slowly, grows, is made once for a token, holds its subnet, and is linked to buckets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lab.tests.running_lab import RunningLab, Stack, error_of, eventually

TAGS = [{"Key": "mine", "Value": "yes"}]
EVERY = {"AutoImportPolicy": {"Events": ["NEW"]}, "AutoExportPolicy": {"Events": ["NEW", "DELETED"]}}


@pytest.fixture(scope="module")
def fsx(lab: RunningLab) -> Any:
    return lab.client("fsx")


@pytest.fixture(scope="module")
def group(lab: RunningLab, stack: Stack) -> str:
    """A group that lets Lustre in from itself."""
    identity = stack.group("lustre")
    itself = {
        "IpProtocol": "tcp",
        "FromPort": 988,
        "ToPort": 988,
        "UserIdGroupPairs": [{"GroupId": identity}],
    }
    lab.ec2.authorize_security_group_ingress(GroupId=identity, IpPermissions=[itself])
    return identity


def wanted(subnet: str, group: str, **more: Any) -> dict[str, Any]:
    known = {
        "FileSystemType": "LUSTRE",
        "StorageCapacity": 1200,
        "SubnetIds": [subnet],
        "SecurityGroupIds": [group],
        "LustreConfiguration": {"DeploymentType": "SCRATCH_2"},
        "ClientRequestToken": "one",
        "Tags": TAGS,
    }
    return {**known, **more}


def state_of(fsx: Any, identity: str) -> str:
    return str(fsx.describe_file_systems(FileSystemIds=[identity])["FileSystems"][0]["Lifecycle"])


@pytest.fixture(scope="module")
def file_system(fsx: Any, stack: Stack, group: str) -> Iterator[dict[str, Any]]:
    made: dict[str, Any] = fsx.create_file_system(**wanted(stack.private, group))["FileSystem"]
    assert made["Lifecycle"] == "CREATING"
    assert eventually(lambda: state_of(fsx, made["FileSystemId"]) == "AVAILABLE")
    yield made
    if any(one["FileSystemId"] == made["FileSystemId"] for one in fsx.describe_file_systems()["FileSystems"]):
        fsx.delete_file_system(FileSystemId=made["FileSystemId"])


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"StorageCapacity": 3600}, "BadRequest"),
        ({"LustreConfiguration": {"DeploymentType": "PERSISTENT_2"}}, "BadRequest"),
        ({"LustreConfiguration": {"DeploymentType": "SCRATCH_2", "PerUnitStorageThroughput": 125}}, "BadRequest"),
        ({"SubnetIds": ["subnet-00000000"]}, "InvalidNetworkSettings"),
        ({"SecurityGroupIds": ["sg-00000000"]}, "InvalidNetworkSettings"),
    ],
    ids=["size", "no throughput", "throughput of scratch", "subnet", "group"],
)
def test_what_fsx_would_refuse_is_refused(fsx: Any, stack: Stack, group: str, more: dict[str, Any], code: str) -> None:
    assert error_of(fsx.create_file_system, **wanted(stack.private, group, ClientRequestToken="bad", **more)) == code


def test_groups_that_keep_lustre_out_are_refused(fsx: Any, stack: Stack) -> None:
    closed = wanted(stack.private, stack.node_group, ClientRequestToken="closed")
    assert error_of(fsx.create_file_system, **closed) == "InvalidNetworkSettings"


def test_it_has_a_name_to_mount_by_and_an_interface_in_its_subnet(
    lab: RunningLab, fsx: Any, stack: Stack, file_system: dict[str, Any]
) -> None:
    (found,) = fsx.describe_file_systems(FileSystemIds=[file_system["FileSystemId"]])["FileSystems"]
    assert found["DNSName"] == f"{found['FileSystemId']}.fsx.us-east-1.amazonaws.com"
    assert found["LustreConfiguration"]["MountName"]
    assert found["Tags"] == TAGS
    interfaces = lab.ec2.describe_network_interfaces(NetworkInterfaceIds=found["NetworkInterfaceIds"])
    (interface,) = interfaces["NetworkInterfaces"]
    assert interface["SubnetId"] == stack.private
    refused = error_of(lab.ec2.delete_network_interface, NetworkInterfaceId=interface["NetworkInterfaceId"])
    assert refused == "OperationNotPermitted"


def test_a_token_makes_one(fsx: Any, stack: Stack, group: str, file_system: dict[str, Any]) -> None:
    again = fsx.create_file_system(**wanted(stack.private, group))["FileSystem"]
    assert again["FileSystemId"] == file_system["FileSystemId"]
    other = wanted(stack.private, group, StorageCapacity=2400)
    assert error_of(fsx.create_file_system, **other) == "IncompatibleParameterError"


def test_a_directory_is_linked_to_a_bucket_once(lab: RunningLab, fsx: Any, file_system: dict[str, Any]) -> None:
    lab.client("s3").create_bucket(Bucket="linked")
    asked = {
        "FileSystemId": file_system["FileSystemId"],
        "FileSystemPath": "/data",
        "DataRepositoryPath": "s3://linked/data",
        "S3": EVERY,
        "Tags": TAGS,
    }
    made = fsx.create_data_repository_association(ClientRequestToken="link", **asked)["Association"]
    assert made["Lifecycle"] == "CREATING"
    again = fsx.create_data_repository_association(ClientRequestToken="link", **asked)["Association"]
    assert again["AssociationId"] == made["AssociationId"]
    inside = {**asked, "FileSystemPath": "/data/more"}
    assert error_of(fsx.create_data_repository_association, ClientRequestToken="in", **inside) == "BadRequest"
    nowhere = {**asked, "FileSystemPath": "/x", "DataRepositoryPath": "s3://no-such-bucket"}
    assert error_of(fsx.create_data_repository_association, ClientRequestToken="no", **nowhere) == "BadRequest"
    mine = {"Filters": [{"Name": "file-system-id", "Values": [file_system["FileSystemId"]]}]}
    other = {"Filters": [{"Name": "file-system-id", "Values": ["fs-00000000"]}]}

    def found() -> dict[str, Any]:
        (association,) = fsx.describe_data_repository_associations(**mine)["Associations"]
        return dict(association)

    assert eventually(lambda: found()["Lifecycle"] == "AVAILABLE")
    assert (found()["S3"], found()["Tags"]) == (EVERY, TAGS)
    assert fsx.describe_data_repository_associations(**other)["Associations"] == []
    no_export: dict[str, Any] = {"AutoExportPolicy": {"Events": []}}
    fsx.update_data_repository_association(AssociationId=made["AssociationId"], S3=no_export)
    assert found()["S3"] == {**EVERY, **no_export}


def test_it_grows_and_never_shrinks(fsx: Any, file_system: dict[str, Any]) -> None:
    identity = file_system["FileSystemId"]
    assert error_of(fsx.update_file_system, FileSystemId=identity, StorageCapacity=1200) == "BadRequest"
    growing = fsx.update_file_system(FileSystemId=identity, StorageCapacity=2400)["FileSystem"]
    action = growing["AdministrativeActions"][0]
    assert (action["AdministrativeActionType"], action["Status"]) == ("FILE_SYSTEM_UPDATE", "PENDING")
    assert action["TargetFileSystemValues"]["StorageCapacity"] == 2400
    assert error_of(fsx.update_file_system, FileSystemId=identity, StorageCapacity=4800) == "BadRequest"

    def size() -> int:
        return int(fsx.describe_file_systems(FileSystemIds=[identity])["FileSystems"][0]["StorageCapacity"])

    assert eventually(lambda: size() == 2400)
    assert error_of(fsx.update_file_system, FileSystemId=identity, StorageCapacity=1200) == "BadRequest"


def test_it_holds_subnet_and_group_until_it_is_gone_with_its_links(
    lab: RunningLab, fsx: Any, stack: Stack, group: str, file_system: dict[str, Any]
) -> None:
    identity = file_system["FileSystemId"]
    fsx.delete_file_system(FileSystemId=identity)
    assert state_of(fsx, identity) == "DELETING"
    assert error_of(lab.ec2.delete_subnet, SubnetId=stack.private) == "DependencyViolation"
    assert error_of(lab.ec2.delete_security_group, GroupId=group) == "DependencyViolation"
    assert eventually(lambda: not fsx.describe_file_systems()["FileSystems"])
    assert error_of(fsx.describe_file_systems, FileSystemIds=[identity]) == "FileSystemNotFound"
    assert error_of(fsx.delete_file_system, FileSystemId=identity) == "FileSystemNotFound"
    assert fsx.describe_data_repository_associations()["Associations"] == []

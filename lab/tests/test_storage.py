# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What moto lacks of EFS and S3, seen from boto3."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from lab.tests.running_lab import RunningLab, error_of


@pytest.fixture
def file_system(lab: RunningLab) -> Iterator[str]:
    identity = lab.efs.create_file_system(CreationToken="storage", Encrypted=True)["FileSystemId"]
    yield identity
    lab.efs.delete_file_system(FileSystemId=identity)


def described(lab: RunningLab, file_system: str) -> dict[str, Any]:
    found: dict[str, Any] = lab.efs.describe_file_systems(FileSystemId=file_system)["FileSystems"][0]
    return found


def test_throughput_changes(lab: RunningLab, file_system: str) -> None:
    assert described(lab, file_system)["ThroughputMode"] == "bursting"
    lab.efs.update_file_system(FileSystemId=file_system, ThroughputMode="provisioned", ProvisionedThroughputInMibps=64)
    found = described(lab, file_system)
    assert (found["ThroughputMode"], found["ProvisionedThroughputInMibps"]) == ("provisioned", 64)
    assert error_of(lab.efs.update_file_system, FileSystemId=file_system, ThroughputMode="provisioned") == "BadRequest"
    assert error_of(lab.efs.update_file_system, FileSystemId="fs-00000000") == "FileSystemNotFound"


def test_files_are_archived_only_where_throughput_is_elastic(lab: RunningLab, file_system: str) -> None:
    policies = [{"TransitionToIA": "AFTER_30_DAYS"}, {"TransitionToArchive": "AFTER_90_DAYS"}]
    wanted = {"FileSystemId": file_system, "LifecyclePolicies": policies}
    assert error_of(lab.efs.put_lifecycle_configuration, **wanted) == "BadRequest"
    lab.efs.update_file_system(FileSystemId=file_system, ThroughputMode="elastic")
    lab.efs.put_lifecycle_configuration(**wanted)
    assert lab.efs.describe_lifecycle_configuration(FileSystemId=file_system)["LifecyclePolicies"] == policies


def test_backup_is_switched_on_and_off(lab: RunningLab, file_system: str) -> None:
    for status in ("ENABLED", "DISABLED"):
        answer = lab.efs.put_backup_policy(FileSystemId=file_system, BackupPolicy={"Status": status})
        assert answer["BackupPolicy"] == {"Status": status}
    assert error_of(lab.efs.describe_backup_policy, FileSystemId=file_system) == "PolicyNotFound"


def test_a_file_system_policy_comes_and_goes(lab: RunningLab, file_system: str) -> None:
    policy = json.dumps({"Version": "2012-10-17", "Statement": []})
    lab.efs.put_file_system_policy(FileSystemId=file_system, Policy=policy)
    assert lab.efs.describe_file_system_policy(FileSystemId=file_system)["Policy"] == policy
    lab.efs.delete_file_system_policy(FileSystemId=file_system)
    assert error_of(lab.efs.describe_file_system_policy, FileSystemId=file_system) == "PolicyNotFound"


def test_an_access_point_is_made_once_for_a_token(lab: RunningLab, file_system: str) -> None:
    wanted = {"ClientToken": "once", "FileSystemId": file_system, "PosixUser": {"Uid": 1, "Gid": 1}}
    point = lab.efs.create_access_point(**wanted)["AccessPointId"]
    assert error_of(lab.efs.create_access_point, **wanted) == "AccessPointAlreadyExists"
    lab.efs.delete_access_point(AccessPointId=point)
    assert lab.efs.describe_access_points(FileSystemId=file_system)["AccessPoints"] == []


@pytest.fixture
def bucket(lab: RunningLab) -> Iterator[str]:
    name = "tagged-at-birth"
    tags = [{"Key": "trainyard:stack", "Value": "dcgan"}, {"Key": "Name", "Value": name}]
    lab.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"Tags": tags})
    yield name
    lab.client("s3").delete_bucket(Bucket=name)


def test_a_bucket_is_tagged_at_birth_and_not_by_a_second_creation(lab: RunningLab, bucket: str) -> None:
    s3 = lab.client("s3")
    expected = [{"Key": "trainyard:stack", "Value": "dcgan"}, {"Key": "Name", "Value": bucket}]
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == expected
    calls = lab.page("/_lab/calls?since=0")
    assert [call for call in calls if call["action"] == "CreateBucket" and "trainyard:stack" in str(call["parameters"])]
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"Tags": [{"Key": "other", "Value": "x"}]})
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == expected


def test_of_two_writers_one_wins(lab: RunningLab, bucket: str) -> None:
    """What a lock in a bucket rests on: conditional writes and deletions, also where versions are kept."""
    s3 = lab.client("s3")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    lock = {"Bucket": bucket, "Key": "lock.json"}
    for _ in range(2):
        first = s3.put_object(**lock, Body=b"first", IfNoneMatch="*")["ETag"]
        assert error_of(s3.put_object, **lock, Body=b"second", IfNoneMatch="*") == "PreconditionFailed"
        second = s3.put_object(**lock, Body=b"second", IfMatch=first)["ETag"]
        assert error_of(s3.delete_object, **lock, IfMatch=first) == "PreconditionFailed"
        s3.delete_object(**lock, IfMatch=second)
        assert error_of(s3.get_object, **lock) == "NoSuchKey"
    versions = s3.list_object_versions(Bucket=bucket)
    for version in [*versions["Versions"], *versions["DeleteMarkers"]]:
        s3.delete_object(**lock, VersionId=version["VersionId"])

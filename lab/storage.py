# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Calls of EFS and S3 that moto lacks or answers by half, mended in place."""

from __future__ import annotations

import json
from typing import Any

import xmltodict
from moto.core.responses import ActionResult, EmptyResult
from moto.efs.exceptions import BadRequest, EFSError, FileSystemNotFound
from moto.efs.models import EFSBackend
from moto.efs.responses import EFSResponse
from moto.s3.models import S3Backend
from moto.s3.responses import S3Response

from lab.patching import law_before, replaces


class AccessPointAlreadyExists(EFSError):
    """AWS's answer to a second creation with the same token."""

    code = 409

    def __init__(self, access_point: str) -> None:
        super().__init__("AccessPointAlreadyExists", f"Access point {access_point} already exists with this token.")


def install() -> None:
    """Patch moto for this process. Must run before the first backend is made."""
    _change_file_systems()
    _make_an_access_point_once()
    _archive_only_what_is_elastic()
    _tag_buckets_at_birth()


def _change_file_systems() -> None:
    """moto has no UpdateFileSystem, PutBackupPolicy and DeleteFileSystemPolicy."""

    def named(self: Any) -> Any:
        identity = str(self._get_param("FileSystemId"))
        if identity not in self.efs_backend.file_systems_by_id:
            raise FileSystemNotFound(identity)
        return self.efs_backend.file_systems_by_id[identity]

    def update_file_system(self: Any) -> tuple[str, dict[str, Any]]:
        file_system = named(self)
        mode = self._get_param("ThroughputMode") or file_system.throughput_mode
        rate = self._get_param("ProvisionedThroughputInMibps")
        if (mode == "provisioned") != bool(rate):
            raise BadRequest("ProvisionedThroughputInMibps belongs to throughput mode provisioned, and only to it.")
        file_system.throughput_mode = mode
        file_system.provisioned_throughput_in_mibps = rate or 0
        return json.dumps(file_system.info_json()), {"status": 202, "Content-Type": "application/json"}

    def put_backup_policy(self: Any) -> ActionResult:
        policy = json.loads(self.body)["BackupPolicy"]
        named(self)._backup = policy["Status"] == "ENABLED"
        return ActionResult({"BackupPolicy": policy})

    def delete_file_system_policy(self: Any) -> EmptyResult:
        named(self).file_system_policy = None
        return EmptyResult()

    for function in (update_file_system, put_backup_policy, delete_file_system_policy):
        setattr(EFSResponse, function.__name__, function)


def _make_an_access_point_once() -> None:
    """moto makes a second access point for the same client token."""

    @law_before(EFSBackend, "create_access_point")
    def new_token(efs: Any, client_token: str, *_: Any, **__: Any) -> None:
        for point in efs.access_points.values():
            if point.client_token == client_token:
                raise AccessPointAlreadyExists(point.access_point_id)


def _archive_only_what_is_elastic() -> None:
    """AWS refuses to archive files of a file system whose throughput is not elastic."""

    @law_before(EFSBackend, "put_lifecycle_configuration")
    def elastic(efs: Any, file_system_id: str, policies: list[dict[str, str]]) -> None:
        archives = any("TransitionToArchive" in policy for policy in policies)
        if archives and efs.file_systems_by_id[file_system_id].throughput_mode != "elastic":
            raise BadRequest("TransitionToArchive is supported for file systems with throughput mode elastic only.")


def _tag_buckets_at_birth() -> None:
    """moto passes over the tags in CreateBucket."""

    @replaces(S3Backend, "create_bucket")
    def in_mind(original: Any, self: Any, *args: Any, **kwargs: Any) -> Any:
        bucket = original(self, *args, **kwargs)
        self.lab_new_bucket = bucket
        return bucket

    @replaces(S3Response, "_bucket_response_put")
    def tagged(original: Any, self: Any, *args: Any, **kwargs: Any) -> Any:
        self.backend.lab_new_bucket = None
        answer = original(self, *args, **kwargs)
        bucket, self.backend.lab_new_bucket = self.backend.lab_new_bucket, None
        if bucket is not None and self.body:
            self.backend.put_bucket_tagging(bucket.name, tags_in(self.body))
        return answer


def tags_in(body: Any) -> dict[str, str]:
    """The tags in the body of CreateBucket."""
    tags = (xmltodict.parse(body).get("CreateBucketConfiguration") or {}).get("Tags") or {}
    entries = tags.get("Tag") or []
    return {entry["Key"]: entry.get("Value") or "" for entry in (entries if isinstance(entries, list) else [entries])}

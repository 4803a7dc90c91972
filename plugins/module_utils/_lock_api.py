# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Reads, writes and removes the lock of a stack, each only if nobody else did so meanwhile."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.trainyard.aws.plugins.module_utils._lock import Lock, as_text, lock_in

try:
    from botocore.exceptions import ClientError
except ImportError:
    pass  # AnsibleAWSModule says so

Client = t.Any

# S3's answers to a condition that does not hold, or that another write is about to change.
_TOO_LATE = ("PreconditionFailed", "ConditionalRequestConflict", "412", "409")


class NoBucket(Exception):
    """There is no bucket to hold the lock."""


def read(client: Client, bucket: str, key: str) -> tuple[Lock | None, str]:
    """The lock and the tag of its content, or None. Raises NoBucket."""
    try:
        answer = client.get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "NoSuchBucket":
            raise NoBucket(bucket) from error
        if code not in ("NoSuchKey", "404"):
            raise
        return None, ""
    return lock_in(answer["Body"].read().decode(errors="replace")), answer["ETag"]


def write(client: Client, bucket: str, key: str, lock: Lock, tag: str) -> bool:
    """Write it where there is none, or over the one with that tag. False when somebody was quicker."""
    condition = {"IfMatch": tag} if tag else {"IfNoneMatch": "*"}
    return _is_in_time(client.put_object, Bucket=bucket, Key=key, Body=as_text(lock).encode(), **condition)


def remove(client: Client, bucket: str, key: str, tag: str) -> bool:
    """Remove the one with that tag. False when it is another by now."""
    return _is_in_time(client.delete_object, Bucket=bucket, Key=key, IfMatch=tag)


def _is_in_time(call: t.Callable[..., t.Any], **arguments: t.Any) -> bool:
    try:
        call(**arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] not in _TOO_LATE:
            raise
        return False
    return True


def is_alive(pid: int) -> bool:
    """Whether a process of that number runs on this host."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

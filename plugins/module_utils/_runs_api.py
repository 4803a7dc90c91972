# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Reads the records of runs from a bucket."""

from __future__ import annotations

import typing as t
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.trainyard.aws.plugins.module_utils._runs import Fault, parse_record, unfinished
from ansible_collections.trainyard.aws.plugins.module_utils._training_results import CHECKPOINTS, LATEST, RECORD, SPEC

try:
    from botocore.exceptions import ClientError
except ImportError:
    pass  # AnsibleAWSModule says so

Client = t.Any

LARGEST_RECORD_BYTES = 64 * 1024**2
_AT_ONCE = 16


def run_ids(s3: Client, bucket: str, prefix: str) -> list[str]:
    """The runs that have anything below ``prefix``. Raises botocore's ClientError and BotoCoreError."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
    found = [each["Prefix"] for page in pages for each in page.get("CommonPrefixes", ())]
    return [path[len(prefix) :].rstrip("/") for path in found]


def read_runs(
    s3: Client, bucket: str, prefix: str, names: t.Sequence[str]
) -> tuple[list[dict[str, t.Any]], list[Fault]]:
    """The record of each run, or when something of it was last written, or why its record cannot be read."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        answers = list(pool.map(lambda name: _read(s3, bucket, f"{prefix}{name}/", name), names))
    return [each for each in answers if isinstance(each, dict)], [each for each in answers if isinstance(each, Fault)]


def _read(s3: Client, bucket: str, place: str, run_id: str) -> dict[str, t.Any] | Fault:
    try:
        answer = s3.get_object(Bucket=bucket, Key=place + RECORD)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("404", "NoSuchKey"):
            raise
        latest, spec = (_text(s3, bucket, place + name) for name in (f"{CHECKPOINTS}/{LATEST}", SPEC))
        return unfinished(run_id, _changed_at(s3, bucket, place), latest, spec)
    if answer["ContentLength"] > LARGEST_RECORD_BYTES:
        return Fault(run_id, f"run.json has {answer['ContentLength']} bytes, more than any record of ours")
    return parse_record(run_id, answer["Body"].read().decode("utf-8", "replace"))


def _text(s3: Client, bucket: str, key: str) -> str:
    """What an object holds, empty where there is none."""
    try:
        answer = s3.get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("404", "NoSuchKey"):
            raise
        return ""
    body: bytes = answer["Body"].read(LARGEST_RECORD_BYTES)
    return body.decode("utf-8", "replace")


def _changed_at(s3: Client, bucket: str, place: str) -> str:
    """When something of a run was last written, of the first thousand objects; empty where there is nothing."""
    objects = s3.list_objects_v2(Bucket=bucket, Prefix=place).get("Contents", ())
    newest = max((each["LastModified"] for each in objects), default=None)
    return newest.strftime("%Y-%m-%dT%H:%M:%SZ") if newest else ""

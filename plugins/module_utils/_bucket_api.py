# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Reads and changes a bucket, one small function for each call."""

from __future__ import annotations

import json
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.trainyard.aws.plugins.module_utils._bucket import OWNERSHIP, Bucket, rules_to_put
from ansible_collections.trainyard.aws.plugins.module_utils._stack import tags_as_dict, tags_as_list

try:
    from botocore.exceptions import ClientError
except ImportError:
    pass  # AnsibleAWSModule says so

Client = t.Any

# What S3 answers where nothing is set.
_UNSET = (
    "NoSuchTagSet",
    "NoSuchBucketPolicy",
    "NoSuchLifecycleConfiguration",
    "NoSuchPublicAccessBlockConfiguration",
    "OwnershipControlsNotFoundError",
    "ServerSideEncryptionConfigurationNotFoundError",
)
_PAUSE_SECONDS = 5.0


class SomebodyElses(Exception):
    """The name is taken by a bucket that we may not look at."""


def exists(client: Client, name: str) -> bool:
    """Whether there is such a bucket. Raises SomebodyElses when it is not within our reach."""
    try:
        client.head_bucket(Bucket=name)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in ("403", "AccessDenied", "Forbidden"):
            raise SomebodyElses(name) from error
        if code not in ("404", "NoSuchBucket"):
            raise
        return False
    return True


def read(client: Client, name: str) -> Bucket | None:
    """The bucket with all that we care about, or None. The questions are asked side by side."""
    if not exists(client, name):
        return None
    questions: tuple[tuple[str, str, t.Any], ...] = (
        ("get_bucket_tagging", "TagSet", []),
        ("get_bucket_policy", "Policy", "{}"),
        ("get_bucket_lifecycle_configuration", "Rules", []),
        ("get_bucket_versioning", "Status", ""),
        ("get_bucket_encryption", "ServerSideEncryptionConfiguration", {"Rules": []}),
        ("get_bucket_ownership_controls", "OwnershipControls", {"Rules": []}),
        ("get_public_access_block", "PublicAccessBlockConfiguration", {}),
    )
    with ThreadPoolExecutor(max_workers=len(questions)) as pool:
        tags, policy, rules, versioning, encryption, ownership, access = pool.map(
            lambda question: _ask(client, name, *question), questions
        )
    defaults = [rule.get("ApplyServerSideEncryptionByDefault", {}) for rule in encryption["Rules"]]
    return Bucket(
        tags=tags_as_dict(tags),
        policy=json.loads(policy),
        rules=tuple(rules),
        versioning=versioning,
        encryption=next((default.get("SSEAlgorithm", "") for default in defaults), ""),
        ownership=next((rule["ObjectOwnership"] for rule in ownership["Rules"]), ""),
        public_access=access,
    )


def _ask(client: Client, name: str, operation: str, key: str, otherwise: t.Any) -> t.Any:
    try:
        return getattr(client, operation)(Bucket=name).get(key, otherwise)
    except ClientError as error:
        if error.response["Error"]["Code"] not in _UNSET:
            raise
        return otherwise


def take(client: Client, name: str, verb: str, want: Bucket, have: Bucket | None, deadline: float) -> None:
    """Carry out one step."""
    if verb == "create":
        _create(client, name, want, deadline)
    elif verb == "tag":
        # The call replaces all tags, so those of others go along.
        tags = {**(have.tags if have else {}), **want.tags}
        client.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags_as_list(tags)})
    elif verb == "close":
        client.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=want.public_access)
    elif verb == "own":
        client.put_bucket_ownership_controls(
            Bucket=name, OwnershipControls={"Rules": [{"ObjectOwnership": want.ownership}]}
        )
    elif verb == "encrypt":
        rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": want.encryption}}
        client.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": [rule]})
    elif verb == "version":
        client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": want.versioning})
    elif verb == "set_policy":
        client.put_bucket_policy(Bucket=name, Policy=json.dumps(want.policy))
    elif verb == "set_lifecycle":
        _set_lifecycle(client, name, want, have)


def _create(client: Client, name: str, want: Bucket, deadline: float) -> None:
    """With its tags and its ownership in the one call. S3 may refuse a name for a while that was just given back."""
    region = client.meta.region_name
    configuration: dict[str, t.Any] = {"Tags": tags_as_list(want.tags)}
    if region != "us-east-1":
        configuration["LocationConstraint"] = region
    while True:
        try:
            client.create_bucket(Bucket=name, CreateBucketConfiguration=configuration, ObjectOwnership=OWNERSHIP)
            break
        except ClientError as error:
            if error.response["Error"]["Code"] != "OperationAborted" or time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE_SECONDS)
    client.get_waiter("bucket_exists").wait(Bucket=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})


def _set_lifecycle(client: Client, name: str, want: Bucket, have: Bucket | None) -> None:
    rules = rules_to_put(want.rules, have.rules if have else ())
    if rules:
        client.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": rules})
    else:
        client.delete_bucket_lifecycle(Bucket=name)

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Which steps make a bucket fit to keep results. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

OUR_RULES = "trainyard-"
CLOSED = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
OWNERSHIP = "BucketOwnerEnforced"
ENCRYPTION = "AES256"

Rule = dict[str, t.Any]


@dataclass(frozen=True)
class Bucket:
    """A bucket as it is. What it should be needs tags, policy and rules only: the rest is always the same."""

    tags: dict[str, str]
    policy: dict[str, t.Any] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    versioning: str = "Enabled"
    encryption: str = ENCRYPTION
    ownership: str = OWNERSHIP
    public_access: dict[str, bool] = field(default_factory=lambda: dict(CLOSED))


@dataclass(frozen=True)
class Step:
    """One call, and for the user why."""

    verb: str
    reason: str


def rules_of(noncurrent_days: int, uploads_days: int, checkpoints_days: int) -> tuple[Rule, ...]:
    """Lifecycle rules with names of ours; a number of 0 makes none."""
    rules = []
    if noncurrent_days:
        rules.append(_rule("noncurrent", "", NoncurrentVersionExpiration={"NoncurrentDays": noncurrent_days}))
    if uploads_days:
        rules.append(_rule("uploads", "", AbortIncompleteMultipartUpload={"DaysAfterInitiation": uploads_days}))
    if checkpoints_days:
        # A prefix cannot hold a wildcard, so checkpoints are told by a tag that whoever copies them gives.
        tag = {"Key": "trainyard:component", "Value": "checkpoint"}
        rules.append({**_rule("checkpoints", "", Expiration={"Days": checkpoints_days}), "Filter": {"Tag": tag}})
    return tuple(rules)


def _rule(name: str, prefix: str, **action: t.Any) -> Rule:
    return {"ID": f"{OUR_RULES}{name}", "Status": "Enabled", "Filter": {"Prefix": prefix}, **action}


def rules_to_put(want: t.Iterable[Rule], have: t.Iterable[Rule]) -> list[Rule]:
    """Ours as wanted, and those of others as they are: AWS takes all or nothing."""
    foreign = [rule for rule in have if not rule.get("ID", "").startswith(OUR_RULES)]
    return [*foreign, *want]


def rules_differ(want: t.Iterable[Rule], have: t.Iterable[Rule]) -> bool:
    ours = {rule["ID"]: rule for rule in have if rule.get("ID", "").startswith(OUR_RULES)}
    return ours != {rule["ID"]: rule for rule in want}


def fault_of(name: str, stack: str, have: Bucket | None, stack_tag: str) -> str:
    """Why the bucket that is there cannot be ours, or an empty text."""
    owner = have.tags.get(stack_tag) if have else None
    if owner not in (None, stack):
        return f'Bucket "{name}" belongs to stack "{owner}". Choose another name for this stack.'
    return ""


def steps_to(want: Bucket, have: Bucket | None, policy_differs: bool) -> tuple[Step, ...]:
    """What has to be done, in order; nothing when ``have`` is as wanted."""
    if have is None:
        first = [Step("create", "it does not exist")]
        have = Bucket(tags=want.tags, versioning="", encryption="", public_access={})
    else:
        first = []
    if any(have.tags.get(key) != value for key, value in want.tags.items()):
        first.append(Step("tag", "tags are missing or differ"))
    # Closed before anything else: the time in which it is neither is as short as can be.
    checks = (
        ("close", have.public_access != want.public_access, "the public is not shut out"),
        ("own", have.ownership != want.ownership, "objects may belong to somebody else"),
        ("encrypt", have.encryption not in (want.encryption, "aws:kms", "aws:kms:dsse"), "it is not encrypted"),
        ("version", have.versioning != want.versioning, "what is overwritten is lost"),
        ("set_policy", policy_differs, "its policy differs"),
        ("set_lifecycle", rules_differ(want.rules, have.rules), "its lifecycle rules differ"),
    )
    return (*first, *(Step(verb, reason) for verb, is_due, reason in checks if is_due))


def as_result(name: str, bucket: Bucket | None) -> dict[str, t.Any]:
    """The bucket as the module returns it and as both sides of a diff show it."""
    if bucket is None:
        return {}
    return {
        "name": name,
        "tags": dict(bucket.tags),
        "versioning": bucket.versioning,
        "encryption": bucket.encryption,
        "ownership": bucket.ownership,
        "public_access": dict(bucket.public_access),
        "policy": dict(bucket.policy),
        "lifecycle_rules": list(bucket.rules),
    }

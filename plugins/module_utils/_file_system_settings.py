# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""What can be set on an EFS file system besides its tags and mount targets, and which steps set it. Pure.

In what is wanted, None means: as it is.
"""

from __future__ import annotations

import hashlib
import json
import typing as t
from dataclasses import dataclass

from ansible_collections.trainyard.aws.plugins.module_utils._steps import Step

# EFS takes no other number of days.
DAYS = (1, 7, 14, 30, 60, 90, 180, 270, 365)
POLICY_ID = "trainyard-tls-required"


@dataclass(frozen=True)
class Throughput:
    """How fast it may be. ``mibps`` counts for provisioned only."""

    mode: str
    mibps: float = 0.0


@dataclass(frozen=True)
class Lifecycle:
    """After how many days without access a file moves to cheaper storage; 0 is never."""

    ia_days: int = 0
    archive_days: int = 0
    back_on_access: bool = False


@dataclass(frozen=True)
class AccessPoint:
    """A door to one directory, through which everybody is the same user. It never changes: these are its identity."""

    path: str
    uid: int
    gid: int
    permissions: str = "0750"
    id: str = ""

    def is_same_as(self, other: AccessPoint) -> bool:
        return (self.path, self.uid, self.gid) == (other.path, other.uid, other.gid)


@dataclass(frozen=True)
class Settings:
    """All of them; ``policy`` is the text that is there, empty when there is none."""

    throughput: Throughput | None = None
    lifecycle: Lifecycle | None = None
    backup: bool | None = None
    tls_required: bool | None = None
    access_point: AccessPoint | None = None
    access_points: tuple[AccessPoint, ...] = ()
    policy: str = ""


def settings_of(params: dict[str, t.Any]) -> Settings:
    """What the user asks for."""
    lifecycle, access_point, mode = params["lifecycle"], params["access_point"], params["throughput_mode"]
    return Settings(
        throughput=Throughput(mode, params["provisioned_mibps"] or 0.0) if mode else None,
        lifecycle=Lifecycle(lifecycle["ia_days"], lifecycle["archive_days"], lifecycle["back_on_access"])
        if lifecycle
        else None,
        backup=params["backup_enabled"],
        tls_required=params["tls_required"],
        access_point=AccessPoint(
            access_point["path"], access_point["uid"], access_point["gid"], access_point["permissions"]
        )
        if access_point
        else None,
    )


def fault_in(want: Settings) -> str:
    """What AWS would refuse of the settings, or an empty text."""
    lifecycle = want.lifecycle or Lifecycle()
    wrong = [days for days in (lifecycle.ia_days, lifecycle.archive_days) if days and days not in DAYS]
    if wrong:
        return f"Files cannot move after {wrong[0]} days. Choose 0 (never) or one of {', '.join(map(str, DAYS))}."
    if lifecycle.archive_days and want.throughput and want.throughput.mode != "elastic":
        return f'Only with throughput "elastic" files can be archived, not with "{want.throughput.mode}".'
    if lifecycle.archive_days and lifecycle.archive_days <= lifecycle.ia_days:
        return (
            f"Files would be archived after {lifecycle.archive_days} days, but become infrequently accessed only "
            f"after {lifecycle.ia_days}. Archive them later."
        )
    if want.throughput and (want.throughput.mode == "provisioned") != bool(want.throughput.mibps):
        return 'A number of MiB/s belongs to throughput "provisioned", and only to it. Give both or neither.'
    if want.access_point and not want.access_point.path.startswith("/"):
        return f'The path of the access point, "{want.access_point.path}", must start with "/".'
    return ""


def steps_of_settings(want: Settings, have: Settings) -> tuple[Step, ...]:
    """What has to be set; a file system that is just created has its throughput and backup from its creation."""
    steps = []
    if want.throughput and want.throughput != have.throughput:
        steps.append(Step("set_throughput", _words(want.throughput), "its throughput differs"))
    if want.lifecycle and want.lifecycle != (have.lifecycle or Lifecycle()):
        steps.append(Step("set_lifecycle", "", "the moves of its files to cheaper storage differ"))
    if want.backup is not None and want.backup != bool(have.backup):
        steps.append(Step("set_backup", "on" if want.backup else "off", "its backup differs"))
    if want.tls_required and not refuses_plain_text(have.policy):
        steps.append(Step("set_policy", POLICY_ID, "it lets in clients without TLS"))
    if want.tls_required is False and is_our_policy(have.policy):
        steps.append(Step("remove_policy", POLICY_ID, "it keeps out clients without TLS"))
    if want.access_point and access_point_in(want.access_point, have.access_points) is None:
        steps.append(Step("add_access_point", want.access_point.path, "it has no such access point"))
    return tuple(steps)


def _words(throughput: Throughput) -> str:
    return f"{throughput.mode} {throughput.mibps:g} MiB/s" if throughput.mibps else throughput.mode


def access_point_in(want: AccessPoint, points: t.Iterable[AccessPoint]) -> AccessPoint | None:
    """The one that does what is wanted. The permissions of its directory count at its creation only."""
    return next((point for point in points if point.is_same_as(want)), None)


def access_point_token(file_system: str, point: AccessPoint) -> str:
    """By this AWS knows a second creation for the same one."""
    text = f"{file_system}/{point.uid}:{point.gid}{point.path}"
    return hashlib.sha256(text.encode()).hexdigest()


def as_access_point_arguments(point: AccessPoint) -> dict[str, t.Any]:
    """Parameters of CreateAccessPoint."""
    owner = {"OwnerUid": point.uid, "OwnerGid": point.gid, "Permissions": point.permissions}
    return {
        "PosixUser": {"Uid": point.uid, "Gid": point.gid},
        "RootDirectory": {"Path": point.path, **({"CreationInfo": owner} if point.path != "/" else {})},
    }


def access_point_of(item: dict[str, t.Any]) -> AccessPoint:
    """An access point as DescribeAccessPoints tells it; uid and gid -1 where everybody stays who they are."""
    user, root = item.get("PosixUser") or {}, item.get("RootDirectory") or {}
    return AccessPoint(
        path=root.get("Path", "/"),
        uid=int(user.get("Uid", -1)),
        gid=int(user.get("Gid", -1)),
        permissions=root.get("CreationInfo", {}).get("Permissions", "0750"),
        id=item["AccessPointId"],
    )


def as_lifecycle_policies(want: Lifecycle) -> list[dict[str, str]]:
    """Parameters of PutLifecycleConfiguration: one rule an entry, an empty list for never."""
    policies = []
    if want.ia_days:
        policies.append({"TransitionToIA": _after(want.ia_days)})
    if want.archive_days:
        policies.append({"TransitionToArchive": _after(want.archive_days)})
    if want.back_on_access:
        policies.append({"TransitionToPrimaryStorageClass": "AFTER_1_ACCESS"})
    return policies


def _after(days: int) -> str:
    return "AFTER_1_DAY" if days == 1 else f"AFTER_{days}_DAYS"


def lifecycle_of(policies: t.Iterable[dict[str, str]]) -> Lifecycle:
    """The answer of DescribeLifecycleConfiguration."""
    rules = {key: value for policy in policies for key, value in policy.items()}
    return Lifecycle(
        ia_days=_days(rules.get("TransitionToIA", "")),
        archive_days=_days(rules.get("TransitionToArchive", "")),
        back_on_access="TransitionToPrimaryStorageClass" in rules,
    )


def _days(after: str) -> int:
    """``AFTER_30_DAYS`` as 30; an empty text as 0."""
    return int(after.split("_")[1]) if after else 0


def policy_requiring_tls(arn: str, present: str = "") -> str:
    """A policy that keeps what ``present`` says, and refuses clients without TLS.

    A policy replaces EFS's own of letting everybody in who reaches a mount target, so that is said too.
    """
    refuse = {
        "Sid": "RefuseUnencryptedTransport",
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": "*",
        "Resource": arn,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    if present:
        document = json.loads(present)
        return json.dumps({**document, "Statement": [*_statements(document), refuse]})
    let_in = {
        "Sid": "LetInThroughMountTargets",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": [f"elasticfilesystem:Client{right}" for right in ("Mount", "Write", "RootAccess")],
        "Resource": arn,
        "Condition": {"Bool": {"elasticfilesystem:AccessedViaMountTarget": "true"}},
    }
    return json.dumps({"Version": "2012-10-17", "Id": POLICY_ID, "Statement": [let_in, refuse]})


def refuses_plain_text(policy: str) -> bool:
    """True if a statement denies what comes without TLS."""
    return any(
        statement.get("Effect") == "Deny"
        and str(statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport")).lower() == "false"
        for statement in _statements(json.loads(policy) if policy else {})
    )


def is_our_policy(policy: str) -> bool:
    """True if the whole policy is ours, so that it may go."""
    return bool(policy) and json.loads(policy).get("Id") == POLICY_ID


def _statements(document: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    found = document.get("Statement", [])
    return [found] if isinstance(found, dict) else found


def settings_as_result(settings: Settings) -> dict[str, t.Any]:
    """Those that are known, as the module returns them."""
    told: dict[str, t.Any] = {}
    if settings.throughput:
        told["throughput_mode"] = settings.throughput.mode
        told["provisioned_mibps"] = settings.throughput.mibps
    if settings.lifecycle:
        told["lifecycle"] = {
            "ia_days": settings.lifecycle.ia_days,
            "archive_days": settings.lifecycle.archive_days,
            "back_on_access": settings.lifecycle.back_on_access,
        }
    if settings.backup is not None:
        told["backup_enabled"] = settings.backup
    if settings.tls_required is not None:
        told["tls_required"] = settings.tls_required
    points = settings.access_points or ((settings.access_point,) if settings.access_point else ())
    told["access_points"] = [
        {"access_point_id": point.id, "path": point.path, "uid": point.uid, "gid": point.gid} for point in points
    ]
    return told

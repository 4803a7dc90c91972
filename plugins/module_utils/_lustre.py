# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Which steps lead from the FSx for Lustre file system that is there to the one that is wanted. Pure."""

from __future__ import annotations

import hashlib
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.trainyard.aws.plugins.module_utils._steps import Step

SCRATCH, PERSISTENT = "SCRATCH_2", "PERSISTENT_2"
THROUGHPUTS = (125, 250, 500, 1000)
EVENTS = ("NEW", "CHANGED", "DELETED")

_BROKEN = ("FAILED", "MISCONFIGURED", "MISCONFIGURED_UNAVAILABLE")
_SETTLED = ("AVAILABLE", *_BROKEN)
_S3_PLACE = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?")


@dataclass(frozen=True)
class Link:
    """A directory that shows what lies at a place in S3, and which changes go which way by themselves."""

    uri: str
    path: str
    import_events: tuple[str, ...] = ()
    export_events: tuple[str, ...] = ()
    id: str = ""
    state: str = "AVAILABLE"
    reason: str = ""

    def leads_where(self, other: Link) -> bool:
        return self.uri.rstrip("/") == other.uri.rstrip("/")

    def has_events_of(self, other: Link) -> bool:
        mine, others = (self.import_events, self.export_events), (other.import_events, other.export_events)
        return [set(events) for events in mine] == [set(events) for events in others]


@dataclass(frozen=True)
class Lustre:
    """A file system as it is, or as it should be (then without id and state).

    ``size_gib`` is the size it grows to while it grows; ``throughput_per_tib`` 0 means as it is; ``links`` holds at most one
    where it is what somebody wants.
    """

    tags: dict[str, str]
    size_gib: int
    deployment_type: str
    subnet_id: str
    throughput_per_tib: int = 0
    security_group_ids: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()
    id: str = ""
    arn: str = ""
    state: str = "AVAILABLE"
    reason: str = ""
    is_updating: bool = False
    dns_name: str = ""
    mount_name: str = ""


def creation_token(*parts: str) -> str:
    """By this AWS knows a second creation, of a retry or of a run that was killed, for the same one. FSx takes 63 characters."""
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:63]


def fault_in(want: Lustre) -> str:
    """What FSx would refuse of a wish whatever is there, or an empty text."""
    if want.size_gib != 1200 and (want.size_gib < 2400 or want.size_gib % 2400):
        return f"FSx for Lustre has no size of {want.size_gib} GiB. Set size_gib to 1200 or to a multiple of 2400."
    if want.throughput_per_tib and want.deployment_type != PERSISTENT:
        return f"{want.deployment_type} has a fixed throughput. Leave throughput_per_tib out, or set deployment_type to {PERSISTENT}."
    if want.throughput_per_tib and want.throughput_per_tib not in THROUGHPUTS:
        return f"throughput_per_tib is {want.throughput_per_tib}. Set it to {', '.join(map(str, THROUGHPUTS))} MB/s per TiB."
    if not want.subnet_id:
        return "It needs a subnet. Name subnet_id."
    for link in want.links:
        if not _S3_PLACE.fullmatch(link.uri):
            return f'The link leads to "{link.uri}". Write its uri as s3://bucket or s3://bucket/prefix.'
        if not link.path.startswith("/"):
            return f'The path "{link.path}" of the link is not absolute. Start it with a slash, as in /data.'
    return ""


def fault_of(want: Lustre | None, have: Lustre | None) -> str:
    """Why what is there cannot become what is wanted, or does not work; empty when it can and does."""
    if want is None or have is None:
        return ""
    if have.state in _BROKEN:
        mend = (
            "Remove it (state: absent), mend the cause and run again."
            if have.state == "FAILED"
            else "Mend the cause; FSx then recovers by itself."
        )
        return f"AWS holds {have.id} in state {have.state}: {_said(have.reason)}. {mend}"
    if want.size_gib < have.size_gib:
        return (
            f"{have.id} has {have.size_gib} GiB and FSx for Lustre never shrinks. Set size_gib to {have.size_gib} or more, "
            "or remove it with its data (state: absent) and run again."
        )
    fixed = (
        ("deployment_type", have.deployment_type, want.deployment_type),
        ("subnet_id", have.subnet_id, want.subnet_id),
    )
    for option, is_now, wish in fixed:
        if is_now != wish:
            return (
                f"{have.id} has {option} {is_now} and that never changes. Set it to {is_now}, "
                f"or remove the file system with its data (state: absent) to get one with {wish}."
            )
    return _fault_of_links(want, have)


def _said(reason: str) -> str:
    return reason.rstrip(".") or "it does not say why"


def _fault_of_links(want: Lustre, have: Lustre) -> str:
    for link in want.links:
        there = _at(have, link.path)
        if there is None:
            continue
        if not there.leads_where(link):
            return (
                f"{there.path} of {have.id} is linked to {there.uri}, and a link never changes its place. Choose another path, or "
                f"remove it (aws fsx delete-data-repository-association --association-id {there.id}) and run again."
            )
        if there.state == "FAILED":
            return (
                f"AWS holds the link of {there.path} to {there.uri} in state FAILED: {_said(there.reason)}. Remove it "
                f"(aws fsx delete-data-repository-association --association-id {there.id}), mend the cause and run again."
            )
        if there.state == "MISCONFIGURED":
            return (
                f"AWS holds the link of {there.path} to {there.uri} in state MISCONFIGURED: {_said(there.reason)}. "
                "Mend the bucket's policy or its event notifications; FSx then recovers by itself within 15 minutes."
            )
    return ""


def _at(have: Lustre, path: str) -> Link | None:
    return next((link for link in have.links if link.path.rstrip("/") == path.rstrip("/")), None)


def steps_to(want: Lustre | None, have: Lustre | None) -> tuple[Step, ...]:
    """What has to be done, in order; nothing when ``have`` is as wanted. ``want`` None means it should be gone."""
    if have and have.state == "DELETING":
        have = None
    if want is None:
        return (Step("remove", have.id, "it should be absent"),) if have else ()
    steps: list[Step] = []
    if have is None:
        steps.append(Step("create", want.tags.get("Name", ""), "it does not exist"))
    else:
        steps += _steps_to_change(want, have)
    for link in want.links:
        there = _at(have, link.path) if have else None
        if there is None:
            steps.append(Step("link", link.path, f"it is not linked to {link.uri}"))
        elif not there.has_events_of(link):
            steps.append(Step("set_events", link.path, "other changes are imported or exported"))
    return tuple(steps)


def _steps_to_change(want: Lustre, have: Lustre) -> t.Iterator[Step]:
    for key in sorted(key for key, value in want.tags.items() if have.tags.get(key) != value):
        yield Step("tag", key, "the tag is missing or different")
    if want.size_gib > have.size_gib:
        yield Step("grow", str(want.size_gib), f"it has {have.size_gib} GiB")
    if want.throughput_per_tib not in (0, have.throughput_per_tib):
        yield Step("set_throughput", str(want.throughput_per_tib), f"it has {have.throughput_per_tib} MB/s per TiB")


def is_settled(have: Lustre | None) -> bool:
    """True when nothing of it is on its way. One that does not work is settled too."""
    if have is None or have.state in _BROKEN:
        return True
    return have.state in _SETTLED and not have.is_updating and all(link.state in _SETTLED for link in have.links)


def after_steps(want: Lustre | None, have: Lustre | None) -> Lustre | None:
    """What would be there after all steps, for check mode."""
    if want is None or have is None:
        return want
    links = {link.path.rstrip("/"): link for link in (*have.links, *want.links)}
    return Lustre(
        tags={**have.tags, **want.tags},
        size_gib=want.size_gib,
        deployment_type=want.deployment_type,
        subnet_id=want.subnet_id,
        throughput_per_tib=want.throughput_per_tib or have.throughput_per_tib,
        links=tuple(links.values()),
        id=have.id,
        state=have.state,
        dns_name=have.dns_name,
        mount_name=have.mount_name,
    )


def as_result(have: Lustre | None) -> dict[str, t.Any]:
    """What the user gets to see of it; empty when there is none."""
    if have is None:
        return {}
    return {
        "file_system_id": have.id,
        "state": have.state,
        "size_gib": have.size_gib,
        "deployment_type": have.deployment_type,
        "throughput_per_tib": have.throughput_per_tib,
        "subnet_id": have.subnet_id,
        "dns_name": have.dns_name,
        "mount_name": have.mount_name,
        "mount_command": mount_command(have),
        "links": [
            {
                "association_id": link.id,
                "uri": link.uri,
                "path": link.path,
                "import_events": sorted(link.import_events),
                "export_events": sorted(link.export_events),
                "state": link.state,
            }
            for link in have.links
        ],
        "tags": dict(have.tags),
    }


def mount_command(have: Lustre) -> str:
    """How a node that has the Lustre client mounts it; empty before AWS has named it."""
    if not have.mount_name:
        return ""
    return f"mount -t lustre -o relatime,flock {have.dns_name}@tcp:/{have.mount_name} /fsx"

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Which steps lead to the flow log and to the Instance Connect endpoint that are wanted. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.trainyard.aws.plugins.module_utils._steps import Step

# What AWS calls the states of an Instance Connect endpoint, by what they mean to us.
COMING = ("create-in-progress", "update-in-progress")
LEAVING = ("delete-in-progress",)
FAILED = ("create-failed", "delete-failed", "update-failed")
GONE = ("delete-complete",)


@dataclass(frozen=True)
class FlowLog:
    """A flow log of a VPC as it is, or as it should be (then without id)."""

    vpc_id: str
    destination: str
    traffic: str
    tags: dict[str, str] = field(default_factory=dict)
    id: str = ""


@dataclass(frozen=True)
class Endpoint:
    """An Instance Connect endpoint as it is, or as it should be (then without id and state)."""

    subnet_id: str
    security_group_ids: tuple[str, ...]
    tags: dict[str, str] = field(default_factory=dict)
    id: str = ""
    state: str = "create-complete"
    vpc_id: str = ""


def tag_steps(want: t.Mapping[str, str], have: t.Mapping[str, str]) -> tuple[Step, ...]:
    """A step for each tag that is missing or differs. Tags that are not wanted stay."""
    return tuple(Step("tag", key, "it is missing or differs") for key in sorted(want) if have.get(key) != want[key])


def flow_log_steps(want: FlowLog | None, have: t.Sequence[FlowLog]) -> tuple[Step, ...]:
    """A flow log cannot be changed: one that differs gives way to a new one. ``want`` None means there should be none."""
    if want is None:
        return tuple(Step("remove", log.id, "it should be absent") for log in have)
    right = [log for log in have if (log.destination, log.traffic) == (want.destination, want.traffic)]
    keep = right[0] if right else None
    # AWS refuses a second one to the same place, so those that give way go first.
    steps = [Step("remove", log.id, "it is not as described") for log in have if log is not keep]
    if keep is None:
        return (*steps, Step("create", want.vpc_id, "the VPC has none like it"))
    return (*steps, *tag_steps(want.tags, keep.tags))


def endpoint_steps(want: Endpoint | None, have: Endpoint | None) -> tuple[Step, ...]:
    """Subnet and security groups of an endpoint cannot be changed: one that differs or failed gives way to a new one."""
    if have and have.state in (*LEAVING, *GONE):
        have = None
    if want is None:
        return (Step("remove", have.id, "it should be absent"),) if have else ()
    if have is None:
        return (Step("create", want.subnet_id, "it does not exist"),)
    fault = _difference(want, have)
    if fault:
        return (Step("remove", have.id, fault), Step("create", want.subnet_id, "its predecessor gives way"))
    return tag_steps(want.tags, have.tags)


def _difference(want: Endpoint, have: Endpoint) -> str:
    if have.state in FAILED:
        return f"it is in state {have.state}"
    if have.subnet_id != want.subnet_id:
        return "it lies in another subnet"
    if set(have.security_group_ids) != set(want.security_group_ids):
        return "its security groups differ"
    return ""


def flow_log_result(log: FlowLog | None) -> dict[str, t.Any]:
    if log is None:
        return {}
    return {
        "flow_log_id": log.id,
        "vpc_id": log.vpc_id,
        "destination": log.destination,
        "traffic": log.traffic,
        "tags": dict(log.tags),
    }


def endpoint_result(endpoint: Endpoint | None) -> dict[str, t.Any]:
    if endpoint is None:
        return {}
    return {
        "instance_connect_endpoint_id": endpoint.id,
        "state": endpoint.state,
        "subnet_id": endpoint.subnet_id,
        "security_group_ids": sorted(endpoint.security_group_ids),
        "tags": dict(endpoint.tags),
    }

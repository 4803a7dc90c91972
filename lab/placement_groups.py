# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Placement groups, which moto does not have: names that instances can be launched into, held by who is in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.core import TaggedEC2Resource
from moto.ec2.responses import EC2Response
from moto.ec2.utils import EC2_PREFIX_TO_RESOURCE, EC2_RESOURCE_TO_PREFIX, generic_filter, random_id

from lab.patching import state_of

STRATEGIES = ("cluster", "partition", "spread")


class PlacementGroup(TaggedEC2Resource):
    """One group; its attributes are named like the answer's, so that moto can write them."""

    def __init__(self, ec2: Any, name: str, strategy: str, tags: Mapping[str, str]) -> None:
        self.ec2_backend = ec2
        self.id = self.group_id = random_id("pg")
        self.group_name, self.strategy, self.state = name, strategy, "available"
        self.group_arn = f"arn:aws:ec2:{ec2.region_name}:{ec2.account_id}:placement-group/{name}"
        self.add_tags(dict(tags))

    @property
    def tags(self) -> list[dict[str, str]]:
        return self.get_tags()


def install() -> None:
    EC2_RESOURCE_TO_PREFIX["placement-group"] = "pg"
    EC2_PREFIX_TO_RESOURCE["pg"] = "placement-group"
    for action in (create_placement_group, describe_placement_groups, delete_placement_group):
        setattr(EC2Response, action.__name__, action)


def groups(ec2: Any) -> dict[str, PlacementGroup]:
    """The groups of a region, by name."""
    found: dict[str, PlacementGroup] = state_of(ec2, "placement_groups", dict)
    return found


def create_placement_group(response: Any) -> ActionResult:
    ec2, name = response.ec2_backend, response._get_param("GroupName")
    strategy = response._get_param("Strategy", "cluster")
    response.error_on_dryrun()
    if not name:
        raise EC2ClientError("MissingParameter", "The request must contain the parameter groupName")
    if strategy not in STRATEGIES:
        raise EC2ClientError("InvalidParameterValue", f"Invalid value '{strategy}' for strategy.")
    if name in groups(ec2):
        raise EC2ClientError("InvalidPlacementGroup.Duplicate", f"The Placement Group '{name}' already exists.")
    made = PlacementGroup(ec2, name, strategy, response._parse_tag_specification().get("placement-group", {}))
    groups(ec2)[name] = made
    return ActionResult({"PlacementGroup": made})


def describe_placement_groups(response: Any) -> ActionResult:
    ec2 = response.ec2_backend
    names, identities = response._get_param("GroupNames", []), response._get_param("GroupIds", [])
    known = {**groups(ec2), **{group.id: group for group in groups(ec2).values()}}
    for name in (*names, *identities):
        if name not in known:
            raise unknown(name)
    chosen = [known[name] for name in (*names, *identities)] or list(groups(ec2).values())
    return ActionResult({"PlacementGroups": generic_filter(response._filters_from_querystring(), chosen)})


def delete_placement_group(response: Any) -> EmptyResult:
    ec2, name = response.ec2_backend, response._get_param("GroupName")
    response.error_on_dryrun()
    if name not in groups(ec2):
        raise unknown(name)
    if any(one.placement.group_name == name and one.state != "terminated" for one in ec2.all_instances()):
        raise EC2ClientError(
            "InvalidPlacementGroup.InUse",
            f"The placement group {name} is in use and may not be deleted.",
        )
    del groups(ec2)[name]
    return EmptyResult()


def check(ec2: Any, wanted: Mapping[str, Any]) -> None:
    """A launch names no group, or one that exists."""
    placement = wanted.get("Placement", {})
    named = placement.get("GroupName") or placement.get("GroupId")
    if named and not name_of(ec2, placement):
        raise unknown(named)


def name_of(ec2: Any, placement: Mapping[str, Any]) -> str:
    """The name of the group that a launch asks for; empty when it asks for none."""
    by_id = {group.id: group.group_name for group in groups(ec2).values()}
    name = placement.get("GroupName") or by_id.get(str(placement.get("GroupId")))
    return str(name) if name in groups(ec2) else ""


def unknown(name: str) -> EC2ClientError:
    return EC2ClientError("InvalidPlacementGroup.Unknown", f"The Placement Group '{name}' is unknown.")

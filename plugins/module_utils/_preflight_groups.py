# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""What can be wrong with the node groups that a user writes. Pure."""

from __future__ import annotations

import difflib
import re
import typing as t

from ansible_collections.trainyard.aws.plugins.module_utils._durations import seconds_of
from ansible_collections.trainyard.aws.plugins.module_utils._preflight import Fault

VARIABLE = "aws_nodes_groups"
MARKETS = ("on-demand", "spot", "capacity-reservation", "capacity-block")
MANY_NODES = 16

_NAME = re.compile(r"[a-z][a-z0-9-]{0,19}")
_TEXTS, _NUMBERS, _SWITCHES = ("image",), ("max_price_usd",), ("placement_group", "efa", "all_or_nothing")
_WHOLE_NUMBERS = ("count", "root_volume_gib", "root_volume_iops", "root_volume_throughput")
_LISTS = ("instance_types", "markets", "reservation_ids", "zones", "volumes")
_DURATIONS = ("patience", "time_to_live")
_KEYS = ("name", "accelerator", *_TEXTS, *_NUMBERS, *_SWITCHES, *_WHOLE_NUMBERS, *_LISTS, *_DURATIONS)
_ACCELERATOR_KEYS = ("name", "count", "memory_gib")
_VOLUME_KEYS = ("size_gib", "iops", "throughput")

Group = t.Mapping[str, t.Any]


def group_faults(groups: t.Sequence[Group]) -> list[Fault]:
    """Everything that is wrong with the groups as they are written, without asking AWS."""
    faults = [fault for group in groups for fault in _one_group(group)]
    names = [str(group.get("name")) for group in groups]
    twice = sorted({name for name in names if names.count(name) > 1})
    return faults + [
        Fault(VARIABLE, f'the name "{name}" stands there twice.', "Give each group its own.") for name in twice
    ]


def group_warnings(groups: t.Sequence[Group]) -> list[str]:
    """What is allowed, and seldom meant."""
    return [
        f'{VARIABLE}: group "{group.get("name")}" asks for {group["count"]} nodes.'
        for group in groups
        if _is_whole(group.get("count", 1)) and int(group.get("count", 1)) > MANY_NODES
    ]


def _one_group(group: Group) -> list[Fault]:
    name = str(group.get("name", ""))
    subject = f"{VARIABLE} {name}".strip()
    faults = _unknown_keys(subject, group, _KEYS)
    if not _NAME.fullmatch(name):
        what = f'"{name}" must start with a letter and hold at most 20 lower-case letters, digits and hyphens.'
        faults.append(Fault(subject, what, "Choose another name."))
    if bool(group.get("instance_types")) == bool(group.get("accelerator")):
        what = "it needs either instance_types or an accelerator."
        faults.append(Fault(subject, what, "Write instance_types: [g6.xlarge], or accelerator: {name: L4, count: 1}."))
    faults += [fault for key in group for fault in _one_value(subject, key, group[key])]
    return (
        faults + _accelerator_faults(subject, group) + _market_faults(subject, group) + _volume_faults(subject, group)
    )


def _unknown_keys(subject: str, given: Group, known: t.Sequence[str]) -> list[Fault]:
    faults = []
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=2, cutoff=0.6)
            fix = f"Did you mean {' or '.join(near)}?" if near else f"Known are {', '.join(sorted(known))}."
            faults.append(Fault(subject, f'"{key}" is not known.', fix))
    return faults


def _one_value(subject: str, key: str, value: t.Any) -> list[Fault]:
    if key in _WHOLE_NUMBERS and not (_is_whole(value) and int(value) > 0):
        return [Fault(subject, f'{key} "{value}" is no whole number above 0.', f"Write {key}: 1 or more.")]
    if key in _NUMBERS and not _is_price(value):
        return [Fault(subject, f'{key} "{value}" is no number above 0.', f"Write {key}: 1.25.")]
    if key in _SWITCHES and str(value).lower() not in ("true", "false", "yes", "no"):
        return [Fault(subject, f'{key} "{value}" is neither true nor false.', f"Write {key}: true.")]
    if key in _LISTS and not isinstance(value, (list, tuple)):
        return [Fault(subject, f"{key} is no list.", f"Write {key}: [{value}].")]
    if key in _DURATIONS:
        try:
            seconds_of(str(value))
        except ValueError as error:
            return [Fault(subject, f"{key} {error}", f"Write {key}: 30m.")]
    return []


def _is_whole(value: t.Any) -> bool:
    return not isinstance(value, bool) and bool(re.fullmatch(r"\d+", str(value)))


def _is_price(value: t.Any) -> bool:
    return not isinstance(value, bool) and bool(re.fullmatch(r"\d+(\.\d+)?", str(value))) and float(value) > 0


def _accelerator_faults(subject: str, group: Group) -> list[Fault]:
    accelerator = group.get("accelerator")
    if not accelerator:
        return []
    if not isinstance(accelerator, dict) or not accelerator.get("name"):
        return [Fault(subject, "accelerator has no name.", "Write accelerator: {name: L4, count: 1}.")]
    faults = _unknown_keys(f"{subject} accelerator", accelerator, _ACCELERATOR_KEYS)
    for key in ("count", "memory_gib"):
        if key in accelerator and not (_is_whole(accelerator[key]) and int(accelerator[key]) > 0):
            what = f'accelerator {key} "{accelerator[key]}" is no whole number above 0.'
            faults.append(Fault(subject, what, f"Write {key}: 1 or more."))
    return faults


def _market_faults(subject: str, group: Group) -> list[Fault]:
    markets = group.get("markets") or []
    if not isinstance(markets, (list, tuple)):
        return []
    faults = [
        Fault(subject, f'the market "{market}" is not known.', f"Choose among {', '.join(MARKETS)}.")
        for market in markets
        if market not in MARKETS
    ]
    if any(str(market).startswith("capacity-") for market in markets) and not group.get("reservation_ids"):
        what = "a capacity market needs a reservation."
        faults.append(Fault(subject, what, "Name it in reservation_ids, or leave that market out."))
    return faults


def _volume_faults(subject: str, group: Group) -> list[Fault]:
    volumes = group.get("volumes") or []
    faults = []
    for volume in volumes if isinstance(volumes, (list, tuple)) else []:
        if not isinstance(volume, dict) or not _is_whole(volume.get("size_gib")):
            faults.append(Fault(subject, "a volume has no size.", "Write volumes: [{size_gib: 500}]."))
        else:
            faults += _unknown_keys(f"{subject} volumes", volume, _VOLUME_KEYS)
    return faults


def zone_faults(groups: t.Sequence[Group], zones: t.Sequence[str]) -> list[Fault]:
    """Groups may only be kept to zones that the network has."""
    faults = []
    for group in groups:
        outside = [str(zone) for zone in group.get("zones") or () if zone not in zones]
        if outside and zones:
            what = f"it is kept to {', '.join(outside)}, and the network lies in {', '.join(zones)}."
            faults.append(Fault(f"{VARIABLE} {group.get('name')}", what, "Name these in aws_network_zones too."))
    return faults


def efa_faults(
    groups: t.Sequence[Group], types_of: t.Mapping[str, t.Sequence[str]], efa: t.Collection[str]
) -> list[Fault]:
    """A group that wants EFA must have types that carry it; ``efa`` are those of all types that do."""
    faults = []
    for group in groups:
        without = [name for name in types_of.get(str(group.get("name")), ()) if name not in efa]
        if str(group.get("efa", "")).lower() in ("true", "yes") and without:
            what = f"{', '.join(without)} has no EFA."
            faults.append(Fault(f"{VARIABLE} {group.get('name')}", what, "Leave efa out, or choose larger types."))
    return faults

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: nodes
short_description: The nodes that node groups describe
version_added: 1.0.0
description: Spells out every node of some node groups, so that each can have its own lane.
positional: stack
options:
  _input:
    description: Node groups, each with at least C(name); C(count) is 1 unless given.
    type: list
    elements: dict
    required: true
  stack:
    description: Name of the stack.
    type: str
    required: true
author:
  - The trainyard developers (@trainyard)
"""

EXAMPLES = r"""
# dcgan-train-0 and dcgan-train-1
nodes: "{{ [{'name': 'train', 'count': 2}] | trainyard.aws.nodes('dcgan') | map(attribute='name') }}"
"""

RETURN = r"""
_value:
  description: One entry for each node, with its C(name), C(group) and C(index) in the group.
  type: list
  elements: dict
"""

import typing as t

from ansible.errors import AnsibleFilterError


def nodes(groups: t.Sequence[t.Mapping[str, t.Any]], stack: str) -> list[dict[str, t.Any]]:
    """``[{"name": "train", "count": 2}]`` in stack ``dcgan`` are the nodes dcgan-train-0 and dcgan-train-1."""
    names = [group.get("name") for group in groups]
    if None in names or len(set(names)) != len(names):
        raise AnsibleFilterError(f"Every entry of aws_nodes_groups needs a name of its own; the names are {names}.")
    return [
        {"name": f"{stack}-{group['name']}-{index}", "group": group, "index": index}
        for group in groups
        for index in range(int(group.get("count", 1)))
    ]


class FilterModule:
    """Filters about nodes."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"nodes": nodes}

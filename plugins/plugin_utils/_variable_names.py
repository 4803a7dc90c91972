# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which variable names this collection knows, and which of the user's look like slips. Private to this collection."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ansible.module_utils.common.yaml import yaml_load

SHARED_PREFIX = "stack_"
MEANT_SOMETHING_OF_OURS = 0.9  # for a name that starts like none of ours, how much it must resemble one
WORTH_SUGGESTING = 0.6  # for a name that starts like ours

# The credentials and settings that AWS modules take start like the role aws_access, and are not ours.
FOREIGN = frozenset(("aws_access_key", "aws_access_key_id", "aws_access_token"))


@dataclass(frozen=True)
class Declared:
    """The inputs of all roles."""

    names: frozenset[str]
    prefixes: tuple[str, ...]


@dataclass(frozen=True)
class Slip:
    """A name that nothing reads."""

    name: str
    where: str
    nearest: str | None

    def line(self) -> str:
        """The line of the error message."""
        suggestion = f"did you mean {self.nearest}?" if self.nearest else "nothing has a name like it."
        return f"{self.name} ({self.where}): {suggestion}"


def declared_in(roles: Path) -> Declared:
    """Read the argument specifications of all roles."""
    names: set[str] = set()
    prefixes = {SHARED_PREFIX}
    for path in roles.glob("*/meta/argument_specs.yml"):
        content = yaml_load(path.read_bytes())  # by libyaml where there is one, which is six times as fast
        prefixes.add(f"{path.parents[1].name}_")
        for entry_point in content["argument_specs"].values():
            names.update(entry_point.get("options") or ())
    return Declared(frozenset(names), tuple(sorted(prefixes)))


def slips(found: Mapping[str, str], declared: Declared) -> list[Slip]:
    """The names, each with where it was found, that are not declared and should be."""
    result = []
    for name in sorted(found):
        if name in declared.names or name in FOREIGN or name.startswith(("_", "ansible_")):
            continue
        looks_like_ours = name.startswith(declared.prefixes)
        nearest = nearest_name(name, declared.names, WORTH_SUGGESTING if looks_like_ours else MEANT_SOMETHING_OF_OURS)
        if looks_like_ours or nearest:
            result.append(Slip(name, found[name], nearest))
    return result


def nearest_name(name: str, names: Iterable[str], resemblance: float) -> str | None:
    """The most similar name, if one is similar enough."""
    return next(iter(difflib.get_close_matches(name, sorted(names), n=1, cutoff=resemblance)), None)


def message(found: list[Slip]) -> str:
    """What is wrong, why it matters, what to do."""
    count = "1 variable has a name" if len(found) == 1 else f"{len(found)} variables have names"
    lines = "".join(f"\n  {slip.line()}" for slip in found)
    return f"{count} that nothing in this collection reads, so what was set would be ignored:{lines}\nCorrect or remove them; nothing has been done."

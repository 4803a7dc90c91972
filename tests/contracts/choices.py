# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a role chooses on a system that is not at hand: its expressions, evaluated by Ansible over recorded facts."""

from __future__ import annotations

import importlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

CHECKOUT = Path(__file__).resolve().parents[2]
RECORDED = Path(__file__).parent / "systems"
SYSTEMS = tuple(sorted(path.stem for path in RECORDED.glob("*.json")))
AS_THE_TEMPLATE_MODULE = {"trim_blocks": True, "lstrip_blocks": False}


def facts_of(system: str) -> dict[str, Any]:
    """What ansible.builtin.setup says of a system, as recorded with its source."""
    return dict(json.loads((RECORDED / f"{system}.json").read_text(encoding="utf-8"))["facts"])


@lru_cache
def _declared(role: str, folder: str) -> dict[str, Any]:
    path = CHECKOUT / "roles" / role / folder / "main.yml"
    return (DataLoader().load_from_file(str(path), trusted_as_template=True) or {}) if path.is_file() else {}


@lru_cache
def _our_filters() -> dict[str, Any]:
    """The filters of this collection. Ansible's own way to find them changes how every later import is done."""
    found: dict[str, Any] = {}
    for path in (CHECKOUT / "plugins" / "filter").glob("*.py"):
        module = importlib.import_module(f"ansible_collections.trainyard.aws.plugins.filter.{path.stem}")
        found |= {f"trainyard.aws.{name}": function for name, function in module.FilterModule().filters().items()}
    return found


def _with_our_filters(templar: Templar) -> Templar:
    for name, function in _our_filters().items():
        templar.environment.filters[name] = function
    return templar


class Choices:
    """A role's defaults and variables on a recorded system.

    ``facts`` change what was recorded, ``values`` are inputs and the results of the role's own tasks.
    """

    def __init__(self, role: str, system: str, facts: dict[str, Any] | None = None, **values: Any) -> None:
        self.templates = CHECKOUT / "roles" / role / "templates"
        variables = {
            **_declared(role, "defaults"),
            **_declared(role, "vars"),
            **values,
            "ansible_facts": {**facts_of(system), **(facts or {})},
            "ansible_check_mode": False,
        }
        self._templar = _with_our_filters(Templar(DataLoader(), variables=variables))

    def value(self, name: str) -> Any:
        """What a variable of the role is."""
        return self.evaluate("{{ " + name + " }}")

    def evaluate(self, template: str) -> Any:
        """What a template of a task is, such as one of its arguments."""
        return self._templar.template(trust_as_template(template))

    def holds(self, condition: str) -> bool:
        """Whether a task with this ``when`` would run."""
        return bool(self._templar.evaluate_conditional(trust_as_template(condition)))

    def render(self, name: str) -> str:
        """The file that ansible.builtin.template would write."""
        searchpath, variables = [str(self.templates)], self._templar.available_variables
        templar = _with_our_filters(
            self._templar.copy_with_new_env(searchpath=searchpath, available_variables=variables)
        )
        text = (self.templates / name).read_text(encoding="utf-8")
        return str(templar.template(trust_as_template(text), overrides=AS_THE_TEMPLATE_MODULE))

# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars
from ansible_collections.trainyard.aws.plugins.plugin_utils._variable_names import declared_in, message, slips

ROLES = Path(__file__).resolve().parents[2] / "roles"


class ActionModule(ActionBase):
    """Compare the names in the inventory and the extra variables with the inputs of the roles. Runs on the controller only."""

    _requires_connection = False
    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        self.validate_argument_spec(argument_spec={})
        found = {name: where for where, names in self._sources(task_vars or {}) for name in names}
        wrong = slips(found, declared_in(ROLES))
        result = {
            "changed": False,
            "checked": len(found),
            "unknown": [{"name": slip.name, "where": slip.where, "nearest": slip.nearest} for slip in wrong],
        }
        return result | {"failed": True, "msg": message(wrong)} if wrong else result

    def _sources(self, task_vars: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Every place where a user sets variables, later ones being nearer to the user."""
        inventory = self._task.get_variable_manager()._inventory
        for group in inventory.groups.values():
            yield f"group {group.name}", group.vars
        for host in inventory.hosts.values():
            yield f"host {host.name}", host.vars
        sources = task_vars.get("ansible_inventory_sources") or ()
        for directory in dict.fromkeys([*map(directory_of, sources), Path(task_vars["playbook_dir"])]):
            yield from self._files(directory)
        yield "extra variables", load_extra_vars(self._loader)

    def _files(self, directory: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The files beside an inventory or a playbook, also those of groups and hosts that do not exist yet."""
        for folder in (directory / "group_vars", directory / "host_vars"):
            entities = (
                sorted({entry.stem if entry.is_file() else entry.name for entry in folder.iterdir()})
                if folder.is_dir()
                else []
            )
            for entity in entities:
                for path in self._loader.find_vars_files(str(folder), entity):
                    content = self._loader.load_from_file(path, cache="all", unsafe=True, trusted_as_template=True)
                    yield os.path.relpath(path), content or {}


def directory_of(source: str) -> Path:
    """Where the variable files of an inventory source stand."""
    path = Path(source)
    return path if path.is_dir() else path.parent

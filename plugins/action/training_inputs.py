# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks the inputs of a run where they are: on the controller, before anything is started or paid."""

from __future__ import annotations

import json
import os
import typing as t

from ansible.plugins.action import ActionBase
from ansible_collections.trainyard.aws.plugins.module_utils._preflight import Fault
from ansible_collections.trainyard.aws.plugins.plugin_utils._training_inputs import (
    Names,
    Source,
    channel_faults,
    read_document,
    run_faults,
    schema_faults,
    value_faults,
)
from ansible_collections.trainyard.aws.plugins.plugin_utils._training_supervision import (
    SUPERVISION,
    supervision_faults,
    supervision_of,
)

ARGUMENTS: dict[str, t.Any] = {
    "run_id": {"type": "str", "required": True},
    "image": {"type": "str"},
    "environment": {"type": "dict"},
    "hyperparameters": {"type": "dict"},
    "hyperparameters_file": {"type": "str"},
    "hyperparameters_schema": {"type": "str"},
    "hyperparameters_path": {"type": "str"},
    "channels": {"type": "dict"},
    "results": {"type": "str"},
    "progress_pattern": {"type": "str"},
    **SUPERVISION,
    "variable_prefix": {"type": "str", "default": ""},
}


class ActionModule(ActionBase):
    """All faults in one pass."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        dummy, options = self.validate_argument_spec(argument_spec=ARGUMENTS)
        names = Names(options["variable_prefix"])
        faults = run_faults(names, options) + supervision_faults(names, options)
        for name, path in (options["channels"] or {}).items():
            faults += channel_faults(names.of("channels"), name, path)
        source, found = _hyperparameters(names, options)
        faults += found
        if faults:
            return {"failed": True, "changed": False, "msg": _message(options["run_id"], faults)}
        return {
            "changed": False,
            "hyperparameters": source.value if source else {},
            "hyperparameters_json": json.dumps(source.value if source else {}, indent=2) + "\n",
            "channels": [
                {"name": name, "source": _copy_source(path)}
                for name, path in sorted((options["channels"] or {}).items())
            ],
            "supervision": supervision_of(options),
        }


def _hyperparameters(names: Names, options: t.Mapping[str, t.Any]) -> tuple[Source | None, list[Fault]]:
    given, file, schema_path = (
        options["hyperparameters"],
        options["hyperparameters_file"],
        options["hyperparameters_schema"],
    )
    if given and file:
        both = f"{names.of('hyperparameters')} and {names.of('hyperparameters_file')}"
        return None, [Fault(both, "both are set.", "Set one of them.")]
    source, faults = (
        read_document(names.of("hyperparameters_file"), file)
        if file
        else (Source(names.of("hyperparameters"), "", given or {}, None), [])
    )
    schema, schema_file_faults = (
        read_document(names.of("hyperparameters_schema"), schema_path) if schema_path else (None, [])
    )
    faults = faults + (value_faults(source) if source else []) + schema_file_faults
    if source and schema and not faults:
        faults = schema_faults(source, names.of("hyperparameters_schema"), schema_path, schema.value)
    return source, faults


def _message(run_id: str, faults: t.Sequence[Fault]) -> str:
    count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
    return "\n- ".join(
        [f'{count} in the inputs of run "{run_id}"; nothing was started.', *(str(fault) for fault in faults)]
    )


def _copy_source(path: str) -> str:
    """As M(ansible.builtin.copy) wants it: the slash at the end means what is in the directory, and not the directory."""
    absolute = os.path.abspath(os.path.expanduser(path))
    return absolute + "/" if os.path.isdir(absolute) else absolute

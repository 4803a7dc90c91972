# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks the inputs of a run where they are: on the controller, before anything is started or paid."""

from __future__ import annotations

import json
import typing as t
from dataclasses import asdict

from ansible.plugins.action import ActionBase
from ansible_collections.trainyard.aws.plugins.module_utils._channels import Channel
from ansible_collections.trainyard.aws.plugins.module_utils._preflight import Fault
from ansible_collections.trainyard.aws.plugins.plugin_utils._training_channels import channel_of
from ansible_collections.trainyard.aws.plugins.plugin_utils._training_code import code_faults
from ansible_collections.trainyard.aws.plugins.plugin_utils._training_inputs import (
    Names,
    Source,
    output_path,
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
    "accelerators": {"type": "str", "default": "all"},
    "environment": {"type": "dict"},
    "volumes": {"type": "list", "elements": "dict"},
    "secrets": {"type": "dict", "no_log": False},
    "hyperparameters": {"type": "dict"},
    "hyperparameters_file": {"type": "str"},
    "hyperparameters_schema": {"type": "str"},
    "hyperparameters_path": {"type": "str"},
    "channels": {"type": "dict"},
    "code": {"type": "str", "default": ""},
    "code_reference": {"type": "str", "default": "HEAD"},
    "code_most_megabytes": {"type": "int", "default": 100},
    "working_directory": {"type": "str", "default": ""},
    "shared_directory": {"type": "str", "default": ""},
    "outputs": {"type": "list", "elements": "str"},
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
        if options["code"]:
            given = (options["code"], options["code_reference"], options["code_most_megabytes"])
            faults += code_faults(names.of("code"), *given)
        channels, found = _channels(names, options)
        faults += found
        source, found = _hyperparameters(names, options)
        faults += found
        if faults:
            return {"failed": True, "changed": False, "msg": _message(options["run_id"], faults)}
        return {
            "changed": False,
            "hyperparameters": source.value if source else {},
            "hyperparameters_json": json.dumps(source.value if source else {}, indent=2) + "\n",
            "channels": [asdict(each) for each in channels],
            "outputs": [output_path(each) for each in options["outputs"] or ()],
            "supervision": supervision_of(options),
        }


def _channels(names: Names, options: t.Mapping[str, t.Any]) -> tuple[list[Channel], list[Fault]]:
    channels, faults = [], []
    for name, given in sorted((options["channels"] or {}).items(), key=lambda each: str(each[0])):
        channel, found = channel_of(names.of("channels"), name, given, options["shared_directory"])
        channels += [channel] if channel else []
        faults += found
    return channels, faults


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

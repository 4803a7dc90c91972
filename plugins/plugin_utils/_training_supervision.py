# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""What a run wants of the supervisor on its node: checked, and in the supervisor's own units. Pure."""

from __future__ import annotations

import math
import re
import typing as t

from ansible_collections.trainyard.aws.plugins.module_utils._durations import seconds_of
from ansible_collections.trainyard.aws.plugins.module_utils._preflight import Fault
from ansible_collections.trainyard.aws.plugins.plugin_utils._training_inputs import Names

SUPERVISION: dict[str, t.Any] = {
    "checkpoint_interval": {"type": "str", "default": "5m"},
    "checkpoints_kept": {"type": "int", "default": 0},
    "max_duration": {"type": "str", "default": ""},
    "budget_usd": {"type": "float", "default": 0.0},
    "price_per_hour_usd": {"type": "float", "default": 0.0},
    "idle_stop": {"type": "str", "default": ""},
    "idle_threshold_percent": {"type": "float", "default": 5.0},
    "when_finished": {"type": "str", "choices": ["keep", "stop", "terminate"], "default": "keep"},
    "grace_seconds": {"type": "int", "default": 120},
    "retries": {"type": "int", "default": 0},
    "metrics_enabled": {"type": "bool", "default": True},
    "metrics_namespace": {"type": "str", "default": ""},
}
_DURATIONS = ("checkpoint_interval", "max_duration", "idle_stop")
# As CloudWatch takes it; what begins with AWS/ is its own.
_NAMESPACE = re.compile(r"(?!AWS/|:)[A-Za-z0-9.\-_/#: ]{1,255}")
_NOT_NEGATIVE = ("checkpoints_kept", "budget_usd", "price_per_hour_usd", "grace_seconds", "retries")


def supervision_faults(names: Names, options: t.Mapping[str, t.Any]) -> list[Fault]:
    """Faults of limits and of what is copied."""
    faults = []
    for option in _DURATIONS:
        if options[option] or option == "checkpoint_interval":
            try:
                seconds_of(options[option])
            except ValueError:
                what = f'"{options[option]}" is no duration.'
                faults.append(Fault(names.of(option), what, "Write it as 90s, 30m, 12h, 2d or 1h30m."))
    faults += [
        Fault(names.of(option), f"{options[option]:g} is no amount.", "Write 0 or more.")
        for option in _NOT_NEGATIVE
        if not 0 <= options[option] < math.inf
    ]
    threshold = options["idle_threshold_percent"]
    if not 0 < threshold <= 100:
        faults.append(Fault(names.of("idle_threshold_percent"), f"{threshold:g} is no percentage.", "Write 1 to 100."))
    namespace = options["metrics_namespace"]
    if namespace and not _NAMESPACE.fullmatch(namespace):
        what, fix = (
            f'"{namespace}" is no namespace of CloudWatch.',
            "Write letters, digits and any of . - _ / # such as trainyard/demo.",
        )
        faults.append(Fault(names.of("metrics_namespace"), what, fix))
    return faults


def supervision_of(options: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The settings that do not depend on the node; no duration is 0 seconds."""
    durations = {f"{option}_seconds": seconds_of(options[option]) if options[option] else 0 for option in _DURATIONS}
    return {**durations, **{option: options[option] for option in SUPERVISION if option not in _DURATIONS}}

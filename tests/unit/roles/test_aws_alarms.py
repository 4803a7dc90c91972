# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The alarms of the role are those that a sweep looks for, on metrics that nodes put."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from ansible_collections.trainyard.aws.plugins.module_utils._run_metrics import NAMESPACE_PREFIX, UNITS
from ansible_collections.trainyard.aws.plugins.module_utils._stack import names_of

ROLE = Path(__file__).resolve().parents[3] / "roles" / "aws_alarms"
WANTED: list[dict[str, Any]] = yaml.safe_load((ROLE / "vars" / "main.yml").read_text())["__aws_alarms_wanted"]


def test_every_alarm_is_one_that_a_sweep_looks_for() -> None:
    names = [alarm["name"].replace("{{ stack_name }}", "dcgan") for alarm in WANTED]
    assert tuple(names) == names_of("dcgan", "123456789012", "us-east-1").alarms


def test_every_alarm_is_on_a_metric_that_nodes_put_where_it_looks() -> None:
    assert {alarm["metric"] for alarm in WANTED} <= UNITS.keys()
    assert len({alarm["metric"] for alarm in WANTED}) == len(WANTED)
    (keep,) = yaml.safe_load((ROLE / "tasks" / "main.yml").read_text())
    assert keep["trainyard.aws.metric_alarms"]["namespace"] == f"{NAMESPACE_PREFIX}{{{{ stack_name }}}}"


def test_every_alarm_is_in_the_readme() -> None:
    readme = (ROLE / "README.md").read_text()
    assert [alarm["name"] for alarm in WANTED if f"| `{alarm['name'].rpartition('}}-')[2]}` |" not in readme] == []

# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The metrics that a stack publishes: by name, with the dimensions or labels that each has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.trainyard.aws.plugins.module_utils._run_metrics import ALARM_UNITS, UNITS

ROLES = Path(__file__).resolve().parents[2] / "roles"
EXPORTED = Path(__file__).with_name("systems") / "node_exporter.txt"
# The CloudWatch agent puts these on all of its metrics (append_dimensions), and its plugins those of _PLUGINS.
_OF_THE_AGENT = {"InstanceId", "InstanceType", "stack"}
# Plugins of Telegraf, as the agent documents them: section, beginning of the published name, dimensions.
_PLUGINS = {
    "cpu": ("cpu_", {"cpu"}),
    "disk": ("disk_", {"path", "fstype"}),
    "diskio": ("diskio_", {"name"}),
    "mem": ("mem_", set()),
    "net": ("net_", {"interface"}),
    "netstat": ("netstat_", set()),
    "nvidia_gpu": ("nvidia_smi_", {"index", "name", "arch"}),
    "processes": ("processes_", set()),
    "swap": ("swap_", set()),
}
_REPORTED = re.compile(r'"((?:gaudi|node)_\w+|run_active)"')
# "Amazon CloudWatch metrics for Amazon EFS" in the EFS User Guide.
EFS = {"DataReadIOBytes": {"FileSystemId"}, "DataWriteIOBytes": {"FileSystemId"}, "MetadataIOBytes": {"FileSystemId"}}
# What role prometheus puts on each series, and what DCGM's exporter does.
_OF_THE_SCRAPE = {"stack", "node", "instance", "job"}
_OF_DCGM = {"gpu", "UUID", "device", "modelName", "Hostname"}


def _of_runs() -> dict[str, set[str]]:
    """What the supervisor writes; several nodes of one run are told apart."""
    dimensions = {name: set() if name in ALARM_UNITS else {"run", "node_rank"} for name in UNITS}
    return dimensions | {"training_metric": {"run", "node_rank", "metric"}}


def _of_the_agent() -> dict[str, set[str]]:
    defaults: dict[str, Any] = yaml.safe_load(
        (ROLES / "cloudwatch_agent/defaults/main.yml").read_text(encoding="utf-8")
    )
    return {
        f"{prefix}{name}": _OF_THE_AGENT | dimensions
        for section, (prefix, dimensions) in _PLUGINS.items()
        for name in defaults[f"cloudwatch_agent_{section}_measurements"]
    }


def _of_the_report() -> dict[str, set[str]]:
    """What the node's small service sends to the agent."""
    text = (ROLES / "cloudwatch_agent/files/trainyard_node_report.py").read_text(encoding="utf-8")
    return {name: _OF_THE_AGENT | {"run", "index", "module_id"} for name in _REPORTED.findall(text)}


def in_cloudwatch() -> dict[str, set[str]]:
    """Metric and dimensions in the namespace of a stack."""
    return {**_of_the_agent(), **_of_the_report(), **_of_runs()}


def in_prometheus() -> dict[str, set[str]]:
    """Series and labels."""
    found = {f"trainyard_{name}": _OF_THE_SCRAPE | labels for name, labels in _of_runs().items()}
    found |= {f"trainyard_node_{name}": _OF_THE_SCRAPE for name in ("price_usd_per_hour", "expires_at_seconds")}
    for line in EXPORTED.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            name, *labels = line.split()
            found[name] = _OF_THE_SCRAPE | set(labels)
    counters = (ROLES / "dcgm_exporter/vars/main.yml").read_text(encoding="utf-8")
    found |= dict.fromkeys(re.findall(r"\[(DCGM_\w+),", counters), _OF_THE_SCRAPE | _OF_DCGM)
    return found

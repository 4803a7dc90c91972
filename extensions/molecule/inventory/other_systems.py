#!/usr/bin/env python3
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Boxes of systems that can be made here only at times: those that ../systems.py has found."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

DECISION = Path(__file__).resolve().parents[3] / ".cache" / "molecule-systems.json"
UBUNTU = ("ubuntu-22.04", "ubuntu-24.04")
SCENARIOS = {
    "cloudwatch_agent": UBUNTU[:1],
    "s5cmd": (*UBUNTU, "amazon-linux-2023"),
}


def hosts(decision: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """As Ansible wants it: a box for each scenario and each system that there is."""
    groups = {
        scenario: {
            f"{scenario.replace('_', '-')}-{system}": system
            for system in systems
            if "image" in decision.get(system, {})
        }
        for scenario, systems in SCENARIOS.items()
    }
    variables = {host: {"box": {"image": system}} for boxes in groups.values() for host, system in boxes.items()}
    return {
        "_meta": {"hostvars": variables},
        **{scenario: {"hosts": list(boxes)} for scenario, boxes in groups.items()},
    }


def main() -> None:
    decision = json.loads(DECISION.read_text(encoding="utf-8")) if DECISION.exists() else {}
    json.dump(hosts(decision) if sys.argv[1:] == ["--list"] else {}, sys.stdout)


if __name__ == "__main__":
    main()

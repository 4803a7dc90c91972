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
# Ubuntu's engine keeps its images in containerd, whose overlays cannot lie on the overlay of a box.
CONTAINERD_IN_MEMORY = {"tmpfs": ["/var/lib/containerd"]}
# For each scenario its systems, and the variables of the box there beyond its image, as in hosts.yml.
SCENARIOS: dict[str, dict[str, dict[str, Any]]] = {
    "cloudwatch_agent": {"ubuntu-22.04": {}},
    "data_volume": {
        "ubuntu-22.04": {
            "instance_store_disks": 2,
            "instance_store_filesystem": "ext4",
            "box": {
                "capabilities": ["LINUX_IMMUTABLE"],
                "device_rules": ["b 7:* rwm", "c 10:237 rwm"],
                "tmpfs": ["/mnt"],
            },
        }
    },
    "docker_engine": {"ubuntu-22.04": {"box": CONTAINERD_IN_MEMORY}, "ubuntu-24.04": {"box": CONTAINERD_IN_MEMORY}},
    "efa": {"ubuntu-22.04": {}},
    "efs_mount": {
        "ubuntu-22.04": {
            "box": {
                "file_systems": ["fs-0123456789abcdef0"],
                "capabilities": ["LINUX_IMMUTABLE"],
                "tmpfs": ["/mnt"],
            },
        }
    },
    "grafana": {"ubuntu-22.04": {}},
    "habana_driver": {"ubuntu-22.04": {"devices_id": "0x1060"}},
    "node_baseline": {"ubuntu-22.04": {}},
    "node_exporter": {"ubuntu-22.04": {}},
    "nvidia_container_toolkit": {
        "ubuntu-22.04": {
            "machine_devices": ["0x10de 0x27b8 0x030200"],
            "machine_gpus": ["NVIDIA L4"],
            "box": CONTAINERD_IN_MEMORY,
        }
    },
    "nvidia_driver": {"ubuntu-22.04": {"machine_devices": ["0x10de 0x27b8 0x030200"], "machine_gpus": ["NVIDIA L4"]}},
    "prometheus": {"ubuntu-22.04": {}},
    "s5cmd": {"ubuntu-22.04": {}, "ubuntu-24.04": {}, "amazon-linux-2023": {}},
    "tensorboard": {"ubuntu-22.04": {}, "ubuntu-24.04": {}, "amazon-linux-2023": {}},
    # Docker 29 reaches into the process of a container that is not root's.
    "training_run": {
        "ubuntu-24.04": {"box": {"capabilities": ["SYS_PTRACE"], "tmpfs": ["/mnt", *CONTAINERD_IN_MEMORY["tmpfs"]]}}
    },
}


def hosts(decision: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """As Ansible wants it: a box for each scenario and each system that there is."""
    groups: dict[str, Any] = {scenario: {"hosts": []} for scenario in SCENARIOS}
    variables = {}
    for scenario, systems in SCENARIOS.items():
        for system, more in systems.items():
            if "image" in decision.get(system, {}):
                name = f"{scenario.replace('_', '-')}-{system}"
                groups[scenario]["hosts"].append(name)
                variables[name] = {**more, "box": {"image": system, **more.get("box", {})}}
    return {"_meta": {"hostvars": variables}, **groups}


def main() -> None:
    decision = json.loads(DECISION.read_text(encoding="utf-8")) if DECISION.exists() else {}
    json.dump(hosts(decision) if sys.argv[1:] == ["--list"] else {}, sys.stdout)


if __name__ == "__main__":
    main()

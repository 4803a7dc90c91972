# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Join, format and mount the instance store of this machine; run at every boot, for a stop takes all of it away."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from ansible_collections.trainyard.aws.plugins.module_utils._disks import (
    FILESYSTEMS,
    DiskError,
    instance_store,
    instance_store_mounts,
)
from ansible_collections.trainyard.aws.plugins.module_utils._disks_engine import (
    Machine,
    Run,
    do,
    format_if_blank,
    joined,
    probe,
)


def run(command: list[str]) -> tuple[int, str, str]:
    try:
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return 127, "", str(error)
    return ended.returncode, ended.stdout, ended.stderr


def bring_up(machine: Machine, tools: Run, path: str, filesystem: str, options: str) -> str:
    """Have the instance store mounted, and say what was done. Raises DiskError."""
    disks = machine.disks()
    members = instance_store(disks)
    if not members:
        return "this machine has no instance store"
    if mounts := instance_store_mounts(disks):
        return f"the instance store is mounted on {' and '.join(mounts)} already"
    disk = joined(tools, members)
    formatted = format_if_blank(tools, disk, filesystem)
    os.makedirs(path, exist_ok=True)
    do(tools, ["mount", "-t", filesystem, "-o", options, f"UUID={probe(tools, disk.device)['UUID']}", path])
    return f"mounted {disk.says()} on {path}{', formatted anew' if formatted else ''}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--path", required=True)
    parser.add_argument("--filesystem", choices=FILESYSTEMS, required=True)
    parser.add_argument("--options", required=True)
    asked = parser.parse_args()
    try:
        said = bring_up(Machine(), run, asked.path, asked.filesystem, asked.options)
    except DiskError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{said}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

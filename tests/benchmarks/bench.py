#!/usr/bin/env python3
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the verbs take in the lab, and how late a log line is on the terminal: what `make bench` runs.

Prints figures and asserts nothing. Each row is the minimum, median and maximum of whole-process seconds over some rounds
of the same life: provision an empty account, provision again, configure, configure again, follow a log, destroy.
Then a log beside `ssh NODE docker logs -f`, and configure alone, for one node and for many.
Where terraform and its provider are found, the same topology follows by our playbooks and by Terraform, as ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

import docker

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.benchmarks.beside_terraform import measure_both, plugin_directory, table  # noqa: E402
from tests.benchmarks.following import Followed, measure_following, print_following  # noqa: E402
from tests.e2e.driver import Lab, Stack, copy_inventory, lab_command, push_shell_image, stack_environment  # noqa: E402

STAMPED = re.compile(r"^stamp (\d+\.\d+)$")
LINES = 40
NODES = (1, 8, 24)
SCRIPT = f"for i in $(seq {LINES}); do echo stamp $(date +%s.%N); sleep 0.25; done"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--only-terraform", action="store_true", help="only the ratios beside Terraform")
    only.add_argument("--only-following", action="store_true", help="only a log, beside `ssh NODE docker logs -f`")
    only.add_argument("--only-growth", action="store_true", help="only configure, for one node and for many")
    arguments = parser.parse_args()
    rounds = arguments.rounds
    plugins = plugin_directory()
    figures: dict[str, list[float]] = {}
    growth: dict[str, list[float]] = {}
    followed: dict[str, list[Followed]] = {}
    every = not (arguments.only_terraform or arguments.only_growth or arguments.only_following)
    lines = ["beside Terraform: not measured, terraform or its AWS provider is not on this machine"]
    state = ROOT / "build" / "bench" / "lab"
    state.mkdir(parents=True, exist_ok=True)
    lab_command(state, "up")
    try:
        lab = Lab.of(state)
        with tempfile.TemporaryDirectory() as home:
            if every:
                figures = measure(lab, Path(home), rounds)
            if every or arguments.only_following:
                followed = measure_log(lab, Path(home), rounds)
            if every or arguments.only_growth:
                growth = measure_growth(lab, Path(home))
            if plugins and (every or arguments.only_terraform):
                inventory = copy_inventory("beside", Path(home) / "beside", "10.84")
                stack = Stack("beside", lab, Path(home), inventory, "", stack_environment(lab, Path(home)))
                lines = table(*measure_both(stack, lab, plugins, rounds))
    finally:
        lab_command(state, "down")
    print_table(figures, rounds)
    print_following(followed)
    print_growth(growth)
    print("\n".join(lines))
    return 0


def measure(lab: Lab, home: Path, rounds: int) -> dict[str, list[float]]:
    """Seconds by name."""
    image = push_shell_image(docker.from_env(), lab)
    inventory = copy_inventory("bench", home / "inventory", "10.80")
    stack = Stack("bench", lab, home, inventory, image, stack_environment(lab, home))
    figures: dict[str, list[float]] = defaultdict(list)
    for number in range(rounds):
        timed(figures, "provision, empty account", stack, "provision")
        timed(figures, "provision, no change", stack, "provision")
        timed(figures, "configure, new node", stack, "configure")
        timed(figures, "configure, no change", stack, "configure")
        figures["a log line is late by"] += delays(stack, f"delay-{number}")
        timed(figures, "destroy with proof", stack, "destroy", "-e", f"stack_purge={stack.name}")
    return figures


def measure_log(lab: Lab, home: Path, rounds: int) -> dict[str, list[Followed]]:
    """A log followed on one node."""
    image = push_shell_image(docker.from_env(), lab)
    inventory = copy_inventory("follow", home / "follow", "10.86")
    stack = Stack("follow", lab, home, inventory, image, stack_environment(lab, home))
    for playbook in ("provision", "configure"):
        timed({playbook: []}, playbook, stack, playbook)
    found = measure_following(stack, rounds)
    timed({"destroy": []}, "destroy", stack, "destroy", "-e", f"stack_purge={stack.name}")
    return found


def measure_growth(lab: Lab, home: Path) -> dict[str, list[float]]:
    """Seconds by name, one for each number of nodes."""
    inventory = copy_inventory("growth", home / "growth", "10.85")
    stack = Stack("growth", lab, home, inventory, "", stack_environment(lab, home))
    figures: dict[str, list[float]] = defaultdict(list)
    for count in NODES:
        group = {"name": "train", "count": count, "instance_types": ["g6.xlarge"]}
        nodes = ("-e", json.dumps({"aws_nodes_groups": [group]}))
        timed({"provision": []}, "provision", stack, "provision", *nodes)
        timed(figures, "configure, new nodes", stack, "configure", *nodes)
        timed(figures, "configure, no change", stack, "configure", *nodes)
        timed({"destroy": []}, "destroy", stack, "destroy", *nodes, "-e", f"stack_purge={stack.name}")
    return figures


def print_growth(growth: dict[str, list[float]]) -> None:
    """Seconds for each number of nodes, and how much longer the most take than the fewest."""
    if growth:
        print(f"\n{'nodes':<28}{''.join(f'{count:>9}' for count in NODES)}{f'{NODES[-1]} / {NODES[0]}':>9}")
    for name, values in growth.items():
        print(f"{name:<28}{''.join(f'{value:>9.1f}' for value in values)}{values[-1] / values[0]:>9.2f}")


def timed(figures: dict[str, list[float]], name: str, stack: Stack, playbook: str, *options: str) -> None:
    started = time.monotonic()
    outcome = stack.play(playbook, *options)
    figures[name].append(time.monotonic() - started)
    if outcome.status:
        raise SystemExit(outcome.text)


def delays(stack: Stack, run_id: str) -> list[float]:
    """Seconds from writing each line in the container to reading it here; both clocks are this machine's."""
    process = stack.start("train", *stack.train(run_id, SCRIPT))
    late = []
    for line in process.stdout or ():
        written = STAMPED.match(line.strip())
        if written:
            late.append(time.time() - float(written[1]))
    if process.wait() or len(late) != LINES:
        raise SystemExit(f"the run showed {len(late)} of {LINES} lines and ended with {process.returncode}")
    return late


def print_table(figures: dict[str, list[float]], rounds: int) -> None:
    cores, today = os.cpu_count(), datetime.now(UTC).date()
    print(
        f"\n{platform.machine()}, {cores} cores, Python {platform.python_version()}, {today}, {rounds} rounds; seconds"
    )
    print(f"{'':<28}{'minimum':>9}{'median':>9}{'maximum':>9}")
    for name, values in figures.items():
        print(f"{name:<28}{min(values):>9.2f}{statistics.median(values):>9.2f}{max(values):>9.2f}")
    revision = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    print(json.dumps({"revision": revision.stdout.strip(), "rounds": rounds}))


if __name__ == "__main__":
    sys.exit(main())

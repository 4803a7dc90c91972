#!/usr/bin/env python3
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the verbs take in the lab, and how late a log line is on the terminal: what `make bench` runs.

Asserts nothing, and prints tables for docs/performance.md. Each figure is of whole processes over some rounds: the same life
(provision an empty account, provision again, configure, configure again, follow a log, destroy), a log beside
`ssh NODE docker logs -f`, configure for one node and for many, the same topology beside Terraform where it and its provider are
found, and the inventory of many instances.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import docker

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # a program has its own folder there, and what it imports next lies above it

from lab.latency import TABLES  # noqa: E402
from tests.benchmarks.beside_terraform import VARIANTS, lives, measure_lives, plugin_directory, report  # noqa: E402
from tests.benchmarks.following import Followed, following_table, measure_following  # noqa: E402
from tests.benchmarks.inventory import inventory_table, measure_inventory  # noqa: E402
from tests.benchmarks.stopwatch import adopt_orphans  # noqa: E402
from tests.benchmarks.tables import machine, spreads, table  # noqa: E402
from tests.e2e.driver import Lab, Stack, copy_inventory, lab_command, push_shell_image, stack_environment  # noqa: E402

STAMPED = re.compile(r"^stamp (\d+\.\d+)$")
LINES = 40
NODES = (1, 8, 24)
SCRIPT = f"for i in $(seq {LINES}); do echo stamp $(date +%s.%N); sleep 0.25; done"
PARTS = ("verbs", "following", "growth", "terraform", "inventory")


def main() -> int:
    arguments = parser().parse_args()
    rounds = arguments.rounds
    lines = machine(ROOT)
    adopt_orphans()
    state = ROOT / "build" / "bench" / "lab"
    state.mkdir(parents=True, exist_ok=True)
    lab_command(state, "up")
    try:
        lab = Lab.of(state)
        with tempfile.TemporaryDirectory() as place:
            home = Path(place)
            if "verbs" in arguments.only:
                lines += spreads("The verbs, seconds", "verb", measure(lab, home, rounds))
            if "following" in arguments.only:
                lines += following_table(measure_log(lab, home, rounds))
            if "growth" in arguments.only:
                lines += growth_table(measure_growth(lab, home))
            if "terraform" in arguments.only:
                lines += beside_terraform(lab, home, arguments)
            if "inventory" in arguments.only:
                lines += inventory_table(measure_inventory(home, rounds))
    finally:
        lab_command(state, "down")
        print("\n".join(lines))
    return 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    made.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    made.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="default: all")
    made.add_argument("--latency", nargs="+", choices=tuple(TABLES), default=tuple(TABLES), help="default: all")
    made.add_argument("--variants", nargs="+", choices=tuple(VARIANTS), default=tuple(VARIANTS), help="default: all")
    return made


def beside_terraform(lab: Lab, home: Path, arguments: argparse.Namespace) -> list[str]:
    """The tables of each latency."""
    plugins = plugin_directory()
    inventory = copy_inventory("beside", home / "beside", "10.84")
    stack = Stack("beside", lab, home, inventory, "", stack_environment(lab, home))
    lines = [] if plugins else ["Without Terraform: it or its AWS provider is not on this machine.", ""]
    for latency in arguments.latency:
        alive = lives(stack, lab, plugins, arguments.variants)
        measure_lives(lab, alive, arguments.rounds, latency)
        lines += report(alive, latency)
    return lines


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


def growth_table(growth: dict[str, list[float]]) -> list[str]:
    """Seconds for each number of nodes, and how much longer the most take than the fewest."""
    head = ("nodes", *map(str, NODES), f"{NODES[-1]} / {NODES[0]}")
    rows = (
        (name, *(f"{one:.1f}" for one in values), f"{values[-1] / values[0]:.2f}") for name, values in growth.items()
    )
    return table("Configure, for one node and for many, seconds", head, rows)


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


if __name__ == "__main__":
    sys.exit(main())

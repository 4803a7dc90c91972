# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Following a run with the playbook logs, beside `ssh NODE docker logs -f`: how late, how complete, and for how much CPU.

The same run is followed by one after the other, so that neither disturbs the other. All clocks are this machine's.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docker

from tests.benchmarks.tables import table
from tests.e2e.driver import Stack, end

STAMPED = re.compile(r"^stamp (\d+\.\d+) (\d+)\s*$")
# Nothing is written before its first line was seen, since whoever comes back begins with the last lines.
WAIT = "echo waiting; while ! [ -e /tmp/go ]; do sleep 0.05; done; "
# How many lines, numbered from 0, and the script that writes them.
LOADS = {
    "4 lines a second": (80, "for i in $(seq 0 79); do echo stamp $(date +%s.%N) $i; sleep 0.25; done"),
    "10,000 lines a second": (
        50_000,
        'for i in $(seq 0 499); do seq -f "stamp $(date +%s.%N) %.0f" $((i * 100)) $((i * 100 + 99)); sleep 0.004; done',
    ),
}


@dataclass(frozen=True)
class Followed:
    """What following one run gave."""

    seconds: float  # from the first line to the last, as they were written
    delays: list[float]
    lost: int
    repeated: int
    node_cpu: float
    controller_cpu: float


def measure_following(stack: Stack, rounds: int) -> dict[str, list[Followed]]:
    """By load and by who follows. The stack is provisioned and configured."""
    found: dict[str, list[Followed]] = {}
    for number in range(rounds):
        for index, (load, (count, script)) in enumerate(LOADS.items()):
            for who in ("logs", "ssh"):
                run_id = f"follow-{number}-{index}-{who}"
                found.setdefault(f"{load}, {who}", []).append(_follow(stack, who, run_id, count, script))
    return found


def _follow(stack: Stack, who: str, run_id: str, count: int, script: str) -> Followed:
    unwatched = json.dumps({"training_run_follow_enabled": False})
    outcome = stack.play("train", *stack.train(run_id, WAIT + script, "-e", unwatched))
    if outcome.status:
        raise SystemExit(outcome.text)
    process = stack.start("logs", "-e", f"training_run_id={run_id}") if who == "logs" else _ssh(stack, run_id)
    try:
        _read_until(process, "waiting")
        node, here = _node_cpu(stack), _cpu_of(process.pid)
        stack.ssh(f"sudo docker exec trainyard-run-{run_id} touch /tmp/go")
        arrived = list(_stamps(process, count))
        node, here = _node_cpu(stack) - node, _cpu_of(process.pid) - here
        process.communicate()
    finally:
        end(process)
    written = [stamp for stamp, _number, _delay in arrived]
    distinct = len({number for _stamp, number, _delay in arrived})
    return Followed(
        max(written) - min(written),
        [delay for _stamp, _number, delay in arrived],
        count - distinct,
        len(arrived) - distinct,
        node,
        here,
    )


def _ssh(stack: Stack, run_id: str) -> subprocess.Popen:
    return subprocess.Popen(
        [
            "ssh",
            "-F",
            stack.ssh_config,
            stack.node,
            f"exec sudo docker logs -f trainyard-run-{run_id}",
        ],
        env=stack.environment,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _read_until(process: subprocess.Popen, word: str) -> None:
    shown = []
    for line in process.stdout or ():
        shown.append(line)
        if word in line:
            return
    raise SystemExit("".join(shown))


def _stamps(process: subprocess.Popen, count: int) -> Iterator[tuple[float, int, float]]:
    """When each line was written, its number, and how late it is; until the last one came."""
    for line in process.stdout or ():
        stamp = STAMPED.match(line)
        if stamp:
            yield float(stamp[1]), int(stamp[2]), time.time() - float(stamp[1])
            if int(stamp[2]) == count - 1:
                return


def _cpu_of(pid: int) -> float:
    """Processor seconds of a process and all that came from it."""
    stats = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        stats[int(path.parent.name)] = (int(fields[1]), sum(map(int, fields[11:15])))
    family, grown = {pid}, True
    while grown:
        children = {each for each, (parent, _ticks) in stats.items() if parent in family}
        grown = not children <= family
        family |= children
    return sum(stats[each][1] for each in family if each in stats) / os.sysconf("SC_CLK_TCK")


def _node_cpu(stack: Stack) -> float:
    """Processor seconds of the node's box: the training and Docker itself are in it, whoever follows."""
    address = stack.instances()[stack.node]["PrivateIpAddress"]
    for box in docker.from_env().containers.list():
        if any(network["IPAddress"] == address for network in box.attrs["NetworkSettings"]["Networks"].values()):
            return _cpu_of(box.attrs["State"]["Pid"])
    raise SystemExit(f"no box has the address {address}")


def following_table(found: dict[str, list[Followed]]) -> list[str]:
    head = ("followed", "written in", "median", "99 %", "lost", "repeated", "CPU node", "CPU here")
    return table("A followed log: lateness and processor time, seconds", head, map(_row, found, found.values()))


def _row(name: str, rounds: list[Followed]) -> tuple[str, ...]:
    delays = [delay for one in rounds for delay in one.delays]
    return (
        name,
        f"{statistics.mean(one.seconds for one in rounds):.1f}",
        f"{statistics.median(delays):.2f}",
        f"{statistics.quantiles(delays, n=100)[98]:.2f}",
        str(sum(one.lost for one in rounds)),
        str(sum(one.repeated for one in rounds)),
        f"{statistics.mean(one.node_cpu for one in rounds):.1f}",
        f"{statistics.mean(one.controller_cpu for one in rounds):.2f}",
    )

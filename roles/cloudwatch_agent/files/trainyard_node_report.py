# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Give the CloudWatch agent what it has no plugin for: Gaudi accelerators, what the node costs, its runs, and what they print.

Metrics go to its StatsD port, what runs print into a file for each run, which the agent reads. Only the standard library,
and for Python 3.9.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import typing as t
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

# Names of hl-smi (docs.habana.ai, System Management Interface Tool), and ours.
GAUDI_METRICS = {
    "utilization.aip": "gaudi_utilization",
    "memory.used": "gaudi_memory_used",
    "memory.total": "gaudi_memory_total",
    "temperature.aip": "gaudi_temperature",
    "power.draw": "gaudi_power_draw",
}
GAUDI_TAGS = ("index", "module_id")
GAUDI_QUERY = (*GAUDI_TAGS, *GAUDI_METRICS)
RUN_LABEL = "trainyard.run"
RUN_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
NUMBER = re.compile(r"-?\d+(\.\d+)?")
COMMAND_SECONDS = 30


@dataclass(frozen=True)
class Settings:
    port: int
    interval_seconds: int
    log_directory: str | None
    tags: dict[str, str]
    price_usd_per_hour: float = 0  # unknown
    expires_at: str = ""  # never


@dataclass(frozen=True)
class Gauge:
    name: str
    value: str
    tags: dict[str, str]

    def line(self) -> str:
        """As StatsD with tags has it."""
        tags = ",".join(f"{name}:{value}" for name, value in self.tags.items())
        return f"{self.name}:{self.value}|g" + (f"|#{tags}" if tags else "")


@dataclass(frozen=True)
class Run:
    container: str
    run_id: str
    running: bool


def gaudi_gauges(answer: str) -> list[Gauge]:
    """What hl-smi answers to GAUDI_QUERY, a line for each accelerator; units may follow the numbers."""
    gauges = []
    for row in csv.reader(answer.splitlines(), skipinitialspace=True):
        values = dict(zip(GAUDI_QUERY, row))
        tags = {name: values.get(name, "").strip() for name in GAUDI_TAGS}
        for name, metric in GAUDI_METRICS.items():
            number = NUMBER.match(values.get(name, ""))
            if number:
                gauges.append(Gauge(metric, number.group(), tags))
    return gauges


def parse_runs(answer: str) -> list[Run]:
    """What docker ps answers, a line for each container: id, state, id of the run."""
    rows = [line.split(" ") for line in answer.splitlines()]
    return [Run(row[0], row[2], row[1] == "running") for row in rows if len(row) == 3 and RUN_ID.fullmatch(row[2])]


def run_gauges(runs: t.Iterable[Run]) -> list[Gauge]:
    """One for each run that is going: this is how a dashboard finds the runs, and the nodes of a run."""
    return [Gauge("run_active", "1", {"run": run.run_id}) for run in runs if run.running]


def node_gauges(settings: Settings, now: float) -> list[Gauge]:
    """What the node costs, and for how long it may still live."""
    gauges = []
    if settings.price_usd_per_hour:
        gauges.append(Gauge("node_price_usd_per_hour", f"{settings.price_usd_per_hour:g}", {}))
    if settings.expires_at:
        moment = datetime.strptime(settings.expires_at, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
        gauges.append(Gauge("node_expires_in_seconds", f"{max(0, moment.timestamp() - now):.0f}", {}))
    return gauges


def append_rest(source: t.BinaryIO, target: t.BinaryIO, skip: int) -> None:
    """Copy all but the first bytes, which are there already, as they come."""
    while True:
        block = os.read(source.fileno(), 65536)
        if not block:
            return
        target.write(block[skip:])
        target.flush()
        skip = max(0, skip - len(block))


class Log:
    """What one container prints, in a file. Docker tells it from the beginning each time, so a copy goes on where it ended."""

    def __init__(self, run: Run, directory: Path) -> None:
        self.path = directory / f"{run.run_id}.{run.container[:12]}.log"
        self.container = run.container
        self.complete = False
        self._thread: threading.Thread | None = None

    def follow(self, running: bool) -> None:
        """See that it is being copied, until the container has ended and all was copied."""
        if self._thread is not None and self._thread.is_alive():
            return
        self.complete = self._thread is not None and not running
        if not self.complete:
            self._thread = threading.Thread(target=self._copy, daemon=True)
            self._thread.start()

    def _copy(self) -> None:
        command = ["docker", "logs", "--follow", self.container]
        with (
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as docker,
            self.path.open("ab") as target,
        ):
            append_rest(t.cast(t.BinaryIO, docker.stdout), target, target.tell())


class Logs:
    """The files of all containers that are there. A file goes with its container."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._logs: dict[str, Log] = {}

    def update(self, runs: t.Sequence[Run]) -> None:
        for run in runs:
            log = self._logs.setdefault(run.container, Log(run, self.directory))
            if not log.complete:
                log.follow(run.running)
        for container in self._logs.keys() - {run.container for run in runs}:
            del self._logs[container]
        kept = {log.path for log in self._logs.values()}
        for path in self.directory.glob("*.log"):
            if path not in kept:
                path.unlink()


def ask(*command: str) -> str | None:
    """What a program prints; none if it is not installed or fails, which the journal tells."""
    if shutil.which(command[0]) is None:
        return None
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=COMMAND_SECONDS).stdout
    except subprocess.CalledProcessError as error:
        sys.stderr.write(f"{' '.join(command)} failed: {error.stderr.strip()}\n")
    except subprocess.TimeoutExpired:
        sys.stderr.write(f"{' '.join(command)} did not answer for {COMMAND_SECONDS} s\n")
    return None


def containers() -> list[Run] | None:
    form = f'{{{{.ID}}}} {{{{.State}}}} {{{{.Label "{RUN_LABEL}"}}}}'
    said = ask("docker", "ps", "--all", "--no-trunc", "--filter", f"label={RUN_LABEL}", "--format", form)
    return None if said is None else parse_runs(said)


def main() -> None:
    settings = Settings(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    logs = Logs(Path(settings.log_directory)) if settings.log_directory else None
    statsd = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    while True:
        runs = containers()
        gaudi = ask("hl-smi", "-Q", ",".join(GAUDI_QUERY), "-f", "csv,noheader,nounits")
        for gauge in [*run_gauges(runs or ()), *gaudi_gauges(gaudi or ""), *node_gauges(settings, time.time())]:
            line = Gauge(gauge.name, gauge.value, {**gauge.tags, **settings.tags}).line()
            statsd.sendto(line.encode(), ("127.0.0.1", settings.port))
        if logs is not None and runs is not None:
            logs.update(runs)
        time.sleep(settings.interval_seconds)


if __name__ == "__main__":
    main()

"""Run the test suites and end with one table.

Without an argument every suite runs but those that take too long for every day; otherwise those that are named, or the
group `fast`. What a suite says goes into build/test/SUITE.log, and is shown when the suite fails.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
LOGS = CHECKOUT / "build" / "test"
PYTEST = (sys.executable, "-m", "pytest", "--quiet", "--no-header", "--color=no", "--durations=5")
ENOUGH_CORES = 4  # to run a row side by side
# A file at a time for each of two workers, who have a lab each: playbooks wait more than they work.
TWO_LABS = ("-n", "2", "--dist", "loadfile")


@dataclass(frozen=True)
class Suite:
    """A command, and how long it may take before something must be wrong."""

    name: str
    command: tuple[str, ...]
    minutes: int


UNIT = Suite("unit", (*PYTEST, "-n", "2", "tests/unit", "tests/contracts"), minutes=20)
# Suites in one row need neither Docker nor a fixed port, so they run side by side; the rows come one after the other.
ROWS = (
    (Suite("lint", ("tools/lint",), minutes=10), UNIT, Suite("sanity", ("tools/sanity",), minutes=15)),
    (Suite("lab", (*PYTEST, "lab/tests"), minutes=20),),
    (Suite("molecule", ("molecule", "test", "--all", "--workers", "3"), minutes=60),),
    (Suite("e2e", (*PYTEST, *TWO_LABS, "tests/e2e"), minutes=60),),
    (Suite("faults", (*PYTEST, *TWO_LABS, "tests/faults"), minutes=40),),
)
# Suites that take too long for every day: only when named.
OPTIONAL = (
    (Suite("faults-full", (*PYTEST, "tests/faults/every_step.py"), minutes=120),),
    (Suite("permissions-full", (*PYTEST, "tests/e2e/every_permission.py"), minutes=60),),
)
# How pytest and Ansible begin the lines that say what went wrong.
REASON = re.compile(r"(FAILED|ERROR) \S+::|[ │]*(fatal|failed): \[")
FAST = ((UNIT, Suite("lint-changed", ("tools/lint", "--changed"), minutes=2)),)


@dataclass
class Running:
    """A suite that has been started."""

    suite: Suite
    status: int | None = None
    seconds: float = 0.0
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                self.suite.command,
                cwd=CHECKOUT,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def log(self) -> Path:
        return LOGS / f"{self.suite.name}.log"

    @property
    def result(self) -> str:
        return {None: "too slow", 0: "passed"}.get(self.status, "failed")

    def finished(self) -> bool:
        """Ask once whether it has ended, or had its time."""
        self.status = self.process.poll()
        self.seconds = time.monotonic() - self.started
        return self.status is not None or self.seconds > self.suite.minutes * 60

    def stop(self) -> None:
        """End whatever of it is left, with a chance to clean up first."""
        for signal_number, patience in ((signal.SIGINT, 20), (signal.SIGKILL, 5)):
            if self.process.poll() is not None:
                return
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal_number)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=patience)


def environment() -> dict[str, str]:
    """The environment of the suites: our own tools first, and no colours in the logs."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return os.environ | {"PATH": path, "NO_COLOR": "1", "ANSIBLE_NOCOLOR": "1"}


def run_side_by_side(suites: Sequence[Suite]) -> list[Running]:
    """Start all, wait for all, and leave nothing running, also when interrupted."""
    everything = [Running(suite) for suite in suites]
    waiting = list(everything)
    try:
        while waiting:
            time.sleep(0.1)
            for each in [each for each in waiting if each.finished()]:
                waiting.remove(each)
                print(f"{each.suite.name}: {each.result} in {each.seconds:.0f} s", flush=True)
    finally:
        for each in everything:
            each.stop()
    return everything


def run_rows(rows: Sequence[Sequence[Suite]]) -> list[Running]:
    """Run row after row; on a small machine suite after suite."""
    if (os.cpu_count() or 1) < ENOUGH_CORES:
        rows = [(suite,) for row in rows for suite in row]
    return [each for row in rows for each in run_side_by_side(row)]


def chosen_rows(names: Sequence[str]) -> Sequence[Sequence[Suite]]:
    """The rows with only the suites that were asked for."""
    if not names:
        return ROWS
    if list(names) == ["fast"]:
        return FAST
    return [row for row in ([suite for suite in row if suite.name in names] for row in (*ROWS, *OPTIONAL)) if row]


def last_line(log: Path) -> str:
    """What a suite said last: pytest and Molecule count there."""
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip(" =") for line in reversed(lines) if line.strip(" =")), "")[:70]


def reasons(log: Path, most: int = 3, length: int = 4) -> list[str]:
    """The last failures that a suite told of, each with the lines that follow: Molecule folds its own."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    starts = [number for number, line in enumerate(lines) if REASON.match(line)][-most:]
    shown = sorted({number for start in starts for number in range(start, start + length)})
    return [lines[number][:200] for number in shown if number < len(lines)]


def report(everything: Sequence[Running]) -> int:
    """Show what failed in full, then the table and the reasons, and say with the status whether all is well."""
    failed = [each for each in everything if each.result != "passed"]
    for each in failed:
        print(f"\n{'=' * 20} {each.suite.name} {each.result} {'=' * 20}")
        print(each.log.read_text(encoding="utf-8", errors="replace"))
    print(f"\n{'suite':<14}{'result':<10}{'seconds':>8}  last line")
    for each in everything:
        print(f"{each.suite.name:<14}{each.result:<10}{each.seconds:>8.0f}  {last_line(each.log)}")
    for each in failed:
        print("", f"{each.suite.name}:", *reasons(each.log), sep="\n")
    print(f"\n{len(everything) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


def main(arguments: Sequence[str]) -> int:
    """The command line."""
    names = [suite.name for row in (*ROWS, *OPTIONAL) for suite in row]
    parser = argparse.ArgumentParser(prog="tools/test", description=__doc__.split("\n")[0])
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"{', '.join(names)}; or fast alone")
    suites = parser.parse_args(arguments).suites
    if unknown := set(suites) - {*names, "fast"}:
        parser.error(f"there is no suite {', '.join(sorted(unknown))}; there are {', '.join(names)}, and fast")
    LOGS.mkdir(parents=True, exist_ok=True)
    return report(run_rows(chosen_rows(suites)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

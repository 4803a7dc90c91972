# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same stack by our playbooks and by Terraform, in one lab, in alternating order: seconds, API calls, objects."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lab.latency import TABLES
from tests.benchmarks.critical_path import DESTROY, PROVISION, critical_path
from tests.benchmarks.objects import objects, objects_table
from tests.benchmarks.stopwatch import timed
from tests.benchmarks.tables import spread, table
from tests.e2e.driver import READS, Lab, Stack

DEFINITION = Path(__file__).with_name("terraform") / "main.tf"
PLACES = ("/opt", "/usr/share/terraform", "/usr/local/share/terraform", str(Path.home() / ".terraform.d"))
PROVIDER = "*/hashicorp/aws/*/*/terraform-provider-aws*"  # HOST/hashicorp/aws/VERSION/SYSTEM/FILE
PLAN, FIRST, AGAIN, GONE = VERBS = (
    "plan, empty account",
    "provision, empty account",
    "provision, no change",
    "destroy",
)
ALONE = "terraform validate alone"
TERRAFORM = "Terraform"
# Ours, with the options that make the difference. One fork makes one lane after the other.
COLD = json.dumps({"ansible_warm_local_enabled": False})
VARIANTS = {
    "plain": ("--forks", "1", "-e", COLD),
    "lanes": ("-e", COLD),
    "warm": (),
}
PATHS = {FIRST: PROVISION, GONE: DESTROY}


@dataclass(frozen=True)
class Sample:
    """What one command took."""

    seconds: float
    cpu: float  # of its processes, not of the lab's
    reads: int
    writes: int


@dataclass
class Life:
    """Who makes and removes the stack, by verb, and what it took."""

    name: str
    verbs: dict[str, Callable[[], None]]
    samples: dict[str, list[Sample]] = field(default_factory=lambda: defaultdict(list))
    objects: Counter[str] = field(default_factory=Counter)


def plugin_directory() -> Path | None:
    """Where Terraform's provider lies on this machine; None when it or Terraform is missing."""
    if not shutil.which("terraform"):
        return None
    found = (path for place in PLACES for path in Path(place).glob(f"**/{PROVIDER}"))
    return next((path.parents[PROVIDER.count("/")] for path in found), None)


@dataclass
class Terraform:
    """Terraform in a directory of its own, with what a user's shell would hold."""

    directory: Path
    environment: dict[str, str]
    variables: dict[str, str]

    def prepare(self, plugins: Path) -> None:
        self.directory.mkdir()
        shutil.copy(DEFINITION, self.directory)
        (self.directory / "terraform.tfvars.json").write_text(json.dumps(self.variables))
        self.run("init", "-input=false", "-plugin-dir", str(plugins))

    def run(self, verb: str, *options: str) -> None:
        done = subprocess.run(
            ["terraform", verb, "-no-color", *options],
            cwd=self.directory,
            env=self.environment,
            text=True,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(done.stdout + done.stderr)


def play(stack: Stack, playbook: str, *options: str) -> None:
    outcome = stack.play(playbook, *options)
    if outcome.status:
        raise SystemExit(outcome.text)


def our_life(name: str, stack: Stack, options: Sequence[str]) -> Life:
    return Life(
        name,
        {
            PLAN: lambda: play(stack, "provision", "--check", *options),
            FIRST: lambda: play(stack, "provision", *options),
            AGAIN: lambda: play(stack, "provision", *options),
            GONE: lambda: play(stack, "destroy", "-e", f"stack_purge={stack.name}", *options),
        },
    )


def their_life(terraform: Terraform) -> Life:
    return Life(
        TERRAFORM,
        {
            ALONE: lambda: terraform.run("validate"),
            PLAN: lambda: terraform.run("plan", "-input=false"),
            FIRST: lambda: terraform.run("apply", "-input=false", "-auto-approve"),
            AGAIN: lambda: terraform.run("apply", "-input=false", "-auto-approve"),
            GONE: lambda: terraform.run("destroy", "-input=false", "-auto-approve"),
        },
    )


def lives(stack: Stack, lab: Lab, plugins: Path | None, variants: Sequence[str]) -> list[Life]:
    """Terraform, where it is on this machine, and the variants of ours."""
    ours = [our_life(name, stack, VARIANTS[name]) for name in variants]
    if plugins is None:
        return ours
    key = stack.home / "peer"
    if not key.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    terraform = Terraform(
        stack.home / f"terraform-{time.monotonic_ns()}",
        stack.environment,
        {
            "name": "peer",
            "network": "10.85",
            "client_cidr": lab.environment["LAB_CLIENT_CIDR"],
            "public_key": key.with_suffix(".pub").read_text().strip(),
        },
    )
    terraform.prepare(plugins)
    return [their_life(terraform), *ours]


def measure_lives(lab: Lab, lives: Sequence[Life], rounds: int, latency: str) -> None:
    """Let each live once a round, in another order each time."""
    lab.page("latency", "POST", asdict(TABLES[latency]))
    try:
        for number in range(rounds):
            for life in (*lives[number % len(lives) :], *lives[: number % len(lives)]):
                for verb, act in life.verbs.items():
                    life.samples[verb].append(sample := taken(lab, act))
                    print(f"latency {latency}: {verb}, {life.name}: {sample}", file=sys.stderr, flush=True)
                    if verb == FIRST:
                        life.objects = objects(lab)
    finally:
        lab.page("latency", "POST", {})


def taken(lab: Lab, act: Callable[[], None]) -> Sample:
    before = lab.page("status")["calls"]
    seconds, cpu = timed(act)
    calls = [call["action"].startswith(READS) for call in lab.calls(before) if call["caller"] == "127.0.0.1"]
    return Sample(seconds, cpu, sum(calls), len(calls) - sum(calls))


def report(lives: Sequence[Life], latency: str) -> list[str]:
    """Seconds, processor time, calls and objects, side by side."""
    names = [life.name for life in lives]
    chains = {verb: critical_path(steps, TABLES[latency]) for verb, steps in PATHS.items()}
    verbs = [verb for verb in (ALONE, *VERBS) if any(life.samples[verb] for life in lives)]

    def rows(cell: Callable[[Sequence[Sample]], str]) -> dict[str, list[str]]:
        return {
            verb: [verb, *(cell(life.samples[verb]) if life.samples[verb] else "" for life in lives)] for verb in verbs
        }

    waits = {verb: f"{chains[verb].seconds:.1f}" if verb in chains else "" for verb in verbs}
    seconds = [[*cells, ratio(lives, verb), waits[verb]] for verb, cells in rows(seconds_of).items()]
    head = ("verb", *names, f"{names[-1]} / {names[0]}", "longest chain of waits")
    return [
        *table(f"Seconds, latency {latency}, rounds: {len(lives[0].samples[GONE])}", head, seconds),
        *(f"Longest chain of waits, {verb}: {', '.join(chain.names)}." for verb, chain in chains.items()),
        "",
        *table(f"Processor seconds, latency {latency}", ("verb", *names), rows(cpu_of).values()),
        *table(f"API calls, latency {latency}: reading + writing", ("verb", *names), rows(calls_of).values()),
        *objects_table({life.name: life.objects for life in lives}),
    ]


def seconds_of(samples: Sequence[Sample]) -> str:
    return spread([one.seconds for one in samples])


def cpu_of(samples: Sequence[Sample]) -> str:
    return f"{statistics.median(one.cpu for one in samples):.1f}"


def calls_of(samples: Sequence[Sample]) -> str:
    reads, writes = (
        statistics.median(found) for found in zip(*((one.reads, one.writes) for one in samples), strict=True)
    )
    return f"{reads:.0f} + {writes:.0f}"


def ratio(lives: Sequence[Life], verb: str) -> str:
    """The last of ours beside the first, which is Terraform where it is there."""
    first, last = ([one.seconds for one in life.samples[verb]] for life in (lives[0], lives[-1]))
    return f"{statistics.median(last) / statistics.median(first):.2f}" if first and last else ""

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same stack by our playbooks and by Terraform, in one lab, in alternating order: seconds and their ratio."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.driver import Lab, Stack

DEFINITION = Path(__file__).with_name("terraform") / "main.tf"
PLACES = ("/opt", "/usr/share/terraform", "/usr/local/share/terraform", str(Path.home() / ".terraform.d"))
PROVIDER = "*/hashicorp/aws/*/*/terraform-provider-aws*"  # HOST/hashicorp/aws/VERSION/SYSTEM/FILE
VERBS = ("plan, empty account", "provision, empty account", "provision, no change", "destroy")

Seconds = dict[str, list[float]]


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
        self.run("init", "-plugin-dir", str(plugins))

    def run(self, verb: str, *options: str) -> None:
        done = subprocess.run(
            ["terraform", verb, "-input=false", "-no-color", *options],
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


def our_verbs(stack: Stack) -> list[Callable[[], None]]:
    return [
        lambda: play(stack, "provision", "--check"),
        lambda: play(stack, "provision"),
        lambda: play(stack, "provision"),
        lambda: play(stack, "destroy", "-e", f"stack_purge={stack.name}"),
    ]


def their_verbs(terraform: Terraform) -> list[Callable[[], None]]:
    return [
        lambda: terraform.run("plan"),
        lambda: terraform.run("apply", "-auto-approve"),
        lambda: terraform.run("apply", "-auto-approve"),
        lambda: terraform.run("destroy", "-auto-approve"),
    ]


def measure_both(stack: Stack, lab: Lab, plugins: Path, rounds: int) -> tuple[Seconds, Seconds]:
    """Seconds of each verb, ours and theirs; who goes first alternates."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", stack.home / "peer"], check=True)
    terraform = Terraform(
        stack.home / "terraform",
        stack.environment,
        {
            "name": "peer",
            "network": "10.85",
            "client_cidr": lab.environment["LAB_CLIENT_CIDR"],
            "public_key": (stack.home / "peer.pub").read_text().strip(),
        },
    )
    terraform.prepare(plugins)
    ours: Seconds = defaultdict(list)
    theirs: Seconds = defaultdict(list)
    lives = [(ours, our_verbs(stack)), (theirs, their_verbs(terraform))]
    for number in range(rounds):
        for figures, verbs in lives if number % 2 == 0 else reversed(lives):
            for name, verb in zip(VERBS, verbs, strict=True):
                started = time.monotonic()
                verb()
                figures[name].append(time.monotonic() - started)
    return ours, theirs


def table(ours: Seconds, theirs: Seconds) -> list[str]:
    """Lines for docs/performance.md."""
    lines = ["| verb | ours | Terraform | ours / Terraform |", "|---|---|---|---|"]
    for name in VERBS:
        ratio = statistics.median(ours[name]) / statistics.median(theirs[name])
        lines.append(f"| {name} | {spread(ours[name])} | {spread(theirs[name])} | {ratio:.2f} |")
    return lines


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):.1f} ({min(values):.1f} to {max(values):.1f})"

#!/usr/bin/env python3
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job from an empty account to a trained model and back, in the lab: what `make demo` runs.

It types what a user would type, shows it, and times it. KEEP=1 in the environment stops before the stack is destroyed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import yaml

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
RUN_FILE = "examples/digits/run.yml"


class StepFailed(Exception):
    """A step of the demo did not succeed."""


@dataclass(frozen=True)
class Demo:
    """Where the demo happens: the lab's directory and the inventory, both relative to the checkout."""

    state: str
    port: str
    inventory: str

    @property
    def environment(self) -> Path:
        return Path(self.state) / "env"

    @property
    def stack(self) -> str:
        return yaml.safe_load((Path(self.inventory) / "group_vars" / "all.yml").read_text())["stack_name"]

    def command_line(self, name: str) -> str:
        return f".venv/bin/ansible-playbook playbooks/{name}.yml -i {self.inventory}"

    def playbook(self, name: str, *options: str) -> None:
        run("ansible-playbook", f"playbooks/{name}.yml", "-i", self.inventory, *options)


def main() -> int:
    os.chdir(ROOT)
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--state", default=".lab", metavar="DIR", help="the lab's directory (default: %(default)s)")
    parser.add_argument("--port", default="4790", help="the lab's port (default: %(default)s)")
    parser.add_argument("--inventory", default="inventories/lab", metavar="DIR", help="default: %(default)s")
    demo = Demo(**vars(parser.parse_args()))
    return show(demo, {})


def show(demo: Demo, times: dict[str, float]) -> int:
    """Every step in turn; the exit status. ``times`` takes the seconds of each."""
    image = None
    try:
        with Step("lab", "start an emulated AWS account on this machine", times):
            run("python", "-m", "lab", "up", "--state", demo.state, "--port", demo.port)
            enter(settings_of(demo.environment))
        # The training image does not depend on the stack: it is built and pushed while the stack is made.
        image = start("python", "examples/build.py", "digits", "--push", os.environ["LAB_REGISTRY_PUSH"])
        with Step("preflight", "find everything that could stop the work later", times):
            demo.playbook("preflight")
        with Step("provision", "make network, storage, identity, bastion and node", times):
            demo.playbook("provision")
        with Step("inventory", "find the hosts from their tags, reach them through the bastion", times):
            run("ansible-inventory", "-i", demo.inventory, "--graph")
            run("ansible", "all", "-i", demo.inventory, "-m", "ansible.builtin.ping", "--one-line")
        with Step("configure", "make the node ready: Docker engine, file system, copy tool", times):
            demo.playbook("configure")
        with Step("image", "wait for the training image", times):
            finish(image)
        with Step("train", "train in a container on the node, its log here; collect what came out", times):
            demo.playbook("train", "-e", f"@{RUN_FILE}")
        with Step("collect", "read the results from the bucket", times):
            accuracy = show_results(demo.stack)
        if os.environ.get("KEEP"):
            say_how_to_go_on(demo)
        else:
            with Step("destroy", "remove everything and prove it", times):
                demo.playbook("destroy", "-e", f"stack_purge={demo.stack}")
    except StepFailed as failure:
        print(
            f"\n{failure}\nThe stack is as the step left it. Mend the cause and run make demo again, or remove it all:"
        )
        print(f"  source {demo.environment} && {demo.command_line('destroy')} -e stack_purge={demo.stack}")
        return 1
    finally:
        if image and image.poll() is None:
            image.terminate()
    print_table(times, accuracy)
    return 0


class Step:
    """Names a step, and notes how many seconds it took."""

    def __init__(self, name: str, purpose: str, times: dict[str, float]) -> None:
        self.name, self.purpose, self.times = name, purpose, times

    def __enter__(self) -> None:
        print(f"\n━━ {self.name} ━━ {self.purpose}", flush=True)
        self.started = time.monotonic()

    def __exit__(self, *_error: object) -> None:
        self.times[self.name] = time.monotonic() - self.started


def settings_of(environment: Path) -> dict[str, str]:
    """What a user gets by sourcing the lab's env file."""
    lines = (line.removeprefix("export ") for line in environment.read_text().splitlines())
    return dict(line.split("=", 1) for line in lines if "=" in line)


def enter(settings: dict[str, str]) -> None:
    """Make this process, and all it starts, see the lab and nothing else of AWS."""
    host = urlsplit(settings.get("AWS_ENDPOINT_URL", "")).hostname or ""
    if not is_loopback(host):
        raise StepFailed(f'The endpoint "{settings.get("AWS_ENDPOINT_URL", "")}" is not on this machine: refused.')
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    # A profile in the user's own files could send a service elsewhere.
    os.environ.update(settings, AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull)


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def start(program: str, *arguments: str) -> subprocess.Popen:
    print("$", program, *arguments, flush=True)
    return subprocess.Popen([BIN / program, *arguments])


def finish(process: subprocess.Popen) -> None:
    if process.wait():
        raise StepFailed(f"The command {process.args} ended with exit code {process.returncode}.")


def run(program: str, *arguments: str) -> None:
    finish(start(program, *arguments))


def show_results(stack: str) -> float:
    """List what the run left in the bucket; returns the accuracy that the training script measured."""
    run_id = yaml.safe_load(Path(RUN_FILE).read_text())["training_run_id"]
    account = boto3.client("sts").get_caller_identity()["Account"]
    bucket = f"trainyard-{stack}-{account}-{os.environ['AWS_REGION']}"
    s3, prefix = boto3.client("s3"), f"runs/{run_id}/"
    objects = s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]
    print(f"  s3://{bucket}/{prefix}")
    for part, sizes in sizes_by_part({item["Key"].removeprefix(prefix): item["Size"] for item in objects}).items():
        print(f"    {part:<16}{len(sizes):>4} {'file ' if len(sizes) == 1 else 'files'}{sum(sizes):>14,} bytes")
    record = json.loads(s3.get_object(Bucket=bucket, Key=f"{prefix}run.json")["Body"].read())
    print(f"  run {record['run_id']}: exit code {record['exit_code']}, image {record['image_digest']}")
    metrics = s3.get_object(Bucket=bucket, Key=f"{prefix}output/metrics.jsonl")["Body"].read().splitlines()
    return next(line["test_accuracy"] for line in map(json.loads, reversed(metrics)) if "test_accuracy" in line)


def sizes_by_part(sizes: dict[str, int]) -> dict[str, list[int]]:
    """The sizes of the files below each first directory, in the order of their names."""
    parts: dict[str, list[int]] = {}
    for name in sorted(sizes):
        first, slash, _rest = name.partition("/")
        parts.setdefault(first + slash, []).append(sizes[name])
    return parts


def say_how_to_go_on(demo: Demo) -> None:
    print("\nThe stack stays. Go on with:")
    print(f"  source {demo.environment}")
    print(f"  ssh -F ~/.trainyard/{demo.stack}/ssh_config {demo.stack}-train-0")
    print(f"  {demo.command_line('logs')} -e @{RUN_FILE}")
    print(f"  {demo.command_line('destroy')} -e stack_purge={demo.stack}")


def print_table(times: dict[str, float], accuracy: float) -> None:
    print(f"\n{'step':<12}{'seconds':>8}")
    for name, seconds in times.items():
        print(f"{name:<12}{seconds:>8.1f}")
    print(f"{'all':<12}{sum(times.values()):>8.1f}\n{'accuracy':<12}{accuracy:>8.3f}")


if __name__ == "__main__":
    sys.exit(main())

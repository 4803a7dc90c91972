#!/usr/bin/env python3
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job from an empty account to a trained model and back, in the lab: what `make demo` runs.

It types what a user would type, shows it, and times it. KEEP=1 in the environment stops before the stack is destroyed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import boto3
import yaml

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
INVENTORY = "inventories/lab"
RUN_FILE = "examples/digits/run.yml"
LAB_ENVIRONMENT = ROOT / ".lab" / "env"
STACK = yaml.safe_load((ROOT / INVENTORY / "group_vars" / "all.yml").read_text())["stack_name"]
RUN = yaml.safe_load((ROOT / RUN_FILE).read_text())["training_run_id"]


class StepFailed(Exception):
    """A step of the demo did not succeed."""


def main() -> int:
    os.chdir(ROOT)
    times: dict[str, float] = {}
    image = None
    try:
        with Step("lab", "start an emulated AWS account on this machine", times):
            run("python", "-m", "lab", "up")
            os.environ.update(lab_environment())
        # The training image does not depend on the stack: it is built and pushed while the stack is made.
        image = start("python", "examples/digits/build.py", "--push", os.environ["LAB_REGISTRY_PUSH"])
        with Step("preflight", "find everything that could stop the work later", times):
            playbook("preflight")
        with Step("provision", "make network, storage, identity, bastion and node", times):
            playbook("provision")
        with Step("inventory", "find the hosts from their tags, reach them through the bastion", times):
            run("ansible-inventory", "-i", INVENTORY, "--graph")
            run("ansible", "all", "-i", INVENTORY, "-m", "ansible.builtin.ping", "--one-line")
        with Step("configure", "make the node ready: Docker engine, file system, copy tool", times):
            playbook("configure")
        with Step("image", "wait for the training image", times):
            finish(image)
        with Step("train", "train in a container on the node, its log here; collect what came out", times):
            playbook("train", "-e", f"@{RUN_FILE}")
        with Step("collect", "read the results from the bucket", times):
            accuracy = show_results()
        if os.environ.get("KEEP"):
            say_how_to_go_on()
        else:
            with Step("destroy", "remove everything and prove it", times):
                playbook("destroy", "-e", f"stack_purge={STACK}")
    except StepFailed as failure:
        print(f"\n{failure}\nThe stack is as the step left it. Mend the cause and run make demo again, or remove it all:")
        print(f"  source {LAB_ENVIRONMENT.relative_to(ROOT)} && {command_line('destroy')} -e stack_purge={STACK}")
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


def lab_environment() -> dict[str, str]:
    """What a user gets by sourcing .lab/env."""
    lines = (line.removeprefix("export ") for line in LAB_ENVIRONMENT.read_text().splitlines())
    return dict(line.split("=", 1) for line in lines if "=" in line)


def command_line(name: str) -> str:
    return f".venv/bin/ansible-playbook playbooks/{name}.yml -i {INVENTORY}"


def playbook(name: str, *options: str) -> None:
    run("ansible-playbook", f"playbooks/{name}.yml", "-i", INVENTORY, *options)


def start(program: str, *arguments: str) -> subprocess.Popen:
    print("$", program, *arguments, flush=True)
    return subprocess.Popen([BIN / program, *arguments])


def finish(process: subprocess.Popen) -> None:
    if process.wait():
        raise StepFailed(f"The command {process.args} ended with exit code {process.returncode}.")


def run(program: str, *arguments: str) -> None:
    finish(start(program, *arguments))


def show_results() -> float:
    """List what the run left in the bucket; returns the accuracy that the training script measured."""
    account = boto3.client("sts").get_caller_identity()["Account"]
    bucket = f"trainyard-{STACK}-{account}-{os.environ['AWS_REGION']}"
    s3 = boto3.client("s3")
    prefix = f"runs/{RUN}/"
    for item in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", []):
        print(f"  {item['Size']:>10,}  s3://{bucket}/{item['Key']}")
    record = json.loads(s3.get_object(Bucket=bucket, Key=f"{prefix}run.json")["Body"].read())
    print(f"  run {record['run_id']}: exit code {record['exit_code']}, image {record['image_digest']}")
    metrics = s3.get_object(Bucket=bucket, Key=f"{prefix}output/metrics.jsonl")["Body"].read().splitlines()
    return next(line["test_accuracy"] for line in map(json.loads, reversed(metrics)) if "test_accuracy" in line)


def say_how_to_go_on() -> None:
    print("\nThe stack stays. Go on with:")
    print(f"  source {LAB_ENVIRONMENT.relative_to(ROOT)}")
    print(f"  ssh -F ~/.trainyard/{STACK}/ssh_config {STACK}-train-0")
    print(f"  {command_line('logs')} -e @{RUN_FILE}")
    print(f"  {command_line('destroy')} -e stack_purge={STACK}")


def print_table(times: dict[str, float], accuracy: float) -> None:
    print(f"\n{'step':<12}{'seconds':>8}")
    for name, seconds in times.items():
        print(f"{name:<12}{seconds:>8.1f}")
    print(f"{'all':<12}{sum(times.values()):>8.1f}\n{'accuracy':<12}{accuracy:>8.3f}")


if __name__ == "__main__":
    sys.exit(main())

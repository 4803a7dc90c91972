# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory of 1,000 instances beside a bare boto3 paginator, in an emulator that has no boxes behind its instances."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import EndpointConnectionError

from tests.benchmarks.stopwatch import timed
from tests.benchmarks.tables import spread, table
from tests.e2e.driver import BIN, ROOT, copy_inventory, free_port, wait_for

INSTANCES = 1000
AT_ONCE = 100
NAME = "many"
PAGINATOR = (
    "import boto3; pages = boto3.client('ec2').get_paginator('describe_instances').paginate("
    f"Filters=[{{'Name': 'tag:trainyard:stack', 'Values': ['{NAME}']}}]); "
    "print(sum(len(one['Instances']) for page in pages for one in page['Reservations']))"
)
OURS, BARE = "ansible-inventory --list", "boto3 paginator"


def measure_inventory(home: Path, rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Seconds and processor seconds by who asks; who goes first alternates."""
    inventory = copy_inventory(NAME, home / "many", "10.87")
    taken: dict[str, list[tuple[float, float]]] = defaultdict(list)
    asking: dict[str, list[str | Path]] = {
        OURS: [BIN / "ansible-inventory", "-i", inventory, "--list"],
        BARE: [sys.executable, "-c", PAGINATOR],
    }
    with emulator(home) as environment:
        launch(environment)
        for number in range(rounds):
            for name in sorted(asking, reverse=number % 2 == 1):
                taken[name].append(timed(lambda command=asking[name]: ask(command, environment)))
    return taken


def ask(command: list[str | Path], environment: dict[str, str]) -> None:
    said = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    if (said.count('"found_instance_id"') or int(said)) != INSTANCES:
        raise SystemExit(f"{command[0]} did not find {INSTANCES} instances")


@contextmanager
def emulator(home: Path) -> Iterator[dict[str, str]]:
    """A plain moto server; what a user's shell would hold to use it."""
    port = free_port()
    own = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "ANSIBLE_"))}
    own.pop("PYTHONDONTWRITEBYTECODE", None)
    environment = own | {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "HOME": str(home),
    }
    with (home / "moto.log").open("w") as log:
        process = subprocess.Popen([BIN / "moto_server", "-p", str(port)], env=environment, stdout=log, stderr=log)
    try:
        wait_for(lambda: answers(environment), 60, "the emulator")
        yield environment
    finally:
        process.terminate()
        process.wait()


def answers(environment: dict[str, str]) -> bool:
    try:
        client(environment).describe_vpcs()
    except EndpointConnectionError:
        return False
    return True


def client(environment: dict[str, str]) -> Any:
    return boto3.client(
        "ec2",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        region_name=environment["AWS_REGION"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    )


def launch(environment: dict[str, str]) -> None:
    """Instances tagged as nodes of a stack are, each with a name of its own."""
    ec2 = client(environment)
    image = ec2.describe_images()["Images"][0]["ImageId"]
    tags = {"trainyard:stack": NAME, "trainyard:component": "node", "trainyard:node-group": "train"}
    tags["trainyard:host-key"] = "ssh-ed25519 " + "A" * 68
    known = [{"Key": key, "Value": value} for key, value in tags.items()]
    for first in range(0, INSTANCES, AT_ONCE):
        specification = [{"ResourceType": "instance", "Tags": known}]
        launched = ec2.run_instances(ImageId=image, MinCount=AT_ONCE, MaxCount=AT_ONCE, TagSpecifications=specification)
        for number, instance in enumerate(launched["Instances"], first):
            name = {"Key": "Name", "Value": f"{NAME}-train-{number}"}
            ec2.create_tags(Resources=[instance["InstanceId"]], Tags=[name])


def inventory_table(taken: dict[str, list[tuple[float, float]]]) -> list[str]:
    rows = ((name, *map(spread, zip(*taken[name], strict=True))) for name in (OURS, BARE))
    return table(f"Inventory of {INSTANCES:,} instances", ("by", "seconds", "processor seconds"), rows)

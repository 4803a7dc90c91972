# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks as a user types them, against a lab that is asked afterwards what happened."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import docker

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))

TOTALS = re.compile(r"^changed=(?P<changed>\d+) failed=(?P<failed>\d+) unreachable=(?P<unreachable>\d+)", re.MULTILINE)
PATIENCE_SECONDS = 400
# What a node tells of itself changes nothing either.
READS = ("Describe", "Get", "List", "Head", "AssumeRole", "Lookup", "Simulate", "PutMetricData")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


PORT = free_port()  # checkouts that are tested side by side must not meet


@dataclass(frozen=True)
class Outcome:
    """How a command ended and everything it showed."""

    status: int
    text: str

    @property
    def changed(self) -> int:
        """The number of changes in the last line of the playbook."""
        return int(list(TOTALS.finditer(self.text))[-1]["changed"])


@dataclass(frozen=True)
class Lab:
    """The lab's address, and what it has been asked."""

    environment: dict[str, str]
    state: Path

    @classmethod
    def of(cls, state: Path) -> Lab:
        """The lab that runs in a directory, known by the file that a user sources."""
        lines = (line.removeprefix("export ") for line in (state / "env").read_text().splitlines())
        return cls(dict(line.split("=", 1) for line in lines if "=" in line), state)

    def page(self, name: str, method: str = "GET", value: object = None) -> Any:
        """What one of the lab's own pages under /_lab/ answers; ``value`` is sent as JSON."""
        body = None if value is None else json.dumps(value).encode()
        address = f"{self.environment['AWS_ENDPOINT_URL']}/_lab/{name}"
        with urllib.request.urlopen(urllib.request.Request(address, body, method=method), timeout=30) as answer:
            return json.load(answer)

    def calls(self, since: int = 0) -> list[dict]:
        return self.page(f"calls?since={since}")

    def client(self, service: str) -> object:
        return boto3.client(
            service,
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            region_name=self.environment["AWS_REGION"],
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
        )


class Followed:
    """A playbook whose words are read as they come, by a thread: one that says nothing must not hold the test."""

    def __init__(self, process: subprocess.Popen) -> None:
        self.process = process
        self.text = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.text += line

    def wait_until_it_says(self, text: str, seconds: float = PATIENCE_SECONDS) -> None:
        wait_for(lambda: text in self.text or not self._reader.is_alive(), seconds, text)
        assert text in self.text, self.text

    def finish(self, seconds: float = PATIENCE_SECONDS) -> Outcome:
        """Wait for its end."""
        wait_for(lambda: self.process.poll() is not None, seconds, f"the end of what says:\n{self.text}")
        self._reader.join(timeout=10)  # what it started may hold its output open
        return Outcome(self.process.returncode, self.text)


@dataclass
class Stack:
    """One stack with its inventory, driven by playbooks called by their full names."""

    name: str
    lab: Lab
    home: Path
    inventory: Path
    image: str
    environment: dict[str, str] = field(default_factory=dict)
    checkout: Path = ROOT

    @property
    def ssh_config(self) -> Path:
        return self.home / ".trainyard" / self.name / "ssh_config"

    @property
    def node(self) -> str:
        return f"{self.name}-train-0"

    def start(self, playbook: str, *options: str) -> subprocess.Popen:
        """Start a playbook in a session of its own, so that it can be interrupted as a whole."""
        return subprocess.Popen(
            [BIN / "ansible-playbook", f"trainyard.aws.{playbook}", "-i", self.inventory, *options],
            cwd=self.checkout,
            env=self.environment,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # A shell that runs its jobs in the background has them ignore Ctrl-C; a terminal does not.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )

    def play(self, playbook: str, *options: str) -> Outcome:
        process = self.start(playbook, *options)
        try:
            text, _ = process.communicate(timeout=PATIENCE_SECONDS)
        finally:
            end(process)
        return Outcome(process.returncode, text)

    @contextmanager
    def follow(self, playbook: str, *options: str) -> Iterator[Followed]:
        """Run a playbook beside the test."""
        process = self.start(playbook, *options)
        try:
            yield Followed(process)
        finally:
            end(process)

    def train(self, run_id: str, script: str, *options: str) -> tuple[str, ...]:
        """The options of a run of a shell script."""
        run = {
            "training_run_id": run_id,
            "training_run_image": self.image,
            "training_run_command": ["sh", "-c", script],
            "training_run_shared_directory": "/efs",
            "training_run_shm_size": "64m",
        }
        return ("-e", json.dumps(run), *options)

    def ssh(self, command: str, *options: str, host: str = "") -> Outcome:
        done = subprocess.run(
            ["ssh", "-F", self.ssh_config, *options, host or self.node, command],
            env=self.environment,
            text=True,
            capture_output=True,
            timeout=60,
            check=False,
        )
        return Outcome(done.returncode, done.stdout + done.stderr)

    def resources(self) -> list[str]:
        """What the account holds of the stack, asked without any code of the collection."""
        found = self.lab.client("resourcegroupstaggingapi").get_resources(
            TagFilters=[{"Key": "trainyard:stack", "Values": [self.name]}]
        )
        return [item["ResourceARN"] for item in found["ResourceTagMappingList"]]

    def instances(self) -> dict[str, dict]:
        """The stack's instances that are there, by name; terminated ones stay listed for a while."""
        reservations = self.lab.client("ec2").describe_instances(
            Filters=[
                {"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]},
                {"Name": "tag:trainyard:stack", "Values": [self.name]},
            ]
        )["Reservations"]
        found = [instance for reservation in reservations for instance in reservation["Instances"]]
        return {next(tag["Value"] for tag in item["Tags"] if tag["Key"] == "Name"): item for item in found}

    @property
    def bucket(self) -> str:
        return f"trainyard-{self.name}-123456789012-us-east-1"

    def objects(self, prefix: str = "") -> dict[str, bytes]:
        s3 = self.lab.client("s3")
        listed = s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", [])
        return {item["Key"]: s3.get_object(Bucket=self.bucket, Key=item["Key"])["Body"].read() for item in listed}


def writes(calls: list[dict]) -> list[str]:
    """The calls that could change something, as SERVICE:ACTION."""
    return [f"{call['service']}:{call['action']}" for call in calls if not call["action"].startswith(READS)]


def end(process: subprocess.Popen) -> None:
    """Leave no playbook running behind a test."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def lab_command(state: Path, verb: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "lab", verb, "--state", state, *(["--port", str(PORT)] if verb == "up" else [])],
        cwd=ROOT,
        check=True,
    )


@contextmanager
def running_lab(state: Path) -> Iterator[Lab]:
    """A lab that is up and empty, and down again whatever happens."""
    state.mkdir(parents=True, exist_ok=True)
    lab_command(state, "down")
    lab_command(state, "up")
    try:
        yield Lab.of(state)
    finally:
        lab_command(state, "down")


def push_shell_image(client: docker.DockerClient, lab: Lab) -> str:
    """The smallest training image: a Debian with a shell, in the account's registry."""
    base = next(tag for image in client.images.list("trainyard-lab/base") for tag in image.tags)
    repository = f"{lab.environment['LAB_REGISTRY_PUSH']}/e2e/shell"
    client.images.get(base).tag(repository, "1")
    for line in client.images.push(repository, "1", stream=True, decode=True):
        assert "error" not in line, line
    client.images.remove(f"{repository}:1")
    return "123456789012.dkr.ecr.us-east-1.amazonaws.com/e2e/shell:1"


def stack_environment(lab: Lab, home: Path) -> dict[str, str]:
    """What a user's shell would hold, and nothing of the developer's own AWS or Ansible settings."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "ANSIBLE_"))}
    for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"):
        own.pop(name, None)
    own |= {"HOME": str(home), "PATH": os.pathsep.join((lab.environment["LAB_COMMANDS"], str(BIN), os.environ["PATH"]))}
    return (
        own | lab.environment | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "NO_COLOR": "1", "ANSIBLE_NOCOLOR": "1"}
    )


def copy_inventory(name: str, directory: Path, second_octets: str) -> Path:
    """The lab's own inventory under another name and address range."""
    shutil.copytree(ROOT / "inventories" / "lab", directory)
    for file in directory.rglob("*.yml"):
        text = file.read_text()
        text = re.sub(r"\bdemo\b", name, text).replace("10.77.", f"{second_octets}.")
        file.write_text(text)
    return directory


def wait_for(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Ask until ``condition()`` holds; fails, saying what was waited for."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"gave up waiting for {what}"
        time.sleep(0.2)

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A monitor on an instance of its own and then on the bastion, reached by the command that the playbook prints.

TensorBoard, Prometheus and its exporter are the real ones; Grafana is the stand-in of the Molecule scenarios.
The tests stand in the order of the monitor's life and build on each other.
"""

from __future__ import annotations

import base64
import json
import re
import shlex
import subprocess
from collections.abc import Iterator

import docker
import pytest
import requests

from extensions.molecule.boxes import publish_stand_ins
from lab.images import build
from tests.e2e.driver import ROOT, Lab, Outcome, Stack, copy_inventory, free_port, stack_environment, wait_for

NAME, OCTETS = "watched", "10.92"
MONITOR = f"{NAME}-monitor"
RUN = "digits-001/tensorboard/tb"
WRITES_EVENTS = ROOT / "extensions" / "molecule" / "tensorboard" / "files" / "write_events.py"
LINE = re.compile(r"ssh -F \S+ -N -L 3000:127\.0\.0\.1:3000 -L 6006:127\.0\.0\.1:6006 \S+")


@pytest.fixture(scope="module")
def stack(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    home = tmp_path_factory.mktemp("home")
    inventory = copy_inventory(NAME, home / "inventory", OCTETS)
    file = inventory / "group_vars" / "all.yml"
    text = file.read_text().replace("aws_monitor_place: none", "aws_monitor_place: instance")
    file.write_text(
        f"{text}prometheus_enabled: true\nprometheus_interval_seconds: 1\ntensorboard_interval_seconds: 5\n"
    )
    return Stack(NAME, lab, home, inventory, "", stack_environment(lab, home))


@pytest.fixture(scope="module")
def packages(stack: Stack) -> Iterator[tuple[str, ...]]:
    """The options that take Grafana from a web server on this machine, which only the stack's network can reach."""
    client, address, port = docker.from_env(), f"{OCTETS}.0.1", free_port()
    server = client.containers.run(
        publish_stand_ins(client, build(client, print).box),
        ["python3", "-m", "http.server", "--directory", "/srv", "--bind", address, str(port)],
        network_mode="host",
        auto_remove=True,
        detach=True,
    )
    url = f"http://{address}:{port}"
    try:
        wait_for(lambda: answers(f"{url}/fingerprint"), 30, "the server of the stand-ins")
        yield (
            "-e",
            json.dumps(
                {
                    "grafana_repository_url": f"{url}/grafana",
                    "grafana_repository_key_url": f"{url}/key.asc",
                    "grafana_repository_key_fingerprints": [requests.get(f"{url}/fingerprint", timeout=10).text],
                }
            ),
        )
    finally:
        server.kill()


@pytest.fixture
def tunnel(stack: Stack) -> Iterator[dict[str, str]]:
    """The printed command at work. Returns where Grafana and TensorBoard are; this machine's own ports may be taken."""
    shown = stack.home / "observe.txt"
    (line,) = set(LINE.findall(shown.read_text()))
    ports = {"3000": free_port(), "6006": free_port()}
    words = [re.sub(r"^(3000|6006)(?=:127)", lambda match: str(ports[match[1]]), word) for word in shlex.split(line)]
    process = subprocess.Popen([*words, "-o", "ExitOnForwardFailure=yes"], env=stack.environment)
    addresses = {port: f"http://127.0.0.1:{here}" for port, here in ports.items()}
    try:
        wait_for(lambda: answers(f"{addresses['6006']}/data/runs"), 60, "TensorBoard through the tunnel")
        yield {"grafana": addresses["3000"], "tensorboard": addresses["6006"]}
    finally:
        process.terminate()
        process.wait()


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=10).ok
    except requests.ConnectionError:
        return False


def observe(stack: Stack, packages: tuple[str, ...]) -> Outcome:
    outcome = stack.play("observe", *packages)
    assert outcome.status == 0, outcome.text
    (stack.home / "observe.txt").write_text(outcome.text)
    return outcome


def password(stack: Stack) -> str:
    named = f"/trainyard/{NAME}/grafana-admin-password"
    return stack.lab.client("ssm").get_parameter(Name=named, WithDecryption=True)["Parameter"]["Value"]


def samples(stack: Stack, monitor: str, query: str) -> list[dict[str, str]]:
    """What Prometheus answers, each sample with its labels and its value."""
    asked = stack.ssh(f"curl --silent --get --data-urlencode 'query={query}' 127.0.0.1:9090/api/v1/query", host=monitor)
    assert asked.status == 0, asked.text
    return [each["metric"] | {"value": each["value"][1]} for each in json.loads(asked.text)["data"]["result"]]


def assert_prometheus_asks_the_node(stack: Stack, monitor: str) -> None:
    wait_for(lambda: [each["value"] for each in samples(stack, monitor, "up")] == ["1"], 60, "the node to be asked")
    (up,) = samples(stack, monitor, "up")
    assert (up["stack"], up["node"]) == (NAME, stack.node)
    (price,) = samples(stack, monitor, "trainyard_node_price_usd_per_hour")
    assert float(price["value"]) > 0


def test_a_stack_with_a_monitor_is_made_and_configured(stack: Stack) -> None:
    for verb in ("provision", "configure"):
        outcome = stack.play(verb)
        assert outcome.status == 0, outcome.text
    assert sorted(stack.instances()) == [f"{NAME}-bastion", stack.node]


def test_observe_makes_a_monitor_that_shows_the_stack(stack: Stack, packages: tuple[str, ...]) -> None:
    outcome = observe(stack, packages)
    assert sorted(stack.instances()) == [f"{NAME}-bastion", MONITOR, stack.node]
    assert "PublicIpAddress" not in stack.instances()[MONITOR]
    assert password(stack) not in outcome.text


def test_grafana_is_reached_by_the_printed_command(stack: Stack, tunnel: dict[str, str]) -> None:
    sources = f"{tunnel['grafana']}/api/datasources"
    assert requests.get(sources, timeout=10).status_code == 401
    found = {each["uid"]: each for each in requests.get(sources, auth=("admin", password(stack)), timeout=10).json()}
    assert sorted(found) == ["cloudwatch", "prometheus"]
    assert found["cloudwatch"]["jsonData"]["customMetricsNamespaces"] == f"trainyard/{NAME}"
    for dashboard in ("run", "fleet", "node"):
        page = f"{tunnel['grafana']}/api/dashboards/uid/trainyard-{dashboard}"
        assert requests.get(page, auth=("admin", password(stack)), timeout=10).status_code == 200


def test_prometheus_asks_the_node(stack: Stack) -> None:
    assert_prometheus_asks_the_node(stack, MONITOR)


def test_tensorboard_shows_what_the_bucket_holds(stack: Stack, tunnel: dict[str, str]) -> None:
    script = shlex.quote(WRITES_EVENTS.read_text())
    written = stack.ssh(
        f'events=$(mktemp); /opt/tensorboard/bin/python -c {script} "$events" 0 1; base64 "$events"', host=MONITOR
    )
    assert written.status == 0, written.text
    key = f"runs/{RUN}/events.out.tfevents.1790000000.node.42.0"
    stack.lab.client("s3").put_object(Bucket=stack.bucket, Key=key, Body=base64.b64decode(written.text))
    runs = f"{tunnel['tensorboard']}/data/runs"
    wait_for(lambda: requests.get(runs, timeout=10).json() == [RUN], 60, "the run to be shown")


def test_changes_nothing_the_second_time(stack: Stack, packages: tuple[str, ...]) -> None:
    for verb in ("configure", "provision", "observe"):
        outcome = stack.play(verb, *packages)
        assert (outcome.status, outcome.changed) == (0, 0), outcome.text


def test_it_can_move_to_the_bastion(stack: Stack, packages: tuple[str, ...]) -> None:
    before = password(stack)
    observe(stack, (*packages, "-e", "aws_monitor_place=bastion"))
    assert sorted(stack.instances()) == [f"{NAME}-bastion", stack.node]
    assert password(stack) == before


def test_all_is_reached_on_the_bastion(stack: Stack, tunnel: dict[str, str]) -> None:
    sources = f"{tunnel['grafana']}/api/datasources"
    assert requests.get(sources, auth=("admin", password(stack)), timeout=10).status_code == 200
    assert requests.get(f"{tunnel['tensorboard']}/data/runs", timeout=10).json() == [RUN]
    assert_prometheus_asks_the_node(stack, f"{NAME}-bastion")


def test_nothing_is_left(stack: Stack) -> None:
    outcome = stack.play("destroy", "-e", f"stack_purge={NAME}")
    assert outcome.status == 0, outcome.text
    assert f'0 left of stack "{NAME}"' in outcome.text
    assert stack.instances() == {}

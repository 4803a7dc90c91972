#!/usr/bin/env python3
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The boxes of the Molecule scenarios.

`boxes.py up` makes them from {name: box}, read as JSON; `boxes.py restart NAME` boots one again; `boxes.py down` removes all.

A box is a machine image of the lab, without the lab's account around it: reached by SSH with its host key checked.
"""

from __future__ import annotations

import hashlib
import io
import ipaddress
import json
import shutil
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

# The path above comes first, or the lab would not be found: hence E402.
import docker  # noqa: E402
from docker.models.containers import Container  # noqa: E402

from extensions.molecule.systems import other_images  # noqa: E402
from lab.images import RUN_OPTIONS, BootSettings, build, build_box  # noqa: E402

STATE = PROJECT / ".cache" / "molecule"
STAND_INS = Path(__file__).parent / "stand_ins"
REGION = "us-east-1"
# Two checkouts may test side by side.
STACK = f"molecule-{hashlib.sha256(str(PROJECT).encode()).hexdigest()[:6]}"
LABELS = {"trainyard.molecule": STACK}
BOOT_SECONDS = 60


@dataclass(frozen=True)
class Box:
    name: str
    image: str
    file_systems: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    tmpfs: tuple[str, ...] = ()
    device_rules: tuple[str, ...] = ()

    @classmethod
    def parse(cls, name: str, values: dict[str, Any]) -> Box:
        lists = {key: tuple(value) for key, value in values.items() if key != "image"}
        return cls(name=name, image=values["image"], **lists)


def up(client: docker.DockerClient, boxes: list[Box]) -> None:
    down(client)
    STATE.mkdir(parents=True)
    key = STATE / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    images = {**_images(client), **other_images()}
    addresses = _make_network(client)
    for file_system in {file_system for box in boxes for file_system in box.file_systems}:
        _serve(client, file_system, images["services"])
    _serve_stand_ins(client, images["debian-12"])
    public = key.with_suffix(".pub").read_text(encoding="utf-8")
    with ThreadPoolExecutor(max_workers=4) as pool:
        creations = [
            pool.submit(_create, client, box, images[box.image], public, address)
            for box, address in zip(boxes, addresses, strict=False)
        ]
    for creation in creations:
        creation.result()
    _write_ssh_files(client)


def restart(client: docker.DockerClient, name: str) -> None:
    """Like a reboot from outside. It keeps its address and its host key."""
    container = client.containers.get(f"{STACK}-{name}")
    container.restart()
    _wait_for_login(container)


def down(client: docker.DockerClient) -> None:
    chosen = {"label": f"trainyard.molecule={STACK}"}
    containers = client.containers.list(all=True, filters=chosen)
    with ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(lambda container: container.remove(force=True, v=True), containers))
    for network in client.networks.list(filters=chosen):
        network.remove()
    shutil.rmtree(STATE, ignore_errors=True)


def _make_network(client: docker.DockerClient) -> Iterator[str]:
    """Make the boxes' network, and list addresses in it, the last first: Docker itself gives away the first.

    A box that reboots keeps its address, which Docker allows only in a subnet that it has not chosen itself.
    """
    chosen = client.networks.create(STACK, labels=LABELS)
    chosen.reload()
    subnet = chosen.attrs["IPAM"]["Config"][0]["Subnet"]
    chosen.remove()
    pool = docker.types.IPAMConfig(pool_configs=[docker.types.IPAMPool(subnet=subnet)])
    client.networks.create(STACK, labels=LABELS, ipam=pool)
    network = ipaddress.ip_network(subnet)
    return (str(network[-2 - number]) for number in range(network.num_addresses // 2))


def _images(client: docker.DockerClient) -> dict[str, str]:
    with ThreadPoolExecutor() as pool:
        debian_13 = pool.submit(build_box, client, print, "trixie")
        images = build(client, print)
        return {
            "debian-12": images.box,
            "debian-13": debian_13.result(),
            "deep-learning": images.box_deep_learning,
            "services": images.services,
        }


def _serve(client: docker.DockerClient, file_system: str, image: str) -> None:
    """An NFS server under the file system's DNS name."""
    folder = STATE / "efs" / file_system
    folder.mkdir(parents=True)
    server = client.containers.create(
        image,
        ["ganesha.nfsd", "-F", "-L", "/dev/stdout", "-f", "/etc/ganesha/ganesha.conf"],
        name=f"{STACK}-{file_system}",
        labels=LABELS,
        cap_add=["DAC_READ_SEARCH", "SYS_ADMIN"],
        volumes=[f"{folder}:/export"],
        network_mode="none",
    )
    client.networks.get("none").disconnect(server)
    client.networks.get(STACK).connect(server, aliases=[f"{file_system}.efs.{REGION}.amazonaws.com"])
    server.start()


def publish_stand_ins(client: docker.DockerClient, base: str) -> str:
    """Make the image of a web server that stands in for those of the vendors; see stand_ins/publish.py. Returns its tag."""
    tag = f"{STACK}-stand-ins"
    try:
        client.images.build(path=str(STAND_INS), tag=tag, buildargs={"BASE": base}, rm=True, forcerm=True)
    except docker.errors.BuildError as error:
        said = "".join(str(line.get("stream", "")) for line in error.build_log)
        raise SystemExit(f"Cannot publish the stand-ins: {error.msg}\n{said[-4000:]}") from error
    return tag


def _serve_stand_ins(client: docker.DockerClient, base: str) -> None:
    """That web server, as packages.test."""
    tag = publish_stand_ins(client, base)
    server = client.containers.create(tag, name=tag, labels=LABELS, network_mode="none")
    client.networks.get("none").disconnect(server)
    client.networks.get(STACK).connect(server, aliases=["packages.test"])
    server.start()
    for name, path in {"fingerprint": "/srv/fingerprint", "other_fingerprint": "/srv/other-key/fingerprint"}.items():
        (STATE / f"stand_ins_{name}").write_text(_read(server, path), encoding="ascii")


def _create(client: docker.DockerClient, box: Box, image: str, public_key: str, address: str) -> None:
    """Create a box, start it, and wait until one can log in."""
    options = dict(RUN_OPTIONS)
    options["cap_add"] = [*RUN_OPTIONS["cap_add"], *box.capabilities]
    options["tmpfs"] = {**RUN_OPTIONS["tmpfs"], **dict.fromkeys(box.tmpfs, "")}
    options["volumes"] = [*RUN_OPTIONS["volumes"], f"{STATE / 'efs'}:/srv/lab-efs"]
    options["device_cgroup_rules"] = list(box.device_rules)
    labels = {**LABELS, "trainyard.box": box.name}
    container = client.containers.create(
        image,
        name=f"{STACK}-{box.name}",
        hostname=box.name,
        labels=labels,
        network=STACK,
        networking_config={STACK: client.api.create_endpoint_config(ipv4_address=address)},
        restart_policy={"Name": "always"},  # a reboot ends the container
        **options,
    )
    container.put_archive("/", BootSettings(authorized_keys=(public_key,)).archive())
    container.start()
    _wait_for_login(container)


def _address(container: Container) -> str:
    container.reload()
    return str(container.attrs["NetworkSettings"]["Networks"][STACK]["IPAddress"])


def _wait_for_login(container: Container) -> None:
    """SSH answers before systemd lets anybody in."""
    deadline = time.monotonic() + BOOT_SECONDS
    while time.monotonic() < deadline:
        if _answers_ssh(container) and container.exec_run(["test", "-e", "/run/nologin"]).exit_code == 1:
            return
        time.sleep(0.05)
    raise SystemExit(f"Box {container.name} lets nobody in after {BOOT_SECONDS} s; see docker logs {container.name}.")


def _answers_ssh(container: Container) -> bool:
    try:
        with socket.create_connection((_address(container), 22), timeout=1) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _read(container: Container, path: str) -> str:
    chunks, _ = container.get_archive(path)
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
        content = tar.extractfile(tar.getmembers()[0])
        return content.read().decode() if content else ""


def _write_ssh_files(client: docker.DockerClient) -> None:
    containers = client.containers.list(filters={"label": [f"trainyard.molecule={STACK}", "trainyard.box"]})
    boxes = {container.labels["trainyard.box"]: container for container in containers}
    hosts = [f"Host {name}\n  HostName {_address(box)}\n  HostKeyAlias {name}\n" for name, box in boxes.items()]
    every = (
        f"Host *\n  User admin\n  IdentityFile {STATE}/id_ed25519\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {STATE}/known_hosts\n  StrictHostKeyChecking yes\n"
    )
    (STATE / "ssh_config").write_text("".join([*hosts, every]), encoding="utf-8")
    keys = [f"{name} {_read(box, '/etc/ssh/ssh_host_ed25519_key.pub').strip()}\n" for name, box in boxes.items()]
    (STATE / "known_hosts").write_text("".join(keys), encoding="utf-8")


def main() -> None:
    client = docker.from_env(timeout=600)
    if sys.argv[1:] == ["up"]:
        up(client, [Box.parse(name, values) for name, values in json.load(sys.stdin).items()])
    elif sys.argv[1:] == ["down"]:
        down(client)
    elif sys.argv[1:2] == ["restart"] and len(sys.argv) == 3:
        restart(client, sys.argv[2])
    else:
        raise SystemExit("Usage: boxes.py up | restart NAME | down")


if __name__ == "__main__":
    main()

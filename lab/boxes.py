# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Boxes: the container behind each instance."""

from __future__ import annotations

import io
import logging
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import docker
from docker.models.containers import Container
from docker.types import EndpointConfig

from lab.images import RUN_OPTIONS, BootSettings, Images
from lab.images.boot import Metadata
from lab.networks import Networks, gateway_of
from lab.security_groups import RULES_FILE
from lab.settings import LABEL_ID, LABEL_KIND, Settings
from lab.wanted import Box

log = logging.getLogger(__name__)
KIND_BOX = "box"
SECONDS_TO_STOP = 10
# What the box's unit lab-network does at boot; by hand, because systemd limits how often a unit starts.
APPLY_METADATA = "set -a && . /etc/lab/metadata.env && exec /usr/local/lib/lab/network"
METADATA_ENDPOINT = "http://169.254.169.254"


@dataclass(frozen=True)
class Found:
    """A container of the lab as Docker has it."""

    container: str
    identity: str
    running: bool
    public_ip: str | None


class Boxes:
    """Creates, starts, stops, changes and removes boxes."""

    def __init__(
        self,
        client: docker.DockerClient,
        settings: Settings,
        images: Images,
        networks: Networks,
        trusted: Mapping[str, bytes],
    ) -> None:
        """`trusted` are certificate files every box gets: path in the box to content."""
        self._client = client
        self._settings = settings
        self._images = images
        self._networks = networks
        self._trusted = trusted

    def create(self, box: Box) -> Container:
        """Create and start the box of a new instance."""
        network = self._networks.name(box.network.vpc)
        options = dict(RUN_OPTIONS)
        options["volumes"] = [*options["volumes"], f"{self._settings.file_systems}:/srv/lab-efs:rw"]
        container = self._client.containers.create(
            self._images.box_deep_learning if box.has_docker else self._images.box,
            "/sbin/init",
            name=f"{self._settings.name}-{box.instance}",
            hostname=box.host_name,
            labels=self._settings.labels(KIND_BOX, box.instance),
            network=network,
            networking_config={
                network: EndpointConfig(
                    self._api_version, ipv4_address=box.private_ip, aliases=[box.host_name, box.host_name.split(".")[0]]
                )
            },
            **options,
        )
        container.put_archive("/", self._boot_settings(box).archive())
        container.put_archive("/", archive({RULES_FILE: box.rules.encode(), **self._trusted}))
        self._connect_public(container, box)
        self._start(container, box)
        return container

    def start(self, found: Found, box: Box) -> None:
        """Start the box of an instance that was stopped; its disk is as it was."""
        container = self._client.containers.get(found.container)
        self._move_public(container, found, box)
        self._write_settings(container, box)
        self._start(container, box)

    def stop(self, found: Found) -> None:
        self._client.containers.get(found.container).stop(timeout=SECONDS_TO_STOP)

    def restart(self, found: Found, box: Box) -> None:
        container = self._client.containers.get(found.container)
        container.restart(timeout=SECONDS_TO_STOP)
        self._apply(container, "nft", "-f", RULES_FILE)

    def change(self, found: Found, box: Box) -> None:
        """Give a running box its present public address, metadata options and inbound rules."""
        container = self._client.containers.get(found.container)
        self._move_public(container, found, box)
        self._write_settings(container, box)
        self._apply(container, "sh", "-c", APPLY_METADATA)
        self._apply(container, "nft", "-f", RULES_FILE)

    @property
    def _api_version(self) -> str:
        return str(self._client.api.api_version)

    def _start(self, container: Container, box: Box) -> None:
        container.start()
        self._apply(container, "nft", "-f", RULES_FILE)
        log.info("box %s is up: %s %s", box.instance, box.private_ip, box.public_ip or "(no public address)")

    def _boot_settings(self, box: Box) -> BootSettings:
        return BootSettings(
            authorized_keys=(box.authorized_key,) if box.authorized_key else (),
            metadata=self._metadata(box),
            environment={
                "AWS_ENDPOINT_URL": METADATA_ENDPOINT,
                "S3_ENDPOINT_URL": METADATA_ENDPOINT,
                "AWS_REGION": box.region,
                "AWS_DEFAULT_REGION": box.region,
            },
            user_data=box.user_data or None,
        )

    def _metadata(self, box: Box) -> Metadata:
        return Metadata(
            str(gateway_of(box.network.cidr)),
            self._settings.port,
            box.hop_limit,
            private=box.public_ip is None,
            router=box.router or "",
        )

    def _write_settings(self, container: Container, box: Box) -> None:
        """What may change in the life of a box; the rest is written once, before its first start."""
        container.put_archive(
            "/", archive({RULES_FILE: box.rules.encode(), "/etc/lab/metadata.env": self._metadata(box).text().encode()})
        )

    def _connect_public(self, container: Container, box: Box) -> None:
        if box.public_ip:
            self._client.networks.get(self._networks.public_name).connect(container, ipv4_address=box.public_ip)

    def _move_public(self, container: Container, found: Found, box: Box) -> None:
        if found.public_ip == box.public_ip:
            return
        if found.public_ip:
            self._client.networks.get(self._networks.public_name).disconnect(container)
        self._connect_public(container, box)

    @staticmethod
    def _apply(container: Container, *command: str) -> None:
        exit_code, output = container.exec_run(list(command))
        if exit_code:
            raise RuntimeError(
                f"{' '.join(command)} in {container.name} ended with {exit_code}: {output.decode(errors='replace').strip()}"
            )


def archive(files: Mapping[str, bytes]) -> bytes:
    """A tar of root's files, readable by all, for `put_archive("/", ...)`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, content in files.items():
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def found_containers(
    client: docker.DockerClient, settings: Settings, kind: str, public_network: str
) -> dict[str, Found]:
    """The lab's containers of one kind, by the AWS id they stand for."""
    found: dict[str, Found] = {}
    for summary in client.api.containers(
        all=True, filters={"label": [settings.label_filter["label"], f"{LABEL_KIND}={kind}"]}
    ):
        identity = summary["Labels"][LABEL_ID]
        found[identity] = Found(
            summary["Id"], identity, summary["State"] == "running", _public_ip(summary, public_network)
        )
    return found


def _public_ip(summary: Mapping[str, Any], public_network: str) -> str | None:
    networks = (summary.get("NetworkSettings") or {}).get("Networks") or {}
    endpoint = networks.get(public_network)
    return str(endpoint["IPAMConfig"]["IPv4Address"]) if endpoint and endpoint.get("IPAMConfig") else None

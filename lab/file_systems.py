# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""EFS: an NFS server at the address of each mount target, over one directory per file system."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import docker
from docker.models.containers import Container
from docker.types import EndpointConfig

from lab.boxes import Found, archive
from lab.images import Images
from lab.networks import Networks
from lab.security_groups import RULES_FILE
from lab.settings import Settings
from lab.wanted import FileServer

log = logging.getLogger(__name__)
KIND_FILE_SERVER = "file-server"
SERVE = f"nft -f {RULES_FILE} && exec ganesha.nfsd -F -L /dev/stdout -f /etc/ganesha/ganesha.conf"
SERVICES_REPOSITORY = "trainyard-lab/services"
IDENTITY_FILE = ".lab-fsid"  # lets a client prove which file system it reached


class FileServers:
    """Creates, changes and removes the servers behind mount targets, and the data of file systems."""

    def __init__(self, client: docker.DockerClient, settings: Settings, images: Images, networks: Networks) -> None:
        self._client = client
        self._settings = settings
        self._images = images
        self._networks = networks

    def create(self, server: FileServer) -> Container:
        directory = self._directory(server.file_system)
        network = self._networks.name(server.network.vpc)
        container = self._client.containers.create(
            self._images.services,
            ["sh", "-c", SERVE],
            name=f"{self._settings.name}-{server.mount_target}",
            labels=self._settings.labels(KIND_FILE_SERVER, server.mount_target),
            cap_add=["DAC_READ_SEARCH", "SYS_ADMIN", "NET_ADMIN"],
            security_opt=["seccomp=unconfined"],
            volumes=[f"{directory}:/export:rw"],
            network=network,
            networking_config={
                network: EndpointConfig(
                    str(self._client.api.api_version), ipv4_address=server.ip, aliases=[server.dns_name]
                )
            },
        )
        container.put_archive("/", archive({RULES_FILE: server.rules.encode()}))
        container.start()
        log.info("mount target %s serves %s at %s", server.mount_target, server.file_system, server.ip)
        return container

    def change(self, found: Found, server: FileServer) -> None:
        """Give a running server its present inbound rules."""
        container = self._client.containers.get(found.container)
        container.put_archive("/", archive({RULES_FILE: server.rules.encode()}))
        exit_code, output = container.exec_run(["nft", "-f", RULES_FILE])
        if exit_code:
            raise RuntimeError(
                f"inbound rules of {server.mount_target} refused: {output.decode(errors='replace').strip()}"
            )

    def remove_data_of_all_but(self, file_systems: frozenset[str]) -> None:
        """The files of a deleted file system go."""
        for directory in self._settings.file_systems.glob("fs-*"):
            if directory.name not in file_systems:
                remove_tree(self._client, directory)
                log.info("data of %s removed", directory.name)

    def _directory(self, file_system: str) -> Path:
        directory = self._settings.file_systems / file_system
        directory.mkdir(parents=True, exist_ok=True)
        (directory / IDENTITY_FILE).write_text(file_system)
        return directory


def remove_tree(client: docker.DockerClient, directory: Path) -> None:
    """Remove a directory in which containers wrote as root; who is not root borrows a container for it."""
    try:
        shutil.rmtree(directory)
    except PermissionError:
        image = client.images.list(SERVICES_REPOSITORY)[0]
        command = ["rm", "-rf", f"/parent/{directory.name}"]
        client.containers.run(image, command, volumes=[f"{directory.parent}:/parent:rw"], remove=True)

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Remove everything of a lab from Docker, found by its labels; works after a crash too."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import docker
from docker.errors import APIError, NotFound

from lab.file_systems import remove_tree
from lab.networks import owned
from lab.registry import KIND_DATA
from lab.settings import LABEL_KIND, Settings

SIDE_BY_SIDE = 8


def sweep(client: docker.DockerClient, settings: Settings, purge: bool = False) -> list[str]:
    """Remove containers, networks, volumes and file system data; the answer names what went. `purge` also empties the registry."""
    containers = client.api.containers(all=True, filters=settings.label_filter)
    with ThreadPoolExecutor(max_workers=SIDE_BY_SIDE) as pool:
        removed = list(pool.map(lambda summary: _container(client, summary["Id"], summary["Names"][0]), containers))
        removed += list(pool.map(lambda network: _gone(network[0].name, network[0].remove), owned(client, settings)))
    for volume in client.volumes.list(filters=settings.label_filter):
        if purge or volume.attrs["Labels"].get(LABEL_KIND) != KIND_DATA:
            removed.append(_gone(volume.name, volume.remove))
    for directory in settings.file_systems.glob("fs-*"):
        remove_tree(client, directory)
        removed.append(directory.name)
    return [name for name in removed if name]


def _container(client: docker.DockerClient, identity: str, name: str) -> str:
    return _gone(name.lstrip("/"), lambda: client.api.remove_container(identity, force=True, v=True))


def _gone(name: str, remove: Callable[[], None]) -> str:
    try:
        remove()
    except NotFound:
        return ""
    except APIError as error:
        if error.status_code != 409:  # 409: its removal is under way already
            raise
    return name

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Remove everything of a lab from Docker, found by its labels; works after a crash too."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import docker
from docker.errors import APIError, NotFound

from lab.file_systems import remove_tree
from lab.networks import owned
from lab.registry import KIND_DATA
from lab.settings import LABEL_KIND, Settings

SIDE_BY_SIDE = 8
SECONDS_TO_TRY = 15.0
BUSY = (403, 409)  # a network with endpoints, a container or volume whose removal is under way


@dataclass
class Swept:
    """What went, and what did not with Docker's reason."""

    removed: list[str] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)


def sweep(client: docker.DockerClient, settings: Settings, purge: bool = False) -> Swept:
    """Remove containers, networks, volumes and file system data; `purge` also empties the registry."""
    swept = Swept()
    containers = client.api.containers(all=True, filters=settings.label_filter)
    volumes = [
        volume
        for volume in client.volumes.list(filters=settings.label_filter)
        if purge or volume.attrs["Labels"].get(LABEL_KIND) != KIND_DATA
    ]
    remove_all(
        {summary["Names"][0].lstrip("/"): partial(_remove_container, client, summary["Id"]) for summary in containers},
        swept,
    )
    remove_all({network.name: network.remove for network, _, _ in owned(client, settings)}, swept)
    remove_all({volume.name: volume.remove for volume in volumes}, swept)
    for directory in settings.file_systems.glob("fs-*"):
        remove_tree(client, directory)
        swept.removed.append(directory.name)
    return swept


def _remove_container(client: docker.DockerClient, identity: str) -> None:
    client.api.remove_container(identity, force=True, v=True)


def remove_all(removals: Mapping[str, Callable[[], None]], swept: Swept) -> None:
    """Side by side; what cannot be removed stops none of the others."""
    with ThreadPoolExecutor(max_workers=SIDE_BY_SIDE) as pool:
        for name, problem in zip(removals, pool.map(_problem_of, removals.values()), strict=True):
            if problem:
                swept.left[name] = problem
            else:
                swept.removed.append(name)


def _problem_of(remove: Callable[[], None]) -> str:
    """Remove, and try again while Docker is still busy with it or with what hangs on it."""
    deadline = time.monotonic() + SECONDS_TO_TRY
    while True:
        try:
            remove()
        except NotFound:
            return ""
        except APIError as error:
            if error.status_code not in BUSY or time.monotonic() > deadline:
                return str(error.explanation)
            time.sleep(0.2)
        else:
            return ""

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Remove everything of a lab from Docker, found by its labels; works after a crash too."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import docker
from docker.errors import APIError, NotFound

from lab.errors import LabError
from lab.file_systems import remove_tree
from lab.networks import owned
from lab.registry import KIND_DATA
from lab.settings import LABEL_KIND, Settings

SIDE_BY_SIDE = 8
SECONDS_TO_TRY = 15.0
BUSY = (403, 409)  # a network with endpoints, a container or volume whose removal is under way


def sweep(client: docker.DockerClient, settings: Settings, purge: bool = False) -> list[str]:
    """Remove containers, networks, volumes and file system data; the answer names what went. `purge` also empties the registry."""
    containers = client.api.containers(all=True, filters=settings.label_filter)
    volumes = [
        volume
        for volume in client.volumes.list(filters=settings.label_filter)
        if purge or volume.attrs["Labels"].get(LABEL_KIND) != KIND_DATA
    ]
    removed = _remove_all(
        {summary["Names"][0].lstrip("/"): partial(_remove_container, client, summary["Id"]) for summary in containers}
    )
    removed += _remove_all({network.name: network.remove for network, _, _ in owned(client, settings)})
    removed += _remove_all({volume.name: volume.remove for volume in volumes})
    for directory in settings.file_systems.glob("fs-*"):
        remove_tree(client, directory)
        removed.append(directory.name)
    return removed


def _remove_container(client: docker.DockerClient, identity: str) -> None:
    client.api.remove_container(identity, force=True, v=True)


def _remove_all(removals: Mapping[str, Callable[[], None]]) -> list[str]:
    """Side by side; what cannot be removed stops none of the others and is named at the end."""
    with ThreadPoolExecutor(max_workers=SIDE_BY_SIDE) as pool:
        problems = dict(zip(removals, pool.map(_problem_of, removals.values()), strict=True))
    left = {name: problem for name, problem in problems.items() if problem}
    if left:
        why = "; ".join(f"{name}: {problem}" for name, problem in left.items())
        raise LabError(
            f"{len(left)} things of the lab cannot be removed.", why, "Run it again; it goes on where it stopped."
        )
    return list(removals)


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

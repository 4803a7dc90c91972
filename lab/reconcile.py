# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make Docker's containers what the account wants: level-triggered, one object's trouble never stops another's."""

from __future__ import annotations

import contextlib
import itertools
import logging
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import docker

from lab.boxes import KIND_BOX, Boxes, Found, found_containers
from lab.file_systems import KIND_FILE_SERVER, FileServers
from lab.networks import Networks
from lab.settings import Settings
from lab.wanted import RUNNING, STOPPED, Box, FileServer, Network, Wanted

log = logging.getLogger(__name__)
Item = TypeVar("Item")
SIDE_BY_SIDE = 8


@dataclass(frozen=True)
class Step:
    """Something to do in Docker for one instance or mount target."""

    item: Box | FileServer
    act: Callable[[], object]
    starts: bool = False  # without it there is no running instance

    @property
    def identity(self) -> str:
        return self.item.instance if isinstance(self.item, Box) else self.item.mount_target


class Reconciler:
    """Called after every change in the account; returns when Docker matches."""

    def __init__(
        self,
        client: docker.DockerClient,
        settings: Settings,
        read: Callable[[], Wanted],
        failed: Callable[[str, str], None],
        networks: Networks,
        boxes: Boxes,
        file_servers: FileServers,
    ) -> None:
        """`read` gives what the account wants; `failed` tells the account that an instance cannot start, and why."""
        self._client, self._settings = client, settings
        self._read, self._failed = read, failed
        self._networks, self._boxes, self._file_servers = networks, boxes, file_servers
        self._pool = ThreadPoolExecutor(max_workers=SIDE_BY_SIDE, thread_name_prefix="reconcile")
        self._lock = threading.Lock()
        self._tickets = itertools.count(1)
        self._issued = 0
        self._served = 0
        self._reached: Wanted | None = None
        self._applied: dict[str, Box | FileServer] = {}

    def reconcile(self, force: bool = False) -> None:
        """Bring Docker up to the account as it is now. Callers that wait share one pass."""
        if not force and self._read() == self._reached:
            return
        ticket = self._issued = next(self._tickets)
        with self._lock:
            if self._served >= ticket:  # a pass that began after our change has covered it
                return
            covered = self._issued
            self._pass()
            self._served = covered

    def finish(self, patience: float) -> None:
        """Wait for the pass under way and let no other begin: a box removed while it starts leaves Docker in disorder."""
        self._lock.acquire(timeout=patience)

    def is_down(self, instance: str) -> bool:
        """Whether the box is there but not running, asked while nothing is being changed.

        Docker's list shows an end only once all is cleared up, seconds later on a busy machine; an inspection knows it at once.
        """
        with self._lock, contextlib.suppress(docker.errors.NotFound):
            found = found_containers(self._client, self._settings, KIND_BOX, self._networks.public_name).get(instance)
            return found is not None and not self._client.api.inspect_container(found.container)["State"]["Running"]
        return False

    def _pass(self) -> None:
        want = self._read()
        boxes = found_containers(self._client, self._settings, KIND_BOX, self._networks.public_name)
        servers = found_containers(self._client, self._settings, KIND_FILE_SERVER, self._networks.public_name)
        wanted_boxes = {box.instance: box for box in want.boxes}
        wanted_servers = {server.mount_target: server for server in want.file_servers}
        gone = [*_without(boxes, wanted_boxes), *_without(servers, wanted_servers)]
        clean = self._each(gone, self._remove, lambda found: found.identity)
        clean &= self._once("networks", lambda: self._networks.remove_all_but(want.vpcs))
        clean &= self._once("file systems", lambda: self._file_servers.remove_data_of_all_but(want.file_systems))
        steps = [*self._box_steps(wanted_boxes, boxes), *self._server_steps(wanted_servers, servers)]
        opened = self._open_networks({step.item.network for step in steps})
        clean &= self._each(
            [step for step in steps if step.item.network in opened], self._take, lambda step: step.identity
        )
        for step in steps:
            if step.item.network not in opened:
                clean = False
                self._report(step, f"network {step.item.network.cidr} cannot be made on this machine")
        self._reached = want if clean else None

    def _box_steps(self, want: dict[str, Box], have: dict[str, Found]) -> Iterable[Step]:
        boxes = self._boxes
        for identity, box in want.items():
            found = have.get(identity)
            applied = self._applied.get(identity)
            if found is None:
                if box.state == RUNNING:
                    yield Step(box, lambda box=box: boxes.create(box), starts=True)
            elif box.state == RUNNING and not found.running:
                yield Step(box, lambda box=box, found=found: boxes.start(found, box), starts=True)
            elif box.state == STOPPED and found.running:
                yield Step(box, lambda found=found: boxes.stop(found))
            elif isinstance(applied, Box) and box.boots != applied.boots:
                yield Step(box, lambda box=box, found=found: boxes.restart(found, box), starts=True)
            elif box.state == RUNNING and applied != box:
                yield Step(box, lambda box=box, found=found: boxes.change(found, box))

    def _server_steps(self, want: dict[str, FileServer], have: dict[str, Found]) -> Iterable[Step]:
        for identity, server in want.items():
            found = have.get(identity)
            if found is None:
                yield Step(server, lambda server=server: self._file_servers.create(server))
            elif self._applied.get(identity) != server:
                yield Step(server, lambda server=server, found=found: self._file_servers.change(found, server))

    def _open_networks(self, networks: set[Network]) -> set[Network]:
        return {
            network
            for network in networks
            if self._once(f"network of {network.vpc}", lambda network=network: self._networks.ensure(network))
        }

    def _take(self, step: Step) -> None:
        try:
            step.act()
        except Exception as error:
            self._report(step, str(error))
            raise
        self._applied[step.identity] = step.item

    def _report(self, step: Step, why: str) -> None:
        """An instance that cannot start is the account's matter; whatever else failed is tried again at the next change."""
        if step.starts:
            self._remove_named(f"{self._settings.name}-{step.identity}")
            self._failed(step.identity, why)

    def _remove(self, found: Found) -> None:
        self._client.containers.get(found.container).remove(force=True, v=True)
        self._applied.pop(found.identity, None)
        log.info("%s removed", found.identity)

    def _remove_named(self, name: str) -> None:
        try:
            self._client.containers.get(name).remove(force=True, v=True)
        except docker.errors.NotFound:
            return

    def _each(self, items: Iterable[Item], act: Callable[[Item], None], name: Callable[[Item], str]) -> bool:
        """Act on all items side by side; false when one of them failed."""
        return all(list(self._pool.map(lambda item: self._once(name(item), lambda: act(item)), items)))

    @staticmethod
    def _once(name: str, act: Callable[[], object]) -> bool:
        try:
            act()
        except Exception:  # whatever happened to this one, the others go on; the next change tries again
            log.exception("%s: failed", name)
            return False
        return True


def _without(have: dict[str, Found], want: dict[str, Box] | dict[str, FileServer]) -> list[Found]:
    return [found for identity, found in have.items() if identity not in want]

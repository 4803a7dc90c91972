# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Logs of containers, read from Docker's socket with the standard library alone.

While a run is followed, each look at its log is a new Python process on the node. Importing the Docker SDK takes four times as long as
everything else in it, and that would be the delay of every line on the terminal. All else goes through the SDK.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import time
import typing as t
from urllib.parse import quote, urlencode

from ansible_collections.trainyard.aws.plugins.module_utils._container_log import (
    START,
    Batch,
    cursor_at_tail,
    epoch_of,
    frames_of,
    is_of_earlier,
)
from ansible_collections.trainyard.aws.plugins.module_utils._container_types import (
    LABEL_PREFIX,
    NAME_PREFIX,
    Cursor,
    EngineAway,
    Frame,
    Line,
    TrainingError,
)

BATCH_SECONDS = 0.15
_REST_SECONDS = 0.05
_ANSWER_SECONDS = 60
_READ_SIZE = 256 * 1024
_STATUS_CHARACTERS = 64 * 1024


class _SocketConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("docker", timeout=_ANSWER_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class LogReader:
    """Reads the log of one run's container."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._socket = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").replace("unix://", "", 1)

    def running(self) -> bool:
        """Whether the container has not ended."""
        return self._container()["State"]["Status"] not in ("exited", "dead")

    def attempt(self) -> int:
        """Which attempt of the run the container is."""
        return int(self._container()["Config"]["Labels"].get(LABEL_PREFIX + "attempt", 1))

    def status(self) -> dict[str, t.Any]:
        """What watches over the run on this node says of it; nothing where it says nothing."""
        try:
            directory = self._container()["Config"]["Labels"][LABEL_PREFIX + "directory"]
            with open(os.path.join(directory, "status.json"), encoding="utf-8") as file:
                found = json.loads(file.read(_STATUS_CHARACTERS))
        except (TrainingError, KeyError, OSError, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def tail(self, count: int) -> Cursor:
        """The cursor in front of the last ``count`` lines."""
        if count <= 0:
            return START
        with self._get("logs", tail=count, follow=0) as answer:
            return cursor_at_tail(frames_of(answer.chunks()))

    def read(self, cursor: Cursor, wait_seconds: float) -> tuple[list[Line], Cursor, bool]:
        """Lines after the cursor, as soon as there are some; the cursor after them; whether that was all for ever."""
        if is_of_earlier(cursor, self._container().get("Created", "")):
            cursor = START
        since = epoch_of(cursor.since) if cursor.since else "0"
        batch = Batch(cursor)
        with self._get("logs", since=since, follow=1) as answer:
            look = _Look(answer, batch, wait_seconds)
            look.fill()
        ended = look.at_end and not self.running()
        after = batch.finish(ended)
        return batch.lines, after, ended

    def all_frames(self) -> t.Iterator[Frame]:
        with self._get("logs", follow=0) as answer:
            yield from frames_of(answer.chunks())

    def _container(self) -> dict[str, t.Any]:
        with self._get("json") as answer:
            return dict(json.loads(answer.response.read()))

    def _get(self, what: str, **query: t.Any) -> _Answer:
        try:
            return _Answer(
                _SocketConnection(self._socket),
                f"/containers/{quote(NAME_PREFIX + self._run_id)}/{what}",
                self._run_id,
                query,
            )
        except OSError as error:
            raise EngineAway(
                f'Cannot read the log of run "{self._run_id}"',
                f"Docker does not answer on {self._socket} ({error.strerror or error}).",
                "See `systemctl status docker` on the node, and run the task with become: true.",
            ) from error


class _Answer:
    """An answer of Docker that comes bit by bit."""

    def __init__(self, connection: _SocketConnection, path: str, run_id: str, query: t.Mapping[str, t.Any]) -> None:
        self._connection = connection
        parameters = urlencode({"stdout": 1, "stderr": 1, "timestamps": 1, **query}) if query else ""
        connection.request("GET", f"{path}?{parameters}")
        self.response = connection.getresponse()
        if self.response.status == http.client.NOT_FOUND:
            raise TrainingError(
                f'Cannot read the log of run "{run_id}"',
                "it has no container on this node.",
                "Start it, or choose another run id.",
            )
        if self.response.status != http.client.OK:
            raise TrainingError(
                f'Cannot read the log of run "{run_id}"',
                f"Docker says: {self.response.read()!r}.",
                "See `journalctl -u docker` on the node.",
            )

    def __enter__(self) -> _Answer:
        return self

    def __exit__(self, *dummy: object) -> None:
        self._connection.close()

    def chunks(self) -> t.Iterator[bytes]:
        return iter(lambda: self.response.read1(_READ_SIZE), b"")

    def next_chunk(self, seconds: float) -> bytes:
        """What comes within some seconds; nothing at the end. Raises ``socket.timeout``."""
        if self._connection.sock is not None:
            self._connection.sock.settimeout(seconds)
        return self.response.read1(_READ_SIZE)


class _Look:
    """One look at a log that may never end: until there is something to show, or until it is time."""

    def __init__(self, answer: _Answer, batch: Batch, wait_seconds: float) -> None:
        self._answer = answer
        self._batch = batch
        self._deadline = time.monotonic() + wait_seconds
        self.at_end = False

    def fill(self) -> None:
        for frame in frames_of(self._chunks()):
            self._batch.add(frame)
            if self._batch.full:
                return

    def _chunks(self) -> t.Iterator[bytes]:
        while True:
            now = time.monotonic()
            if self._batch.lines:
                self._deadline = min(self._deadline, now + BATCH_SECONDS)
            if now >= self._deadline and not self._batch.waits_for_rest:
                return
            try:
                chunk = self._answer.next_chunk(max(self._deadline - now, _REST_SECONDS))
            except (socket.timeout, http.client.IncompleteRead):
                return
            if not chunk:
                self.at_end = True
                return
            yield chunk

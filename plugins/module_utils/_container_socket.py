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
    MOST_TAIL,
    START,
    Batch,
    cursor_at_tail,
    epoch_of,
    frames_of,
    is_of_earlier,
    tail_to_cursor,
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
BEHIND_SECONDS = 1
CATCH_UP_SECONDS = 5
_MORE = 16
_REST_SECONDS = 0.05
_ANSWER_SECONDS = 60
_READ_SIZE = 256 * 1024
_STATUS_CHARACTERS = 64 * 1024
_ENDED = ("exited", "dead")


class _SocketConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("docker", timeout=_ANSWER_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def socket_path() -> str:
    return os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").replace("unix://", "", 1)


def mounted_directories() -> set[str]:
    """The directories of this node that a container reads or writes, or one that ended and that the node itself may start again."""
    connection = _SocketConnection(socket_path())
    try:
        connection.request("GET", "/containers/json?all=1")
        answer = connection.getresponse()
        containers = json.loads(answer.read()) if answer.status == http.client.OK else None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _engine_away("Cannot see which directories are in use", error) from error
    finally:
        connection.close()
    if containers is None:
        raise _engine_away("Cannot see which directories are in use", f"status {answer.status}")
    living = [each for each in containers if each.get("State") not in _ENDED or _comes_back(each.get("Labels") or {})]
    return {mount["Source"] for each in living for mount in each.get("Mounts") or () if mount.get("Source")}


def _comes_back(labels: t.Mapping[str, str]) -> bool:
    status = _status_in(labels.get(LABEL_PREFIX + "directory", ""))
    return bool(status) and status.get("state") != "ended"


def _status_in(directory: str) -> dict[str, t.Any]:
    """What watches over a run says of it in the run's directory; nothing where it says nothing."""
    try:
        with open(os.path.join(directory, "status.json"), encoding="utf-8") as file:
            found = json.loads(file.read(_STATUS_CHARACTERS))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _engine_away(what: str, why: object) -> EngineAway:
    return EngineAway(
        what,
        f"Docker does not answer on {socket_path()} ({getattr(why, 'strerror', None) or why}).",
        "See `systemctl status docker` on the node, and run the task with become: true.",
    )


class LogReader:
    """Reads the log of one run's container."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id

    def attempt(self) -> int:
        """Which attempt of the run the container is."""
        return int(self._container()["Config"]["Labels"].get(LABEL_PREFIX + "attempt", 1))

    def status(self) -> dict[str, t.Any]:
        """What watches over the run on this node says of it; nothing where it says nothing."""
        try:
            return _status_in(self._container()["Config"]["Labels"][LABEL_PREFIX + "directory"])
        except (TrainingError, KeyError, OSError):
            return {}

    def tail(self, count: int) -> Cursor:
        """The cursor in front of the last ``count`` lines."""
        if count <= 0:
            return START
        with self._get("logs", tail=count, follow=0) as answer:
            return cursor_at_tail(frames_of(answer.chunks()))

    def read(self, cursor: Cursor, wait_seconds: float) -> tuple[list[Line], Cursor, bool]:
        """Lines after the cursor, as soon as there are some; the cursor after them; whether that was all for ever."""
        container = self._container()
        if is_of_earlier(cursor, container.get("Created", "")):
            cursor = START
        # Docker 20.10 ends the answer to those who follow as the container ends, with some of the log unsent. So the log is over
        # only if the container was before we looked, and we did not follow.
        over = container["State"]["Status"] in _ENDED
        look, batch = self._look_at_tail(cursor, wait_seconds, over) or self._look_since(cursor, wait_seconds, over)
        ended = look.at_end and over
        after = batch.finish(ended)
        return batch.lines, after, ended

    def _look_at_tail(self, cursor: Cursor, wait_seconds: float, over: bool) -> tuple[_Look, Batch] | None:
        """A look at the last frames, None where these do not reach back to the cursor."""
        likely = tail_to_cursor(cursor, _moment(0)) if cursor.since else MOST_TAIL + 1
        # A log that has just become faster needs more than the cursor lets expect.
        for tail in (each for each in (likely, likely * _MORE) if each <= MOST_TAIL):
            with self._get("logs", tail=tail, follow=int(not over)) as answer:
                look = _Look(answer, Batch(cursor), wait_seconds)
                if look.fill(cursor.since):
                    return look, look.batch
        return None

    def _look_since(self, cursor: Cursor, wait_seconds: float, over: bool) -> tuple[_Look, Batch]:
        since = epoch_of(cursor.since) if cursor.since else "0"
        with self._get("logs", since=since, follow=int(not over)) as answer:
            look = _Look(answer, Batch(cursor), wait_seconds)
            look.fill()
            return look, look.batch

    def all_frames(self) -> t.Iterator[Frame]:
        with self._get("logs", follow=0) as answer:
            yield from frames_of(answer.chunks())

    def _container(self) -> dict[str, t.Any]:
        with self._get("json") as answer:
            return dict(json.loads(answer.response.read()))

    def _get(self, what: str, **query: t.Any) -> _Answer:
        try:
            return _Answer(
                _SocketConnection(socket_path()),
                f"/containers/{quote(NAME_PREFIX + self._run_id)}/{what}",
                self._run_id,
                query,
            )
        except OSError as error:
            raise _engine_away(f'Cannot read the log of run "{self._run_id}"', error) from error


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


def _moment(seconds: float) -> str:
    """So many seconds from now as Docker writes it, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


class _Look:
    """One look at a log that may never end: until there is something to show, or until it is time."""

    def __init__(self, answer: _Answer, batch: Batch, wait_seconds: float) -> None:
        self._answer = answer
        self.batch = batch
        self._deadline = time.monotonic() + wait_seconds
        self._last_call = self._deadline + CATCH_UP_SECONDS
        self.at_end = False

    def fill(self, since: str = "") -> bool:
        """False if the answer is of the last frames, and begins too late to hold all that came since then."""
        return self.batch.fill(frames_of(self._chunks(), since), at_tail=bool(since))

    def _is_behind(self, now: float) -> bool:
        """What was written long ago need not wait for the next look."""
        return now < self._last_call and self.batch.is_behind(_moment(-BEHIND_SECONDS))

    def _chunks(self) -> t.Iterator[bytes]:
        while True:
            now = time.monotonic()
            if self.batch.lines:
                self._deadline = min(self._deadline, now + BATCH_SECONDS)
            if now >= self._deadline and not self.batch.waits_for_rest and not self._is_behind(now):
                return
            try:
                chunk = self._answer.next_chunk(max(self._deadline - now, _REST_SECONDS))
            except (socket.timeout, http.client.IncompleteRead):
                return
            if not chunk:
                self.at_end = True
                return
            yield chunk

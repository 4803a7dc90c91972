# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import re
import socketserver
import struct
import threading
import time
import typing as t
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _container_log as log
from ansible_collections.trainyard.aws.plugins.module_utils import _container_socket as socket_module
from ansible_collections.trainyard.aws.plugins.module_utils._container_socket import LogReader, mounted_directories
from ansible_collections.trainyard.aws.plugins.module_utils._container_types import EngineAway, TrainingError


def frame(second: int, text: bytes) -> bytes:
    payload = f"2026-11-20T10:00:{second:02d}.000000000Z ".encode() + text
    return struct.pack(">BxxxL", 1, len(payload)) + payload


class Docker(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """As much of Docker's API as is asked: a log that comes piece by piece, and the container's state."""

    daemon_threads = True

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), Handler)
        self.pieces: list[tuple[float, bytes]] = []  # seconds to wait, then bytes
        self.rest: list[tuple[float, bytes]] = []  # what only who does not follow gets to see
        self.stays_open = False
        self.status = "exited"
        self.ends_with_log = False
        self.labels: dict[str, str] = {}
        self.created = "2026-11-20T09:00:00Z"
        self.asked: list[str] = []
        self.containers: list[dict[str, t.Any]] = []

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:
        """The reader hangs up in the middle of a log: that is its way."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.path == "/containers/json?all=1":
            self._send_json(self.server.containers)
        elif "/containers/trainyard-run-a/" not in self.path:
            self.send_error(404)
        elif "/json" in self.path:
            self._send_state()
        else:
            self._send_log()

    def _send_state(self) -> None:
        state = {
            "State": {"Status": self.server.status},
            "Config": {"Labels": self.server.labels},
            "Created": self.server.created,
        }
        self._send_json(state)

    def _send_json(self, value: t.Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _send_log(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        follows = "follow=1" in self.path
        for seconds, piece in [*self.server.pieces, *([] if follows else self.server.rest)]:
            time.sleep(seconds)
            self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        if self.server.stays_open:
            time.sleep(1)
        if self.server.ends_with_log:
            self.server.status = "exited"
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *args: t.Any) -> None:
        """Nothing: its own way needs an address, which a Unix socket does not have."""


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Docker]:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/d.sock")
    with Docker(tmp_path / "d.sock") as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def test_a_log_that_ended(docker: Docker) -> None:
    docker.pieces = [(0, frame(1, b"one\n") + frame(2, b"two\n")[:9]), (0, frame(2, b"two\n")[9:])]
    lines, cursor, ended = LogReader("a").read(log.START, 5)
    assert [line.data for line in lines] == [b"one", b"two"]
    assert ended is True
    assert cursor.seen == 2
    assert any("since=0&" in path for path in docker.asked)


def test_a_cursor_in_the_log_of_an_earlier_attempt_is_the_beginning_of_this_one(docker: Docker) -> None:
    docker.pieces = [(0, frame(1, b"one\n"))]
    docker.labels = {"trainyard.attempt": "2"}
    cursor = log.parse_cursor("2026-11-20T08:59:00.000000000Z+1")
    reader = LogReader("a")
    assert [line.data for line in reader.read(cursor, 5)[0]] == [b"one"]
    assert reader.attempt() == 2


def test_the_end_of_an_answer_is_not_the_end_of_the_run(docker: Docker) -> None:
    docker.status = "running"
    docker.pieces = [(0, frame(1, b"one\n"))]
    assert LogReader("a").read(log.START, 5)[2] is False


def test_a_log_is_over_once_it_was_read_to_its_end_after_the_container_ended(docker: Docker) -> None:
    """To those who follow, Docker 20.10 ends a log as the container ends, and may keep back what was written just before."""
    docker.status, docker.ends_with_log = "running", True
    docker.pieces, docker.rest = [(0, frame(1, b"one\n"))], [(0, frame(2, b"two\n"))]
    reader = LogReader("a")
    lines, cursor, ended = reader.read(log.START, 5)
    assert ([line.data for line in lines], ended) == ([b"one"], False)
    lines, _cursor, ended = reader.read(cursor, 5)
    assert ([line.data for line in lines], ended) == ([b"two"], True)


def test_lines_do_not_wait_for_others(docker: Docker) -> None:
    docker.stays_open = True
    docker.pieces = [(0, frame(1, b"one\n")), (0.02, frame(1, b"two\n"))]
    started = time.monotonic()
    lines, _, ended = LogReader("a").read(log.START, 5)
    assert [line.data for line in lines] == [b"one", b"two"]
    assert ended is False
    assert time.monotonic() - started < 0.9


def test_silence_ends_the_wait(docker: Docker) -> None:
    docker.stays_open = True
    started = time.monotonic()
    assert LogReader("a").read(log.START, 0.1) == ([], log.START, False)
    assert time.monotonic() - started < 0.9


def test_a_full_batch_leaves_the_rest(docker: Docker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "MAX_LINES", 2)
    docker.pieces = [(0, b"".join(frame(number, b"line\n") for number in range(5)))]
    reader = LogReader("a")
    lines, cursor, ended = reader.read(log.START, 5)
    assert (len(lines), ended) == (2, False)
    assert cursor.seen == 2


def test_what_was_seen_is_skipped(docker: Docker) -> None:
    docker.pieces = [(0, frame(1, b"one\n") + frame(2, b"two\n"))]
    cursor = log.parse_cursor("2026-11-20T10:00:01.000000000Z+1")
    lines, _, _ = LogReader("a").read(cursor, 5)
    assert [line.data for line in lines] == [b"two"]
    assert any("since=1795168801.000000000" in path for path in docker.asked)


def test_a_look_reads_no_more_of_a_long_log_than_its_end(docker: Docker) -> None:
    cursor = log.parse_cursor("2026-11-20T10:00:10.000000000Z+1")
    docker.pieces = [(0, b"".join(frame(second, f"{second}\n".encode()) for second in (7, 9, 10, 11)))]
    lines, after, _ = LogReader("a").read(cursor, 5)
    assert [line.data for line in lines] == [b"11"]
    assert (after.since, after.seen) == (cursor.since, 2)
    asked = [path for path in docker.asked if "/logs?" in path]
    assert len(asked) == 1
    assert "tail=" in asked[0]
    assert "since=" not in asked[0]


def test_where_the_end_does_not_reach_back_more_of_it_is_asked_for_and_then_the_moment(docker: Docker) -> None:
    cursor = log.parse_cursor("2026-11-20T10:00:10.000000000Z+1")
    docker.pieces = [(0, frame(10, b"10\n") + frame(11, b"11\n"))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket_module, "_moment", lambda seconds: "2026-11-20T10:00:12Z")
        lines, _, _ = LogReader("a").read(cursor, 5)
    assert [line.data for line in lines] == [b"11"]
    asked = [re.findall("(tail|since)=([0-9]+)", path)[0] for path in docker.asked if "/logs?" in path]
    assert asked == [("tail", "1003"), ("tail", "16048"), ("since", "1795168810")]


def test_who_waits_for_nothing_gets_what_is_there(docker: Docker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_module, "_REST_SECONDS", 30)  # however slow this machine is
    docker.pieces = [(0, frame(second, f"{second}\n".encode())) for second in (5, 6, 7, 10, 11, 12)]
    cursor = log.parse_cursor("2026-11-20T10:00:10.000000000Z+2")
    assert [line.data for line in LogReader("a").read(cursor, 0)[0]] == [b"12"]


def test_what_was_written_long_ago_comes_in_one_look(docker: Docker, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes in pieces that are further apart than a look waits for more."""
    monkeypatch.setattr(socket_module, "BATCH_SECONDS", 0.0)
    monkeypatch.setattr(socket_module, "_REST_SECONDS", 30)  # however slow this machine is
    docker.pieces = [(0, frame(number, b"line\n")) for number in range(5)]
    monkeypatch.setattr(socket_module, "_moment", lambda seconds: "2026-11-20T10:00:04Z")
    assert len(LogReader("a").read(log.START, 5)[0]) == 5
    monkeypatch.setattr(socket_module, "CATCH_UP_SECONDS", -10)
    assert len(LogReader("a").read(log.START, 5)[0]) < 5


def test_tail_is_in_front_of_the_last_lines(docker: Docker) -> None:
    docker.pieces = [(0, frame(3, b"three\n") + frame(4, b"four\n"))]
    assert LogReader("a").tail(2).since == "2026-11-20T10:00:03.000000000Z"
    assert "tail=2" in docker.asked[0]
    assert LogReader("a").tail(0) == log.START


def test_no_container(docker: Docker) -> None:
    with pytest.raises(TrainingError, match='run "b": it has no container'):
        LogReader("b").read(log.START, 1)


def test_no_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")
    with pytest.raises(TrainingError, match="systemctl status docker"):
        LogReader("a").read(log.START, 1)


@pytest.mark.parametrize(
    ("written", "status"),
    [
        pytest.param('{"state": "running", "cost_usd": 0.4}', {"state": "running", "cost_usd": 0.4}, id="written"),
        pytest.param(None, {}, id="missing"),
        pytest.param("", {}, id="empty"),
        pytest.param('{"state": "run', {}, id="half"),
        pytest.param("[1]", {}, id="no mapping"),
        pytest.param("[" * 100_000, {}, id="deep"),
        pytest.param("\x00", {}, id="binary"),
    ],
)
def test_status_of_a_run(docker: Docker, tmp_path: Path, written: str | None, status: dict[str, t.Any]) -> None:
    docker.labels = {"trainyard.directory": str(tmp_path)}
    if written is not None:
        (tmp_path / "status.json").write_text(written)
    assert LogReader("a").status() == status


def test_status_of_a_run_that_is_gone(docker: Docker) -> None:
    assert LogReader("a").status() == {}
    assert LogReader("b").status() == {}


def test_mounted_is_what_lives_or_is_tried_again(docker: Docker, tmp_path: Path) -> None:
    def container(state: str, supervised: str = "") -> dict[str, t.Any]:
        directory = tmp_path / f"{state}-{supervised}"
        directory.mkdir()
        if supervised:
            (directory / "status.json").write_text(json.dumps({"state": supervised}))
        return {
            "State": state,
            "Labels": {"trainyard.directory": str(directory)},
            "Mounts": [{"Type": "bind", "Source": f"/cache/{state}-{supervised}"}, {"Type": "tmpfs", "Source": ""}],
        }

    docker.containers = [
        *(container(state) for state in ("running", "created", "paused", "exited", "dead")),
        *(container("exited", supervised) for supervised in ("trying_again", "ended")),
        {"State": "running", "Labels": None, "Mounts": None},
    ]
    assert mounted_directories() == {
        f"/cache/{name}" for name in ("running-", "created-", "paused-", "exited-trying_again")
    }


def test_a_docker_that_does_not_answer_is_away(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nowhere.sock")
    with pytest.raises(EngineAway, match="Docker does not answer"):
        LogReader("a").read(log.START, 0)
    with pytest.raises(EngineAway, match="Cannot see which directories are in use"):
        mounted_directories()

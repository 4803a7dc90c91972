# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's process: HTTP in front of the account, and everything that has to follow a call."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import docker
from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import BaseWSGIServer, make_server

from lab import capacity, latency, market, schedules, transitions, tunnels
from lab.account import Account
from lab.addresses import PUBLIC_CANDIDATES, AddressPool, free_ranges, taken_ranges
from lab.boxes import Boxes
from lab.calls import CallLog, called_service, error_code, read_call
from lab.errors import Answer, LabError
from lab.faults import Faults, RuleError, deliver, suffer
from lab.file_systems import FileServers
from lab.images import Images
from lab.metadata import MetadataService, is_metadata
from lab.networks import Networks, gateway_of
from lab.reconcile import Reconciler
from lab.registry import Registry, certificates
from lab.settings import REGION, Settings
from lab.wanted import Network
from lab.watch import Watch

log = logging.getLogger(__name__)
FOLLOWED_SERVICES = ("ec2", "efs", "autoscaling", "cloudformation")  # calls to these may change what has to run
ACCESS_KEY = "AKIALABLABLABLABLAB0"
# Long and odd: whoever hides secrets in output (Ansible does) hides this text wherever it occurs.
SECRET_KEY = "0pensN0thing/0pensN0thing/0pensN0thing/0"
SECONDS_TO_FINISH = 12.0  # less than `down` waits before it kills
Control = Callable[[dict[str, Any] | None], Any]  # a page that tests set: None asks what is set now
SECONDS_OF_SILENCE = 1.0  # AWS lets a call without a way there wait for a minute; the lab cuts it off
COMMANDS = Path(__file__).resolve().parent / "commands"  # what stands in for programs of AWS's
WsgiApplication = Callable[[dict[str, Any], Any], Iterable[bytes]]


class RequestHandler(MotoRequestHandler):
    """Keeps connections open, and writes no line per request: the call log does."""

    protocol_version = "HTTP/1.1"

    def handle_expect_100(self) -> bool:
        return True  # werkzeug itself answers "100 Continue"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        return


class Lab:
    """All parts of one lab, wired."""

    def __init__(self, client: docker.DockerClient, settings: Settings, images: Images) -> None:
        self.settings = settings
        self._client = client
        self._doors: dict[str, BaseWSGIServer] = {}
        self._gateways: dict[str, str] = {}
        self._calls = CallLog(settings.calls_file)
        self._faults = Faults()
        self._metadata = MetadataService()
        authority = certificates(settings.certificates)
        self._networks = Networks(client, settings, self._opened, self._closing)
        self.public_range = self._public_network()
        self._account = Account(AddressPool(self.public_range))
        boxes = Boxes(client, settings, images, self._networks, authority.trusted)
        file_servers = FileServers(client, settings, images, self._networks)
        self._reconciler = Reconciler(
            client, settings, self._account.wanted, self._account.instance_failed, self._networks, boxes, file_servers
        )
        self._watch = Watch(client, settings, self._box_ended)
        self._controls: dict[str, Control] = {
            "/_lab/capacity": capacity.control,
            "/_lab/clock": schedules.CLOCK.control,
            "/_lab/latency": latency.NOW.control,
            "/_lab/prices": market.NOW.control_prices,
            "/_lab/quotas": market.NOW.control_quotas,
            "/_lab/spot": self._interrupt,
        }
        self._registry = Registry(client, settings, images, self._networks, authority)
        self.registry_port = self._registry.start()
        self._watch.start()
        schedules.start(self._invoke_schedules)

    def _public_network(self) -> IPv4Network:
        found = self._networks.make_public(free_ranges(PUBLIC_CANDIDATES, taken_ranges()))
        if found is None:
            raise LabError(
                "No address range is free for the lab's public addresses.",
                "Every candidate collides with a route, a resolver, a proxy or a package host of this machine.",
                "Remove unused Docker networks (docker network ls) or add a free range to PUBLIC_CANDIDATES in lab/addresses.py.",
            )
        return found

    # Doors: where this process listens.

    def open_door(self, address: str, application: WsgiApplication) -> None:
        server = make_server(address, self.settings.port, application, threaded=True, request_handler=RequestHandler)
        self._doors[address] = server
        threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True, name=f"door {address}"
        ).start()
        log.info("listening on %s port %s", address, self.settings.port)

    def _opened(self, network: Network) -> None:
        self._registry.join(network)
        self.open_door(str(gateway_of(network.cidr)), self.from_box)
        self._gateways[network.vpc] = str(gateway_of(network.cidr))

    def _closing(self, vpc: str) -> None:
        server = self._doors.pop(self._gateways.pop(vpc))
        server.shutdown()
        server.server_close()
        self._registry.leave(vpc)

    def _box_ended(self, instance: str) -> None:
        if self._reconciler.is_down(instance):
            self._account.instance_shut_down(instance)
            self._follow()

    def finish(self) -> None:
        self._reconciler.finish(SECONDS_TO_FINISH)

    # What callers see.

    def from_controller(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """On 127.0.0.1: the AWS API, and the lab's own pages under /_lab/."""
        path = environ.get("PATH_INFO", "")
        if path == "/_lab/tunnel":
            return send(self._tunnel(environ), start_response)
        if path.startswith("/_lab/"):
            return send(self._own_page(path, environ), start_response)
        if asks_for_metadata(environ):
            return send(
                Answer(404, "text/plain", b"this machine is no instance; only boxes have metadata"), start_response
            )
        return send(self._aws(environ), start_response)

    def from_box(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """At a VPC's gateway: instance metadata for unsigned requests, and the AWS API."""
        if not asks_for_metadata(environ):
            service = called_service(environ)
            if not self._account.reaches(environ["REMOTE_ADDR"], service):
                time.sleep(SECONDS_OF_SILENCE)
                environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
                raise ConnectionAbortedError(f"{environ['REMOTE_ADDR']} has no way to {service}")
            return send(self._aws(environ), start_response)
        with self._account.lock:
            answer = self._metadata.answer(
                environ["REQUEST_METHOD"], environ["PATH_INFO"], _headers(environ), environ["REMOTE_ADDR"]
            )
        return send(answer, start_response)

    def _aws(self, environ: dict[str, Any]) -> Answer:
        started = time.monotonic()
        time.sleep(latency.NOW.waits.call)
        body = read_body(environ)
        call = read_call(environ, body)
        fault = self._faults.strike(call, environ.get("PATH_INFO", ""))
        answer = (
            suffer(fault, call, lambda: self._account.call(environ, body, call))
            if fault
            else self._account.call(environ, body, call)
        )
        if call.service in FOLLOWED_SERVICES and call.changes_something:
            self._follow()
        error = (
            error_code(answer.body, {name.lower(): value for name, value in answer.headers})
            if answer.status >= 400 or not answer.status
            else None
        )
        self._calls.add(call, answer.status, error, environ["REMOTE_ADDR"], time.monotonic() - started)
        if fault:
            deliver(fault, environ)
        return answer

    def _follow(self) -> None:
        try:
            self._reconciler.reconcile()
        except Exception:  # the call itself is done and has its answer; the next one tries again
            log.exception("cannot follow the account")

    def _invoke_schedules(self) -> None:
        calls = self._account.invoke_schedules()
        if calls or transitions.have_moved():
            self._follow()
        for call, error in calls:
            self._calls.add(call, 403 if error else 200, error, schedules.CALLER, 0.0)

    def _own_page(self, path: str, environ: dict[str, Any]) -> Answer:
        if path == "/_lab/calls":
            since = parse_qs(environ.get("QUERY_STRING", "")).get("since", ["0"])[0]
            return _json(self._calls.since(int(since) if since.isdigit() else 0))
        if path == "/_lab/authorizations":
            return _json(self._account.permissions.record())
        if path == "/_lab/status":
            return _json(self.status())
        if path == "/_lab/faults":
            return self._faults_page(environ)
        control = self._controls.get(path)
        if control is not None:
            return answer_control(control, environ)
        known = ", ".join(("/_lab/calls?since=N", "/_lab/status", "/_lab/faults", *self._controls))
        return Answer(404, "text/plain", f"known pages: {known}".encode())

    def _faults_page(self, environ: dict[str, Any]) -> Answer:
        """POST adds rules, DELETE removes all; each answers as GET does, with the rules and their hits."""
        if environ["REQUEST_METHOD"] == "DELETE":
            self._faults.clear()
        elif environ["REQUEST_METHOD"] == "POST":
            try:
                self._faults.add(json.loads(read_body(environ)))
            except (RuleError, json.JSONDecodeError) as error:
                return Answer(400, "text/plain", f"not a rule: {error}\n".encode())
        return _json(self._faults.listed())

    def _tunnel(self, environ: dict[str, Any]) -> Answer:
        """Make this connection one to a port of a box; the stand-in for the AWS CLI asks for it."""
        given = json.loads(read_body(environ) or b"{}")
        try:
            with self._account.lock:
                transitions.settle()
                instance, port = tunnels.destination(given, self._account.permissions)
        except (tunnels.Refused, ValueError) as error:
            return Answer(403, "text/plain", str(error).encode())
        connection = environ["werkzeug.socket"]
        tunnels.carry(self._client, f"{self.settings.name}-{instance}", port, connection)
        connection.shutdown(socket.SHUT_RDWR)
        raise ConnectionAbortedError("the tunnel has ended")

    def _interrupt(self, given: dict[str, Any] | None) -> Any:
        """The control /_lab/spot: take a spot instance back after a notice."""
        if given is None:
            return self._account.spot_notices()
        seconds = float(given.get("seconds", 120))
        notice = self._account.interrupt(str(given.get("instance")), seconds)
        later = threading.Timer(seconds + 0.05, self._follow)
        later.daemon = True
        later.start()
        return notice

    def status(self) -> dict[str, Any]:
        want = self._account.wanted()
        return {
            "name": self.settings.name,
            "pid": os.getpid(),
            "endpoint": self.settings.endpoint,
            "public_range": str(self.public_range),
            "client_cidr": f"{self.public_range[1]}/32",
            "registry_push": f"127.0.0.1:{self.registry_port}",
            "latency": latency.NOW.name,
            "boxes": {box.instance: box.state for box in want.boxes},
            "file_systems": sorted(want.file_systems),
            "calls": self._calls.count,
        }


def asks_for_metadata(environ: dict[str, Any]) -> bool:
    """Metadata requests are never signed, AWS calls nearly always; a bucket may be called "latest"."""
    return is_metadata(environ.get("PATH_INFO", "")) and "HTTP_AUTHORIZATION" not in environ


def read_body(environ: dict[str, Any]) -> bytes:
    """The whole request body, before any lock is taken: a slow upload must not stop the others."""
    stream = environ["wsgi.input"]
    if environ.get("wsgi.input_terminated"):
        return bytes(stream.read())
    return bytes(stream.read(int(environ.get("CONTENT_LENGTH") or 0)))


def send(answer: Answer, start_response: Any) -> Iterable[bytes]:
    headers = [
        (name, value) for name, value in answer.headers if name.lower() not in ("connection", "transfer-encoding")
    ]
    if not any(name.lower() == "content-length" for name, _ in headers):
        headers.append(("Content-Length", str(len(answer.body))))
    if answer.content_type:
        headers.append(("Content-Type", answer.content_type))
    start_response(f"{answer.status} {'OK' if answer.status < 400 else 'Error'}", headers)
    return [answer.body]


def answer_control(control: Control, environ: dict[str, Any]) -> Answer:
    """GET shows what is set, POST sets it and shows what is then set; ValueError from the control is the caller's mistake."""
    try:
        given = json.loads(read_body(environ) or b"{}") if environ["REQUEST_METHOD"] == "POST" else None
        if given is not None and not isinstance(given, dict):
            raise ValueError("the body must be a JSON object")
        return _json(control(given))
    except (ValueError, TypeError) as error:
        return Answer(400, "application/json", json.dumps({"error": str(error)}).encode())


def _json(value: Any) -> Answer:
    return Answer(200, "application/json", json.dumps(value).encode())


class _HeaderView(dict[str, str]):
    """Headers by their usual names, whatever their case."""

    def get(self, key: str, default: Any = None) -> Any:
        return super().get(key.lower(), default)


def _headers(environ: dict[str, Any]) -> _HeaderView:
    return _HeaderView(
        {key[5:].replace("_", "-").lower(): value for key, value in environ.items() if key.startswith("HTTP_")}
    )


def write_env(lab: Lab) -> None:
    """The file a shell sources to use the lab."""
    values = {
        "AWS_ENDPOINT_URL": lab.settings.endpoint,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_EC2_METADATA_DISABLED": "true",
        "LAB_CLIENT_CIDR": f"{lab.public_range[1]}/32",
        "LAB_REGISTRY_PUSH": f"127.0.0.1:{lab.registry_port}",
        "LAB_PYTHON": sys.executable,
        "LAB_COMMANDS": COMMANDS,
    }
    lines = [f"export {name}={value}" for name, value in values.items()]
    lines.append('. "$LAB_COMMANDS/on-path"')
    lab.settings.env_file.write_text("".join(f"{line}\n" for line in lines))


def serve(settings: Settings, client: docker.DockerClient, images: Images) -> None:
    """Run until told to stop. Containers stay for `down` to remove, which also works after a crash."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    lab = Lab(client, settings, images)
    write_env(lab)
    lab.open_door("127.0.0.1", lab.from_controller)
    stop.wait()
    log.info("stopping")
    lab.finish()

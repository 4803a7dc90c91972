# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The account: moto in this process, its lock, and what it tells and hears about instances."""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from lab import capacity, laws, market, permissions, schedules, shims, spot, transitions, wanted
from lab.addresses import AddressPool, host_ranges
from lab.calls import Call, error_code
from lab.errors import Answer, typed_error
from lab.launches import ENDING
from lab.metadata import instance_at
from lab.patching import regional_backends
from lab.reach import reaches_service
from lab.wanted import Wanted

log = logging.getLogger(__name__)
NOT_IMPLEMENTED = "NotImplemented"


class Account:
    """moto behind one lock: it is not made for threads, and the lab's laws must see the state they decide on."""

    def __init__(self, pool: AddressPool) -> None:
        shims.install(pool)
        laws.install(host_ranges)
        permissions.install()
        schedules.install()
        market.install()
        self.permissions = permissions.Permissions()
        self.lock = threading.RLock()
        self._application = DomainDispatcherApplication(create_backend_app)

    def call(self, environ: dict[str, Any], body: bytes, call: Call) -> Answer:
        """Let moto answer; whatever it cannot do becomes an error of AWS's shape that no client retries."""
        with self.lock:
            transitions.settle()
            try:
                answer = (
                    self.permissions.refusal(call)
                    or market.NOW.answer(call)
                    or run_application(self._application, environ, body)
                )
            except NotImplementedError as error:
                return typed_error(
                    call.protocol, NOT_IMPLEMENTED, f"The lab does not implement {call.service} {call.action}: {error}"
                )
            except Exception as error:
                log.exception("%s %s failed inside moto", call.service, call.action)
                message = f"{call.service} {call.action} failed inside the lab: {type(error).__name__}: {error}"
                return typed_error(call.protocol, "LabFailure", message)
        if error_code(answer.body, {}) in capacity.SERVER_ERRORS and call.service == "ec2" and answer.status == 400:
            return replace(answer, status=500)
        if (
            answer.status >= 400
            and answer.content_type.startswith("text/html")
            and b"<!doctype html>" in answer.body[:20].lower()
        ):
            return typed_error(
                call.protocol, NOT_IMPLEMENTED, f"The lab does not implement {call.service} {call.action}."
            )
        return answer

    def reaches(self, address: str, service: str) -> bool:
        """Whether the instance at an address can call a service. Who is no instance is somebody of the lab's own."""
        with self.lock:
            transitions.settle()
            instance = instance_at(address)
            return instance is None or reaches_service(instance.ec2_backend, instance.nics[0], service)

    def wanted(self) -> Wanted:
        with self.lock:
            transitions.settle()
            return wanted.read()

    def invoke_schedules(self) -> list[tuple[Call, str | None]]:
        """Invoke the schedules that are due. Returns the calls that they made, with their errors."""
        with self.lock:
            transitions.settle()
            return schedules.invoke_due(self.permissions)

    def interrupt(self, instance_id: str, seconds: float) -> dict[str, Any]:
        """Announce that a spot instance is taken back in so many seconds, and take it back then. ValueError says why not."""
        with self.lock:
            instance = find_instance(instance_id)
            if instance is None or instance.state != "running":
                raise ValueError(f"no instance {instance_id} is running")
            if instance.instance_lifecycle != "spot":
                raise ValueError(f"{instance_id} is not a spot instance")
            transitions.after(seconds, lambda: spot.take_back(instance))
            return spot.announce(instance, seconds)

    def spot_notices(self) -> dict[str, Any]:
        """The notices given so far, by instance."""
        with self.lock:
            instances = [one for backend in regional_backends("ec2") for one in backend.all_instances()]
            return {one.id: notice for one in instances if (notice := spot.notice_of(one)) is not None}

    def instance_failed(self, instance_id: str, why: str) -> None:
        """An instance whose box cannot start ends as EC2 ends one whose host is broken."""
        with self.lock:
            instance = find_instance(instance_id)
            if instance is not None and instance.state not in ENDING:
                instance.terminate()
                explain(instance, "Server.InternalError", why)

    def instance_shut_down(self, instance_id: str) -> None:
        """A box that went down by itself stops or terminates its instance, as the instance was told at launch."""
        with self.lock:
            instance = find_instance(instance_id)
            if instance is None or instance.state != "running":
                return
            if instance.instance_initiated_shutdown_behavior == "terminate":
                instance.terminate()
            else:
                instance.stop()
            explain(instance, "Client.InstanceInitiatedShutdown", "Instance initiated shutdown")


def find_instance(instance_id: str) -> Any | None:
    found = (backend.get_instance_by_id(instance_id) for backend in regional_backends("ec2"))
    return next((instance for instance in found if instance is not None), None)


def explain(instance: Any, code: str, why: str) -> None:
    instance.state_reason.code, instance.state_reason.message = code, f"{code}: {why}"[:400]


def run_application(application: Callable[..., Iterable[bytes]], environ: dict[str, Any], body: bytes) -> Answer:
    """Call a WSGI application with a body that was read already, and collect its whole answer."""
    captured: dict[str, Any] = {}

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], None]:
        captured["status"], captured["headers"] = int(status.split()[0]), headers
        return lambda data: None

    request = {
        key: value for key, value in environ.items() if key not in ("HTTP_TRANSFER_ENCODING", "wsgi.input_terminated")
    }
    request["wsgi.input"], request["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))
    chunks = application(request, start_response)
    try:
        content = b"".join(chunks)
    finally:
        close = getattr(chunks, "close", None)
        if close:
            close()
    headers = captured["headers"]
    content_type = next((value for name, value in headers if name.lower() == "content-type"), "")
    return Answer(
        captured["status"],
        content_type,
        content,
        tuple((name, value) for name, value in headers if name.lower() != "content-type"),
    )

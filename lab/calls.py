# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which AWS call a request is, and the log of all calls."""

from __future__ import annotations

import io
import json
import re
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from moto.core.model import ServiceModel
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import get_service_router
from moto.core.utils import get_service_model

# Where the name in the signature differs from the name boto3 gives the service.
SERVICE_BY_SIGNATURE = {
    "elasticfilesystem": "efs",
    "monitoring": "cloudwatch",
    "tagging": "resourcegroupstaggingapi",
    "states": "stepfunctions",
    "elasticloadbalancing": "elbv2",
    "servicequotas": "service-quotas",
}
READING = ("Describe", "Get", "List", "Head", "Select", "Query", "Scan", "Search", "BatchGet")
CREDENTIAL = re.compile(r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/aws4_request")
LONGEST_PARAMETER = 4000


@dataclass(frozen=True)
class Call:
    """One AWS call as its caller meant it."""

    service: str
    action: str
    region: str
    access_key: str
    protocol: str
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def changes_something(self) -> bool:
        return not self.action.startswith(READING)


def read_call(environ: dict[str, Any], body: bytes) -> Call:
    """Recognise the call from signature, path and body; an unknown one keeps method and path as its action."""
    access_key, region, signature = _signature(environ)
    service = SERVICE_BY_SIGNATURE.get(signature, signature)
    request = Request({**environ, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))})
    fallback = request.headers.get("X-Amz-Target", "").split(".")[-1] or f"{request.method} {request.path}"
    try:
        model: ServiceModel = get_service_model(service)
    except Exception:  # botocore has several errors for a name it does not know; the call is then logged as it came
        return Call(service, fallback, region, access_key, "query")
    try:
        protocol = determine_request_protocol(model, request.content_type)
    except NotImplementedError:
        protocol = str(model.protocol)
    if protocol in ("ec2", "query"):
        fallback = request.values.get("Action", fallback)
    try:
        operation, uri_parameters = get_service_router(service).match(request)
        parser = PROTOCOL_PARSERS[protocol](operation)
        parsed = parser.parse(
            {
                "method": request.method,
                "values": request.values,
                "headers": request.headers,
                "body": b"" if service == "s3" and operation.name in ("PutObject", "UploadPart") else body,
                "url_path": request.path,
                "url_params": uri_parameters,
            }
        )
    except Exception:  # whatever a malformed request does to the parser, moto shall answer it
        return Call(service, fallback, region, access_key, protocol)
    return Call(service, str(operation.name), region, access_key, protocol, _plain(parsed))


def called_service(environ: dict[str, Any]) -> str:
    """The service a request is for, from its signature alone."""
    signature = _signature(environ)[2]
    return SERVICE_BY_SIGNATURE.get(signature, signature)


def _signature(environ: dict[str, Any]) -> tuple[str, str, str]:
    text = environ.get("HTTP_AUTHORIZATION", "") or environ.get("QUERY_STRING", "").replace("X-Amz-", "").replace(
        "%2F", "/"
    )
    found = CREDENTIAL.search(text)
    return (found[1], found[2], found[3]) if found else ("", "us-east-1", "s3")


def _plain(value: Any) -> Any:
    """Parameters as JSON can carry them, long ones cut."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items() if item not in (None, "", [], {})}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        return value if len(value) <= LONGEST_PARAMETER else value[:LONGEST_PARAMETER] + "..."
    return value if isinstance(value, (bool, int, float)) or value is None else str(value)


@dataclass(frozen=True)
class Entry:
    """One line of the call log."""

    n: int
    time: float
    service: str
    action: str
    parameters: dict[str, Any]
    status: int
    error: str | None
    caller: str
    seconds: float


class CallLog:
    """Every call so far, in memory for /_lab/calls and in a file for people."""

    def __init__(self, path: Path) -> None:
        self._entries: list[Entry] = []
        self._lock = threading.Lock()
        self._file = path.open("w", encoding="utf-8", buffering=1)

    def add(self, call: Call, status: int, error: str | None, caller: str, seconds: float) -> None:
        with self._lock:
            entry = Entry(
                len(self._entries) + 1,
                round(time.time(), 3),
                call.service,
                call.action,
                call.parameters,
                status,
                error,
                caller,
                round(seconds, 3),
            )
            self._entries.append(entry)
            self._file.write(json.dumps(asdict(entry), default=str) + "\n")

    @property
    def count(self) -> int:
        return len(self._entries)

    def since(self, number: int) -> list[dict[str, Any]]:
        """The calls after call `number`."""
        with self._lock:
            return [asdict(entry) for entry in self._entries[max(number, 0) :]]


def error_code(body: bytes, headers: dict[str, str]) -> str | None:
    """The AWS error code in an answer, whatever its protocol."""
    typed = headers.get("x-amzn-errortype")
    if typed:
        return typed.split(":")[0]
    found = re.search(rb"<Code>([^<]+)</Code>|\"(?:__type|ErrorCode|code)\":\s*\"([^\"]+)\"", body[:LONGEST_PARAMETER])
    return (found[1] or found[2]).decode().split("#")[-1] if found else None

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""One request to a service of AWS that speaks JSON, with the rights of the node's role. Standard library only: no AWS SDK is on a node.

It is signed as "AWS Signature Version 4 for API requests" in the IAM User Guide says.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import typing as t
from dataclasses import dataclass
from datetime import datetime, timezone
from urllib.parse import urlsplit

from ansible_collections.trainyard.aws.plugins.module_utils._instance_metadata import Credentials
from ansible_collections.trainyard.aws.plugins.module_utils._training_results_store import node_settings

_SECONDS = 20


@dataclass(frozen=True)
class Call:
    """``service`` as signatures name it, ``target`` as the header X-Amz-Target does."""

    service: str
    region: str
    endpoint: str
    target: str
    body: str = "{}"
    content_type: str = "application/x-amz-json-1.1"


class Refused(ValueError):
    """The service answers, and says no. ``code`` is its word for why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(": ".join(filter(None, (code, message))))
        self.code = code


def endpoint_of(service: str, usual: str) -> str:
    """Where a service is asked: where the node's settings say, otherwise at its usual address. ``service`` as the SDKs' settings name it."""
    own = node_settings()
    return own.get(f"AWS_ENDPOINT_URL_{service}") or own.get("AWS_ENDPOINT_URL") or usual


def domain_of(region: str) -> str:
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"


def ask(call: Call, credentials: Credentials, now: datetime | None = None) -> dict[str, t.Any]:
    """What the service answers. Raises Refused, and OSError or ValueError where it is no answer of such a service."""
    headers = signed_headers(call, credentials, now or datetime.now(timezone.utc))
    try:
        status, body = _post(call, headers)
    except http.client.HTTPException as error:
        raise OSError(str(error) or type(error).__name__) from error
    answer = dict(json.loads(body or "{}"))  # what has nothing to say may say nothing
    if status != 200:
        code = str(answer.get("__type") or status).rsplit("#", 1)[-1]
        raise Refused(code, str(answer.get("message") or answer.get("Message") or ""))
    return answer


def signed_headers(call: Call, credentials: Credentials, now: datetime) -> dict[str, str]:
    """The headers of a request, with its signature among them."""
    moment, scope = now.strftime("%Y%m%dT%H%M%SZ"), f"{now:%Y%m%d}/{call.region}/{call.service}/aws4_request"
    headers = {
        "content-type": call.content_type,
        "host": urlsplit(call.endpoint).netloc,
        "x-amz-date": moment,
        "x-amz-security-token": credentials.token,
        "x-amz-target": call.target,
    }
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    request = f"POST\n/\n\n{lines}\n{names}\n{_hash(call.body)}"
    key = f"AWS4{credentials.secret}".encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    signature = _hmac(key, f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{_hash(request)}").hex()
    signed_by = f"Credential={credentials.key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {**headers, "authorization": f"AWS4-HMAC-SHA256 {signed_by}"}


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _post(call: Call, headers: t.Mapping[str, str]) -> tuple[int, bytes]:
    parts = urlsplit(call.endpoint)
    make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = make(parts.netloc, timeout=_SECONDS)
    try:
        connection.request("POST", "/", body=call.body.encode(), headers=dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()

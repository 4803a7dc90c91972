# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""A login for a private registry of Amazon ECR, with the rights of the node's role. Standard library only: no AWS SDK is on a node.

The request is signed as "AWS Signature Version 4 for API requests" in the IAM User Guide says.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import os
import re
import typing as t
from datetime import datetime, timezone
from urllib.parse import urlsplit

from ansible_collections.trainyard.aws.plugins.module_utils._container_types import TrainingError
from ansible_collections.trainyard.aws.plugins.module_utils._instance_metadata import Credentials, Metadata

_REGISTRY = re.compile(
    r"\d{12}\.dkr\.(?P<service>ecr|ecr-fips)\.(?P<region>[a-z0-9-]+)\.(?P<domain>amazonaws\.com(?:\.cn)?)/"
)
_HOSTS = {"ecr": "api.ecr", "ecr-fips": "ecr-fips"}
_ACTION = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"
_BODY = "{}"
_SECONDS = 20


def login_for(image: str, metadata: Metadata | None = None, now: datetime | None = None) -> dict[str, str] | None:
    """User name and password, or None where the image is not in ECR or this machine has no role. Raises TrainingError."""
    registry = _REGISTRY.match(image)
    if registry is None:
        return None
    try:
        credentials = (metadata or Metadata()).credentials()
    except (OSError, ValueError):
        return None
    if credentials is None:
        return None
    endpoint = _endpoint(registry["service"], registry["region"], registry["domain"])
    headers = signed_headers(
        urlsplit(endpoint).netloc, registry["region"], credentials, now or datetime.now(timezone.utc)
    )
    try:
        return _login_in(*_post(endpoint, headers))
    except (OSError, ValueError, KeyError, IndexError, http.client.HTTPException) as error:
        raise TrainingError(
            f'Cannot log in to the registry of image "{image}"',
            f"ECR gives the node's role no login at {endpoint} ({str(error) or type(error).__name__}).",
            "See that the node reaches ECR and that its role may do ecr:GetAuthorizationToken (role trainyard.aws.aws_identity).",
        ) from error


def _endpoint(service: str, region: str, domain: str) -> str:
    own = os.environ.get("AWS_ENDPOINT_URL_ECR") or os.environ.get("AWS_ENDPOINT_URL")
    return own or f"https://{_HOSTS[service]}.{region}.{domain}"


def signed_headers(host: str, region: str, credentials: Credentials, now: datetime) -> dict[str, str]:
    """The headers of the one request that is made here, with its signature among them."""
    moment, scope = now.strftime("%Y%m%dT%H%M%SZ"), f"{now:%Y%m%d}/{region}/ecr/aws4_request"
    headers = {
        "content-type": "application/x-amz-json-1.1",
        "host": host,
        "x-amz-date": moment,
        "x-amz-security-token": credentials.token,
        "x-amz-target": _ACTION,
    }
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    request = f"POST\n/\n\n{lines}\n{names}\n{_hash(_BODY)}"
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


def _post(endpoint: str, headers: t.Mapping[str, str]) -> tuple[int, bytes]:
    parts = urlsplit(endpoint)
    make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = make(parts.netloc, timeout=_SECONDS)
    try:
        connection.request("POST", "/", body=_BODY, headers=dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _login_in(status: int, body: bytes) -> dict[str, str]:
    answer = json.loads(body)
    if status != 200:
        raise ValueError(
            ": ".join(str(answer[name]) for name in ("__type", "message", "Message") if answer.get(name)) or f"{status}"
        )
    token = base64.b64decode(answer["authorizationData"][0]["authorizationToken"]).decode()
    username, dummy, password = token.partition(":")
    return {"username": username, "password": password}

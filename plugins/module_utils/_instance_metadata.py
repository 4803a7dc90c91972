# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""The metadata service of EC2, version 2: spot notices, and the credentials of the instance's role. Standard library only."""

from __future__ import annotations

import http.client
import json
import os
import typing as t
from urllib.parse import urlsplit

METADATA = "http://169.254.169.254"
_TOKEN_SECONDS = 21600
_ANSWER_SECONDS = 2


class Credentials(t.NamedTuple):
    """Of the instance's role; they end by themselves."""

    key_id: str
    secret: str
    token: str


class Metadata:
    """The instance's metadata service, version 2."""

    def __init__(self, address: str = "") -> None:
        self._address = urlsplit(address or os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or METADATA).netloc
        self._token = ""

    def spot_notice(self) -> str:
        """What AWS says it will do with this spot instance; empty where it says nothing. Raises OSError where there is no service."""
        status, text = self._get("spot/instance-action")
        return text if status == 200 else ""

    def credentials(self) -> Credentials | None:
        """What the instance may sign with; None where it has no role. Raises OSError where there is no service."""
        status, role = self._get("iam/security-credentials/")
        if status != 200 or not role.strip():
            return None
        status, text = self._get(f"iam/security-credentials/{role.split()[0]}")
        found = json.loads(text) if status == 200 else {}
        if not found.get("AccessKeyId"):
            return None
        return Credentials(found["AccessKeyId"], found["SecretAccessKey"], found["Token"])

    def region(self) -> str:
        """Where the instance is. Raises OSError."""
        status, region = self._get("placement/region")
        if status != 200 or not region:
            raise OSError(f"the metadata service tells no region ({status})")
        return region

    def _get(self, path: str) -> tuple[int, str]:
        status, text = self._get_once(path)
        if status != 401:
            return status, text
        self._token = ""  # it has expired
        return self._get_once(path)

    def _get_once(self, path: str) -> tuple[int, str]:
        if not self._token:
            lifetime = {"X-aws-ec2-metadata-token-ttl-seconds": str(_TOKEN_SECONDS)}
            status, token = self._ask("PUT", "/latest/api/token", lifetime)
            if status != 200:
                raise OSError(f"the metadata service gives no token ({status})")
            self._token = token
        return self._ask("GET", f"/latest/meta-data/{path}", {"X-aws-ec2-metadata-token": self._token})

    def _ask(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
        connection = http.client.HTTPConnection(self._address, timeout=_ANSWER_SECONDS)
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode("utf-8", "replace")
        except http.client.HTTPException as error:
            raise OSError(f"the metadata service answers no HTTP: {error}") from error
        finally:
            connection.close()

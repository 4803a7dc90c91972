# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""A login for a private registry of Amazon ECR, with the rights of the node's role."""

from __future__ import annotations

import base64
import re
import typing as t
from datetime import datetime

from ansible_collections.trainyard.aws.plugins.module_utils._container_types import TrainingError
from ansible_collections.trainyard.aws.plugins.module_utils._instance_metadata import Metadata
from ansible_collections.trainyard.aws.plugins.module_utils._signed_request import Call, ask, endpoint_of

_REGISTRY = re.compile(
    r"\d{12}\.dkr\.(?P<service>ecr|ecr-fips)\.(?P<region>[a-z0-9-]+)\.(?P<domain>amazonaws\.com(?:\.cn)?)/"
)
_HOSTS = {"ecr": "api.ecr", "ecr-fips": "ecr-fips"}
_ACTION = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"


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
    usual = f"https://{_HOSTS[registry['service']]}.{registry['region']}.{registry['domain']}"
    endpoint = endpoint_of("ECR", usual)
    try:
        return _login_in(ask(Call("ecr", registry["region"], endpoint, _ACTION), credentials, now))
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise TrainingError(
            f'Cannot log in to the registry of image "{image}"',
            f"ECR gives the node's role no login at {endpoint} ({str(error) or type(error).__name__}).",
            "See that the node reaches ECR and that its role may do ecr:GetAuthorizationToken (role trainyard.aws.aws_identity).",
        ) from error


def _login_in(answer: t.Mapping[str, t.Any]) -> dict[str, str]:
    token = base64.b64decode(answer["authorizationData"][0]["authorizationToken"]).decode()
    username, dummy, password = token.partition(":")
    return {"username": username, "password": password}

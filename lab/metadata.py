# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Instance metadata (IMDSv2): the caller is the instance whose private address the request comes from."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moto.backends import get_backend

from lab import spot
from lab.errors import Answer
from lab.patching import regional_backends
from lab.wanted import decoded

TOKEN_PATH = "/latest/api/token"
CREDENTIALS = "iam/security-credentials/"
LONGEST_TOKEN_LIFE = 21600
CREDENTIAL_SECONDS = 3600
RENEW_BEFORE = 300
TREES = ("/latest/meta-data", "/latest/dynamic", "/latest/user-data", "/latest/api")


def is_metadata(path: str) -> bool:
    return path.rstrip("/") == "/latest" or path.startswith(TREES)


@dataclass(frozen=True)
class Token:
    instance: str
    expires: float


@dataclass(frozen=True)
class Credentials:
    document: str
    expires: float


class MetadataService:
    """Answers as 169.254.169.254 does. The caller holds the account's lock."""

    def __init__(self) -> None:
        self._tokens: dict[str, Token] = {}
        self._credentials: dict[tuple[str, str], Credentials] = {}
        self._lock = threading.Lock()

    def answer(self, method: str, path: str, headers: Mapping[str, str], address: str) -> Answer:
        instance = instance_at(address)
        if instance is None:
            return _text(404, f"no running instance has the address {address}")
        if instance.metadata_options.http_endpoint == "disabled":
            return _text(403, "")
        if path == TOKEN_PATH:
            return self._new_token(method, headers, instance)
        if method not in ("GET", "HEAD"):
            return _text(405, "")
        refused = self._refuse(headers.get("X-aws-ec2-metadata-token"), instance)
        if refused:
            return refused
        found = self._look_up(path, instance)
        return _text(404, "Not Found") if found is None else found

    def _new_token(self, method: str, headers: Mapping[str, str], instance: Any) -> Answer:
        if method != "PUT":
            return _text(405, "")
        if headers.get("X-Forwarded-For"):  # AWS refuses tokens to proxies
            return _text(403, "")
        life = headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
        if not life.isdigit() or not 1 <= int(life) <= LONGEST_TOKEN_LIFE:
            return _text(400, "X-aws-ec2-metadata-token-ttl-seconds must be between 1 and 21600")
        token = secrets.token_urlsafe(40)
        with self._lock:
            self._tokens[token] = Token(instance.id, time.monotonic() + int(life))
        return Answer(200, "text/plain", token.encode(), (("X-aws-ec2-metadata-token-ttl-seconds", life),))

    def _refuse(self, token: str | None, instance: Any) -> Answer | None:
        if token is None:
            return _text(401, "") if instance.metadata_options.http_tokens == "required" else None
        with self._lock:
            known = self._tokens.get(token)
        valid = known is not None and known.instance == instance.id and known.expires > time.monotonic()
        return None if valid else _text(401, "")

    def _look_up(self, path: str, instance: Any) -> Answer | None:
        if path.startswith("/latest/user-data"):
            user_data = decoded(instance.user_data)
            return Answer(200, "application/octet-stream", user_data) if user_data else None
        if path.rstrip("/") == "/latest/dynamic/instance-identity/document":
            return _text(200, json.dumps(identity_document(instance), indent=2))
        if not path.startswith("/latest/meta-data"):
            return _text(200, "dynamic\nmeta-data\nuser-data") if path.rstrip("/") == "/latest" else None
        key = path.removeprefix("/latest/meta-data").lstrip("/")
        role = role_of(instance)
        if role is not None and key == CREDENTIALS + role.name:
            return _text(200, self._role_credentials(instance, role))
        return _tree(values(instance, role), key)

    def _role_credentials(self, instance: Any, role: Any) -> str:
        with self._lock:
            known = self._credentials.get((instance.id, role.arn))
            if known is None or known.expires - RENEW_BEFORE < time.time():
                known = self._credentials[(instance.id, role.arn)] = new_credentials(instance, role)
            return known.document


def instance_at(address: str) -> Any | None:
    """The running instance with this private address."""
    running = (instance for backend in regional_backends("ec2") for instance in backend.all_running_instances())
    return next((instance for instance in running if instance.private_ip == address), None)


def new_credentials(instance: Any, role: Any) -> Credentials:
    """Temporary credentials of the role, for a session that is called like the instance."""
    sts = get_backend("sts")[instance.owner_id]["aws"]
    session = sts.assume_role(
        region_name=instance.region_name,
        role_session_name=instance.id,
        role_arn=role.arn,
        policy="",
        duration=CREDENTIAL_SECONDS,
        external_id="",
    )
    expires = time.time() + CREDENTIAL_SECONDS
    document = {
        "Code": "Success",
        "LastUpdated": _timestamp(time.time()),
        "Type": "AWS-HMAC",
        "AccessKeyId": session.access_key_id,
        "SecretAccessKey": session.secret_access_key,
        "Token": session.session_token,
        "Expiration": _timestamp(expires),
    }
    return Credentials(json.dumps(document, indent=2), expires)


def identity_document(instance: Any) -> dict[str, Any]:
    return {
        "accountId": instance.owner_id,
        "architecture": instance.architecture,
        "availabilityZone": instance.placement.zone,
        "imageId": instance.image_id,
        "instanceId": instance.id,
        "instanceType": instance.instance_type,
        "pendingTime": f"{instance.launch_time:%Y-%m-%dT%H:%M:%SZ}",
        "privateIp": instance.private_ip,
        "region": instance.region_name,
        "version": "2017-09-30",
    }


def values(instance: Any, role: Any | None) -> dict[str, str]:
    """Every leaf under meta-data/ but the credentials themselves."""
    mac = instance.nics[0].mac_address
    zone = instance.placement.zone
    found = {
        "ami-id": instance.image_id,
        "ami-launch-index": str(instance.ami_launch_index),
        "hostname": instance.private_dns_name,
        "instance-action": "none",
        "instance-id": instance.id,
        "instance-life-cycle": "spot" if instance.lifecycle == "spot" else "on-demand",
        "instance-type": instance.instance_type,
        "local-hostname": instance.private_dns_name,
        "local-ipv4": instance.private_ip,
        "mac": mac,
        "placement/availability-zone": zone,
        "placement/region": instance.region_name,
        "security-groups": "\n".join(sorted(group.name for group in instance.nics[0].group_set)),
        "services/domain": "amazonaws.com",
        "services/partition": "aws",
        f"network/interfaces/macs/{mac}/subnet-id": instance.subnet_id,
        f"network/interfaces/macs/{mac}/vpc-id": instance.vpc_id,
    }
    notice = spot.notice_of(instance)
    if notice is not None:
        found["spot/instance-action"] = json.dumps(notice)
        found["spot/termination-time"] = notice["time"]
    if instance.placement.group_name:
        found["placement/group-name"] = instance.placement.group_name
    if instance.public_ip:
        found["public-ipv4"] = instance.public_ip
    if instance.key_name:
        key_pair = instance.ec2_backend.key_pairs.get(instance.key_name)
        found["public-keys/0/openssh-key"] = key_pair.public_key.strip() if key_pair else ""
    profile = _profile(instance)
    if role is not None and profile is not None:
        found["iam/info"] = json.dumps(
            {"Code": "Success", "InstanceProfileArn": profile.arn, "InstanceProfileId": profile.id}
        )
        found[CREDENTIALS + role.name] = ""
    if instance.metadata_options.instance_metadata_tags == "enabled":
        found.update({f"tags/instance/{tag['key']}": tag["value"] for tag in instance.get_tags()})
    return found


def _tree(leaves: Mapping[str, str], key: str) -> Answer | None:
    """A leaf's value, or the names below a branch, one a line, branches with a slash."""
    if key in leaves:
        return _text(200, leaves[key])
    prefix = f"{key.rstrip('/')}/" if key else ""
    below = {leaf.removeprefix(prefix) for leaf in leaves if leaf.startswith(prefix)}
    names = {
        rest
        if prefix.startswith("tags/")
        else rest.split("/")[0] + ("/" if "/" in rest and not prefix.startswith(CREDENTIALS) else "")
        for rest in below
    }
    return _text(200, "\n".join(sorted(names))) if names else None


def _profile(instance: Any) -> Any | None:
    association = instance.ec2_backend.iam_instance_profile_associations.get(instance.id)
    return association.iam_instance_profile if association else None


def role_of(instance: Any) -> Any | None:
    profile = _profile(instance)
    return profile.roles[0] if profile is not None and profile.roles else None


def _text(status: int, text: str) -> Answer:
    return Answer(status, "text/plain", text.encode())


def _timestamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))

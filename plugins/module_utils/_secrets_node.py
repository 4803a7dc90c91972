# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""The secrets of a run: read with the rights of the node's role, and kept in the node's memory as long as its container runs."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import tarfile
import typing as t

from ansible_collections.trainyard.aws.plugins.module_utils._container_decide import SECRETS_MEMORY, secrets_directory
from ansible_collections.trainyard.aws.plugins.module_utils._container_types import TrainingError
from ansible_collections.trainyard.aws.plugins.module_utils._instance_metadata import Credentials, Metadata
from ansible_collections.trainyard.aws.plugins.module_utils._secrets import PARAMETER_STORE, Reference, reference_of
from ansible_collections.trainyard.aws.plugins.module_utils._signed_request import (
    Call,
    Refused,
    ask,
    domain_of,
    endpoint_of,
)

_MOUNTS = "/proc/self/mounts"
_OPEN = 0o755  # to whatever user the image has
_IN_MEMORY = ("tmpfs", "ramfs")
_MISSING = ("ParameterNotFound", "ResourceNotFoundException")
_ENDPOINTS = {"ssm": "SSM", "secretsmanager": "SECRETS_MANAGER"}  # in the SDKs' settings
_ROLE = "(role trainyard.aws.aws_identity"


# ---- From the store ------------------------------------------------------------------------------------------------


def fetch_secrets(run_id: str, wanted: t.Mapping[str, str], metadata: Metadata | None = None) -> dict[str, bytes]:
    """The secrets by the names of their files. Raises TrainingError with all that is wrong with any of them."""
    what = f'Cannot read the secrets of run "{run_id}"'
    source = metadata or Metadata()
    try:
        credentials = source.credentials()
        region = source.region() if credentials else ""
    except (OSError, ValueError) as error:
        raise TrainingError(
            what,
            f"no metadata service of EC2 answers on this node ({error}), so it has no role to read them with.",
            "Secrets are for EC2 instances with an instance profile; put them on this node yourself and mount them.",
        ) from error
    if credentials is None:
        raise TrainingError(
            what, "this node has no role.", f"Give the instance an instance profile {_ROLE} makes one)."
        )
    values, faults = {}, []
    for name, text in sorted(wanted.items()):
        try:
            values[name] = _value(reference_of(text), region, credentials)
        except ValueError as error:
            faults.append(f"{name} from {text}: {error}")
    if faults:
        raise TrainingError(what, "nothing was started.", "".join(f"\n- {each}" for each in faults).lstrip("\n"))
    return values


def _value(reference: Reference, own_region: str, credentials: Credentials) -> bytes:
    """Raises ValueError with what is wrong and what to do. Nothing of a secret is ever in it."""
    region = reference.region or own_region
    endpoint = endpoint_of(_ENDPOINTS[reference.store], f"https://{reference.store}.{region}.{domain_of(region)}")
    call = _call(reference, region, endpoint)
    try:
        answer = ask(call, credentials)
        value = _value_in(reference, answer)
    except Refused as error:
        raise ValueError(_refusal(reference, region, error)) from error
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{endpoint} gives no answer that could be used ({type(error).__name__}). See that the node reaches it."
        ) from None
    return _part(reference, value) if reference.key else value


def _call(reference: Reference, region: str, endpoint: str) -> Call:
    if reference.store == PARAMETER_STORE:
        body = json.dumps({"Name": reference.name, "WithDecryption": True})
        return Call("ssm", region, endpoint, "AmazonSSM.GetParameter", body)
    body = json.dumps({"SecretId": reference.name})
    return Call("secretsmanager", region, endpoint, "secretsmanager.GetSecretValue", body)


def _value_in(reference: Reference, answer: t.Mapping[str, t.Any]) -> bytes:
    try:
        if reference.store == PARAMETER_STORE:
            return str(answer["Parameter"]["Value"]).encode()
        if "SecretString" in answer:
            return str(answer["SecretString"]).encode()
        return base64.b64decode(answer["SecretBinary"])
    except (KeyError, TypeError):
        raise ValueError("no secret in the answer") from None


def _part(reference: Reference, value: bytes) -> bytes:
    try:
        found = json.loads(value)[reference.key]
    except (ValueError, KeyError, TypeError, IndexError):
        raise ValueError(
            f'it is no JSON object with the key "{reference.key}". Mend the key, or leave it out.'
        ) from None
    return (found if isinstance(found, str) else json.dumps(found)).encode()


def _refusal(reference: Reference, region: str, error: Refused) -> str:
    if error.code in _MISSING:
        return f"there is none in {region}. Put it there, or mend the name."
    if "kms" in str(error).lower():
        return f"the node's role may not do kms:Decrypt with its key ({error}). Allow it {_ROLE}, aws_identity_secrets_keys)."
    if "AccessDenied" in error.code:
        return f"the node's role may not do {reference.action} ({error}). Allow it {_ROLE}, aws_identity_secrets)."
    return f"{reference.action} is refused ({error}). Mend that, then run the same command again."


# ---- In memory -----------------------------------------------------------------------------------------------------


def make_secrets_directory(run_id: str) -> None:
    """Empty, and in memory. Nobody but root passes the directories above it. Raises TrainingError."""
    directory = secrets_directory(run_id)
    remove_secrets(run_id)
    os.makedirs(directory, mode=0o700)
    for each in (SECRETS_MEMORY, os.path.dirname(directory)):
        os.chmod(each, 0o700)
    os.chmod(directory, _OPEN)
    kind = _file_system_of(directory)
    if kind not in _IN_MEMORY:
        remove_secrets(run_id)
        raise TrainingError(
            f'Cannot give run "{run_id}" its secrets',
            f"{SECRETS_MEMORY} is on {kind}, and they must not reach a disk.",
            "Mount a tmpfs on /run, as systemd does.",
        )


def place_secrets(run_id: str, values: t.Mapping[str, bytes], owner: int) -> None:
    """Files that the container's user alone can read."""
    make_secrets_directory(run_id)
    for name, value in values.items():
        descriptor = os.open(os.path.join(secrets_directory(run_id), name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
        with os.fdopen(descriptor, "wb") as file:
            file.write(value)
            os.fchown(file.fileno(), owner, -1)


def owner_in(archive: bytes, name: str) -> int:
    """The number of a user by the passwd file of an image, in a tar archive. Docker itself refuses a user who is not in it."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        file = next((tar.extractfile(each) for each in tar if each.isfile()), None)
        lines = file.read().decode("utf-8", "replace").splitlines() if file else []
    fields = (line.split(":") for line in lines)
    return next((int(each[2]) for each in fields if each[0] == name and len(each) > 2 and each[2].isdigit()), 0)


def remove_secrets(run_id: str) -> None:
    shutil.rmtree(os.path.dirname(secrets_directory(run_id)), ignore_errors=True)


def _file_system_of(path: str) -> str:
    """The kind of file system that a path is on."""
    with open(_MOUNTS, encoding="utf-8", errors="replace") as file:
        mounts = [line.split(" ")[1:3] for line in file]
    above = [(place, kind) for place, kind in mounts if f"{path}/".startswith(place.rstrip("/") + "/")]
    return max(reversed(above), key=lambda each: len(each[0]))[1] if above else "nothing"

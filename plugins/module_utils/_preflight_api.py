# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Gathers what preflight decides on, from AWS and from this machine. Reads only."""

from __future__ import annotations

import os
import shutil
import typing as t

from ansible_collections.trainyard.aws.plugins.module_utils._preflight import Fault, Image, KeyFile, is_image_id

try:
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, NoCredentialsError
    from botocore.exceptions import ConnectionError as NoConnectionError
except ImportError:
    pass  # AnsibleAWSModule says so

Client = t.Any


def account_of(sts: Client) -> tuple[str, list[Fault]]:
    """The account that the credentials belong to, or why they do not work."""
    try:
        return sts.get_caller_identity()["Account"], []
    except NoCredentialsError:
        fix = "Sign in (aws sso login), or set AWS_PROFILE, or give keys in the environment."
        return "", [Fault("credentials", "AWS does not know who you are.", fix)]
    except (NoConnectionError, HTTPClientError) as error:
        fix = "Look at stack_region, at the network and at AWS_ENDPOINT_URL."
        return "", [Fault("endpoint", f"{error}", fix)]
    except (BotoCoreError, ClientError) as error:
        return "", [Fault("credentials", f"AWS refuses them: {error}.", "Sign in again and run the same command.")]


def zones_by_type(ec2: Client, types: t.Sequence[str]) -> dict[str, list[str]]:
    """In which zones of the region each of the types is offered."""
    zones: dict[str, list[str]] = {name: [] for name in types}
    pages = ec2.get_paginator("describe_instance_type_offerings").paginate(
        LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": sorted(zones)}]
    )
    for page in pages:
        for offer in page["InstanceTypeOfferings"]:
            if offer["InstanceType"] in zones:  # AWS takes "g6.*" for a pattern; we ask for types
                zones[offer["InstanceType"]].append(offer["Location"])
    return zones


def all_types(ec2: Client) -> list[str]:
    """Every instance type of the region; asked only to suggest a name for a misspelt one."""
    pages = ec2.get_paginator("describe_instance_type_offerings").paginate(LocationType="region")
    return sorted({offer["InstanceType"] for page in pages for offer in page["InstanceTypeOfferings"]})


def architectures_of(ec2: Client, types: t.Sequence[str]) -> set[str]:
    """The processor architectures that all of the types support."""
    if not types:
        return set()
    described = ec2.describe_instance_types(InstanceTypes=sorted(set(types)))["InstanceTypes"]
    supported = [set(item["ProcessorInfo"]["SupportedArchitectures"]) for item in described]
    return set.intersection(*supported) if supported else set()


def find_image(ec2: Client, ssm: Client, reference: str) -> Image:
    """The image behind an AMI id or an SSM parameter; its id is empty when there is none."""
    try:
        image_id = reference if is_image_id(reference) else ssm.get_parameter(Name=reference)["Parameter"]["Value"]
        images = ec2.describe_images(ImageIds=[image_id])["Images"]
    except ClientError as error:
        if error.response["Error"]["Code"] in ("ParameterNotFound", "ValidationException") or error.response["Error"][
            "Code"
        ].startswith("InvalidAMIID"):
            return Image(reference, "")
        raise
    if not images:
        return Image(reference, "")
    return Image(reference, image_id, images[0]["Architecture"], images[0].get("RootDeviceName", ""))


def key_file(path: str) -> KeyFile | None:
    """What is known about the private key at ``path``; None where no path was given."""
    if not path:
        return None
    full = os.path.expanduser(path)
    if not os.path.isfile(full):
        return KeyFile(full, exists=False)
    mode = os.stat(full).st_mode & 0o777
    return KeyFile(full, exists=True, mode=mode, has_public_half=os.path.isfile(f"{full}.pub"))


def missing_tools(names: t.Sequence[str]) -> list[str]:
    return [name for name in names if shutil.which(name) is None]

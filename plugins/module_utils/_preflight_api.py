# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Gathers what preflight decides on, from AWS and from this machine. Reads only."""

from __future__ import annotations

import ipaddress
import os
import shutil
import typing as t
from dataclasses import dataclass
from datetime import datetime

from ansible.module_utils.urls import open_url
from ansible_collections.trainyard.aws.plugins.module_utils._preflight import Fault, Image, KeyFile, is_image_id
from ansible_collections.trainyard.aws.plugins.module_utils._preflight_adopted import Adopted

try:
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, NoCredentialsError
    from botocore.exceptions import ConnectionError as NoConnectionError
except ImportError:
    pass  # AnsibleAWSModule says so

Client = t.Any
RunCommand = t.Callable[..., tuple[int, str, str]]

_TYPES_A_CALL = 100  # a filter takes 200 values
_ADDRESS_SECONDS = 3
_RENEWED = ("iam-role", "container-role", "assume-role", "assume-role-with-web-identity")


def caller_of(sts: Client, hint: t.Callable[[], str] = str) -> tuple[dict[str, str], list[Fault]]:
    """The account and the ARN of whoever the credentials belong to, or why they do not work.

    ``hint()`` helps with a misspelt region.
    """
    try:
        return sts.get_caller_identity(), []
    except NoCredentialsError:
        fix = "Sign in (aws sso login), or set AWS_PROFILE, or give keys in the environment."
        return {}, [Fault("credentials", "AWS does not know who you are.", fix)]
    except (NoConnectionError, HTTPClientError) as error:
        fix = f"Look at stack_region, at the network and at AWS_ENDPOINT_URL.{hint()}"
        return {}, [Fault("endpoint", f"{error}", fix)]
    except (BotoCoreError, ClientError) as error:
        return {}, [Fault("credentials", f"AWS refuses them: {error}.", "Sign in again and run the same command.")]


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


@dataclass(frozen=True)
class Types:
    """What AWS says of instance types: the architectures each supports, and which carry EFA."""

    architectures: dict[str, list[str]]
    efa: set[str]


def describe_types(ec2: Client, types: t.Sequence[str]) -> Types:
    """By a filter: AWS would refuse the whole call for a type that it does not know."""
    described: list[dict[str, t.Any]] = []
    names = sorted(set(types))
    for at in range(0, len(names), _TYPES_A_CALL):
        filters = [{"Name": "instance-type", "Values": names[at : at + _TYPES_A_CALL]}]
        for page in ec2.get_paginator("describe_instance_types").paginate(Filters=filters):
            described += [item for item in page["InstanceTypes"] if item["InstanceType"] in names]
    return Types(
        {item["InstanceType"]: item["ProcessorInfo"]["SupportedArchitectures"] for item in described},
        {item["InstanceType"] for item in described if item.get("NetworkInfo", {}).get("EfaSupported")},
    )


def find_image(ec2: Client, ssm: Client, reference: str, parameter: str = "") -> Image:
    """The image behind an AMI id or an SSM parameter; its id is empty when there is none.

    ``parameter`` is the SSM parameter that a short name stands for.
    """
    try:
        name = parameter or reference
        image_id = name if is_image_id(name) else ssm.get_parameter(Name=name)["Parameter"]["Value"]
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


def aws_cli_version(run_command: RunCommand, command: str) -> str:
    """The version of the AWS CLI as it says itself; empty when it is not asked for, or cannot be asked.

    ``run_command`` is the module's.
    """
    path = shutil.which(command) if command else None
    if not path:
        return ""
    _status, said, _errors = run_command([path, "--version"])
    words = said.split()
    return words[0].partition("/")[2] if words and words[0].startswith("aws-cli/") else ""


def own_address(url: str) -> str:
    """The address that the world sees us come from; empty when nobody says."""
    if not url:
        return ""
    try:
        text = open_url(url, timeout=_ADDRESS_SECONDS).read(64).decode("ascii").strip()
        return str(ipaddress.IPv4Address(text))
    except Exception:  # a hint only: whatever goes wrong, there is no hint
        return ""


@dataclass(frozen=True)
class Credentials:
    """Where the credentials come from, when they end (seconds since 1970) and whether boto3 gets new ones by itself."""

    method: str = ""
    expires: float | None = None
    renews_itself: bool = False


def credentials_of(session: t.Any, environment: t.Mapping[str, str]) -> Credentials:
    """What is known about the credentials that a botocore session finds. Asks nobody but their source."""
    try:
        found = session.get_credentials()
    except BotoCoreError:
        return Credentials()  # the first call says what is wrong with them
    if found is None:
        return Credentials()
    expires = getattr(found, "_expiry_time", None)
    if expires is not None:
        return Credentials(found.method, expires.timestamp(), found.method in _RENEWED)
    text = environment.get("AWS_CREDENTIAL_EXPIRATION", "") if found.method == "env" else ""
    return Credentials(found.method, _seconds(text))


def _seconds(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return None


def adopted_of(client_for: t.Callable[[str], Client], adopted: t.Mapping[str, t.Any]) -> Adopted:
    """What AWS says of the things named in stack_adopted."""
    ec2 = client_for("ec2")
    vpc = str(adopted.get("vpc_id") or "")
    subnets = [*(adopted.get("public_subnet_ids") or ()), *(adopted.get("private_subnet_ids") or ())]
    groups = list(adopted.get("security_group_ids") or ())
    vpcs = _filtered(ec2, "describe_vpcs", "Vpcs", "vpc-id", [vpc])
    found_subnets = _filtered(ec2, "describe_subnets", "Subnets", "subnet-id", subnets)
    found_groups = _filtered(ec2, "describe_security_groups", "SecurityGroups", "group-id", groups)
    return Adopted(
        vpc_cidr=vpcs[0]["CidrBlock"] if vpcs else "",
        dns_hostnames=_gives_dns_names(ec2, vpc) if vpcs else False,
        subnets={item["SubnetId"]: (item["AvailabilityZone"], item["VpcId"]) for item in found_subnets},
        groups={item["GroupId"]: item["VpcId"] for item in found_groups},
        file_system_state=_file_system_state(client_for, str(adopted.get("file_system_id") or "")),
        bucket_region=_bucket_region(client_for, str(adopted.get("bucket") or "")),
        has_key=bool(_filtered(ec2, "describe_key_pairs", "KeyPairs", "key-name", [adopted.get("key_name")])),
    )


def _filtered(ec2: Client, operation: str, items: str, name: str, values: t.Sequence[t.Any]) -> list[dict[str, t.Any]]:
    """By a filter, so that what is not there is missing from the answer instead of an error."""
    wanted = [str(value) for value in values if value]
    if not wanted:
        return []
    found: list[dict[str, t.Any]] = getattr(ec2, operation)(Filters=[{"Name": name, "Values": wanted}])[items]
    return found


def _gives_dns_names(ec2: Client, vpc: str) -> bool:
    answers = (
        ec2.describe_vpc_attribute(VpcId=vpc, Attribute=name)[name[0].upper() + name[1:]]["Value"]
        for name in ("enableDnsSupport", "enableDnsHostnames")
    )
    return all(answers)


def _file_system_state(client_for: t.Callable[[str], Client], name: str) -> str:
    if not name:
        return ""
    try:
        return str(client_for("efs").describe_file_systems(FileSystemId=name)["FileSystems"][0]["LifeCycleState"])
    except ClientError as error:
        return _nothing_if(error, ("FileSystemNotFound", "BadRequest", "ValidationException"))


def _bucket_region(client_for: t.Callable[[str], Client], name: str) -> str:
    if not name:
        return ""
    try:
        headers = client_for("s3").head_bucket(Bucket=name)["ResponseMetadata"]["HTTPHeaders"]
        return str(headers.get("x-amz-bucket-region", ""))
    except ClientError as error:
        headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        moved = error.response["Error"]["Code"] in ("301", "PermanentRedirect")
        if moved:
            return str(headers.get("x-amz-bucket-region", "another region"))
        return _nothing_if(error, ("404", "NoSuchBucket", "403", "AccessDenied", "400"))


def _nothing_if(error: ClientError, codes: t.Sequence[str]) -> str:
    if error.response["Error"]["Code"] in codes:
        return ""
    raise error

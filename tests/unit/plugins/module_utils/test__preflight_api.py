# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _preflight_api as api
from ansible_collections.trainyard.aws.plugins.module_utils._preflight import Image, KeyFile
from ansible_collections.trainyard.aws.plugins.module_utils._preflight_adopted import Adopted
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ProxyConnectionError,
    ReadTimeoutError,
    TokenRetrievalError,
)


class Raises:
    """A client whose calls all end in one error."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __getattr__(self, _operation: str) -> Any:
        def refuse(**_arguments: Any) -> None:
            raise self.error

        return refuse


class Offers:
    """A client that answers with offers of instance types, two to a page."""

    def __init__(self, *offers: tuple[str, str]) -> None:
        self.offers = [{"InstanceType": name, "Location": place} for name, place in offers]
        self.asked: dict[str, Any] = {}

    def get_paginator(self, _operation: str) -> Offers:
        return self

    def paginate(self, **arguments: Any) -> list[dict[str, Any]]:
        self.asked = arguments
        return [{"InstanceTypeOfferings": self.offers[at : at + 2]} for at in range(0, len(self.offers), 2)]


def error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "x"}}, "Operation")


def test_who_the_credentials_belong_to(account: Any) -> None:
    identity, faults = api.caller_of(account.client("sts"))
    assert (identity["Account"], identity["Arn"].split(":")[4], faults) == ("123456789012", "123456789012", [])


ENDPOINT = "https://sts.us-east-1.amazonaws.com/"


@pytest.mark.parametrize(
    ("raised", "subject", "fix"),
    [
        pytest.param(NoCredentialsError(), "credentials", "aws sso login", id="none"),
        pytest.param(error("ExpiredToken"), "credentials", "Sign in again", id="expired"),
        pytest.param(TokenRetrievalError(provider="sso", error_msg="x"), "credentials", "Sign in again", id="sso"),
        pytest.param(EndpointConnectionError(endpoint_url=ENDPOINT), "endpoint", "AWS_ENDPOINT_URL", id="no endpoint"),
        pytest.param(ConnectTimeoutError(endpoint_url=ENDPOINT), "endpoint", "AWS_ENDPOINT_URL", id="no answer"),
        pytest.param(ReadTimeoutError(endpoint_url=ENDPOINT), "endpoint", "AWS_ENDPOINT_URL", id="stuck"),
        pytest.param(ProxyConnectionError(proxy_url=ENDPOINT), "endpoint", "the network", id="proxy"),
    ],
)
def test_faults_of_credentials_and_endpoint(raised: Exception, subject: str, fix: str) -> None:
    identity, (fault,) = api.caller_of(Raises(raised))
    assert (identity, fault.subject) == ({}, subject)
    assert fix in fault.fix


def test_zones_by_type() -> None:
    ec2 = Offers(("g6.xlarge", "b"), ("t3.micro", "b"), ("g6.xlarge", "a"), ("g6.12xlarge", "a"))
    assert api.zones_by_type(ec2, ["t3.micro", "g6.xlarge", "g6.*"]) == {
        "g6.*": [],
        "g6.xlarge": ["b", "a"],
        "t3.micro": ["b"],
    }
    assert ec2.asked == {
        "LocationType": "availability-zone",
        "Filters": [{"Name": "instance-type", "Values": ["g6.*", "g6.xlarge", "t3.micro"]}],
    }


def test_all_types_are_sorted_and_named_once() -> None:
    assert api.all_types(Offers(("b", "r"), ("a", "r"), ("b", "r"))) == ["a", "b"]


def test_types_are_described_a_hundred_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    class Ec2:
        def get_paginator(self, _operation: str) -> Ec2:
            return self

        def paginate(self, Filters: list[dict[str, Any]]) -> list[dict[str, Any]]:  # noqa: N803 - boto3's spelling
            (names,) = (item["Values"] for item in Filters)
            asked.append(len(names))
            known = {"ProcessorInfo": {"SupportedArchitectures": ["x86_64"]}, "NetworkInfo": {"EfaSupported": True}}
            return [{"InstanceTypes": [{"InstanceType": name, **known} for name in (*names, "t3.of-nobody")]}]

    names = [f"t{number}.micro" for number in range(150)]
    found = api.describe_types(Ec2(), [*names, *names])
    assert asked == [100, 50]
    assert found.efa == set(names)
    assert found.architectures["t7.micro"] == ["x86_64"]
    assert api.describe_types(Ec2(), []) == api.Types({}, set())


def test_an_image_is_found_by_its_id_and_by_a_parameter(account: Any) -> None:
    ec2, ssm = account.client("ec2"), account.client("ssm")
    image = account.register_image("arm64")
    ssm.put_parameter(Name="/images/box", Value=image, Type="String")
    for reference in (image, "/images/box"):
        assert api.find_image(ec2, ssm, reference) == Image(reference, image, "arm64", "/dev/sda1")


@pytest.mark.parametrize("reference", ["ami-0123456789abcdef0", "/images/none", "/images/of-another-region"])
def test_an_image_that_is_not_there_has_no_id(account: Any, reference: str) -> None:
    ec2, ssm = account.client("ec2"), account.client("ssm")
    ssm.put_parameter(Name="/images/of-another-region", Value="ami-0fedcba9876543210", Type="String")
    assert api.find_image(ec2, ssm, reference) == Image(reference, "")


@pytest.mark.parametrize("code", ["ValidationException", "ParameterNotFound", "InvalidAMIID.Malformed"])
def test_a_reference_that_aws_cannot_read_has_no_image(code: str) -> None:
    assert api.find_image(Raises(error(code)), Raises(error(code)), "no such/thing").id == ""


def test_a_refusal_is_not_taken_for_a_missing_image() -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        api.find_image(Raises(error("AccessDenied")), Raises(error("AccessDenied")), "/images/box")


def test_no_path_is_no_key() -> None:
    assert api.key_file("") is None


def test_a_key_that_is_not_there(tmp_path: Path) -> None:
    assert api.key_file(str(tmp_path / "id")) == KeyFile(str(tmp_path / "id"), exists=False)
    assert api.key_file(str(tmp_path)) == KeyFile(str(tmp_path), exists=False)


@pytest.mark.parametrize("mode", [0o600, 0o644])
@pytest.mark.parametrize("public", [True, False], ids=["both halves", "private half"])
def test_what_is_known_about_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, public: bool) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    key = tmp_path / "id"
    key.write_text("x", encoding="utf-8")
    key.chmod(mode)
    if public:
        (tmp_path / "id.pub").write_text("x", encoding="utf-8")
    assert api.key_file("~/id") == KeyFile(str(key), exists=True, mode=mode, has_public_half=public)


def test_missing_tools() -> None:
    assert api.missing_tools(["sh", "no-such-tool-anywhere"]) == ["no-such-tool-anywhere"]


def test_a_short_name_is_looked_for_by_its_parameter(account: Any) -> None:
    ec2, ssm = account.client("ec2"), account.client("ssm")
    image = account.register_image()
    ssm.put_parameter(Name="/images/box", Value=image, Type="String")
    assert api.find_image(ec2, ssm, "box", "/images/box") == Image("box", image, "x86_64", "/dev/sda1")


@pytest.mark.parametrize(
    ("said", "expected"),
    [("aws-cli/2.27.1 Python/3.13 Linux", "2.27.1"), ("something else", ""), ("", "")],
)
def test_the_version_of_the_command_line(said: str, expected: str) -> None:
    asked: list[list[str]] = []

    def run_command(command: list[str]) -> tuple[int, str, str]:
        asked.append(command)
        return 0, said, ""

    assert api.aws_cli_version(run_command, "sh") == expected
    assert asked[0][1:] == ["--version"]
    assert api.aws_cli_version(run_command, "") == api.aws_cli_version(run_command, "no-such-tool-anywhere") == ""
    assert len(asked) == 1


class Said:
    def __init__(self, text: bytes) -> None:
        self.text = text

    def read(self, _most: int) -> bytes:
        return self.text


@pytest.mark.parametrize(
    ("said", "expected"), [(b"192.0.2.7\n", "192.0.2.7"), (b"<html>", ""), (b"2001:db8::1", ""), (b"\xff", "")]
)
def test_the_own_address(monkeypatch: pytest.MonkeyPatch, said: bytes, expected: str) -> None:
    monkeypatch.setattr(api, "open_url", lambda _url, timeout: Said(said))
    assert api.own_address("https://address.example.com") == expected
    assert api.own_address("") == ""


def test_nobody_who_tells_the_address_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: Any, **_named: Any) -> None:
        raise OSError("no way out")

    monkeypatch.setattr(api, "open_url", refuse)
    assert api.own_address("https://address.example.com") == ""


class Found:
    """Credentials as a botocore session finds them."""

    def __init__(self, method: str, expires: datetime | None = None) -> None:
        self.method, self._expiry_time = method, expires

    def get_credentials(self) -> Found:
        return self


NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("session", "environment", "expected"),
    [
        pytest.param(Found("sso", NOON), {}, ("sso", True, False), id="signed in"),
        pytest.param(Found("assume-role", NOON), {}, ("assume-role", True, True), id="assumed role"),
        pytest.param(Found("iam-role", NOON), {}, ("iam-role", True, True), id="role of the instance"),
        pytest.param(Found("env"), {}, ("env", False, False), id="keys"),
        pytest.param(
            Found("env"), {"AWS_CREDENTIAL_EXPIRATION": "2026-01-01T12:00:00Z"}, ("env", True, False), id="exported"
        ),
        pytest.param(Found("env"), {"AWS_CREDENTIAL_EXPIRATION": "soon"}, ("env", False, False), id="unreadable"),
    ],
)
def test_when_credentials_end(session: Found, environment: dict[str, str], expected: tuple[str, bool, bool]) -> None:
    found = api.credentials_of(session, environment)
    assert (found.method, found.expires is not None, found.renews_itself) == expected
    assert found.expires in (None, NOON.timestamp())


def test_no_credentials_are_known_where_there_are_none() -> None:
    class Nothing:
        def get_credentials(self) -> None:
            return None

    assert api.credentials_of(Nothing(), {}) == api.Credentials()
    sso = Raises(TokenRetrievalError(provider="sso", error_msg="x"))
    assert api.credentials_of(sso, {}) == api.Credentials()


def test_what_is_known_of_adopted_things(account: Any) -> None:
    ec2, s3, efs = account.client("ec2"), account.client("s3"), account.client("efs")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.0.0/24", AvailabilityZone="us-east-1b")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(VpcId=vpc, GroupName="a", Description="a")["GroupId"]
    ec2.create_key_pair(KeyName="mine")
    s3.create_bucket(Bucket="mine")
    file_system = efs.create_file_system(CreationToken="x")["FileSystemId"]
    ids = {
        "vpc_id": vpc,
        "private_subnet_ids": [subnet],
        "security_group_ids": [group],
        "key_name": "mine",
        "bucket": "mine",
        "file_system_id": file_system,
    }
    found = api.adopted_of(account.client, ids)
    assert (found.vpc_cidr, found.subnets, found.groups) == (
        "10.9.0.0/16",
        {subnet: ("us-east-1b", vpc)},
        {group: vpc},
    )
    assert (found.has_key, found.file_system_state, found.bucket_region) == (True, "available", "us-east-1")
    assert found.dns_hostnames is False
    for attribute in ("EnableDnsHostnames", "EnableDnsSupport"):
        ec2.modify_vpc_attribute(VpcId=vpc, **{attribute: {"Value": True}})
    assert api.adopted_of(account.client, ids).dns_hostnames is True


def test_adopted_things_that_are_not_there_are_missing(account: Any) -> None:
    ids = {
        "vpc_id": "vpc-1",
        "private_subnet_ids": ["subnet-1"],
        "security_group_ids": ["sg-1"],
        "key_name": "x",
        "bucket": "no-such-bucket",
        "file_system_id": "fs-0123456789abcdef0",
    }
    assert api.adopted_of(account.client, ids) == Adopted(dns_hostnames=False)


def test_nothing_is_asked_of_what_is_not_adopted(account: Any) -> None:
    account.calls.clear()
    assert api.adopted_of(account.client, {}) == Adopted(dns_hostnames=False)
    assert account.calls == []

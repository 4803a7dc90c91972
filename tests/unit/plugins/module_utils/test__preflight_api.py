# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _preflight_api as api
from ansible_collections.trainyard.aws.plugins.module_utils._preflight import Image, KeyFile
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


def test_the_account_of_the_credentials(account: Any) -> None:
    assert api.account_of(account.client("sts")) == ("123456789012", [])


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
    number, (fault,) = api.account_of(Raises(raised))
    assert (number, fault.subject) == ("", subject)
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


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        pytest.param([], set(), id="none"),
        pytest.param(["t3.micro"], {"i386", "x86_64"}, id="one"),
        pytest.param(["t3.micro", "g6.xlarge"], {"x86_64"}, id="what all support"),
        pytest.param(["t4g.micro", "g6.xlarge"], set(), id="nothing in common"),
    ],
)
def test_architectures_of(types: list[str], expected: set[str]) -> None:
    known = {"t3.micro": ["i386", "x86_64"], "g6.xlarge": ["x86_64"], "t4g.micro": ["arm64"]}

    class Ec2:
        def describe_instance_types(self, InstanceTypes: list[str]) -> dict[str, Any]:  # noqa: N803 - boto3's spelling
            asked = InstanceTypes or ["t3.micro"]  # AWS takes an empty list for every type
            return {"InstanceTypes": [{"ProcessorInfo": {"SupportedArchitectures": known[name]}} for name in asked]}

    assert api.architectures_of(Ec2(), types) == expected


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

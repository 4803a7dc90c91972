# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import json
import typing as t
from datetime import UTC, datetime

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _ecr_login as ecr
from ansible_collections.trainyard.aws.plugins.module_utils import _signed_request as signed_request
from ansible_collections.trainyard.aws.plugins.module_utils._container_types import TrainingError
from ansible_collections.trainyard.aws.plugins.module_utils._instance_metadata import Credentials

IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/trainyard/digits:1"
NOW = datetime(2026, 11, 22, 5, 30, tzinfo=UTC)
CREDENTIALS = Credentials("AKIAEXAMPLE", "hush/+hush", "until/+tonight==")
LOGIN = {"authorizationData": [{"authorizationToken": base64.b64encode(b"AWS:for:twelve hours").decode()}]}


class Metadata:
    def __init__(self, answer: Credentials | Exception | None) -> None:
        self.answer = answer

    def credentials(self) -> Credentials | None:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Ecr:
    """Answers, and remembers what it was asked."""

    def __init__(self, status: int, answer: object) -> None:
        self.status, self.answer = status, answer
        self.call = signed_request.Call("", "", "", "")

    def __call__(self, call: signed_request.Call, headers: t.Mapping[str, str]) -> tuple[int, bytes]:
        self.call = call
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.status, json.dumps(self.answer).encode()


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Ecr:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_ECR"):
        monkeypatch.delenv(name, raising=False)
    service = Ecr(200, LOGIN)
    monkeypatch.setattr(signed_request, "_post", service)
    return service


def login(image: str = IMAGE, answer: Credentials | Exception | None = CREDENTIALS) -> dict[str, str] | None:
    return ecr.login_for(image, t.cast(t.Any, Metadata(answer)), NOW)


def test_a_login_for_an_image_in_ecr(service: Ecr) -> None:
    assert login() == {"username": "AWS", "password": "for:twelve hours"}
    assert service.call.endpoint == "https://api.ecr.eu-west-1.amazonaws.com"
    assert service.call.target.endswith("GetAuthorizationToken")


@pytest.mark.parametrize(
    ("image", "endpoint"),
    [
        (IMAGE.replace("ecr.eu", "ecr-fips.eu"), "https://ecr-fips.eu-west-1.amazonaws.com"),
        (
            IMAGE.replace("eu-west-1.amazonaws.com", "cn-north-1.amazonaws.com.cn"),
            "https://api.ecr.cn-north-1.amazonaws.com.cn",
        ),
    ],
)
def test_each_kind_of_registry_has_its_endpoint(service: Ecr, image: str, endpoint: str) -> None:
    assert login(image)
    assert service.call.endpoint == endpoint


def test_another_endpoint_is_taken_from_the_environment(service: Ecr, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://169.254.169.254")
    assert login()
    assert service.call.endpoint == "http://169.254.169.254"


@pytest.mark.parametrize("image", ["debian:12", "public.ecr.aws/docker/library/debian:12", "sha256:" + 64 * "a"])
def test_no_login_for_other_registries(service: Ecr, image: str) -> None:
    assert login(image) is None
    assert service.call.endpoint == ""


@pytest.mark.parametrize("answer", [None, OSError("timed out"), ValueError("no JSON")])
def test_no_login_where_the_machine_has_no_role(service: Ecr, answer: Exception | None) -> None:
    assert login(answer=answer) is None
    assert service.call.endpoint == ""


@pytest.mark.parametrize(
    ("status", "answer", "told"),
    [
        (400, {"__type": "AccessDeniedException", "Message": "not you"}, "AccessDeniedException: not you"),
        (500, {}, r"\(500\)"),
        (200, {}, "authorizationData"),
        (0, TimeoutError("timed out"), "timed out"),
    ],
)
def test_a_refusal_says_what_is_missing(service: Ecr, status: int, answer: object, told: str) -> None:
    service.status, service.answer = status, answer
    with pytest.raises(TrainingError, match=f"(?s){told}.*ecr:GetAuthorizationToken"):
        login()

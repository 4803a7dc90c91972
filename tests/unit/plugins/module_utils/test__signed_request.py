# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import http.client
import json
import typing as t
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import botocore.auth
import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _signed_request as signed
from ansible_collections.trainyard.aws.plugins.module_utils._instance_metadata import Credentials
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials

from tests.unit.plugins import serving

NOW = datetime(2026, 11, 22, 5, 30, tzinfo=UTC)
CREDENTIALS = Credentials("AKIAEXAMPLE", "hush/+hush", "until/+tonight==")


class Service(ThreadingHTTPServer):
    """Answers, and remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.answer = 200, b"{}"
        self.asked: list[tuple[str, bytes]] = []


class Handler(serving.Answers, BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server = t.cast(Service, self.server)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server.asked.append((self.headers["X-Amz-Target"], body))
        self.answer(server.status, server.answer)


@pytest.fixture
def service() -> Iterator[Service]:
    server = Service()
    with serving.serving(server):
        yield server


def call_to(service: Service) -> signed.Call:
    return signed.Call("ssm", "eu-west-1", f"http://127.0.0.1:{service.server_port}", "Do", json.dumps({"a": "ü"}))


@pytest.mark.parametrize(("service", "body"), [("ecr", "{}"), ("ssm", '{"Name": "/team/ü"}')])
def test_it_is_signed_as_botocore_signs(monkeypatch: pytest.MonkeyPatch, service: str, body: str) -> None:
    endpoint = f"https://{service}.eu-west-1.amazonaws.com"
    call = signed.Call(service, "eu-west-1", endpoint, "Do.This", body, "application/x-amz-json-1.0")
    ours = signed.signed_headers(call, CREDENTIALS, NOW)
    plain = {name: ours[name] for name in ("content-type", "x-amz-target")}
    request = AWSRequest("POST", f"{call.endpoint}/", headers=plain, data=body.encode())
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: NOW.replace(tzinfo=None))
    botocore.auth.SigV4Auth(BotoCredentials(*CREDENTIALS), service, "eu-west-1").add_auth(request)
    assert ours["content-type"] == "application/x-amz-json-1.0"
    assert ours["authorization"] == request.headers["Authorization"]
    assert ours["x-amz-date"] == request.headers["X-Amz-Date"]


def test_it_brings_an_answer(service: Service) -> None:
    service.answer = b'{"b": 1}'
    assert signed.ask(call_to(service), CREDENTIALS, NOW) == {"b": 1}
    assert service.asked == [("Do", json.dumps({"a": "ü"}).encode())]


def test_an_answer_may_be_empty(service: Service) -> None:
    service.answer = b""
    assert signed.ask(call_to(service), CREDENTIALS, NOW) == {}


@pytest.mark.parametrize(
    ("answer", "code", "told"),
    [
        ({"__type": "AccessDeniedException", "Message": "not you"}, "AccessDeniedException", "Exception: not you"),
        ({"__type": "com.amazonaws#ParameterNotFound"}, "ParameterNotFound", "ParameterNotFound"),
        ({}, "400", "400"),
    ],
)
def test_a_refusal_has_a_code(service: Service, answer: object, code: str, told: str) -> None:
    service.status, service.answer = 400, json.dumps(answer).encode()
    with pytest.raises(signed.Refused, match=told) as refused:
        signed.ask(call_to(service), CREDENTIALS, NOW)
    assert refused.value.code == code


def test_what_speaks_no_http_is_a_fault_of_the_network(monkeypatch: pytest.MonkeyPatch, service: Service) -> None:
    def broken(*args: object) -> t.NoReturn:
        raise http.client.BadStatusLine("?")

    monkeypatch.setattr(signed, "_post", broken)
    with pytest.raises(OSError, match=r"\?"):
        signed.ask(call_to(service), CREDENTIALS, NOW)


@pytest.mark.parametrize(
    ("settings", "endpoint"),
    [
        ({}, "https://usual"),
        ({"AWS_ENDPOINT_URL": "http://all"}, "http://all"),
        ({"AWS_ENDPOINT_URL": "http://all", "AWS_ENDPOINT_URL_SSM": "http://one"}, "http://one"),
    ],
)
def test_the_nodes_settings_name_the_endpoint(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], endpoint: str
) -> None:
    monkeypatch.setattr(signed, "node_settings", lambda: settings)
    assert signed.endpoint_of("SSM", "https://usual") == endpoint

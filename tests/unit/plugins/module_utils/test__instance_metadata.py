# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils._instance_metadata import Credentials, Metadata

from tests.unit.plugins import serving

ROLE = "iam/security-credentials/"


class Imds(ThreadingHTTPServer):
    """Instance metadata, version 2."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.tokens: list[str] = []
        self.pages: dict[str, str] = {}


class Handler(serving.Answers, BaseHTTPRequestHandler):
    def do_PUT(self) -> None:
        assert int(self.headers["X-aws-ec2-metadata-token-ttl-seconds"]) > 60
        server = t.cast(Imds, self.server)
        server.tokens.append(f"token-{len(server.tokens)}")
        self.answer(200, server.tokens[-1].encode())

    def do_GET(self) -> None:
        server = t.cast(Imds, self.server)
        page = server.pages.get(self.path.removeprefix("/latest/meta-data/"))
        if self.headers["X-aws-ec2-metadata-token"] != server.tokens[-1]:
            self.answer(401, b"")
        else:
            self.answer(200 if page else 404, (page or "<html>not found</html>").encode())


@pytest.fixture
def imds() -> Iterator[Imds]:
    server = Imds()
    with serving.serving(server):
        yield server


def test_the_spot_notice_and_a_token_that_expired(imds: Imds) -> None:
    metadata = Metadata(f"http://127.0.0.1:{imds.server_port}")
    assert metadata.spot_notice() == ""
    notice = imds.pages["spot/instance-action"] = '{"action": "terminate"}'
    assert metadata.spot_notice() == notice
    assert len(imds.tokens) == 1
    imds.tokens.append("another")
    assert metadata.spot_notice() == notice
    assert len(imds.tokens) == 3


def test_no_metadata_service_is_an_error_of_the_system() -> None:
    with pytest.raises(ConnectionRefusedError):
        Metadata("http://127.0.0.1:9").spot_notice()


def test_the_credentials_of_the_role(imds: Imds) -> None:
    metadata = Metadata(f"http://127.0.0.1:{imds.server_port}")
    assert metadata.credentials() is None
    imds.pages[ROLE] = "nodes\n"
    assert metadata.credentials() is None
    found = {"Code": "Success", "AccessKeyId": "AKIA", "SecretAccessKey": "hush", "Token": "until tonight"}
    imds.pages[ROLE + "nodes"] = json.dumps(found)
    assert metadata.credentials() == Credentials("AKIA", "hush", "until tonight")
    imds.tokens.append("another")
    assert metadata.credentials() == Credentials("AKIA", "hush", "until tonight")
    imds.pages[ROLE + "nodes"] = json.dumps({"Code": "AssumeRoleUnauthorizedAccess"})
    assert metadata.credentials() is None


def test_the_region(imds: Imds) -> None:
    metadata = Metadata(f"http://127.0.0.1:{imds.server_port}")
    with pytest.raises(OSError, match="404"):
        metadata.region()
    imds.pages["placement/region"] = "eu-west-1"
    assert metadata.region() == "eu-west-1"

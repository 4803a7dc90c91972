# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.trainyard.aws.plugins.module_utils._signed_file_store import sha256_of
from ansible_collections.trainyard.aws.plugins.modules import signed_file

from tests.unit.plugins.signing import Key

TEXT = "stand-in for a package\n"
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def published(tmp_path: Path, key: Key, other_key: Key) -> Path:
    """What a vendor offers, and the same by somebody else."""
    folder = tmp_path / "published"
    folder.mkdir()
    package = folder / "package"
    package.write_text(TEXT)
    for name, signer in (("other.sig", other_key), ("package.sig", key)):
        signer.sign(package).rename(folder / name)
    (folder / "vendor.asc").write_bytes(key.public)
    (folder / "other.asc").write_bytes(other_key.public)
    (folder / "both.asc").write_bytes(key.public + other_key.public)
    return folder


@pytest.fixture
def node(tmp_path: Path) -> Path:
    (tmp_path / "node" / "tmp").mkdir(parents=True, mode=0o700)
    return tmp_path / "node"


@pytest.fixture
def run(published: Path, node: Path, key: Key, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the module; what is given as a bare name is published under it."""

    def once(*, check: bool = False, **changes: Any) -> dict[str, Any]:
        urls = {"url": "package", "key_url": "vendor.asc", **changes}
        arguments = {
            "key_fingerprints": [key.fingerprint],
            "dest": str(node / "package"),
            "_ansible_check_mode": check,
            "_ansible_remote_tmp": str(node / "tmp"),
            **{name: (published / value).as_uri() if name.endswith("url") else value for name, value in urls.items()},
        }
        capsys.readouterr()
        with patch_module_args(arguments), pytest.raises(SystemExit):
            signed_file.main()
        answer: dict[str, Any] = json.loads(capsys.readouterr().out)
        return answer

    return once


def test_a_signed_file_comes_once(run: Run, node: Path, published: Path) -> None:
    first = run(mode="0600")
    assert first["changed"] is True
    assert (node / "package").read_text() == TEXT
    assert (node / "package").stat().st_mode & 0o777 == 0o600
    assert first["sha256"] == sha256_of(str(published / "package"))
    # The second time nothing is asked: the signature could not even be found.
    second = run(mode="0600", signature_url="nowhere", key_url="nowhere")
    assert second["changed"] is False
    assert run(mode="0644")["changed"] is True


def test_a_file_that_somebody_changed_comes_again(run: Run, node: Path) -> None:
    run()
    (node / "package").write_text("something else")
    assert run()["changed"] is True
    assert (node / "package").read_text() == TEXT


def test_check_mode_says_so_and_downloads_nothing(run: Run, node: Path) -> None:
    assert run(check=True, url="nowhere")["changed"] is True
    assert not (node / "package").exists()
    run()
    assert run(check=True)["changed"] is False


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        pytest.param({"signature_url": "other.sig"}, "another key", id="signed with another key"),
        pytest.param(
            {"url": "vendor.asc", "signature_url": "package.sig"}, "not what was signed", id="signed is another file"
        ),
        pytest.param({"signature_url": "package"}, "no signature", id="no signature"),
        pytest.param({"key_url": "other.asc"}, "is trusted", id="another key at the address"),
        pytest.param(
            {"key_url": "both.asc", "signature_url": "other.sig"}, "another key", id="signed with a second key there"
        ),
        pytest.param({"key_fingerprints": ["3B789C72"]}, "no fingerprint", id="a short key id"),
        pytest.param({"url": "nowhere", "signature_url": "package.sig"}, "Cannot fetch", id="no file"),
        pytest.param({"dest": "/nowhere/package"}, "Create the directory first", id="no directory"),
    ],
)
def test_what_is_not_signed_by_the_vendor_never_arrives(
    run: Run, node: Path, changes: dict[str, Any], why: str
) -> None:
    answer = run(**changes)
    assert answer["failed"] is True
    assert why in answer["msg"]
    assert [path.name for path in node.iterdir()] == ["tmp"]

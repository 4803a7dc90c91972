# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils._package_repository import Places
from ansible_collections.trainyard.aws.plugins.modules import package_repository

from tests.unit.plugins.signing import Key


@pytest.fixture
def where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """The node's folders, under a folder of the test."""
    found = Places(str(tmp_path / "keyrings" / "cuda.asc"), str(tmp_path / "sources" / "cuda.sources"))
    monkeypatch.setattr(package_repository, "places", lambda format_, name: found)
    return found


@pytest.fixture
def wanted(tmp_path: Path, key: Key) -> dict[str, Any]:
    published = tmp_path / "published.asc"
    published.write_bytes(key.public)
    return {
        "name": "cuda",
        "url": "https://vendor.example.com/debian12",
        "key_url": published.as_uri(),
        "key_fingerprints": [key.fingerprint],
        "format": "apt",
    }


def test_written_once_then_left_alone_without_asking_the_vendor(
    run_module: Any, where: Places, wanted: dict[str, Any]
) -> None:
    first = run_module(package_repository, **wanted)
    assert (first["changed"], first["files"]) == (True, [where.source, where.key])
    assert "https://vendor.example.com/debian12" in Path(where.source).read_text()
    assert Path(where.source).stat().st_mode & 0o777 == Path(where.key).stat().st_mode & 0o777 == 0o644

    second = run_module(package_repository, **wanted | {"key_url": "file:///nowhere"})
    assert not second["changed"]
    assert second["diff"]["before"] == second["diff"]["after"] == first["diff"]["after"]


def test_another_address_is_written_and_shown(run_module: Any, where: Places, wanted: dict[str, Any]) -> None:
    run_module(package_repository, **wanted)
    moved = run_module(package_repository, **wanted | {"url": "https://mirror.example.com/debian12"})
    assert moved["changed"]
    assert "vendor.example.com" in moved["diff"]["before"]
    assert "mirror.example.com" in moved["diff"]["after"]
    assert "mirror.example.com" in Path(where.source).read_text()


def test_check_mode_tells_and_writes_nothing(run_module: Any, where: Places, wanted: dict[str, Any], key: Key) -> None:
    told = run_module(package_repository, check=True, **wanted)
    assert told["changed"]
    assert key.fingerprint in told["diff"]["after"]
    assert not Path(where.source).exists()
    assert not Path(where.key).exists()


def test_a_key_of_somebody_else_stops_it_before_anything_is_written(
    run_module: Any, where: Places, wanted: dict[str, Any], other_key: Key
) -> None:
    refused = run_module(package_repository, **wanted | {"key_fingerprints": [other_key.fingerprint]})
    assert refused["failed"]
    assert 'Cannot use package repository "cuda"' in refused["msg"]
    assert not Path(where.source).exists()
    assert not Path(where.key).exists()


def test_a_trusted_key_that_is_not_pinned_any_more_is_replaced(
    run_module: Any, where: Places, wanted: dict[str, Any], other_key: Key, tmp_path: Path
) -> None:
    run_module(package_repository, **wanted)
    (tmp_path / "published.asc").write_bytes(other_key.public)
    replaced = run_module(package_repository, **wanted | {"key_fingerprints": [other_key.fingerprint]})
    assert replaced["changed"]
    assert other_key.fingerprint in replaced["diff"]["after"]


def test_removed_with_its_key(run_module: Any, where: Places, wanted: dict[str, Any]) -> None:
    run_module(package_repository, **wanted)
    assert run_module(package_repository, check=True, name="cuda", state="absent")["changed"]
    assert Path(where.key).exists()
    assert run_module(package_repository, name="cuda", state="absent")["changed"]
    assert not Path(where.key).exists()
    assert not Path(where.source).exists()
    assert not run_module(package_repository, name="cuda", state="absent")["changed"]


def test_what_no_package_manager_takes_is_refused(run_module: Any, where: Places, wanted: dict[str, Any]) -> None:
    refused = run_module(package_repository, **wanted | {"components": ["main"]})
    assert refused["failed"]
    assert "flat repository" in refused["msg"]

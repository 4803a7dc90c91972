# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.trainyard.aws.plugins.modules import node_files


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


@pytest.fixture(autouse=True)
def _a_careful_administrator() -> Any:
    """What the node's umask is must not matter."""
    before = os.umask(0o077)
    yield
    os.umask(before)


def test_written_with_its_folders_then_left_alone(run_module: Any, tmp_path: Path) -> None:
    one, other = tmp_path / "a" / "b" / "one", tmp_path / "other"
    files = [{"path": str(one), "content": "größer\n"}, {"path": str(other), "content": "x", "mode": "0600"}]
    told = run_module(node_files, check=True, files=files)
    assert told["changed_files"] == [str(one), str(other)]
    assert not (tmp_path / "a").exists()

    first = run_module(node_files, files=files)
    assert (first["changed"], first["changed_files"]) == (True, told["changed_files"])
    assert first["diff"] == told["diff"]
    assert one.read_text(encoding="utf-8") == "größer\n"
    assert (mode(one), mode(other), mode(one.parent), mode(one.parent.parent)) == (0o644, 0o600, 0o755, 0o755)

    second = run_module(node_files, files=files)
    assert (second["changed"], second["changed_files"], second["diff"]) == (False, [], [])


def test_only_what_differs_is_written(run_module: Any, tmp_path: Path) -> None:
    same, other = tmp_path / "same", tmp_path / "other"
    files = [{"path": str(path), "content": "new\n"} for path in (same, other)]
    run_module(node_files, files=files)
    number = same.stat().st_ino
    other.write_text("old\n")
    told = run_module(node_files, files=files)
    assert told["changed_files"] == [str(other)]
    assert told["diff"] == [
        {"before_header": str(other), "after_header": str(other), "before": "old\n", "after": "new\n"}
    ]
    assert same.stat().st_ino == number


def test_another_mode_is_shown_and_set(run_module: Any, tmp_path: Path) -> None:
    path = tmp_path / "file"
    run_module(node_files, files=[{"path": str(path), "content": "x"}])
    path.chmod(0o666)
    told = run_module(node_files, files=[{"path": str(path), "content": "x"}])
    assert (told["diff"][0]["before"], told["diff"][0]["after"]) == ("mode: 0666\n", "mode: 0644\n")
    assert mode(path) == 0o644


def test_removed_once(run_module: Any, tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file"
    files = [{"path": str(path), "state": "absent"}]
    assert not run_module(node_files, files=files)["changed"]
    assert not path.parent.exists()
    path.parent.mkdir()
    path.write_text("x")
    assert run_module(node_files, check=True, files=files)["changed"]
    assert path.exists()
    assert run_module(node_files, files=files)["changed_files"] == [str(path)]
    assert not path.exists()


@pytest.mark.parametrize("check", [False, True])
def test_nothing_is_written_if_one_text_will_not_do(run_module: Any, tmp_path: Path, check: bool) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    files = [
        {"path": str(good), "content": "x", "validate": "grep --quiet x %s"},
        {"path": str(bad), "content": "y", "validate": "grep --quiet x %s"},
    ]
    refused = run_module(node_files, check=check, files=files)
    assert refused["failed"]
    assert f"Cannot write {bad}: grep --quiet x %s fails." in refused["msg"]
    assert not good.exists()
    told = run_module(node_files, check=check, files=files[:1])
    assert told["changed"]
    assert good.exists() is not check


def test_a_text_that_is_there_already_is_not_asked_about(run_module: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "file").chmod(0o644)
    assert not run_module(node_files, files=[{"path": str(tmp_path / "file"), "content": "x", "validate": "false"}])[
        "changed"
    ]


@pytest.mark.parametrize(
    ("file", "said"),
    [
        pytest.param({}, "content", id="nothing to write"),
        pytest.param({"content": "x", "mode": "rw"}, '"rw" is no mode', id="no octal mode"),
        pytest.param({"content": "x", "path": "/"}, "Cannot read /: Is a directory", id="a folder"),
        pytest.param(
            {"content": "x", "path": "/dev/null/x/y"}, "Cannot write /dev/null: File exists", id="a file in the way"
        ),
    ],
)
def test_what_cannot_be_written_is_refused(run_module: Any, tmp_path: Path, file: dict[str, str], said: str) -> None:
    refused = run_module(node_files, files=[{"path": str(tmp_path / "file")} | file])
    assert refused["failed"]
    assert said in refused["msg"]

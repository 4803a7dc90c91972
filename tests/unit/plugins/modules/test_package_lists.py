# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.trainyard.aws.plugins.module_utils import _package_lists as lists
from ansible_collections.trainyard.aws.plugins.modules import package_lists

Run = Callable[..., dict[str, Any]]
APT = """#!/bin/sh
echo "$*" >> "$APT_HOME/asked"
cat "$APT_HOME/says" >&2 2> /dev/null
exit "$(cat "$APT_HOME/code")"
"""


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A node with one source, an hour old, and an apt-get that does as it is told."""
    (tmp_path / "apt-get").write_text(APT)
    (tmp_path / "apt-get").chmod(0o755)
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / "debian.sources").touch()
    for path in (tmp_path / "sources.list.d" / "debian.sources", tmp_path / "sources.list.d"):
        os.utime(path, (time.time() - 3600, time.time() - 3600))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("APT_HOME", str(tmp_path))
    monkeypatch.setattr(package_lists, "STAMP", tmp_path / "stamp")
    monkeypatch.setattr(package_lists, "SOURCES", (tmp_path / "sources.list", tmp_path / "sources.list.d"))
    monkeypatch.setattr(lists, "_SECONDS_BETWEEN", 0.01)
    answer(tmp_path, 0, "")
    return tmp_path


def answer(node: Path, code: int, says: str) -> None:
    (node / "code").write_text(str(code))
    (node / "says").write_text(says)


def times_asked(node: Path) -> int:
    return len((node / "asked").read_text().splitlines()) if (node / "asked").exists() else 0


@pytest.fixture
def run(node: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def once(**arguments: Any) -> dict[str, Any]:
        capsys.readouterr()
        with patch_module_args(arguments), pytest.raises(SystemExit):
            package_lists.main()
        said: dict[str, Any] = json.loads(capsys.readouterr().out)
        return said

    return once


@pytest.mark.parametrize("check", [False, True])
def test_the_archives_are_asked_once(run: Run, node: Path, check: bool) -> None:
    assert run(_ansible_check_mode=check) == {"changed": False, "refreshed": True}
    assert run()["refreshed"] is False
    assert times_asked(node) == 1


def test_old_lists_are_refreshed(run: Run, node: Path) -> None:
    run()
    os.utime(node / "stamp", (time.time() - 601, time.time() - 601))
    assert run()["refreshed"] is True


def test_lists_from_the_future_are_refreshed(run: Run, node: Path) -> None:
    """The clock of a new node may have been ahead."""
    run()
    os.utime(node / "stamp", (time.time() + 60, time.time() + 60))
    assert run()["refreshed"] is True


@pytest.mark.parametrize("change", ["add", "edit", "remove"])
def test_a_source_that_changed_is_asked(run: Run, node: Path, change: str) -> None:
    source = node / "sources.list.d" / "debian.sources"
    run()
    if change == "add":
        (node / "sources.list.d" / "docker.sources").touch()
    elif change == "edit":
        source.write_text("Types: deb\n")
    else:
        source.unlink()
    assert run()["refreshed"] is True


def test_a_failure_is_told_in_the_words_of_apt_and_does_not_count(run: Run, node: Path) -> None:
    answer(node, 100, "W: GPG error: NO_PUBKEY 0123\nE: The repository 'x' is not signed.\n")
    failed = run()
    assert failed["msg"] == (
        "Cannot refresh the package lists: The repository 'x' is not signed. GPG error: NO_PUBKEY 0123. "
        "See the sources in /etc/apt, and the node's way to them."
    )
    assert times_asked(node) == 1
    answer(node, 0, "")
    assert run()["refreshed"] is True


def test_it_waits_for_another_program_and_not_for_ever(run: Run, node: Path) -> None:
    answer(node, 100, "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 42 (apt-get)\n")
    assert "held by process 42" in run(patience_seconds=0)["msg"]
    assert times_asked(node) == 1
    (node / "code").unlink()
    (node / "apt-get").write_text(
        APT.replace("exit", 'test "$(wc -l < "$APT_HOME/asked")" -ge 4 && exit 0; exit 100 #')
    )
    assert run()["refreshed"] is True
    assert times_asked(node) == 4

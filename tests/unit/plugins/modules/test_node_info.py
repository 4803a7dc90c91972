# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _node_info
from ansible_collections.trainyard.aws.plugins.modules import node_info


@pytest.mark.parametrize("check", [False, True])
def test_everything_is_answered_at_once_in_check_mode_too(run_module: Any, tmp_path: Path, check: bool) -> None:
    there, missing = tmp_path / "there", tmp_path / "missing" / "file"
    there.write_text("größer\n", encoding="utf-8")
    (tmp_path / "link").symlink_to(there)
    (tmp_path / "dangling").symlink_to(missing)
    told = run_module(
        node_info,
        check=check,
        files=[str(path) for path in (there, missing, tmp_path, tmp_path / "link", tmp_path / "dangling")],
        contents=[str(there), str(missing)],
        commands={"hello": ["printf", "a b\\nc\\n"], "nobody": ["no-such-program-here"], "no": ["false"]},
    )
    assert not told["changed"]
    assert [file["exists"] for file in told["files"].values()] == [True, False, True, True, False]
    assert told["files"][str(there)]["modified_at"] == there.stat().st_mtime
    assert told["contents"] == {str(there): "größer\n", str(missing): None}
    assert told["commands"]["hello"] == {"rc": 0, "stdout": "a b\nc", "stdout_lines": ["a b", "c"], "stderr": ""}
    assert told["commands"]["nobody"]["rc"] == 127
    assert "no-such-program-here" in told["commands"]["nobody"]["stderr"]
    assert told["commands"]["no"]["rc"] == 1


def test_a_file_that_is_too_long_is_not_returned_in_part(
    run_module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_node_info, "LONGEST_CONTENT", 4)
    (tmp_path / "short").write_text("1234")
    assert run_module(node_info, contents=[str(tmp_path / "short")])["contents"] == {str(tmp_path / "short"): "1234"}
    (tmp_path / "long").write_text("12345")
    refused = run_module(node_info, contents=[str(tmp_path / "long")])
    assert refused["failed"]
    assert "longer than 4 bytes" in refused["msg"]


def test_what_is_no_file_has_no_content(run_module: Any, tmp_path: Path) -> None:
    refused = run_module(node_info, contents=[str(tmp_path)])
    assert refused["failed"]
    assert f"Cannot read {tmp_path}: Is a directory" in refused["msg"]

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import tarfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils._container_types import TrainingError
from ansible_collections.trainyard.aws.plugins.module_utils._training_code import place_code

CODE = {"repository": "/src", "reference": "HEAD", "commit": "3f2504e04f8911d3", "changed": True, "tree": "t1"}


@pytest.fixture
def params(tmp_path: Path) -> dict[str, t.Any]:
    (tmp_path / "a").mkdir()
    (tmp_path / "train.py").write_text("one")
    (tmp_path / "difference").write_text("+one")
    with tarfile.open(tmp_path / "archive", "w:gz") as tar:
        tar.add(tmp_path / "train.py", "train.py")
    return {
        "run_id": "a",
        "directory": str(tmp_path / "a"),
        "resolved": CODE,
        "started": False,
        "archive": str(tmp_path / "archive"),
        "difference": str(tmp_path / "difference"),
    }


def test_it_is_brought_once(params: dict[str, t.Any]) -> None:
    asked = place_code({**params, "archive": None}, False)
    assert (asked["changed"], asked["wants_archive"]) == (True, True)
    result = place_code(params, False)
    directory = Path(params["directory"])
    assert (directory / "code" / "train.py").read_text() == "one"
    assert (directory / "code.diff").read_text() == "+one"
    assert [each["path"] for each in result["code"]["files"]] == ["code.tar.gz", "code.diff"]
    assert result["diff"] == {"before": "none", "after": "commit 3f2504e04f89 with changes, tree t1"}
    again = place_code({**params, "archive": None, "started": True}, False)
    assert (again["changed"], again["wants_archive"], again["code"]) == (False, False, result["code"])


def test_the_same_files_of_another_commit_are_the_same_code(params: dict[str, t.Any]) -> None:
    first = place_code(params, False)
    again = place_code({**params, "resolved": {**CODE, "commit": "other"}, "started": True}, False)
    assert (again["changed"], again["code"]) == (False, first["code"])


def test_other_code_for_a_run_that_was_started_is_refused(params: dict[str, t.Any]) -> None:
    place_code(params, False)
    other = {**params, "resolved": {**CODE, "tree": "t2", "changed": False}}
    with pytest.raises(TrainingError, match="commit 3f2504e04f89 with changes, tree t1, and not commit 3f2504e04f89"):
        place_code({**other, "started": True}, False)
    assert json.loads(Path(params["directory"], "code.json").read_text())["tree"] == "t1"
    assert place_code(other, False)["code"]["tree"] == "t2"


def test_code_for_a_run_that_was_started_without_is_refused(params: dict[str, t.Any]) -> None:
    with pytest.raises(TrainingError, match="none, and not commit"):
        place_code({**params, "started": True}, False)


def test_a_run_goes_on_without_code_only_if_it_has_none(params: dict[str, t.Any]) -> None:
    without = {**params, "resolved": {}, "archive": None, "started": True}
    result = place_code(without, False)
    assert (result["changed"], result["wants_archive"], result["code"]) == (False, False, {})
    place_code(params, False)
    with pytest.raises(TrainingError, match="with changes, tree t1, and not none"):
        place_code(without, False)


def test_check_mode_brings_nothing(params: dict[str, t.Any]) -> None:
    result = place_code({**params, "archive": None}, True)
    assert (result["changed"], result["wants_archive"], result["code"]) == (True, False, CODE)
    assert list(Path(params["directory"]).iterdir()) == []

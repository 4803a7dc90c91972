# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that the role training_supervisor brings to the node."""

from __future__ import annotations

import ast
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
ROLE = ROOT / "roles" / "training_supervisor"
PROGRAM = ROLE / "files" / "__main__.py"
MODULES = ROOT / "plugins" / "module_utils"


def imported(path: Path) -> set[str]:
    nodes = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom))
    return {str(node.module).rsplit(".", 1)[1] for node in nodes if ".module_utils." in str(node.module)}


def needed() -> list[str]:
    left, found = imported(PROGRAM), set()
    while left:
        name = left.pop()
        found.add(name)
        left |= imported(MODULES / f"{name}.py") - found
    return sorted(found)


def shipped() -> list[str]:
    return list(yaml.safe_load((ROLE / "vars" / "main.yml").read_text())["__training_supervisor_modules"])


def test_all_that_it_imports_is_taken_along() -> None:
    assert shipped() == needed()


def test_it_runs_from_its_own_folder_and_refuses_a_run_without_settings(tmp_path: Path) -> None:
    program = tmp_path / "program"
    modules = program / "ansible_collections/trainyard/aws/plugins/module_utils"
    modules.mkdir(parents=True)
    shutil.copy(PROGRAM, program)
    for name in shipped():
        shutil.copy(MODULES / f"{name}.py", modules)
    command = [sys.executable, "-S", str(program), f"--directory={tmp_path}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "settings.json" in done.stderr


@pytest.mark.parametrize(
    ("command", "code"),
    [
        pytest.param(["/no/such/program"], 127, id="missing"),
        pytest.param([sys.executable, "-c", "import time; time.sleep(9)"], 124, id="does not answer"),
        pytest.param([sys.executable, "-c", "import os; os.write(1, b'\\xff')"], 0, id="not UTF-8"),
    ],
)
def test_a_program_that_misbehaves_is_an_answer(command: list[str], code: int) -> None:
    assert runpy.run_path(str(PROGRAM))["run"](command, None, seconds=0.5 if code == 124 else 30)[0] == code

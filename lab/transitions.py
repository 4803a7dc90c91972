# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What takes AWS a while: steps that become true some seconds after the call that asked for them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from lab.patching import inner_call

log = logging.getLogger(__name__)

_lock = threading.Lock()
_waiting: list[tuple[float, Callable[[], None]]] = []
_moved = threading.Event()


def after(seconds: float, step: Callable[[], None]) -> None:
    """Take the step when that much time has passed. The caller holds the account's lock."""
    with _lock:
        _waiting.append((time.monotonic() + seconds, step))


def linger(thing: Any, attribute: str, state: Any, seconds: float) -> None:
    """Show another state first, and the present one after so many seconds unless the state has changed meanwhile."""
    if not seconds:
        return
    present = getattr(thing, attribute)
    setattr(thing, attribute, state)
    after(seconds, lambda: setattr(thing, attribute, present) if getattr(thing, attribute) == state else None)


def hurry(seconds: float) -> None:
    """Let so much time pass at once for all that waits."""
    with _lock:
        _waiting[:] = [(when - seconds, step) for when, step in _waiting]


def settle() -> None:
    """Take the steps that are due. Called with the account's lock before anything reads the account."""
    now = time.monotonic()
    with _lock:
        due = [step for when, step in _waiting if when <= now]
        _waiting[:] = [(when, step) for when, step in _waiting if when > now]
    for step in due:
        _moved.set()
        try:
            with inner_call():
                step()
        except Exception:  # one step's trouble must not stop the others, nor the call that happens to come now
            log.exception("a delayed step failed")


def have_moved() -> bool:
    """Whether steps were taken since the last time this was asked: Docker has to follow them."""
    if not _moved.is_set():
        return False
    _moved.clear()
    return True

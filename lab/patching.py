# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the lab changes moto: a method replaced by one that gets the original, or a law checked before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from moto.backends import get_backend

Method = Callable[..., Any]


def regional_backends(service: str) -> list[Any]:
    """All backends of a service that moto has made so far, over accounts and regions."""
    return [backend for regions in list(get_backend(service).values()) for backend in list(regions.values())]  # type: ignore[call-overload]


def replaces(owner: Any, name: str) -> Callable[[Method], Method]:
    """Decorate a function that takes the original method first; it becomes the method."""

    def decorate(function: Method) -> Method:
        original = getattr(owner, name)

        @wraps(original)
        def method(self: Any, *args: Any, **kwargs: Any) -> Any:
            return function(original, self, *args, **kwargs)

        setattr(owner, name, method)
        return function

    return decorate


def state_of(backend: Any, name: str, make: Callable[[], Any]) -> Any:
    """What the lab itself keeps for a region; it lives and dies with moto's backend."""
    kept = vars(backend).setdefault("lab_state", {})
    if name not in kept:
        kept[name] = make()
    return kept[name]


_depth = 0  # calls run under the account's lock, so one counter is enough


@contextmanager
def inner_call() -> Iterator[None]:
    """Inside, no law is checked: laws bind callers, not moto's own inner calls. Deleting a VPC deletes its default group; a user may not."""
    global _depth
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1


def law_before(owner: Any, name: str) -> Callable[[Method], Method]:
    """Decorate a check with the method's own parameters, which raises what AWS would answer."""

    def decorate(check: Method) -> Method:
        original = getattr(owner, name)

        @wraps(original)
        def method(backend: Any, *args: Any, **kwargs: Any) -> Any:
            if _depth == 0:
                check(backend, *args, **kwargs)
            with inner_call():
                return original(backend, *args, **kwargs)

        setattr(owner, name, method)
        return check

    return decorate

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults on demand: rules that make chosen AWS calls fail, come late, or lose their connection."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Any

from lab.calls import Call
from lab.errors import Answer, typed_error

LONGEST_DELAY_SECONDS = 600.0
CODE_OF_A_LOST_CALL = "ConnectionDropped"  # what the call log says of a call that never reached the account


class RuleError(ValueError):
    """A rule that cannot be understood: the text says which part and what it may be."""


@dataclass(frozen=True)
class Match:
    """Which calls a rule is about; each part is a pattern with * and ?."""

    service: str = "*"
    action: str = "*"
    path: str = "*"

    def fits(self, call: Call, path: str) -> bool:
        return (
            fnmatchcase(call.service, self.service)
            and fnmatchcase(call.action, self.action)
            and fnmatchcase(path, self.path)
        )


@dataclass(frozen=True)
class Then:
    """What happens to a call: one of an error, a late answer, or a lost connection."""

    status: int | None = None
    code: str | None = None
    delay_seconds: float | None = None
    drop: str | None = None


@dataclass
class Rule:
    """Let `skip` matching calls through, then hit `times` of them; without `times`, every one."""

    match: Match
    then: Then
    skip: int = 0
    times: int | None = 1
    seen: int = 0
    hits: int = 0

    def hit(self, call: Call, path: str) -> bool:
        """Count the call; say whether this rule strikes."""
        if not self.match.fits(call, path) or (self.times is not None and self.hits >= self.times):
            return False
        self.seen += 1
        if self.seen <= self.skip:
            return False
        self.hits += 1
        return True


class Faults:
    """The rules in force. The first that strikes decides; a rule that is used up stays listed with its hits."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._lock = threading.Lock()

    def add(self, body: object) -> None:
        """Add a rule, or a list of them: all or none."""
        rules = [rule_of(item) for item in (body if isinstance(body, list) else [body])]
        with self._lock:
            self._rules += rules

    def listed(self) -> list[dict[str, Any]]:
        with self._lock:
            return [asdict(rule) for rule in self._rules]

    def clear(self) -> None:
        with self._lock:
            self._rules.clear()

    def strike(self, call: Call, path: str) -> Then | None:
        with self._lock:
            return next((rule.then for rule in self._rules if rule.hit(call, path)), None)


def suffer(then: Then, call: Call, answer: Callable[[], Answer]) -> Answer:
    """What the account answers under a fault; whether that arrives is the matter of `deliver`."""
    if then.code is not None:
        message = f"{call.action} failed because a fault was asked for."
        return typed_error(call.protocol, then.code, message, then.status or 400)
    if then.drop == "before":
        return Answer(0, "", b"", (("x-amzn-errortype", CODE_OF_A_LOST_CALL),))
    return answer()


def deliver(then: Then, environ: dict[str, Any]) -> None:
    """Hold the answer back, or cut the connection so that it never arrives."""
    if then.delay_seconds:
        time.sleep(then.delay_seconds)
    if then.drop:
        connection = environ["werkzeug.socket"]
        connection.shutdown(socket.SHUT_RDWR)
        raise ConnectionAbortedError("a fault cuts this connection")


def rule_of(body: object) -> Rule:
    """Read a rule as it came over HTTP."""
    if not isinstance(body, dict):
        raise RuleError("a rule is an object: {match, then, skip, times}")
    _known("rule", body, ("match", "then", "skip", "times"))
    return Rule(
        match_of(body.get("match")),
        then_of(body.get("then")),
        _count("skip", body.get("skip", 0)),
        None if body.get("times", 1) is None else _count("times", body.get("times", 1)),
    )


def match_of(body: object) -> Match:
    if not isinstance(body, dict) or not body:
        raise RuleError("match names at least one of service, action, path")
    _known("match", body, ("service", "action", "path"))
    if not all(isinstance(value, str) and value for value in body.values()):
        raise RuleError("service, action and path are texts, and may hold * and ?")
    return Match(**body)


def then_of(body: object) -> Then:
    if not isinstance(body, dict):
        raise RuleError("then is an object")
    _known("then", body, ("status", "code", "delay_seconds", "drop"))
    kinds = [kind for kind in ("code", "delay_seconds", "drop") if kind in body]
    if len(kinds) != 1 or ("status" in body and kinds != ["code"]):
        raise RuleError("then is one of {status, code}, {delay_seconds}, {drop: before|after}")
    if body.get("drop", "after") not in ("before", "after"):
        raise RuleError("drop is before or after the call")
    if not isinstance(body.get("code", ""), str) or not 400 <= _count("status", body.get("status", 400)) <= 599:
        raise RuleError("status is from 400 to 599, code a text")
    delay = body.get("delay_seconds", 0)
    if isinstance(delay, bool) or not isinstance(delay, (int, float)) or not 0 <= delay <= LONGEST_DELAY_SECONDS:
        raise RuleError(f"delay_seconds is a number up to {LONGEST_DELAY_SECONDS:.0f}")
    return Then(**body)


def _known(what: str, body: dict[str, Any], names: tuple[str, ...]) -> None:
    if unknown := sorted(set(body) - set(names)):
        raise RuleError(f"{what} does not know {', '.join(unknown)}; it knows {', '.join(names)}")


def _count(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise RuleError(f"{name} is a whole number from 0")
    return value

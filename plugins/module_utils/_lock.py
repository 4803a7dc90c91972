# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Who may change a stack now. Pure."""

from __future__ import annotations

import json
import typing as t
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Lock:
    """Who holds a stack, from where, since when, to do what."""

    owner: str
    host: str
    pid: int
    started: str
    operation: str

    def is_held_by(self, other: Lock) -> bool:
        """True for the same run of Ansible."""
        return (self.host, self.pid) == (other.host, other.pid)


@dataclass(frozen=True)
class Verdict:
    """``verb`` is take, keep, take_over or refuse; ``reason`` is for the user."""

    verb: str
    reason: str


def key_of(stack: str) -> str:
    """Name of the object."""
    return f".trainyard/{stack}/lock.json"


def as_text(lock: Lock) -> str:
    return json.dumps(asdict(lock), indent=2) + "\n"


def lock_in(text: str) -> Lock:
    """The lock that was written. What is no lock of ours is held by somebody unknown."""
    try:
        found = json.loads(text)
        return Lock(
            owner=str(found["owner"]),
            host=str(found["host"]),
            pid=int(found["pid"]),
            started=str(found["started"]),
            operation=str(found["operation"]),
        )
    except (ValueError, KeyError, TypeError):
        return Lock("somebody unknown", "an unknown host", 0, "an unknown time", "an unknown operation")


def verdict_on(mine: Lock, have: Lock | None, is_alive: bool, take_over: bool) -> Verdict:
    """Whether ``mine`` may be written over ``have``. ``is_alive``: its process, if it is on our host."""
    if have is None:
        return Verdict("take", "nobody holds it")
    if have.is_held_by(mine):
        return Verdict("keep", "we hold it")
    if (have.owner, have.host) == (mine.owner, mine.host) and not is_alive:
        return Verdict("take_over", f"process {have.pid}, which held it, is gone")
    if take_over:
        return Verdict("take_over", "stack_take_over says so")
    return Verdict("refuse", "somebody else holds it")


def words_of(lock: Lock) -> str:
    return f'{lock.owner} on {lock.host} (process {lock.pid}) since {lock.started} for "{lock.operation}"'


def refusal(stack: str, have: Lock) -> str:
    """What the one who came second reads."""
    return (
        f'Stack "{stack}" is held by {words_of(have)}, and only one may change it at a time. '
        "Wait until that is over. If you know that it is, take the stack over: add -e stack_take_over=true to the command."
    )


def as_result(lock: Lock | None) -> dict[str, t.Any]:
    return asdict(lock) if lock else {}

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""What crosses function borders when a training container is started, followed and stopped. Standard library only."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

NAME_PREFIX = "trainyard-run-"
LABEL_PREFIX = "trainyard."
# State in status.json of a run that has ended and is about to be started again by its supervisor.
TRYING_AGAIN = "trying_again"
RUN_ID_PATTERN = r"^[a-z0-9][a-z0-9-]{0,39}$"


def run_id_fault(run_id: str) -> str:
    """What is wrong with a run id, or nothing."""
    if re.match(RUN_ID_PATTERN, run_id) and not run_id.endswith("\n"):
        return ""
    return (
        f'"{run_id}" is not a run id: lower-case letters, digits and hyphens, at most 40, not starting with a hyphen.'
    )


class TrainingError(Exception):
    """Something the user has to know: what happened, why, and what to do about it."""

    def __init__(self, what: str, why: str, fix: str) -> None:
        super().__init__(f"{what}: {why} {fix}")
        self.what = what
        self.why = why
        self.fix = fix


class EngineAway(TrainingError):
    """Docker does not answer, which may pass: it restarts, or is being upgraded."""


@dataclass(frozen=True)
class Volume:
    """A directory or file of the node seen in the container."""

    source: str
    target: str
    read_only: bool = False


@dataclass(frozen=True)
class Ulimit:
    """A limit as setrlimit knows it."""

    name: str
    soft: int
    hard: int


@dataclass(frozen=True)
class Spec:
    """The container that is wanted. ``image`` is empty where a run is only attached to."""

    run_id: str
    image: str
    command: tuple[str, ...]
    entrypoint: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    volumes: tuple[Volume, ...]
    directory: str
    user: str
    capabilities: tuple[str, ...]
    memory: int
    shm_size: int
    pids_limit: int
    ulimits: tuple[Ulimit, ...]
    secrets: tuple[tuple[str, str], ...] = ()  # name of the file, and where the secret lies; never its value
    working_directory: str = ""  # the image's own where it is empty
    image_digest: str = ""  # what an earlier attempt of the run was created from
    attempt: int = 1
    attempt_command: tuple[str, ...] = ()  # where an attempt trains with another command than the run's own
    accelerators: str = "all"  # of those that the node has; "none", or numbers such as "0,2"

    @property
    def container_name(self) -> str:
        return NAME_PREFIX + self.run_id


@dataclass(frozen=True)
class State:
    """The container that is there, as Docker tells it."""

    container_id: str
    run_id: str
    status: str  # Docker's words: created, running, paused, restarting, removing, exited, dead
    image: str
    image_digest: str
    command: tuple[str, ...]
    entrypoint: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    directory: str
    memory: int
    exit_code: int
    out_of_memory: bool
    started_at: str
    finished_at: str
    checkpoints_directory: str = ""
    attempt: int = 1
    secrets: tuple[tuple[str, str], ...] = ()

    @property
    def running(self) -> bool:
        return self.status in ("running", "paused", "restarting")

    @property
    def ended(self) -> bool:
        return self.status in ("exited", "dead")


@dataclass(frozen=True)
class Step:
    """One thing to do, and why; the reason is shown to the user."""

    verb: str  # "create", "start", "stop", "remove"
    reason: str


@dataclass(frozen=True)
class Ending:
    """How a run ended, in plain words."""

    exit_code: int
    reason: str
    stopped: bool
    decisive_lines: tuple[str, ...] = ()
    may_be_retried: bool = False
    missing_outputs: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        return (self.exit_code != 0 or bool(self.missing_outputs)) and not self.stopped


class Frame(t.NamedTuple):
    """One piece of a container's output, as Docker's API frames it. A tuple, because there are many."""

    stream: int  # 1 is stdout, 2 is stderr
    timestamp: str  # RFC 3339 in UTC with nanoseconds: equal length, so text order is time order
    data: bytes


class Line(t.NamedTuple):
    """One line of output for a screen. ``data`` is the beginning of its last state, ``size`` its whole length."""

    data: bytes
    size: int


@dataclass(frozen=True)
class Cursor:
    """A place in a log: ``seen`` frames at or after ``since`` are behind it."""

    since: str
    seen: int

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""The metrics of a run on their way: its log followed on the node, CloudWatch told, and a file for Prometheus written.

What CloudWatch did not take is kept and told again. How far the log was read stands in a file, so that a supervisor that is started
anew tells no value twice, but for those of a request that it was killed in.
"""

from __future__ import annotations

import json
import os
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.trainyard.aws.plugins.module_utils._container_log import START, format_cursor, parse_cursor
from ansible_collections.trainyard.aws.plugins.module_utils._container_text import text_of
from ansible_collections.trainyard.aws.plugins.module_utils._container_types import Cursor, Line, TrainingError
from ansible_collections.trainyard.aws.plugins.module_utils._instance_metadata import Credentials
from ansible_collections.trainyard.aws.plugins.module_utils._progress import PatternError, Reader
from ansible_collections.trainyard.aws.plugins.module_utils._run_metrics import (
    MOST_TRAINING_METRICS,
    Look,
    TrainingMetrics,
    batches,
    data_of,
    known,
    percent_of,
    progress_values,
    prometheus_text,
)
from ansible_collections.trainyard.aws.plugins.module_utils._signed_request import (
    Call,
    Refused,
    ask,
    domain_of,
    endpoint_of,
)
from ansible_collections.trainyard.aws.plugins.module_utils._supervisor import Settings
from ansible_collections.trainyard.aws.plugins.module_utils._whole_file import write_whole

MEMORY = "metrics.json"
# Debian's node exporter reads what ends in .prom there.
PROMETHEUS_DIRECTORY = "/var/lib/prometheus/node-exporter"
STALE_SECONDS = 600
# More than an hour of data, which wait in memory and in a file.
MOST_UNSENT = 3000
# A look at a log brings at most 20 000 lines; what is written faster than that is read in the next minutes.
MOST_LOOKS = 10
MANY_LINES = 1000
LOOK_SECONDS = 1
_ACTION = "GraniteServiceVersion20100801.PutMetricData"
_JSON = "application/x-amz-json-1.0"
# These name a fault of the data themselves: to tell them again would not help.
_FAULTS_OF_DATA = ("InvalidParameter", "MissingParameter", "MissingRequiredParameter", "Validation")


class Log(t.Protocol):
    """The part of LogReader that is read here."""

    def read(self, cursor: Cursor, wait_seconds: float) -> tuple[list[Line], Cursor, bool]: ...


class Place(t.Protocol):
    """The part of Metadata that tells who and where this node is."""

    def credentials(self) -> Credentials | None: ...

    def region(self) -> str: ...


@dataclass(frozen=True)
class Event:
    """What the run's events are told, once."""

    event: str
    detail: str = ""


class Publisher:
    """Tells of one run, a minute at a time. Used by one thread at a time."""

    def __init__(self, settings: Settings, directory: str, log: Log, place: Place) -> None:
        self._settings = settings
        self._memory_file = os.path.join(directory, MEMORY)
        self._log = log
        self._place = place
        self._reader = _reader_of(settings.progress_pattern)
        rank = (("node_rank", str(settings.node_rank)),) if settings.node_count > 1 else ()
        self._run = (("run", settings.run_id), *rank)
        self._disks = [path for path in ("/", directory, settings.checkpoints_directory) if path]
        self._cursor: Cursor | None = None
        self._training = TrainingMetrics()
        self._unsent: list[t.Mapping[str, t.Any]] = []
        self._told: list[str] = []

    @property
    def is_wanted(self) -> bool:
        """Whether there is anybody to tell."""
        return self._settings.metrics_enabled and bool(self._settings.metrics_namespace or self._has_exporter())

    @property
    def has_unsent(self) -> bool:
        return bool(self._unsent)

    def round(self, look: Look, ended: bool = False) -> list[Event]:
        """Tell what is new. Whatever goes wrong is told again with the next."""
        if self._cursor is None:
            self._recall()
        self._read(ended)
        fullest = {} if ended else known({"fullest_disk_percent": fullest_disk_percent(self._disks)})
        seen = Look(look.time, {**progress_values(self._reader.progress), **look.values, **fullest})
        if self._has_exporter():
            self._write_file(prometheus_text(self._run, seen, self._training.last))
        taken = self._training.take()
        events = self._faults_of_names()
        if self._settings.metrics_namespace:
            self._unsent += [each.as_dict() for each in data_of(self._run, seen, taken)]
            self._unsent = self._unsent[-MOST_UNSENT:]
            events += self._send()
        self._remember()
        return events

    # ---- The log ---------------------------------------------------------------------------------------------------

    def _read(self, to_its_end: bool) -> None:
        """Count what was written since the last look. A log that cannot be read now is read later."""
        for dummy in range(MOST_LOOKS):
            try:
                lines, self._cursor, ended = self._log.read(self._cursor or START, LOOK_SECONDS)
            except (TrainingError, OSError):
                return
            for line in lines:
                said = self._reader.add(text_of(line))
                if said is not None:
                    self._training.add(said.metrics)
            if ended or (len(lines) < MANY_LINES and not to_its_end):
                return

    def _recall(self) -> None:
        """What an earlier supervisor of the run has told, and where the run is: its log up to there is read, and not counted."""
        memory = _memory_in(self._memory_file)
        self._training.names = [str(each) for each in memory.get("names", ())]
        self._unsent, self._told = list(memory.get("unsent", ())), list(memory.get("told", ()))
        self._cursor = START
        try:
            self._cursor = parse_cursor(str(memory.get("cursor", "")))
            self._read_again(self._cursor.since)
        except (TrainingError, OSError):
            pass  # it is only not known how far the run was
        self._training.recall(self._reader.progress)

    def _read_again(self, since: str) -> None:
        cursor, ended = START, False
        for dummy in range(MOST_LOOKS):
            if ended or cursor.since >= since:
                return
            lines, cursor, ended = self._log.read(cursor, LOOK_SECONDS)
            self._reader.add_all([text_of(line) for line in lines])

    def _remember(self) -> None:
        memory = {
            "cursor": format_cursor(self._cursor or START),
            "names": self._training.names,
            "unsent": self._unsent,
            "told": self._told,
        }
        write_whole(self._memory_file, json.dumps(memory) + "\n")

    # ---- CloudWatch ------------------------------------------------------------------------------------------------

    def _send(self) -> list[Event]:
        """A refusal is told once, and that it is over."""
        events = []
        try:
            for batch in list(batches(self._unsent)):
                refusal = self._put(batch)
                self._unsent = self._unsent[len(batch) :]
                events += self._tell_once("metrics_refused", refusal) if refusal else []
        except (OSError, ValueError) as error:
            why = str(error) or type(error).__name__
            return events + self._tell_once("metrics_failed", f"{why}; it is tried again each minute")
        if "metrics_failed" in self._told:
            self._told.remove("metrics_failed")
            events.append(Event("metrics_caught_up"))
        return events

    def _put(self, batch: t.Sequence[t.Mapping[str, t.Any]]) -> str:
        """Returns why CloudWatch will never take these data. Raises OSError and ValueError where it may take them later."""
        credentials = self._place.credentials()
        if credentials is None:
            raise ValueError("this node has no role that could tell CloudWatch")
        region = self._place.region()
        endpoint = endpoint_of("CLOUDWATCH", f"https://monitoring.{region}.{domain_of(region)}")
        body = json.dumps({"Namespace": self._settings.metrics_namespace, "MetricData": batch})
        try:
            ask(Call("monitoring", region, endpoint, _ACTION, body, _JSON), credentials)
        except Refused as error:
            if error.code.startswith(_FAULTS_OF_DATA):
                return f"{len(batch)} values were not taken ({error})"
            raise
        return ""

    def _faults_of_names(self) -> list[Event]:
        events = []
        if self._training.left_out:
            what = f"the log has more than {MOST_TRAINING_METRICS} metrics; {self._training.left_out!a} and others are left out"
            events += self._tell_once("metrics_left_out", what)
        if self._training.no_number:
            events += self._tell_once("metric_is_no_number", f"{self._training.no_number}; such values are left out")
        return events

    def _tell_once(self, event: str, detail: str) -> list[Event]:
        if event in self._told:
            return []
        self._told.append(event)
        return [Event(event, detail)]

    # ---- Prometheus ------------------------------------------------------------------------------------------------

    def _has_exporter(self) -> bool:
        return os.path.isdir(PROMETHEUS_DIRECTORY)

    def _write_file(self, text: str) -> None:
        try:
            remove_stale(PROMETHEUS_DIRECTORY, time.time())
            write_whole(os.path.join(PROMETHEUS_DIRECTORY, f"trainyard_run_{self._settings.run_id}.prom"), text)
        except OSError:
            pass  # a full disk is told of as a metric


def remove_stale(directory: str, now: float) -> None:
    """Files of runs that ended: they would be read for ever as if they went on."""
    for name in os.listdir(directory):
        path = os.path.join(directory, name)
        if name.startswith("trainyard_run_") and now - os.path.getmtime(path) > STALE_SECONDS:
            os.unlink(path)


def fullest_disk_percent(paths: t.Iterable[str]) -> float | None:
    """As df counts it: what only root may use is no room."""
    found = [_used_percent(path) for path in paths]
    return max((each for each in found if each is not None), default=None)


def _used_percent(path: str) -> float | None:
    try:
        seen = os.statvfs(path)
    except OSError:
        return None
    used = seen.f_blocks - seen.f_bfree
    return percent_of(used, used + seen.f_bavail)


def _reader_of(pattern: str) -> Reader:
    try:
        return Reader(pattern)
    except PatternError:
        return Reader()  # whoever started the run was told


def _memory_in(path: str) -> dict[str, t.Any]:
    try:
        with open(path, encoding="utf-8") as file:
            return dict(json.load(file))
    except (OSError, ValueError):
        return {}

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""One run from the start of its container to its results in the bucket, on the node, whoever else looks on."""

from __future__ import annotations

import os
import time
import typing as t
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

from ansible_collections.trainyard.aws.plugins.module_utils._container_decide import seconds_between, time_of
from ansible_collections.trainyard.aws.plugins.module_utils._container_engine import (
    ATTEMPT,
    CONTAINER,
    Starter,
    ending,
    mark_stopped,
    start_attempt,
)
from ansible_collections.trainyard.aws.plugins.module_utils._container_record import hyperparameters_text, run_on_node
from ansible_collections.trainyard.aws.plugins.module_utils._container_socket import LogReader
from ansible_collections.trainyard.aws.plugins.module_utils._container_types import (
    TRYING_AGAIN,
    State,
    TrainingError,
)
from ansible_collections.trainyard.aws.plugins.module_utils._instance_metadata import Metadata
from ansible_collections.trainyard.aws.plugins.module_utils._kernel_log import note_xids
from ansible_collections.trainyard.aws.plugins.module_utils._resume import Attempt, is_tried_again, spec_document
from ansible_collections.trainyard.aws.plugins.module_utils._resume_node import Here, UsedUp, prepare_again, take_back
from ansible_collections.trainyard.aws.plugins.module_utils._run_metrics import (
    Look,
    accelerator_values,
    known,
    mean_utilization,
    percent_of,
    usage_values,
)
from ansible_collections.trainyard.aws.plugins.module_utils._run_metrics_node import Event, Log, Publisher
from ansible_collections.trainyard.aws.plugins.module_utils._secrets_node import remove_secrets
from ansible_collections.trainyard.aws.plugins.module_utils._supervisor import (
    Accelerator,
    Copy,
    Settings,
    Stop,
    accelerator_list,
    clock_after,
    copies_are_late,
    cost_usd,
    idle_since,
    notice_seconds,
    spent_seconds,
    stop_for,
    usage_pause_seconds,
)
from ansible_collections.trainyard.aws.plugins.module_utils._supervisor_copies import Copier, Ended, Round
from ansible_collections.trainyard.aws.plugins.module_utils._supervisor_event_files import EventFiles
from ansible_collections.trainyard.aws.plugins.module_utils._supervisor_node import (
    Journal,
    Meter,
    Run,
    accelerators,
)
from ansible_collections.trainyard.aws.plugins.module_utils._training_results import (
    CHECKPOINTS,
    SPEC,
    TENSORBOARD,
    place_of,
)
from ansible_collections.trainyard.aws.plugins.module_utils._training_results_store import Bucket, collect, settings_of
from ansible_collections.trainyard.aws.plugins.module_utils._whole_file import read_mapping, write_mapping

TICK_SECONDS = 1
STATUS_SECONDS = 5
NOTICE_SECONDS = 5
# Where no metadata service answers, the machine is none of EC2's.
NO_METADATA_SECONDS = 60
ACCELERATOR_SECONDS = 10
KERNEL_SECONDS = 10
JOURNAL_SECONDS = 10
METRICS_SECONDS = 60
# How long the last metrics of a run may take; its results do not wait for them.
LAST_METRICS_SECONDS = 90
REST_SECONDS = 10
RETRY_SECONDS = 30
LONGEST_PAUSE_SECONDS = 300
# An image can take long to pull.
START_SECONDS = 24 * 3600
RESULTS_SECONDS = 24 * 3600
AGAIN_SECONDS = 300
EARLIER = "earlier"

Result = t.TypeVar("Result")


class Docker(Starter, t.Protocol):
    """The part of Engine that supervises."""

    def all(self) -> list[State]: ...

    def signal(self, run_id: str, name: str) -> None: ...


@dataclass(frozen=True)
class Node:
    """Everything outside that the supervision acts through."""

    docker: t.Callable[[], Docker]
    run: Run
    s5cmd: Run
    metadata: Metadata
    shutdown: t.Callable[[], None]
    sleep: t.Callable[[float], None] = time.sleep
    now: t.Callable[[], float] = time.time
    log: t.Callable[[str], Log] = LogReader


class Timer:
    """Says yes once in so many seconds, and the first time."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._next = 0.0

    def due(self, now: float) -> bool:
        if now < self._next:
            return False
        self._next = now + self.seconds
        return True

    def wait(self, now: float, seconds: float) -> None:
        self._next = now + seconds


class Copying:
    """Rounds of copying beside the watching. What a round found is taken over by the one who watches."""

    def __init__(self, settings: Settings, node: Node, journal: Journal, root: str) -> None:
        self.place = place_of(settings.results, settings.run_id) if settings.results else ""
        self._settings = settings
        self._node = node
        self._journal = journal
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._job: Future[Round] | None = None
        self._letter: Future[None] | None = None
        self._timer = Timer(settings.checkpoint_interval_seconds)
        self._letters = Timer(JOURNAL_SECONDS)
        self._last_good = 0.0  # nothing was looked at yet
        self._fault = ""
        self._code_is_sent = False
        self.late = False
        self.newest: dict[str, str] | None = None
        self.copies: dict[str, Copy] = {}
        rest = min(REST_SECONDS, settings.checkpoint_interval_seconds / 2)
        bucket = Bucket(node.s5cmd, f"{self.place}/{CHECKPOINTS}")
        latest = os.path.join(journal.directory, "latest.json")
        self._copier = Copier(bucket, root, latest, settings.node_rank, settings.checkpoints_kept, rest)
        roots = [root, os.path.join(journal.directory, "output")]
        self._event_files = EventFiles(Bucket(node.s5cmd, f"{self.place}/{TENSORBOARD}"), roots)

    def earlier_seconds(self) -> float:
        """Raises TrainingError."""
        return self._copier.earlier_seconds() if self.place else 0.0

    def tick(self, seconds: float) -> None:
        """Take over what was copied, and begin what is due."""
        if not self.place:
            return
        now = self._node.now()
        if not self._last_good:
            self._last_good = now
            self._timer.wait(now, self._settings.checkpoint_interval_seconds)
        if self._job is not None and self._job.done():
            self._take(self._job)
            self._job = None
        if self._job is None and self._timer.due(now):
            self._job = self._pool.submit(self._round, dict(self.copies), seconds)
        if self._journal.unsent and (self._letter is None or self._letter.done()) and self._letters.due(now):
            self._letter = self._pool.submit(self._send_quietly)
        late = copies_are_late(now, self._last_good, self._settings.checkpoint_interval_seconds)
        if late != self.late:
            self.late = late
            self._journal.event(*(("copies_late", self._fault) if late else ("copies_caught_up", "")))

    @property
    def age_seconds(self) -> float | None:
        """How long ago all that is closed was seen in the bucket; None where nothing is copied."""
        return self._node.now() - self._last_good if self._last_good else None

    def settle(self) -> None:
        """Wait until nothing is on its way any more."""
        if self._job is not None:
            try:
                self._take_over(self._job.result())
            except (TrainingError, OSError):
                pass  # the next round copies it
            self._job = None
        if self._letter is not None:
            self._letter.result()

    def finish(self, seconds: float, ended: Ended) -> None:
        """The last round. Raises TrainingError."""
        self.settle()
        if self.place:
            self._take_over(self._round(self.copies, seconds, ended))

    def _round(self, copies: t.Mapping[str, Copy], seconds: float, ended: Ended | None = None) -> Round:
        done = self._copier.round(copies, seconds, ended)
        return replace(done, event_files_not_copied=self._event_files.round())

    def send_journal(self) -> None:
        """Raises TrainingError."""
        self._journal.unsent = False
        # Before spec.json, which points to it.
        code = {} if self._code_is_sent else self._journal.code()
        try:
            bucket = Bucket(self._node.s5cmd, self.place)
            if code:
                bucket.upload(code)
            self._code_is_sent = True
            bucket.upload(self._journal.sources())
        except TrainingError:
            self._journal.unsent = True
            raise

    def _send_quietly(self) -> None:
        try:
            self.send_journal()
        except TrainingError:
            pass  # the rounds say so

    def _take(self, job: Future[Round]) -> None:
        try:
            self._take_over(job.result())
        except (TrainingError, OSError) as error:
            if str(error) != self._fault:
                self._fault = str(error)
                self._journal.event("copy_failed", self._fault)
            self._timer.wait(self._node.now(), min(RETRY_SECONDS, self._settings.checkpoint_interval_seconds))

    def _take_over(self, done: Round) -> None:
        self.copies, self._fault = done.copies, ""
        self._last_good = self._node.now()
        if done.copied:
            self.newest = {"name": done.newest, "time": done.time}
            self._journal.event("checkpoint_copied", ", ".join(_some(done.copied)))
        if done.removed:
            self._journal.event("checkpoint_removed", ", ".join(_some(done.removed)))
        if done.not_removed:
            self._journal.event("checkpoint_not_removed", done.not_removed)
        if done.event_files_not_copied:
            self._journal.event("event_files_not_copied", done.event_files_not_copied)


def _some(paths: t.Sequence[str]) -> list[str]:
    return [*paths[:5], f"and {len(paths) - 5} more"] if len(paths) > 5 else list(paths)


class Publishing:
    """Metrics on their way beside the watching, which waits for nobody who is told."""

    def __init__(self, settings: Settings, node: Node, journal: Journal) -> None:
        self._node = node
        self._journal = journal
        self._publisher = Publisher(settings, journal.directory, node.log(settings.run_id), node.metadata)
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._jobs: deque[Future[list[Event]]] = deque()
        self._timer = Timer(METRICS_SECONDS)
        self._was_urgent = False
        self._fault = ""

    def tick(self, look: t.Callable[[], Look], is_urgent: bool) -> None:
        """Tell what is known, each minute and as soon as it is urgent."""
        while self._jobs and self._jobs[0].done():
            self._take(self._jobs.popleft())
        now = self._node.now()
        if is_urgent and not self._was_urgent:
            self._was_urgent = True
            self._timer.wait(now, 0)
        if not self._jobs and self._timer.due(now) and self._publisher.is_wanted:
            self._jobs.append(self._pool.submit(self._publisher.round, look()))

    def finish(self, look: Look) -> None:
        """Begin to tell what is left to be told."""
        if self._publisher.is_wanted:
            self._jobs.append(self._pool.submit(self._publisher.round, look, True))

    def settle(self) -> None:
        """Wait until all is told, or was refused."""
        while self._jobs:
            self._take(self._jobs.popleft())

    @property
    def has_unsent(self) -> bool:
        return self._publisher.has_unsent

    def _take(self, job: Future[list[Event]]) -> None:
        try:
            for each in job.result(LAST_METRICS_SECONDS):
                self._journal.event(each.event, each.detail)
        except Exception as error:  # whatever is wrong with a metric, the training is looked after
            fault = f"{type(error).__name__}: {error}"
            if fault != self._fault:
                self._fault = fault
                self._journal.event("metrics_failed", fault)


class Watch:
    """What is known of the run while it goes on."""

    def __init__(self, settings: Settings, node: Node, journal: Journal) -> None:
        self._settings = settings
        self._node = node
        self._journal = journal
        self.accelerators: list[Accelerator] = []
        self._idle_since: float | None = None
        self._notice: float | None = None
        self._accelerator_timer = Timer(ACCELERATOR_SECONDS)
        self._notice_timer = Timer(NOTICE_SECONDS)
        self._usage_timer = Timer(0)
        self._meter = Meter()
        # Of the minute that is told next; nobody may ask for it.
        self.utilizations: deque[float] = deque(maxlen=METRICS_SECONDS // ACCELERATOR_SECONDS)

    def tick(self, seconds: float) -> None:
        now = self._node.now()
        if self._accelerator_timer.due(now):
            self.accelerators = accelerators(self._node.run)
            self._idle_since = idle_since(
                self._idle_since, now, self.accelerators, self._settings.idle_threshold_percent
            )
            utilization = mean_utilization(self.accelerators)
            self.utilizations.extend([] if utilization is None else [utilization])
        if self._notice_timer.due(now):
            self._ask_for_notice(now)
        if self._usage_timer.due(now):
            self._write_usage(now, seconds)
            self._usage_timer.wait(now, usage_pause_seconds(seconds))

    def stop(self, seconds: float) -> Stop | None:
        left = self._notice - self._node.now() if self._notice is not None else None
        return stop_for(self._settings, seconds, self.idle_seconds, left)

    @property
    def idle_seconds(self) -> float:
        return self._node.now() - self._idle_since if self._idle_since is not None else 0

    @property
    def is_noticed(self) -> bool:
        """Whether AWS takes the instance back."""
        return self._notice is not None

    def _ask_for_notice(self, now: float) -> None:
        try:
            answer = self._node.metadata.spot_notice()
        except OSError:
            self._notice_timer.wait(now, NO_METADATA_SECONDS)
            return
        if answer:
            self._notice = now + notice_seconds(answer, now)

    def _write_usage(self, now: float, seconds: float) -> None:
        self._journal.usage(
            {
                "accelerators": accelerator_list(self.accelerators),
                **self._meter.read(now),
                "cost_usd": cost_usd(self._settings, seconds),
            }
        )


class Supervision:
    """The whole of it, for one start of the container."""

    def __init__(self, settings: Settings, directory: str, node: Node) -> None:
        self._attempt = read_mapping(os.path.join(directory, ATTEMPT))
        attempt = self._known = Attempt.parse(self._attempt)
        settings = replace(settings, earlier_seconds=attempt.earlier_seconds, earlier_usd=attempt.earlier_usd)
        self._settings = settings
        self._node = node
        self._journal = Journal(directory, settings.node_rank)
        memory = self._journal.memory()
        self._clock: dict[str, float] = memory.get("clock", {})
        self._ended = memory.get("ended", "")
        root = settings.checkpoints_directory or os.path.join(directory, CHECKPOINTS)
        self._copying = Copying(settings, node, self._journal, root)
        self._copying.copies = {path: Copy(*copy) for path, copy in memory.get("copies", {}).items()}
        self._copying.newest = memory.get("newest")
        self._watch = Watch(settings, node, self._journal)
        self._publishing = Publishing(settings, node, self._journal)
        self._meter = Meter()
        self._status_timer = Timer(STATUS_SECONDS)
        self._kernel_timer = Timer(KERNEL_SECONDS)
        self._stop: Stop | None = None
        self._kill_at = 0.0
        self._killed = False

    def supervise(self) -> bool:
        """Returns when this start is over: whether another attempt was started, which has to be supervised in its turn."""
        state = self._wait_for_container()
        if state is None or _start_of(state) == self._ended:
            return False
        self._write_spec()
        self._journal.event("supervision_started", f"container {state.container_id[:12]}")
        self._look_back()
        last = state
        while state is not None and not state.ended:
            last = state
            self._tick(state)
            self._node.sleep(TICK_SECONDS)
            state = self._find(state)
        if state is None:
            remove_secrets(self._settings.run_id)
            self._journal.event("container_removed")
            self._remember(_start_of(last))
            self._status("ended")
            return False
        return self._end(state)

    # ---- While it goes on ------------------------------------------------------------------------------------------

    def _wait_for_container(self) -> State | None:
        deadline = self._node.now() + START_SECONDS
        while self._node.now() < deadline:
            state = self._find(None)
            if state is not None:
                return state
            self._node.sleep(TICK_SECONDS)
        self._journal.event("gave_up", "no container of this run was ever started")
        return None

    def _find(self, last: State | None) -> State | None:
        """That Docker cannot be reached says nothing about the run: it is as it was."""
        try:
            return self._node.docker().find(self._settings.run_id)
        except (TrainingError, OSError):
            return last

    def _write_spec(self) -> None:
        """All it takes to start the run elsewhere; it goes to the bucket with the first event."""
        container = read_mapping(os.path.join(self._journal.directory, CONTAINER))
        if container:
            text = hyperparameters_text(self._journal.directory)
            settings = settings_of(self._journal.directory)
            write_mapping(
                os.path.join(self._journal.directory, SPEC), spec_document(container, settings, self._attempt, text)
            )

    def _look_back(self) -> None:
        """The time that the run has trained on another node counts."""
        if self._clock:
            return
        try:
            self._clock[EARLIER] = self._copying.earlier_seconds()
        except (TrainingError, OSError) as error:
            self._journal.event("earlier_time_unknown", str(error))

    def _tick(self, state: State) -> None:
        started = time_of(state.started_at)
        if state.running and started:
            self._clock = clock_after(self._clock, _start_of(state), self._node.now() - started.timestamp())
            self._watch.tick(spent_seconds(self._clock))
            self._hold_to_limits(state)
            if self._kernel_timer.due(self._node.now()):
                self._note_xids(state)
        seconds = spent_seconds(self._clock)
        copies = self._copying.copies
        self._copying.tick(seconds)
        if state.running:
            self._publishing.tick(self._look, self._watch.is_noticed)
        due = self._status_timer.due(self._node.now())
        if due:
            self._status("stopping" if self._stop else "running")
        if due or self._copying.copies != copies:
            self._remember()

    def _hold_to_limits(self, state: State) -> None:
        now = self._node.now()
        if self._stop is None:
            self._stop = self._watch.stop(spent_seconds(self._clock))
            if self._stop is not None:
                mark_stopped(state.directory, self._stop.why)
                self._journal.event(self._stop.event, f"{self._stop.why}; {self._stop.grace_seconds} s of grace")
                self._kill_at = now + self._stop.grace_seconds
                self._signal("SIGTERM")
        elif now >= self._kill_at and not self._killed:
            self._killed = True
            self._journal.event("killed", f"it did not end within {self._stop.grace_seconds} s")
            self._signal("SIGKILL")

    def _note_xids(self, state: State) -> None:
        """Keep what the driver of the GPUs reports, as long as the kernel knows it."""
        started = time_of(state.started_at)
        for each in note_xids(self._journal.directory, started.timestamp()) if started else ():
            self._journal.event("gpu_error", each.text)

    def _signal(self, name: str) -> None:
        try:
            self._node.docker().signal(self._settings.run_id, name)
        except (TrainingError, OSError) as error:
            self._journal.event("signal_failed", str(error))

    def _status(self, state: str, why: str = "") -> None:
        price = self._settings.price_per_hour_usd or None
        self._journal.status(
            {
                "state": state,
                "why": why,
                "retries_left": max(0, self._settings.retries - self._known.retry),
                "accelerators": accelerator_list(self._watch.accelerators),
                "price_per_hour_usd": price,
                "cost_usd": cost_usd(self._settings, spent_seconds(self._clock)),
                "newest_checkpoint": self._copying.newest,
                "copies_late": self._copying.late,
            }
        )

    def _look(self) -> Look:
        """What is known at this moment, but for the log."""
        now, watch = self._node.now(), self._watch
        utilizations = list(watch.utilizations)
        watch.utilizations.clear()
        single = {
            "run_price_usd_per_hour": self._settings.price_per_hour_usd or None,
            "idle_accelerator_seconds": watch.idle_seconds if watch.accelerators else None,
            "checkpoint_age_seconds": self._copying.age_seconds,
            "spot_notice": 1 if watch.is_noticed else None,
        }
        used = {**usage_values(self._meter.read(now)), **accelerator_values(watch.accelerators, utilizations)}
        return Look(now, {**self._last_look().values, **known(single), **used})

    def _last_look(self) -> Look:
        """What holds when the run is over."""
        cost = cost_usd(self._settings, spent_seconds(self._clock))
        spent = {"run_cost_usd": cost, "budget_used_percent": percent_of(cost, self._settings.budget_usd)}
        return Look(self._node.now(), known(spent))

    def _remember(self, ended: str = "") -> None:
        self._journal.remember(
            {
                "clock": self._clock,
                "copies": self._copying.copies,
                "newest": self._copying.newest,
                "ended": ended or self._ended,
            }
        )

    # ---- When it is over -------------------------------------------------------------------------------------------

    def _end(self, state: State) -> bool:
        remove_secrets(state.run_id)
        self._watch.accelerators = []
        self._clock = clock_after(self._clock, _start_of(state), seconds_between(state.started_at, state.finished_at))
        self._note_xids(state)
        self._journal.event("container_ended", ending(state).reason)
        self._publishing.finish(self._last_look())
        if self._try_again(state):
            return True
        self._status("copying")
        home = self._bring_home(state)
        self._publishing.settle()
        if self._publishing.has_unsent:
            self._publishing.finish(self._last_look())
            self._publishing.settle()
        leaves = home and self._settings.when_finished != "keep" and bool(self._copying.place)
        if leaves and not (self._stop and self._stop.event == "spot_interruption"):
            self._leave()
        self._remember(_start_of(state))
        self._status("ended")
        if leaves:
            self._node.shutdown()
        return False

    def _try_again(self, state: State) -> bool:
        """Start the next attempt, if this one is to be tried again."""
        try:
            if not self._settings.retries or not self._waits_for_next(state):
                return False
            here = Here(self._node.docker(), self._node.s5cmd, self._node.run)
            attempt = self._patiently(lambda: prepare_again(state, here, self._settings.results))
            self._patiently(lambda: start_attempt(self._node.docker(), state.run_id, state.directory))
        except (TrainingError, OSError) as error:
            take_back(state)
            self._journal.event("not_tried_again", str(error))
            return False
        self._journal.event("tried_again", f"attempt {attempt.attempt}, from {attempt.checkpoint or 'the beginning'}")
        return True

    def _waits_for_next(self, state: State) -> bool:
        """Wait before the next attempt: a connection may come back, and those who follow read the log to its end."""
        run = self._patiently(lambda: run_on_node(state))
        if not is_tried_again(run, self._settings.retries, self._known.retry):
            return False
        pause, times = self._settings.pause_seconds, f"{self._known.retry + 1} of {self._settings.retries}"
        self._status(TRYING_AGAIN, f"{run['reason'].rstrip('.')}; it is tried again in {pause} s ({times})")
        self._journal.event(TRYING_AGAIN, f"{run['reason'].rstrip('.')}; in {pause} s ({times})")
        self._copying.settle()
        self._publishing.settle()
        self._remember()
        self._node.sleep(pause)
        # It may have been stopped meanwhile.
        return is_tried_again(run_on_node(state), self._settings.retries, self._known.retry)

    def _patiently(self, act: t.Callable[[], Result]) -> Result:
        """Docker may restart, and after a boot a file system may not be mounted yet. Raises TrainingError and OSError."""
        deadline = self._node.now() + AGAIN_SECONDS
        while True:
            try:
                return act()
            except (TrainingError, OSError) as error:
                if isinstance(error, UsedUp) or self._node.now() >= deadline:
                    raise
            self._node.sleep(TICK_SECONDS)

    def _bring_home(self, state: State) -> bool:
        """Have the results in the bucket and verified, however often it takes."""
        deadline, pause, fault = self._node.now() + RESULTS_SECONDS, TICK_SECONDS, ""
        finished = time_of(state.finished_at)
        ended = Ended(state.exit_code, finished.timestamp() if finished else self._node.now())
        while True:
            try:
                self._copying.finish(spent_seconds(self._clock), ended)
                self._collect(state)
                return True
            except (TrainingError, OSError) as error:
                if str(error) != fault:
                    fault = str(error)
                    self._journal.event("results_failed", fault)
            self._status("copying")
            if self._node.now() >= deadline:
                self._journal.event("results_given_up", "the node stays, or what the run made would be lost")
                return False
            self._node.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def _collect(self, state: State) -> None:
        params = {
            "run": run_on_node(state),
            "directory": state.directory,
            "checkpoints_directory": state.checkpoints_directory,
            "destination": self._settings.results,
        }
        result = collect(params, self._node.s5cmd, False)
        if not self._copying.place:
            self._journal.event("results_recorded", result["record_file"])
            return
        self._journal.event("results_collected", result["destination"])
        self._copying.send_journal()

    def _leave(self) -> None:
        """Wait until nobody needs this node, then for those who follow the run to read how it ended."""
        while self._others_train():
            self._node.sleep(RETRY_SECONDS)
        what, linger = self._settings.when_finished, self._settings.linger_seconds
        self._journal.event("shutdown", f"when_finished is {what}; the node goes down in {linger} s")
        try:
            self._copying.send_journal()
        except TrainingError:
            pass  # the results are there; only the last word is missing
        self._node.sleep(linger)

    def _others_train(self) -> bool:
        try:
            return any(other.running for other in self._node.docker().all() if other.run_id != self._settings.run_id)
        except (TrainingError, OSError):
            return True


def _start_of(state: State) -> str:
    """A container can be started again, and each start counts by itself."""
    return f"{state.container_id[:12]} {state.started_at}"

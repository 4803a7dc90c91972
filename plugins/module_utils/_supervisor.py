# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Decisions about a run that nobody watches: what is copied, when it is stopped, what becomes of its node. Pure."""

from __future__ import annotations

import csv
import json
import re
import typing as t
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timezone

from ansible_collections.trainyard.aws.plugins.module_utils._durations import text_of
from ansible_collections.trainyard.aws.plugins.module_utils._training_results import LATEST, entry_of, series_of

# The same columns in the same order, asked of each vendor's tool.
ACCELERATOR_QUERIES = (
    (
        "nvidia-smi",
        "--query-gpu=name,utilization.gpu,memory.used,memory.total",
        "--format=csv,noheader,nounits",
    ),
    ("hl-smi", "-Q", "name,utilization.aip,memory.used,memory.total", "-f", "csv,noheader,nounits"),
)
LATE_INTERVALS = 2
SHORTEST_USAGE_SECONDS, LONGEST_USAGE_SECONDS = 5, 60
# A file that was written to so shortly before the training was killed may be half a file.
HALF_WRITTEN_SECONDS = 5
SPOT_NOTICE_SECONDS = 120
# What is left of a spot notice for the last copy when the training uses all its grace.
SPOT_COPY_SECONDS = 60
SHORTEST_GRACE_SECONDS = 5
_NUMBER = re.compile(r"\d+(\.\d+)?")
_KILLED = 137


@dataclass(frozen=True)
class Settings:
    """What the supervisor is told about a run. 0 is no limit, an empty text nothing of the kind."""

    run_id: str
    node: str = ""
    node_rank: int = 0
    node_count: int = 1
    results: str = ""
    checkpoints_directory: str = ""
    checkpoint_interval_seconds: int = 300
    checkpoints_kept: int = 0
    max_duration_seconds: int = 0
    budget_usd: float = 0
    price_per_hour_usd: float = 0
    idle_stop_seconds: int = 0
    idle_threshold_percent: float = 5
    when_finished: str = "keep"  # keep, stop, terminate
    grace_seconds: int = 120
    retries: int = 0
    progress_pattern: str = ""
    metrics_enabled: bool = True
    metrics_namespace: str = ""  # in CloudWatch; what is written for Prometheus has none
    # What earlier attempts used, which may have had another price.
    earlier_seconds: float = 0
    earlier_usd: float = 0
    linger_seconds: int = 60
    pause_seconds: int = 30  # before the next attempt

    @classmethod
    def parse(cls, values: t.Mapping[str, t.Any]) -> Settings:
        """Takes what it knows, so that a later release may write more."""
        return cls(**{field.name: values[field.name] for field in fields(cls) if field.name in values})


@dataclass(frozen=True)
class Accelerator:
    name: str
    utilization_percent: float | None
    memory_used_mib: float | None
    memory_total_mib: float | None


class File(t.NamedTuple):
    """A file as it looked. A tuple, because there may be many."""

    size: int
    mtime_ns: int
    device: int
    inode: int


class Copy(t.NamedTuple):
    """A file that is in the bucket, as it was when it was copied."""

    size: int
    mtime_ns: int
    sha256: str


@dataclass(frozen=True)
class Stop:
    """Why a run is stopped, and how long it has."""

    event: str
    why: str
    grace_seconds: int


def time_text(seconds: float) -> str:
    """Seconds since 1970 as ISO 8601 in UTC."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


# ---- Time, money and idleness --------------------------------------------------------------------------------------


def clock_after(clock: t.Mapping[str, float], start: str, seconds: float) -> dict[str, float]:
    """How long the run has trained in each of its starts. A pause between two of them is not training."""
    return {**clock, start: max(0.0, round(seconds, 3))}


def spent_seconds(clock: t.Mapping[str, float]) -> float:
    return sum(clock.values())


def cost_usd(settings: Settings, seconds: float) -> float | None:
    """What all attempts of a run have cost."""
    own = max(0.0, seconds - settings.earlier_seconds)
    return (
        round(settings.earlier_usd + own / 3600 * settings.price_per_hour_usd, 4)
        if settings.price_per_hour_usd
        else None
    )


def parse_accelerators(answer: str) -> list[Accelerator]:
    """What nvidia-smi or hl-smi answers, a line for each accelerator. A value that is no number is unknown."""
    rows = csv.reader(answer.splitlines(), skipinitialspace=True)
    return [Accelerator(row[0].strip(), *(_number(value) for value in row[1:])) for row in rows if len(row) == 4]


def _number(text: str) -> float | None:
    match = _NUMBER.match(text.strip())
    return float(match.group()) if match else None


def idle_since(
    before: float | None, now: float, accelerators: t.Sequence[Accelerator], threshold: float
) -> float | None:
    """Since when all accelerators have done next to nothing. Where that is not known, nothing is idle."""
    if not accelerators:
        return None
    for each in accelerators:
        if each.utilization_percent is None or each.utilization_percent >= threshold:
            return None
    return now if before is None else before


def stop_for(settings: Settings, seconds: float, idle_seconds: float, notice_seconds: float | None) -> Stop | None:
    """Whether the run has to end, and why. What cannot wait comes first."""
    grace = settings.grace_seconds
    if notice_seconds is not None:
        left = max(SHORTEST_GRACE_SECONDS, int(notice_seconds) - SPOT_COPY_SECONDS)
        return Stop("spot_interruption", "stopped because AWS takes the spot instance back", min(grace, left))
    if settings.max_duration_seconds and seconds >= settings.max_duration_seconds:
        limit = text_of(settings.max_duration_seconds)
        return Stop("time_limit", f"stopped by its time limit of {limit}", grace)
    cost = cost_usd(settings, seconds)
    if settings.budget_usd and cost is not None and cost >= settings.budget_usd:
        return Stop("budget_limit", f"stopped by its budget of {settings.budget_usd:g} USD", grace)
    if settings.idle_stop_seconds and idle_seconds >= settings.idle_stop_seconds:
        idle, threshold = text_of(settings.idle_stop_seconds), f"{settings.idle_threshold_percent:g} %"
        return Stop("idle_limit", f"stopped because its accelerators were used less than {threshold} for {idle}", grace)
    return None


def notice_seconds(answer: str, now: float) -> float:
    """Seconds until AWS takes the instance, from the metadata's spot/instance-action; a notice that cannot be read is a new one."""
    try:
        moment = datetime.fromisoformat(str(json.loads(answer)["time"]).replace("Z", "+00:00"))
    except (ValueError, KeyError, TypeError):
        return SPOT_NOTICE_SECONDS
    return moment.timestamp() - now


# ---- Checkpoints ---------------------------------------------------------------------------------------------------


def is_event_file(path: str) -> bool:
    """Whether TensorBoard's writers made it. It is open and grows as long as the training, and nobody continues from it."""
    return ".tfevents." in path.rpartition("/")[2]


def closed_files(
    before: t.Mapping[str, File], now: t.Mapping[str, File], writing: t.Container[tuple[int, int]]
) -> set[str]:
    """Files that nobody writes: alike in two looks, and not open for writing. A numbered directory is one thing, all or nothing."""
    quiet = {
        path for path, file in now.items() if before.get(path) == file and (file.device, file.inode) not in writing
    }
    return quiet - _of_unfinished_directories(now, quiet) - {LATEST}


def files_at_end(now: t.Mapping[str, File], exit_code: int, finished_at: float) -> set[str]:
    """Files that are whole after the training has ended: all, unless it was killed while it wrote."""
    if exit_code != _KILLED:
        return set(now) - {LATEST}
    last_ns = (finished_at - HALF_WRITTEN_SECONDS) * 1e9
    quiet = {path for path, file in now.items() if file.mtime_ns < last_ns}
    return quiet - _of_unfinished_directories(now, quiet) - {LATEST}


def _of_unfinished_directories(now: t.Mapping[str, File], quiet: t.Container[str]) -> set[str]:
    unfinished = {entry_of(path) for path in now if path not in quiet and "/" in path and series_of(entry_of(path))}
    return {path for path in now if entry_of(path) in unfinished}


def to_copy(now: t.Mapping[str, File], closed: t.Iterable[str], copies: t.Mapping[str, Copy]) -> list[str]:
    """Closed files that are not in the bucket as they are."""
    return sorted(path for path in closed if (now[path].size, now[path].mtime_ns) != tuple(copies.get(path, ())[:2]))


def newest_entry(copies: t.Mapping[str, Copy]) -> str:
    """The checkpoint to continue from: the one written last, of those with a number if there are any."""
    entries: dict[str, int] = {}
    for path, copy in copies.items():
        entries[entry_of(path)] = max(copy.mtime_ns, entries.get(entry_of(path), 0))
    numbered = {entry: mtime for entry, mtime in entries.items() if series_of(entry)}
    chosen = numbered or entries
    return max(chosen, key=lambda entry: (chosen[entry], entry)) if chosen else ""


def latest_document(copies: t.Mapping[str, Copy], time: str, node_rank: int, seconds: float) -> str:
    """LATEST: what is in the bucket, whole, and which of it is the newest checkpoint."""
    files = [
        {"path": path, "size": copy.size, "sha256": copy.sha256, "mtime_ns": copy.mtime_ns}
        for path, copy in sorted(copies.items())
    ]
    document = {
        "name": newest_entry(copies),
        "time": time,
        "node_rank": node_rank,
        "spent_seconds": round(seconds, 3),
        "files": files,
    }
    return json.dumps(document, indent=2) + "\n"


def copies_are_late(now: float, last_good: float, interval: int) -> bool:
    """Whether the last round that brought everything into the bucket is too long ago."""
    return now - last_good > LATE_INTERVALS * interval


# ---- What is written down ------------------------------------------------------------------------------------------


def event_line(time: str, node_rank: int, event: str, detail: str) -> str:
    return json.dumps({"time": time, "node_rank": node_rank, "event": event, "detail": detail}) + "\n"


def accelerator_list(accelerators: t.Iterable[Accelerator]) -> list[dict[str, t.Any]]:
    return [asdict(each) for each in accelerators]


def cpu_percent(before: t.Sequence[int], now: t.Sequence[int]) -> float | None:
    """Use of all processors between two looks at the first line of /proc/stat."""
    passed = sum(now) - sum(before)
    idle = sum(now[3:5]) - sum(before[3:5])
    return round(100 * (1 - idle / passed), 1) if passed > 0 else None


def rates(before: t.Mapping[str, int], now: t.Mapping[str, int], seconds: float) -> dict[str, float]:
    """Each counter's growth in a second. One that fell has begun anew and says nothing."""
    known = {name: value - before.get(name, value) for name, value in now.items() if seconds > 0}
    return {f"{name}_per_second": round(grown / seconds, 1) for name, grown in known.items() if grown >= 0}


def usage_pause_seconds(trained_seconds: float) -> float:
    """How long to wait before use is noted again: a short run has curves, too, and a long one no huge file."""
    return min(LONGEST_USAGE_SECONDS, max(SHORTEST_USAGE_SECONDS, trained_seconds / 60))

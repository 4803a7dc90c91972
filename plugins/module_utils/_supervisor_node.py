# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""What the supervisor of a run sees and does on its node, but for Docker and the bucket."""

from __future__ import annotations

import json
import os
import stat
import time
import typing as t

from ansible_collections.trainyard.aws.plugins.module_utils._supervisor import (
    ACCELERATOR_QUERIES,
    Accelerator,
    File,
    cpu_percent,
    event_line,
    parse_accelerators,
    rates,
    time_text,
)
from ansible_collections.trainyard.aws.plugins.module_utils._training_results import (
    CODE_ARCHIVE,
    CODE_DIFF,
    SPEC,
    unsafe,
)
from ansible_collections.trainyard.aws.plugins.module_utils._whole_file import write_whole

# (return code, stdout, stderr) of a program with its arguments and its input
Run = t.Callable[[t.Sequence[str], t.Optional[str]], tuple[int, str, str]]

MEMORY = "supervisor.json"
_WRITING = os.O_WRONLY | os.O_RDWR
_SECTOR_BYTES = 512
_VIRTUAL_DISKS = ("dm-", "loop", "md", "ram", "zram")
_VIRTUAL_CARDS = ("br-", "docker", "lo", "veth")


# ---- Files ---------------------------------------------------------------------------------------------------------


def look(root: str) -> dict[str, File]:
    """Every regular file below a directory as it is now. Links are not followed, because the container wrote them."""
    found = {}
    for parent, dummy, names in os.walk(root):
        for name in names:
            source = os.path.join(parent, name)
            try:
                seen = os.lstat(source)
            except OSError:
                continue  # it is gone again
            path = os.path.relpath(source, root)
            if stat.S_ISREG(seen.st_mode) and not unsafe(path):
                found[path] = File(seen.st_size, seen.st_mtime_ns, seen.st_dev, seen.st_ino)
    return found


def files_being_written(proc: str = "/proc") -> set[tuple[int, int]]:
    """Device and inode of every file that a process of this node has open for writing, in whatever container."""
    found = set()
    for process in filter(str.isdigit, os.listdir(proc)):
        descriptors = os.path.join(proc, process, "fd")
        try:
            numbers = os.listdir(descriptors)
        except OSError:
            continue
        for number in numbers:
            try:
                seen = os.stat(os.path.join(descriptors, number))
                if stat.S_ISREG(seen.st_mode) and _open_for_writing(os.path.join(proc, process, "fdinfo", number)):
                    found.add((seen.st_dev, seen.st_ino))
            except OSError:
                continue
    return found


def _open_for_writing(description: str) -> bool:
    with open(description, encoding="ascii") as file:
        flags = next((line.split()[1] for line in file if line.startswith("flags:")), "0")
    return bool(int(flags, 8) & _WRITING)


# ---- The machine ---------------------------------------------------------------------------------------------------


def accelerators(run: Run) -> list[Accelerator]:
    """What the accelerators do; nothing where there are none or their tool does not answer."""
    for query in ACCELERATOR_QUERIES:
        code, out, dummy = run(query, None)
        if code == 0:
            return parse_accelerators(out)
    return []


def processor_times(path: str = "/proc/stat") -> list[int]:
    with open(path, encoding="ascii") as file:
        return [int(value) for value in file.readline().split()[1:9]]


def memory_mib(path: str = "/proc/meminfo") -> dict[str, int]:
    """What is used of the memory, and what there is."""
    with open(path, encoding="ascii") as file:
        sizes = {line.split(":")[0]: int(line.split()[1]) for line in file}
    used = sizes["MemTotal"] - sizes.get("MemAvailable", sizes["MemFree"])
    return {"memory_used_mib": used // 1024, "memory_total_mib": sizes["MemTotal"] // 1024}


def transferred_bytes(proc: str = "/proc", block: str = "/sys/block") -> dict[str, int]:
    """What disks and network have moved since the boot."""
    with open(os.path.join(proc, "diskstats"), encoding="ascii") as file:
        disks = [words for words in map(str.split, file) if _is_disk(words[2], block)]
    with open(os.path.join(proc, "net/dev"), encoding="ascii") as file:
        cards = [line.split(":") for line in file if ":" in line]
    traffic = [counts.split() for name, counts in cards if not name.strip().startswith(_VIRTUAL_CARDS)]
    return {
        "disk_read_bytes": sum(int(words[5]) for words in disks) * _SECTOR_BYTES,
        "disk_written_bytes": sum(int(words[9]) for words in disks) * _SECTOR_BYTES,
        "network_received_bytes": sum(int(words[0]) for words in traffic),
        "network_sent_bytes": sum(int(words[8]) for words in traffic),
    }


def _is_disk(name: str, block: str) -> bool:
    """Neither a part of a disk nor a device that other disks stand behind, so that nothing counts twice."""
    return os.path.isdir(os.path.join(block, name)) and not name.startswith(_VIRTUAL_DISKS)


class Meter:
    """How busy the machine was since this meter was last read."""

    def __init__(self) -> None:
        self._at = 0.0
        self._processor: list[int] = []
        self._transferred: dict[str, int] = {}

    def read(self, now: float) -> dict[str, t.Any]:
        times, transferred = processor_times(), transferred_bytes()
        usage = {
            "cpu_percent": cpu_percent(self._processor, times) if self._processor else None,
            **memory_mib(),
            **(rates(self._transferred, transferred, now - self._at) if self._transferred else {}),
        }
        self._processor, self._transferred, self._at = times, transferred, now
        return usage


# ---- The run's own files -------------------------------------------------------------------------------------------


class Journal:
    """What the supervisor writes beside the run."""

    def __init__(self, directory: str, node_rank: int) -> None:
        self.directory = directory
        self._rank = node_rank
        self._memory = os.path.join(directory, MEMORY)
        self.unsent = True

    def sources(self) -> dict[str, str]:
        """Path in the results, and path on the node, of what is appended to while the run goes on."""
        names = {SPEC: SPEC, f"events-{self._rank}.jsonl": "events.jsonl", f"usage-{self._rank}.jsonl": "usage.jsonl"}
        files = {path: os.path.join(self.directory, name) for path, name in names.items()}
        return {path: file for path, file in files.items() if os.path.exists(file)}

    def code(self) -> dict[str, str]:
        """The same of the run's code, which does not change."""
        files = {path: os.path.join(self.directory, path) for path in (CODE_ARCHIVE, CODE_DIFF)}
        return {path: file for path, file in files.items() if os.path.exists(file)}

    def event(self, event: str, detail: str = "") -> None:
        self._append("events.jsonl", event_line(time_text(time.time()), self._rank, event, detail))
        self.unsent = True

    def usage(self, values: t.Mapping[str, t.Any]) -> None:
        line = {"time": time_text(time.time()), "node_rank": self._rank, **values}
        self._append("usage.jsonl", json.dumps(line) + "\n")

    def status(self, values: t.Mapping[str, t.Any]) -> None:
        status = {"time": time_text(time.time()), "node_rank": self._rank, **values}
        write_whole(os.path.join(self.directory, "status.json"), json.dumps(status) + "\n")

    def remember(self, memory: t.Mapping[str, t.Any]) -> None:
        write_whole(self._memory, json.dumps(memory) + "\n")

    def memory(self) -> dict[str, t.Any]:
        try:
            with open(self._memory, encoding="utf-8") as file:
                return dict(json.load(file))
        except (OSError, ValueError):
            return {}

    def _append(self, name: str, line: str) -> None:
        with open(os.path.join(self.directory, name), "a", encoding="utf-8") as file:
            file.write(line)

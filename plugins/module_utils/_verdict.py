# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Why a training failed, read from the end of its log: the reason in plain words, the decisive lines, and whether trying again helps. Pure."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

READ_LINES = 1000
_READ_CHARACTERS = 1000
_SHOWN_LINES = 3
_SHOWN_CHARACTERS = 300

_RANK = re.compile(r"\[rank ?[0-9]{1,6}\]:? ?", re.IGNORECASE)
_TRACEBACK = "Traceback (most recent call last):"
_EXCEPTION = re.compile(r"(?:[a-zA-Z_]\w{0,60}\.){0,8}[A-Z]\w{0,80}(?::|$)")
# What torchrun says when one of its processes has said its own word before, and what is no error.
_NO_CAUSE = re.compile(r"[\w.]{0,100}(?:ChildFailedError|SystemExit|KeyboardInterrupt)\b")
_XID = re.compile(r"NVRM: Xid \([^)]{0,60}\): ([0-9]{1,3})")
# Xids that NVIDIA's catalogue puts down to hardware, its memory or its links, and not to the program that computes.
_XIDS_OF_HARDWARE = frozenset((48, 54, 62, 63, 64, 74, 79, 92, 94, 95, 119, 120, 140))


@dataclass(frozen=True)
class Clue:
    """What some lines of a log mean."""

    reason: str
    decisive_lines: tuple[str, ...]
    may_be_retried: bool


@dataclass(frozen=True)
class _Sign:
    """Lines that tell why a training failed."""

    pattern: re.Pattern[str]
    reason: str
    may_be_retried: bool = False


def _sign(pattern: str, reason: str, may_be_retried: bool = False) -> _Sign:
    return _Sign(re.compile(pattern), reason, may_be_retried)


# The first that is found counts: what comes before is the cause of what comes after it.
_SIGNS = (
    _sign(
        r"fallen off the bus|[Uu]ncorrectable ECC error|Unable to determine the device handle for GPU",
        "a GPU failed. Train on another node",
        may_be_retried=True,
    ),
    _sign(
        r"CUDA out of memory|CUDA error: out of memory|HIP out of memory|CUBLAS_STATUS_ALLOC_FAILED|OOM when allocating tensor|"
        r"RESOURCE_EXHAUSTED: Out of memory|CUDA_ERROR_OUT_OF_MEMORY|Allocation failed for size",
        "the memory of the accelerator is full. Try a smaller batch size, or an accelerator with more memory",
    ),
    _sign(
        r"insufficient shared memory|DataLoader worker \(pid.{0,60}killed by signal: Bus error",
        "shared memory is full. Raise shm_size, or use fewer data loader workers",
    ),
    _sign(r"No space left on device|Disk quota exceeded", "a disk is full"),
    _sign(
        r"^MemoryError\b|std::bad_alloc|Cannot allocate memory|DefaultCPUAllocator: (?:not enough|can't allocate) memory|"
        r"numpy\..{0,40}ArrayMemoryError",
        "the memory of the container or of the node is full. Try a smaller batch size or a higher limit",
    ),
    _sign(r"^(?:ModuleNotFoundError|ImportError):", "a module is missing in the image"),
    _sign(r"[Dd]evice acquire failed", "the Gaudi accelerator was not to be had: another process may hold it"),
    _sign(
        r"Watchdog caught collective operation timeout|nccl(?:System|Remote|Internal|UnhandledCuda)Error|NCCL error|"
        r"DistBackendError|hcclResult|HCCL.{0,40}(?:error|failed)",
        "the accelerators lost each other (NCCL). See whether all ranks lived, and the network between them",
        may_be_retried=True,
    ),
    _sign(
        r"^[\w.]{0,80}(?:ConnectionResetError|ConnectTimeoutError|ReadTimeoutError|EndpointConnectionError|IncompleteRead\w{0,10}|"
        r"gaierror)\b|Temporary failure in name resolution|^OSError: \[Errno (?:5|107|116)\]",
        "a connection to data or to the network broke",
        may_be_retried=True,
    ),
)


def clue_in(lines: t.Sequence[str]) -> Clue | None:
    """What the end of a log says, None where it says nothing."""
    texts = [_RANK.sub("", line[:_READ_CHARACTERS], count=1).rstrip() for line in lines[-READ_LINES:]]
    return _xid_in(texts) or _sign_in(texts) or _exception_in(texts)


def _xid_in(texts: t.Sequence[str]) -> Clue | None:
    for text in texts:
        match = _XID.search(text)
        if match:
            hardware = int(match.group(1)) in _XIDS_OF_HARDWARE
            means = "a GPU failed. Train on another node" if hardware else "most often a fault of the program"
            return Clue(f"the GPU's driver reported Xid {match.group(1)}: {means}", _shown([text]), hardware)
    return None


def _sign_in(texts: t.Sequence[str]) -> Clue | None:
    for sign in _SIGNS:
        found = [text for text in texts if sign.pattern.search(text)]
        if found:
            return Clue(sign.reason, _shown(found), sign.may_be_retried)
    return None


def _exception_in(texts: t.Sequence[str]) -> Clue | None:
    """The last exception that Python reported, with the place it came from."""
    starts = [index for index, text in enumerate(texts) if text.endswith(_TRACEBACK)]
    for start in reversed(starts):
        place = ""
        for text in texts[start + 1 :]:
            if text.startswith((" ", "\t")):
                place = text.strip() if text.lstrip().startswith("File ") else place
            elif _EXCEPTION.match(text) and not _NO_CAUSE.match(text):
                return Clue(text[:_SHOWN_CHARACTERS], _shown(filter(None, (place, text))), False)
            else:
                break
    return None


def _shown(texts: t.Iterable[str]) -> tuple[str, ...]:
    """The first of them, each once."""
    return tuple(dict.fromkeys(text.strip()[:_SHOWN_CHARACTERS] for text in texts))[:_SHOWN_LINES]

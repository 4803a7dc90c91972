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


@dataclass(frozen=True)
class _Kind:
    """What kind of error an Xid reports. One of a lower rank explains more than one of a higher."""

    rank: int
    reason: str
    may_be_retried: bool


_HARDWARE = _Kind(0, "a GPU failed: {}. Train on another node", may_be_retried=True)
_HUNG = _Kind(0, "a GPU or its driver hung: {}. If it comes back, train on another node", may_be_retried=True)
_PROGRAM = _Kind(1, "most often a fault of the program: {}", may_be_retried=False)
_UNKNOWN = _Kind(1, "NVIDIA's Xid catalog says what it means", may_be_retried=False)
_CONSEQUENCE = _Kind(2, "{}, which is the consequence of another error", may_be_retried=False)

# In our words after https://docs.nvidia.com/deploy/xid-errors/analyzing-xid-catalog.html and its immediate actions: what asks for a reset,
# a restart or another machine is no fault of the program.
_XIDS = {
    8: (_HUNG, "it stopped working"),
    11: (_PROGRAM, "an invalid command"),
    13: (_PROGRAM, "an illegal instruction or address"),
    25: (_PROGRAM, "an illegal command"),
    31: (_PROGRAM, "an access to memory that is not its own"),
    32: (_PROGRAM, "a corrupted command"),
    43: (_CONSEQUENCE, "the GPU stopped the program's work"),
    45: (_CONSEQUENCE, "the program's work was cleaned up"),
    46: (_HUNG, "it stopped working"),
    48: (_HARDWARE, "an error of its memory that cannot be corrected"),
    54: (_HARDWARE, "its power is not connected"),
    62: (_HARDWARE, "its controller halted"),
    64: (_HARDWARE, "a bad row of its memory could not be replaced"),
    74: (_HARDWARE, "an error of NVLink"),
    79: (_HARDWARE, "it has fallen off the bus"),
    94: (_HARDWARE, "an error of its memory that hit this program only"),
    95: (_HARDWARE, "an error of its memory that may have hit every program"),
    109: (_HUNG, "switching between programs took too long"),
    110: (_HUNG, "a security fault"),
    119: (_HUNG, "its system processor (GSP) did not answer"),
    120: (_HUNG, "an error of its system processor (GSP)"),
    136: (_HARDWARE, "NVLink did not come up"),
    137: (_PROGRAM, "an illegal access to another GPU over NVLink"),
    140: (_HARDWARE, "an error of its memory that was not recovered from"),
    143: (_HARDWARE, "it could not be initialized"),
    **dict.fromkeys(range(144, 151), (_HARDWARE, "an error of NVLink")),
    151: (_HUNG, "its keys could not be rotated"),
    154: (_CONSEQUENCE, "what is needed to recover has changed"),
    157: (_HARDWARE, "a bad part of it could not be set aside"),
    158: (_HARDWARE, "a fatal timeout"),
    171: (_HARDWARE, "an error of its memory that cannot be corrected"),
    172: (_HARDWARE, "an error of its inner memory that cannot be corrected"),
}
# What was mended, and ends no training.
_NOTICES = frozenset((63, 92, 156))


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


def clue_in(lines: t.Sequence[str], kernel_lines: t.Sequence[str] = ()) -> Clue | None:
    """What the end of a log says, and the kernel's log about the GPUs meanwhile; None where they say nothing."""
    texts = [_RANK.sub("", line[:_READ_CHARACTERS], count=1).rstrip() for line in lines[-READ_LINES:]]
    own = _sign_in(texts) or _exception_in(texts)
    xid = _xid_in([line[:_READ_CHARACTERS] for line in kernel_lines] or texts)
    if own is None or xid is None or xid.kind.rank == _HARDWARE.rank:
        return xid.clue if xid else own
    if xid.kind.rank == _CONSEQUENCE.rank:
        return own
    # The program says better than its driver where it went wrong.
    lines_of_both = tuple(dict.fromkeys((*own.decisive_lines, *xid.clue.decisive_lines)))
    return Clue(f"{own.reason.rstrip('.')}; {xid.clue.reason}", lines_of_both, own.may_be_retried)


@dataclass(frozen=True)
class _Reported:
    """What kind of Xid a driver reported, and what that means."""

    kind: _Kind
    clue: Clue


def _xid_in(texts: t.Iterable[str]) -> _Reported | None:
    """The Xid that explains most; of several such the first, because what comes after it is often its consequence."""
    found = [(int(match.group(1)), text) for match, text in ((_XID.search(text), text) for text in texts) if match]
    found = [(code, text) for code, text in found if code not in _NOTICES]
    if not found:
        return None
    code, text = min(found, key=lambda each: _XIDS.get(each[0], (_UNKNOWN, ""))[0].rank)
    kind, meaning = _XIDS.get(code, (_UNKNOWN, ""))
    reason = f"the GPU's driver reported Xid {code}: {kind.reason.format(meaning)}"
    return _Reported(kind, Clue(reason, _shown([text]), kind.may_be_retried))


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

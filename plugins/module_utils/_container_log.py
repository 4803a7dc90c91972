# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""A container's log: frames, whole lines, and a cursor that loses nothing and repeats nothing. Pure.

Docker hands out a log in frames, each with a timestamp in nanoseconds. A line longer than 16 KiB comes in several frames,
all but the last of exactly that size. Logging driver C(local) keeps every byte but the newline of such a long line.

Frames of stdout and stderr are stamped before they queue for the log, so a frame can be older than the one before it. A cursor
therefore points some time before the last frame and counts what it has seen since: the order within a log never changes.
"""

from __future__ import annotations

import calendar
import struct
import typing as t
from collections import deque
from datetime import datetime, timedelta

from ansible_collections.trainyard.aws.plugins.module_utils._container_types import Cursor, Frame, Line, TrainingError

PARTIAL_SIZE = 16 * 1024
LAG_SECONDS = 2
SHOWN_BYTES = 2000
FLUSH_BYTES = 64 * 1024 * 1024
MAX_LINES = 20_000
MAX_BYTES = 4 * 1024 * 1024
MOST_TAIL = 500_000

_HEADER = struct.Struct(">BxxxL")
_TIMESTAMP_LENGTH = len("2026-11-20T10:00:00.000000000Z")
_SECONDS_FORMAT = "%Y-%m-%dT%H:%M:%S"
_SECONDS_LENGTH = len("2026-11-20T10:00:00")

START = Cursor("", 0)


def frames_of(chunks: t.Iterable[bytes], since: str = "") -> t.Iterator[Frame]:
    """The frames of a multiplexed stream, wherever its bytes were split on the way. What is not whole at the end is left out.

    Of those before ``since`` only the first comes: it tells how far back the stream reaches.
    """
    buffer, oldest, first = bytearray(), since.encode("ascii"), True
    for chunk in chunks:
        buffer += chunk
        start = 0
        while len(buffer) - start >= _HEADER.size:
            stream, size = _HEADER.unpack_from(buffer, start)
            end = start + _HEADER.size + size
            if end > len(buffer):
                break
            if not first and buffer[start + _HEADER.size : start + _HEADER.size + _TIMESTAMP_LENGTH] < oldest:
                start = end
                continue
            first = False
            stamp, dummy, data = bytes(buffer[start + _HEADER.size : end]).partition(b" ")
            yield Frame(stream, stamp.decode("ascii"), data)
            start = end
        del buffer[:start]


def is_partial(frame: Frame) -> bool:
    """Whether the frame's line goes on in the next frame of its stream."""
    return len(frame.data) >= PARTIAL_SIZE and not frame.data.endswith(b"\n")


def parse_cursor(text: str) -> Cursor:
    """A cursor from the text that was given out; nothing is the beginning of the log."""
    if not text:
        return START
    since, plus, seen = text.partition("+")
    try:
        if not plus:
            raise ValueError("no count")
        epoch_of(since)
        return Cursor(since, int(seen))
    except ValueError as error:
        raise TrainingError(
            f'Cannot read the log from cursor "{text}"',
            "it is none of ours.",
            "Leave it out to read from the beginning.",
        ) from error


def format_cursor(cursor: Cursor) -> str:
    return f"{cursor.since}+{cursor.seen}" if cursor.since else ""


def epoch_of(timestamp: str) -> str:
    """Docker's own way to ask for a moment: seconds and nanoseconds since 1970."""
    if len(timestamp) != _TIMESTAMP_LENGTH:
        raise ValueError(f"{timestamp} is no timestamp with nanoseconds")
    moment = datetime.strptime(timestamp[:_SECONDS_LENGTH], _SECONDS_FORMAT)
    return f"{calendar.timegm(moment.timetuple())}.{timestamp[_SECONDS_LENGTH + 1 : -1]}"


def before(timestamp: str, seconds: int) -> str:
    moment = datetime.strptime(timestamp[:_SECONDS_LENGTH], _SECONDS_FORMAT) - timedelta(seconds=seconds)
    return moment.strftime(_SECONDS_FORMAT) + timestamp[_SECONDS_LENGTH:]


def tail_to_cursor(cursor: Cursor, now: str) -> int:
    """How many last frames of a log most likely reach back to a cursor.

    Docker finds the last frames at once, and a moment only by reading the whole log up to it.
    """
    waited = max(0, _seconds_of(now) - _seconds_of(cursor.since))
    return 1000 + int(1.5 * cursor.seen * (1 + waited / LAG_SECONDS))


def reaches(oldest: str, cursor: Cursor) -> bool:
    """Whether frames from ``oldest`` on are all those after a cursor: no frame lies further back than frames are late."""
    return oldest < before(cursor.since, LAG_SECONDS)


def _seconds_of(timestamp: str) -> int:
    return calendar.timegm(datetime.strptime(timestamp[:_SECONDS_LENGTH], _SECONDS_FORMAT).timetuple())


def cursor_at_tail(frames: t.Iterable[Frame]) -> Cursor:
    """The cursor in front of the given last frames of a log."""
    return Cursor(min((frame.timestamp for frame in frames), default=""), 0)


def is_of_earlier(cursor: Cursor, created: str) -> bool:
    """Whether a cursor is in the log of a container that was there before the one that was created then: an earlier attempt's."""
    return bool(cursor.since and created) and cursor.since < before(created, LAG_SECONDS)


class _OpenLine:
    """A line that is still coming: the beginning of its last state, as a carriage return starts a new state."""

    def __init__(self, first_frame: int) -> None:
        self.first_frame = first_frame
        self.total = 0
        self._head = bytearray()
        self._size = 0
        self._last: Line | None = None

    def add(self, data: bytes) -> None:
        self.total += len(data)
        states = data.rstrip(b"\n").split(b"\r")
        self._extend(states[0])
        for state in states[1:]:
            if self._size:
                self._last = self._state()
            self._head.clear()
            self._size = 0
            self._extend(state)

    def _extend(self, data: bytes) -> None:
        self._head += data[: max(0, SHOWN_BYTES - len(self._head))]
        self._size += len(data)

    def _state(self) -> Line:
        return Line(bytes(self._head), self._size)

    def line(self) -> Line:
        return self._state() if self._size or self._last is None else self._last


def line_of(data: bytes) -> Line:
    """A whole line for a screen."""
    line = _OpenLine(0)
    line.add(data)
    return line.line()


class Batch:
    """What one look at a log brings: whole lines after a cursor, and the cursor after them."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._stamps: list[str] = []
        self._open: dict[int, _OpenLine] = {}
        self._last_completed = -1
        self._size = 0
        self.lines: list[Line] = []

    def add(self, frame: Frame) -> None:
        index = len(self._stamps)
        self._stamps.append(frame.timestamp)
        if index < self._cursor.seen:
            return
        if not self._open and b"\r" not in frame.data and len(frame.data) <= SHOWN_BYTES and not is_partial(frame):
            # As nearly all are: a short line that is whole.
            data = frame.data.rstrip(b"\n")
            self._last_completed = index
            self._append(Line(data, len(data)))
            return
        line = self._open.setdefault(frame.stream, _OpenLine(index))
        line.add(frame.data)
        if not is_partial(frame):
            self._last_completed = index
            self._complete(frame.stream)

    def fill(self, frames: t.Iterable[Frame], at_tail: bool = False) -> bool:
        """Take until it is enough. False where the frames are the last of a log and do not reach back to the cursor."""
        for number, frame in enumerate(frames):
            if at_tail and number == 0 and not reaches(frame.timestamp, self._cursor):
                return False
            if frame.timestamp >= self._cursor.since:
                self.add(frame)
            if self.full:
                break
        return True

    @property
    def full(self) -> bool:
        """Whether more would be too much for one answer; the rest is for the next look."""
        return len(self.lines) >= MAX_LINES or self._size >= MAX_BYTES or self._oversized

    def is_behind(self, moment: str) -> bool:
        """Whether more is there already: what was seen before has not all come again, or the last frame was written before a moment."""
        return len(self._stamps) < self._cursor.seen or (bool(self._stamps) and self._stamps[-1] < moment)

    @property
    def waits_for_rest(self) -> bool:
        """Whether a line is half here."""
        return bool(self._open)

    @property
    def _oversized(self) -> bool:
        return any(line.total >= FLUSH_BYTES for line in self._open.values())

    def finish(self, ended: bool) -> Cursor:
        """The cursor after the lines. A half line waits for the next look, unless that would repeat or never end."""
        first_open = min((line.first_frame for line in self._open.values()), default=len(self._stamps))
        if ended or self._oversized or first_open < self._last_completed:
            for stream in sorted(self._open, key=lambda each: self._open[each].first_frame):
                self._complete(stream)
            first_open = len(self._stamps)
        return self._cursor_after(self._stamps[:first_open])

    def _complete(self, stream: int) -> None:
        self._append(self._open.pop(stream).line())

    def _append(self, line: Line) -> None:
        self.lines.append(line)
        self._size += len(line.data)

    def _cursor_after(self, stamps: t.Sequence[str]) -> Cursor:
        if not stamps:
            return self._cursor
        since = max(self._cursor.since, before(max(stamps), LAG_SECONDS))
        return Cursor(since, sum(1 for stamp in stamps if stamp >= since))


def whole_log(frames: t.Iterable[Frame]) -> t.Iterator[bytes]:
    """The bytes as they were written, long lines in one piece and with the newline that the logging driver dropped."""
    rest = iter(frames)
    held: deque[Frame] = deque()  # what the other stream wrote in the middle of a long line
    long_line: int | None = None
    while True:
        from_held = held and long_line in (None, held[0].stream)
        frame = held.popleft() if from_held else next(rest, None)
        if frame is None and not held:
            return
        if frame is None:
            long_line = None  # the log ends in the middle of the long line
        elif long_line not in (None, frame.stream):
            held.append(frame)
        else:
            yield frame.data
            if is_partial(frame):
                long_line = frame.stream
            elif long_line is not None:
                long_line = None
                if not frame.data.endswith(b"\n"):
                    yield b"\n"

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import itertools
import struct
import typing as t

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _container_log as log
from ansible_collections.trainyard.aws.plugins.module_utils._container_types import Cursor, Frame, Line, TrainingError
from hypothesis import given, settings
from hypothesis import strategies as st

PARTIAL = 8  # instead of Docker's 16 KiB, so that long lines are short


@pytest.fixture(autouse=True, scope="module")
def short_partials() -> t.Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log, "PARTIAL_SIZE", PARTIAL)
        yield


def stamp(milliseconds: int) -> str:
    return f"2026-11-20T10:{milliseconds // 60000:02d}:{milliseconds // 1000 % 60:02d}.{milliseconds % 1000:03d}000000Z"


def frames_like_docker(stream: int, timestamp: str, line: bytes) -> list[Frame]:
    """A line with its newline, cut as logging driver local does: a long line loses the newline."""
    text = line[:-1]
    if len(text) < PARTIAL:
        return [Frame(stream, timestamp, line)]
    pieces = [text[start : start + PARTIAL] for start in range(0, len(text) + 1, PARTIAL)]
    return [Frame(stream, timestamp, piece) for piece in pieces]


def on_the_wire(frames: t.Iterable[Frame]) -> bytes:
    payloads = [(frame.stream, frame.timestamp.encode() + b" " + frame.data) for frame in frames]
    return b"".join(struct.pack(">BxxxL", stream, len(payload)) + payload for stream, payload in payloads)


def look(everything: t.Sequence[Frame], cursor: Cursor, ended: bool, tail: int = 0) -> tuple[list[Line], Cursor]:
    """What the engine does with Docker: ask for the last frames, or else from a moment on, and take until it is enough."""
    batch = log.Batch(cursor)
    wire = on_the_wire(everything[-tail:]) if tail else b""
    if not (tail and cursor.since and batch.fill(log.frames_of([wire], cursor.since), at_tail=True)):
        batch = log.Batch(cursor)
        batch.fill(frame for frame in everything if frame.timestamp >= cursor.since)
    after = batch.finish(ended and not batch.full)
    return batch.lines, after


def in_the_order_of_the_log(data: t.Any, written: t.Sequence[tuple[int, str]]) -> list[Frame]:
    """The streams are stamped each in its order and then queue: a frame can come up to 1.5 s after a younger one."""
    queues: dict[int, list[tuple[int, Frame]]] = {1: [], 2: []}
    for number, (stream, text) in enumerate(written):
        time = number * 250
        queues[stream] += [(time, frame) for frame in frames_like_docker(stream, stamp(time), text.encode() + b"\n")]
    frames = []
    while any(queues.values()):
        heads = {stream: queue[0][0] for stream, queue in queues.items() if queue}
        ready = [stream for stream, time in heads.items() if time <= min(heads.values()) + 1500]
        frames.append(queues[data.draw(st.sampled_from(ready))].pop(0)[1])
    return frames


# One stream writes letters, the other digits, so that lines tell where they come from.
LINES = st.tuples(st.just(1), st.text("abc", max_size=40)) | st.tuples(st.just(2), st.text("123", max_size=40))


@pytest.mark.parametrize(
    ("since", "created", "earlier"),
    [
        pytest.param("2026-11-20T10:00:00.000000000Z", "2026-11-20T10:00:40.5Z", True, id="long before"),
        pytest.param("2026-11-20T10:00:30.000000000Z", "2026-11-20T10:00:30.5Z", False, id="the lag of its own"),
        pytest.param("2026-11-20T10:00:50.000000000Z", "2026-11-20T10:00:40.5Z", False, id="after"),
        pytest.param("", "2026-11-20T10:00:40.5Z", False, id="the beginning"),
        pytest.param("2026-11-20T10:00:00.000000000Z", "", False, id="nobody knows"),
    ],
)
def test_a_cursor_knows_whose_log_it_is_in(since: str, created: str, earlier: bool) -> None:
    assert log.is_of_earlier(Cursor(since, 1), created) is earlier


@settings(max_examples=300)
@given(data=st.data(), written=st.lists(LINES, max_size=25), most=st.integers(1, 5))
def test_any_sequence_of_looks_shows_every_byte_once(data: t.Any, written: list[tuple[int, str]], most: int) -> None:
    frames = in_the_order_of_the_log(data, written)
    shown: list[bytes] = []
    cursor, there = log.START, 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log, "MAX_LINES", most)
        while there < len(frames):
            there = data.draw(st.integers(there + 1, len(frames)), label="frames there")
            tail = data.draw(st.integers(0, len(frames)), label="frames from the end")
            lines, cursor = look(frames[:there], cursor, ended=False, tail=tail)
            shown += [line.data for line in lines]
        for _ in range(len(frames) + 1):
            lines, cursor = look(frames, log.parse_cursor(log.format_cursor(cursor)), ended=True, tail=len(frames))
            shown += [line.data for line in lines]
    for stream, letters in ((1, b"abc"), (2, b"123")):
        seen = b"".join(line for line in shown if set(line) <= set(letters))
        assert seen == "".join(text for each, text in written if each == stream).encode()
    assert look(frames, cursor, ended=True)[0] == []


@settings(max_examples=200)
@given(data=st.data(), texts=st.lists(st.text("abc", max_size=40), max_size=12))
def test_lines_of_one_stream_come_whole(data: t.Any, texts: list[str]) -> None:
    frames = [
        frame
        for number, text in enumerate(texts)
        for frame in frames_like_docker(1, stamp(number), text.encode() + b"\n")
    ]
    shown, cursor, there = [], log.START, 0
    while there < len(frames):
        there = data.draw(st.integers(there + 1, len(frames)))
        lines, cursor = look(frames[:there], cursor, ended=there == len(frames))
        shown += [line.data.decode() for line in lines]
    assert shown == texts


@settings(max_examples=200)
@given(written=st.lists(LINES, max_size=15), cuts=st.lists(st.integers(0, 400), max_size=10))
def test_frames_survive_any_split_of_the_stream(written: list[tuple[int, str]], cuts: list[int]) -> None:
    frames = [Frame(stream, stamp(number), text.encode()) for number, (stream, text) in enumerate(written)]
    wire = on_the_wire(frames)
    places = [0, *sorted(min(cut, len(wire)) for cut in cuts), len(wire)]
    chunks = [wire[start:end] for start, end in itertools.pairwise(places)]
    assert list(log.frames_of(chunks)) == frames


def test_half_a_frame_is_left_out() -> None:
    wire = on_the_wire([Frame(1, stamp(1), b"one\n"), Frame(1, stamp(2), b"two\n")])
    assert list(log.frames_of([wire[:-1]])) == [Frame(1, stamp(1), b"one\n")]


@settings(max_examples=200)
@given(texts=st.lists(st.binary(max_size=40).filter(lambda each: b"\n" not in each), max_size=12))
def test_whole_log_is_what_was_written(texts: list[bytes]) -> None:
    frames = [
        frame for number, text in enumerate(texts) for frame in frames_like_docker(1, stamp(number), text + b"\n")
    ]
    assert b"".join(log.whole_log(frames)) == b"".join(text + b"\n" for text in texts)


@pytest.mark.parametrize(
    ("frames", "written"),
    [
        pytest.param([], b"", id="nothing"),
        pytest.param([Frame(1, stamp(1), b"end")], b"end", id="no newline at the end"),
        pytest.param(
            [Frame(1, stamp(1), b"a" * 8), Frame(2, stamp(2), b"err\n"), Frame(1, stamp(1), b"a")],
            b"aaaaaaaaa\nerr\n",
            id="other stream in the middle of a long line",
        ),
        pytest.param(
            [
                Frame(1, stamp(1), b"a" * 8),
                Frame(2, stamp(2), b"b" * 8),
                Frame(1, stamp(1), b"a"),
                Frame(1, stamp(3), b"next\n"),
                Frame(2, stamp(2), b"b"),
            ],
            b"aaaaaaaaa\nbbbbbbbbb\nnext\n",
            id="two long lines at once",
        ),
        pytest.param(
            [Frame(1, stamp(1), b"a" * 8), Frame(2, stamp(2), b"err\n")], b"aaaaaaaaerr\n", id="killed in a long line"
        ),
    ],
)
def test_whole_log(frames: list[Frame], written: bytes) -> None:
    assert b"".join(log.whole_log(frames)) == written


@pytest.mark.parametrize(
    ("data", "line"),
    [
        pytest.param(b"plain\n", Line(b"plain", 5), id="plain"),
        pytest.param(b"\n", Line(b"", 0), id="empty"),
        pytest.param(b"dos\r\n", Line(b"dos", 3), id="carriage return before the newline"),
        pytest.param(b"1%\r50%\r100%\n", Line(b"100%", 4), id="progress bar"),
        pytest.param(b"1%\r50%\r\n", Line(b"50%", 3), id="progress bar with a last return"),
        pytest.param(b"x" * 5000 + b"\n", Line(b"x" * 2000, 5000), id="long"),
        pytest.param(b"x" * 5000 + b"\rshort\n", Line(b"short", 5), id="long, then written over"),
    ],
)
def test_line_of(data: bytes, line: Line) -> None:
    assert log.line_of(data) == line


def test_a_line_without_end_is_shown_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "FLUSH_BYTES", 20)
    batch = log.Batch(log.START)
    for _ in range(3):
        batch.add(Frame(1, stamp(1), b"z" * 8))
    assert batch.full
    after = batch.finish(ended=False)
    assert [line.size for line in batch.lines] == [24]
    assert after.seen == 3


def test_half_a_line_waits_for_its_rest() -> None:
    batch = log.Batch(log.START)
    batch.add(Frame(1, stamp(5000), b"whole\n"))
    batch.add(Frame(1, stamp(5001), b"h" * 8))
    assert batch.waits_for_rest
    after = batch.finish(ended=False)
    assert [line.data for line in batch.lines] == [b"whole"]
    assert after == Cursor(stamp(3000), 1)


@pytest.mark.parametrize(
    ("seen", "now", "tail"),
    [
        pytest.param(8, "2026-11-20T10:00:02Z", 1024, id="slow"),
        pytest.param(20_000, "2026-11-20T10:00:02Z", 61_000, id="a burst"),
        pytest.param(20_000, "2026-11-20T10:00:12Z", 211_000, id="a burst that went on meanwhile"),
        pytest.param(20_000, "2026-11-20T09:00:00Z", 31_000, id="a clock that was put back"),
    ],
)
def test_how_many_last_frames_reach_back(seen: int, now: str, tail: int) -> None:
    assert log.tail_to_cursor(Cursor("2026-11-20T10:00:00.000000000Z", seen), now) == tail


def test_a_tail_reaches_back_only_if_nothing_can_lie_before_it() -> None:
    cursor = Cursor("2026-11-20T10:00:30.000000000Z", 5)
    assert log.reaches("2026-11-20T10:00:27.999999999Z", cursor)
    assert not log.reaches("2026-11-20T10:00:28.000000000Z", cursor)


def test_a_cursor_never_goes_back() -> None:
    batch = log.Batch(Cursor(stamp(5000), 0))  # as in front of the last lines of a longer log
    batch.add(Frame(1, stamp(5000), b"line\n"))
    assert batch.finish(ended=False) == Cursor(stamp(5000), 1)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("nonsense", id="no cursor"),
        pytest.param("2026-11-20T10:00:00Z+1", id="no nanoseconds"),
        pytest.param(stamp(1), id="no count"),
        pytest.param(stamp(1) + "+x", id="no number"),
    ],
)
def test_foreign_cursor_is_refused(text: str) -> None:
    with pytest.raises(TrainingError, match="none of ours"):
        log.parse_cursor(text)


def test_cursor_goes_through_text() -> None:
    assert log.parse_cursor(log.format_cursor(Cursor(stamp(1), 7))) == Cursor(stamp(1), 7)
    assert log.parse_cursor(log.format_cursor(log.START)) == log.START


def test_epoch_of_is_what_docker_asks_for() -> None:
    assert log.epoch_of("2026-11-20T10:00:00.123456789Z") == "1795168800.123456789"


def test_cursor_at_tail_is_in_front_of_the_oldest_frame() -> None:
    assert log.cursor_at_tail([Frame(1, stamp(7), b"b\n"), Frame(2, stamp(5), b"a\n")]) == Cursor(stamp(5), 0)
    assert log.cursor_at_tail([]) == log.START

# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import math
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _run_report
from ansible_collections.trainyard.aws.plugins.module_utils._run_report import Chart, Group, Line
from hypothesis import example, given
from hypothesis import strategies as st

RECORD = {
    "run_id": "digits-001",
    "outcome": "succeeded",
    "reason": "finished",
    "image": "registry.example/digits:1",
    "command": ["python3", "train.py"],
    "duration_seconds": 5400.2,
    "cost_usd": 1.239,
    "exit_code": 0,
    "hyperparameters": {"lr": 0.1},
    "metrics": {"loss": 0.25},
    "artefacts": [{"path": "model/model.pt", "size": 1500, "sha256": "0123"}],
}
LOSS = Chart("loss", "step", [Line("train", [(0, 2.0), (1, 1.0)]), Line("validation", [(0, 3.0), (1, 2.5)])])
HOSTILE = "</title><script>alert(1)</script><img src=x onerror=alert(1)>\x1b]0;x\x07\"'"
POINTS = st.lists(st.tuples(st.floats(), st.floats()))


class Seen(HTMLParser):
    """The tags, attributes and texts of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str | None] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _value in attrs}
        self.links += [value for name, value in attrs if name == "href"]
        if tag not in ("meta", "polyline"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag != "polyline":
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def page(record: Any = None, **more: Any) -> str:
    given_parts = {"charts": [LOSS], "events": [], "last_lines": ["epoch 6/6 loss=0.25"], **more}
    return _run_report.page(record or RECORD, **given_parts)


def test_a_page_tells_what_ran_and_what_came_out() -> None:
    seen = Seen(page(events=[{"time": "2026-11-20T10:00:00Z", "event": "started", "detail": {"pid": 1}}]))
    assert not seen.open
    texts = [text.strip() for text in seen.texts if text.strip()]
    for told in ("digits-001", "succeeded", "finished", "registry.example/digits:1", "python3 train.py", "1h30m"):
        assert told in texts
    for told in ("1.24 USD", "0.1", "0.25", "model/model.pt", "1.5 kB", "0123", "epoch 6/6 loss=0.25", '{"pid": 1}'):
        assert told in texts
    assert texts[texts.index("Curves") + 1 :][:8] == ["loss", "3", "1", "0", "step", "1", "train", "validation"]


def test_a_page_asks_nobody_and_runs_nothing() -> None:
    seen = Seen(page())
    assert "default-src 'none'" in page()
    assert not seen.tags & {"script", "link", "iframe", "img", "object"}
    assert not seen.attributes & {"src", "onerror", "onload"}
    assert seen.links == ["index.html"]


def test_hostile_text_stays_text() -> None:
    record = {
        "run_id": HOSTILE,
        "outcome": HOSTILE,
        "reason": HOSTILE,
        "image": HOSTILE,
        "command": [HOSTILE],
        "hyperparameters": {HOSTILE: HOSTILE},
        "metrics": {HOSTILE: [HOSTILE]},
        "artefacts": [{"path": HOSTILE, "size": HOSTILE, "sha256": HOSTILE}, HOSTILE],
    }
    chart = Chart(HOSTILE, HOSTILE, [Line(HOSTILE, [(0, 1), (1, 2)])])
    events = [{"time": HOSTILE, "event": HOSTILE, "detail": HOSTILE}]
    usage = [Group(HOSTILE, [chart]), Group("Node 1", [chart])]
    text = page(record, charts=[chart], usage=usage, events=events, last_lines=[HOSTILE])
    seen = Seen(text)
    assert not seen.open
    assert not seen.tags & {"script", "img"}
    assert "onerror" not in seen.attributes
    assert "\x1b" not in text


def test_a_run_of_which_little_is_known_has_a_page() -> None:
    seen = Seen(page({"run_id": "a", "outcome": "unfinished"}, charts=[], last_lines=[]))
    assert "table" not in seen.tags
    assert "pre" not in seen.tags


@pytest.mark.parametrize(
    "points",
    [[], [(0.0, 1.0)], [(0.0, math.nan), (1.0, 2.0)], [(0.0, math.inf), (1.0, math.inf)]],
    ids=["none", "one", "one that can be drawn", "infinite"],
)
def test_a_curve_without_two_points_is_not_drawn(points: list[tuple[float, float]]) -> None:
    assert "svg" not in Seen(page(charts=[Chart("loss", "step", [Line("train", points)])])).tags


def test_a_flat_curve_lies_in_the_middle() -> None:
    assert 'points="8.0,80.0 632.0,80.0"' in page(charts=[Chart("x", "step", [Line("x", [(0, 5), (1, 5)])])])


def test_an_axis_has_room_for_what_has_to_be_shown() -> None:
    text = page(charts=[Chart("x", "step", [Line("x", [(0, 25), (1, 25)])], shown=(0, 100))])
    assert 'points="8.0,116.0 632.0,116.0"' in text
    assert "<span>100</span><span>0</span>" in text


def test_each_node_has_its_charts() -> None:
    seen = Seen(page(charts=[], usage=[Group("Node 0", [LOSS]), Group("Node 1", [LOSS, LOSS]), Group("Node 2", [])]))
    texts = [text.strip() for text in seen.texts if text.strip()]
    assert texts.index("Utilisation and cost") < texts.index("Node 0") < texts.index("Node 1")
    assert "Node 2" not in texts
    assert "Curves" not in texts


def test_lines_that_share_a_colour_differ_in_their_dashes() -> None:
    lines = [Line(str(number), [(0, number), (1, number)]) for number in range(10)]
    drawn = re.findall(
        r'<polyline class="(c\d)"[^>]*?( stroke-dasharray="[^"]+")? points', page(charts=[Chart("x", "y", lines)])
    )
    assert len(set(drawn)) == 10


def test_many_points_become_few_and_keep_their_peak() -> None:
    points = [(float(number), 0.0) for number in range(100_000)]
    points[54_321] = (54_321.0, 9.0)
    points[77_777] = (77_777.0, -9.0)
    few = _run_report.thinned(points)
    assert len(few) <= 602
    assert {points[0], points[-1], points[54_321], points[77_777]} <= set(few)
    assert few == sorted(few)


@example([(0.0, 0.0), (0.0, 5e-324)], {})
@example([(0.0, -1.7e308), (0.0, 1.7e308)], {})
@given(POINTS, st.dictionaries(st.text(), st.none() | st.floats() | st.text() | st.lists(st.integers())))
def test_whatever_was_recorded_there_is_a_page(points: list[tuple[float, float]], record: dict[str, Any]) -> None:
    seen = Seen(page({**RECORD, **record}, charts=[Chart("loss", "step", [Line("train", points)])]))
    assert not seen.open
    assert seen.tags <= {
        "html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "div", "span", "p", "table", "tr", "th", "td", "figure",
        "figcaption", "svg", "polyline", "pre", "a",
    }  # fmt: skip


def test_the_index_sets_runs_side_by_side() -> None:
    runs = [
        RECORD,
        {**RECORD, "run_id": "digits-002", "hyperparameters": {"lr": 0.2}},
        {"run_id": "c", "outcome": "unfinished"},
    ]
    only_one = Chart("accuracy", "reading", [Line("accuracy", [(1, 0.5), (2, 0.6)])])
    curves = {"digits-001": [LOSS, only_one], "digits-002": [LOSS]}
    text = _run_report.index(runs, {"digits-001", "digits-002"}, curves)
    seen = Seen(text)
    assert not seen.open
    assert seen.links == ["digits-001.html", "digits-002.html"]
    texts = [each.strip() for each in seen.texts if each.strip()]
    assert "3 runs, 2.48 USD" in texts
    assert {"lr", "0.1", "0.2", "unfinished", "c"} <= set(texts)
    assert text.count("<svg") == 1
    assert text.count(">digits-002</span>") == 2  # two curves of LOSS


def test_the_index_has_a_line_for_as_many_runs_as_there_are_colours() -> None:
    curve = [Chart("loss", "reading", [Line("loss", [(1, 0.5), (2, 0.6)])])]
    (chart,) = _run_report.side_by_side({f"run-{number}": curve for number in range(20)})
    assert [line.name for line in chart.lines] == [f"run-{number}" for number in range(8)]


def test_hostile_text_stays_text_in_the_index() -> None:
    run = {"run_id": HOSTILE, "outcome": HOSTILE, "metrics": {HOSTILE: 1.0}, "hyperparameters": {HOSTILE: HOSTILE}}
    text = _run_report.index([run, {**run, "hyperparameters": {HOSTILE: 2}}], {HOSTILE}, {HOSTILE: [LOSS], "b": [LOSS]})
    seen = Seen(text)
    assert not seen.open
    assert not seen.tags & {"script", "img"}
    assert not {":", "/", "<", '"'} & set("".join(str(link) for link in seen.links))


def test_an_index_of_nothing() -> None:
    seen = Seen(_run_report.index([], set(), {}))
    assert "0 runs" in seen.texts
    assert "table" not in seen.tags

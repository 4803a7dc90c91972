# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""A run as one page of HTML that needs no server and no script, and a page that lists all runs. Pure.

Names, logs and numbers come from the container: every text goes through ``_text``, and the page forbids scripts and requests.
"""

from __future__ import annotations

import html
import json
import math
import typing as t
from dataclasses import dataclass
from urllib.parse import quote

from ansible_collections.trainyard.aws.plugins.module_utils._container_text import in_units, sanitise
from ansible_collections.trainyard.aws.plugins.module_utils._durations import text_of
from ansible_collections.trainyard.aws.plugins.module_utils._runs import Record, code_text, comparison

_WIDTH, _HEIGHT, _MARGIN = 640, 160, 8
_MOST_POINTS = 600
INDEX = "index.html"
# On white, and on black. Lines beyond the last colour begin again, dashed.
_COLOURS = ("#2563eb", "#dc2626", "#047857", "#b45309", "#7c3aed", "#0e7490", "#be185d", "#57534e")
_DARK_COLOURS = ("#60a5fa", "#f87171", "#34d399", "#fbbf24", "#a78bfa", "#22d3ee", "#f472b6", "#d6d3d1")
_STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere }
h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin-top: 2rem } h3 { font-size: 1rem; margin-bottom: 0 }
table { border-collapse: collapse } th { font-weight: 500; text-align: left; vertical-align: top }
td, th { padding: .2rem 1rem .2rem 0; border-bottom: 1px solid #8884; overflow-wrap: anywhere }
th { overflow-wrap: break-word; min-width: 4rem }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 22rem), 1fr)); gap: 1rem 2rem }
figure { margin: .5rem 0; min-width: 0; display: grid; grid-template-columns: auto 1fr; font-size: .85rem }
figcaption, .names { grid-column: 1 / 3 } figcaption { font-weight: 500 }
svg { width: 100%; height: 9rem; background: #8881 } polyline { vector-effect: non-scaling-stroke }
.y, .x { display: flex; justify-content: space-between; opacity: .8 } .x { grid-column: 2 }
.y { flex-direction: column; text-align: right; padding-right: .5rem; min-width: 3.5rem }
.names { padding-left: 4rem } .names span { display: inline-block; margin-right: 1rem }
.wide { overflow-x: auto } .wide td, .wide th { white-space: nowrap } .number { text-align: right; font-variant-numeric: tabular-nums }
body:has(.wide) { max-width: 80rem }
a { color: inherit } .back { font-size: .85rem }
pre { overflow-x: auto; background: #8881; padding: .7rem; font-size: .85rem; overflow-wrap: normal }
.succeeded { color: #047857 } .failed { color: #dc2626 } .stopped, .unfinished { color: #b45309 }
@media (prefers-color-scheme: dark) {
.succeeded { color: #34d399 } .failed { color: #f87171 } .stopped, .unfinished { color: #fbbf24 } }
"""

Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """One curve: its name, and x and y of its points from left to right."""

    name: str
    points: t.Sequence[Point]


@dataclass(frozen=True)
class Chart:
    """Curves with one y axis. ``across`` says what x is, and the values of ``shown`` lie within the axis whatever the curves do."""

    title: str
    across: str
    lines: t.Sequence[Line]
    shown: t.Sequence[float] = ()


@dataclass(frozen=True)
class Group:
    """Charts that belong together, such as those of one node."""

    title: str
    charts: t.Sequence[Chart]


def page(
    record: t.Mapping[str, t.Any],
    charts: t.Sequence[Chart],
    events: t.Sequence[t.Mapping[str, t.Any]],
    last_lines: t.Sequence[str],
    usage: t.Sequence[Group] = (),
) -> str:
    """The whole page of a run, from its record, its curves, what happened to it, the end of its log, and the use of its nodes."""
    outcome = str(record.get("outcome", ""))
    parts = [
        f'<p class="back"><a href="{INDEX}">All runs</a></p>',
        f'<h1>{_text(record.get("run_id"))} <span class="{_colour(outcome)}">{_text(outcome)}</span></h1>',
        f"<p>{_text(record.get('reason'))}</p>",
        _facts(_what_ran(record)),
        _section("Hyperparameters", _facts(_mapping(record.get("hyperparameters")))),
        _section("Metrics, last value", _facts(_mapping(record.get("metrics")))),
        _section("Curves", _charts(charts)),
        _section("Utilisation and cost", "".join(map(_group, usage))),
        _section("Events", _table(("time", "event", "detail"), [_event(event) for event in events])),
        _section("Files", _table(("path", "size", "SHA-256"), [_file(each) for each in _files(record)])),
        _section(
            "End of the log", f"<pre>{_text(chr(10).join(map(sanitise, last_lines)))}</pre>" if last_lines else ""
        ),
    ]
    return _document(str(record.get("run_id")), parts)


def index(runs: t.Sequence[Record], pages: t.Container[str], curves: t.Mapping[str, t.Sequence[Chart]]) -> str:
    """The page that lists runs, the first on top. ``pages`` are the ids of those with a page, ``curves`` the curves of each."""
    dollars = [run["cost_usd"] for run in runs if _is_number(run.get("cost_usd"))]
    spent = f", {sum(dollars):.2f} USD" if dollars else ""
    parts = [
        f"<h1>{len(runs)} {'run' if len(runs) == 1 else 'runs'}{spent}</h1>",
        f'<div class="wide">{_runs(runs, pages)}</div>' if runs else "",
        _section("Side by side", _charts(side_by_side(curves))),
    ]
    return _document("Runs", parts)


def side_by_side(curves: t.Mapping[str, t.Sequence[Chart]]) -> list[Chart]:
    """A chart for each curve that several runs have, with a line for each of them: those that come first, as many as there are colours."""
    titles = dict.fromkeys(chart.title for charts in curves.values() for chart in charts)
    found = []
    for title in titles:
        lines = [
            Line(run_id, line.points)
            for run_id, charts in curves.items()
            for chart in charts
            for line in chart.lines
            if chart.title == title
        ]
        if len(lines) > 1:
            found.append(Chart(title, "reading", lines[: len(_COLOURS)]))
    return found


def _runs(runs: t.Sequence[Record], pages: t.Container[str]) -> str:
    compared = comparison(runs)
    classes = [' class="number"' if number in compared.numbers else "" for number in range(len(compared.head))]
    head = "".join(f"<th{a_class}>{_text(title)}</th>" for title, a_class in zip(compared.head, classes))
    lines = []
    for run, (name, outcome, *others) in zip(runs, compared.rows):
        link = f'<a href="{quote(run["run_id"], safe="")}.html">{_text(name)}</a>'
        cells = "".join(f"<td{a_class}>{_text(cell)}</td>" for cell, a_class in zip(others, classes[2:]))
        told = f'<td class="{_colour(run["outcome"])}">{_text(outcome)}</td>'
        lines.append(f"<tr><td>{link if run['run_id'] in pages else _text(name)}</td>{told}{cells}</tr>\n")
    return f"<table>\n<tr>{head}</tr>\n{''.join(lines)}</table>"


def _colour(outcome: str) -> str:
    return outcome if outcome in ("succeeded", "failed", "stopped", "unfinished") else ""


def _document(title: str, parts: t.Iterable[str]) -> str:
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{_text(title)}</title>\n<style>{_STYLE}{_colours()}</style>\n</head>\n<body>\n"
        + "\n".join(filter(None, parts))
        + "\n</body>\n</html>\n"
    )


def _what_ran(record: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The facts of a record that a reader looks for first; those that it lacks are left out."""
    seconds: t.Any = record.get("duration_seconds")
    cost: t.Any = record.get("cost_usd")
    facts = {
        "image": record.get("image"),
        "digest": record.get("image_digest"),
        "command": " ".join(map(str, record.get("command") or [])) if isinstance(record.get("command"), list) else None,
        "code": code_text(record),
        "node": record.get("node"),
        "started": record.get("started_at"),
        "ended": record.get("finished_at"),
        "took": text_of(round(seconds)) if _is_number(seconds) else None,
        "exit code": record.get("exit_code"),
        "cost": f"{cost:.2f} USD" if _is_number(cost) else None,
    }
    return {name: value for name, value in facts.items() if value not in (None, "")}


def _event(event: t.Mapping[str, t.Any]) -> list[str]:
    detail = event.get("detail")
    told = detail if isinstance(detail, str) else "" if detail is None else json.dumps(detail, sort_keys=True)
    return [str(event.get("time", "")), str(event.get("event", "")), told]


def _files(record: t.Mapping[str, t.Any]) -> list[t.Mapping[str, t.Any]]:
    found = record.get("artefacts")
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _file(entry: t.Mapping[str, t.Any]) -> list[str]:
    size = entry.get("size")
    return [str(entry.get("path", "")), in_units(size) if isinstance(size, int) else "", str(entry.get("sha256", ""))]


def _section(title: str, body: str) -> str:
    return f"<h2>{_text(title)}</h2>\n{body}" if body else ""


def _facts(facts: t.Mapping[str, t.Any]) -> str:
    rows = [(name, value if isinstance(value, str) else json.dumps(value)) for name, value in facts.items()]
    cells = "".join(f"<tr><th>{_text(name)}</th><td>{_text(value)}</td></tr>\n" for name, value in rows)
    return f"<table>\n{cells}</table>" if rows else ""


def _table(head: t.Sequence[str], rows: t.Sequence[t.Sequence[str]]) -> str:
    lines = ["".join(f"<td>{_text(cell)}</td>" for cell in row) for row in rows]
    titles = "".join(f"<th>{_text(cell)}</th>" for cell in head)
    return (
        f"<table>\n<tr>{titles}</tr>\n" + "".join(f"<tr>{line}</tr>\n" for line in lines) + "</table>" if rows else ""
    )


def _colours() -> str:
    """What colour the lines of a chart and their names have, by their number."""
    light, dark = (
        "".join(f".c{number} {{ color: {colour} }}\n" for number, colour in enumerate(some))
        for some in (_COLOURS, _DARK_COLOURS)
    )
    return f"{light}@media (prefers-color-scheme: dark) {{\n{dark}}}\n"


def _group(group: Group) -> str:
    body = _charts(group.charts)
    return f"<h3>{_text(group.title)}</h3>\n{body}" if body and group.title else body


def _charts(charts: t.Iterable[Chart]) -> str:
    figures = "".join(map(_figure, charts))
    return f'<div class="charts">\n{figures}</div>\n' if figures else ""


def _figure(chart: Chart) -> str:
    """A chart as SVG with its words beside it, or nothing where no curve has two points that can be drawn."""
    drawn = [Line(line.name, thinned(finite(line.points))) for line in chart.lines]
    drawn = [line for line in drawn if len(line.points) > 1]
    if not drawn:
        return ""
    left, right = _bounds([x for line in drawn for x, _y in line.points])
    bottom, top = _bounds([*chart.shown, *(y for line in drawn for _x, y in line.points)])
    curves = "".join(
        f'<polyline class="c{number % len(_COLOURS)}" fill="none" stroke="currentColor" stroke-width="1.5"{_dash(number)} points="'
        + " ".join(f"{_scaled(x, left, right, _WIDTH):.1f},{_HEIGHT - _scaled(y, bottom, top, _HEIGHT):.1f}" for x, y in line.points)
        + '"/>'
        for number, line in enumerate(drawn)
    )  # fmt: skip
    names = "".join(
        f'<span class="c{number % len(_COLOURS)}">{_text(line.name)}</span>'
        for number, line in enumerate(drawn)
        if line.name not in ("", chart.title)
    )
    return (
        f"<figure><figcaption>{_text(chart.title)}</figcaption>\n"
        f'<div class="y"><span>{top:.4g}</span><span>{bottom:.4g}</span></div>'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" role="img">{curves}</svg>\n'
        f'<div class="x"><span>{left:.6g}</span><span>{_text(chart.across)}</span><span>{right:.6g}</span></div>\n'
        f'<div class="names">{names}</div></figure>\n'
    )


def _dash(number: int) -> str:
    return f' stroke-dasharray="{4 * (number // len(_COLOURS))} 3"' if number >= len(_COLOURS) else ""


def finite(points: t.Sequence[Point]) -> list[Point]:
    """Without what cannot be drawn: a loss may well be infinite or no number."""
    return [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]


def thinned(points: t.Sequence[Point], most: int = _MOST_POINTS) -> list[Point]:
    """At most about ``most`` points that keep every peak: the lowest and the highest of each stretch, and both ends."""
    if len(points) <= most:
        return list(points)
    length = math.ceil(len(points) / (most // 2))
    kept = {0, len(points) - 1}
    for start in range(0, len(points), length):
        stretch = range(start, min(start + length, len(points)))
        kept |= {min(stretch, key=lambda i: points[i][1]), max(stretch, key=lambda i: points[i][1])}
    return [points[index] for index in sorted(kept)]


def _bounds(values: t.Sequence[float]) -> tuple[float, float]:
    return min(values), max(values)


def _scaled(value: float, low: float, high: float, length: int) -> float:
    span = high / 2 - low / 2  # halves: the difference may overflow
    share = (value / 2 - low / 2) / span if span > 0 else 0.5
    return _MARGIN + share * (length - 2 * _MARGIN)


def _mapping(value: t.Any) -> t.Mapping[str, t.Any]:
    return value if isinstance(value, dict) else {}


def _is_number(value: t.Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e15


def _text(value: t.Any) -> str:
    """A text that is only ever shown. Lines stay, other control characters go."""
    lines = ("" if value is None else str(value)).split("\n")
    return html.escape("\n".join(map(sanitise, lines)))

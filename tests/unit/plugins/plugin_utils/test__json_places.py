# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.trainyard.aws.plugins.plugin_utils import _json_places as places
from hypothesis import given
from hypothesis import strategies as st

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON, st.sampled_from([None, 2]), st.booleans())
def test_reads_what_python_writes(value: t.Any, indent: int | None, ascii_only: bool) -> None:
    document = places.Document(json.dumps(value, indent=indent, ensure_ascii=ascii_only))
    assert document.flaws == []
    assert document.value == value


@given(st.text(st.sampled_from('{}[]",:0123456789.eE+- \n\\utrufalsn') | st.characters(), max_size=60))
def test_never_reads_what_python_refuses(text: str) -> None:
    document = places.Document(text)
    try:
        json.loads(text)
    except ValueError:
        assert document.flaws


@pytest.mark.parametrize(
    ("text", "line", "column", "what"),
    [
        pytest.param("", 1, 1, "a value is missing", id="empty"),
        pytest.param('{\n  "a": 1\n  "b": 2\n}', 3, 3, 'a comma or "}" is missing here', id="comma missing"),
        pytest.param('{\n  "a": [1, 2,]\n}', 2, 13, "this comma is too much", id="comma too much"),
        pytest.param('{"a": 1,}', 1, 8, "this comma is too much", id="comma too much in an object"),
        pytest.param("{'a': 1}", 1, 2, "a name in double quotes is missing here", id="single quotes"),
        pytest.param('{"a" 1}', 1, 6, "a colon is missing here", id="colon missing"),
        pytest.param('{"a": yes}', 1, 7, "this is not a JSON value", id="word"),
        pytest.param('{"a": 1} x', 1, 10, "there is more text after the end of the value", id="more text"),
        pytest.param('{"a": "x\n"}', 1, 9, "invalid control character", id="newline in a text"),
        pytest.param('{"a": "x', 1, 7, "unterminated string starting", id="text without end"),
        pytest.param('{"a": 1,\n "a": 2}', 2, 2, '"a" is here twice, first in line 1', id="duplicate"),
        pytest.param('{"a": NaN}', 1, 7, "NaN is not JSON", id="NaN"),
        pytest.param('{"a": -Infinity}', 1, 7, "-Infinity is not JSON", id="infinity"),
        pytest.param('{"a": 1e999}', 1, 7, "the number 1e999 is too large", id="beyond all floats"),
        pytest.param('{"a": 01}', 1, 8, 'a comma or "}" is missing here', id="leading zero"),
        pytest.param("[" * 100_000, 1, 1, "it is nested too deeply", id="deep"),
    ],
)
def test_flaws(text: str, line: int, column: int, what: str) -> None:
    (flaw,) = places.Document(text).flaws
    assert places.line_and_column(text, flaw.position) == (line, column)
    assert flaw.what == what


def test_one_pass_finds_all_that_can_be_read_over() -> None:
    document = places.Document('{"a": NaN, "b": 1e999, "a": 1, "c": [1,}')
    assert [flaw.what for flaw in document.flaws] == [
        "NaN is not JSON",
        "the number 1e999 is too large",
        '"a" is here twice, first in line 1',
        "this is not a JSON value",
    ]


@pytest.mark.parametrize(
    ("path", "at"),
    [
        pytest.param((), "{", id="document"),
        pytest.param(("a",), "[", id="list"),
        pytest.param(("a", 1), '"x"', id="item"),
        pytest.param(("a", 9), "[", id="no such item"),
    ],
)
def test_place(path: places.Path, at: str) -> None:
    document = places.Document('{ "a": [1, "x"] }')
    assert document.text[document.place(path) :].startswith(at)


@pytest.mark.parametrize(
    ("text", "position", "shown"),
    [
        pytest.param("ab\ncd", 4, "    cd\n     ^", id="second line"),
        pytest.param("\tx", 1, "     x\n     ^", id="tab"),
        pytest.param("y" * 500, 300, "    " + "y" * 120 + "\n    " + " " * 60 + "^", id="long line"),
    ],
)
def test_caret(text: str, position: int, shown: str) -> None:
    assert places.caret(text, position) == shown

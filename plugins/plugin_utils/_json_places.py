# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""JSON read strictly, remembering where everything stands. Pure.

Python's own reader keeps no places, takes NaN and numbers beyond all floats, and lets the last of two equal keys win.
"""

from __future__ import annotations

import json
import math
import re
import typing as t
from dataclasses import dataclass

Path = tuple[str | int, ...]

_STRINGS = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?")
_WORDS = {"true": True, "false": False, "null": None}
_NO_NUMBERS = ("NaN", "Infinity", "-Infinity")


@dataclass(frozen=True)
class Flaw:
    """Something wrong at a place of a text, counted from 0 in characters."""

    position: int
    what: str


class Document:
    """What a JSON text says, where each value and key of it begins, and what is wrong with it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.value: t.Any = None
        self.places: dict[Path, int] = {}
        self.keys: dict[Path, int] = {}
        self.flaws: list[Flaw] = []
        try:
            self.value, end = self._value(self._skip(0), ())
            if self._skip(end) < len(text):
                raise _Syntax(self._skip(end), "there is more text after the end of the value")
        except _Syntax as error:
            self.flaws.append(error.flaw)
        except RecursionError:
            self.flaws.append(Flaw(0, "it is nested too deeply"))

    def place(self, path: Path) -> int:
        """Where the value at a path begins; the nearest value around it where there is none."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, 0)

    def _skip(self, position: int) -> int:
        match = _SPACE.match(self.text, position)
        return match.end() if match else position

    def _value(self, start: int, path: Path) -> tuple[t.Any, int]:
        self.places[path] = start
        first = self.text[start : start + 1]
        if first == "{":
            return self._object(start, path)
        if first == "[":
            return self._array(start, path)
        if first == '"':
            return self._string(start)
        for word, value in _WORDS.items():
            if self.text.startswith(word, start):
                return value, start + len(word)
        return self._number(start)

    def _number(self, start: int) -> tuple[t.Any, int]:
        for word in _NO_NUMBERS:
            if self.text.startswith(word, start):
                self.flaws.append(Flaw(start, f"{word} is not JSON"))
                return None, start + len(word)
        match = _NUMBER.match(self.text, start)
        if not match:
            raise _Syntax(start, "a value is missing" if start >= len(self.text) else "this is not a JSON value")
        whole = not match.group(1) and not match.group(2)
        number: int | float = int(match.group()) if whole and len(match.group()) < 400 else float(match.group())
        if isinstance(number, float) and math.isinf(number):
            self.flaws.append(Flaw(start, f"the number {match.group()[:40]} is too large"))
        return number, match.end()

    def _string(self, start: int) -> tuple[str, int]:
        try:
            return _STRINGS.raw_decode(self.text, start)
        except json.JSONDecodeError as error:
            raise _Syntax(error.pos, error.msg[0].lower() + error.msg[1:].removesuffix(" at")) from error

    def _array(self, start: int, path: Path) -> tuple[list[t.Any], int]:
        values: list[t.Any] = []
        position = self._skip(start + 1)
        if self.text[position : position + 1] == "]":
            return values, position + 1
        while True:
            value, position = self._value(position, (*path, len(values)))
            values.append(value)
            position, closed = self._after_item(self._skip(position), "]")
            if closed:
                return values, position

    def _object(self, start: int, path: Path) -> tuple[dict[str, t.Any], int]:
        values: dict[str, t.Any] = {}
        position = self._skip(start + 1)
        if self.text[position : position + 1] == "}":
            return values, position + 1
        while True:
            key_start = position
            if self.text[position : position + 1] != '"':
                raise _Syntax(position, "a name in double quotes is missing here")
            key, position = self._string(position)
            if key in values:
                first_line, dummy = line_and_column(self.text, self.keys[(*path, key)])
                self.flaws.append(Flaw(key_start, f'"{key}" is here twice, first in line {first_line}'))
            self.keys[(*path, key)] = key_start
            position = self._skip(position)
            if self.text[position : position + 1] != ":":
                raise _Syntax(position, "a colon is missing here")
            values[key], position = self._value(self._skip(position + 1), (*path, key))
            position, closed = self._after_item(self._skip(position), "}")
            if closed:
                return values, position

    def _after_item(self, position: int, close: str) -> tuple[int, bool]:
        mark = self.text[position : position + 1]
        if mark == close:
            return position + 1, True
        if mark != ",":
            raise _Syntax(position, f'a comma or "{close}" is missing here')
        following = self._skip(position + 1)
        if self.text[following : following + 1] == close:
            raise _Syntax(position, "this comma is too much")
        return following, False


class _Syntax(Exception):
    """The text cannot be read beyond a place."""

    def __init__(self, position: int, what: str) -> None:
        super().__init__(what)
        self.flaw = Flaw(position, what)


def line_and_column(text: str, position: int) -> tuple[int, int]:
    """As an editor counts, from 1."""
    before = text[:position]
    return before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1


def caret(text: str, position: int) -> str:
    """The line of a place, and below it a caret under the place. Of a long line, the part around it."""
    line, column = line_and_column(text, position)
    shown = text.split("\n")[line - 1].rstrip("\r").replace("\t", " ")
    cut = max(0, column - 61)
    return f"    {shown[cut : cut + 120]}\n    {' ' * (column - 1 - cut)}^"

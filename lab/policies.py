# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What IAM policies decide. Pure: statements and a question go in, a decision comes out.

Whatever cannot be evaluated counts against the caller: such a Deny denies, such an Allow does not allow.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any

Values = tuple[str, ...]
SET_OPERATORS = ("ForAnyValue:", "ForAllValues:")
KNOWN_ELEMENTS = {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition", "Principal"}


class Decision(Enum):
    """In the words of IAM's simulator."""

    ALLOWED = "allowed"
    IMPLICIT_DENY = "implicitDeny"
    EXPLICIT_DENY = "explicitDeny"


@dataclass(frozen=True)
class Question:
    """May this be done to that? The context holds the condition keys that AWS would know of the call."""

    action: str
    resource: str = "*"
    context: Mapping[str, str | list[str]] = field(default_factory=dict)


class Unknown(Exception):
    """The statement asks for something that is not implemented here."""


def decide(policies: Iterable[Mapping[str, Any]], question: Question) -> Decision:
    """A Deny outweighs every Allow; what nothing allows is denied."""
    allowed = False
    for policy in policies:
        for statement in _listed(policy.get("Statement")):
            denies = statement.get("Effect") != "Allow"
            try:
                applies = _applies(statement, question)
            except Unknown:
                applies = denies
            if applies and denies:
                return Decision.EXPLICIT_DENY
            allowed = allowed or applies
    return Decision.ALLOWED if allowed else Decision.IMPLICIT_DENY


def _applies(statement: Mapping[str, Any], question: Question) -> bool:
    if not set(statement) <= KNOWN_ELEMENTS or statement.get("Effect") not in ("Allow", "Deny"):
        raise Unknown
    return (
        _covers(statement, "Action", question.action, ignore_case=True)
        and _covers(statement, "Resource", question.resource, ignore_case=False)
        and all(
            _holds(operator, key, wanted, question.context)
            for operator, keys in (statement.get("Condition") or {}).items()
            for key, wanted in keys.items()
        )
    )


def _covers(statement: Mapping[str, Any], element: str, value: str, *, ignore_case: bool) -> bool:
    if element in statement:
        return any(like(pattern, value, ignore_case) for pattern in _listed(statement[element]))
    if f"Not{element}" in statement:
        return not any(like(pattern, value, ignore_case) for pattern in _listed(statement[f"Not{element}"]))
    raise Unknown


def _holds(operator: str, key: str, wanted: Any, context: Mapping[str, str | list[str]]) -> bool:
    """One line of a condition: does any of the wanted values fit what the call carries under the key?"""
    known = {name.lower(): value for name, value in context.items()}.get(key.lower())
    values = tuple(str(value).lower() if isinstance(value, bool) else str(value) for value in _listed(wanted))
    if operator == "Null":
        return {"true": known is None, "false": known is not None}.get(values[0].lower(), False)
    every_of = next((prefix for prefix in SET_OPERATORS if operator.startswith(prefix)), "")
    name = operator.removeprefix(every_of)
    only_if_there = name.endswith("IfExists")
    test = TESTS.get(name.removesuffix("IfExists"))
    if test is None or any("${" in value for value in values):
        raise Unknown
    if known is None:
        # Without the key a comparison fails, unless it is a negated one or asked only of what is there.
        return only_if_there or every_of == "ForAllValues:" or (name in NEGATED and not every_of)
    carried = tuple(str(value) for value in _listed(known))
    results = [test(values, value) for value in carried]
    if every_of == "ForAllValues:":
        return all(results)
    if not every_of and len(carried) != 1:
        raise Unknown
    return any(results)


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


@lru_cache(maxsize=4096)
def _pattern(text: str, ignore_case: bool) -> re.Pattern[str]:
    expression = "".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in text)
    return re.compile(expression, re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def like(pattern: str, value: str, ignore_case: bool = False) -> bool:
    """IAM's wildcards: * for any text, ? for any character."""
    return bool(_pattern(pattern, ignore_case).fullmatch(value))


def _any(compare: Callable[[str, str], bool]) -> Callable[[Values, str], bool]:
    return lambda wanted, value: any(compare(each, value) for each in wanted)


def _none(compare: Callable[[str, str], bool]) -> Callable[[Values, str], bool]:
    return lambda wanted, value: not any(compare(each, value) for each in wanted)


def _same(wanted: str, value: str) -> bool:
    return wanted == value


def _same_letters(wanted: str, value: str) -> bool:
    return wanted.lower() == value.lower()


def _within(wanted: str, value: str) -> bool:
    try:
        return ip_address(value) in ip_network(wanted, strict=False)
    except ValueError as error:
        raise Unknown from error


def _number(compare: Callable[[float, float], bool]) -> Callable[[str, str], bool]:
    def compared(wanted: str, value: str) -> bool:
        try:
            return compare(float(value), float(wanted))
        except ValueError as error:
            raise Unknown from error

    return compared


TESTS: dict[str, Callable[[Values, str], bool]] = {
    "StringEquals": _any(_same),
    "StringNotEquals": _none(_same),
    "StringEqualsIgnoreCase": _any(_same_letters),
    "StringNotEqualsIgnoreCase": _none(_same_letters),
    "StringLike": _any(like),
    "StringNotLike": _none(like),
    "ArnEquals": _any(like),
    "ArnLike": _any(like),
    "ArnNotEquals": _none(like),
    "ArnNotLike": _none(like),
    "Bool": _any(_same_letters),
    "IpAddress": _any(_within),
    "NotIpAddress": _none(_within),
    "NumericEquals": _any(_number(lambda value, wanted: value == wanted)),
    "NumericLessThan": _any(_number(lambda value, wanted: value < wanted)),
    "NumericLessThanEquals": _any(_number(lambda value, wanted: value <= wanted)),
    "NumericGreaterThan": _any(_number(lambda value, wanted: value > wanted)),
    "NumericGreaterThanEquals": _any(_number(lambda value, wanted: value >= wanted)),
}
NEGATED = {name for name in TESTS if "Not" in name}

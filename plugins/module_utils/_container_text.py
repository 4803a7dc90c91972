# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Text of a container made fit for a terminal. A training image must not be able to steer the terminal of who watches it. Pure."""

from __future__ import annotations

import re

from ansible_collections.trainyard.aws.plugins.module_utils._container_types import Line

_SEQUENCES = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI: colours, cursor moves
    "|(?:\x1b\\]|\x9d).*?(?:\x07|\x1b\\\\|\x9c|$)"  # OSC: window title, clipboard, links
    "|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f]).*?(?:\x1b\\\\|\x9c|$)"  # DCS, SOS, PM, APC
    "|\x1b[ -/]*[0-~]?",  # all other escapes
    re.DOTALL,
)
# What is left of C0 and C1, the line and paragraph separators, and the marks that reverse the order of what is shown.
_UNSEEN = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_UNITS = (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3))


def sanitise(text: str) -> str:
    """One line of text without anything that a terminal would obey."""
    return text if text.isprintable() else _UNSEEN.sub("", _SEQUENCES.sub("", text))


def in_units(size: int) -> str:
    """A size for people, such as 9.9 MB."""
    if size < 1000:
        return f"{size} bytes"
    unit, factor = next(((name, each) for name, each in _UNITS if size >= each))
    return f"{size / factor:.1f} {unit}"


def text_of(line: Line) -> str:
    """A line for the screen: bad UTF-8 replaced, and a word about what was cut off."""
    text = line.data.decode("utf-8", "replace")
    if line.size <= len(line.data):
        return sanitise(text)
    return f"{sanitise(text.rstrip(chr(0xFFFD)))}... ({in_units(line.size - len(line.data))} more in the log)"

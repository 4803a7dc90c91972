# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import unicodedata

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils._container_text import in_units, sanitise, text_of
from ansible_collections.trainyard.aws.plugins.module_utils._container_types import Line
from hypothesis import example, given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("loss 0.31", "loss 0.31", id="plain"),
        pytest.param("é 猫 🚂", "é 猫 🚂", id="letters of the world"),
        pytest.param("a\tb", "a\tb", id="tab"),
        pytest.param("\x1b[31mred\x1b[0m", "red", id="colour"),
        pytest.param("\x1b[2J\x1b[Hgone", "gone", id="clear the screen"),
        pytest.param("\x1b]0;owned\x07title", "title", id="window title"),
        pytest.param("\x1b]52;c;ZXZpbA==\x1b\\clip", "clip", id="clipboard"),
        pytest.param("\x1b]8;;http://example.com\x1b\\link\x1b]8;;\x1b\\", "link", id="link"),
        pytest.param("\x9b31mred", "red", id="C1 colour"),
        pytest.param("\x9d0;owned\x9ctitle", "title", id="C1 title"),
        pytest.param("\x1bP+q544e\x1b\\dcs", "dcs", id="device control"),
        pytest.param("\x1bcreset", "reset", id="reset"),
        pytest.param("\x1b(0lines", "lines", id="character set"),
        pytest.param("end \x1b", "end ", id="escape at the end"),
        pytest.param("open \x1b]0;never closed", "open ", id="title without end"),
        pytest.param("bell\x07 back\x08 nul\x00 del\x7f", "bell back nul del", id="control characters"),
        pytest.param("user\u202egnp.exe", "usergnp.exe", id="reversed order"),
        pytest.param("two\u2028lines", "twolines", id="line separator"),
    ],
)
def test_sanitise(text: str, shown: str) -> None:
    assert sanitise(text) == shown


@given(st.text(st.sampled_from("\x1b[]P^_\\;0m\x07\x9b\x9d\x9c\x90 a") | st.characters()))
@example("\x1b\x1b[[0m")
@example("\x1b]\x1b[0m\x07")
def test_nothing_gets_through_that_a_terminal_obeys(text: str) -> None:
    left = sanitise(text)
    assert not [each for each in left if each != "\t" and unicodedata.category(each) in ("Cc", "Cs", "Zl", "Zp")]
    assert sanitise(left) == left


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        pytest.param(Line(b"short", 5), "short", id="whole"),
        pytest.param(Line(b"x" * 10, 9_900_010), "xxxxxxxxxx... (9.9 MB more in the log)", id="cut"),
        pytest.param(Line(b"ab\xff\xfe", 4), "ab\ufffd\ufffd", id="bad UTF-8"),
        pytest.param(Line("né".encode()[:2], 500), "n... (498 bytes more in the log)", id="cut inside a letter"),
    ],
)
def test_text_of(line: Line, shown: str) -> None:
    assert text_of(line) == shown


@pytest.mark.parametrize(
    ("size", "text"),
    [
        pytest.param(0, "0 bytes", id="nothing"),
        pytest.param(999, "999 bytes", id="bytes"),
        pytest.param(1000, "1.0 kB", id="kB"),
        pytest.param(9_900_000, "9.9 MB", id="MB"),
        pytest.param(3 * 10**12, "3.0 TB", id="TB"),
    ],
)
def test_in_units(size: int, text: str) -> None:
    assert in_units(size) == text

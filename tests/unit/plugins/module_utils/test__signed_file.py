# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils._signed_file import (
    Record,
    parse_record,
    signer_of,
    still_verified,
    text_of_record,
)
from ansible_collections.trainyard.aws.plugins.module_utils._signing import SigningError

URL = "https://packages.example.com/agent.deb"
KEY, OTHER = "A" * 40, "B" * 40
RECORD = Record(URL, "c" * 64, KEY)
VALID = f"[GNUPG:] VALIDSIG {'D' * 40} 2026-11-21 1795291540 0 4 0 22 8 00 {KEY}"


def test_a_record_survives_its_file() -> None:
    assert parse_record(text_of_record(RECORD)) == RECORD


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"url": 1, "sha256": "", "fingerprint": ""}'])
def test_a_damaged_record_is_none(text: str) -> None:
    assert parse_record(text) is None


@pytest.mark.parametrize(
    ("record", "url", "sha256", "wanted", "expected"),
    [
        pytest.param(RECORD, URL, "c" * 64, [KEY], True, id="as it was verified"),
        pytest.param(None, URL, "c" * 64, [KEY], False, id="never verified"),
        pytest.param(RECORD, URL + "2", "c" * 64, [KEY], False, id="another address"),
        pytest.param(RECORD, URL, "d" * 64, [KEY], False, id="changed by somebody"),
        pytest.param(RECORD, URL, None, [KEY], False, id="removed"),
        pytest.param(RECORD, URL, "c" * 64, [OTHER], False, id="the key is not trusted any more"),
    ],
)
def test_what_was_verified_stays_so_while_nothing_differs(
    record: Record | None, url: str, sha256: str | None, wanted: list[str], expected: bool
) -> None:
    assert still_verified(record, url, sha256, wanted) is expected


def test_a_subkey_signs_for_its_primary_key() -> None:
    assert signer_of(f"[GNUPG:] GOODSIG DDDD vendor\n{VALID}\n", URL, [KEY]) == KEY


@pytest.mark.parametrize(
    ("status", "why"),
    [
        pytest.param("", "There is no signature in it", id="silence"),
        pytest.param("[GNUPG:] NODATA 4\n", "There is no signature in it", id="no signature"),
        pytest.param("gpg: GOODSIG\n" + VALID, "There is no signature in it", id="a good one in words only"),
        pytest.param("[GNUPG:] BADSIG DDDD vendor\n", "not what was signed", id="bad"),
        pytest.param("[GNUPG:] ERRSIG DDDD 22 8 00 1795291540 9 -\n", "another key", id="another key"),
        pytest.param(f"[GNUPG:] EXPKEYSIG DDDD vendor\n{VALID}", "key has expired", id="the key has expired"),
        pytest.param(f"[GNUPG:] EXPSIG DDDD vendor\n{VALID}", "signature has expired", id="expired"),
        pytest.param(f"[GNUPG:] REVKEYSIG DDDD vendor\n{VALID}", "revoked", id="revoked"),
        pytest.param(
            f"[GNUPG:] GOODSIG DDDD vendor\n{VALID}\n[GNUPG:] ERRSIG EEEE 22 8 00 1 9 -\n",
            "another key",
            id="one of two",
        ),
        pytest.param(f"[GNUPG:] GOODSIG DDDD vendor\n{VALID.replace(KEY, OTHER)}", OTHER, id="a key not wanted"),
    ],
)
def test_anything_but_one_good_signature_is_refused(status: str, why: str) -> None:
    with pytest.raises(SigningError, match=why):
        signer_of(status, URL, [KEY])

# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils._signing import (
    SigningError,
    fetch,
    fingerprints_of,
    normal,
    pinned_keys,
    primary_fingerprints,
)

from tests.unit.plugins.signing import Key, run

SPACED = "9DC8 5822 9FC7 DD38 854A  E2D8 8D81 803C 0EBF CD88"


def test_a_fingerprint_is_taken_with_spaces_and_in_small_letters() -> None:
    assert normal(SPACED) == normal(SPACED.lower()) == "9DC858229FC7DD38854AE2D88D81803C0EBFCD88"


@pytest.mark.parametrize("text", ["", "0EBFCD88", SPACED + "00", SPACED.replace("9", "G")])
def test_what_is_no_fingerprint_is_refused(text: str) -> None:
    with pytest.raises(SigningError, match="40 hexadecimal digits"):
        normal(text)


def test_the_fingerprint_of_a_subkey_is_not_taken_for_one() -> None:
    listing = "pub:-:255:22:1:2:::-:\nfpr:::::::::AAAA:\nuid:-::::\nsub:-:255:18:3:4:::\nfpr:::::::::BBBB:\n"
    assert primary_fingerprints(listing) == ("AAAA",)


def test_only_the_pinned_key_is_kept_of_those_that_are_published(tmp_path: Path, key: Key, other_key: Key) -> None:
    kept = tmp_path / "kept.asc"
    kept.write_bytes(pinned_keys(run, key.public + other_key.public, [key.fingerprint], "here"))
    assert kept.read_text().startswith("-----BEGIN PGP PUBLIC KEY BLOCK-----")
    assert fingerprints_of(run, kept) == (key.fingerprint,)


def test_a_key_that_is_not_pinned_is_refused_and_both_are_named(key: Key, other_key: Key) -> None:
    with pytest.raises(SigningError) as refusal:
        pinned_keys(run, other_key.public, [key.fingerprint], "https://vendor.example.com/key")
    assert all(text in str(refusal.value) for text in (key.fingerprint, other_key.fingerprint, "vendor.example.com"))


def test_what_is_no_key_is_refused() -> None:
    with pytest.raises(SigningError):
        pinned_keys(run, b"<html>not found</html>", ["A" * 40], "here")


def test_a_missing_file_holds_no_key(tmp_path: Path) -> None:
    assert fingerprints_of(run, tmp_path / "none.asc") == ()


def test_an_address_that_does_not_answer_is_named(tmp_path: Path) -> None:
    with pytest.raises(SigningError, match="Cannot fetch the key from file:"):
        fetch((tmp_path / "none").as_uri(), "the key")

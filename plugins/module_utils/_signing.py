# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signing keys of vendors: GnuPG reads them, and only those that were pinned by fingerprint are trusted."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.error import URLError

from ansible.module_utils.urls import open_url

Run = Callable[[list[str]], "tuple[int, str, str]"]  # such as AnsibleModule.run_command: status, stdout, stderr

FINGERPRINT = re.compile(r"[0-9A-F]{40}")
TIMEOUT_SECONDS = 30


class SigningError(Exception):
    """Something is not signed as it has to be. The text says what, why, and what to do."""


def normal(fingerprint: str) -> str:
    """A fingerprint as GnuPG prints it: 40 capital hexadecimal digits. Raises SigningError for anything else."""
    text = "".join(fingerprint.split()).upper()
    if not FINGERPRINT.fullmatch(text):
        raise SigningError(
            f'"{fingerprint}" is no fingerprint of a key. Give 40 hexadecimal digits, as "gpg --show-keys" prints them.'
        )
    return text


def primary_fingerprints(listing: str) -> tuple[str, ...]:
    """The primary keys in what `gpg --with-colons` prints; the fingerprints of subkeys follow `sub` records."""
    found: list[str] = []
    of_primary = False
    for line in listing.splitlines():
        fields = line.split(":")
        if fields[0] in ("pub", "sub"):
            of_primary = fields[0] == "pub"
        elif fields[0] == "fpr" and of_primary:
            found.append(fields[9])
    return tuple(found)


def fetch(url: str, what: str) -> bytes:
    """Download something small. Raises SigningError."""
    try:
        with open_url(url, timeout=TIMEOUT_SECONDS) as answer:
            return bytes(answer.read())
    except (URLError, OSError) as error:
        raise SigningError(
            f"Cannot fetch {what} from {url}: {error}. Let the node reach that address, or name a mirror of yours."
        ) from error


def fingerprints_of(run: Run, key_file: Path) -> tuple[str, ...]:
    """The primary keys in a file, none when there is no such file."""
    if not key_file.is_file():
        return ()
    with tempfile.TemporaryDirectory() as home:
        return primary_fingerprints(_gpg(run, home, "--with-colons", "--show-keys", str(key_file)))


def pinned_keys(run: Run, keys: bytes, pinned: Sequence[str], source: str, armor: bool = True) -> bytes:
    """Of the keys that a vendor publishes those that are pinned, and no other. Raises SigningError when none is."""
    with tempfile.TemporaryDirectory() as home:
        published, chosen = Path(home) / "published", Path(home) / "chosen"
        published.write_bytes(keys)
        found = primary_fingerprints(_gpg(run, home, "--with-colons", "--show-keys", str(published)))
        wanted = [each for each in found if each in pinned]
        if not wanted:
            raise SigningError(
                f"The key at {source} has the fingerprint {' and '.join(found) or '(none)'}, and {' or '.join(pinned)} is "
                "trusted. Nothing was installed. Compare both with what the vendor publishes, and correct the fingerprint if "
                "the vendor has changed the key."
            )
        _gpg(run, home, "--import", str(published))
        _gpg(run, home, *(["--armor"] if armor else []), "--output", str(chosen), "--export", *wanted)
        return chosen.read_bytes()


def _gpg(run: Run, home: str, *arguments: str) -> str:
    # No agent, which the package gpg does not bring, and no trust database: a list of keys is read, nothing is judged.
    status, said, complaint = run(
        ["gpg", "--homedir", home, "--batch", "--quiet", "--no-autostart", "--trust-model", "always", *arguments]
    )
    if status != 0:
        raise SigningError(f"gpg {' '.join(arguments)} failed: {(complaint or said).strip()}")
    return said

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""When a downloaded file counts as verified, and what gpg said about its signature. Pure."""

from __future__ import annotations

import json
import typing as t
from dataclasses import asdict, dataclass, fields

from ansible_collections.trainyard.aws.plugins.module_utils._signing import SigningError

_STATUS = "[GNUPG:] "
# What gpg says instead of GOODSIG, and what it means.
_BAD = {
    "BADSIG": "The file is not what was signed.",
    "ERRSIG": "It was made with another key.",
    "EXPSIG": "The signature has expired.",
    "EXPKEYSIG": "The key has expired.",
    "REVKEYSIG": "The key has been revoked.",
}


@dataclass(frozen=True)
class Record:
    """What was verified: kept beside the file, so that the next run needs no download."""

    url: str
    sha256: str
    fingerprint: str


def text_of_record(record: Record) -> str:
    return json.dumps(asdict(record), indent=2) + "\n"


def parse_record(text: str) -> Record | None:
    """A record that somebody damaged is none."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    names = [field.name for field in fields(Record)]
    if not isinstance(found, dict) or not all(isinstance(found.get(name), str) for name in names):
        return None
    return Record(*(found[name] for name in names))


def still_verified(record: Record | None, url: str, sha256: str | None, wanted: t.Collection[str]) -> bool:
    """Whether the file that is there is the one that was verified, from the same place and with a key still wanted."""
    return record is not None and record.url == url and record.sha256 == sha256 and record.fingerprint in wanted


def signer_of(status: str, url: str, wanted: t.Collection[str]) -> str:
    """The primary fingerprint of the key that made the one good signature, from what gpg writes with --status-fd."""
    lines = [line[len(_STATUS) :].split() for line in status.splitlines() if line.startswith(_STATUS)]
    said = {words[0]: words[1:] for words in lines if words}
    problem = next((meaning for word, meaning in _BAD.items() if word in said), None)
    if problem is None and "GOODSIG" not in said:
        problem = "There is no signature in it that gpg can read."
    # The last word of VALIDSIG is the primary key, also when a subkey has signed.
    signer = said.get("VALIDSIG", [""])[-1]
    if problem is None and signer not in wanted:
        problem = f"It was made with the key {signer}."
    if problem is not None:
        raise SigningError(
            f"The signature of {url} does not hold: {problem} Nothing was written. Compare the address, and the fingerprint "
            "of the key, with what the vendor publishes."
        )
    return signer

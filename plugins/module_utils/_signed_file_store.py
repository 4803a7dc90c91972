# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Bring a signed file to its place: download, ask gpg, move."""

from __future__ import annotations

import hashlib
import os
import shutil
import typing as t
from dataclasses import asdict, dataclass
from urllib.error import URLError

from ansible.module_utils.urls import open_url
from ansible_collections.trainyard.aws.plugins.module_utils._signed_file import (
    Record,
    parse_record,
    signer_of,
    still_verified,
    text_of_record,
)
from ansible_collections.trainyard.aws.plugins.module_utils._signing import (
    TIMEOUT_SECONDS,
    Run,
    SigningError,
    fetch,
    normal,
    pinned_keys,
)

RECORD_SUFFIX = ".verified"
_BLOCK = 1024 * 1024


@dataclass(frozen=True)
class Tools:
    """What touches the world outside of this file."""

    run: Run
    move: t.Callable[[str, str], None]  # atomically
    directory: str  # for what lasts no longer than the task


def provide(params: t.Mapping[str, t.Any], tools: Tools, check_mode: bool) -> dict[str, t.Any]:
    """See that the file is at O(dest) and verified. Answers with the module's results."""
    wanted = [normal(fingerprint) for fingerprint in params["key_fingerprints"]]
    dest, url = params["dest"], params["url"]
    record, found = read_record(dest + RECORD_SUFFIX), sha256_of(dest)
    before = asdict(record) if record and found == record.sha256 else {}
    if still_verified(record, url, found, wanted):
        return {"changed": False, "dest": dest, "sha256": found, "diff": {"before": before, "after": before}}
    if check_mode:
        return {"changed": True, "dest": dest, "sha256": None, "diff": {"before": before, "after": {"url": url}}}
    downloaded = os.path.join(tools.directory, "file")
    signer = download(url, params["signature_url"] or f"{url}.sig", params["key_url"], wanted, tools)
    new = Record(url=url, sha256=sha256_of(downloaded) or "", fingerprint=signer)
    place(downloaded, new, dest, tools)
    after = asdict(new)
    return {"changed": True, "dest": dest, "sha256": new.sha256, "diff": {"before": before, "after": after}}


def download(url: str, signature_url: str, key_url: str, wanted: t.Sequence[str], tools: Tools) -> str:
    """Fetch the key, the signature and the file, in this order, and return who signed. Nothing is at its place yet."""
    keyring, signature, file = (os.path.join(tools.directory, name) for name in ("keyring", "signature", "file"))
    write(keyring, pinned_keys(tools.run, fetch(key_url, "a signing key"), wanted, key_url, armor=False))
    write(signature, fetch(signature_url, "a signature"))
    stream(url, file)
    home = ["--homedir", tools.directory, "--no-default-keyring", "--keyring", keyring, "--trust-model", "always"]
    # Exit status and text are gpg's opinion in its user's language; the status lines are made for programs.
    dummy, status, dummy = tools.run(
        ["gpg", *home, "--batch", "--no-autostart", "--status-fd", "1", "--verify", signature, file]
    )
    return signer_of(status, url, wanted)


def stream(url: str, path: str) -> None:
    """Download what may be larger than memory."""
    try:
        with open_url(url, timeout=TIMEOUT_SECONDS) as answer, open(path, "wb") as file:
            shutil.copyfileobj(answer, file)
    except (URLError, OSError) as error:
        raise SigningError(
            f"Cannot fetch {url}: {error}. Let the node reach that address, or name a mirror of yours."
        ) from error


def write(path: str, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)


def place(downloaded: str, record: Record, dest: str, tools: Tools) -> None:
    """Move the file to its place, then say that it was verified: a crash between the two only costs a download."""
    if not os.path.isdir(os.path.dirname(dest)):
        raise SigningError(f"Cannot write {dest}: its directory does not exist. Create the directory first.")
    text = os.path.join(tools.directory, "record")
    write(text, text_of_record(record).encode())
    tools.move(downloaded, dest)
    tools.move(text, dest + RECORD_SUFFIX)


def read_record(path: str) -> Record | None:
    try:
        with open(path, encoding="utf-8") as file:
            return parse_record(file.read())
    except FileNotFoundError:
        return None


def sha256_of(path: str) -> str | None:
    """None where there is no file."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except FileNotFoundError:
        return None
    return digest.hexdigest()

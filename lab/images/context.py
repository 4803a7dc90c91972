# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an image is made from: its files, a name that changes exactly when they do, and the archive Docker wants."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class File:
    content: bytes
    executable: bool = False


@dataclass(frozen=True)
class Definition:
    """One image. What is only fetched when it is built (a wheel) counts by the requirement that pins it."""

    repository: str
    parent: str
    files: Mapping[str, File]
    requirements: tuple[str, ...] = field(default=())

    @property
    def tag(self) -> str:
        digest = hashlib.sha256(repr((self.parent, self.requirements)).encode())
        for path, file in sorted(self.files.items()):
            digest.update(repr((path, file.executable, hashlib.sha256(file.content).hexdigest())).encode())
        return f"{self.repository}:{digest.hexdigest()[:12]}"


def folder(path: Path) -> dict[str, File]:
    """Every file below path, by its name relative to path."""
    return {
        str(file.relative_to(path)): File(file.read_bytes(), executable=bool(file.stat().st_mode & 0o100))
        for file in sorted(path.rglob("*"))
        if file.is_file()
    }


def archive(files: Mapping[str, File], folders: tuple[str, ...] = ()) -> bytes:
    """A tar of the files, the same bytes for the same files. Folders may be empty."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in folders:
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        for name, file in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(file.content), 0o755 if file.executable else 0o644
            tar.addfile(entry, io.BytesIO(file.content))
    return buffer.getvalue()

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep what Python has compiled from zip files.

Ansible sends every module as a zip of sources, and no Python keeps their compiled form. On a machine with cores of its own
that does not matter; the boxes of a lab share this machine's, and compiling took two fifths of each module's time.
Loaded by lab_compiled.pth.
"""

from __future__ import annotations

import _imp
import marshal
import os
import sys
import zipimport
from types import CodeType

FOLDER = f"/var/cache/lab-compiled/{sys.implementation.cache_tag}"
_compile_source = zipimport._compile_source  # type: ignore[attr-defined] # typeshed has only what is public


def compile_source(pathname: str, source: bytes) -> CodeType:
    """What zipimport makes of a source, or has made of the same source before. Only root can write it down."""
    path = f"{FOLDER}/{_imp.source_hash(0, source).hex()}"
    try:
        with open(path, "rb") as file:
            return marshal.loads(file.read())  # noqa: S302 - nobody but root has written it
    except OSError:
        pass
    code = _compile_source(pathname, source)
    if os.access(FOLDER, os.W_OK):
        beside = f"{path}.{os.getpid()}"
        with open(beside, "wb") as file:
            marshal.dump(code, file)
        os.replace(beside, path)
    return code


zipimport._compile_source = compile_source  # type: ignore[attr-defined] # as above

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificates that this machine trusts beyond Mozilla's list.

Where a company's proxy replaces certificates, a box on this machine must trust what the machine itself trusts, or
neither apt nor pip works inside it. Elsewhere there is nothing to add.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import certifi

_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, Amazon Linux
    "/etc/ssl/ca-bundle.pem",  # openSUSE
)
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----\s.+?-----END CERTIFICATE-----", re.DOTALL)


def additions(bundle: str, known: str) -> tuple[str, ...]:
    """The certificates of bundle that known does not hold, whatever the line lengths of both."""
    held = {_content(found) for found in _CERTIFICATE.findall(known)}
    return tuple(found for found in _CERTIFICATE.findall(bundle) if _content(found) not in held)


def as_files(certificates: Iterable[str]) -> dict[str, bytes]:
    """One file for each certificate, as update-ca-certificates wants them, named by content."""
    return {
        f"lab-{hashlib.sha256(_content(certificate).encode()).hexdigest()[:16]}.crt": f"{certificate}\n".encode()
        for certificate in certificates
    }


def of_this_machine(environment: Mapping[str, str] = os.environ) -> dict[str, bytes]:
    """Files for /usr/local/share/ca-certificates of an image."""
    candidates = (environment.get("SSL_CERT_FILE", ""), *_BUNDLES)
    bundle = next((Path(path) for path in candidates if path and Path(path).is_file()), None)
    if bundle is None:
        return {}
    known = Path(certifi.where()).read_text(encoding="utf-8")
    return as_files(additions(bundle.read_text(encoding="utf-8", errors="replace"), known))


def _content(certificate: str) -> str:
    return "".join(certificate.split())

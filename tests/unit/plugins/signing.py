# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real keys for the tests of what is signed."""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.trainyard.aws.plugins.module_utils._signing import primary_fingerprints


def run(command: list[str]) -> tuple[int, str, str]:
    """As AnsibleModule.run_command answers."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@dataclass(frozen=True)
class Key:
    """A key pair with its home folder."""

    home: Path
    fingerprint: str
    public: bytes

    @classmethod
    def make(cls, user: str) -> Key:
        home = Path(tempfile.mkdtemp(prefix="gnupg-"))  # short, for the agent's socket lies in it
        home.chmod(0o700)
        gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet"]
        make = [*gpg, "--passphrase", "", "--quick-generate-key", user, "ed25519", "sign", "never"]
        subprocess.run(make, check=True, capture_output=True)
        listing = subprocess.run([*gpg, "--with-colons", "--list-keys"], check=True, capture_output=True, text=True)
        public = subprocess.run([*gpg, "--armor", "--export"], check=True, capture_output=True).stdout
        return cls(home, primary_fingerprints(listing.stdout)[0], public)

    def sign(self, path: Path) -> Path:
        """Make a detached signature beside the file."""
        signature = path.with_name(path.name + ".sig")
        subprocess.run(
            ["gpg", "--homedir", self.home, "--batch", "--yes", "--output", signature, "--detach-sign", path],
            check=True,
        )
        return signature

    def forget(self) -> None:
        """End the agent and remove the folder."""
        subprocess.run(["gpgconf", "--homedir", self.home, "--kill", "all"], check=False, capture_output=True)
        subprocess.run(["rm", "-rf", self.home], check=True)

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one lab is called, where it keeps its files and which labels mark what it owns."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ACCOUNT = "123456789012"
REGION = "us-east-1"
DEFAULT_PORT = 4790
DEFAULT_STATE = ".lab"

LABEL_LAB = "trainyard.lab"  # which lab owns the container, network or volume
LABEL_KIND = "trainyard.lab.kind"  # box, file-server, registry, vpc, public, registry-data
LABEL_ID = "trainyard.lab.id"  # the AWS id behind it: i-..., fsmt-..., vpc-...


@dataclass(frozen=True)
class Settings:
    """The whole configuration of one lab; everything else follows from these two values."""

    state: Path
    port: int = DEFAULT_PORT

    @cached_property
    def name(self) -> str:
        """Labs of different state directories never share a name, so they never remove each other's things."""
        return "lab-" + hashlib.sha256(str(self.state.resolve()).encode()).hexdigest()[:8]

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def env_file(self) -> Path:
        return self.state / "env"

    @property
    def pid_file(self) -> Path:
        return self.state / "pid"

    @property
    def log_file(self) -> Path:
        return self.state / "lab.log"

    @property
    def calls_file(self) -> Path:
        return self.state / "calls.jsonl"

    @property
    def file_systems(self) -> Path:
        """One directory per EFS file system."""
        return (self.state / "file-systems").resolve()

    @property
    def certificates(self) -> Path:
        return self.state / "certificates"

    def labels(self, kind: str, identity: str) -> dict[str, str]:
        return {LABEL_LAB: self.name, LABEL_KIND: kind, LABEL_ID: identity}

    @property
    def label_filter(self) -> dict[str, str]:
        """Docker's filter for everything this lab owns."""
        return {"label": f"{LABEL_LAB}={self.name}"}

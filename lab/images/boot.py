# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a box is run, and the files it reads at boot."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# systemd needs the cgroups and its own /run; the engine inside needs the capabilities, and a disk that is no overlay.
# The PCI devices of the machine below are hidden: its GPU would have a driver installed here.
RUN_OPTIONS: Mapping[str, Any] = {
    "cap_add": ["SYS_ADMIN", "NET_ADMIN"],
    "security_opt": ["seccomp=unconfined", "apparmor=unconfined"],
    "cgroupns": "host",
    "volumes": ["/sys/fs/cgroup:/sys/fs/cgroup:rw", "/var/lib/docker"],
    "tmpfs": {"/run": "", "/run/lock": "", "/sys/bus/pci/devices": ""},
    "stop_signal": "SIGRTMIN+3",
}
ADMIN_ID = 1000


@dataclass(frozen=True)
class Metadata:
    """Where the instance metadata service of this box listens, and how far its answers travel."""

    gateway: str
    port: int
    hop_limit: int = 1
    private: bool = True
    router: str = ""  # the instance that does NAT for this box's subnet

    def text(self) -> str:
        private = "yes" if self.private else "no"
        return f"GATEWAY={self.gateway}\nPORT={self.port}\nHOP_LIMIT={self.hop_limit}\nPRIVATE={private}\nROUTER={self.router}\n"


@dataclass(frozen=True)
class BootSettings:
    """Everything that makes one box this instance and no other."""

    authorized_keys: tuple[str, ...]
    metadata: Metadata | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    user_data: bytes | None = None

    def archive(self) -> bytes:
        """A tar for `put_archive("/", ...)` between create and start."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            keys = "".join(f"{key.strip()}\n" for key in self.authorized_keys)
            _add(tar, "home/admin/.ssh/authorized_keys", keys.encode(), 0o600, owner=ADMIN_ID)
            if self.metadata is not None:
                _add(tar, "etc/lab/metadata.env", self.metadata.text().encode(), 0o644)
            if self.environment:
                _add(tar, "etc/environment", _assignments(self.environment).encode(), 0o644)
                _add(tar, "etc/systemd/system.conf.d/lab.conf", _system_conf(self.environment).encode(), 0o644)
            if self.user_data is not None:
                _add(tar, "var/lib/cloud/instance/user-data.txt", self.user_data, 0o600)
        return buffer.getvalue()


def _assignments(environment: Mapping[str, str]) -> str:
    """For pam_env, so for every SSH session."""
    return "".join(f'{name}="{value}"\n' for name, value in environment.items())


def _system_conf(environment: Mapping[str, str]) -> str:
    """For systemd, so for every service."""
    pairs = " ".join(f'"{name}={value}"' for name, value in environment.items())
    return f"[Manager]\nDefaultEnvironment={pairs}\n"


def _add(tar: tarfile.TarFile, name: str, content: bytes, mode: int, owner: int = 0) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.uid, entry.gid = len(content), mode, owner, owner
    tar.addfile(entry, io.BytesIO(content))

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The smallest Debian: from a container registry where one answers, else put together from Debian's packages."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import docker
from docker.errors import APIError

from lab.images.errors import ImageError

MIRROR = "http://deb.debian.org"
_OPTIONS = (
    "--variant=minbase",
    '--aptopt=Acquire::Languages "none"',
    "--dpkgopt=force-unsafe-io",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
)


def sources(release: str) -> tuple[str, ...]:
    """Debian's own archive, its updates and its security fixes."""
    return (
        f"deb {MIRROR}/debian {release} main",
        f"deb {MIRROR}/debian {release}-updates main",
        f"deb {MIRROR}/debian-security {release}-security main",
    )


def make(client: docker.DockerClient, release: str, tag: str, say: Callable[[str], None]) -> None:
    """Leave the smallest Debian of that release under the tag."""
    repository, _, version = tag.rpartition(":")
    try:
        client.images.pull("debian", tag=f"{release}-slim").tag(repository, tag=version)
        return
    except APIError:
        say("no container registry answers; putting Debian together from its packages")
    _from_packages(client, release, repository, version)


def _from_packages(client: docker.DockerClient, release: str, repository: str, version: str) -> None:
    _ensure_mmdebstrap()
    with tempfile.TemporaryDirectory() as scratch:
        tarball = Path(scratch) / "debian.tar"
        run(["mmdebstrap", *_OPTIONS, release, str(tarball), *sources(release)], doing=f"put Debian {release} together")
        client.api.import_image_from_file(str(tarball), repository=repository, tag=version)


def _ensure_mmdebstrap() -> None:
    if shutil.which("mmdebstrap"):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise ImageError(
            "The lab needs Debian's root file system: no container registry answers, and mmdebstrap is not installed. "
            "Install mmdebstrap, or make `docker pull debian:bookworm-slim` work."
        )
    run(["apt-get", "update", "--quiet"], doing="read Debian's package lists")
    run(
        ["apt-get", "install", "--quiet", "--yes", "--no-install-recommends", "mmdebstrap", "debian-archive-keyring"],
        doing="install mmdebstrap",
    )


def run(command: list[str], doing: str) -> None:
    """Run a command; its last words are in the error when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        words = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise ImageError(f"Cannot {doing}: {command[0]} ended with {done.returncode}.\n{words}")

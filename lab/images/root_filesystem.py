# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The smallest Debian or Ubuntu: from a container registry where one answers, else put together from its packages."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Callable
from pathlib import Path

import docker
from docker.errors import APIError, BuildError
from docker.models.images import Image

from lab.images.errors import ImageError

MIRROR = "http://deb.debian.org"
UBUNTU_MIRROR = "http://archive.ubuntu.com/ubuntu"
UBUNTU = ("jammy", "noble")
AMAZON_LINUX = "2023"
# The key "Ubuntu Archive Automatic Signing Key (2018)", and the package that it is in.
_UBUNTU_KEY = "F6ECB3762474EDA9D21B7022871920D1991BC93C"
_UBUNTU_KEYRING = "pool/main/u/ubuntu-keyring/ubuntu-keyring_2021.03.26_all.deb"
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
    """The distribution's own archive, its updates and its security fixes; none that we could read of Amazon Linux."""
    if release == AMAZON_LINUX:
        return ()
    if release in UBUNTU:
        suites = (release, f"{release}-updates", f"{release}-security")
        return tuple(f"deb {UBUNTU_MIRROR} {suite} main universe" for suite in suites)
    return (
        f"deb {MIRROR}/debian {release} main",
        f"deb {MIRROR}/debian {release}-updates main",
        f"deb {MIRROR}/debian-security {release}-security main",
    )


def make(client: docker.DockerClient, release: str, tag: str, say: Callable[[str], None]) -> None:
    """Leave the smallest system of that release under the tag."""
    repository, _, version = tag.rpartition(":")
    image = _image(release)
    try:
        pulled = client.images.pull(*image.split(":"))
    except APIError as error:
        if release == AMAZON_LINUX:
            raise ImageError(f"no container registry answers with {image}: {error.explanation}") from error
        say(f"no container registry answers; putting {release} together from its packages")
        _from_packages(client, release, repository, version)
        return
    if release in UBUNTU:
        pulled = _without_its_user(client, image)
    pulled.tag(repository, tag=version)


def _image(release: str) -> str:
    if release == AMAZON_LINUX:
        return f"amazonlinux:{release}"
    return f"ubuntu:{release}" if release in UBUNTU else f"debian:{release}-slim"


def _without_its_user(client: docker.DockerClient, image: str) -> Image:
    """Ubuntu's container images have a user whose number a box gives to its own."""
    recipe = f"FROM {image}\nRUN userdel --remove ubuntu || true\n"
    try:
        built, _ = client.images.build(fileobj=io.BytesIO(recipe.encode()), rm=True, forcerm=True)
    except (APIError, BuildError) as error:
        raise ImageError(f"Cannot take the user out of {image}: {error}") from error
    return built


def _from_packages(client: docker.DockerClient, release: str, repository: str, version: str) -> None:
    _ensure_mmdebstrap()
    with tempfile.TemporaryDirectory() as scratch:
        tarball = Path(scratch) / "system.tar"
        more = [f"--keyring={_ubuntu_keyring(Path(scratch))}", "--include=apt"] if release in UBUNTU else []
        command = ["mmdebstrap", *_OPTIONS, *more, release, str(tarball), *sources(release)]
        run(command, doing=f"put {release} together")
        client.api.import_image_from_file(str(tarball), repository=repository, tag=version)


def _ubuntu_keyring(scratch: Path) -> Path:
    """Debian has no package of Ubuntu's keys. Of those in Ubuntu's own package only the one that is known is taken."""
    package, home, keyring = scratch / "keyring.deb", scratch / "gnupg", scratch / "ubuntu.gpg"
    home.mkdir(mode=0o700)
    try:
        with urllib.request.urlopen(f"{UBUNTU_MIRROR}/{_UBUNTU_KEYRING}", timeout=30) as answer:
            package.write_bytes(answer.read())
    except OSError as error:
        raise ImageError(f"Ubuntu's archive does not answer: {error}.") from error
    run(["dpkg-deb", "--extract", str(package), str(scratch / "files")], doing="unpack Ubuntu's keys")
    published = scratch / "files/usr/share/keyrings/ubuntu-archive-keyring.gpg"
    gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--no-autostart"]
    run([*gpg, "--import", str(published)], doing="read Ubuntu's keys")
    run([*gpg, "--output", str(keyring), "--export", _UBUNTU_KEY], doing="take Ubuntu's key")
    if not keyring.exists():
        raise ImageError(f"{_UBUNTU_KEYRING} lacks the key {_UBUNTU_KEY}.")
    scratch.chmod(0o755)  # apt reads it as a user of its own
    keyring.chmod(0o644)
    return keyring


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

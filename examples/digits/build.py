# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the image of this example, and push it to a registry if one is given. What has not changed is not done again.

python examples/digits/build.py --push 127.0.0.1:5000
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import docker
from docker.errors import APIError, BuildError, ImageNotFound
from docker.models.images import Image

HERE = Path(__file__).resolve().parent
FILES = ("Dockerfile", "early_stopping.py", "train.py")
REPOSITORY = "trainyard/digits"
TAG = "1"  # as in run.yml
RELEASE = "trixie"
BASE_REPOSITORY = "trainyard/debian"
MIRROR = "http://deb.debian.org"

Say = Callable[[str], None]


class ExampleError(Exception):
    """The image cannot be built or pushed; says what to do."""


def build(client: docker.DockerClient, say: Say, base: str = "") -> Image:
    """The example's image, built if its files changed."""
    tag = f"{REPOSITORY}:{content_hash()}"
    try:
        return client.images.get(tag)
    except ImageNotFound:
        pass
    base = base or find_base(client, say)
    say(f"building {REPOSITORY}: Debian's PyTorch and scikit-learn (about a minute)")
    try:
        return client.images.build(path=str(HERE), tag=tag, buildargs={"BASE": base}, rm=True, forcerm=True)[0]
    except BuildError as error:
        lines = "".join(part.get("stream", "") for part in error.build_log).splitlines()[-15:]
        raise ExampleError("Cannot build the image of the example:\n" + "\n".join(lines)) from error


def content_hash() -> str:
    digest = hashlib.sha256()
    for name in FILES:
        digest.update(name.encode() + b"\0" + (HERE / name).read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def find_base(client: docker.DockerClient, say: Say) -> str:
    """A small Debian 13: from a registry where one answers, else put together from Debian's packages."""
    tag = f"{BASE_REPOSITORY}:{RELEASE}"
    try:
        client.images.get(tag)
    except ImageNotFound:
        try:
            client.images.pull("debian", tag="13-slim").tag(BASE_REPOSITORY, tag=RELEASE)
        except APIError:
            say("no container registry answers; putting Debian 13 together from its packages (about half a minute)")
            _base_from_packages(client)
    return tag


def _base_from_packages(client: docker.DockerClient) -> None:
    if os.geteuid() != 0 or not shutil.which("mmdebstrap"):
        raise ExampleError(
            "The example needs a small Debian 13 image. Make `docker pull debian:13-slim` work, name one with --base, "
            "or install mmdebstrap and run this as root."
        )
    sources = [f"deb {MIRROR}/debian {RELEASE}{suite} main" for suite in ("", "-updates")]
    sources.append(f"deb {MIRROR}/debian-security {RELEASE}-security main")
    with tempfile.TemporaryDirectory() as scratch:
        tarball = str(Path(scratch) / "debian.tar")
        done = subprocess.run(
            ["mmdebstrap", "--variant=minbase", "--quiet", RELEASE, tarball, *sources],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ExampleError("mmdebstrap failed:\n" + "\n".join(done.stderr.splitlines()[-15:]))
        client.api.import_image_from_file(tarball, repository=BASE_REPOSITORY, tag=RELEASE)


def push(client: docker.DockerClient, image: Image, registry: str, say: Say) -> bool:
    """Push the image to a registry. Returns whether that was needed."""
    name = f"{registry}/{REPOSITORY}"
    if registry_has(client, image, name):
        return False
    say(f"pushing {name}:{TAG}")
    image.tag(name, tag=TAG)
    for line in client.images.push(name, tag=TAG, stream=True, decode=True):
        if "error" in line:
            raise ExampleError(f"Cannot push {name}: {line['error']}")
    return True


def registry_has(client: docker.DockerClient, image: Image, name: str) -> bool:
    """Whether the registry gives out, under our tag, what was pushed from this image."""
    try:
        found = client.images.get_registry_data(f"{name}:{TAG}")
    except APIError:
        return False
    return f"{name}@{found.id}" in image.attrs["RepoDigests"]


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the image of the digits example.")
    parser.add_argument("--base", default="", help="a Debian 13 image to build on")
    parser.add_argument("--push", default="", metavar="REGISTRY", help="where to push it, such as 127.0.0.1:5000")
    arguments = parser.parse_args()
    client = docker.from_env(timeout=600)
    try:
        image = build(client, print, arguments.base)
        pushed = bool(arguments.push) and push(client, image, arguments.push, print)
    except ExampleError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{REPOSITORY}:{TAG} was pushed" if pushed else f"{REPOSITORY}:{TAG} is ready")
    return 0


if __name__ == "__main__":
    sys.exit(main())

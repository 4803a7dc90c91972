# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the image of an example, and push it to a registry if one is given. What has not changed is not done again.

python examples/build.py digits --push 127.0.0.1:5000
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
EXAMPLES = ("dcgan", "digits", "toxicity")
TAG = "1"  # as in each run.yml
# Debian has no TensorBoard. This writes its files, and is a wheel of Python alone.
TENSORBOARD = "tensorboardX==2.6.5"
RELEASE = "trixie"
BASE_REPOSITORY = "trainyard/debian"
MIRROR = "http://deb.debian.org"

Say = Callable[[str], None]


class ExampleError(Exception):
    """The image cannot be built or pushed; says what to do."""


def build(client: docker.DockerClient, example: str, say: Say, base: str = "") -> Image:
    """The example's image, built if its files changed."""
    tag = f"{repository(example)}:{content_hash(example)}"
    try:
        return client.images.get(tag)
    except ImageNotFound:
        pass
    base = base or find_base(client, say)
    say(f"building {repository(example)}: Debian's PyTorch and scikit-learn (about a minute)")
    with tempfile.TemporaryDirectory() as context:
        put_together(example, Path(context))
        try:
            return client.images.build(path=context, tag=tag, buildargs={"BASE": base}, rm=True, forcerm=True)[0]
        except BuildError as error:
            lines = "".join(part.get("stream", "") for part in error.build_log).splitlines()[-15:]
            raise ExampleError("Cannot build the image of the example:\n" + "\n".join(lines)) from error


def repository(example: str) -> str:
    return f"trainyard/{example}"


def sources(example: str) -> dict[str, Path]:
    """What the image holds of ours: name in the image, and file here."""
    return {file.name: file for folder in ("shared", example) for file in sorted((HERE / folder).glob("*.py"))}


def content_hash(example: str) -> str:
    digest = hashlib.sha256(TENSORBOARD.encode() if example == "dcgan" else b"")
    for name, file in {"Dockerfile": HERE / "Dockerfile", **sources(example)}.items():
        digest.update(name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def put_together(example: str, context: Path) -> None:
    """Everything that Docker needs to build the image, in one folder."""
    shutil.copy(HERE / "Dockerfile", context)
    code = context / "trainyard"
    code.mkdir()
    for name, file in sources(example).items():
        shutil.copy(file, code / name)
    if example == "dcgan":
        _fetch(TENSORBOARD, code)


def _fetch(requirement: str, folder: Path) -> None:
    """The modules of a wheel of Python alone. Fetched here: an image that is built has not this machine's certificates."""
    with tempfile.TemporaryDirectory() as scratch:
        done = subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", scratch, requirement],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ExampleError(f"Cannot fetch {requirement}:\n" + "\n".join(done.stderr.splitlines()[-5:]))
        for wheel in Path(scratch).glob("*.whl"):
            shutil.unpack_archive(wheel, folder, format="zip")


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


def push(client: docker.DockerClient, image: Image, name: str, say: Say) -> bool:
    """Push the image to a registry under its name there. Returns whether that was needed."""
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
    parser = argparse.ArgumentParser(description="Build the image of an example.")
    parser.add_argument("example", choices=EXAMPLES)
    parser.add_argument("--base", default="", help="a Debian 13 image to build on")
    parser.add_argument("--push", default="", metavar="REGISTRY", help="where to push it, such as 127.0.0.1:5000")
    arguments = parser.parse_args()
    name = repository(arguments.example)
    client = docker.from_env(timeout=600)
    try:
        image = build(client, arguments.example, print, arguments.base)
        pushed = bool(arguments.push) and push(client, image, f"{arguments.push}/{name}", print)
    except ExampleError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{name}:{TAG} was pushed" if pushed else f"{name}:{TAG} is ready")
    return 0


if __name__ == "__main__":
    sys.exit(main())

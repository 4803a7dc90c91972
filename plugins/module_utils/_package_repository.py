# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the files of a package repository say. Formats: sources.list(5) and apt-key pinning by Signed-By; dnf.conf(5)."""

from __future__ import annotations

from dataclasses import dataclass

FLAT = "/"  # a suite of that name is a repository without distributions and components


@dataclass(frozen=True)
class Repository:
    """A repository of a vendor, as apt or dnf is told of it."""

    name: str
    url: str
    suite: str = FLAT
    components: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()
    packages_signed: bool = True
    metadata_signed: bool = False


@dataclass(frozen=True)
class Places:
    """Where a package manager looks."""

    key: str
    source: str


def places(format_: str, name: str) -> Places:
    if format_ == "apt":
        return Places(f"/etc/apt/keyrings/{name}.asc", f"/etc/apt/sources.list.d/{name}.sources")
    return Places(f"/etc/pki/rpm-gpg/{name}.asc", f"/etc/yum.repos.d/{name}.repo")


def source_text(format_: str, repository: Repository) -> str:
    """The content of the file at Places.source."""
    key = places(format_, repository.name).key
    return _apt(repository, key) if format_ == "apt" else _dnf(repository, key)


def fault_in(format_: str, repository: Repository) -> str:
    """Why apt or dnf would not take it; empty when it would."""
    if format_ == "apt" and (repository.suite == FLAT) != (not repository.components):
        return 'a flat repository (suite "/") has no components, any other has at least one.'
    if format_ == "dnf" and not (repository.packages_signed or repository.metadata_signed):
        return 'neither packages nor metadata would be checked. Set "packages_signed" or "metadata_signed".'
    return ""


def _apt(repository: Repository, key: str) -> str:
    lines = {
        "Types": "deb",
        "URIs": repository.url,
        "Suites": repository.suite,
        "Components": " ".join(repository.components),
        "Architectures": " ".join(repository.architectures),
        "Signed-By": key,
    }
    return "".join(f"{name}: {value}\n" for name, value in lines.items() if value)


def _dnf(repository: Repository, key: str) -> str:
    return (
        f"[{repository.name}]\n"
        f"name={repository.name}\n"
        f"baseurl={repository.url}\n"
        "enabled=1\n"
        f"gpgcheck={int(repository.packages_signed)}\n"
        f"repo_gpgcheck={int(repository.metadata_signed)}\n"
        f"gpgkey=file://{key}\n"
    )

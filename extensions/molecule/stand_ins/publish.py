#!/usr/bin/env python3
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make what the web server of the stand-ins serves. Runs while its image is built.

`publish.py keys` makes two signing keys, a vendor's and that of somebody else. `publish.py everything` turns the folders of
/stand-ins into /srv, signed by the vendor, and once more into /srv/other-key, signed by somebody else:

repositories/PATH/PACKAGE   a package as `dpkg-deb --build` takes it; PATH is a flat repository, or holds dists/SUITE/COMPONENT
files/PATH                  files as they are; a script called BUILD is run instead, with the folder to fill in $OUT;
                            the file SIGN lists what gets a detached signature beside it, NAME.sig
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

SOURCES = Path("/stand-ins")
TARGETS = {"vendor": Path("/srv"), "somebody": Path("/srv/other-key")}
ARCHITECTURES = ("amd64", "arm64")
SUITE = re.compile(r"(?P<root>.*)/dists/(?P<suite>[^/]+)/(?P<component>[^/]+)")


def gpg(who: str, *arguments: str | Path) -> bytes:
    home = Path.home() / "keys" / who
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    return subprocess.run(
        ["gpg", "--homedir", home, "--batch", "--yes", *arguments], check=True, capture_output=True
    ).stdout


def run(*command: str | Path, folder: Path | None = None, **environment: str) -> bytes:
    done = subprocess.run(
        command,
        check=True,
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )
    return done.stdout


def make_keys() -> None:
    for who, target in TARGETS.items():
        gpg(who, "--passphrase", "", "--quick-generate-key", f"{who}@packages.test", "ed25519", "sign", "never")
        target.mkdir(parents=True, exist_ok=True)
        (target / "key.asc").write_bytes(gpg(who, "--armor", "--export"))
        listing = gpg(who, "--with-colons", "--list-keys").decode()
        (target / "fingerprint").write_text(re.findall(r"^fpr:+(\w+):", listing, re.MULTILINE)[0], encoding="ascii")


def folders_below(top: Path) -> Iterator[Path]:
    """Every folder, also through symbolic links: one repository may serve several systems."""
    for folder, _, _ in os.walk(top, followlinks=True):
        yield Path(folder)


def publish_packages(who: str, target: Path) -> None:
    top = SOURCES / "repositories"
    packages = [folder.parent for folder in folders_below(top) if folder.name == "DEBIAN"]
    for path in sorted({package.parent.relative_to(top) for package in packages}):
        mine = [package for package in packages if package.parent.relative_to(top) == path]
        if match := SUITE.fullmatch(str(path)):
            root, suite, component = target / match["root"], match["suite"], match["component"]
            make_packages(mine, root / "pool" / suite / component)
            for architecture in ARCHITECTURES:
                listed = root / "dists" / suite / component / f"binary-{architecture}" / "Packages"
                listed.parent.mkdir(parents=True)
                listed.write_bytes(run("apt-ftparchive", "packages", f"pool/{suite}/{component}", folder=root))
            release(who, root / "dists" / suite, Suite=suite, Codename=suite, Components=component)
        else:
            make_packages(mine, target / path)
            (target / path / "Packages").write_bytes(run("apt-ftparchive", "packages", ".", folder=target / path))
            release(who, target / path)


def make_packages(packages: list[Path], folder: Path) -> None:
    folder.mkdir(parents=True)
    for package in packages:
        run("dpkg-deb", "--root-owner-group", "-Znone", "--build", package.resolve(), folder / f"{package.name}.deb")


def release(who: str, folder: Path, **fields: str) -> None:
    """The signed list of checksums that apt believes in."""
    fields = {"Architectures": " ".join(ARCHITECTURES), **fields}
    options = [f"-oAPT::FTPArchive::Release::{name}={value}" for name, value in fields.items()]
    content = run("apt-ftparchive", *options, "release", ".", folder=folder)
    (folder / "Release").write_bytes(content)
    gpg(who, "--output", folder / "InRelease", "--clear-sign", folder / "Release")


def publish_files(who: str, target: Path) -> None:
    top = SOURCES / "files"
    for folder in folders_below(top):
        out = target / folder.relative_to(top)
        out.mkdir(parents=True, exist_ok=True)
        if (folder / "BUILD").is_file():
            run("sh", "-eu", "BUILD", folder=folder, OUT=str(out))
        else:
            for file in folder.iterdir():
                if file.is_file() and file.name != "SIGN":
                    shutil.copy(file, out)
        signed = (folder / "SIGN").read_text(encoding="utf-8").split() if (folder / "SIGN").is_file() else []
        for name in signed:
            gpg(who, "--output", out / f"{name}.sig", "--detach-sign", out / name)


def main() -> None:
    if sys.argv[1:] == ["keys"]:
        make_keys()
    elif sys.argv[1:] == ["everything"]:
        for who, target in TARGETS.items():
            publish_packages(who, target)
            publish_files(who, target)
    else:
        raise SystemExit("Usage: publish.py keys | everything")


if __name__ == "__main__":
    main()

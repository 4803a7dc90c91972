# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""The code of a run out of Git: a commit, and with it what is not committed in the working tree where it is checked out.

What is not committed is made a tree of Git's own, beside the repository: nothing is written into it, and what Git ignores stays out.
"""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import tempfile
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.trainyard.aws.plugins.module_utils._channels import size_text
from ansible_collections.trainyard.aws.plugins.module_utils._preflight import Fault
from ansible_collections.trainyard.aws.plugins.module_utils._training_results import CODE_ARCHIVE, CODE_DIFF

_URL = re.compile(r"(?:https|ssh|git|file)://\S+|[A-Za-z0-9_.-]+@[A-Za-z0-9.-]+:\S+")
_PASSWORD = re.compile(r"https://[^/@]*:[^/@]*@")
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_SUBMODULE = "160000"
_MEGABYTE = 1000 * 1000
_LARGEST = 3
# Where Git is to look whatever its directory says: a hook that starts a playbook has them.
_PLACES = {f"GIT_{name}" for name in ("DIR", "COMMON_DIR", "WORK_TREE", "PREFIX", "INDEX_FILE", "OBJECT_DIRECTORY")}
_WE = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "trainyard"), ("EMAIL", "-"))
}


class CodeError(Exception):
    """The code cannot be used: why, and what to do."""

    def __init__(self, why: str, fix: str) -> None:
        super().__init__(f"{why} {fix}")
        self.why = why
        self.fix = fix


@dataclass(frozen=True)
class Git:
    """Git in a directory, with an environment of its own."""

    directory: str
    environment: t.Mapping[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str) -> str:
        return self.bytes(*arguments).decode("utf-8", "surrogateescape").rstrip("\n")

    def bytes(self, *arguments: str) -> bytes:
        """What Git prints. Raises CodeError with its words."""
        kept = {name: value for name, value in os.environ.items() if name not in _PLACES}
        own = {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", **self.environment}
        command = ["git", "-C", self.directory, *arguments]
        try:
            done = subprocess.run(command, capture_output=True, check=False, env=kept | own, stdin=subprocess.DEVNULL)
        except FileNotFoundError as error:
            raise CodeError("git is not installed on this machine.", "Install it.") from error
        if done.returncode:
            words = " ".join(done.stderr.decode("utf-8", "replace").split()) or f"git {arguments[0]} failed"
            raise CodeError(f"{words.rstrip('.')}.", "Mend that, then run the same command again.")
        return done.stdout


@dataclass(frozen=True)
class Code:
    """What a run trains. ``tree`` is Git's name for all its files together, the same for the same files."""

    repository: str
    reference: str
    commit: str
    changed: bool
    tree: str
    base: str
    git: Git

    def facts(self) -> dict[str, t.Any]:
        """What is told of it."""
        return {name: getattr(self, name) for name in ("repository", "reference", "commit", "changed", "tree")}


def is_url(code: str) -> bool:
    return bool(_URL.fullmatch(code))


def code_faults(subject: str, code: str, reference: str, most_megabytes: int) -> list[Fault]:
    """What is wrong with it, as far as it can be told without fetching all of a repository."""
    try:
        with tempfile.TemporaryDirectory() as scratch:
            if is_url(code):
                _refuse_password(code)
                _look_at(code, reference)
            else:
                resolve(code, reference, most_megabytes, Path(scratch))
    except CodeError as error:
        return [Fault(subject, error.why, error.fix)]
    return []


def resolve(code: str, reference: str, most_megabytes: int, scratch: Path) -> Code:
    """Which commit is meant, and which files. Raises CodeError."""
    found = (
        _of_url(code, reference, scratch) if is_url(code) else _of_directory(code, reference, most_megabytes, scratch)
    )
    _refuse_large(found, most_megabytes)
    return found


def pack(code: Code, scratch: Path) -> dict[str, Path]:
    """Write the archive and the difference, which are the same for the same files."""
    paths = {name: scratch / name for name in (CODE_ARCHIVE, CODE_DIFF)}
    moment = f"{code.git('show', '--no-patch', '--format=%ct', code.commit)} +0000"
    dated = {**code.git.environment, **_WE, "GIT_AUTHOR_DATE": moment, "GIT_COMMITTER_DATE": moment}
    if "GIT_OBJECT_DIRECTORY" not in dated:
        dated |= _beside(code.git, scratch)
    git = Git(code.git.directory, dated)
    packed = git("commit-tree", code.tree, "-m", code.commit)
    with paths[CODE_ARCHIVE].open("wb") as file, gzip.GzipFile("", "wb", fileobj=file, mtime=0) as archive:
        archive.write(git.bytes("archive", "--format=tar", packed))
    paths[CODE_DIFF].write_bytes(git.bytes("diff", "--binary", "--no-ext-diff", "--no-color", code.base, code.tree))
    return paths


# ---- A repository elsewhere ----------------------------------------------------------------------------------------


def _of_url(url: str, reference: str, scratch: Path) -> Code:
    _refuse_password(url)
    clone = scratch / "clone.git"
    try:
        Git(str(scratch))("clone", "--quiet", "--bare", "--", url, str(clone))
    except CodeError as error:
        raise CodeError(error.why, f"See that this machine may read {url}.") from error
    git = Git(str(clone))
    commit = _commit(git, url, reference)
    tree = git("rev-parse", f"{commit}^{{tree}}")
    return Code(url, reference, commit, False, tree, tree, git)


def _look_at(url: str, reference: str) -> None:
    try:
        lines = Git("/")("ls-remote", "--", url).splitlines()
    except CodeError as error:
        raise CodeError(error.why, f"See that this machine may read {url}.") from error
    names = {line.split("\t")[-1] for line in lines}
    if (
        not _COMMIT.fullmatch(reference)
        and not {reference, f"refs/heads/{reference}", f"refs/tags/{reference}"} & names
    ):
        raise CodeError(f'{url} has no branch and no tag "{reference}".', "Mend the reference.")


def _refuse_password(url: str) -> None:
    if _PASSWORD.match(url):
        raise CodeError(
            "its address holds a password, which would be recorded.", "Give Git a credential helper instead."
        )


# ---- A working tree ------------------------------------------------------------------------------------------------


def _of_directory(code: str, reference: str, most_megabytes: int, scratch: Path) -> Code:
    directory = os.path.abspath(os.path.expanduser(code))
    if not os.path.isdir(directory):
        raise CodeError(
            f"{directory} is no directory of this machine.", "Name one that is in a working tree of Git, or a URL."
        )
    here = Git(directory)
    try:
        top, prefix = here("rev-parse", "--show-toplevel"), here("rev-parse", "--show-prefix").rstrip("/")
    except CodeError as error:
        fix = "Name a directory in a working tree of Git; `git init` and a first commit make one."
        raise CodeError(f"{directory} is in no working tree of Git ({error.why.rstrip('.')}).", fix) from error
    git = Git(top, _beside(here, scratch))
    commit = _commit(git, directory, reference)
    base = _below(git, commit, prefix)
    if commit != _commit(git, directory, "HEAD"):
        return Code(directory, reference, commit, False, base, base, git)
    _refuse_large_files(git, prefix, most_megabytes)
    index = scratch / "index"
    own = Path(top, git("rev-parse", "--git-path", "index"))
    if own.exists():
        shutil.copy2(own, index)  # what Git knows of unchanged files, and of when: what was written since is read again
    work = Git(top, {**git.environment, "GIT_INDEX_FILE": str(index)})
    if not own.exists():
        work("read-tree", commit)
    work("add", "--all", "--", f"./{prefix}")
    tree = _below(git, work("write-tree"), prefix)
    return Code(directory, reference, commit, tree != base, tree, base, git)


def _beside(git: Git, scratch: Path) -> dict[str, str]:
    """New objects of Git go to a directory of our own, and those of the repository are only read."""
    objects = scratch / "objects"
    objects.mkdir(exist_ok=True)
    known = os.path.join(git.directory, git("rev-parse", "--git-path", "objects"))
    return {"GIT_OBJECT_DIRECTORY": str(objects), "GIT_ALTERNATE_OBJECT_DIRECTORIES": known}


def _commit(git: Git, where: str, reference: str) -> str:
    try:
        if not reference or reference.startswith("-"):
            raise CodeError("", "")
        return git("rev-parse", "--verify", "--quiet", f"{reference}^{{commit}}")
    except CodeError as error:
        fix = "Name a commit, a branch or a tag that is there; `git log --all --oneline` lists them."
        raise CodeError(f'there is no commit "{reference}" in {where}.', fix) from error


def _below(git: Git, treeish: str, prefix: str) -> str:
    try:
        return git("rev-parse", "--verify", f"{treeish}:{prefix}")
    except CodeError as error:
        raise CodeError(
            f'"{prefix}" is not in the commit {treeish[:12]}.', "Commit it, or name another directory."
        ) from error


# ---- Bounds --------------------------------------------------------------------------------------------------------


def _refuse_large_files(git: Git, prefix: str, most_megabytes: int) -> None:
    """What is not committed, before Git reads it."""
    listed = git.bytes("ls-files", "-z", "--others", "--modified", "--exclude-standard", "--", f"./{prefix}")
    names = {os.fsdecode(each) for each in listed.split(b"\0") if each}
    paths = {name: os.path.join(git.directory, name) for name in names}
    _refuse_sizes(
        {name: os.lstat(path).st_size for name, path in paths.items() if os.path.lexists(path)}, most_megabytes
    )


def _refuse_large(code: Code, most_megabytes: int) -> None:
    sizes: dict[str, int] = {}
    for line in code.git.bytes("ls-tree", "-r", "-l", "-z", code.tree).split(b"\0"):
        entry, dummy, name = line.decode("utf-8", "replace").partition("\t")
        if entry.startswith(_SUBMODULE):
            fix = "Ignore it, and give it to the run as a channel or in its image."
            raise CodeError(f'"{name}" in {code.repository} is a repository of its own, which is not taken along.', fix)
        if entry:
            sizes[name] = int(entry.split()[3])
    if not sizes:
        raise CodeError(f"there is no file in {code.repository} at {code.commit[:12]}.", "Commit the code.")
    _refuse_sizes(sizes, most_megabytes)


def _refuse_sizes(sizes: t.Mapping[str, int], most_megabytes: int) -> None:
    total = sum(sizes.values())
    if total > most_megabytes * _MEGABYTE:
        largest = sorted(sizes, key=lambda name: sizes[name], reverse=True)[:_LARGEST]
        shown = ", ".join(f"{name!a} ({size_text(sizes[name])})" for name in largest)
        raise CodeError(
            f"the code has {size_text(total)}, and at most {most_megabytes} MB are kept with a run. The largest: {shown}.",
            "Have Git ignore what is no code, or raise training_run_code_most_megabytes.",
        )

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The code of a run, out of real repositories."""

from __future__ import annotations

import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from ansible_collections.trainyard.aws.plugins.plugin_utils import _training_code as codes

MEGABYTES = 1


def git(directory: Path, *arguments: str) -> str:
    own = ["-c", "user.name=ada", "-c", "user.email=ada@example.com", "-c", "init.defaultBranch=main"]
    command = ["git", "-C", str(directory), *own, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, "/dev/null")
    directory = tmp_path / "houses"
    (directory / "sub").mkdir(parents=True)
    git(directory, "init", "--quiet")
    (directory / ".gitignore").write_text("*.log\n")
    (directory / "train.py").write_text("one\n")
    (directory / "gone.py").write_text("gone\n")
    (directory / "sub" / "run.sh").write_text("#!/bin/sh\n")
    (directory / "sub" / "run.sh").chmod(0o755)
    git(directory, "add", "--all")
    git(directory, "commit", "--quiet", "--message=one")
    git(directory, "tag", "v1")
    return directory


def resolved(code: Path | str, scratch: Path, reference: str = "HEAD") -> codes.Code:
    scratch.mkdir()
    return codes.resolve(str(code), reference, MEGABYTES, scratch)


def packed(code: codes.Code, scratch: Path) -> tuple[dict[str, tarfile.TarInfo], bytes]:
    paths = codes.pack(code, scratch)
    with tarfile.open(paths["code.tar.gz"]) as tar:
        return {each.name: each for each in tar if each.isfile()}, paths["code.diff"].read_bytes()


def change(repository: Path) -> None:
    (repository / "train.py").write_text("two\n")
    (repository / "gone.py").unlink()
    (repository / "new.bin").write_bytes(bytes(range(256)))
    (repository / "x.log").write_text("ignored\n")


def test_a_commit_as_it_is(repository: Path, tmp_path: Path) -> None:
    code = resolved(repository, tmp_path / "a")
    files, difference = packed(code, tmp_path / "a")
    assert sorted(files) == [".gitignore", "gone.py", "sub/run.sh", "train.py"]
    assert (files["sub/run.sh"].mode & 0o100, files["train.py"].mode & 0o100) == (0o100, 0)
    assert (code.commit, code.changed, difference) == (git(repository, "rev-parse", "HEAD"), False, b"")
    assert code.tree == git(repository, "rev-parse", "HEAD^{tree}")


def test_what_is_not_committed_belongs_to_it_and_what_is_ignored_does_not(repository: Path, tmp_path: Path) -> None:
    change(repository)
    code = resolved(repository, tmp_path / "a")
    files, difference = packed(code, tmp_path / "a")
    assert sorted(files) == [".gitignore", "new.bin", "sub/run.sh", "train.py"]
    assert code.changed
    # The difference makes the same of the commit.
    git(repository, "clone", "--quiet", ".", str(tmp_path / "clone"))
    (tmp_path / "code.diff").write_bytes(difference)
    git(tmp_path / "clone", "apply", "--index", str(tmp_path / "code.diff"))
    assert git(tmp_path / "clone", "write-tree") == code.tree


def contents(directory: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_nothing_is_written_into_the_repository(repository: Path, tmp_path: Path) -> None:
    change(repository)
    before = contents(repository)
    status = git(repository, "--no-optional-locks", "status", "--porcelain")
    code = resolved(repository, tmp_path / "a")
    packed(code, tmp_path / "a")
    assert contents(repository) == before
    assert git(repository, "--no-optional-locks", "status", "--porcelain") == status


@pytest.mark.parametrize("changed", [False, True])
def test_the_same_code_is_the_same_again(repository: Path, tmp_path: Path, changed: bool) -> None:
    if changed:
        change(repository)
    codes_found = [resolved(repository, tmp_path / name) for name in ("a", "b")]
    assert codes_found[0].tree == codes_found[1].tree
    archives = [
        codes.pack(code, tmp_path / name)["code.tar.gz"].read_bytes()
        for code, name in zip(codes_found, "ab", strict=True)
    ]
    assert archives[0] == archives[1]


def test_a_change_in_the_second_of_the_last_add_is_seen(repository: Path, tmp_path: Path) -> None:
    file, index = repository / "train.py", repository / ".git" / "index"
    second = (1_700_000_000, 1_700_000_000)
    git(repository, "config", "core.trustctime", "false")  # as if this second lasted
    os.utime(file, second)
    git(repository, "add", "train.py")
    os.utime(index, second)
    file.write_text(file.read_text().replace("one", "two"))
    os.utime(file, second)
    assert resolved(repository, tmp_path / "a").changed


def test_a_hook_of_another_repository_does_not_lead_astray(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nowhere/index")
    assert min(packed(resolved(repository, tmp_path / "a"), tmp_path / "a")[0]) == ".gitignore"


def test_changes_do_not_belong_to_another_commit(repository: Path, tmp_path: Path) -> None:
    git(repository, "commit", "--quiet", "--allow-empty", "--message=two")
    change(repository)
    code = resolved(repository, tmp_path / "a", "v1")
    assert (code.changed, code.tree) == (False, git(repository, "rev-parse", "v1^{tree}"))


def test_of_a_directory_what_is_below_it(repository: Path, tmp_path: Path) -> None:
    change(repository)
    code = resolved(repository / "sub", tmp_path / "a")
    assert not code.changed
    (repository / "sub" / "more.py").touch()
    code = resolved(repository / "sub", tmp_path / "b")
    files, difference = packed(code, tmp_path / "b")
    assert code.changed
    assert sorted(files) == ["more.py", "run.sh"]
    assert b"train.py" not in difference


def test_a_repository_elsewhere(repository: Path, tmp_path: Path) -> None:
    change(repository)
    code = resolved(f"file://{repository}", tmp_path / "a", "v1")
    files, difference = packed(code, tmp_path / "a")
    assert sorted(files) == [".gitignore", "gone.py", "sub/run.sh", "train.py"]
    assert (code.changed, difference, code.repository) == (False, b"", f"file://{repository}")
    assert codes.code_faults("code", f"file://{repository}", "main", MEGABYTES) == []


def faults(code: Path | str, reference: str = "HEAD") -> str:
    return " ".join(map(str, codes.code_faults("training_run_code", str(code), reference, MEGABYTES)))


def test_good_code_has_no_faults(repository: Path) -> None:
    change(repository)
    assert faults(repository) == ""


@pytest.mark.parametrize("reference", ["v2", "--all", "", "HEAD~7"])
def test_an_unknown_reference(repository: Path, reference: str) -> None:
    assert f'training_run_code: there is no commit "{reference}" in {repository}' in faults(repository, reference)


def test_an_unknown_reference_elsewhere(repository: Path) -> None:
    assert 'has no branch and no tag "v2"' in faults(f"file://{repository}", "v2")


def test_what_is_no_repository(tmp_path: Path) -> None:
    assert f"{tmp_path} is in no working tree of Git" in faults(tmp_path)
    assert f"{tmp_path}/no is no directory of this machine" in faults(tmp_path / "no")
    assert "See that this machine may read file:///no/such" in faults("file:///no/such")


def test_git_that_is_missing(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert "git is not installed" in faults(repository)


def test_a_repository_without_a_commit(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    assert 'there is no commit "HEAD"' in faults(tmp_path)


def test_a_password_in_an_address(tmp_path: Path) -> None:
    assert "holds a password" in faults("https://ada:hush@example.com/houses.git")
    assert "hush" not in faults("https://ada:hush@example.com/houses.git")


@pytest.mark.parametrize("committed", [False, True])
def test_code_that_is_too_large_names_the_largest(repository: Path, committed: bool) -> None:
    (repository / "weights.bin").write_bytes(b"x" * 1_200_000)
    if committed:
        git(repository, "add", "--all")
        git(repository, "commit", "--quiet", "--message=large")
    said = faults(repository)
    assert "the code has 1.2 MB, and at most 1 MB are kept" in said
    assert "'weights.bin' (1.2 MB)" in said


def test_a_repository_in_it_is_refused(repository: Path) -> None:
    (repository / "inner").mkdir()
    git(repository / "inner", "init", "--quiet")
    git(repository / "inner", "commit", "--quiet", "--allow-empty", "--message=one")
    assert '"inner"' in faults(repository)

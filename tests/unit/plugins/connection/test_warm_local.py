# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import shlex
import sys

import pytest
from ansible_collections.trainyard.aws.plugins.connection.warm_local import Cold, Command, Place, python_command
from hypothesis import given
from hypothesis import strategies as st

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]*", fullmatch=True)
VALUES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


def shell(*words: str, end: str = "") -> str:
    """A command as Ansible gives it to a connection."""
    return f"/bin/sh -c {shlex.quote(' '.join(words) + end)}"


@given(environment=st.dictionaries(NAMES, VALUES, max_size=4), end=st.sampled_from(["", " && sleep 0"]))
def test_environment_of_a_task_is_read_as_a_shell_would(environment: dict[str, str], end: str) -> None:
    assigned = [f"{name}={shlex.quote(value)}" for name, value in environment.items()]
    assert python_command(shell(*assigned, sys.executable, end=end)) == Command(sys.executable, environment)


@pytest.mark.parametrize(
    "command",
    [
        "echo raw",
        sys.executable,
        shell("python"),
        shell(f"FOO=$BAR {sys.executable}"),
        shell(f"FOO=a\\ b {sys.executable}"),
        shell(f"~/{sys.executable}"),
        shell("/usr/bin/env", "python3"),
        shell(sys.executable, "/tmp/module.py"),
        shell(sys.executable, end="; rm -rf x"),
        shell("/nowhere/python"),
        shell("sudo", "-H", "/bin/sh", "-c", f"'{sys.executable}'"),
        "/bin/sh -c 'unbalanced",
        f"/bin/sh -x {sys.executable}",
        "",
    ],
)
def test_any_other_command_starts_cold(command: str) -> None:
    with pytest.raises(Cold):
        python_command(command)


def test_interpreter_is_shared_by_those_who_would_start_it_alike() -> None:
    def place(interpreter: str = "/usr/bin/python3", **environment: str) -> str:
        return Place.of(interpreter, environment).name

    assert place(HOME="/a", AWS_PROFILE="x") == place(HOME="/b", FOO="1")
    different = [place(), place("/usr/bin/python3.13"), place(PYTHONPATH="/x"), place(LANG="C"), place(LC_ALL="C")]
    assert len(set(different)) == len(different)

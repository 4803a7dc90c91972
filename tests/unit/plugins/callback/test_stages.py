# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The callback is seen from outside: small playbooks are run, and what stands on the screen and in the file is looked at."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.trainyard.aws.plugins.callback.stages import open_log

INVENTORY = (
    "[all:vars]\nansible_connection=local\nansible_python_interpreter={{ ansible_playbook_python }}\n[all]\none\ntwo\n"
)

GOOD = """
- name: First things
  hosts: all
  gather_facts: false
  tasks:
    - name: Look around
      ansible.builtin.assert: {that: true}
    - name: Change something
      ansible.builtin.copy: {content: "{{ item }}\\n", dest: "{{ playbook_dir }}/{{ inventory_hostname }}-{{ item }}", mode: "0600"}
      loop: [red, blue]
- name: Last words
  hosts: one
  gather_facts: false
  tasks:
    - name: Say what comes next
      ansible.builtin.debug: {msg: [Next, "ansible-playbook train.yml"]}
- name: Nobody
  hosts: all:!all
  gather_facts: false
  tasks: []
"""

BAD = """
- name: Trouble
  hosts: all
  gather_facts: false
  tasks:
    - name: Refuse
      ansible.builtin.fail: {msg: "Cannot {{ item }}.\\nIt is forbidden. Ask first."}
      loop: [jump]
      when: inventory_hostname == "one"
    - name: Crash
      ansible.builtin.command: {argv: [sh, -c, "echo too hot >&2; exit 3"]}
      changed_when: false
    - name: Hide
      ansible.builtin.fail: {msg: secret words}
      no_log: true
- name: Away
  hosts: one
  gather_facts: false
  vars: {ansible_connection: ssh, ansible_host: 127.0.0.1, ansible_port: 1}
  tasks:
    - name: Knock
      ansible.builtin.ping:
"""


@dataclass(frozen=True)
class Run:
    status: int
    screen: str
    errors: str
    directory: Path

    @property
    def log(self) -> Path:
        (path,) = (self.directory / ".ansible" / "logs").iterdir()
        return path


COMMAND = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "hosts", "play.yml"]
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}


def prepare(directory: Path, playbook: str) -> None:
    (directory / "hosts").write_text(INVENTORY, encoding="utf-8")
    (directory / "play.yml").write_text(playbook, encoding="utf-8")
    (directory / "ansible.cfg").write_text("[defaults]\nstdout_callback = trainyard.aws.stages\n", encoding="utf-8")


def play(directory: Path, playbook: str, *arguments: str, **environment: str) -> Run:
    prepare(directory, playbook)
    done = subprocess.run(
        [*COMMAND, *arguments],
        cwd=directory,
        env=CLEAN | environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    return Run(done.returncode, done.stdout, done.stderr, directory)


def without_times(screen: str) -> list[str]:
    return [re.sub(r"  \d+\.\d s$", "", line) for line in screen.splitlines()]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return play(tmp_path_factory.mktemp("good"), GOOD)


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return play(tmp_path_factory.mktemp("bad"), BAD)


def test_a_good_run_is_a_few_lines(good: Run) -> None:
    assert good.status == 0
    assert good.errors == ""
    assert without_times(good.screen) == [
        f"Details: .ansible/logs/{good.log.name}",
        "First things",
        "  changed: Change something (red, blue) [one, two]",
        "  ok=4 changed=2",
        "Last words",
        "  Next",
        "  ansible-playbook train.yml",
        "  ok=1 changed=0",
        "Nobody",
        "  no hosts match",
        "  ok=0 changed=0",
        "changed=2 failed=0 unreachable=0",
    ]


def test_an_interrupted_run_says_how_to_go_on(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    prepare(
        tmp_path,
        f"""
- name: The long part
  hosts: one
  gather_facts: false
  tasks:
    - name: Wait
      ansible.builtin.command:
        argv: [sh, -c, "touch {begun}; exec sleep 120"]
""",
    )
    process = subprocess.Popen(
        COMMAND, cwd=tmp_path, env=CLEAN, stdout=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    shown = [process.stdout.readline(), process.stdout.readline()]
    assert shown[1] == "The long part\n"
    # A worker that is only being forked does not notice.
    deadline = time.monotonic() + 60
    while not begun.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    rest, _ = process.communicate(timeout=120)
    assert process.returncode != 0
    assert 'Interrupted in "The long part". What was made stays' in rest
    assert rest.count("Interrupted in") == 1


def test_a_second_run_changes_nothing(good: Run) -> None:
    again = play(good.directory, GOOD, TRAINYARD_LOG_DIRECTORY="elsewhere")
    assert without_times(again.screen)[-1] == "changed=0 failed=0 unreachable=0"
    assert "Change something" not in again.screen
    assert len(list((good.directory / "elsewhere").iterdir())) == 1


def test_the_file_has_every_task_and_is_private(good: Run) -> None:
    text = good.log.read_text(encoding="utf-8")
    assert re.search(r"^\d\d:\d\d:\d\d TASK \[Look around\]$", text, re.MULTILINE)
    assert "changed: [two] => (item=blue)" in text
    assert re.search(r"^one +: ok=3 +changed=1", text, re.MULTILINE)
    assert good.log.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(
            [
                "  FAILED: Refuse (jump) [one]",
                "    Cannot jump.",
                "    It is forbidden. Ask first.",
                "    at play.yml:6",
            ],
            id="item",
        ),
        pytest.param(["    stderr:", "      too hot", "    at play.yml:10"], id="command"),
    ],
)
def test_a_failure_is_shown_in_full(bad: Run, lines: list[str]) -> None:
    assert bad.status != 0
    assert "\n".join(lines) in bad.screen


def test_a_failing_run_ends_with_who_failed_and_where_to_look(bad: Run) -> None:
    assert without_times(bad.screen)[-4:] == [
        "one: failed=1 unreachable=0",
        "two: failed=1 unreachable=0",
        f"Details: .ansible/logs/{bad.log.name}",
        "changed=0 failed=2 unreachable=0",
    ]


def test_the_place_of_a_failure_is_the_file_itself_not_a_link_to_it(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real" / "tasks.yml").write_text("- ansible.builtin.fail: {msg: no}\n", encoding="utf-8")
    playbook = "- hosts: one\n  gather_facts: false\n  tasks: [{ansible.builtin.include_tasks: link/tasks.yml}]\n"
    assert "    at real/tasks.yml:1" in play(tmp_path, playbook).screen


def test_an_unreachable_host_is_shown_in_full(tmp_path: Path) -> None:
    run = play(tmp_path, BAD[BAD.index("- name: Away") :])
    assert "  UNREACHABLE: Knock [one]\n    " in run.screen
    assert "Connection refused" in run.screen
    assert without_times(run.screen)[-1] == "changed=0 failed=0 unreachable=1"


def test_what_is_hidden_stays_hidden(tmp_path: Path) -> None:
    run = play(tmp_path, BAD.replace("exit 3", "exit 0").replace('"one"', '"nobody"'))
    assert "FAILED: Hide [one]" in run.screen
    assert "secret words" not in run.screen + run.errors + run.log.read_text(encoding="utf-8")


def test_check_mode_shows_the_differences(tmp_path: Path) -> None:
    run = play(tmp_path, GOOD, "--check", "--diff", "--limit", "one")
    assert "First things (check mode)" in run.screen
    assert "+red" in run.screen
    assert without_times(run.screen)[-2:] == [
        "Check mode: nothing was changed; changed counts what would be.",
        "changed=1 failed=0 unreachable=0",
    ]


def test_verbose_is_the_default_callback(tmp_path: Path) -> None:
    run = play(tmp_path, GOOD, "-v")
    assert "TASK [Look around]" in run.screen
    assert "PLAY RECAP" in run.screen
    assert "Details:" not in run.screen
    assert not (tmp_path / ".ansible").exists()


def test_without_a_writable_directory_the_next_is_taken(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = open_log([str(tmp_path / "file" / "logs"), str(tmp_path / "home")], "x.log")
    assert path == tmp_path / "home" / "x.log"


def test_without_any_writable_directory_the_error_names_them(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"no log file can be made in .*file/a or .*file/b: .*Not a directory"):
        open_log([str(tmp_path / "file" / "a"), str(tmp_path / "file" / "b")], "x.log")

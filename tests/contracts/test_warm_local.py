# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection warm_local is the connection local: one table of tasks over both, on each version of ansible-core at hand."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.driver import wait_for

ROOT = Path(__file__).resolve().parents[2]
WORLD = Path(__file__).with_name("warm_local")
OTHER_PYTHON = "3.11" if sys.version_info >= (3, 12) else "3.13"  # with the other version of ansible-core that we pin
PLAIN, WARM = "local", "trainyard.aws.warm_local"

AWS_CONFIG = """
[default]
region = eu-west-1
[profile keys]
region = eu-west-2
aws_access_key_id = AKIDOFTHEPROFILE
aws_secret_access_key = secret
[profile program]
credential_process = echo '{"Version": 1, "AccessKeyId": "AKIDOFTHEPROGRAM", "SecretAccessKey": "secret"}'
[profile single]
sso_session = house
sso_account_id = 123456789012
sso_role_name = engineer
[sso-session house]
sso_region = eu-central-1
sso_start_url = https://sso.invalid/start
"""

Task = dict[str, Any]

PROCESS = "example.probe.process"
TABLE: dict[str, Task] = {
    "process": {PROCESS: {"text": "plain"}},
    "text": {PROCESS: {"text": "ä € 'single' \"double\" $HOME \\ {{ '{{' }} \n line"}},
    "environment": {PROCESS: {}, "environment": {"FOO": 'it\'s $HOME "x"\ny', "EMPTY": "", "PATH": "/usr/bin:/bin"}},
    "environment that an interpreter starts with": {
        PROCESS: {},
        "environment": {"PYTHONOPTIMIZE": "1", "LC_ALL": "C", "PYTHONUTF8": "0"},
    },
    "time zone": {"example.probe.process": {}, "environment": {"TZ": "Asia/Tokyo"}},
    "check mode": {PROCESS: {}, "check_mode": True},
    "diff": {PROCESS: {}, "diff": True},
    "copy, diff and check mode": {
        "ansible.builtin.copy": {"content": "new\n", "dest": "{{ playbook_dir }}/file"},
        "check_mode": True,
        "diff": True,
    },
    "template": {
        "ansible.builtin.template": {"src": "source.j2", "dest": "{{ playbook_dir }}/{{ inventory_hostname }}.out"}
    },
    "secret argument": {PROCESS: {"secret": "hunter2", "text": "it is hunter2"}},
    "no_log": {PROCESS: {"text": "hunter2"}, "no_log": True},
    "no_log, failing": {"example.probe.misbehave": {"how": "raise"}, "no_log": True},
    "file limit": {PROCESS: {}, "vars": {"ansible_python_module_rlimit_nofile": 300}},
    "shell": {"ansible.builtin.shell": "echo $0; umask; pwd; cat; exit 3"},
    "command": {"ansible.builtin.command": {"argv": ["cat", "-"], "stdin": "given"}},
    "raw": {"ansible.builtin.raw": "echo raw; exit 4"},
    "script": {"ansible.builtin.script": "words.sh one two"},
    "facts": {"ansible.builtin.setup": {"gather_subset": ["!all", "python"], "filter": ["ansible_python*"]}},
    "async": {PROCESS: {"text": "later"}, "async": 30, "poll": 1},
    "become": {PROCESS: {}, "become": True, "become_user": "somebody", "become_exe": "{{ playbook_dir }}/sudo"},
    "loop": {PROCESS: {"text": "{{ item }}"}, "loop": ["a", "b"]},
    "until": {"example.probe.misbehave": {"how": "fail"}, "retries": 1, "delay": 0, "until": "false"},
    "delegate": {PROCESS: {}, "delegate_to": "{{ inventory_hostname }}"},
    "timeout": {"example.probe.misbehave": {"how": "sleep", "mark": "{{ playbook_dir }}/timeout"}, "timeout": 2},
    "respawn": {"example.probe.respawn": {"text": "twice"}},
    "warnings": {"example.probe.old_import": {}},
    "warnings again": {"example.probe.old_import": {}},
    "after warnings": {PROCESS: {}},
    "unknown argument": {PROCESS: {"nonsense": 1}},
    "another interpreter": {PROCESS: {}, "vars": {"ansible_python_interpreter": "{{ playbook_dir }}/other/bin/python"}},
    "an interpreter with an argument": {PROCESS: {}, "vars": {"ansible_python_interpreter": "/usr/bin/env python3"}},
    "no interpreter": {PROCESS: {}, "vars": {"ansible_python_interpreter": "/nowhere/python"}},
    "default profile": {"example.probe.session": {}},
    "profile": {"example.probe.session": {"profile": "keys"}},
    "profile by environment": {"example.probe.session": {}, "environment": {"AWS_PROFILE": "program"}},
    "single sign-on": {"example.probe.session": {"profile": "single"}},
    "unknown profile": {"example.probe.session": {"profile": "nobody"}},
    "keys by environment": {
        "example.probe.session": {},
        "environment": {
            "AWS_ACCESS_KEY_ID": "AKIDOFTHETASK",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-west-1",
        },
    },
    "own service descriptions": {
        "example.probe.session": {},
        "environment": {"AWS_DATA_PATH": "{{ playbook_dir }}/models"},
    },
    "role's code": {"ansible.builtin.include_role": {"name": "first"}},
    "another role's code of the same name": {"ansible.builtin.include_role": {"name": "second"}},
    **{
        f"module that does this: {how}": {"example.probe.misbehave": {"how": how}}
        for how in (
            "background",
            "bytes",
            "complain",
            "fail",
            "kill",
            "much",
            "raise",
            "return",
            "say",
            "status",
            "vanish",
        )
    },
    # Last, for from then on the interpreter has a thread and refuses what comes.
    "thread": {"example.probe.threaded": {}},
    "after the thread": {PROCESS: {}},
}

CODE_OF_ROLES = {"first", "second"}


@dataclass(frozen=True)
class Ansible:
    """A virtual environment with ansible-core and this collection, and a directory to play in."""

    python: Path
    world: Path

    def command(self, *options: str, playbook: str = "table.json") -> list[str]:
        return [str(self.python.with_name("ansible-playbook")), "-i", "hosts", *options, playbook]

    def environment(self) -> dict[str, str]:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "AWS_", "PYTHON"))
        }
        return {
            **kept,
            "ANSIBLE_CALLBACKS_ENABLED": "lines",
            "ANSIBLE_COLLECTIONS_PATH": str(self.world / "collections"),
            "ANSIBLE_HOME": str(self.world / "home"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PIPELINING": "1",
            "AWS_CONFIG_FILE": str(self.world / "aws_config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(self.world / "none"),
            "AWS_EC2_METADATA_DISABLED": "true",
            "LINES": str(self.world / "lines"),
        }

    def write(self, play: dict[str, Any], playbook: str = "table.json") -> None:
        (self.world / playbook).write_text(json.dumps([{"hosts": "all", "gather_facts": False, **play}]))

    def play(self, *options: str) -> subprocess.CompletedProcess[str]:
        (self.world / "lines").unlink(missing_ok=True)
        return subprocess.run(
            self.command(*options), cwd=self.world, env=self.environment(), capture_output=True, text=True, check=False
        )

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.world / "lines").read_text().splitlines()]

    def hosts(self, **connections: str) -> None:
        """An inventory of this machine under several names."""
        python = f"ansible_python_interpreter={self.python}"
        text = "".join(f"{name} ansible_connection={connection} {python}\n" for name, connection in connections.items())
        (self.world / "hosts").write_text(text)

    def warm_directories(self) -> list[Path]:
        return list((self.world / "home" / "tmp").glob("*/warm_local"))


@cache
def other_environment() -> Path | None:
    """Python in a virtual environment with the other version of ansible-core that is pinned; None if there is no such Python."""
    place = ROOT / "build" / "warm_local" / OTHER_PYTHON
    place.parent.mkdir(parents=True, exist_ok=True)
    with (place.parent / "lock").open("w") as lock:  # workers of pytest that run side by side share it
        fcntl.flock(lock, fcntl.LOCK_EX)
        return place / "bin" / "python" if (place / "complete").exists() or make_environment(place) else None


def make_environment(place: Path) -> bool:
    """Whether there is a Python to make it with."""
    uv, python = Path(sys.executable).with_name("uv"), place / "bin" / "python"
    if subprocess.run([uv, "venv", "--quiet", "--clear", "--python", OTHER_PYTHON, place], check=False).returncode:
        return False
    pins = ["--constraint", str(ROOT / "requirements.txt"), "ansible-core", "boto3"]
    subprocess.run([uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", python, *pins], check=True)
    packages = next((place / "lib").glob("python3.*")) / "site-packages"
    (packages / "ansible_collections" / "trainyard").mkdir(parents=True)
    (packages / "ansible_collections" / "trainyard" / "aws").symlink_to(ROOT)
    (place / "complete").touch()
    return True


@pytest.fixture(scope="module", params=["this", "other"])
def ansible(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ansible:
    python = Path(sys.executable) if request.param == "this" else other_environment()
    if python is None:
        pytest.skip(f"no Python {OTHER_PYTHON} here")
    world = tmp_path_factory.mktemp("warm") / "world"
    shutil.copytree(WORLD, world, ignore=shutil.ignore_patterns("__pycache__"))
    (world / "aws_config").write_text(AWS_CONFIG)
    (world / "source.j2").write_text("{{ 6 * 7 }}\n")
    (world / "file").write_text("old\n")
    (world / "other").symlink_to(python.parents[1])
    for name, text in (
        (
            "sudo",
            '#!/bin/sh\n# Stands in for sudo: the same user.\nwhile [ "$1" != /bin/sh ]; do shift; done\nexec "$@"\n',
        ),
        ("words.sh", '#!/bin/sh\necho "$@"; exit 5\n'),
        (
            "broken",
            f'#!/bin/sh\ncase "$*" in *_warm_server*) echo "no such luck" >&2; exit 1 ;; esac\nexec {python} "$@"\n',
        ),
    ):
        (world / name).write_text(text)
        (world / name).chmod(0o755)
    for name in CODE_OF_ROLES:
        tasks = world / "roles" / name / "tasks"
        tasks.mkdir()
        (tasks / "main.yml").write_text(json.dumps([{"name": name, "probe_shade": None}]))
    return Ansible(python, world)


def test_results_are_those_of_the_local_connection(ansible: Ansible) -> None:
    ansible.hosts(plain=PLAIN, warm=WARM)
    ansible.write({"tasks": [{"name": name, "ignore_errors": True, **task} for name, task in TABLE.items()]})
    played = ansible.play("--diff")
    assert played.returncode == 0, played.stdout[-3000:] + played.stderr[-3000:]
    found: dict[str, dict[str, list[Any]]] = defaultdict(lambda: {"plain": [], "warm": []})
    for line in ansible.lines():
        found[line["task"]][line["host"]].append({"how": line["how"], **made_equal(line["result"])})
    assert (
        set(found)
        >= {name for name, task in TABLE.items() if "ansible.builtin.include_role" not in task} | CODE_OF_ROLES
    )
    assert {task: results["warm"] for task, results in found.items()} == {
        task: results["plain"] for task, results in found.items()
    }


VOLATILE = frozenset(("ansible_job_id", "delta", "end", "results_file", "start", "started"))
EQUAL = (
    (re.compile(r"/[^\s\"']*?_payload_\w+/ansible_[\w.]+_payload\.zip|/[^\s\"']*?/warm_local/\d+\.modules"), "SHIPPED"),
    (re.compile(r"ansible-tmp-[\d.]+-\d+-\d+|ansible-local-\w+|\btmp\w{8}\b"), "TEMPORARY"),
    (re.compile(r"\b(plain|warm)\b"), "HOST"),
    (re.compile(r"trainyard\.aws\.warm_local|^local$"), "CONNECTION"),
    (re.compile(r"\d\d:\d\d:\d\d(\.\d+)?"), "TIME"),
)


def made_equal(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: made_equal(entry) for name, entry in value.items() if name not in VOLATILE}
    if isinstance(value, list):
        return [made_equal(entry) for entry in value]
    if isinstance(value, str):
        for pattern, replacement in EQUAL:
            value = pattern.sub(replacement, value)
    return value


WAIT = 30  # seconds at most, for what takes a moment


def is_running(process: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def servers(ansible: Ansible) -> list[int]:
    """The interpreters that are kept warm in an Ansible's home."""
    home = os.fsencode(ansible.world / "home")
    return [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and b"_warm_server.py" in (command := command_line(entry)) and home in command
    ]


def command_line(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""


def test_modules_run_in_forks_of_one_interpreter(ansible: Ansible) -> None:
    ansible.hosts(**{f"warm{number}": WARM for number in range(12)})
    parent = {"example.probe.misbehave": {"how": "parent"}}
    ansible.write({"strategy": "free", "tasks": [{"name": "parent", **parent}, {"name": "again", **parent}]})
    assert ansible.play("--forks", "12").returncode == 0
    parents = Counter(line["result"]["parent"] for line in ansible.lines())
    assert list(parents.values()) == [24], parents


def test_interpreter_listens_to_its_user_alone_and_ends_with_the_run(ansible: Ansible) -> None:
    ansible.hosts(warm=WARM)
    look = "stat -c %a {{ playbook_dir }}/home/tmp/*/warm_local {{ playbook_dir }}/home/tmp/*/warm_local/*.socket"
    ansible.write({"tasks": [{"name": "look", "ansible.builtin.shell": look}]})
    assert ansible.play().returncode == 0
    assert ansible.lines()[0]["result"]["stdout_lines"] == ["700", "600"]
    wait_for(lambda: not servers(ansible), WAIT, "the interpreter to end")
    assert not ansible.warm_directories()


@pytest.mark.parametrize("connection", [PLAIN, WARM])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_module_ends_with_an_interrupted_run(ansible: Ansible, connection: str, number: signal.Signals) -> None:
    with sleeping(ansible, connection) as (run, module):
        run.send_signal(number)
        assert run.wait(WAIT)
        wait_for(lambda: not is_running(module), WAIT, "the module to end")
        wait_for(lambda: not servers(ansible), WAIT, "the interpreter to end")


def test_interpreter_ends_when_the_run_is_killed(ansible: Ansible) -> None:
    with sleeping(ansible, WARM) as (run, module):
        run.kill()
        run.wait()
        os.kill(module, signal.SIGTERM)  # like any module of a killed run it would go on
        wait_for(lambda: not servers(ansible), WAIT, "the interpreter to end")
        assert not ansible.warm_directories()


@contextmanager
def sleeping(ansible: Ansible, connection: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A run in a session of its own, and its module's process id."""
    mark = ansible.world / "mark"
    mark.unlink(missing_ok=True)
    ansible.hosts(sleeper=connection)
    ansible.write({"tasks": [{"name": "sleep", "example.probe.misbehave": {"how": "sleep", "mark": str(mark)}}]})
    run = subprocess.Popen(
        ansible.command(),
        cwd=ansible.world,
        env=ansible.environment(),
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for(lambda: mark.exists() and mark.read_text(), WAIT, "the module to run")
        yield run, int(mark.read_text())
    finally:
        run.kill()
        run.wait()


@pytest.mark.parametrize("kill", [False, True], ids=["at its start", "in the middle of a run"])
def test_trouble_costs_time_and_one_warning(ansible: Ansible, kill: bool) -> None:
    ansible.hosts(**{f"warm{number}": WARM for number in range(4)})
    interpreter = str(ansible.python if kill else ansible.world / "broken")
    tasks: list[Task] = [{"name": f"process {number}", PROCESS: {}} for number in range(3)]
    if kill:
        tasks.insert(1, {"name": "kill", **orphan(ansible), "run_once": True})
    ansible.write({"vars": {"ansible_python_interpreter": interpreter}, "tasks": tasks})
    played = ansible.play()
    assert played.returncode == 0
    said = " ".join((played.stdout + played.stderr).split())
    assert said.count("warm_local:") == 1, said
    assert "Modules start cold for the rest of this run" in said
    assert kill or "no such luck" in said


def test_module_outlives_its_interpreter(ansible: Ansible) -> None:
    """What a module has done is not done a second time, and its result is not lost."""
    ansible.hosts(warm=WARM)
    (ansible.world / "done").unlink(missing_ok=True)
    ansible.write({"tasks": [{"name": "outlive", **orphan(ansible)}]})
    assert ansible.play().returncode == 0
    assert (ansible.world / "done").read_text() == "done\n"


def orphan(ansible: Ansible) -> Task:
    """A module that kills what started it, and goes on."""
    return {"example.probe.misbehave": {"how": "orphan", "mark": str(ansible.world / "done")}}


def test_one_variable_turns_it_off(ansible: Ansible) -> None:
    ansible.hosts(warm=WARM)
    look = "ls -d {{ playbook_dir }}/home/tmp/*/warm_local"
    ansible.write({"tasks": [{"name": "look", "ansible.builtin.shell": look}]})
    assert ansible.play().returncode == 0
    assert ansible.play("--extra-vars", "ansible_warm_local_enabled=false").returncode != 0

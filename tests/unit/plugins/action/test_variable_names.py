# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plugin is run by a real playbook, from a collection that has nothing but plugins and roles."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[4]
PLAYBOOK = """
- name: Check
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Compare the variable names with the inputs of the roles
      trainyard.aws.variable_names:
      register: __names
    - name: Show
      ansible.builtin.debug: {msg: "checked {{ __names.checked }}"}
"""
SPECS = "argument_specs: {main: {options: {efs_mount_path: {}, efs_mount_force: {}, stack_name: {}, stack_region: {}}}}"
RIGHT = {
    "inventory/hosts.yml": "all: {hosts: {one: {efs_mount_path: /x, my_own: 1}}, children: {nodes: {vars: {stack_name: a}}}}",
    "inventory/group_vars/all.yml": "stack_region: us-east-1\naws_access_key: x\n",
    "inventory/group_vars/bastion/ssh.yml": "ansible_ssh_common_args: -v\n",
    "inventory/host_vars/later.yml": "efs_mount_force: true\n",
}


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    root = tmp_path / "ansible_collections" / "trainyard" / "aws"
    shutil.copytree(CHECKOUT / "plugins", root / "plugins", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "roles" / "efs_mount" / "meta").mkdir(parents=True)
    (root / "roles" / "efs_mount" / "meta" / "argument_specs.yml").write_text(SPECS, encoding="utf-8")
    return tmp_path


def play(directory: Path, files: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    for name, text in ({"play.yml": PLAYBOOK, "ansible.cfg": "[defaults]\n"} | RIGHT | files).items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text, encoding="utf-8")
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "inventory", "play.yml", *arguments]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    return subprocess.run(
        command,
        cwd=directory,
        env=clean | {"ANSIBLE_COLLECTIONS_PATH": str(directory)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_right_names_pass_without_a_warning(collection: Path) -> None:
    done = play(collection, {}, "--check", "-e", "stack_name=b")
    assert done.returncode == 0, done.stdout
    assert "checked 9" in done.stdout  # the seven above, and the two that Ansible sets on a host of the inventory
    assert "DEPRECATION" not in done.stderr


def test_slips_are_found_wherever_they_stand(collection: Path) -> None:
    slips = {
        "inventory/hosts.yml": "all: {hosts: {one: {efs_mount_pth: /x}}, children: {nodes: {vars: {stack_nam: a}}}}",
        "inventory/group_vars/all.yml": "stack_regoin: us-east-1\n",
        "inventory/group_vars/node_group_train/efs.yml": "efs_mount_forced: true\n",
        "inventory/host_vars/later.yml": "stack_names: a\n",
        "group_vars/all.yml": "efs_mont_path: /y\n",
        "run.yml": "stack_zone: a\n",
    }
    done = play(collection, slips, "-e", "@run.yml", "-e", "stack_regio=x")
    assert done.returncode == 2
    for line in (
        "efs_mount_pth (host one): did you mean efs_mount_path?",
        "stack_nam (group nodes): did you mean stack_name?",
        "stack_regoin (inventory/group_vars/all.yml): did you mean stack_region?",
        "efs_mount_forced (inventory/group_vars/node_group_train/efs.yml): did you mean efs_mount_force?",
        "stack_names (inventory/host_vars/later.yml): did you mean stack_name?",
        "efs_mont_path (group_vars/all.yml): did you mean efs_mount_path?",
        "stack_zone (extra variables): did you mean stack_name?",
        "stack_regio (extra variables): did you mean stack_region?",
    ):
        assert line in done.stdout.replace("\\n", "\n")
    assert "TASK [Show]" not in done.stdout


def test_options_are_refused(collection: Path) -> None:
    done = play(collection, {"play.yml": PLAYBOOK.replace("variable_names:", "variable_names: {strict: true}")})
    assert done.returncode == 2
    assert "Unsupported parameters" in done.stdout

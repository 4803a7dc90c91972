# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each rule is held against this collection, and against a sample that breaks it, so that it is known to notice."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contracts import rules

CHECKOUT = Path(__file__).resolve().parents[2]
SPEC = "roles/efs_mount/meta/argument_specs.yml"
DEFAULTS = "roles/efs_mount/defaults/main.yml"
TASKS = "roles/efs_mount/tasks/main.yml"
ONE_INPUT = "argument_specs: {main: {options: {efs_mount_path: {type: str, default: /efs}}}}"
LONG = "".join(f"    print({number})\n" for number in range(60))

Rule = Callable[[Path], list[str]]

# The rule, a sample that breaks it, and what the rule says about it.
SAMPLES: list[tuple[Rule, dict[str, str], str]] = [
    (rules.role_is_complete, {TASKS: "[]"}, "efs_mount lacks meta/argument_specs.yml"),
    (
        rules.defaults_equal_specification,
        {SPEC: ONE_INPUT, DEFAULTS: "efs_mount_path: /other"},
        "['/efs'] in the specification, ['/other']",
    ),
    (rules.defaults_equal_specification, {SPEC: ONE_INPUT}, "['/efs'] in the specification, []"),
    (
        rules.defaults_equal_specification,
        {SPEC: ONE_INPUT.replace(", default: /efs", ""), DEFAULTS: "efs_mount_path: /efs"},
        "only",
    ),
    (
        rules.defaults_equal_specification,
        {SPEC: ONE_INPUT, DEFAULTS: "efs_mount_path: /efs\nefs_mount_x: 1"},
        "efs_mount_x has a default",
    ),
    (rules.inputs_carry_the_prefix, {DEFAULTS: "mount_path: /efs"}, "efs_mount: mount_path"),
    (rules.names_made_in_roles_carry_the_prefix, {TASKS: "[{block: [{register: result}]}]"}, "result"),
    (rules.names_made_in_roles_carry_the_prefix, {TASKS: "[{ansible.builtin.set_fact: {x: 1}}]"}, "x"),
    (rules.names_made_in_roles_carry_the_prefix, {TASKS: "[{loop_control: {loop_var: each}}]"}, "each"),
    (rules.vars_are_internal, {"roles/efs_mount/vars/debian.yml": "efs_mount_packages: [nfs]"}, "efs_mount_packages"),
    (
        rules.used_names_exist,
        {SPEC: ONE_INPUT, "playbooks/x.yml": "- vars: {efs_mount_pth: /x}"},
        "playbooks/x.yml:1: efs_mount_pth",
    ),
    (
        rules.used_names_exist,
        {SPEC: ONE_INPUT, "inventories/aws/group_vars/all.yml": "stack_regoin: x"},
        "stack_regoin",
    ),
    (rules.entry_points_are_called_by_name, {"playbooks/x.yml": "- tasks_from: follow.yml"}, "playbooks/x.yml:1"),
    (
        rules.called_entry_points_are_specified,
        {
            SPEC: ONE_INPUT,
            "playbooks/x.yml": "- tasks: [{ansible.builtin.include_role: {name: trainyard.aws.efs_mount, tasks_from: drain}}]",
        },
        "efs_mount has no specification of drain",
    ),
    (
        rules.the_world_is_not_let_in,
        {TASKS: "[{name: Open, amazon.aws.ec2_security_group: {rules: [{cidr_ip: 0.0.0.0/0}]}}]"},
        "Open",
    ),
    (
        rules.the_world_is_not_let_in,
        {"inventories/aws/group_vars/all.yml": "stack_allowed_cidrs: ['::/0']"},
        "stack_allowed_cidrs",
    ),
    (rules.shipped_content_stands_alone, {"playbooks/x.yml": "# in the lab this is quick"}, "lab"),
    (rules.shipped_content_stands_alone, {"playbooks/x.yml": "- vars_files: ../inventories/aws/x.yml"}, "inventories/"),
    (
        rules.host_keys_are_checked,
        {"inventories/aws/x.yml": "a: -o StrictHostKey" + "Checking=no"},
        "inventories/aws/x.yml:1",
    ),
    (
        rules.host_keys_are_checked,
        {"roles/x/templates/ssh_config.j2": "StrictHostKeyChecking accept-new"},
        "StrictHostKeyChecking accept-new",
    ),
    (rules.errors_are_not_ignored, {TASKS: "- name: x\n  ignore_errors: true"}, f"{TASKS}:2"),
    (rules.no_package_host_is_named, {"tools/setup": "curl https://pypi" + ".org/simple"}, "tools/setup:1"),
    (rules.nothing_is_unfinished, {"plugins/x.py": "# TO" + "DO later"}, "plugins/x.py:1"),
    (rules.nothing_is_unfinished, {"docs/x.md": "see /root" + "/notes"}, "docs/x.md:1"),
    (rules.fragments_are_valid, {"changelogs/fragments/news.yml": "minor_changes: [x]"}, "is not named"),
    (rules.fragments_are_valid, {"changelogs/fragments/1-x.yml": "new_things: [x]"}, "has other sections"),
    (rules.fragments_are_valid, {"README.md": ""}, "no fragment and no release"),
    (rules.modules_are_thin, {"plugins/modules/x.py": f"def main() -> None:\n{LONG}"}, "main() has 61 lines"),
    (rules.functions_are_short, {"lab/x.py": f"def f() -> None:\n{LONG}"}, "lab/x.py:1: f() has 61 lines"),
    (rules.helpers_are_typed, {"plugins/module_utils/_x.py": "def f(a, b: int) -> int: ..."}, "f(a)"),
    (rules.helpers_are_typed, {"plugins/plugin_utils/_x.py": "def f(a: int): ..."}, "f()"),
    (rules.helpers_are_private, {"plugins/module_utils/x.py": ""}, "plugins/module_utils/x.py"),
    (rules.plugins_state_the_licence, {"plugins/modules/x.py": "import os"}, "plugins/modules/x.py"),
]


@pytest.mark.parametrize("rule", list(dict.fromkeys(rule for rule, _, _ in SAMPLES)), ids=lambda rule: rule.__name__)
def test_the_collection_keeps(rule: Rule) -> None:
    assert "\n".join(rule(CHECKOUT)) == ""


@pytest.mark.parametrize(
    ("rule", "sample", "expected"), SAMPLES, ids=[f"{rule.__name__}-{said}" for rule, _, said in SAMPLES]
)
def test_the_rule_notices(rule: Rule, sample: dict[str, str], expected: str, tmp_path: Path) -> None:
    for name, text in sample.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert expected in "\n".join(rule(tmp_path))


def playbooks_parse(root: Path, collections: Path) -> subprocess.CompletedProcess[str]:
    names = [f"trainyard.aws.{path.stem}" for path in sorted((root / "playbooks").glob("*.yml"))]
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "--syntax-check", "-i", "localhost,", *names]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    environment = clean | {"ANSIBLE_COLLECTIONS_PATH": str(collections), "ANSIBLE_LOCALHOST_WARNING": "false"}
    return subprocess.run(
        command, cwd=collections, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def only_what_counts(target: Path) -> Path:
    """A copy of the collection without anything that content called by name may not rely on."""
    root = target / "ansible_collections" / "trainyard" / "aws"
    for folder in rules.SHIPPED:
        shutil.copytree(CHECKOUT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (target / "ansible.cfg").touch()
    return root


def test_the_playbooks_work_when_only_the_shipped_folders_are_left(tmp_path: Path) -> None:
    done = playbooks_parse(only_what_counts(tmp_path), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "DEPRECATION" not in done.stderr


def test_a_playbook_that_reads_another_folder_is_noticed(tmp_path: Path) -> None:
    root = only_what_counts(tmp_path)
    (root / "playbooks" / "bad.yml").write_text("- import_playbook: ../examples/digits/x.yml\n", encoding="utf-8")
    assert playbooks_parse(root, tmp_path).returncode != 0

# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.trainyard.aws.plugins.plugin_utils import _variable_names as names

DECLARED = names.Declared(
    names=frozenset(
        ("stack_name", "stack_region", "efs_mount_path", "aws_access_door", "aws_nodes_groups", "training_run_image")
    ),
    prefixes=("aws_access_", "aws_nodes_", "efs_mount_", "stack_", "training_run_"),
)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        pytest.param("stack_regoin", "stack_region", id="letters swapped after the shared prefix"),
        pytest.param("efs_mount_pth", "efs_mount_path", id="letter lost after the prefix of a role"),
        pytest.param("stack_zzzzzzzzzzzzzzzzzz", None, id="prefix of ours and like nothing"),
        pytest.param("efs_mont_path", "efs_mount_path", id="letter lost in the prefix"),
        pytest.param("aws_node_groups", "aws_nodes_groups", id="singular"),
        pytest.param("train_run_image", "training_run_image", id="short form"),
        pytest.param("stackname", "stack_name", id="underscore lost"),
    ],
)
def test_slips_are_found(name: str, nearest: str | None) -> None:
    assert names.slips({name: "here"}, DECLARED) == [names.Slip(name, "here", nearest)]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("efs_mount_path", id="declared"),
        pytest.param("ansible_ssh_common_args", id="of Ansible"),
        pytest.param("ansible_aws_ssm_bucket_name", id="of a connection plugin"),
        pytest.param("__efs_mount_pth", id="internal"),
        pytest.param("_stack_regoin", id="private to the user"),
        pytest.param("aws_access_key_id", id="credentials that start like a role"),
        pytest.param("aws_profile", id="of the AWS modules"),
        pytest.param("my_stack_name", id="the user's own, named after ours"),
        pytest.param("docker_edition", id="of another role"),
        pytest.param("region", id="a common word"),
    ],
)
def test_everything_else_is_let_through(name: str) -> None:
    assert names.slips({name: "here"}, DECLARED) == []


def test_the_specifications_of_all_roles_are_read(tmp_path: Path) -> None:
    for role, text in {
        "efs_mount": "argument_specs: {main: {options: {efs_mount_path: {}, stack_name: {}}}, drain: {options: {efs_mount_force: {}}}}",
        "empty_one": "argument_specs: {main: {short_description: Takes nothing}}",
    }.items():
        (tmp_path / role / "meta").mkdir(parents=True)
        (tmp_path / role / "meta" / "argument_specs.yml").write_text(text, encoding="utf-8")
    assert names.declared_in(tmp_path) == names.Declared(
        names=frozenset(("efs_mount_path", "efs_mount_force", "stack_name")),
        prefixes=("efs_mount_", "empty_one_", "stack_"),
    )


def test_the_message_says_what_why_and_what_to_do() -> None:
    found = [names.Slip("stack_regoin", "all.yml", "stack_region"), names.Slip("stack_zz", "extra variables", None)]
    assert names.message(found).splitlines() == [
        "2 variables have names that nothing in this collection reads, so what was set would be ignored:",
        "  stack_regoin (all.yml): did you mean stack_region?",
        "  stack_zz (extra variables): nothing has a name like it.",
        "Correct or remove them; nothing has been done.",
    ]


def test_the_message_for_one() -> None:
    assert names.message([names.Slip("stack_zz", "here", None)]).startswith("1 variable has a name that nothing")

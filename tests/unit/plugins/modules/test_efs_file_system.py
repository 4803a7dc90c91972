# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _file_system_api as api
from ansible_collections.trainyard.aws.plugins.modules import efs_file_system

TAGS = {"trainyard:stack": "dcgan"}


@pytest.fixture
def doors(account: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Two subnets in two zones, and a security group."""
    monkeypatch.setattr(api, "_POLL_SECONDS", 0)
    ec2 = account.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
    made = {
        zone: ec2.create_subnet(VpcId=vpc, CidrBlock=cidr, AvailabilityZone=f"us-east-1{zone}")["Subnet"]["SubnetId"]
        for zone, cidr in {"a": "10.77.1.0/24", "b": "10.77.2.0/24"}.items()
    }
    made["group"] = ec2.create_security_group(VpcId=vpc, GroupName="storage", Description="x")["GroupId"]
    made["other_group"] = ec2.create_security_group(VpcId=vpc, GroupName="other", Description="x")["GroupId"]
    account.calls.clear()
    return made


def arguments(doors: dict[str, str], **changes: Any) -> dict[str, Any]:
    wanted = {"name": "checkpoints", "subnet_ids": [doors["a"]], "security_group_ids": [doors["group"]], "tags": TAGS}
    return wanted | changes


def verbs(answer: dict[str, Any]) -> list[str]:
    return [step["verb"] for step in answer["steps"]]


def test_name_and_tags_are_required(run_module: Any) -> None:
    assert run_module(efs_file_system)["msg"] == "missing required arguments: name, tags"


def test_a_state_of_another_word_is_refused(run_module: Any) -> None:
    answer = run_module(efs_file_system, name="checkpoints", tags=TAGS, state="deleted")
    assert answer["msg"].startswith("value of state must be one of: present, absent")


def test_the_tag_of_the_stack_is_required(run_module: Any, account: Any) -> None:
    answer = run_module(efs_file_system, name="checkpoints", tags={"Name": "x"})
    assert answer["msg"] == (
        'The tags of file system "checkpoints" lack "trainyard:stack", by which it is found again. Add it.'
    )
    assert account.calls == []


def test_created_then_unchanged_then_removed(run_module: Any, account: Any, doors: dict[str, str]) -> None:
    first = run_module(efs_file_system, **arguments(doors))
    assert first["changed"]
    assert verbs(first) == ["create", "add_target"]
    made = first["file_system"]
    assert (made["state"], made["encrypted"]) == ("available", True)
    assert made["tags"] == {**TAGS, "Name": "checkpoints"}
    assert [(door["subnet_id"], door["security_group_ids"]) for door in made["mount_targets"]] == [
        (doors["a"], [doors["group"]])
    ]
    assert first["diff"] == {"before": {}, "after": made}

    account.calls.clear()
    second = run_module(efs_file_system, **arguments(doors))
    assert (second["changed"], second["steps"], second["file_system"]) == (False, [], made)
    assert account.writing_calls == []

    removed = run_module(efs_file_system, **arguments(doors, state="absent"))
    assert verbs(removed) == ["remove_target", "remove"]
    assert removed["file_system"] == {}
    assert account.client("efs").describe_file_systems()["FileSystems"] == []

    account.calls.clear()
    again = run_module(efs_file_system, **arguments(doors, state="absent"))
    assert (again["changed"], again["steps"]) == (False, [])
    assert account.writing_calls == []


def test_check_mode_tells_and_writes_nothing(run_module: Any, account: Any, doors: dict[str, str]) -> None:
    answer = run_module(efs_file_system, check=True, **arguments(doors))
    assert answer["changed"]
    assert verbs(answer) == ["create", "add_target"]
    assert answer["file_system"] == {}
    assert answer["diff"]["after"]["tags"]["Name"] == "checkpoints"
    assert account.writing_calls == []

    made = run_module(efs_file_system, **arguments(doors))["file_system"]
    account.calls.clear()
    answer = run_module(efs_file_system, check=True, **arguments(doors, state="absent"))
    assert verbs(answer) == ["remove_target", "remove"]
    assert answer["diff"] == {"before": made, "after": {}}
    assert account.writing_calls == []


def test_doors_not_listed_stay_unless_they_are_to_go(run_module: Any, doors: dict[str, str]) -> None:
    run_module(efs_file_system, **arguments(doors))
    other = arguments(doors, subnet_ids=[doors["b"]])
    more = run_module(efs_file_system, **other)
    assert verbs(more) == ["add_target"]
    assert {door["zone"] for door in more["file_system"]["mount_targets"]} == {"us-east-1a", "us-east-1b"}
    fewer = run_module(efs_file_system, **other, purge_mount_targets=True)
    assert verbs(fewer) == ["remove_target"]
    assert [door["subnet_id"] for door in fewer["file_system"]["mount_targets"]] == [doors["b"]]
    moved = run_module(efs_file_system, **arguments(doors, purge_mount_targets=True))
    assert verbs(moved) == ["remove_target", "add_target"]
    closed = run_module(efs_file_system, **arguments(doors, subnet_ids=[], purge_mount_targets=True))
    assert verbs(closed) == ["remove_target"]
    assert closed["file_system"]["mount_targets"] == []


def test_security_groups_are_mended(run_module: Any, doors: dict[str, str]) -> None:
    run_module(efs_file_system, **arguments(doors))
    changed = run_module(efs_file_system, **arguments(doors, security_group_ids=[doors["other_group"]]))
    assert verbs(changed) == ["set_groups"]
    assert changed["file_system"]["mount_targets"][0]["security_group_ids"] == [doors["other_group"]]


SETTINGS = {
    "throughput_mode": "elastic",
    "lifecycle": {"ia_days": 30, "archive_days": 90, "back_on_access": True},
    "backup_enabled": True,
    "tls_required": True,
    "access_point": {"path": "/runs", "uid": 1000, "gid": 1001},
}


def test_settings_are_made_once(run_module: Any, account: Any, doors: dict[str, str]) -> None:
    wanted = arguments(doors, subnet_ids=[doors["a"], doors["b"]], **SETTINGS)
    first = run_module(efs_file_system, **wanted)
    assert verbs(first) == ["create", "add_target", "add_target", "set_lifecycle", "set_policy", "add_access_point"]
    made = first["file_system"]
    assert {key: made[key] for key in SETTINGS if key in made} == {
        key: value for key, value in SETTINGS.items() if key != "access_point"
    }
    (point,) = made["access_points"]
    assert (point["path"], point["uid"], point["gid"]) == ("/runs", 1000, 1001)
    tags = account.client("efs").describe_access_points()["AccessPoints"][0]["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {**TAGS, "Name": "checkpoints"}

    account.calls.clear()
    second = run_module(efs_file_system, **wanted)
    assert (second["changed"], second["steps"], second["file_system"]) == (False, [], made)
    assert account.writing_calls == []

    gone = run_module(efs_file_system, **arguments(doors, state="absent"))
    assert verbs(gone) == ["remove_target", "remove_target", "remove_access_point", "remove"]
    assert account.client("efs").describe_access_points()["AccessPoints"] == []


def test_settings_that_aws_would_refuse_are_told_before_anything_is_made(
    run_module: Any, account: Any, doors: dict[str, str]
) -> None:
    answer = run_module(efs_file_system, **arguments(doors, lifecycle={"ia_days": 31}))
    assert answer["msg"].startswith("Files cannot move after 31 days. Choose 0 (never) or one of 1, 7, 14")
    assert account.writing_calls == []


def test_one_that_is_not_ours_is_looked_at_and_never_changed(
    run_module: Any, account: Any, doors: dict[str, str]
) -> None:
    efs = account.client("efs")
    identity = efs.create_file_system(CreationToken="theirs")["FileSystemId"]
    efs.create_mount_target(FileSystemId=identity, SubnetId=doors["a"], SecurityGroups=[doors["group"]])
    account.calls.clear()
    found = run_module(efs_file_system, **arguments(doors, file_system_id=identity))
    assert (found["changed"], found["file_system"]["file_system_id"]) == (False, identity)
    missing = run_module(efs_file_system, **arguments(doors, file_system_id=identity, subnet_ids=[doors["b"]]))
    assert f"{identity} has no mount target in us-east-1b" in missing["msg"]
    kept = run_module(efs_file_system, **arguments(doors, file_system_id=identity, state="absent"))
    assert "is not ours and is not removed" in kept["msg"]
    unknown = run_module(efs_file_system, **arguments(doors, file_system_id="fs-00000000"))
    assert "There is no file system fs-00000000" in unknown["msg"]
    assert account.writing_calls == []


def test_tags_are_mended_and_foreign_ones_stay(run_module: Any, account: Any, doors: dict[str, str]) -> None:
    made = run_module(efs_file_system, **arguments(doors))["file_system"]
    mine = [{"Key": "mine", "Value": "1"}]
    account.client("efs").tag_resource(ResourceId=made["file_system_id"], Tags=mine)
    answer = run_module(efs_file_system, **arguments(doors, tags={**TAGS, "trainyard:owner": "ada"}))
    assert verbs(answer) == ["tag"]
    assert answer["file_system"]["tags"] == {**TAGS, "Name": "checkpoints", "trainyard:owner": "ada", "mine": "1"}


def test_one_that_is_not_encrypted_is_refused_and_left_alone(
    run_module: Any, account: Any, doors: dict[str, str]
) -> None:
    tags = [{"Key": "trainyard:stack", "Value": "dcgan"}, {"Key": "Name", "Value": "checkpoints"}]
    account.client("efs").create_file_system(CreationToken="x", Encrypted=False, Tags=tags)
    account.calls.clear()
    answer = run_module(efs_file_system, **arguments(doors))
    assert "is not encrypted at rest" in answer["msg"]
    assert account.writing_calls == []


def test_one_in_creation_is_waited_for(run_module: Any, account: Any, doors: dict[str, str]) -> None:
    made = run_module(efs_file_system, **arguments(doors, subnet_ids=[]))["file_system"]
    from moto.efs.models import efs_backends

    backend = efs_backends["123456789012"]["us-east-1"].file_systems_by_id[made["file_system_id"]]
    backend.life_cycle_state = "creating"
    answer = run_module(efs_file_system, **arguments(doors, wait_timeout=-1))
    assert answer["msg"].startswith('File system "checkpoints": gave up waiting until')
    assert answer["msg"].endswith("Run again, it continues.")
    assert "CreateMountTarget" not in account.calls


def test_a_refusal_of_aws_names_the_file_system(run_module: Any, doors: dict[str, str]) -> None:
    answer = run_module(efs_file_system, **arguments(doors, subnet_ids=["subnet-00000000"]))
    assert answer["msg"].startswith('Cannot keep file system "checkpoints": ')
    assert answer["error"]["code"]

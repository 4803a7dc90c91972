# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _file_system_api as api
from ansible_collections.trainyard.aws.plugins.module_utils._file_system import FileSystem, MountTarget
from ansible_collections.trainyard.aws.plugins.module_utils._file_system_settings import (
    AccessPoint,
    Lifecycle,
    Settings,
    Throughput,
)
from ansible_collections.trainyard.aws.plugins.module_utils._steps import NotSettled, Step
from botocore.exceptions import ClientError

TAGS = {"Name": "checkpoints", "trainyard:stack": "dcgan"}
WANT = FileSystem(tags=TAGS, mount_targets=(MountTarget("subnet-1", ("sg-1",)),))
NEVER = float("inf")


class Efs:
    """A file system service that tells a story: each reading of the file systems shows the next state."""

    def __init__(self, *states: str | None, targets: tuple[str, ...] = (), error: str = "") -> None:
        self.states = list(states)
        self.targets = list(targets)
        self.error = error
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def get_paginator(self, _operation: str) -> Efs:
        return self

    def paginate(self) -> list[dict[str, Any]]:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        tags = [{"Key": key, "Value": value} for key, value in TAGS.items()]
        told = {"FileSystemId": "fs-1", "LifeCycleState": state, "Tags": tags, "Encrypted": True}
        return [{"FileSystems": []}, {"FileSystems": [told] if state else []}]

    def describe_mount_targets(self, FileSystemId: str) -> dict[str, Any]:  # noqa: N803 - boto3's spelling
        state = self.targets.pop(0) if len(self.targets) > 1 else (self.targets or [""])[0]
        told = {"MountTargetId": "fsmt-1", "SubnetId": "subnet-1", "LifeCycleState": state, "IpAddress": "10.77.1.7"}
        return {"MountTargets": [told] if state else []}

    def describe_mount_target_security_groups(self, MountTargetId: str) -> dict[str, Any]:  # noqa: N803
        return {"SecurityGroups": ["sg-1"]}

    def __getattr__(self, operation: str) -> Any:
        def change(**arguments: Any) -> None:
            self.calls.append((operation, arguments))
            if self.error:
                raise ClientError({"Error": {"Code": self.error}}, operation)

        return change


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "_POLL_SECONDS", 0)


@pytest.mark.parametrize("state", ["creating", "available", "updating", "error"])
def test_what_is_there_is_read(state: str) -> None:
    have = api.read(Efs(state, targets=("available",)), "checkpoints", "dcgan")
    target = MountTarget("subnet-1", ("sg-1",), id="fsmt-1", ip_address="10.77.1.7")
    assert have == FileSystem(tags=TAGS, mount_targets=(target,), id="fs-1", state=state)


def test_mount_targets_of_what_is_being_deleted_are_not_asked_for() -> None:
    have = api.read(Efs("deleting", targets=("available",)), "checkpoints", "dcgan")
    assert have == FileSystem(tags=TAGS, mount_targets=(), id="fs-1", state="deleting")


def test_groups_of_a_mount_target_in_creation_are_not_asked_for() -> None:
    have = api.read(Efs("available", targets=("creating",)), "checkpoints", "dcgan")
    assert have
    assert [(target.state, target.security_group_ids) for target in have.mount_targets] == [("creating", ())]


@pytest.mark.parametrize(
    ("state", "name", "stack"),
    [
        pytest.param(None, "checkpoints", "dcgan", id="nothing"),
        pytest.param("deleted", "checkpoints", "dcgan", id="deleted"),
        pytest.param("available", "other", "dcgan", id="other name"),
        pytest.param("available", "checkpoints", "other", id="other stack"),
    ],
)
def test_what_is_not_there_is_not_read(state: str | None, name: str, stack: str) -> None:
    assert api.read(Efs(state), name, stack) is None


def take(efs: Efs, verb: str, subject: str = "", want: FileSystem | None = WANT) -> list[tuple[str, dict[str, Any]]]:
    have = FileSystem(tags=TAGS, mount_targets=(MountTarget("subnet-1", (), id="fsmt-1"),), id="fs-1")
    api.take(efs, Step(verb, subject, "because"), want, have, NEVER)
    return efs.calls


def test_creation_carries_tags_and_encryption_in_the_one_call() -> None:
    ((operation, arguments),) = take(Efs(None), "create", "checkpoints")
    assert operation == "create_file_system"
    assert arguments["Encrypted"] is True
    assert {tag["Key"]: tag["Value"] for tag in arguments["Tags"]} == TAGS
    assert take(Efs(None), "create", "checkpoints")[0][1]["CreationToken"] == arguments["CreationToken"]


def test_a_creation_that_went_through_before_is_no_fault() -> None:
    take(Efs(None, error="FileSystemAlreadyExists"), "create", "checkpoints")


def test_a_creation_that_is_refused_is_a_fault() -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        take(Efs(None, error="AccessDenied"), "create", "checkpoints")


@pytest.mark.parametrize(
    ("verb", "subject", "expected"),
    [
        (
            "tag",
            "Name",
            ("tag_resource", {"ResourceId": "fs-1", "Tags": [{"Key": "Name", "Value": "checkpoints"}]}),
        ),
        (
            "add_target",
            "subnet-1",
            ("create_mount_target", {"FileSystemId": "fs-1", "SubnetId": "subnet-1", "SecurityGroups": ["sg-1"]}),
        ),
        (
            "set_groups",
            "subnet-1",
            ("modify_mount_target_security_groups", {"MountTargetId": "fsmt-1", "SecurityGroups": ["sg-1"]}),
        ),
        ("remove_target", "fsmt-1", ("delete_mount_target", {"MountTargetId": "fsmt-1"})),
        ("remove", "fs-1", ("delete_file_system", {"FileSystemId": "fs-1"})),
    ],
)
def test_each_step_is_one_call(verb: str, subject: str, expected: tuple[str, dict[str, Any]]) -> None:
    assert take(Efs("available"), verb, subject) == [expected]


SETTINGS = Settings(
    throughput=Throughput("provisioned", 64),
    lifecycle=Lifecycle(30, back_on_access=True),
    backup=False,
    access_point=AccessPoint("/runs", 1000, 1000),
)


@pytest.mark.parametrize(
    ("verb", "operation", "expected"),
    [
        ("set_throughput", "update_file_system", {"ThroughputMode": "provisioned", "ProvisionedThroughputInMibps": 64}),
        (
            "set_lifecycle",
            "put_lifecycle_configuration",
            {
                "LifecyclePolicies": [
                    {"TransitionToIA": "AFTER_30_DAYS"},
                    {"TransitionToPrimaryStorageClass": "AFTER_1_ACCESS"},
                ]
            },
        ),
        ("set_backup", "put_backup_policy", {"BackupPolicy": {"Status": "DISABLED"}}),
        ("remove_policy", "delete_file_system_policy", {}),
        (
            "add_access_point",
            "create_access_point",
            {"PosixUser": {"Uid": 1000, "Gid": 1000}, "Tags": [{"Key": key, "Value": TAGS[key]} for key in TAGS]},
        ),
    ],
)
def test_each_setting_is_one_call(verb: str, operation: str, expected: dict[str, Any]) -> None:
    want = FileSystem(tags=TAGS, mount_targets=(), settings=SETTINGS)
    ((called, arguments),) = take(Efs("available"), verb, want=want)
    assert called == operation
    assert arguments["FileSystemId"] == "fs-1"
    assert {key: arguments[key] for key in expected} == expected


def test_creation_sets_throughput_and_backup() -> None:
    want = FileSystem(tags=TAGS, mount_targets=(), settings=SETTINGS)
    ((_, arguments),) = take(Efs(None), "create", "checkpoints", want)
    assert (arguments["ThroughputMode"], arguments["ProvisionedThroughputInMibps"]) == ("provisioned", 64)
    assert arguments["Backup"] is False


def test_an_access_point_is_removed_by_its_id() -> None:
    assert take(Efs(None), "remove_access_point", "fsap-1") == [("delete_access_point", {"AccessPointId": "fsap-1"})]


@pytest.mark.parametrize(("verb", "subject"), [("remove", "fs-1"), ("add_target", "subnet-1")])
def test_a_mount_target_on_its_way_out_is_waited_for(verb: str, subject: str) -> None:
    efs = Efs("available", targets=("deleting", "deleting", ""))
    take(efs, verb, subject)
    assert efs.targets == [""]


def test_removal_gives_up_when_a_mount_target_does_not_go() -> None:
    efs = Efs("available", targets=("deleting",))
    with pytest.raises(NotSettled, match="gave up waiting until its mount targets are gone"):
        api.take(efs, Step("remove", "fs-1", "because"), None, None, deadline=0)
    assert efs.calls == []


@pytest.mark.parametrize(
    ("states", "targets", "expected"),
    [
        pytest.param(["creating", "creating", "available"], [""], "available", id="file system created"),
        pytest.param(["available"], ["creating", "available"], "available", id="mount target created"),
        pytest.param(["available"], ["deleting", ""], "available", id="mount target removed"),
        pytest.param(["deleting", "deleting", None], [""], None, id="removed"),
        pytest.param([None, "available"], [""], None, id="never there"),
    ],
)
def test_settled(states: list[str | None], targets: list[str], expected: str | None) -> None:
    have = api.settled(Efs(*states, targets=tuple(targets)), "checkpoints", "dcgan", NEVER)
    assert (have.state if have else None) == expected


def test_what_was_just_made_is_looked_for_until_it_shows() -> None:
    have = api.settled(Efs(None, None, "creating", "available"), "checkpoints", "dcgan", NEVER, expected=True)
    assert have
    assert have.state == "available"


def test_waiting_ends() -> None:
    with pytest.raises(NotSettled, match="gave up waiting until it and its mount targets are available or gone"):
        api.settled(Efs("creating"), "checkpoints", "dcgan", deadline=0)

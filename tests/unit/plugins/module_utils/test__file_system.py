# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _file_system as decide
from ansible_collections.trainyard.aws.plugins.module_utils._file_system import FileSystem, MountTarget
from ansible_collections.trainyard.aws.plugins.module_utils._file_system_settings import (
    AccessPoint,
    Settings,
    Throughput,
)
from hypothesis import given
from hypothesis import strategies as st

TAGS = {"Name": "checkpoints", "trainyard:stack": "dcgan"}
TARGET = MountTarget("subnet-1", ("sg-1",), id="fsmt-1", ip_address="10.77.1.7")
HAVE = FileSystem(tags=TAGS, mount_targets=(TARGET,), id="fs-1")
WANT = FileSystem(tags=TAGS, mount_targets=(MountTarget("subnet-1", ("sg-1",)),))


def target(**changes: object) -> FileSystem:
    return dataclasses.replace(HAVE, mount_targets=(dataclasses.replace(TARGET, **changes),))


def steps(want: FileSystem | None, have: FileSystem | None) -> list[tuple[str, str]]:
    return [(step.verb, step.subject) for step in decide.steps_to(want, have)]


@pytest.mark.parametrize(
    ("want", "have", "expected"),
    [
        pytest.param(WANT, None, [("create", "checkpoints"), ("add_target", "subnet-1")], id="create"),
        pytest.param(WANT, HAVE, [], id="as wanted"),
        pytest.param(None, None, [], id="absent and not there"),
        pytest.param(None, HAVE, [("remove_target", "fsmt-1"), ("remove", "fs-1")], id="remove"),
        pytest.param(
            dataclasses.replace(WANT, tags={**TAGS, "b": "2", "a": "1"}), HAVE, [("tag", "a"), ("tag", "b")], id="tags"
        ),
        pytest.param(WANT, dataclasses.replace(HAVE, tags={**TAGS, "Name": "x"}), [("tag", "Name")], id="tag differs"),
        pytest.param(WANT, dataclasses.replace(HAVE, tags={**TAGS, "mine": "1"}), [], id="foreign tag stays"),
        pytest.param(WANT, target(security_group_ids=("sg-2",)), [("set_groups", "subnet-1")], id="groups differ"),
        pytest.param(
            dataclasses.replace(WANT, mount_targets=(MountTarget("subnet-1", ("sg-1", "sg-2")),)),
            target(security_group_ids=("sg-2", "sg-1")),
            [],
            id="order of groups means nothing",
        ),
        pytest.param(
            dataclasses.replace(WANT, mount_targets=(MountTarget("subnet-2", ("sg-1",)),)),
            HAVE,
            [("add_target", "subnet-2")],
            id="another subnet: the door not told about stays",
        ),
        pytest.param(dataclasses.replace(WANT, mount_targets=()), HAVE, [], id="no door is told about"),
        pytest.param(
            WANT,
            target(state="creating", security_group_ids=()),
            [],
            id="groups of a mount target in creation are not known yet",
        ),
        pytest.param(WANT, target(state="deleting"), [("add_target", "subnet-1")], id="mount target on its way out"),
        pytest.param(None, target(state="deleting"), [("remove", "fs-1")], id="its mount target is on its way out"),
        pytest.param(
            WANT,
            dataclasses.replace(HAVE, state="deleting", mount_targets=()),
            [("create", "checkpoints"), ("add_target", "subnet-1")],
            id="on its way out is not there",
        ),
        pytest.param(None, dataclasses.replace(HAVE, state="deleting"), [], id="on its way out is as good as absent"),
    ],
)
def test_steps(want: FileSystem | None, have: FileSystem | None, expected: list[tuple[str, str]]) -> None:
    assert steps(want, have) == expected


@pytest.mark.parametrize(
    ("doors", "expected"),
    [
        pytest.param((MountTarget("subnet-2", ("sg-1",)),), ["remove_target", "add_target"], id="the old one first"),
        pytest.param((), ["remove_target"], id="none"),
        pytest.param((MountTarget("subnet-1", ("sg-1",)),), [], id="as it is"),
    ],
)
def test_doors_go_if_that_is_asked_for(doors: tuple[MountTarget, ...], expected: list[str]) -> None:
    want = dataclasses.replace(WANT, mount_targets=doors)
    assert [step.verb for step in decide.steps_to(want, HAVE, purge=True)] == expected


def test_an_access_point_goes_before_its_file_system() -> None:
    settings = Settings(access_points=(AccessPoint("/runs", 1000, 1000, id="fsap-1"),))
    have = dataclasses.replace(HAVE, settings=settings)
    assert steps(None, have) == [("remove_target", "fsmt-1"), ("remove_access_point", "fsap-1"), ("remove", "fs-1")]


def test_what_its_creation_sets_is_no_step() -> None:
    settings = Settings(throughput=Throughput("elastic"), backup=True, tls_required=True)
    want = dataclasses.replace(WANT, mount_targets=(), settings=settings)
    assert [verb for verb, _ in steps(want, None)] == ["create", "set_policy"]


@pytest.mark.parametrize(
    ("have", "zones", "expected"),
    [
        pytest.param(None, ["us-east-1a"], "There is no file system fs-1", id="not there"),
        pytest.param(dataclasses.replace(HAVE, state="deleting"), [], "is being deleted", id="going"),
        pytest.param(target(zone="us-east-1a"), ["us-east-1a"], "", id="reached"),
        pytest.param(
            target(zone="us-east-1a"),
            ["us-east-1c", "us-east-1a", "us-east-1b"],
            "has no mount target in us-east-1b and us-east-1c, and what is adopted is never changed",
            id="zones without a door",
        ),
        pytest.param(target(zone="us-east-1a", state="deleting"), ["us-east-1a"], "has no mount", id="door going"),
    ],
)
def test_what_is_adopted_must_be_within_reach(have: FileSystem | None, zones: list[str], expected: str) -> None:
    fault = decide.adoption_fault(have, "fs-1", zones)
    assert bool(fault) is bool(expected)
    assert expected in fault


def test_every_step_has_a_reason() -> None:
    want = dataclasses.replace(WANT, tags={**TAGS, "a": "1"}, mount_targets=(MountTarget("subnet-2", ()),))
    for have in (None, HAVE):
        assert all(step.reason for step in decide.steps_to(want, have, purge=True))
    assert all(step.reason for step in decide.steps_to(None, HAVE))


groups = st.frozensets(st.sampled_from(["sg-1", "sg-2"]))


@given(st.dictionaries(st.sampled_from(["subnet-1", "subnet-2", "subnet-3"]), groups))
def test_what_is_as_wanted_needs_no_step(doors: dict[str, frozenset[str]]) -> None:
    want = dataclasses.replace(WANT, mount_targets=tuple(MountTarget(name, tuple(ids)) for name, ids in doors.items()))
    have = dataclasses.replace(want, id="fs-1", mount_targets=want.mount_targets[::-1])
    assert decide.steps_to(want, have) == ()


@pytest.mark.parametrize(
    ("have", "expected"),
    [
        pytest.param(None, True, id="none"),
        pytest.param(HAVE, True, id="available"),
        pytest.param(dataclasses.replace(HAVE, state="creating"), False, id="creating"),
        pytest.param(dataclasses.replace(HAVE, state="updating"), False, id="updating"),
        pytest.param(dataclasses.replace(HAVE, state="deleting"), False, id="deleting"),
        pytest.param(target(state="creating"), False, id="mount target creating"),
        pytest.param(target(state="deleting"), False, id="mount target deleting"),
        pytest.param(target(state="error"), True, id="a broken mount target does not mend itself"),
    ],
)
def test_is_settled(have: FileSystem | None, expected: bool) -> None:
    assert decide.is_settled(have) is expected


@pytest.mark.parametrize(
    ("want", "have", "expected"),
    [
        pytest.param(WANT, None, "", id="nothing there"),
        pytest.param(WANT, HAVE, "", id="as it should be"),
        pytest.param(WANT, dataclasses.replace(HAVE, encrypted=False), "fs-1 is not encrypted at rest", id="open"),
        pytest.param(None, dataclasses.replace(HAVE, encrypted=False), "", id="open, to be removed"),
        pytest.param(WANT, target(state="error"), "fsmt-1 is broken (state error)", id="broken door"),
        pytest.param(WANT, dataclasses.replace(HAVE, state="error"), "fs-1 is broken (state error)", id="broken"),
        pytest.param(None, target(state="error"), "", id="broken, to be removed"),
    ],
)
def test_faults(want: FileSystem | None, have: FileSystem | None, expected: str) -> None:
    fault = decide.fault_of(want, have)
    assert bool(fault) is bool(expected)
    assert expected in fault


def test_the_creation_token_stays_the_same_and_fits() -> None:
    token = decide.creation_token("dcgan", "checkpoints")
    assert token == "e88e62bd17edcca91130ff07990c0378d12155770504c429a24c9e57e8a563b2"
    assert len(token) <= 64


@pytest.mark.parametrize(
    ("stack", "name"),
    [
        pytest.param("dcgan-checkpoints", "2", id="hyphens elsewhere"),
        pytest.param("dcgan", "checkpoints-2" * 10, id="long name"),
        pytest.param("other", "checkpoints-2", id="other stack"),
    ],
)
def test_two_file_systems_never_share_a_creation_token(stack: str, name: str) -> None:
    assert decide.creation_token(stack, name) != decide.creation_token("dcgan", "checkpoints-2")


def test_as_result() -> None:
    assert decide.as_result(None) == {}
    assert decide.as_result(target(security_group_ids=("sg-2", "sg-1"))) == {
        "file_system_id": "fs-1",
        "state": "available",
        "encrypted": True,
        "tags": TAGS,
        "mount_targets": [
            {
                "mount_target_id": "fsmt-1",
                "subnet_id": "subnet-1",
                "zone": "",
                "ip_address": "10.77.1.7",
                "security_group_ids": ["sg-1", "sg-2"],
                "state": "available",
            }
        ],
        "access_points": [],
    }

# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _lustre
from ansible_collections.trainyard.aws.plugins.module_utils._lustre import Link, Lustre

LINK = Link("s3://bucket/data", "/data", ("NEW",), ("NEW", "CHANGED"))
WANT = Lustre({"Name": "dcgan"}, 1200, "SCRATCH_2", "subnet-1", links=(LINK,))
HAVE = replace(WANT, id="fs-1", mount_name="abcdefgh", dns_name="fs-1.fsx.us-east-1.amazonaws.com")
PERSISTENT = replace(HAVE, deployment_type="PERSISTENT_2", throughput_per_tib=125)


def verbs(want: Lustre | None, have: Lustre | None) -> list[tuple[str, str]]:
    return [(step.verb, step.subject) for step in _lustre.steps_to(want, have)]


@pytest.mark.parametrize(
    ("want", "have", "steps"),
    [
        pytest.param(WANT, None, [("create", "dcgan"), ("link", "/data")], id="nothing there"),
        pytest.param(WANT, replace(HAVE, state="DELETING"), [("create", "dcgan"), ("link", "/data")], id="leaving"),
        pytest.param(WANT, HAVE, [], id="as wanted"),
        pytest.param(replace(WANT, links=()), HAVE, [], id="no wish for a link leaves it"),
        pytest.param(WANT, replace(HAVE, links=(replace(LINK, uri="s3://bucket/data/"),)), [], id="slash"),
        pytest.param(WANT, replace(HAVE, links=()), [("link", "/data")], id="not linked"),
        pytest.param(
            WANT, replace(HAVE, links=(replace(LINK, import_events=()),)), [("set_events", "/data")], id="events"
        ),
        pytest.param(WANT, replace(HAVE, tags={}), [("tag", "Name")], id="tag"),
        pytest.param(WANT, replace(HAVE, tags={"Name": "dcgan", "more": "1"}), [], id="foreign tag"),
        pytest.param(replace(WANT, size_gib=2400), HAVE, [("grow", "2400")], id="grow"),
        pytest.param(
            replace(PERSISTENT, throughput_per_tib=250), PERSISTENT, [("set_throughput", "250")], id="throughput"
        ),
        pytest.param(replace(PERSISTENT, throughput_per_tib=0), PERSISTENT, [], id="any throughput"),
        pytest.param(None, HAVE, [("remove", "fs-1")], id="remove"),
        pytest.param(None, None, [], id="already gone"),
        pytest.param(None, replace(HAVE, state="DELETING"), [], id="going"),
    ],
)
def test_steps(want: Lustre | None, have: Lustre | None, steps: list[tuple[str, str]]) -> None:
    assert verbs(want, have) == steps


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"size_gib": 1000}, "Set size_gib to 1200 or to a multiple of 2400", id="size"),
        pytest.param({"size_gib": 3600}, "no size of 3600 GiB", id="size of scratch 1"),
        pytest.param({"size_gib": 0}, "no size of 0 GiB", id="no size"),
        pytest.param({"throughput_per_tib": 125}, "Leave throughput_per_tib out", id="throughput of scratch"),
        pytest.param(
            {"throughput_per_tib": 300, "deployment_type": "PERSISTENT_2"}, "125, 250, 500, 1000", id="throughput"
        ),
        pytest.param({"subnet_id": ""}, "Name subnet_id", id="subnet"),
        pytest.param({"links": (replace(LINK, uri="bucket/data"),)}, "s3://bucket/prefix", id="uri"),
        pytest.param({"links": (replace(LINK, path="data"),)}, "Start it with a slash", id="path"),
    ],
)
def test_wishes_that_cannot_come_true(changes: dict[str, Any], words: str) -> None:
    assert words in _lustre.fault_in(replace(WANT, **changes))


@pytest.mark.parametrize("size", [1200, 2400, 4800, 24000])
def test_sizes_of_fsx_are_no_fault(size: int) -> None:
    assert _lustre.fault_in(replace(WANT, size_gib=size)) == ""


@pytest.mark.parametrize(
    ("have", "words"),
    [
        pytest.param(replace(HAVE, size_gib=2400), "never shrinks. Set size_gib to 2400 or more", id="shrink"),
        pytest.param(PERSISTENT, "deployment_type PERSISTENT_2 and that never changes", id="type"),
        pytest.param(replace(HAVE, subnet_id="subnet-2"), "subnet_id subnet-2 and that never changes", id="subnet"),
        pytest.param(replace(HAVE, state="FAILED", reason="No room."), "FAILED: No room. Remove it", id="failed"),
        pytest.param(replace(HAVE, state="MISCONFIGURED"), "it does not say why. Mend the cause", id="misconfigured"),
        pytest.param(
            replace(HAVE, links=(replace(LINK, uri="s3://other", id="dra-1"),)),
            "linked to s3://other, and a link never changes its place",
            id="other place",
        ),
        pytest.param(
            replace(HAVE, links=(replace(LINK, state="FAILED", reason="No bucket.", id="dra-1"),)),
            "FAILED: No bucket. Remove it (aws fsx delete-data-repository-association --association-id dra-1)",
            id="link failed",
        ),
        pytest.param(
            replace(HAVE, links=(replace(LINK, state="MISCONFIGURED", reason="No rights."),)),
            "MISCONFIGURED: No rights. Mend the bucket's policy",
            id="link misconfigured",
        ),
    ],
)
def test_what_is_in_the_way_is_told_with_its_mend(have: Lustre, words: str) -> None:
    assert words in _lustre.fault_of(WANT, have)


@pytest.mark.parametrize(
    ("want", "have"),
    [(WANT, HAVE), (WANT, None), (None, replace(HAVE, state="FAILED"))],
    ids=["as wanted", "not there", "broken and to be removed"],
)
def test_nothing_is_in_the_way(want: Lustre | None, have: Lustre | None) -> None:
    assert _lustre.fault_of(want, have) == ""


@pytest.mark.parametrize(
    ("have", "settled"),
    [
        (None, True),
        (HAVE, True),
        (replace(HAVE, state="FAILED"), True),
        (replace(HAVE, state="CREATING"), False),
        (replace(HAVE, state="DELETING"), False),
        (replace(HAVE, is_updating=True), False),
        (replace(HAVE, links=(replace(LINK, state="CREATING"),)), False),
    ],
    ids=["none", "available", "failed", "creating", "deleting", "growing", "linking"],
)
def test_settled(have: Lustre | None, settled: bool) -> None:
    assert _lustre.is_settled(have) is settled


def test_the_token_is_fixed_and_fits() -> None:
    token = _lustre.creation_token("dcgan", "data")
    assert token == _lustre.creation_token("dcgan", "data") != _lustre.creation_token("dcgan", "data2")
    assert len(token) == 63


def test_the_mount_command_names_host_and_file_system() -> None:
    command = "mount -t lustre -o relatime,flock fs-1.fsx.us-east-1.amazonaws.com@tcp:/abcdefgh /fsx"
    assert _lustre.as_result(HAVE)["mount_command"] == command
    assert _lustre.as_result(WANT)["mount_command"] == ""
    assert _lustre.as_result(None) == {}


def test_what_would_be_there_keeps_what_nobody_has_a_wish_about() -> None:
    other = Link("s3://other", "/other")
    have = replace(PERSISTENT, tags={"foreign": "1"}, links=(other,))
    shown = _lustre.after_steps(replace(PERSISTENT, size_gib=2400, throughput_per_tib=0, links=(LINK,)), have)
    assert shown is not None
    assert (shown.size_gib, shown.throughput_per_tib, shown.links) == (2400, 125, (other, LINK))
    assert shown.tags == {"foreign": "1", "Name": "dcgan"}

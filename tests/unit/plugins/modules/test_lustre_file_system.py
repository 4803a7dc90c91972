# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _lustre_api as api
from ansible_collections.trainyard.aws.plugins.modules import lustre_file_system

TAGS = {"trainyard:stack": "dcgan"}
BORN = [{"Key": "trainyard:stack", "Value": "dcgan"}, {"Key": "Name", "Value": "data"}]
BASE = {"name": "data", "subnet_id": "subnet-1", "security_group_ids": ["sg-1"], "tags": TAGS}
LINKED = {**BASE, "link": {"uri": "s3://bucket/data"}}
UPDATE = {
    "AdministrativeActionType": "FILE_SYSTEM_UPDATE",
    "Status": "IN_PROGRESS",
    "TargetFileSystemValues": {"StorageCapacity": 2400},
}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "_POLL_SECONDS", 0)


def verbs(answer: dict[str, Any]) -> list[str]:
    return [step["verb"] for step in answer["steps"]]


def test_created_then_unchanged_then_grown_then_removed(run_module: Any, account: Any) -> None:
    first = run_module(lustre_file_system, **LINKED)
    assert (first["changed"], verbs(first)) == (True, ["create", "link"])
    assert account.writing_calls == ["CreateFileSystem", "CreateDataRepositoryAssociation"]  # tags are born with both
    file_system = first["file_system"]
    assert (file_system["state"], file_system["size_gib"]) == ("AVAILABLE", 1200)
    assert file_system["mount_command"].endswith("fs-0.fsx.us-east-1.amazonaws.com@tcp:/abcdefgh /fsx")
    assert [(link["uri"], link["path"]) for link in file_system["links"]] == [("s3://bucket/data", "/data")]

    account.calls.clear()
    second = run_module(lustre_file_system, **LINKED)
    assert (second["changed"], second["file_system"]) == (False, file_system)
    assert account.writing_calls == []

    grown = run_module(lustre_file_system, **LINKED, size_gib=2400)
    assert (verbs(grown), grown["file_system"]["size_gib"]) == (["grow"], 2400)
    assert (grown["diff"]["before"]["size_gib"], grown["diff"]["after"]["size_gib"]) == (1200, 2400)

    removed = run_module(lustre_file_system, **BASE, state="absent")
    assert (verbs(removed), removed["file_system"], account.lustre.there) == (["remove"], {}, {})
    assert not run_module(lustre_file_system, **BASE, state="absent")["changed"]


def test_the_call_that_creates_says_everything(run_module: Any, account: Any) -> None:
    run_module(lustre_file_system, **LINKED, deployment_type="PERSISTENT_2")
    asked = account.lustre.given["CreateFileSystem"]
    token = asked.pop("ClientRequestToken")
    assert asked == {
        "FileSystemType": "LUSTRE",
        "FileSystemTypeVersion": "2.15",
        "StorageCapacity": 1200,
        "StorageType": "SSD",
        "SubnetIds": ["subnet-1"],
        "SecurityGroupIds": ["sg-1"],
        "Tags": BORN,
        "LustreConfiguration": {"DeploymentType": "PERSISTENT_2", "PerUnitStorageThroughput": 125},
    }
    link = account.lustre.given["CreateDataRepositoryAssociation"]
    assert (link["Tags"], link["BatchImportMetaDataOnCreate"]) == (BORN, True)
    assert link["S3"]["AutoExportPolicy"] == {"Events": ["NEW", "CHANGED", "DELETED"]}
    assert link["ClientRequestToken"] not in ("", token)


def test_a_lost_answer_makes_no_second(run_module: Any, account: Any) -> None:
    run_module(lustre_file_system, **BASE)
    token = account.lustre.given["CreateFileSystem"]["ClientRequestToken"]
    account.lustre.there.clear()
    run_module(lustre_file_system, **BASE)
    assert account.lustre.given["CreateFileSystem"]["ClientRequestToken"] == token


@pytest.mark.parametrize("arguments", [LINKED, {**LINKED, "state": "absent"}, {**LINKED, "size_gib": 2400}])
def test_check_mode_tells_and_writes_nothing(run_module: Any, account: Any, arguments: dict[str, Any]) -> None:
    if arguments is not LINKED:
        run_module(lustre_file_system, **BASE)
    account.calls.clear()
    answer = run_module(lustre_file_system, check=True, **arguments)
    assert answer["changed"]
    assert answer["diff"]["before"] != answer["diff"]["after"]
    assert account.writing_calls == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"size_gib": 1000}, "Set size_gib to 1200 or to a multiple of 2400."),
        ({"throughput_per_tib": 125}, "Leave throughput_per_tib out"),
        ({"tags": {}}, 'lack "trainyard:stack"'),
    ],
)
def test_a_wish_that_cannot_come_true_is_told_before_any_call(
    run_module: Any, account: Any, arguments: dict[str, Any], words: str
) -> None:
    assert words in run_module(lustre_file_system, **{**BASE, **arguments})["msg"]
    assert account.calls == []


def test_what_never_changes_is_an_error_and_nothing_is_written(run_module: Any, account: Any) -> None:
    run_module(lustre_file_system, **BASE, size_gib=2400)
    account.calls.clear()
    assert "never shrinks" in run_module(lustre_file_system, **BASE)["msg"]
    other = {**BASE, "size_gib": 2400, "subnet_id": "subnet-2"}
    assert "subnet_id subnet-1 and that never changes" in run_module(lustre_file_system, **other)["msg"]
    assert account.writing_calls == []


def test_a_failed_one_is_told_with_the_reason_of_aws(run_module: Any, account: Any) -> None:
    account.lustre.state = "FAILED"
    answer = run_module(lustre_file_system, **LINKED)
    assert "fs-0 in state FAILED" in answer["msg"]
    account.lustre.there["fs-0"]["FailureDetails"] = {"Message": "Insufficient capacity."}
    assert "FAILED: Insufficient capacity. Remove it" in run_module(lustre_file_system, **LINKED)["msg"]
    assert "CreateDataRepositoryAssociation" not in account.calls
    assert verbs(run_module(lustre_file_system, **BASE, state="absent")) == ["remove"]


def test_a_link_that_does_not_work_is_told(run_module: Any, account: Any) -> None:
    account.lustre.link_state = "MISCONFIGURED"
    assert "/data to s3://bucket/data in state MISCONFIGURED" in run_module(lustre_file_system, **LINKED)["msg"]


def test_events_throughput_and_tags_can_be_changed(run_module: Any, account: Any) -> None:
    kind = {**LINKED, "deployment_type": "PERSISTENT_2"}
    run_module(lustre_file_system, **kind)
    link = {"uri": "s3://bucket/data", "export_events": []}
    changed = {**kind, "link": link, "throughput_per_tib": 250, "tags": {**TAGS, "more": "1"}}
    answer = run_module(lustre_file_system, **changed)
    assert verbs(answer) == ["tag", "set_throughput", "set_events"]
    assert answer["file_system"]["throughput_per_tib"] == 250
    assert answer["file_system"]["links"][0]["export_events"] == []
    assert answer["file_system"]["tags"]["more"] == "1"
    assert not run_module(lustre_file_system, **changed)["changed"]


def test_one_that_is_growing_is_not_asked_to_grow_again(run_module: Any, account: Any) -> None:
    run_module(lustre_file_system, **BASE)
    account.lustre.there["fs-0"]["AdministrativeActions"] = [UPDATE]
    assert not run_module(lustre_file_system, check=True, **BASE, size_gib=2400)["changed"]
    waited = run_module(lustre_file_system, **BASE, size_gib=2400, wait_timeout=-1)
    assert "gave up waiting until it and its links are available or gone. Run again, it continues." in waited["msg"]


def test_removal_waits_for_the_task_that_reads_the_bucket(run_module: Any, account: Any) -> None:
    run_module(lustre_file_system, **BASE)
    account.lustre.refusals = [("BadRequest", "A data repository task is in state EXECUTING.")]
    assert verbs(run_module(lustre_file_system, **BASE, state="absent")) == ["remove"]
    run_module(lustre_file_system, **BASE)
    account.lustre.refusals = [("BadRequest", "Something else.")]
    assert "Something else." in run_module(lustre_file_system, **BASE, state="absent")["msg"]


def test_the_file_system_of_somebody_else_stays(run_module: Any, account: Any) -> None:
    run_module(lustre_file_system, **{**BASE, "tags": {"trainyard:stack": "other"}})
    assert not run_module(lustre_file_system, **BASE, state="absent")["changed"]
    assert list(account.lustre.there) == ["fs-0"]

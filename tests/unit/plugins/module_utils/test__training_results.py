# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import shlex
import threading
import typing as t
from pathlib import Path

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _training_results as results
from ansible_collections.trainyard.aws.plugins.module_utils import _training_results_store as store
from ansible_collections.trainyard.aws.plugins.module_utils._container_types import TrainingError

RUN = {"run_id": "a", "exit_code": 0, "reason": "finished", "image": "image:1"}


class FakeS5cmd:
    """A bucket behind the command line of s5cmd."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.uploads: list[list[str]] = []
        self.loses = ""

    def __call__(self, arguments: t.Sequence[str], data: str | None) -> tuple[int, str, str]:
        if "ls" in arguments:
            found = [json.dumps({"key": key, "type": "file", "size": len(body)}) for key, body in self.objects.items()]
            return (0, "\n".join(found), "") if found else (1, "", 'ERROR "ls": no object found')
        if arguments[0] == "cat":
            return 0, self.objects[arguments[1]].decode(), ""
        copies = [shlex.split(line) for line in (data or "").splitlines()]
        self.uploads.append([copy[3].removeprefix("s3://bucket/runs/a/") for copy in copies])
        for verb, raw, source, target in copies:
            assert (verb, raw) == ("cp", "--raw")
            if not self.loses or not target.endswith(self.loses):
                self.objects[target] = Path(source).read_bytes()
        return 0, "", ""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for name, text in {
        "log.txt": "line\n",
        "input/config/hyperparameters.json": "{}",
        "input/data/images/1.png": "not collected",
        "model/digits.pt": "weights",
        "output/a b/we*ird'.txt": "x",
        "checkpoints/epoch-1.pt": "one",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def collect(directory: Path, s5cmd: FakeS5cmd, check_mode: bool = False, **params: t.Any) -> dict[str, t.Any]:
    asked = {
        "run": RUN,
        "directory": str(directory),
        "checkpoints_directory": None,
        "destination": "s3://bucket/runs",
        **params,
    }
    return store.collect(asked, s5cmd, check_mode)


ALL = [
    "checkpoints/epoch-1.pt",
    "input/config/hyperparameters.json",
    "log.txt",
    "model/digits.pt",
    "output/a b/we*ird'.txt",
]


def test_everything_is_brought_and_the_record_last(directory: Path) -> None:
    s5cmd = FakeS5cmd()
    result = collect(directory, s5cmd)
    assert s5cmd.uploads == [ALL, ["run.json"]]
    assert result["uploaded"] == [*ALL, "run.json"]
    assert result["destination"] == "s3://bucket/runs/a"
    record = json.loads(s5cmd.objects["s3://bucket/runs/a/run.json"])
    assert record["outcome"] == "succeeded"
    assert record["image"] == "image:1"
    digests = {each["path"]: (each["size"], each["sha256"][:8]) for each in record["artefacts"]}
    assert digests["checkpoints/epoch-1.pt"] == (3, "7692c3ad")


def test_a_second_time_nothing_is_brought(directory: Path) -> None:
    s5cmd = FakeS5cmd()
    collect(directory, s5cmd)
    again = collect(directory, s5cmd)
    assert len(s5cmd.uploads) == 2
    assert (again["changed"], again["uploaded"]) == (False, [])


@pytest.mark.parametrize(
    ("change", "uploaded"),
    [
        pytest.param(
            lambda d, s: s.objects.pop("s3://bucket/runs/a/log.txt"), ["log.txt", "run.json"], id="gone from the bucket"
        ),
        pytest.param(
            lambda d, s: s.objects.update({"s3://bucket/runs/a/log.txt": b""}), ["log.txt", "run.json"], id="other size"
        ),
        pytest.param(
            lambda d, s: (d / "log.txt").write_text("lime\n"), ["log.txt", "run.json"], id="same size, other bytes"
        ),
        pytest.param(lambda d, s: s.objects.pop("s3://bucket/runs/a/run.json"), [*ALL, "run.json"], id="no record"),
        pytest.param(
            lambda d, s: s.objects.update({"s3://bucket/runs/a/run.json": b"{"}), [*ALL, "run.json"], id="broken record"
        ),
    ],
)
def test_only_what_differs_is_brought(
    directory: Path, change: t.Callable[[Path, FakeS5cmd], t.Any], uploaded: list[str]
) -> None:
    s5cmd = FakeS5cmd()
    collect(directory, s5cmd)
    change(directory, s5cmd)
    assert collect(directory, s5cmd)["uploaded"] == uploaded


def test_what_did_not_arrive_is_named_and_there_is_no_record(directory: Path) -> None:
    s5cmd = FakeS5cmd()
    s5cmd.loses = "digits.pt"
    with pytest.raises(TrainingError, match=r"model/digits\.pt is missing"):
        collect(directory, s5cmd)
    assert "s3://bucket/runs/a/run.json" not in s5cmd.objects


def test_links_are_not_followed(directory: Path) -> None:
    (directory / "secret").write_text("root:secret")
    (directory / "model" / "shadow").symlink_to(directory / "secret")
    (directory / "output" / "etc").symlink_to("/etc")
    (directory / "model" / "new\nline").write_text("")
    s5cmd = FakeS5cmd()
    result = collect(directory, s5cmd)
    assert result["left_out"] == [
        "'model/new\\nline': its name has characters that no name should have",
        "model/shadow: it is a link",
        "output/etc: it is a link",
    ]
    assert not any(b"secret" in body for key, body in s5cmd.objects.items() if not key.endswith("run.json"))


def test_check_mode_brings_nothing(directory: Path) -> None:
    s5cmd = FakeS5cmd()
    result = collect(directory, s5cmd, check_mode=True)
    assert result["changed"] is True
    assert result["uploaded"] == [*ALL, "run.json"]
    assert not s5cmd.objects
    assert not (directory / "run.json").exists()


def test_without_a_bucket_the_record_stays_on_the_node(directory: Path) -> None:
    result = collect(directory, FakeS5cmd(), destination=None)
    assert (result["changed"], result["destination"], result["uploaded"]) == (True, "", [])
    assert json.loads((directory / "run.json").read_text())["run_id"] == "a"
    assert collect(directory, FakeS5cmd(), destination=None)["changed"] is False


def test_checkpoints_elsewhere(directory: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    shared = tmp_path_factory.mktemp("efs")
    (shared / "epoch-9.pt").write_text("nine")
    result = collect(directory, FakeS5cmd(), checkpoints_directory=str(shared))
    assert "checkpoints/epoch-9.pt" in result["artefacts"]
    assert "checkpoints/epoch-1.pt" not in result["artefacts"]


def test_trouble_with_the_bucket_is_told(directory: Path) -> None:
    def denied(arguments: t.Sequence[str], data: str | None) -> tuple[int, str, str]:
        return 1, "", "ERROR AccessDenied: no\n"

    with pytest.raises(TrainingError, match="Cannot list s3://bucket/runs/a: ERROR AccessDenied: no"):
        store.collect(
            {"run": RUN, "directory": str(directory), "checkpoints_directory": None, "destination": "s3://bucket/runs"},
            denied,
            False,
        )


@pytest.mark.parametrize(
    ("destination", "place"),
    [
        pytest.param("s3://bucket", "s3://bucket/a", id="bucket"),
        pytest.param("s3://bucket/", "s3://bucket/a", id="slash"),
        pytest.param("s3://bucket/x/runs/", "s3://bucket/x/runs/a", id="prefix"),
    ],
)
def test_place_of(destination: str, place: str) -> None:
    assert results.place_of(destination, "a") == place


def test_place_of_nonsense() -> None:
    with pytest.raises(TrainingError, match="not a place in a bucket"):
        results.place_of("/tmp/runs", "a")


@pytest.mark.parametrize(
    ("run", "outcome"),
    [
        pytest.param({"exit_code": 0, "reason": "finished"}, "succeeded", id="good"),
        pytest.param({"exit_code": 3, "reason": "exit code 3"}, "failed", id="bad"),
        pytest.param(
            {"exit_code": 0, "reason": "x", "missing_outputs": ["model/a is missing"]}, "failed", id="lacking"
        ),
        pytest.param({"exit_code": 143, "reason": "stopped on request (exit code 143)"}, "stopped", id="stopped"),
    ],
)
def test_outcome(run: dict[str, t.Any], outcome: str) -> None:
    assert results.record_of(run, [], [])["outcome"] == outcome


@pytest.mark.parametrize(
    ("declared", "missing"),
    [
        pytest.param(["model/digits.pt", "output/a b/we*ird'.txt"], [], id="files"),
        pytest.param(["model", "output/a b"], [], id="directories"),
        pytest.param(["model/*.pt"], [], id="pattern"),
        pytest.param(
            ["model/weights.h5", "model/digits"],
            ["model/weights.h5 is missing", "model/digits is missing"],
            id="missing",
        ),
        pytest.param(["model/empty.pt"], ["model/empty.pt is empty"], id="empty"),
        pytest.param(["model/link.pt"], ["model/link.pt is empty"], id="link"),
        pytest.param(["checkpoints/epoch-1.pt"], ["checkpoints/epoch-1.pt is missing"], id="no output"),
    ],
)
def test_missing_outputs(directory: Path, declared: list[str], missing: list[str]) -> None:
    (directory / "model" / "empty.pt").touch()
    (directory / "model" / "link.pt").symlink_to("digits.pt")
    assert results.missing_outputs(declared, store.sizes_of_outputs(str(directory))) == missing


def test_settings_of_the_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "environment").write_text('PATH=/bin\nS3_ENDPOINT_URL="http://a"\nexport AWS_REGION=b\n')
    monkeypatch.setattr(store, "_SYSTEM_ENVIRONMENT", str(tmp_path / "environment"))
    monkeypatch.setenv("AWS_REGION", "c")
    found = store.node_settings()
    assert (found["S3_ENDPOINT_URL"], found["AWS_REGION"]) == ("http://a", "c")
    assert "PATH" not in found


def test_what_was_copied_while_training_is_not_copied_again(directory: Path) -> None:
    s5cmd = FakeS5cmd()
    checkpoint = directory / "checkpoints" / "epoch-1.pt"
    files = [{"path": "epoch-1.pt", "size": 3, "sha256": store.sha256_of(str(checkpoint))}]
    s5cmd.objects = {
        "s3://bucket/runs/a/checkpoints/epoch-1.pt": b"one",
        "s3://bucket/runs/a/checkpoints/LATEST": json.dumps({"files": files}).encode(),
    }
    assert "checkpoints/epoch-1.pt" not in collect(directory, s5cmd)["uploaded"]
    checkpoint.write_text("two")
    assert "checkpoints/epoch-1.pt" in collect(directory, s5cmd)["uploaded"]


def test_checkpoints_that_newer_ones_replaced_are_left_out(directory: Path) -> None:
    for number in (2, 3):
        path = directory / "checkpoints" / f"epoch-{number}.pt"
        path.write_text("x")
        os.utime(path, (2**31 + number, 2**31 + number))
    (directory / "settings.json").write_text('{"checkpoints_kept": 2}')
    result = collect(directory, FakeS5cmd())
    assert [path for path in result["artefacts"] if "check" in path] == [
        "checkpoints/epoch-2.pt",
        "checkpoints/epoch-3.pt",
    ]
    assert result["left_out"] == ["checkpoints/epoch-1.pt: it is older than the newest 2 of its series"]


@pytest.mark.parametrize(
    ("name", "series"),
    [
        pytest.param("epoch-3.pt", "epoch-#.pt", id="file"),
        pytest.param("checkpoint-500", "checkpoint-#", id="directory"),
        pytest.param("netG_epoch_12.pth", "netG_epoch_#.pth", id="one of a pair"),
        pytest.param("model.h5", "", id="the number of a format"),
        pytest.param("last.pt", "", id="overwritten in place"),
        pytest.param("step_3_of_9.ckpt", "step_3_of_#.ckpt", id="the last number counts"),
    ],
)
def test_series_of(name: str, series: str) -> None:
    assert results.series_of(name) == series


@pytest.mark.parametrize(
    ("kept", "outdated"),
    [
        pytest.param(0, set(), id="all are kept"),
        pytest.param(1, {"g-1.pt", "d-1.pt"}, id="one of each series"),
        pytest.param(2, set(), id="more than there are"),
    ],
)
def test_outdated_entries(kept: int, outdated: set[str]) -> None:
    entries = {"g-1.pt": 1.0, "d-1.pt": 1.1, "g-2.pt": 2.0, "d-2.pt": 2.1, "best-model-v1.pt": 0.5, "last.pt": 0.1}
    assert results.outdated_entries(entries, kept) == outdated


def test_an_old_checkpoint_is_removed_by_its_very_name() -> None:
    assert results.remove_commands(["a b/*.pt"], "s3://bucket/c") == "rm --raw 's3://bucket/c/a b/*.pt'\n"


def test_two_who_collect_take_turns(directory: Path) -> None:
    s5cmd = FakeS5cmd()
    second = threading.Thread(target=collect, args=(directory, s5cmd))
    with store.alone_in(str(directory)):
        second.start()
        second.join(0.2)
        assert second.is_alive()
        assert s5cmd.objects == {}
    second.join()
    assert "s3://bucket/runs/a/run.json" in s5cmd.objects

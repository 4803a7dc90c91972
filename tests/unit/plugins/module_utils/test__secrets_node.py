# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import io
import json
import os
import stat
import tarfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _secrets_node as secrets
from ansible_collections.trainyard.aws.plugins.module_utils._container_types import TrainingError
from ansible_collections.trainyard.aws.plugins.module_utils._instance_metadata import Credentials
from ansible_collections.trainyard.aws.plugins.module_utils._signed_request import Call, Refused

CREDENTIALS = Credentials("a", "b", "c")


class Metadata:
    def __init__(self, answer: Credentials | Exception | None) -> None:
        self.answer = answer

    def credentials(self) -> Credentials | None:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def region(self) -> str:
        return "eu-west-1"


class Stores:
    """Both stores, by the name that is asked for; a value may be a refusal."""

    def __init__(self) -> None:
        self.held: dict[str, t.Any] = {}
        self.calls: list[Call] = []

    def __call__(self, call: Call, credentials: Credentials) -> dict[str, t.Any]:
        self.calls.append(call)
        body = json.loads(call.body)
        found = self.held[body.get("Name") or body["SecretId"]]
        if isinstance(found, Exception):
            raise found
        return found


@pytest.fixture
def stores(monkeypatch: pytest.MonkeyPatch) -> Stores:
    found = Stores()
    monkeypatch.setattr(secrets, "ask", found)
    monkeypatch.setattr(secrets, "endpoint_of", lambda service, usual: usual)
    return found


def fetch(wanted: dict[str, str], answer: Credentials | Exception | None = CREDENTIALS) -> t.Any:
    return secrets.fetch_secrets("a", wanted, t.cast(t.Any, Metadata(answer)))


def test_each_store_is_asked_in_its_own_words(stores: Stores) -> None:
    stores.held = {
        "/team/hf-token": {"Parameter": {"Value": "hush ü"}},
        "wandb": {"SecretString": '{"key": "quiet", "port": 8080}'},
        "key.der": {"SecretBinary": base64.b64encode(b"\x00\xff").decode()},
    }
    wanted = {"hf": "ssm:/team/hf-token", "w": "secretsmanager:wandb#key", "p": "secretsmanager:wandb#port"}
    assert fetch({**wanted, "k": "secretsmanager:key.der"}) == {
        "hf": "hush ü".encode(),
        "k": b"\x00\xff",
        "p": b"8080",
        "w": b"quiet",
    }
    assert json.loads(stores.calls[0].body) == {"Name": "/team/hf-token", "WithDecryption": True}
    assert [(call.target, call.endpoint) for call in stores.calls[:2]] == [
        ("AmazonSSM.GetParameter", "https://ssm.eu-west-1.amazonaws.com"),
        ("secretsmanager.GetSecretValue", "https://secretsmanager.eu-west-1.amazonaws.com"),
    ]


def test_an_arn_is_asked_for_where_it_says(stores: Stores) -> None:
    arn = "arn:aws-cn:ssm:cn-north-1:123456789012:parameter/a"
    stores.held = {arn: {"Parameter": {"Value": "x"}}}
    assert fetch({"a": arn}) == {"a": b"x"}
    assert (stores.calls[0].region, stores.calls[0].endpoint) == (
        "cn-north-1",
        "https://ssm.cn-north-1.amazonaws.com.cn",
    )


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (None, "this node has no role.*instance profile"),
        (OSError("timed out"), "no metadata service of EC2 answers.*timed out"),
    ],
)
def test_a_node_without_a_role_is_told_so(stores: Stores, answer: Exception | None, told: str) -> None:
    with pytest.raises(TrainingError, match=told):
        fetch({"a": "ssm:a"}, answer)


@pytest.mark.parametrize(
    ("place", "answer", "told"),
    [
        ("ssm:x", Refused("AccessDeniedException", "not you"), r"ssm:GetParameter \(.*not you.*aws_identity_secrets\)"),
        ("secretsmanager:x", Refused("AccessDeniedException", "no"), "may not do secretsmanager:GetSecretValue"),
        ("ssm:x", Refused("AccessDeniedException", "ciphertext of KMS"), "kms:Decrypt.*aws_identity_secrets_keys"),
        ("secretsmanager:x", Refused("ResourceNotFoundException", ""), "there is none in eu-west-1"),
        ("ssm:x", Refused("ParameterNotFound", ""), "there is none in eu-west-1"),
        ("secretsmanager:x", Refused("InvalidRequestException", "marked for deletion"), "marked for deletion"),
        ("ssm:x", TimeoutError("timed out"), "ssm.eu-west-1.amazonaws.com gives no answer"),
        ("ssm:x", {"Parameter": {}}, "gives no answer"),
        ("secretsmanager:x#k", {"SecretString": "hush"}, 'no JSON object with the key "k"'),
        ("secretsmanager:x#k", {"SecretString": '["hush"]'}, 'no JSON object with the key "k"'),
    ],
)
def test_what_is_wrong_names_the_action_and_no_value(stores: Stores, place: str, answer: t.Any, told: str) -> None:
    stores.held = {"x": answer, "y": Refused("ParameterNotFound", "")}
    with pytest.raises(TrainingError, match=f"(?s){told}.*\n- z from ssm:y: there is none") as raised:
        fetch({"a": place, "z": "ssm:y"})
    assert "hush" not in str(raised.value)


# ---- In memory -----------------------------------------------------------------------------------------------------


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(secrets, "SECRETS_MEMORY", str(tmp_path / "run"))
    monkeypatch.setattr(secrets, "secrets_directory", lambda run_id: str(tmp_path / "run" / run_id / "secrets"))
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/vda / ext4 rw 0 0\ntmpfs {tmp_path}/run tmpfs rw 0 0\ntmpfs {tmp_path}/runs ext4 rw 0 0\n")
    monkeypatch.setattr(secrets, "_MOUNTS", str(mounts))
    return tmp_path


def test_they_are_for_the_owner_alone_and_go_without_a_trace(memory: Path) -> None:
    secrets.place_secrets("a", {"old": b"1"}, os.getuid())
    secrets.place_secrets("a", {"hf": b"hush"}, os.getuid())
    file = memory / "run/a/secrets/hf"
    assert file.read_bytes() == b"hush"
    modes = [stat.S_IMODE(each.stat().st_mode) for each in (file, file.parent, file.parents[1], file.parents[2])]
    assert modes == [0o400, 0o755, 0o700, 0o700]
    assert os.listdir(file.parent) == ["hf"]
    secrets.remove_secrets("a")
    secrets.remove_secrets("a")
    assert os.listdir(memory / "run") == []


def test_they_are_not_written_to_a_disk(memory: Path) -> None:
    (memory / "mounts").write_text("/dev/vda / ext4 rw 0 0\n")
    with pytest.raises(TrainingError, match="is on ext4"):
        secrets.place_secrets("a", {"hf": b"hush"}, os.getuid())
    assert os.listdir(memory / "run") == []


@pytest.mark.parametrize(("name", "uid"), [("trainer", 1042), ("nobody", 0)])
def test_the_number_of_a_user_comes_from_the_image(name: str, uid: int) -> None:
    text = b"root:x:0:0::/root:/bin/sh\nshort\ntrainer:x:1042:1042::/home:/bin/sh\n"
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo("passwd")
        entry.size = len(text)
        tar.addfile(entry, io.BytesIO(text))
    assert secrets.owner_in(archive.getvalue(), name) == uid

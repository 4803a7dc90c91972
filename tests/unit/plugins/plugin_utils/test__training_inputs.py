# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import builtins
import json
import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.trainyard.aws.plugins.plugin_utils import _training_inputs as inputs

NAMES = inputs.Names("training_run_")
OPTIONS: dict[str, t.Any] = {
    "run_id": "digits-001",
    "image": "trainyard/digits:1",
    "accelerators": "all",
    "volumes": None,
    "environment": None,
    "secrets": None,
    "working_directory": "",
    "hyperparameters_path": None,
    "outputs": None,
    "results": None,
    "progress_pattern": None,
}
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["epochs"],
    "properties": {
        "epochs": {"type": "integer", "minimum": 1, "description": "The most epochs."},
        "learning_rate": {"type": "number", "exclusiveMinimum": 0},
        "activation": {"enum": ["relu", "tanh"]},
        "layers": {
            "type": "array",
            "items": {"type": "object", "additionalProperties": False, "properties": {"width": {}}},
        },
    },
}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        pytest.param({}, None, id="good"),
        pytest.param({"run_id": "A"}, 'training_run_id: "A" is not a run id', id="id"),
        pytest.param({"image": ""}, "training_run_image: it is empty", id="no image"),
        pytest.param({"image": None}, "training_run_image: it is empty", id="image none"),
        pytest.param({"image": "a b"}, 'training_run_image: "a b" has a space in it', id="image with a space"),
        pytest.param({"hyperparameters_path": "/data/h.json"}, None, id="another place"),
        pytest.param(
            {"hyperparameters_path": "data/h.json"}, 'training_run_hyperparameters_path: "data/h.json"', id="relative"
        ),
        pytest.param({"hyperparameters_path": "/data/../h"}, "training_run_hyperparameters_path", id="dots"),
        pytest.param({"outputs": ["model/a.h5", "/opt/ml/output/*.csv"]}, None, id="outputs"),
        pytest.param(
            {"outputs": ["weights.h5"]}, "'weights.h5' is no file of the run's results", id="output elsewhere"
        ),
        pytest.param({"outputs": ["/etc/x"]}, "'/etc/x' is no file of the run's results", id="output of the node"),
        pytest.param({"outputs": ["model/../x"]}, "'model/../x' is no file", id="output above"),
        pytest.param({"results": "s3://bucket/runs"}, None, id="results"),
        pytest.param(
            {"results": "bucket/runs"}, 'training_run_results: "bucket/runs" is not a place in a bucket', id="no bucket"
        ),
        pytest.param({"progress_pattern": "(?P<epoch>[0-9]+)"}, None, id="pattern"),
        pytest.param({"progress_pattern": "("}, 'training_run_progress_pattern: "(" is no regular', id="odd pattern"),
        pytest.param({"environment": {"A": 1, "B": "x"}}, None, id="environment"),
        pytest.param({"environment": {"a-b": "hush"}}, 'training_run_environment: "a-b" is not a name', id="odd name"),
        pytest.param({"environment": {"TRAINYARD_X": "hush"}}, "TRAINYARD_X is set by the run itself", id="taken"),
        pytest.param({"environment": {"A": ["hush"]}}, "training_run_environment: A is not a text", id="list"),
        pytest.param({"environment": {"A": "hush\0"}}, "A holds a zero byte", id="zero byte"),
        pytest.param({"secrets": {"hf": "ssm:/team/hf", "w": "secretsmanager:w#k"}}, None, id="secrets"),
        pytest.param({"accelerators": "0,2"}, None, id="accelerators"),
        pytest.param({"volumes": [{"source": "/data", "target": "/words"}]}, None, id="volume"),
        pytest.param(
            {"volumes": [{"source": "data", "target": "/words"}]}, '"data" cannot be seen at "/words"', id="no source"
        ),
        pytest.param(
            {"volumes": [{"source": "/data", "target": "/opt/ml/"}]}, "cannot be seen", id="over the contract"
        ),
        pytest.param({"volumes": [{"source": "/var/run", "target": "/run"}]}, "the Docker socket", id="socket"),
        pytest.param(
            {"accelerators": "two"}, 'training_run_accelerators: "two" names no accelerators', id="no accelerators"
        ),
        pytest.param({"working_directory": "/opt/ml/code/src"}, None, id="working directory"),
        pytest.param(
            {"working_directory": "src"}, 'training_run_working_directory: "src" is not the path', id="no path"
        ),
        pytest.param({"secrets": {"../hf": "ssm:a"}}, "training_run_secrets: '../hf' is no name of a file", id="file"),
        pytest.param({"secrets": {"hf": "vault:a"}}, "training_run_secrets: hf: 'vault:a' is no place", id="no place"),
    ],
)
def test_run_faults(change: dict[str, t.Any], fault: str | None) -> None:
    faults = [str(each) for each in inputs.run_faults(NAMES, {**OPTIONS, **change})]
    assert len(faults) == (fault is not None)
    assert fault is None or fault in faults[0]
    assert "hush" not in "".join(faults)


def test_channels(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "1.png").touch()
    assert inputs.channel_faults("v", "images", str(tmp_path / "images")) == []
    assert inputs.channel_faults("v", "one", str(tmp_path / "images" / "1.png")) == []


@pytest.mark.parametrize(
    ("name", "source", "fault"),
    [
        pytest.param("a", "imags", "Did you mean", id="nearest path"),
        pytest.param("a", "nothing/like/this", "does not exist", id="no path"),
        pytest.param("a", "", "has no path", id="empty"),
        pytest.param("a", "void", "there is no file in", id="empty directory"),
        pytest.param("a", "odd", "has characters that no name should have", id="newline in a name"),
        pytest.param("a", "links", "is a link to nothing", id="dead link"),
        pytest.param("a", "pipes", "is not a file", id="pipe"),
    ],
)
def test_channel_faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, source: str, fault: str) -> None:
    monkeypatch.chdir(tmp_path)
    for directory in ("images", "void", "odd", "links", "pipes"):
        Path(directory).mkdir()
    Path("images/1.png").touch()
    Path("odd/a\nb").touch()
    Path("links/dead").symlink_to("nowhere")
    os.mkfifo("pipes/p")
    (found,) = inputs.channel_faults("training_run_channels", name, source)
    assert str(found).startswith("training_run_channels: ")
    assert fault in str(found)
    assert "\n" not in str(found)


def read(tmp_path: Path, text: str) -> tuple[inputs.Source | None, list[str]]:
    (tmp_path / "h.json").write_text(text)
    source, faults = inputs.read_document("training_run_hyperparameters_file", str(tmp_path / "h.json"))
    return source, [str(fault) for fault in faults]


def test_syntax_has_a_place_and_a_caret(tmp_path: Path) -> None:
    source, faults = read(tmp_path, '{\n  "lr": 1e999,\n  "lr": 2\n}')
    assert source is None
    assert faults == [
        f"training_run_hyperparameters_file: {tmp_path}/h.json:2:9: the number 1e999 is too large. Mend the file:\n"
        '      "lr": 1e999,\n            ^',
        f'training_run_hyperparameters_file: {tmp_path}/h.json:3:3: "lr" is here twice, first in line 2. Mend the file:\n'
        '      "lr": 2\n      ^',
    ]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b'{"a": "\xe9"}')
    for name, what in (("nothing", "No such file"), (".", "Is a directory"), ("latin", "is not UTF-8")):
        source, faults = inputs.read_document("v", str(tmp_path / name))
        assert source is None
        assert what in str(faults[0])


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        pytest.param('{"epochs": 3}', None, None, id="good"),
        pytest.param("{}", "1:1", 'the document misses "epochs". Add "epochs" (The most epochs).', id="missing"),
        pytest.param(
            '{"epochs": 3,\n "learning_rat": 1}',
            "2:2",
            '/learning_rat: there is no hyperparameter "learning_rat". Did you mean "learning_rate"?',
            id="nearest name",
        ),
        pytest.param(
            '{"epochs": 3, "zzz": 1}',
            "1:15",
            "Known are: activation, epochs, layers, learning_rate.",
            id="like nothing",
        ),
        pytest.param('{"epochs": "3"}', "1:12", '/epochs: "3" is not of type integer', id="type"),
        pytest.param('{"epochs": 0}', "1:12", "/epochs: 0 is less than 1", id="too small"),
        pytest.param('{"epochs": 1, "learning_rate": 0}', "1:32", "0 is not more than 0", id="not more"),
        pytest.param('{"epochs": 1, "activation": "sin"}', "1:29", '"sin" is not one of ["relu", "tanh"]', id="choice"),
        pytest.param(
            '{"epochs": 1, "layers": [{"width": 1}, {"widht": 1}]}', "1:41", "/layers/1/widht: there is no", id="deep"
        ),
    ],
)
def test_schema_faults(tmp_path: Path, text: str, place: str | None, what: str | None) -> None:
    source, _ = read(tmp_path, text)
    faults = [
        str(fault) for fault in inputs.schema_faults(source, "training_run_hyperparameters_schema", "s.json", SCHEMA)
    ]
    if what is None:
        assert faults == []
    else:
        assert len(faults) == 1
        assert faults[0].startswith(f"training_run_hyperparameters_file: {tmp_path}/h.json:{place}: ")
        assert what in faults[0]


def test_all_schema_faults_in_one_pass(tmp_path: Path) -> None:
    source, _ = read(tmp_path, '{"epoch": 3, "activation": 1, "layers": 2}')
    assert len(inputs.schema_faults(source, "v", "s.json", SCHEMA)) == 4


def test_hyperparameters_of_a_variable_have_a_pointer() -> None:
    source = inputs.Source("training_run_hyperparameters", "", {"epochs": "many"}, None)
    (fault,) = inputs.schema_faults(source, "v", "s.json", SCHEMA)
    assert str(fault) == 'training_run_hyperparameters: /epochs: "many" is not of type integer. Mend the value.'


@pytest.mark.parametrize(
    ("schema", "what"),
    [
        pytest.param({"type": "nonsense"}, "s.json is not a JSON Schema: /type", id="broken"),
        pytest.param({"$ref": "http://192.0.2.1/schema"}, 's.json refers to "http://192.0.2.1/schema"', id="elsewhere"),
    ],
)
def test_schemas_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch, schema: dict[str, t.Any], what: str) -> None:
    fetched: list[t.Any] = []
    monkeypatch.setattr("urllib.request.urlopen", lambda *args, **kwargs: fetched.append(args))
    source = inputs.Source("v", "", {}, None)
    (fault,) = inputs.schema_faults(source, "training_run_hyperparameters_schema", "s.json", schema)
    assert str(fault).startswith(f"training_run_hyperparameters_schema: {what}")
    assert fetched == []


def test_missing_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: t.Any, **kwargs: t.Any) -> t.Any:
        if name == "jsonschema":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    (fault,) = inputs.schema_faults(inputs.Source("v", "", {}, None), "v", "s.json", {})
    assert "pip install jsonschema" in str(fault)


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        pytest.param({"a": {"b": [1.5]}}, None, id="finite"),
        pytest.param({"a": {"b": [1.0, float("inf")]}}, "/a/b/1 is inf", id="infinite"),
        pytest.param({"a/b": float("nan")}, "/a~1b is nan", id="no number"),
        pytest.param([1], "it is not a JSON object", id="list"),
    ],
)
def test_value_faults(value: t.Any, fault: str | None) -> None:
    found = [str(each) for each in inputs.value_faults(inputs.Source("v", "", value, None))]
    assert len(found) == (fault is not None)
    assert fault is None or fault in found[0]


def test_example_follows_its_schema() -> None:
    example = Path(__file__).parents[4] / "examples" / "digits"
    source, faults = inputs.read_document("v", str(example / "hyperparameters.json"))
    assert faults == []
    schema = json.loads((example / "hyperparameters.schema.json").read_text())
    assert inputs.schema_faults(source, "v", "s.json", schema) == []
    assert set(source.value) == set(schema["properties"])

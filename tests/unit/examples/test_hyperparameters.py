# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
FILES = sorted(EXAMPLES.glob("*/hyperparameters*.json"))


@pytest.mark.parametrize("file", [file for file in FILES if "schema" not in file.name], ids=lambda file: f"{file.parent.name}/{file.name}")  # fmt: skip
def test_an_example_follows_its_own_schema(file: Path) -> None:
    schema = json.loads((file.parent / "hyperparameters.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(file.read_text()), schema)


@pytest.mark.parametrize("example", ["dcgan", "digits", "toxicity"])
def test_a_misspelt_hyperparameter_is_refused(example: str) -> None:
    schema = json.loads((EXAMPLES / example / "hyperparameters.schema.json").read_text())
    settings = json.loads((EXAMPLES / example / "hyperparameters.json").read_text())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**settings, "epoch_count": 3}, schema)

# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the role dcgm_exporter gives GPUs to its container, and what it measures; vendor facts, sections 2.1 and 8."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.contracts.choices import SYSTEMS, Choices

DESCRIPTION = "/var/run/cdi/nvidia.yaml"


def on(engine: dict[str, Any] | None, described: bool = True, **values: Any) -> Choices:
    """With what the engine says of itself, and whether the toolkit has described the GPUs."""
    answer = {"rc": 1, "stdout": ""} if engine is None else {"rc": 0, "stdout": json.dumps(engine)}
    look = {"files": {DESCRIPTION: {"exists": described}}, "commands": {"engine": answer}}
    return Choices("dcgm_exporter", "ubuntu-22.04", __dcgm_exporter_look=look, **values)


@pytest.mark.parametrize(
    ("engine", "described", "cdi", "runtime"),
    [
        pytest.param(None, False, False, False, id="no engine"),
        pytest.param({"Runtimes": {"runc": {}}}, False, False, False, id="an engine without GPUs"),
        pytest.param({"Runtimes": {"nvidia": {}}}, True, False, True, id="an engine before 25"),
        pytest.param({"Runtimes": {"nvidia": {}}, "CDISpecDirs": []}, True, False, True, id="descriptions are off"),
        pytest.param({"Runtimes": {}, "CDISpecDirs": ["/etc/cdi"]}, False, False, False, id="nothing is described"),
        pytest.param({"Runtimes": {"nvidia": {}}, "CDISpecDirs": ["/etc/cdi"]}, True, True, True, id="described"),
    ],
)
def test_how_the_container_gets_the_gpus(
    engine: dict[str, Any] | None, described: bool, cdi: bool, runtime: bool
) -> None:
    chosen = on(engine, described)
    assert (chosen.value("__dcgm_exporter_cdi"), chosen.value("__dcgm_exporter_runtime")) == (cdi, runtime)


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize(
    ("vendors", "count"), [([], 0), (["habana"], 0), (["nvidia"], 8)], ids=["none", "gaudi", "nvidia"]
)
def test_only_nvidia_gpus_are_asked(system: str, vendors: list[str], count: int) -> None:
    machine = {"accelerators": [{"vendor": vendor, "count": 8} for vendor in vendors]}
    assert Choices("dcgm_exporter", system, __dcgm_exporter_machine=machine).value("__dcgm_exporter_gpus") == count


@pytest.mark.parametrize("profiling", [False, True])
def test_the_exporter_reads_a_field_a_kind_and_a_word_of_help(profiling: bool) -> None:
    written = on(None, dcgm_exporter_profiling_enabled=profiling).render("dcgm-counters.csv.j2")
    rows = [line.split(", ") for line in written.splitlines() if not line.startswith("#")]
    assert all(len(row) == 3 and row[1] == "gauge" for row in rows)
    assert "DCGM_FI_DEV_XID_ERRORS" in {row[0] for row in rows}
    assert any(row[0].startswith("DCGM_FI_PROF_") for row in rows) is profiling

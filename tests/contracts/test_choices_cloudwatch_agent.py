# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role chooses on each system; the tables are from the vendor facts, 6.1 to 6.4."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.contracts.choices import SYSTEMS, Choices

STAND_INS = Path(__file__).parents[2] / "extensions/molecule/stand_ins/repositories/cloudwatch-agent"
SCHEMA = json.loads(next(STAND_INS.rglob("schema.json")).read_text(encoding="utf-8"))
BUCKET = "https://amazoncloudwatch-agent-us-east-1.s3.us-east-1.amazonaws.com"
VERSION = "1.300071.0b1720"
FILE = "amazon-cloudwatch-agent.deb"


def choices(system: str, *, found: str = "", downloaded: bool = False, gpus: bool = False, **values: Any) -> Choices:
    """With what the tasks of the role find on a node."""
    status = {"stdout": json.dumps({"status": "running", "version": found}) if found else ""}
    return Choices(
        "cloudwatch_agent",
        system,
        __cloudwatch_agent_status=status,
        __cloudwatch_agent_record={"stat": {"exists": downloaded}},
        __cloudwatch_agent_nvidia_smi={"stat": {"exists": gpus}},
        **{"cloudwatch_agent_region": "us-east-1", **values},
    )


@pytest.mark.parametrize(
    ("system", "architecture", "source", "url"),
    [
        ("ubuntu-22.04", "x86_64", "vendor", f"{BUCKET}/ubuntu/amd64/{VERSION}/{FILE}"),
        ("ubuntu-22.04", "aarch64", "vendor", f"{BUCKET}/ubuntu/arm64/{VERSION}/{FILE}"),
        ("ubuntu-24.04", "x86_64", "vendor", f"{BUCKET}/ubuntu/amd64/{VERSION}/{FILE}"),
        ("ubuntu-24.04", "aarch64", "vendor", f"{BUCKET}/ubuntu/arm64/{VERSION}/{FILE}"),
        ("debian-12", "x86_64", "vendor", f"{BUCKET}/debian/amd64/{VERSION}/{FILE}"),
        ("debian-12", "aarch64", "vendor", f"{BUCKET}/debian/arm64/{VERSION}/{FILE}"),
        ("debian-13", "x86_64", "vendor", f"{BUCKET}/debian/amd64/{VERSION}/{FILE}"),
        ("debian-13", "aarch64", "vendor", f"{BUCKET}/debian/arm64/{VERSION}/{FILE}"),
        ("amazon-linux-2023", "x86_64", "distribution", None),
        ("amazon-linux-2023", "aarch64", "distribution", None),
    ],
)
def test_the_package_of_each_system(system: str, architecture: str, source: str, url: str | None) -> None:
    on = Choices("cloudwatch_agent", system, facts={"architecture": architecture}, cloudwatch_agent_region="us-east-1")
    assert on.value("__cloudwatch_agent_source") == source
    assert on.holds("__cloudwatch_agent_supported | bool")
    if url:
        assert on.value("__cloudwatch_agent_package_url") == url


def test_the_key_of_the_vendor() -> None:
    chosen = choices("ubuntu-22.04")
    assert chosen.value("cloudwatch_agent_repository_key_url").endswith("/assets/amazon-cloudwatch-agent.gpg")
    assert chosen.value("cloudwatch_agent_repository_key_fingerprints") == [
        "9376 16F3 450B 7D80 6CBD 9725 D581 6730 3B78 9C72"
    ]


@pytest.mark.parametrize(
    ("values", "start"),
    [
        (
            {"cloudwatch_agent_region": "eu-west-1"},
            "https://amazoncloudwatch-agent-eu-west-1.s3.eu-west-1.amazonaws.com/",
        ),
        (
            {"cloudwatch_agent_region": "cn-north-1"},
            "https://amazoncloudwatch-agent-cn-north-1.s3.cn-north-1.amazonaws.com.cn/",
        ),
        ({"cloudwatch_agent_repository_url": "https://mirror.example.com/cw"}, "https://mirror.example.com/cw/ubuntu/"),
    ],
)
def test_the_package_comes_from_the_region_or_a_mirror(values: dict[str, str], start: str) -> None:
    assert choices("ubuntu-22.04", **values).value("__cloudwatch_agent_package_url").startswith(start)


@pytest.mark.parametrize(
    "facts",
    [
        {"distribution": "Rocky", "distribution_major_version": "9"},
        {"distribution": "Ubuntu", "distribution_version": "20.04"},
        {"distribution": "Debian", "distribution_major_version": "11"},
        {"architecture": "riscv64"},
    ],
    ids=lambda facts: " ".join(facts.values()),
)
def test_other_systems_are_refused(facts: dict[str, str]) -> None:
    system = "ubuntu-22.04" if facts.get("distribution") == "Ubuntu" else "debian-12"
    on = Choices("cloudwatch_agent", system, facts=facts, cloudwatch_agent_region="us-east-1")
    assert not on.holds("__cloudwatch_agent_supported | bool")


@pytest.mark.parametrize(
    ("found", "downloaded", "installs"),
    [
        pytest.param("", False, True, id="a bare system"),
        pytest.param("1.300073.2b1", False, False, id="one that others installed, as on a Deep Learning image"),
        pytest.param(VERSION, True, False, id="ours, as wanted"),
        pytest.param("1.300069.0b1529", True, True, id="ours, another version"),
    ],
)
@pytest.mark.parametrize("system", SYSTEMS)
def test_an_agent_of_others_is_left(system: str, found: str, downloaded: bool, installs: bool) -> None:
    assert choices(system, found=found, downloaded=downloaded).value("__cloudwatch_agent_install") is installs


@pytest.mark.parametrize("gpus", [False, True])
@pytest.mark.parametrize("system", SYSTEMS)
def test_the_configuration_passes_the_schema_of_the_vendor(system: str, gpus: bool) -> None:
    chosen = choices(
        system,
        gpus=gpus,
        cloudwatch_agent_log_group="/trainyard/dcgan",
        cloudwatch_agent_dimensions={"stack": "dcgan", "group": "train"},
    )
    written = json.loads(chosen.render("trainyard.json.j2"))
    assert [error.message for error in jsonschema.Draft4Validator(SCHEMA).iter_errors(written)] == []
    collected = written["metrics"]["metrics_collected"]
    expected = {"cpu", "mem", "swap", "disk", "diskio", "net", "netstat", "processes", "statsd"}
    assert set(collected) == expected | ({"nvidia_gpu"} if gpus else set())
    assert written["agent"] == {"region": "us-east-1", "metrics_collection_interval": 60}
    assert collected["statsd"]["service_address"] == "127.0.0.1:8125"
    assert all(
        collected[section]["append_dimensions"] == {"stack": "dcgan", "group": "train"}
        for section in collected.keys() - {"statsd"}
    )


def test_a_wrong_name_keeps_the_role_from_starting() -> None:
    outcome = choices("debian-12", cloudwatch_agent_mem_measurements=["used_procent"]).value(
        "__cloudwatch_agent_outcome"
    )
    assert outcome["faults"] == ['"used_procent" is no measurement of mem. The nearest is "used_percent".']


@pytest.mark.parametrize(("group", "directory"), [("", None), ("/trainyard/dcgan", "/var/log/trainyard/runs")])
def test_the_reporter_writes_logs_only_for_a_log_group(group: str, directory: str | None) -> None:
    chosen = choices("debian-12", cloudwatch_agent_log_group=group, cloudwatch_agent_dimensions={"stack": "dcgan"})
    assert json.loads(chosen.render("trainyard-node-report.json.j2")) == {
        "port": 8125,
        "interval_seconds": 60,
        "log_directory": directory,
        "tags": {"stack": "dcgan"},
        "price_usd_per_hour": 0,
        "expires_at": "",
    }


def test_the_reporter_is_told_what_the_node_costs_and_when_it_ends() -> None:
    told = {"price_usd_per_hour": 1.323, "expires_at": "2026-11-21T14:30:00Z"}
    chosen = choices("debian-12", **{f"cloudwatch_agent_{name}": value for name, value in told.items()})
    assert told.items() <= json.loads(chosen.render("trainyard-node-report.json.j2")).items()

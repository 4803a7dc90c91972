# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role docker_engine decides on each system; the tables are those of facts/vendor-facts.md, section 3."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.contracts.choices import SYSTEMS, Choices

FROM_DOCKER = [
    "docker-ce=5:29.8.1-*",
    "docker-ce-cli=5:29.8.1-*",
    "containerd.io",
    "docker-buildx-plugin",
    "docker-compose-plugin",
]
# system: repository, packages from Docker, packages of the distribution, packages of the SDK
TABLE: dict[str, tuple[str, list[str], list[str], list[str]]] = {
    "ubuntu-22.04": ("https://download.docker.com/linux/ubuntu", FROM_DOCKER, ["docker.io"], ["python3-docker"]),
    "ubuntu-24.04": ("https://download.docker.com/linux/ubuntu", FROM_DOCKER, ["docker.io"], ["python3-docker"]),
    "debian-12": ("https://download.docker.com/linux/debian", FROM_DOCKER, ["docker.io"], ["python3-docker"]),
    "debian-13": (
        "https://download.docker.com/linux/debian",
        FROM_DOCKER,
        ["docker.io", "docker-cli"],
        ["python3-docker"],
    ),
    "amazon-linux-2023": ("", ["docker"], ["docker"], ["python3-pip", "python3-requests"]),
}
UNIT = "/usr/lib/systemd/system/docker.service"
REPOSITORY = "/etc/apt/sources.list.d/docker.sources"


def found(
    there: bool = True, ours: bool = False, version: str = "", settings: dict[str, Any] | None = None
) -> dict[str, Any]:
    """What the role's first tasks find."""
    look = {
        "files": {UNIT: {"exists": there}, REPOSITORY: {"exists": ours}},
        "contents": {"/etc/docker/daemon.json": None if settings is None else json.dumps(settings)},
        "commands": {"sdk": {"rc": 0 if there else 1}, "version": {"stdout": version}},
    }
    return {"__docker_engine_look": look, "__docker_engine_containers": {"skipped": True}}


FRESH = found(there=False)
THERE = found()


def test_the_table_is_about_every_system() -> None:
    assert set(TABLE) == set(SYSTEMS)


@pytest.mark.parametrize("system", SYSTEMS)
def test_where_the_engine_comes_from(system: str) -> None:
    repository, from_docker, of_distribution, sdk = TABLE[system]
    fresh = Choices("docker_engine", system, **FRESH)
    assert fresh.value("__docker_engine_system") in fresh.value("__docker_engine_systems")
    assert fresh.value("__docker_engine_from_docker") is bool(repository)
    if repository:
        assert fresh.value("__docker_engine_repository_url") == repository
        assert fresh.value("__docker_engine_repository_key_url") == f"{repository}/gpg"
    assert fresh.value("__docker_engine_missing_packages") == from_docker + sdk
    theirs = Choices("docker_engine", system, docker_engine_source="distribution", **FRESH)
    assert theirs.value("__docker_engine_missing_packages") == of_distribution + sdk
    assert theirs.value("__docker_engine_from_docker") is False


@pytest.mark.parametrize(
    ("system", "suite"),
    [("ubuntu-22.04", "jammy"), ("ubuntu-24.04", "noble"), ("debian-12", "bookworm"), ("debian-13", "trixie")],
)
def test_the_suite_is_the_codename(system: str, suite: str) -> None:
    assert Choices("docker_engine", system).evaluate("{{ ansible_facts['distribution_release'] }}") == suite


@pytest.mark.parametrize("system", SYSTEMS)
def test_an_engine_that_is_there_is_kept(system: str) -> None:
    assert Choices("docker_engine", system, **THERE).value("__docker_engine_missing_packages") == []


def test_an_engine_of_ours_follows_the_version() -> None:
    installed = found(ours=True, version="5:29.8.1-1~debian.12~bookworm")
    same = Choices("docker_engine", "debian-12", **installed)
    assert same.value("__docker_engine_is_wanted") is False
    other = Choices("docker_engine", "debian-12", docker_engine_version="29.8.10", **installed)
    assert other.value("__docker_engine_missing_packages")[0] == "docker-ce=5:29.8.10-*"
    assert other.render("preferences.j2") == (
        "Package: docker-ce docker-ce-cli\nPin: version 5:29.8.10-*\nPin-Priority: 1001\n"
    )


@pytest.mark.parametrize(
    "facts",
    [
        {"distribution": "Debian", "distribution_major_version": "11", "distribution_version": "11.9"},
        {"distribution": "Ubuntu", "distribution_major_version": "20", "distribution_version": "20.04"},
        {"distribution": "Rocky", "os_family": "RedHat", "distribution_major_version": "9"},
    ],
)
def test_another_system_is_refused_unless_it_has_an_engine(facts: dict[str, str]) -> None:
    refused = "__docker_engine_system not in __docker_engine_systems"
    assert Choices("docker_engine", "debian-12", facts=facts, **FRESH).holds(refused)


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_configuration(system: str) -> None:
    written = json.loads(Choices("docker_engine", system, **FRESH).render("daemon.json.j2"))
    assert written == {
        "log-driver": "json-file",
        "log-opts": {"max-size": "100m", "max-file": "3"},
        "live-restore": True,
        "default-shm-size": "2g",
        "default-ulimits": {
            "nofile": {"Name": "nofile", "Soft": 1048576, "Hard": 1048576},
            "memlock": {"Name": "memlock", "Soft": -1, "Hard": -1},
        },
    }


def test_settings_of_others_stay() -> None:
    core = {"core": {"Name": "core", "Soft": 0, "Hard": 0}}
    runtimes = {"nvidia": {"path": "nvidia-container-runtime", "args": []}}
    theirs = found(settings={"runtimes": runtimes, "default-ulimits": core | {"nofile": {"Name": "nofile"}}})
    choices = Choices("docker_engine", "debian-12", docker_engine_ulimits_enabled=False, **theirs)
    written = json.loads(choices.render("daemon.json.j2"))
    assert written["runtimes"] == runtimes
    assert written["default-ulimits"] == core


@pytest.mark.parametrize(
    ("looked", "moves", "place"),
    [
        pytest.param(FRESH, True, "/nvme/docker", id="a new engine"),
        pytest.param(
            THERE | {"__docker_engine_containers": {"matched": 0}}, True, "/nvme/docker", id="without containers"
        ),
        pytest.param(THERE | {"__docker_engine_containers": {"matched": 2}}, False, None, id="with containers"),
        pytest.param(found(settings={"data-root": "/nvme/docker"}), True, "/nvme/docker", id="there already"),
        pytest.param(
            found(settings={"data-root": "/big"}) | {"__docker_engine_containers": {"matched": 2}},
            False,
            "/big",
            id="with containers elsewhere",
        ),
    ],
)
def test_the_data_moves_only_without_containers(looked: dict[str, Any], moves: bool, place: str | None) -> None:
    choices = Choices("docker_engine", "ubuntu-22.04", docker_engine_data_root="/nvme/docker", **looked)
    assert choices.value("__docker_engine_moves") is moves
    assert json.loads(choices.render("daemon.json.j2")).get("data-root") == place


@pytest.mark.parametrize(
    ("disk", "waits"), [("/nvme", True), ("/opt/dlami/nvme", True), ("/", False), ("", False)], ids=repr
)
def test_the_services_wait_for_the_disk(disk: str, waits: bool) -> None:
    values = FRESH | {"__docker_engine_disk": {"stdout": disk}, "docker_engine_data_root": "/nvme/docker"}
    choices = Choices("docker_engine", "ubuntu-22.04", **values)
    engine, containerd = choices.render("docker.conf.j2"), choices.render("containerd.conf.j2")
    assert engine.startswith("[Unit]\nRequiresMountsFor=/nvme/docker\n")
    assert containerd.startswith("[Unit]\nRequiresMountsFor=/nvme/containerd\n\n[Service]\n")
    assert containerd.endswith("ExecStart=\nExecStart=/usr/bin/containerd --root=/nvme/containerd\n")
    for text in (engine, containerd):
        assert (f"until mountpoint --quiet {disk};" in text) is waits


def test_without_a_place_of_its_own_nothing_moves() -> None:
    choices = Choices("docker_engine", "ubuntu-22.04", **THERE)
    assert choices.value("__docker_engine_moves") is False
    assert choices.value("__docker_engine_would_move") is False


@pytest.mark.parametrize(
    ("values", "root"),
    [
        ({}, ""),
        ({"docker_engine_fast_disk": "/nvme"}, "/nvme/docker"),
        ({"docker_engine_fast_disk": "/nvme", "docker_engine_data_root": "/big/engine"}, "/big/engine"),
    ],
)
def test_a_place_that_was_asked_for_comes_before_the_fast_disk(values: dict[str, str], root: str) -> None:
    assert Choices("docker_engine", "debian-12", **FRESH | values).value("__docker_engine_data_root") == root


RIGHT = {"LoggingDriver": "json-file", "LiveRestoreEnabled": True, "DockerRootDir": "/var/lib/docker"}


@pytest.mark.parametrize(
    ("says", "values", "works", "enabled"),
    [
        pytest.param(RIGHT, {}, True, True, id="as configured"),
        pytest.param(RIGHT, {"docker_engine_live_restore_enabled": False}, False, True, id="containers end with it"),
        pytest.param(RIGHT | {"LoggingDriver": "journald"}, {}, False, True, id="logs elsewhere"),
        pytest.param(RIGHT, {"docker_engine_data_root": "/nvme/docker"}, False, True, id="data elsewhere"),
        pytest.param(
            RIGHT,
            {"docker_engine_data_root": "/nvme/docker", "__docker_engine_containers": {"matched": 1}},
            True,
            True,
            id="containers keep it where it is",
        ),
        pytest.param(None, {}, False, True, id="no answer"),
        pytest.param(RIGHT, {}, False, False, id="until the next boot"),
    ],
)
def test_an_engine_that_works_as_configured_is_left_alone(
    says: dict[str, Any] | None, values: dict[str, Any], works: bool, enabled: bool
) -> None:
    answer = {"rc": 1, "stdout": "", "stderr": "no daemon"} if says is None else {"rc": 0, "stdout": json.dumps(says)}
    looked = found()
    looked["__docker_engine_look"]["commands"]["engine"] = answer
    looked["__docker_engine_look"]["services"] = {"docker": {"active": True, "enabled": enabled}}
    assert Choices("docker_engine", "debian-12", **looked | values).value("__docker_engine_works") is works

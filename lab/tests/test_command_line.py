# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""python -m lab: up, down, status; twice, after a crash, and two labs side by side."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import pytest

from lab.latency import TABLES
from lab.settings import Settings
from lab.tests.running_lab import RunningLab, Stack, command, error_of, eventually, free_port, running_lab


def leftovers(lab: RunningLab) -> list[str]:
    """Whatever of the lab Docker still has."""
    mine = {"label": f"trainyard.lab={lab.settings.name}"}
    containers = [container.name for container in lab.docker.containers.list(all=True, filters=mine)]
    return [
        *containers,
        *(network.name for network in lab.docker.networks.list(filters=mine)),
        *(volume.name for volume in lab.docker.volumes.list(filters=mine)),
    ]


def test_up_again_says_so_and_changes_nothing(lab: RunningLab) -> None:
    before = lab.page("/_lab/status")["pid"]
    again = command(lab.settings, "up")
    assert again.returncode == 0
    assert "already up" in again.stdout
    assert lab.page("/_lab/status")["pid"] == before


def test_status_tells_what_runs(lab: RunningLab) -> None:
    said = command(lab.settings, "status")
    assert said.returncode == 0
    assert lab.settings.endpoint in said.stdout


def test_status_of_no_lab_is_a_failure(tmp_path: Path) -> None:
    said = command(Settings(tmp_path, free_port()), "status")
    assert said.returncode == 1
    assert "not up" in said.stdout


def test_down_of_no_lab_is_fine(tmp_path: Path) -> None:
    said = command(Settings(tmp_path, free_port()), "down")
    assert said.returncode == 0
    assert "was not up" in said.stdout


def test_a_taken_port_is_a_fault_with_its_fix(lab: RunningLab, tmp_path: Path) -> None:
    said = command(Settings(tmp_path, lab.settings.port), "up")
    assert said.returncode == 1
    assert f"Port {lab.settings.port}" in said.stderr
    assert "Fix:" in said.stderr
    assert not leftovers(RunningLab(Settings(tmp_path, lab.settings.port)))


def test_two_labs_live_side_by_side_and_only_the_range_of_a_vpc_is_shared(
    lab: RunningLab, stack: Stack, tmp_path: Path, key_file: Path
) -> None:
    node = stack.launch()[0]["InstanceId"]
    with running_lab(tmp_path, free_port()) as other:
        assert other.page("/_lab/status")["public_range"] != lab.page("/_lab/status")["public_range"]
        assert not other.ec2.describe_vpcs()["Vpcs"]
        assert error_of(other.ec2.create_vpc, CidrBlock=stack.cidr) == "InvalidVpc.Range"
        second = Stack(other, key_file)
        second.launch()
    assert not leftovers(other)
    assert lab.box(node).status == "running"


def test_after_a_crash_down_removes_everything_and_purge_the_pushed_images_too(tmp_path: Path, key_file: Path) -> None:
    with running_lab(tmp_path, free_port()) as crashed:
        stack = Stack(crashed, key_file)
        node = stack.launch()[0]["InstanceId"]
        file_system = crashed.efs.create_file_system(CreationToken="crash")["FileSystemId"]
        crashed.efs.create_mount_target(FileSystemId=file_system, SubnetId=stack.private)
        assert (crashed.settings.file_systems / file_system).exists()
        os.kill(crashed.page("/_lab/status")["pid"], signal.SIGKILL)
        assert crashed.box(node).status == "running"
        said = command(crashed.settings, "down")
        assert said.returncode == 0
        assert "things removed" in said.stdout
        assert leftovers(crashed) == [f"{crashed.settings.name}-registry"], "only the pushed images stay"
        assert not (crashed.settings.file_systems / file_system).exists()
        assert not crashed.settings.env_file.exists()
        assert command(crashed.settings, "down", "--purge").returncode == 0
        assert not leftovers(crashed)


def test_up_removes_the_orphans_of_a_crash(tmp_path: Path, key_file: Path) -> None:
    with running_lab(tmp_path, free_port()) as crashed:
        node = Stack(crashed, key_file).launch()[0]["InstanceId"]
        pid = crashed.page("/_lab/status")["pid"]
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: not Path(f"/proc/{pid}").exists())
        again = command(crashed.settings, "up", "--latency", "aws")
        assert again.returncode == 0
        assert crashed.page("/_lab/latency") == asdict(TABLES["aws"])
        assert "orphans" in again.stdout
        assert not crashed.containers(node)
        assert not crashed.ec2.describe_instances()["Reservations"]


@pytest.mark.parametrize("verb", ["up", "down", "status", "images"])
def test_each_verb_explains_itself(tmp_path: Path, verb: str) -> None:
    said = command(Settings(tmp_path, free_port()), verb, "--help")
    assert said.returncode == 0
    assert "--state" in said.stdout


def test_down_waits_for_a_box_that_is_being_started(tmp_path: Path, key_file: Path) -> None:
    """Docker loses count of a network's members when a container is removed while it starts."""
    with running_lab(tmp_path, free_port()) as busy:
        stack = Stack(busy, key_file)
        stack.launch()
        with ThreadPoolExecutor(max_workers=1) as pool:
            launching = pool.submit(stack.launch, count=4)
            time.sleep(0.3)
            said = command(busy.settings, "down", "--purge")
            launching.exception()
        assert said.returncode == 0, said.stderr
        assert not leftovers(busy)

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _supervisor_node as node


def test_look_follows_no_links_and_takes_no_odd_names(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "step-1").mkdir(parents=True)
    (root / "step-1" / "a.pt").write_text("abc")
    (root / "bad\nname").write_text("x")
    (tmp_path / "secret").write_text("x")
    (root / "link").symlink_to(tmp_path / "secret")
    (root / "way").symlink_to(tmp_path)
    os.mkfifo(root / "pipe")
    found = node.look(str(root))
    assert set(found) == {"step-1/a.pt"}
    assert found["step-1/a.pt"].size == 3
    assert node.look(str(tmp_path / "nothing")) == {}


def test_a_file_is_being_written_until_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    with path.open("w"):
        key = (path.stat().st_dev, path.stat().st_ino)
        assert key in node.files_being_written()
    assert key not in node.files_being_written()
    with path.open("r"):
        assert key not in node.files_being_written()


@pytest.mark.parametrize(
    ("tool", "count"),
    [pytest.param("nvidia-smi", 1, id="nvidia"), pytest.param("hl-smi", 1, id="gaudi"), pytest.param("", 0, id="none")],
)
def test_accelerators(tool: str, count: int) -> None:
    found = node.accelerators(lambda command, data: (0, "x, 1, 2, 3", "") if command[0] == tool else (127, "", ""))
    assert len(found) == count


def test_the_machine_is_read(tmp_path: Path) -> None:
    (tmp_path / "stat").write_text("cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1\n")
    (tmp_path / "meminfo").write_text("MemTotal: 4096 kB\nMemFree: 1024 kB\nMemAvailable: 2048 kB\n")
    assert node.processor_times(str(tmp_path / "stat")) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert node.memory_mib(str(tmp_path / "meminfo")) == {"memory_used_mib": 2, "memory_total_mib": 4}


def test_what_went_through_disks_and_network_counts_once(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "dev").write_text(
        "Inter-|   Receive  |  Transmit\n face |bytes packets errs drop fifo frame compressed multicast|bytes\n"
        "    lo: 900 1 0 0 0 0 0 0 900 1 0 0 0 0 0 0\n"
        "  ens5:1000 1 0 0 0 0 0 0 200 1 0 0 0 0 0 0\n"
        "docker0: 500 1 0 0 0 0 0 0 500 1 0 0 0 0 0 0\n"
    )
    disks = ("nvme0n1 9 9 4 9 9 9 6", "nvme0n1p1 9 9 4 9 9 9 6", "dm-0 9 9 4 9 9 9 6", "nvme1n1 9 9 1 9 9 9 1")
    (tmp_path / "diskstats").write_text("".join(f" 259 0 {disk} 9 0 9 9\n" for disk in disks))
    for name in ("nvme0n1", "nvme1n1", "dm-0"):
        (tmp_path / "block" / name).mkdir(parents=True)
    assert node.transferred_bytes(str(tmp_path), str(tmp_path / "block")) == {
        "disk_read_bytes": 5 * 512,
        "disk_written_bytes": 7 * 512,
        "network_received_bytes": 1000,
        "network_sent_bytes": 200,
    }
    assert set(node.transferred_bytes()) == set(node.transferred_bytes(str(tmp_path), str(tmp_path / "block")))


def test_the_journal_remembers_and_forgives_half_a_file(tmp_path: Path) -> None:
    journal = node.Journal(str(tmp_path), 3)
    assert journal.sources() == {}
    journal.event("time_limit", "x")
    journal.remember({"clock": {"a": 1}})
    journal.status({"state": "running"})
    assert set(journal.sources()) == {"events-3.jsonl"}
    assert journal.memory() == {"clock": {"a": 1}}
    assert json.loads((tmp_path / "status.json").read_text())["node_rank"] == 3
    (tmp_path / "supervisor.json").write_text('{"clock"')
    assert journal.memory() == {}

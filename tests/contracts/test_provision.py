# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of a provision of which a lane fails: the play that stands between two waves, run over lanes of a test."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.contracts.choices import CHECKOUT

PLAYS = yaml.safe_load((CHECKOUT / "playbooks" / "provision.yml").read_text())
GATES = [play for play in PLAYS if play["name"] == "Stop unless every lane is through"]


def lane(name: str, wave: str) -> dict[str, Any]:
    arguments = {"name": name, "groups": [wave], "ansible_connection": "local"}
    return {"name": f"Open {name}", "ansible.builtin.add_host": arguments}


def play(hosts: str, task: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": f"Play on {hosts}", "hosts": hosts, "gather_facts": False, "tasks": [task], **more}


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        pytest.param([], "", id="none"),
        pytest.param(["bucket"], "these parts failed (see above): bucket.", id="one"),
        pytest.param(["bucket", "vpc"], "these parts failed (see above): bucket, vpc.", id="two"),
    ],
)
def test_nothing_follows_a_wave_of_which_a_lane_failed(tmp_path: Path, broken: list[str], told: str) -> None:
    lanes = [lane("vpc", "wave_1"), lane("key_pair", "wave_1"), lane("bucket", "wave_1"), lane("subnets", "wave_2")]
    make = {"name": "Make it", "ansible.builtin.assert": {"that": f"inventory_hostname not in {broken}"}}
    follow = {"name": "Follow", "ansible.builtin.debug": {"msg": "next is {{ inventory_hostname }}"}}
    playbook = tmp_path / "playbook.yml"
    playbook.write_text(
        yaml.safe_dump(
            [
                {**play("localhost", lanes[0]), "tasks": lanes},
                play("wave_1", make, strategy="ansible.builtin.free"),
                GATES[0],
                play("localhost", follow),
                play("wave_2", follow),
            ]
        )
    )
    (tmp_path / "ansible.cfg").write_text("[defaults]\nnocolor = True\nlocalhost_warning = False\n")
    done = subprocess.run(
        [Path(sys.executable).parent / "ansible-playbook", playbook],
        env={name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
        cwd=tmp_path,
        text=True,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode != 0) == bool(broken), done.stdout + done.stderr
    assert told in done.stdout
    assert [name for name in ("localhost", "subnets") if f"next is {name}" in done.stdout] == (
        [] if broken else ["localhost", "subnets"]
    )


def test_every_wave_is_followed_by_its_gate() -> None:
    waves = [number for number, found in enumerate(PLAYS) if found["hosts"].startswith("wave_")]
    assert [PLAYS[number + 1]["hosts"] for number in waves] == [
        f"localhost,{PLAYS[number]['hosts']}" for number in waves
    ]
    assert len({str({**gate, "hosts": ""}) for gate in GATES}) == 1

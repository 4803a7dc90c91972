# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What SSH makes of the ssh_config that the role writes, asked of SSH itself."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import jinja2
import pytest
import yaml

ROLE = Path(__file__).resolve().parents[3] / "roles" / "ssh_client"
FORWARDS = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())["ssh_client_forwards"]
NODE = "dcgan-train-1"


def hosts(*names: str) -> dict[str, dict[str, str]]:
    return {
        name: {
            "ssh_client_address": f"10.77.1.{number}",
            "ssh_client_jump": "" if name.endswith("bastion") else "dcgan-bastion",
            "ssh_client_id": f"i-{number}",
        }
        for number, name in enumerate(names)
    }


def ssh_config(directory: Path, door: str, *names: str) -> Path:
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, autoescape=False)  # noqa: S701 - ssh_config, not HTML
    environment.filters["regex_replace"] = lambda text, pattern, new: re.sub(pattern, new, text)
    text = environment.from_string((ROLE / "templates" / "ssh_config.j2").read_text()).render(
        stack_name="dcgan",
        stack_region="us-east-1",
        stack_local_directory="/home/ada/.trainyard/dcgan",
        stack_ssh_key_file="",
        stack_ssh_user="ubuntu",
        ssh_client_door=door,
        ssh_client_forwards=FORWARDS,
        ssh_client_hosts=names,
        hostvars=hosts(*names),
    )
    path = directory / "ssh_config"
    path.write_text(text)
    return path


def asked(config: Path, host: str) -> dict[str, str]:
    """How SSH would connect to a host."""
    done = subprocess.run(["ssh", "-F", config, "-G", host], capture_output=True, text=True, check=True)
    return dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)


def test_a_bastion_is_jumped_over(tmp_path: Path) -> None:
    config = ssh_config(tmp_path, "bastion", "dcgan-bastion", NODE)
    way = asked(config, NODE)
    assert (way["proxyjump"], way["hostname"], way["hostkeyalias"]) == ("dcgan-bastion", "10.77.1.1", NODE)
    assert "proxyjump" not in asked(config, "dcgan-bastion")


@pytest.mark.parametrize(
    ("door", "command"),
    [
        (
            "ssm",
            "aws ssm start-session --region us-east-1 --target i-0 --document-name AWS-StartSSHSession --parameters portNumber=%p",
        ),
        (
            "instance_connect",
            "aws ec2-instance-connect open-tunnel --region us-east-1 --instance-id i-0 --remote-port %p",
        ),
    ],
)
def test_without_a_bastion_the_way_leads_through_a_command(tmp_path: Path, door: str, command: str) -> None:
    way = asked(ssh_config(tmp_path, door, NODE), NODE)
    assert way["proxycommand"] == command
    assert "proxyjump" not in way


@pytest.mark.parametrize(("service", "port"), FORWARDS.items())
@pytest.mark.parametrize("door", ["bastion", "ssm", "instance_connect"])
def test_a_service_comes_to_this_machine_and_no_further(tmp_path: Path, door: str, service: str, port: int) -> None:
    config = ssh_config(tmp_path, door, NODE)
    way, plain = asked(config, f"{NODE}-{service}"), asked(config, NODE)
    assert way["localforward"] == f"[127.0.0.1]:{port} [127.0.0.1]:{port}"
    assert way["exitonforwardfailure"] == "yes"
    assert way.get("controlpath", "none") == "none"
    same = ("hostname", "hostkeyalias", "user", "identityfile", "proxyjump", "proxycommand", "stricthostkeychecking")
    assert [way.get(key) for key in same] == [plain.get(key) for key in same]
    assert "localforward" not in plain


def test_a_host_whose_name_begins_like_another_is_another(tmp_path: Path) -> None:
    config = ssh_config(tmp_path, "bastion", NODE, f"{NODE}-0", f"{NODE}0")
    assert [asked(config, name)["hostname"] for name in (NODE, f"{NODE}-0", f"{NODE}0")] == [
        "10.77.1.0",
        "10.77.1.1",
        "10.77.1.2",
    ]


def test_a_kept_connection_bears_the_instance_in_its_name(tmp_path: Path) -> None:
    assert asked(ssh_config(tmp_path, "bastion", NODE), NODE)["controlpath"].endswith("/.ssh/trainyard-i-0")

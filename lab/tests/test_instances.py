# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Instances are boxes: launch, SSH through the bastion, user data, stop and start, terminate."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lab.tests.running_lab import RunningLab, Stack, eventually


@pytest.fixture(scope="module")
def bastion(stack: Stack) -> dict[str, Any]:
    return stack.launch(stack.public, stack.bastion_group)[0]


@pytest.fixture(scope="module")
def node(stack: Stack) -> dict[str, Any]:
    return stack.launch()[0]


def test_an_instance_runs_when_run_instances_returns(lab: RunningLab, node: dict[str, Any]) -> None:
    assert node["State"]["Name"] == "running"
    assert lab.box(node["InstanceId"]).status == "running"


def test_the_bastion_is_reached_at_its_public_address(stack: Stack, bastion: dict[str, Any]) -> None:
    answer = eventually(lambda: (said := stack.ssh(bastion["PublicIpAddress"], "hostname")).returncode == 0 and said)
    assert answer.stdout.strip() == bastion["PrivateDnsName"]


def test_a_private_node_is_reached_through_the_bastion(
    stack: Stack, bastion: dict[str, Any], node: dict[str, Any]
) -> None:
    answer = eventually(
        lambda: (
            (said := stack.ssh(node["PrivateIpAddress"], "hostname", jump=bastion["PublicIpAddress"])).returncode == 0
            and said
        )
    )
    assert answer.stdout.strip() == node["PrivateDnsName"]


def test_a_private_node_is_not_reached_from_this_machine(stack: Stack, node: dict[str, Any]) -> None:
    answer = stack.ssh(node["PrivateIpAddress"], "true", timeout=2)
    assert answer.returncode == 255
    assert "timed out" in answer.stderr.lower()
    assert "PublicIpAddress" not in node


def test_user_data_runs_once(lab: RunningLab, stack: Stack) -> None:
    script = "#!/bin/sh\necho ran >> /var/tmp/user-data-ran\n"
    identity = stack.launch(UserData=script)[0]["InstanceId"]
    assert lab.when_there(identity, "/var/tmp/user-data-ran") == "ran\n"
    lab.ec2.reboot_instances(InstanceIds=[identity])
    eventually(lambda: lab.run(identity, "systemctl", "is-active", "ssh")[0] == 0)
    assert lab.run(identity, "cat", "/var/tmp/user-data-ran")[1] == "ran\n"


def test_the_host_key_of_the_cloud_config_is_the_boxes_host_key(
    lab: RunningLab, stack: Stack, bastion: dict[str, Any], tmp_path: Path
) -> None:
    key = tmp_path / "host"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    private = "".join(f"    {line}\n" for line in key.read_text().splitlines())
    public = key.with_suffix(".pub").read_text().strip()
    user_data = f"#cloud-config\nssh_keys:\n  ed25519_private: |\n{private}  ed25519_public: {public}\n"
    node = stack.launch(UserData=user_data)[0]
    scan = ["ssh-keyscan", "-t", "ed25519", node["PrivateIpAddress"]]
    assert eventually(lambda: public.split()[1] in stack.ssh(bastion["PublicIpAddress"], *scan).stdout)
    assert lab.run(node["InstanceId"], "sh", "-c", "ls /etc/ssh/ssh_host_*_key")[1].split() == [
        "/etc/ssh/ssh_host_ed25519_key"
    ]


def test_two_boxes_have_different_host_keys(lab: RunningLab, stack: Stack) -> None:
    identities = [instance["InstanceId"] for instance in stack.launch(count=2)]
    keys = {lab.when_there(identity, "/etc/ssh/ssh_host_ed25519_key.pub") for identity in identities}
    assert len(keys) == 2
    assert all(key.startswith("ssh-ed25519 ") for key in keys)


def test_stop_and_start_keep_the_disk_and_the_private_address(lab: RunningLab, stack: Stack) -> None:
    instance = stack.launch()[0]
    identity = instance["InstanceId"]
    lab.run(identity, "sh", "-c", "echo kept > /var/tmp/kept")
    lab.ec2.stop_instances(InstanceIds=[identity])
    assert lab.box(identity).status == "exited"
    lab.ec2.start_instances(InstanceIds=[identity])
    assert lab.box(identity).status == "running"
    assert lab.run(identity, "cat", "/var/tmp/kept")[1] == "kept\n"
    assert stack.describe(identity)["PrivateIpAddress"] == instance["PrivateIpAddress"]


def test_terminate_removes_container_and_volumes(lab: RunningLab, stack: Stack) -> None:
    identity = stack.launch()[0]["InstanceId"]
    volumes = [mount["Name"] for mount in lab.box(identity).attrs["Mounts"] if mount["Type"] == "volume"]
    assert volumes
    stack.terminate(identity)
    assert stack.describe(identity)["State"]["Name"] == "terminated"
    assert not lab.containers(identity)
    assert not [volume for volume in lab.docker.volumes.list() if volume.name in volumes]


def test_a_box_that_cannot_start_ends_terminated_and_blocks_nobody(lab: RunningLab, stack: Stack) -> None:
    blocker = stack.launch()[0]
    name = f"{lab.settings.name}-{blocker['InstanceId']}"
    lab.box(blocker["InstanceId"]).rename(f"{name}-renamed")
    broken = lab.docker.networks.list(names=[f"{lab.settings.name}-{stack.vpc}"])[0]
    # Somebody else holds the address that the next instance will get.
    wanted = next_address(blocker["PrivateIpAddress"])
    squatter = lab.docker.containers.create(
        lab.box(blocker["InstanceId"]).image.id,
        "sleep 60",
        network=broken.name,
        labels={"trainyard.lab": lab.settings.name},
    )
    broken.disconnect(squatter)
    broken.connect(squatter, ipv4_address=wanted)
    squatter.start()
    try:
        first, second = stack.launch(count=2)
    finally:
        squatter.remove(force=True)
    states = {first["PrivateIpAddress"]: first, second["PrivateIpAddress"]: second}
    assert states[wanted]["State"]["Name"] == "terminated"
    assert states[wanted]["StateReason"]["Code"] == "Server.InternalError"
    other = second if first is states[wanted] else first
    assert other["State"]["Name"] == "running"


def test_user_data_is_read_back_as_it_was_given(lab: RunningLab, stack: Stack) -> None:
    identity = stack.launch(UserData="#!/bin/sh\ntrue\n")[0]["InstanceId"]
    given = lab.ec2.describe_instance_attribute(InstanceId=identity, Attribute="userData")["UserData"]["Value"]
    assert base64.b64decode(given) == b"#!/bin/sh\ntrue\n"


def next_address(address: str) -> str:
    head, last = address.rsplit(".", 1)
    return f"{head}.{int(last) + 1}"


@pytest.mark.parametrize(("behaviour", "state"), [("stop", "stopped"), ("terminate", "terminated")])
def test_a_shutdown_inside_the_box_stops_or_terminates_its_instance(
    lab: RunningLab, stack: Stack, behaviour: str, state: str
) -> None:
    identity = stack.launch(InstanceInitiatedShutdownBehavior=behaviour)[0]["InstanceId"]
    assert eventually(lambda: lab.run(identity, "systemctl", "is-active", "ssh")[0] == 0)
    lab.run(identity, "systemctl", "poweroff")
    assert eventually(lambda: stack.describe(identity)["State"]["Name"] == state)
    assert stack.describe(identity)["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"
    assert eventually(lambda: bool(lab.containers(identity)) == (state == "stopped"))


def test_what_a_zip_holds_is_compiled_once_in_a_box(lab: RunningLab, node: dict[str, Any]) -> None:
    """The second time what was kept is run, here exchanged, and not the source."""
    say = "import sys; sys.path[:0] = ['/tmp/zip']; import said"
    pack = "import zipfile; zip = zipfile.ZipFile('/tmp/zip', 'w'); zip.writestr('said.py', 'print(1)'); zip.close()"
    exchange = (
        "import glob, lab_compiled, marshal, os;"
        "newest = max(glob.glob(lab_compiled.FOLDER + '/*'), key=os.path.getmtime);"
        "marshal.dump(compile('print(2)', 'said.py', 'exec'), open(newest, 'wb'))"
    )
    instance = node["InstanceId"]
    assert [lab.run(instance, "python3", "-c", each) for each in (pack, say, exchange, say)] == [
        (0, ""),
        (0, "1\n"),
        (0, ""),
        (0, "2\n"),
    ]

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A box does with its user data what cloud-init does."""

from __future__ import annotations

import base64
import json
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

from lab.tests.running_lab import RunningLab, Stack, eventually

FINISHED = "/var/lib/cloud/instance/boot-finished"


def test_a_cloud_config_writes_files_and_runs_commands(lab: RunningLab, stack: Stack) -> None:
    config = {
        "bootcmd": ["echo booted >> /var/tmp/boots"],
        "write_files": [
            {"path": "/opt/mine/secret", "content": "a\nb\n", "permissions": "0640", "owner": "root:admin"},
            {"path": "/opt/mine/coded", "content": base64.b64encode(b"c\n").decode(), "encoding": "b64"},
        ],
        "runcmd": [["false"], ["sh", "-c", "cat /opt/mine/* > /var/tmp/all"], "echo $((1 + 1)) >> /var/tmp/all"],
        "timezone": "UTC",
    }
    identity = stack.launch(UserData=f"#cloud-config\n{json.dumps(config)}")[0]["InstanceId"]
    lab.when_there(identity, FINISHED)
    assert lab.run(identity, "cat", "/var/tmp/all")[1] == "c\na\nb\n2\n"
    assert lab.run(identity, "stat", "--format", "%a %U %G", "/opt/mine/secret")[1] == "640 root admin\n"
    said = lab.run(identity, "cat", "/var/log/cloud-init-output.log")[1]
    assert "['false'] ended with 1" in said
    assert "passes over timezone" in said
    lab.ec2.reboot_instances(InstanceIds=[identity])
    assert eventually(lambda: lab.run(identity, "cat", "/var/tmp/boots")[1] == "booted\nbooted\n")
    assert eventually(lambda: lab.run(identity, "systemctl", "is-active", "lab-cloud-final")[0] == 0)
    assert lab.run(identity, "cat", "/var/tmp/all")[1] == "c\na\nb\n2\n", "commands run once"


def test_scripts_and_configs_come_together(lab: RunningLab, stack: Stack) -> None:
    whole = MIMEMultipart()
    whole.attach(MIMEText("#!/bin/sh\ncat /var/tmp/written > /var/tmp/by-script\n", "x-shellscript"))
    config = "#cloud-config\nwrite_files: [{path: /var/tmp/written, content: text}]\nruncmd: [[touch, /var/tmp/ran]]\n"
    whole.attach(MIMEText(config, "cloud-config"))
    identity = stack.launch(UserData=whole.as_string())[0]["InstanceId"]
    lab.when_there(identity, FINISHED)
    assert lab.run(identity, "cat", "/var/tmp/by-script")[1] == "text"
    assert lab.run(identity, "ls", "/var/tmp/ran")[0] == 0


def test_what_cannot_be_read_stops_no_box(lab: RunningLab, stack: Stack) -> None:
    identity = stack.launch(UserData="#cloud-config\n{{{")[0]["InstanceId"]
    lab.when_there(identity, FINISHED)
    assert lab.run(identity, "ls", "/etc/ssh/ssh_host_ed25519_key")[0] == 0
    assert "cannot be read" in lab.run(identity, "cat", "/var/log/cloud-init-output.log")[1]

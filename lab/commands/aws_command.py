# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The two commands of the AWS CLI that carry SSH, for the lab. Every other command is the real CLI's, where there is one.

The real ones speak protocols of AWS's own with endpoints that the lab has not. These make the same API calls, then
carry the bytes over the lab's own connection.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import BotoCoreError, ClientError

HERE = str(Path(__file__).resolve().parent)
SSH_DOCUMENT = "AWS-StartSSHSession"
FAILED = 255
VERSION = "aws-cli/2.31.0 (stand-in of the lab)"


def main(arguments: list[str]) -> int:
    if arguments == ["--version"]:
        print(VERSION)
        return 0
    tunnels: dict[tuple[str, ...], Callable[[list[str]], int]] = {
        ("ssm", "start-session"): start_session,
        ("ec2-instance-connect", "open-tunnel"): open_tunnel,
    }
    tunnel = tunnels.get(tuple(arguments[:2]))
    if tunnel is None:
        return real_command(arguments)
    try:
        return tunnel(arguments[2:])
    except (BotoCoreError, ClientError, OSError, LookupError) as error:
        print(f"\naws: [ERROR]: {error}", file=sys.stderr)
        return FAILED


def real_command(arguments: list[str]) -> int:
    path = os.pathsep.join(one for one in os.environ.get("PATH", "").split(os.pathsep) if os.path.realpath(one) != HERE)
    real = shutil.which("aws", path=path)
    if real is not None:
        return subprocess.run([real, *arguments], check=False).returncode
    print("aws: the lab's stand-in knows ssm start-session and ec2-instance-connect open-tunnel only", file=sys.stderr)
    return FAILED


def start_session(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="aws ssm start-session")
    parser.add_argument("--region")
    parser.add_argument("--profile")
    parser.add_argument("--target", required=True)
    parser.add_argument("--document-name", required=True, choices=[SSH_DOCUMENT])
    parser.add_argument("--parameters", default="portNumber=22")
    given = parser.parse_args(arguments)
    session = boto3.Session(profile_name=given.profile, region_name=given.region)
    name, _, port = given.parameters.partition("=")
    started = session.client("ssm").start_session(
        Target=given.target, DocumentName=given.document_name, Parameters={name: [port]}
    )
    return carry(session, {"session": started["SessionId"], "token": started["TokenValue"]})


def open_tunnel(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="aws ec2-instance-connect open-tunnel")
    parser.add_argument("--region")
    parser.add_argument("--profile")
    parser.add_argument("--instance-id", required=True)
    parser.add_argument("--instance-connect-endpoint-id")
    parser.add_argument("--remote-port", type=int, default=22)
    given = parser.parse_args(arguments)
    session = boto3.Session(profile_name=given.profile, region_name=given.region)
    ec2 = session.client("ec2")
    instance = ec2.describe_instances(InstanceIds=[given.instance_id])["Reservations"][0]["Instances"][0]
    chosen = given.instance_connect_endpoint_id
    if chosen is None:
        wanted = {"vpc-id": instance["VpcId"], "state": "create-complete"}
        filters = [{"Name": name, "Values": [value]} for name, value in wanted.items()]
        found = ec2.describe_instance_connect_endpoints(Filters=filters)["InstanceConnectEndpoints"]
        if not found:
            raise LookupError(f"There are no available instance connect endpoints in the VPC of {given.instance_id}.")
        chosen = found[0]["InstanceConnectEndpointId"]
    return carry(session, {"endpoint": chosen, "instance": given.instance_id, "port": given.remote_port})


def carry(session: boto3.Session, wanted: dict[str, object]) -> int:
    """Ask the lab for the connection, then pass stdin on to it and what comes back to stdout."""
    endpoint = urlsplit(session.client("ec2").meta.endpoint_url)
    key = session.get_credentials()
    body = json.dumps({**wanted, "access_key": key.access_key if key else ""}).encode()
    connection = socket.create_connection((endpoint.hostname or "", endpoint.port or 80), timeout=30)
    head = f"POST /_lab/tunnel HTTP/1.1\r\nHost: lab\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    connection.sendall(head.encode() + body)
    answer = connection.makefile("rb", buffering=0)
    status = answer.readline().decode()
    while answer.readline().strip():
        pass
    if " 101 " not in status:
        raise LookupError(answer.read(2000).decode(errors="replace") or status)
    connection.settimeout(None)
    threading.Thread(target=upwards, args=(connection,), daemon=True).start()
    while data := connection.recv(65536):
        os.write(1, data)
    return 0


def upwards(connection: socket.socket) -> None:
    while data := os.read(0, 65536):
        connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

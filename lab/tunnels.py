# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SSH without a bastion: Session Manager and Instance Connect Endpoint. Who may, and could on AWS, gets a connection to the box's port."""

from __future__ import annotations

import secrets
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import docker
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.ssm.responses import SimpleSystemManagerResponse

from lab.authorizations import tunnel
from lab.endpoints import doors
from lab.metadata import role_of
from lab.patching import regional_backends
from lab.permissions import OWNER, Permissions, policies_of_role, principal_of
from lab.policies import Decision, Question, decide
from lab.reach import admits, reaches_service

SSH_DOCUMENT = "AWS-StartSSHSession"
SERVICES_OF_THE_AGENT = ("ssm", "ssmmessages")
ACTIONS_OF_THE_AGENT = (
    "ssm:UpdateInstanceInformation",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
)
PORTS_OF_A_DOOR = (22, 3389)
# Run in the box: what comes in goes to the port, what the port says goes out.
RELAY = """
import os, socket, sys, threading
port = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
def inwards():
    while data := os.read(0, 65536):
        port.sendall(data)
    port.shutdown(socket.SHUT_WR)
threading.Thread(target=inwards, daemon=True).start()
while data := port.recv(65536):
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
"""


class Refused(Exception):
    """Why AWS would not carry the connection."""


class TargetNotConnected(ServiceException):
    code = "TargetNotConnected"


@dataclass(frozen=True)
class Session:
    token: str
    instance: str
    port: int


SESSIONS: dict[str, Session] = {}


def install() -> None:
    """moto has no sessions and knows of no agent."""
    for action in (start_session, describe_instance_information):
        setattr(SimpleSystemManagerResponse, action.__name__, action)


def instances(region: str) -> list[Any]:
    return [one for ec2 in regional_backends("ec2") if ec2.region_name == region for one in ec2.all_instances()]


def has_agent_online(instance: Any) -> bool:
    """Whether the instance's agent could have registered: its role lets it, and it reaches the service."""
    role = role_of(instance)
    if instance.state != "running" or role is None:
        return False
    policies = policies_of_role(role.name)
    allowed = all(decide(policies, Question(action, "*", {})) is Decision.ALLOWED for action in ACTIONS_OF_THE_AGENT)
    ec2 = instance.ec2_backend
    return allowed and all(reaches_service(ec2, instance.nics[0], service) for service in SERVICES_OF_THE_AGENT)


def start_session(response: Any) -> ActionResult:
    target, document = response._get_param("Target"), response._get_param("DocumentName")
    if document != SSH_DOCUMENT:
        raise NotImplementedError(f"sessions with the document {document}")
    found = next((one for one in instances(response.region) if one.id == target), None)
    if found is None or not has_agent_online(found):
        raise TargetNotConnected(f"{target} is not connected.")
    port = int((response._get_param("Parameters") or {}).get("portNumber", ["22"])[0])
    identity, token = f"session-{secrets.token_hex(9)}", secrets.token_urlsafe(32)
    SESSIONS[identity] = Session(token, found.id, port)
    stream = f"wss://ssmmessages.{response.region}.amazonaws.com/v1/data-channel/{identity}?role=publish_subscribe"
    return ActionResult({"SessionId": identity, "TokenValue": token, "StreamUrl": stream})


def describe_instance_information(response: Any) -> ActionResult:
    wanted = {one["Key"]: one["Values"] for one in response._get_param("Filters", [])}
    online = [
        {
            "InstanceId": one.id,
            "PingStatus": "Online",
            "IPAddress": one.private_ip,
            "PlatformType": "Linux",
            "ResourceType": "EC2Instance",
        }
        for one in instances(response.region)
        if has_agent_online(one) and one.id in wanted.get("InstanceIds", [one.id])
    ]
    return ActionResult({"InstanceInformationList": online})


def destination(given: Mapping[str, Any], permissions: Permissions) -> tuple[str, int]:
    """Instance and port that a tunnel leads to. The caller holds the account's lock; Refused says why there is none."""
    if "session" in given:
        session = SESSIONS.pop(str(given["session"]), None)
        if session is None or session.token != given.get("token"):
            raise Refused("The session does not exist, or was used.")
        return session.instance, session.port
    return through_a_door(given, permissions)


def through_a_door(given: Mapping[str, Any], permissions: Permissions) -> tuple[str, int]:
    identity, port = str(given.get("endpoint")), int(given.get("port", 22))
    door = next((found for ec2 in regional_backends("ec2") if (found := doors(ec2).get(identity))), None)
    if door is None or door.state != "create-complete":
        raise Refused(f"The Instance Connect Endpoint {identity} does not exist or is not ready.")
    principal = principal_of(str(given.get("access_key"))) or OWNER
    question = tunnel(door.ec2_backend.region_name, door.id, port)
    if permissions.decided(principal, question.action, question) is not Decision.ALLOWED:
        raise Refused(f"{principal.arn} is not authorized to perform: {question.action} on {question.resource}")
    ec2, found = door.ec2_backend, door.ec2_backend.get_instance_by_id(given.get("instance"))
    if found is None or found.state != "running" or found.vpc_id != door.vpc_id:
        raise Refused(f"No instance {given.get('instance')} runs in the network of {identity}.")
    if port not in PORTS_OF_A_DOOR:
        raise Refused("The specified RemotePort is not valid. Specify either 22 or 3389 as the RemotePort.")
    address = str(ec2.get_network_interface(door.network_interface_ids[0]).private_ip_address)
    if not admits(ec2, [group.id for group in found.nics[0].group_set], address, port):
        raise Refused(f"No security group of {found.id} lets port {port} in from {identity}.")
    return found.id, port


def carry(client: docker.DockerClient, container: str, port: int, caller: socket.socket) -> None:
    """Join a caller's connection to a port inside a container, until both are done."""
    api = client.api
    execution = api.exec_create(container, ["python3", "-c", RELAY, str(port)], stdin=True, stdout=True, stderr=False)
    stream = api.exec_start(execution["Id"], socket=True)
    box: socket.socket = getattr(stream, "_sock", stream)
    box.settimeout(None)
    caller.settimeout(None)
    caller.sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
    threading.Thread(target=inwards, args=(caller, box), daemon=True).start()
    try:
        while data := frame(box):
            caller.sendall(data)
    except OSError:  # the caller has gone
        return
    finally:
        stream.close()


def inwards(caller: socket.socket, box: socket.socket) -> None:
    try:
        while data := caller.recv(65536):
            box.sendall(data)
        box.shutdown(socket.SHUT_WR)
    except OSError:  # either side has gone
        return


def frame(box: socket.socket) -> bytes:
    """The next piece of output: Docker puts eight bytes before each, the last four of them its length."""
    head = exactly(box, 8)
    return exactly(box, int.from_bytes(head[4:], "big")) if head else b""


def exactly(box: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        piece = box.recv(length - len(data))
        if not piece:
            return b""
        data += piece
    return data

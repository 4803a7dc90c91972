# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = """
name: warm_local
short_description: Run modules on the controller without starting Python anew for each
version_added: 1.0.0
author: trainyard.aws developers (@trainyard)
description:
  - As the connection P(ansible.builtin.local#connection), but a module of Ansible runs in a fork of an interpreter that has
    imported C(boto3), Ansible's own code and the service descriptions of botocore already. For a module of amazon.aws, whose
    processor time is nearly all imports, little is left to do.
  - The first task of a run starts that interpreter, once for each C(ansible_python_interpreter). It listens on a socket in
    Ansible's private temporary directory, answers to the same user only, and ends with the run, however that ends.
  - What a module imports is what Ansible ships with it. A module that is shipped with another file of the same name starts cold,
    and so does all that is no pipelined Python module, such as C(raw), C(async) and C(become).
  - When the interpreter cannot be started or does not answer, a warning says so once, and modules start cold for the rest of the
    run. So they do on systems other than Linux, without a warning.
options:
  enabled:
    description: Whether to keep an interpreter warm. If not, this connection is P(ansible.builtin.local#connection).
    type: bool
    default: true
    vars:
      - name: ansible_warm_local_enabled
  pipelining:
    description: Give a module to the interpreter without writing it to a file. A module in a file starts cold.
    type: bool
    default: true
    vars:
      - name: ansible_warm_local_pipelining
  become_success_timeout:
    description: Seconds to wait for C(become) to succeed.
    type: int
    default: 10
    vars:
      - name: ansible_local_become_success_timeout
  become_strip_preamble:
    description: Strip the output of C(become) from that of the command.
    type: bool
    default: true
    vars:
      - name: ansible_local_become_strip_preamble
"""

EXAMPLES = """
- name: Ask AWS from the controller, many times
  hosts: localhost
  gather_facts: false
  vars:
    ansible_connection: trainyard.aws.warm_local
  tasks:
    - name: Find the VPCs
      amazon.aws.ec2_vpc_net_info:
"""

import fcntl
import hashlib
import json
import multiprocessing
import os
import re
import selectors
import shlex
import signal
import socket
import subprocess
import sys
import typing as t
from contextlib import ExitStack, suppress
from pathlib import Path

import ansible.constants as C
from ansible.plugins.connection.local import Connection as Local
from ansible.utils.display import Display
from ansible_collections.trainyard.aws.plugins.plugin_utils import _warm_server as server

display = Display()

# What an interpreter looks at when it starts: whoever wants it otherwise gets an interpreter of his own.
STARTUP = ("PYTHON", "LC_", "LANG", "LD_", "MALLOC_")
PATIENCE = 60  # seconds for an interpreter that is busy with importing for others


class Command(t.NamedTuple):
    """A shell command that runs Python on a script in its standard input."""

    interpreter: str
    environment: dict[str, str]


class Cold(Exception):
    """Nothing is wrong, but this module has to start cold."""


class Trouble(Exception):
    """The warm interpreter does not do its work, and this module has not been started."""


def python_command(command: str) -> Command:
    """The interpreter and environment of `/bin/sh -c '[NAME=value ...] /path/python'`; Cold for any other command."""
    try:
        _shell, option, inner = shlex.split(command)
        inner = inner.removesuffix(" && sleep 0")  # added by ansible-core before 2.21
        *assigned, interpreter = shlex.split(inner)
    except ValueError:
        raise Cold("it is not run by an interpreter alone") from None
    pairs = [(name, value) for name, _equals, value in (word.partition("=") for word in assigned)]
    written = " ".join([*(f"{name}={shlex.quote(value)}" for name, value in pairs), interpreter])
    if option != "-c" or written != inner or not re.fullmatch(r"/[\w./+-]+", interpreter):
        raise Cold("it is not run by an interpreter alone")
    if not os.access(interpreter, os.X_OK):
        raise Cold("there is no such interpreter")
    return Command(interpreter, dict(pairs))


class Connection(Local):
    """The local connection, with an interpreter kept warm for modules."""

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Exit status, output and errors of a command on this machine."""
        try:
            if not in_data or not self.get_option("enabled") or sys.platform != "linux":
                raise Cold("it is no module, or warm_local is off")
            return run_warm(python_command(cmd), in_data, os.fsdecode(self.cwd or os.getcwd()))
        except Cold as reason:
            display.vvvv(f"warm_local: this starts cold: {reason}", host=self._play_context.remote_addr)
        except Trouble as reason:
            display.warning(
                f"warm_local: {reason}. Modules start cold for the rest of this run, which only takes longer."
            )
        return super().exec_command(cmd, in_data=in_data, sudoable=sudoable)


def run_warm(command: Command, script: bytes, directory: str) -> tuple[int, bytes, bytes]:
    """Exit status, output and errors of a script that the warm interpreter runs."""
    environment = {**os.environ, **command.environment}
    request = {"directory": directory, "environment": environment, "umask": umask()}
    place = Place.of(command.interpreter, environment)
    with ExitStack() as descriptors:
        try:
            client = descriptors.enter_context(place.connect())
            output, errors = begin(client, script, request, descriptors)
        except Cold:
            raise
        except Exception as error:  # whatever it is, the module has not been started and can be
            raise Trouble(place.give_up(error)) from error
        return finish(client, output, errors)


class Place(t.NamedTuple):
    """Where the interpreter for a program and what it looks at when it starts is to be found in this run of Ansible."""

    interpreter: str
    environment: dict[str, str]
    directory: Path
    name: str

    @classmethod
    def of(cls, interpreter: str, environment: dict[str, str]) -> Place:
        looked_at = {name: value for name, value in environment.items() if name.startswith(STARTUP)}
        key = json.dumps([interpreter, looked_at], sort_keys=True).encode()
        directory = Path(C.DEFAULT_LOCAL_TMP) / "warm_local"
        return cls(interpreter, environment, directory, hashlib.sha256(key).hexdigest()[:16])

    def connect(self) -> socket.socket:
        """A connection to the interpreter, which is started if need be."""
        self.directory.mkdir(mode=0o700, exist_ok=True)
        opened = os.open(self.directory, os.O_RDONLY)
        try:
            fcntl.flock(opened, fcntl.LOCK_EX)
            if (self.directory / f"{self.name}.given_up").exists():
                raise Cold("the warm interpreter was given up")
            address = f"/proc/self/fd/{opened}/{self.name}.socket"  # an address may have 107 bytes, a directory more
            if not (self.directory / f"{self.name}.socket").exists():
                self._start(address)
            client = socket.socket(socket.AF_UNIX)
            client.settimeout(PATIENCE)
            client.connect(address)
        finally:
            os.close(opened)
        return client

    def _start(self, address: str) -> None:
        run = multiprocessing.parent_process()
        with socket.socket(socket.AF_UNIX) as listener, open(self.log, "wb") as log:
            listener.bind(address)
            os.chmod(address, 0o600)
            listener.listen(128)
            subprocess.Popen(
                [self.interpreter, server.__file__, str(run.pid if run else os.getpid()), str(self.directory)],
                env=self.environment,
                cwd="/",
                stdin=listener,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def log(self) -> Path:
        """What the interpreter says."""
        return self.directory / f"{self.name}.log"

    def give_up(self, error: Exception) -> str:
        """Let modules start cold from now on; why."""
        said = ""
        with suppress(OSError):
            (self.directory / f"{self.name}.given_up").touch()
            said = self.log.read_text(errors="replace").strip().rpartition("\n")[2]
        return f"{self.interpreter} cannot be kept warm: {said or str(error) or type(error).__name__}"


def begin(
    client: socket.socket, script: bytes, request: dict[str, object], descriptors: ExitStack
) -> tuple[t.BinaryIO, t.BinaryIO]:
    """Have a script started; where its output and errors can be read. Cold when the interpreter refuses it."""
    head = json.dumps(request).encode()
    (output, write_output), (errors, write_errors) = os.pipe(), os.pipe()
    readers = [descriptors.enter_context(os.fdopen(reader, "rb")) for reader in (output, errors)]
    try:
        data = server.REQUEST.pack(len(head), len(script)) + head + script
        sent = socket.send_fds(client, [data], [write_output, write_errors])
        if sent < len(data):  # else the interpreter may have answered and gone by now
            client.sendall(data[sent:])
    finally:
        os.close(write_output)
        os.close(write_errors)
    answer = client.recv(1)
    if answer == server.REFUSED:
        raise Cold(client.recv(1000).decode())
    if answer != server.READY:
        raise EOFError("it ended without an answer")
    client.settimeout(None)
    client.sendall(server.GO)
    return readers[0], readers[1]


def finish(client: socket.socket, output: t.BinaryIO, errors: t.BinaryIO) -> tuple[int, bytes, bytes]:
    """Exit status, output and errors, once nothing holds the streams open any more."""
    received = {source.fileno(): bytearray() for source in (client, output, errors)}
    with selectors.DefaultSelector() as open_sources:
        for source in received:
            open_sources.register(source, selectors.EVENT_READ)
        while open_sources.get_map():
            for key, _events in open_sources.select():
                data = os.read(key.fd, 1 << 16)
                received[key.fd] += data
                if not data or (key.fd == client.fileno() and len(received[key.fd]) == server.STATUS.size):
                    open_sources.unregister(key.fd)
    status, said, complained = received.values()
    if len(status) < server.STATUS.size:
        return 255, bytes(said), bytes(complained) + b"\nThe interpreter that ran this module has ended meanwhile.\n"
    (exit_status,) = server.STATUS.unpack(status)
    if exit_status < 0:  # as the shell has it that otherwise stands between Ansible and its modules
        complained += f"{signal.strsignal(-exit_status)}\n".encode()
        exit_status = 128 - exit_status
    return exit_status, bytes(said), bytes(complained)


def umask() -> int:
    """The file mode creation mask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask

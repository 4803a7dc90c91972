# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""A server that runs Ansible's modules in forks of an interpreter in which what they import is imported already.

The connection plugin warm_local starts it, once for each interpreter of a run of Ansible, and it ends with that run.
It is a program of the standard library alone: PYTHON _warm_server.py OWNER DIRECTORY, with the listening socket as its
standard input. OWNER is the process id of the run; DIRECTORY is its private place, removed at the end.

A request is REQUEST, a JSON object {directory, environment, umask} and the script that would be given to `python` as its
standard input, together with two file descriptors for the module's output and errors. The answers, in this order:

    REFUSED  the script is none that can be run here, and the connection ends; or
    READY    a process waits for one byte of the client before it begins; then
    STATUS   how that process ended, as subprocess has it: its exit status, or the negative number of a signal

When the client goes away, the process and its group are ended.

What a module imports is what Ansible shipped with it. The files come from the first script that brings them and are kept in
a tree; a script that brings another file of the same name is refused. boto3 is imported, and botocore's service
descriptions that modules have read are kept parsed.
"""

from __future__ import annotations

import atexit
import base64
import contextlib
import functools
import gc
import hashlib
import importlib
import io
import json
import os
import py_compile
import re
import selectors
import shutil
import signal
import socket
import struct
import sys
import threading
import time
import traceback
import types
import typing as t
import zipfile
from pathlib import Path

REQUEST = struct.Struct("!II")  # bytes of the JSON object, bytes of the script
STATUS = struct.Struct("!i")
READY, REFUSED, GO = b"+", b"-", b"!"

LIBRARIES = ("boto3.s3.transfer", "encodings.idna")
PAYLOAD = re.compile(rb"^zip_data='([A-Za-z0-9+/=]+)',$", re.MULTILINE)
NO_EXTENSIONS = re.compile(
    rb"^extensions=\{\},$", re.MULTILINE
)  # a debugger or coverage wants an interpreter of its own
PATIENCE = 10  # seconds for a client in the middle of a request


class Refused(Exception):
    """The script is none that can be run here."""


class Library:
    """What modules were shipped with, in a tree that stands first in the import path."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._files: dict[str, tuple[int, int]] = {}  # CRC-32 and bytes, by the name in the archive
        self._known: set[bytes] = set()  # SHA-256 of the archives taken in

    def take(self, archive: bytes) -> None:
        """Take in the files of an archive that are new, and import those that modules share."""
        digest = hashlib.sha256(archive).digest()
        if digest in self._known:
            return
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            files = {entry.filename: (entry.CRC, entry.file_size) for entry in opened.infolist()}
            for name in files:
                if self._files.get(name, files[name]) != files[name]:
                    raise Refused(f"{name} is not the file that was shipped before")
            new = sorted(files.keys() - self._files.keys())
            for name in new:
                self._write(name, opened.read(name))
        self._files.update(files)
        importlib.invalidate_caches()
        for name in new:
            if is_shared(name):
                import_quietly(module_name(name))
        self._known.add(digest)

    def _write(self, name: str, content: bytes) -> None:
        path = self.root / name
        if self.root not in path.resolve().parents:
            raise Refused(f"{name} lies outside the archive")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        if not is_shared(name) and name.endswith(".py"):
            with contextlib.suppress(py_compile.PyCompileError):  # the module says so itself
                py_compile.compile(str(path), doraise=True)


def is_shared(name: str) -> bool:
    """Whether a file of an archive is code that modules share, and not a module or a package's own file."""
    return "/module_utils/" in name and name.endswith(".py") and not name.endswith("/__init__.py")


def module_name(name: str) -> str:
    return name[: -len(".py")].replace("/", ".")


def import_quietly(name: str) -> None:
    """Import, unless that fails or leaves a warning behind, which only the module that caused it may report."""
    before = set(sys.modules)
    try:
        importlib.import_module(name)
        spoilt = bool(take_warnings())
    except (Exception, SystemExit):
        take_warnings()
        spoilt = True
    if spoilt:
        forget(set(sys.modules) - before)


def take_warnings() -> list[object]:
    """What Ansible would add to the result of every module; none of it is kept."""
    module = sys.modules.get("ansible.module_utils.common.warnings")
    if module is None:
        return []
    kept = [vars(module).get(name) for name in ("_global_warnings", "_global_deprecations")]
    found = [entry for entries in kept for entry in entries or ()]
    for entries in kept:
        if entries:
            entries.clear()
    return found


def forget(names: set[str]) -> None:
    """Make as if modules had not been imported."""
    for name in names:
        module = sys.modules.pop(name, None)
        package, _dot, attribute = name.rpartition(".")
        if vars(sys.modules.get(package, types)).get(attribute) is module:
            delattr(sys.modules[package], attribute)


class Descriptions:
    """botocore's JSON files, parsed before they are needed: the description of EC2 alone takes 0.2 s.

    A process gets each of them once and unchanged, for botocore may add to what it was given.
    """

    def __init__(self) -> None:
        self._parsed: dict[str, object] = {}
        self._wanted: list[str] = []
        self.asked, self.asking = os.pipe()
        try:
            from botocore.loaders import JSONFileLoader
        except ImportError:
            return
        self._parse = functools.partial(JSONFileLoader.load_file, JSONFileLoader())
        JSONFileLoader.load_file = lambda _loader, path: self._give(path)

    def _give(self, path: str) -> object:
        if path in self._parsed:
            return self._parsed.pop(path)
        content = self._parse(path)
        if content is not None:
            os.write(self.asking, f"{path}\n".encode())
        return content

    def note(self) -> None:
        """Note which files processes had to parse themselves."""
        self._wanted += os.read(self.asked, 1 << 16).decode().splitlines()

    def are_wanted(self) -> bool:
        return bool(self._wanted)

    def parse_next(self) -> None:
        path = self._wanted.pop()
        if path not in self._parsed:
            self._parsed[path] = self._parse(path)
            gc.freeze()


class Job(t.NamedTuple):
    """A module that runs, and the client that waits for it."""

    process: int
    ended: int  # a descriptor that is readable once the process has ended
    client: socket.socket


class Server:
    """Takes requests until the run of Ansible has ended, and ends when nothing runs any more."""

    def __init__(self, listener: socket.socket, owner: int, library: Library, descriptions: Descriptions) -> None:
        self._listener, self._library, self._descriptions = listener, library, descriptions
        self._jobs: set[Job] = set()
        self._ready = selectors.DefaultSelector()
        self._is_open = True
        self._watch(listener, self._accept)
        self._owner = os.pidfd_open(owner)
        self._watch(self._owner, self._close)
        self._watch(descriptions.asked, descriptions.note)

    def _watch(self, source: socket.socket | int, act: t.Callable[[], None]) -> None:
        self._ready.register(source, selectors.EVENT_READ, act)

    def serve(self) -> None:
        while self._is_open or self._jobs:
            ready = self._ready.select(0 if self._descriptions.are_wanted() else None)
            if not ready:
                self._descriptions.parse_next()
            for key, _events in ready:
                key.data()

    def _close(self) -> None:
        """The run of Ansible has ended."""
        self._is_open = False
        for source in (self._listener, self._owner):
            self._ready.unregister(source)
        self._listener.close()

    def _accept(self) -> None:
        client, _address = self._listener.accept()
        client.settimeout(PATIENCE)
        streams: list[int] = []
        try:
            request, script, streams = receive(client)
            self._library.take(shipped(script))
            if len(os.listdir("/proc/self/task")) > 1:
                raise Refused("an import has started a thread, and threads do not live on in a fork")
            client.sendall(READY)
            if client.recv(1) == GO:
                self._start(client, request, script, streams)
        except Refused as reason:
            client.sendall(REFUSED + str(reason).encode())
        except Exception:  # one request must not end the others'; its client sees that there was no answer
            traceback.print_exc()
        finally:
            for stream in streams:
                os.close(stream)
            if not any(job.client is client for job in self._jobs):
                client.close()

    def _start(self, client: socket.socket, request: dict[str, t.Any], script: bytes, streams: list[int]) -> None:
        gc.freeze()
        process = os.fork()
        if not process:
            os.setpgid(0, 0)
            run_and_exit(request, script, streams, self._descriptions.asking)
        with contextlib.suppress(OSError):  # it has done so itself
            os.setpgid(process, process)
        job = Job(process, os.pidfd_open(process), client)
        self._jobs.add(job)
        self._watch(job.ended, functools.partial(self._report, job))
        self._watch(job.client, functools.partial(self._abandon, job))

    def _report(self, job: Job) -> None:
        """The process has ended."""
        _process, status = os.waitpid(job.process, 0)
        with contextlib.suppress(OSError):  # nobody waits for it any more
            job.client.sendall(STATUS.pack(os.waitstatus_to_exitcode(status)))
        self._jobs.remove(job)
        for source in (job.ended, job.client):
            with contextlib.suppress(KeyError):
                self._ready.unregister(source)
        os.close(job.ended)
        job.client.close()

    def _abandon(self, job: Job) -> None:
        """The client has gone away."""
        if job in self._jobs:
            self._ready.unregister(job.client)
            os.killpg(job.process, signal.SIGTERM)


def receive(client: socket.socket) -> tuple[dict[str, t.Any], bytes, list[int]]:
    """A request, its script and where its output and errors go."""
    _process, user, _group = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    if user != os.getuid():
        raise PermissionError(f"user {user} is not the one whose modules run here")
    data, streams, _flags, _address = socket.recv_fds(client, 1 << 16, 2)
    head, body = REQUEST.unpack_from(data)
    received = bytearray(data[REQUEST.size :])
    while len(received) < head + body:
        more = client.recv(1 << 20)
        if not more:
            raise EOFError("a client went away in the middle of its request")
        received += more
    return json.loads(received[:head]), bytes(received[head:]), streams


def shipped(script: bytes) -> bytes:
    """The archive inside a script that Ansible made to run a module."""
    found = PAYLOAD.search(script)
    if not found or not NO_EXTENSIONS.search(script):
        raise Refused("the script is not written as expected")
    return base64.b64decode(found[1])


def run_and_exit(request: dict[str, t.Any], script: bytes, streams: list[int], asking: int) -> t.NoReturn:
    """Become the process that `python <script` would have been, and end as it ends."""
    status = 1
    try:
        for number, stream in enumerate((os.open(os.devnull, os.O_RDONLY), *streams)):
            os.dup2(stream, number)
        settle(request, asking)
        status = execute(script)
    except BaseException:  # as an interpreter shows whatever nobody has caught
        traceback.print_exc()
    finally:
        # What an interpreter does at its end, one after the other whatever fails; the first two have no public name.
        for end in (threading._shutdown, atexit._run_exitfuncs, sys.stdout.flush, sys.stderr.flush):  # type: ignore[attr-defined]
            with contextlib.suppress(BaseException):
                end()
        os._exit(status)


def settle(request: dict[str, t.Any], asking: int) -> None:
    """Take on what a process has of its own: descriptors, directory, mask, environment and streams."""
    for descriptor in {int(name) for name in os.listdir("/proc/self/fd")} - {0, 1, 2, asking}:
        with contextlib.suppress(OSError):  # the one that listed them is closed
            os.close(descriptor)
    os.umask(request["umask"])
    os.chdir(request["directory"])
    os.environ.clear()
    os.environ.update(request["environment"])
    if "PWD" in os.environ:  # a shell stands between Ansible and its modules otherwise, and keeps this right
        os.environ["PWD"] = os.getcwd()
    time.tzset()
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        usual = getattr(sys, f"__{name}__")
        raw = open(number, "wb" if number else "rb", closefd=False)  # noqa: SIM115 (as long as the process lives)
        stream = io.TextIOWrapper(raw, usual.encoding, usual.errors, write_through=usual.write_through)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def execute(script: bytes) -> int:
    """Run a script as the main program; its exit status."""
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main
    sys.argv = [""]
    try:
        exec(compile(script, "<stdin>", "exec", dont_inherit=True), vars(main))  # noqa: S102 (Ansible's own)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return (end.code or 0) & 0xFF
        sys.stderr.write(f"{end.code}\n")
        return 1
    return 0


def main() -> None:
    owner, directory = int(sys.argv[1]), Path(sys.argv[2])
    listener = socket.socket(fileno=os.dup(0))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    root = directory / f"{os.getpid()}.modules"
    sys.path[0] = str(root)  # instead of where this program lies
    for name in LIBRARIES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    Server(listener, owner, Library(root), Descriptions()).serve()
    # Not after an error: what was said of it, and the sockets of others, lie there.
    shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()

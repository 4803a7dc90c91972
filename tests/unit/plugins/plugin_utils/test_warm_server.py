# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import io
import json
import os
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from ansible_collections.trainyard.aws.plugins.plugin_utils import _warm_server as server


def archive(**files: str) -> bytes:
    """A zip archive of files, whose names have __ for a slash."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as opened:
        for name, text in files.items():
            opened.writestr(name.replace("__", "/") + ".py", text)
    return content.getvalue()


def run(code: str, directory: Path) -> object:
    """What a program prints that has imported the server in an interpreter of its own."""
    start = f"import json, sys\nsys.path.insert(0, {str(directory)!r})\n"
    start += f"sys.path.insert(1, {str(Path(server.__file__).parent)!r})\nimport _warm_server as server\n"
    done = subprocess.run([sys.executable, "-c", start + code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class TestLibrary:
    def test_shared_code_is_imported_and_modules_are_compiled(self, tmp_path: Path) -> None:
        content = archive(probe__module_utils__a="A = 1", probe__modules__b="raise RuntimeError")
        code = f"server.Library(server.Path({str(tmp_path)!r})).take({content!r})\n"
        code += "print(json.dumps(sorted(name for name in sys.modules if name.startswith('probe'))))"
        assert run(code, tmp_path) == ["probe", "probe.module_utils", "probe.module_utils.a"]
        assert list((tmp_path / "probe" / "modules" / "__pycache__").glob("b.*.pyc"))

    def test_another_file_of_the_same_name_is_refused(self, tmp_path: Path) -> None:
        library = server.Library(tmp_path)
        library.take(archive(x__a="1", x__b="2"))
        library.take(archive(x__a="1", x__c="3"))
        with pytest.raises(server.Refused, match=r"x/a\.py"):
            library.take(archive(x__a="2"))
        assert (tmp_path / "x" / "a.py").read_text() == "1"

    def test_file_outside_the_tree_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(server.Refused, match="outside"):
            server.Library(tmp_path / "tree").take(archive(**{"..__evil": "1"}))
        assert not list(tmp_path.glob("evil*"))

    def test_code_that_does_not_compile_is_left_to_the_module(self, tmp_path: Path) -> None:
        server.Library(tmp_path).take(archive(x__a="this is no Python"))

    @pytest.mark.parametrize(
        "end", ["raise RuntimeError", "sys.exit(1)", "warnings._global_warnings['a warning'] = None"]
    )
    def test_what_fails_or_warns_is_imported_again_by_the_module(self, end: str, tmp_path: Path) -> None:
        content = archive(
            ansible__module_utils__common__warnings="_global_warnings = {}\n_global_deprecations = {}",
            probe__module_utils__helper="",
            probe__module_utils__spoilt="import sys\nimport ansible.module_utils.common.warnings as warnings\n"
            f"from probe.module_utils import own\n{end}",
            probe__module_utils__zown="",
            probe__module_utils__own="",
        )
        code = f"server.Library(server.Path({str(tmp_path)!r})).take({content!r})\n"
        code += "package = sys.modules['probe.module_utils']\n"
        code += "names = sorted(name for name in vars(package) if not name.startswith('_'))\n"
        code += "print(json.dumps([names, list(sys.modules['ansible.module_utils.common.warnings']._global_warnings)]))"
        assert run(code, tmp_path) == [["helper", "own", "zown"], []]


class TestDescriptions:
    def test_each_process_has_a_file_once_and_unchanged(self, tmp_path: Path) -> None:
        (tmp_path / "model.json").write_text('{"a": [1]}')
        code = f"""
import os
from botocore.loaders import JSONFileLoader
descriptions, path = server.Descriptions(), {str(tmp_path / "model")!r}
assert JSONFileLoader().load_file(path) == {{"a": [1]}} and JSONFileLoader().load_file(path + "none") is None
descriptions.note()
while descriptions.are_wanted():
    descriptions.parse_next()
os.remove(path + ".json")
found = []
for number in range(2):
    reader, writer = os.pipe()
    if not os.fork():
        content = JSONFileLoader().load_file(path)
        content["a"].append(2)
        os.write(writer, json.dumps([content, JSONFileLoader().load_file(path)]).encode())
        os._exit(0)
    os.wait()
    found.append(json.loads(os.read(reader, 1000)))
print(json.dumps(found))
"""
        assert run(code, tmp_path) == [[{"a": [1, 2]}, None]] * 2


class TestRequests:
    def test_another_user_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ours, theirs = socket.socketpair()
        monkeypatch.setattr(os, "getuid", lambda: 12345)
        with ours, theirs, pytest.raises(PermissionError):
            server.receive(ours)

    def test_client_that_goes_away_in_the_middle_is_no_request(self) -> None:
        ours, theirs = socket.socketpair()
        theirs.sendall(server.REQUEST.pack(2, 1000) + b"{}" + b"x" * 10)
        theirs.close()
        with ours, pytest.raises(EOFError):
            server.receive(ours)

    def test_archive_is_taken_out_of_the_script(self) -> None:
        data = base64.b64encode(b"archive").decode()
        script = f"    _ansiballz_main(\nparams='\\nzip_data=\\'AAAA\\','\nextensions={{}},\nzip_data={data!r},\n)\n"
        assert server.shipped(script.encode()) == b"archive"

    @pytest.mark.parametrize(
        "script", ["", "zip_data='AAAA',\nextensions={'_coverage': {}},\n", "zip_data=AAAA,\nextensions={},\n"]
    )
    def test_script_of_another_kind_is_refused(self, script: str) -> None:
        with pytest.raises(server.Refused):
            server.shipped(script.encode())

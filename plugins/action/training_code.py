# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks Git on this machine what a run trains, and brings it to the node unless it is there."""

from __future__ import annotations

import tempfile
import typing as t
from pathlib import Path

from ansible.plugins.action import ActionBase
from ansible_collections.trainyard.aws.plugins.module_utils._training_code import OPTIONS
from ansible_collections.trainyard.aws.plugins.module_utils._training_results import CODE_ARCHIVE, CODE_DIFF
from ansible_collections.trainyard.aws.plugins.plugin_utils._training_code import CodeError, pack, resolve


class ActionModule(ActionBase):
    """Git here, and the module there: once to ask, and again with the code where it is lacking."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        dummy, options = self.validate_argument_spec(argument_spec=OPTIONS)
        if not options["code"]:
            return self._module(options, task_vars)
        with tempfile.TemporaryDirectory() as scratch:
            try:
                code = resolve(options["code"], options["reference"], options["most_megabytes"], Path(scratch))
                told = self._module(options | {"resolved": code.facts()}, task_vars)
                if told.get("failed") or not told.get("wants_archive"):
                    return told
                files = pack(code, Path(scratch))
            except CodeError as error:
                what = f'Cannot bring the code of run "{options["run_id"]}"'
                return {"failed": True, "changed": False, "msg": f"{what}: {error}"}
            brought = {
                "archive": self._bring(files[CODE_ARCHIVE]),
                "difference": self._bring(files[CODE_DIFF]),
            }
            return self._module(options | {"resolved": code.facts()} | brought, task_vars)

    def _bring(self, file: Path) -> str:
        """Its path on the node, in the directory of the task, which goes with it."""
        shell = self._connection._shell
        if shell.tmpdir is None:
            self._make_tmp_path()
        path = shell.join_path(shell.tmpdir, file.name)
        self._transfer_file(str(file), path)
        self._fixup_perms2((shell.tmpdir, path))
        return str(path)

    def _module(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        return self._execute_module(module_name="trainyard.aws.training_code", module_args=args, task_vars=task_vars)

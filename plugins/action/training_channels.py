# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetches channels in the background of the node, and shows how far that is.

What is there already costs one question. The rest may take hours, so it depends on no connection: a lost one is nothing but a late answer.
"""

from __future__ import annotations

import posixpath
import time
import typing as t

from ansible.errors import AnsibleConnectionFailure
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible_collections.trainyard.aws.plugins.module_utils._channels import size_text
from ansible_collections.trainyard.aws.plugins.plugin_utils import _screen
from ansible_collections.trainyard.aws.plugins.plugin_utils._channels_progress import (
    Speed,
    Wanted,
    command_of,
    parts_of,
    wanted_of,
)

POLL_SECONDS = 2.0
LINE_SECONDS = 15.0
PATIENCE_SECONDS = 600
LONGEST_SECONDS = 7 * 24 * 3600

_OF_THE_JOB = ("ansible_job_id", "started", "finished", "results_file")


class ActionModule(ActionBase):
    """Runs the module once to see what is lacking, and once more in the background to fetch that."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        self._task_vars = task_vars or {}
        args = dict(self._task.args)
        if self._task.check_mode or not boolean(args.get("fetch", True), strict=False):
            return self._module("trainyard.aws.training_channels", args)
        told = self._module("trainyard.aws.training_channels", {**args, "fetch": False})
        if told.get("failed") or not told.get("fetched"):
            return told
        job = self._started(args)
        if "ansible_job_id" not in job:
            return job
        result = self._followed(job, wanted_of(told))
        return {key: value for key, value in result.items() if key not in _OF_THE_JOB}

    def _started(self, args: dict[str, t.Any]) -> dict[str, t.Any]:
        self._task.async_val = LONGEST_SECONDS
        try:
            return self._module("trainyard.aws.training_channels", args, wrap_async=True)
        finally:
            self._task.async_val = 0

    def _followed(self, job: dict[str, t.Any], wanted: list[Wanted]) -> dict[str, t.Any]:
        """Show how far it is until it has ended. Returns what the module said in the end."""
        prefix, screen = _screen.screen_for(self._task_vars, LINE_SECONDS)
        speed = Speed()
        screen.show(f"{prefix}{_opening(wanted)} on {self._task_vars.get('inventory_hostname', 'the node')}.")
        try:
            while not _is_end(result := self._patiently(lambda: self._job(job, "status"))):
                now = time.monotonic()
                answer = self._patiently(lambda: self._low_level_execute_command(command_of(wanted)))
                screen.progress(now, prefix, *parts_of(wanted, answer["stdout"], speed, now))
                time.sleep(POLL_SECONDS)
        finally:
            screen.close()
        self._patiently(lambda: self._job(job, "cleanup"))
        return result

    def _job(self, job: dict[str, t.Any], mode: str) -> dict[str, t.Any]:
        directory = posixpath.dirname(job["results_file"])
        return self._module(
            "ansible.builtin.async_status", {"jid": job["ansible_job_id"], "mode": mode, "_async_dir": directory}
        )

    def _patiently(self, ask: t.Callable[[], dict[str, t.Any]]) -> dict[str, t.Any]:
        """Ask until there is an answer, or patience ends."""
        since = time.monotonic()
        while True:
            try:
                answer = ask()
            except AnsibleConnectionFailure:
                if time.monotonic() - since > PATIENCE_SECONDS:
                    raise
            else:
                # Without an answer of the module itself its process was cut off on the way.
                cut_off = answer.get("unreachable") or "module_stdout" in answer
                if not cut_off or time.monotonic() - since > PATIENCE_SECONDS:
                    return answer
            time.sleep(POLL_SECONDS)

    def _module(self, name: str, args: dict[str, t.Any], wrap_async: bool = False) -> dict[str, t.Any]:
        return self._execute_module(
            module_name=name, module_args=args, task_vars=self._task_vars, wrap_async=wrap_async
        )


def _is_end(answer: dict[str, t.Any]) -> bool:
    return bool(answer.get("finished") or answer.get("failed") or answer.get("unreachable"))


def _opening(wanted: list[Wanted]) -> str:
    size = sum(each.size or 0 for each in wanted)
    names = ", ".join(each.name for each in wanted)
    return f"Fetching {names} ({size_text(size)})" if size else f"Fetching {names}"

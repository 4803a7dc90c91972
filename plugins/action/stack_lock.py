# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells the module which host and which process of Ansible hold the lock; a task's own process ends with the task."""

from __future__ import annotations

import os
import socket
import typing as t

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Runs in a worker, whose parent is the playbook's process."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        holder = {"host": socket.gethostname(), "pid": os.getppid()}
        answer: dict[str, t.Any] = self._execute_module(
            module_name="trainyard.aws.stack_lock", module_args={**holder, **self._task.args}, task_vars=task_vars
        )
        return answer

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells the module which host and which process of Ansible hold the lock, and lets go of what a playbook that broke off still holds."""

from __future__ import annotations

import atexit
import json
import os
import socket
import typing as t
from pathlib import Path

from ansible import constants as C
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.trainyard.aws.plugins.module_utils import _lock_api as api
from ansible_collections.trainyard.aws.plugins.module_utils._lock import Lock, key_of

try:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:
    pass  # nothing is held then

display = Display()

_MARKER_PREFIX = "trainyard-lock-"


class ActionModule(ActionBase):
    """Runs in a worker, whose parent is the playbook's process."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        holder = {"host": socket.gethostname(), "pid": os.getppid()}
        args = {**holder, **self._task.args}
        answer: dict[str, t.Any] = self._execute_module(
            module_name="trainyard.aws.stack_lock", module_args=args, task_vars=task_vars
        )
        _remember(args, answer)
        return answer


def _remember(args: dict[str, t.Any], answer: dict[str, t.Any]) -> None:
    """Note for the playbook's process what it has to let go of at its end, whatever that is."""
    marker = Path(C.DEFAULT_LOCAL_TMP) / f"{_MARKER_PREFIX}{args['name']}"
    lock = answer.get("lock") or {}
    if args.get("state") == "released":
        marker.unlink(missing_ok=True)
    elif not answer.get("failed") and (lock.get("host"), lock.get("pid")) == (args["host"], args["pid"]):
        session = {"region_name": args.get("region"), "profile_name": args.get("profile")}
        held = {"session": session, "bucket": args["bucket"], "key": key_of(args["name"]), "lock": lock}
        marker.write_text(json.dumps(held), encoding="utf-8")


@atexit.register
def _let_go() -> None:
    """Where the playbook failed or was interrupted. Only the process that ends runs this, never a worker."""
    for marker in sorted(Path(C.DEFAULT_LOCAL_TMP).glob(_MARKER_PREFIX + "*")):
        held = json.loads(marker.read_text(encoding="utf-8"))
        marker.unlink()
        try:
            client = boto3.session.Session(**held["session"]).client("s3")
            have, tag = api.read(client, held["bucket"], held["key"])
            if have == Lock(**held["lock"]):
                api.remove(client, held["bucket"], held["key"], tag)
        except (BotoCoreError, ClientError, api.NoBucket) as error:
            # Whoever comes next is told who holds it, and the same owner takes it over from a process that is gone.
            display.vvv(f"Cannot let go of the stack: {error}")

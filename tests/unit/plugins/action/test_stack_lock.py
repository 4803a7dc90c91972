# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import socket
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.plugins.action import ActionBase
from ansible_collections.trainyard.aws.plugins.action import stack_lock


def test_the_playbooks_process_holds_the_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    monkeypatch.setattr(ActionBase, "run", lambda *_: {})
    action = stack_lock.ActionModule.__new__(stack_lock.ActionModule)
    action._task = SimpleNamespace(args={"name": "dcgan"})
    action._execute_module = lambda **arguments: seen.update(arguments) or {"changed": True}
    assert action.run(None, {}) == {"changed": True}
    assert seen["module_name"] == "trainyard.aws.stack_lock"
    assert seen["module_args"] == {"name": "dcgan", "host": socket.gethostname(), "pid": os.getppid()}

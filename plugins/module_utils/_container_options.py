# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Options of the modules training_container and training_container_logs, shared with the action plugin that follows a run."""

from __future__ import annotations

import typing as t

_ULIMIT: dict[str, t.Any] = {
    "name": {"type": "str", "required": True},
    "soft": {"type": "int", "required": True},
    "hard": {"type": "int", "required": True},
}
_VOLUME: dict[str, t.Any] = {
    "source": {"type": "path", "required": True},
    "target": {"type": "str", "required": True},
    "read_only": {"type": "bool", "default": True},
}

CONTAINER: dict[str, t.Any] = {
    "run_id": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["started", "resumed", "stopped", "absent"], "default": "started"},
    "image": {"type": "str"},
    "registry_username": {"type": "str"},
    "registry_password": {"type": "str", "no_log": True},
    "command": {"type": "list", "elements": "str"},
    "entrypoint": {"type": "list", "elements": "str"},
    "environment": {"type": "dict"},
    # Where they lie, which is no secret.
    "secrets": {"type": "dict", "no_log": False},
    "directory": {"type": "path"},
    "checkpoints_directory": {"type": "path"},
    "hyperparameters_path": {"type": "str"},
    "volumes": {"type": "list", "elements": "dict", "options": _VOLUME},
    "user": {"type": "str"},
    "working_directory": {"type": "str"},
    "capabilities": {"type": "list", "elements": "str"},
    "accelerators": {"type": "str", "default": "all"},
    "memory": {"type": "str"},
    "shm_size": {"type": "str"},
    "pids_limit": {"type": "int", "default": 4096},
    "ulimits": {"type": "list", "elements": "dict", "options": _ULIMIT},
    "grace_seconds": {"type": "int", "default": 120},
    "follow": {"type": "bool", "default": True},
    "from_beginning": {"type": "bool", "default": False},
    "patience_seconds": {"type": "int", "default": 600},
    "tail": {"type": "int", "default": 40},
    "log_file": {"type": "path"},
    "progress_pattern": {"type": "str", "default": ""},
    "progress_interval_seconds": {"type": "int", "default": 30},
}

LOGS: dict[str, t.Any] = {
    "run_id": {"type": "str", "required": True},
    "cursor": {"type": "str", "default": ""},
    "tail": {"type": "int", "default": 0},
    "wait_seconds": {"type": "float", "default": 0.0},
}

#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_files
short_description: Have several small files on a node, at once
version_added: 1.0.0
description:
  - Writes and removes text files. Each is replaced in one step, so that nobody reads half of it. Folders above it that are missing are made.
  - Each module that runs on a node costs about half a second, whatever it does, so a role writes its files by one.
options:
  files:
    description: The files.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Where it is.
        type: path
        required: true
      content:
        description: Its text, needed unless it is V(absent). It is shown with C(--diff), so it must hold no secret.
        type: str
      mode:
        description: Its permissions, in octal.
        type: str
        default: "0644"
      validate:
        description:
          - A command that fails if the file must not be written; C(%s) in it is a file with the new text. No shell is asked.
          - It is asked before anything is written, in check mode too, and only where the text is new.
        type: str
      state:
        description: Whether it is there.
        type: str
        choices: [present, absent]
        default: present
attributes:
  check_mode:
    description: Can run in check mode and say what would change, also where the folder is still missing.
    support: full
  diff_mode:
    description: Shows each file that changes before and after.
    support: full
  idempotent:
    description: A second run changes nothing.
    support: full
author:
  - The trainyard developers (@trainyard)
"""

EXAMPLES = r"""
- name: Write what systemd adds to the services
  trainyard.aws.node_files:
    files:
      - path: /etc/systemd/system/docker.service.d/trainyard.conf
        content: |
          [Unit]
          RequiresMountsFor=/nvme
      - path: /etc/systemd/system/containerd.service.d/trainyard.conf
        state: absent
"""

RETURN = r"""
changed_files:
  description: The paths of the files that were written or removed, or would be in check mode.
  type: list
  elements: str
  returned: success
  sample: [/etc/systemd/system/docker.service.d/trainyard.conf]
"""

import os
import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.trainyard.aws.plugins.module_utils._node_files import (
    NodeFilesError,
    Wanted,
    check_command,
    difference,
    differs,
    found,
    missing_folders,
    wanted,
)

FILE: dict[str, Any] = {
    "path": {"type": "path", "required": True},
    "content": {"type": "str"},
    "mode": {"type": "str", "default": "0644"},
    "validate": {"type": "str"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}
ARGUMENTS: dict[str, Any] = {
    "files": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": FILE,
        "required_if": [("state", "present", ["content"])],
    },
}


def written(module: AnsibleModule, file: Wanted) -> str:
    """The new text in a place of its own. Raises NodeFilesError if it must not be used."""
    with tempfile.NamedTemporaryFile(dir=module.tmpdir, delete=False) as place:
        place.write((file.content or "").encode())
    if file.validate:
        status, stdout, stderr = module.run_command(check_command(file, place.name))
        if status:
            raise NodeFilesError(f"Cannot write {file.path}: {file.validate} fails. {(stderr or stdout).strip()}")
    return place.name


def put(module: AnsibleModule, file: Wanted, place: str) -> None:
    if file.content is None:
        os.unlink(file.path)
        return
    for folder in map(Path, missing_folders(file.path)):
        folder.mkdir()
        folder.chmod(0o755)
    module.atomic_move(place, file.path)
    os.chmod(file.path, file.mode)


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        pairs = [(want, found(want.path)) for want in map(wanted, module.params["files"])]
        changes = [(want, have) for want, have in pairs if differs(want, have)]
        places = [written(module, want) for want, _have in changes]
        if not module.check_mode:
            for (want, _have), place in zip(changes, places):
                put(module, want, place)
    except NodeFilesError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"Cannot write {error.filename}: {error.strerror}. See who may write there.")
    module.exit_json(
        changed=bool(changes),
        changed_files=[want.path for want, _have in changes],
        diff=[difference(want, have) for want, have in changes],
    )


if __name__ == "__main__":
    main()

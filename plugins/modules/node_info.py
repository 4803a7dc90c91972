#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_info
short_description: Ask a node all that a role wants to know of it, at once
version_added: 1.0.0
description:
  - Tells of files, of systemd's units and of what programs answer. Changes nothing.
  - Each module that runs on a node costs about half a second, whatever it does, so a role asks once at its beginning.
options:
  files:
    description: Paths of which to tell whether something is there. A link counts as what it leads to.
    type: list
    elements: path
    default: []
  contents:
    description: Paths of text files to return, of 1 MiB each at most.
    type: list
    elements: path
    default: []
  services:
    description: Names of systemd's units of which to tell whether they run, now and at every boot.
    type: list
    elements: str
    default: []
  commands:
    description:
      - Questions to programs, by a name for the answer; each is a list of words, and no shell is asked.
      - They are asked in check mode too, so they must not change anything.
    type: dict
    default: {}
attributes:
  check_mode:
    description: Can run in check mode and return the same answer.
    support: full
  diff_mode:
    description: Nothing is changed, so there is no difference to show.
    support: none
  idempotent:
    description: Changes nothing.
    support: full
author:
  - The trainyard developers (@trainyard)
"""

EXAMPLES = r"""
- name: Look for an engine that is already there
  trainyard.aws.node_info:
    files: [/usr/lib/systemd/system/docker.service]
    contents: [/etc/docker/daemon.json]
    services: [docker]
    commands:
      version: [docker, version, --format, json]
  register: node

- name: Show which drivers the engine was told to use
  ansible.builtin.debug:
    msg: "{{ (node.contents['/etc/docker/daemon.json'] or '{}') | from_json }}"
"""

RETURN = r"""
files:
  description: What was asked of O(files), by path.
  type: dict
  returned: success
  contains:
    exists:
      description: Whether something is there.
      type: bool
      sample: true
    modified_at:
      description: When it was last written, in seconds since 1970; none where nothing is there.
      type: float
      sample: 1767225600.5
contents:
  description: The text of each of O(contents), by path; none where there is no such file.
  type: dict
  returned: success
  sample: {/etc/docker/daemon.json: "{}"}
services:
  description: What was asked of O(services), by name.
  type: dict
  returned: success
  contains:
    active:
      description: Whether it runs.
      type: bool
      sample: true
    enabled:
      description: Whether it is started at every boot.
      type: bool
      sample: true
    masked:
      description: Whether it is kept from ever being started.
      type: bool
      sample: false
commands:
  description: The answers to O(commands), by their names.
  type: dict
  returned: success
  contains:
    rc:
      description: The exit status; 127 where there is no such program.
      type: int
      sample: 0
    stdout:
      description: What it said.
      type: str
      sample: "29.8.1"
    stdout_lines:
      description: What it said, by lines.
      type: list
      elements: str
      sample: ["29.8.1"]
    stderr:
      description: What it said besides.
      type: str
      sample: ""
"""

from functools import partial
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.trainyard.aws.plugins.module_utils._node_info import (
    NodeInfoError,
    answer_of,
    content_of,
    file_of,
    services_command,
    services_in,
)

ARGUMENTS: dict[str, Any] = {
    "files": {"type": "list", "elements": "path", "default": []},
    "contents": {"type": "list", "elements": "path", "default": []},
    "services": {"type": "list", "elements": "str", "default": []},
    "commands": {"type": "dict", "default": {}},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    params = module.params
    run = partial(module.run_command, handle_exceptions=False, environ_update={"LC_ALL": "C.UTF-8"})
    try:
        contents = {path: content_of(path) for path in params["contents"]}
    except NodeInfoError as error:
        module.fail_json(msg=str(error))
    # A question may start a service that its socket wakes, so services come after the questions.
    commands = {name: answer_of(run, command) for name, command in params["commands"].items()}
    shown = answer_of(run, services_command(params["services"]))["stdout"] if params["services"] else ""
    module.exit_json(
        changed=False,
        files={path: file_of(path) for path in params["files"]},
        contents=contents,
        services=services_in(shown, params["services"]),
        commands=commands,
    )


if __name__ == "__main__":
    main()

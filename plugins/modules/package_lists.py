#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: package_lists
short_description: Refresh apt's package lists, unless that was just done
version_added: 1.0.0
description:
  - Runs C(apt-get update), unless this module has done so within O(max_age_seconds) and no source was changed since. So roles that install
    packages one after the other ask the archives once.
  - A refresh counts if every source could be read and its signature holds. C(/run/trainyard-package-lists) says when it began.
  - While another program holds the lists, as the first upgrade of a new node does, it waits for at most O(patience_seconds).
options:
  max_age_seconds:
    description: How long lists are fresh.
    type: int
    default: 600
  patience_seconds:
    description: How long to wait for another program that holds the lists.
    type: int
    default: 120
attributes:
  check_mode:
    description: Does the same in check mode. Lists are no state, and without them nobody could say what would be installed.
    support: full
  diff_mode:
    description: Nothing changes that could be shown.
    support: none
  idempotent:
    description: It never reports a change.
    support: full
author:
  - The trainyard developers (@trainyard)
"""

EXAMPLES = r"""
- name: Refresh the package lists
  trainyard.aws.package_lists:
"""

RETURN = r"""
refreshed:
  description: Whether the archives were asked.
  type: bool
  returned: success
  sample: true
"""

import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.trainyard.aws.plugins.module_utils._package_lists import (
    SOURCES,
    STAMP,
    RefreshError,
    are_fresh,
    refresh,
)

ARGUMENTS: dict[str, t.Any] = {
    "max_age_seconds": {"type": "int", "default": 600},
    "patience_seconds": {"type": "int", "default": 120},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    module.run_command_environ_update = {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}

    fresh = are_fresh(STAMP, SOURCES, time.time(), module.params["max_age_seconds"])
    try:
        if not fresh:
            refresh(module.run_command, STAMP, module.params["patience_seconds"])
    except RefreshError as error:
        module.fail_json(
            msg=f"Cannot refresh the package lists: {error}. See the sources in /etc/apt, and the node's way to them."
        )
    module.exit_json(changed=False, refreshed=not fresh)


if __name__ == "__main__":
    main()

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs itself again in another process."""

from __future__ import annotations

import sys

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.respawn import has_respawned, respawn_module


def main() -> None:
    module = AnsibleModule({"text": {"type": "str"}})
    if not has_respawned():
        respawn_module(sys.executable)
    module.exit_json(respawned=has_respawned(), text=module.params["text"])


if __name__ == "__main__":
    main()

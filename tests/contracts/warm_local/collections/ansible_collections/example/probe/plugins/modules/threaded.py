# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Imports what starts a thread."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.example.probe.plugins.module_utils.thread import DONE, THREAD


def main() -> None:
    module = AnsibleModule({})
    DONE.set()
    THREAD.join(10)
    module.exit_json(is_alive=THREAD.is_alive())


if __name__ == "__main__":
    main()

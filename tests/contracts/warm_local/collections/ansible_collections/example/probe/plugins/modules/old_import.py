# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Imports what only exists with a warning."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.example.probe.plugins.module_utils.warning import VALUE


def main() -> None:
    module = AnsibleModule({})
    module.warn("a warning of the module")
    module.deprecate("a deprecation of the module", version="9.9.9", collection_name="example.probe")
    module.exit_json(value=VALUE)


if __name__ == "__main__":
    main()

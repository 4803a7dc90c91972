# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module of a role, with code that another role has under the same name."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.shade import VALUE


def main() -> None:
    AnsibleModule({}).exit_json(value=VALUE)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: variable_names
short_description: Stop at misspelt variable names
version_added: 1.0.0
author:
  - The trainyard developers (@trainyard)
description:
  - Ansible ignores a variable that nothing reads, so a misspelt option of a role silently keeps its default.
  - This module compares the names of the user's variables with the inputs that the roles of this collection declare, and names every slip
    at once, with the nearest right name.
  - Looked at are the extra variables, the inventory, and the files in C(group_vars) and C(host_vars) beside the inventory and the
    playbook, also those of groups and hosts that do not exist yet.
  - A name is a slip when it starts with the name of a role of this collection or with C(stack_) and is not declared, or when it is very
    similar to a declared one. All other names are the user's own.
  - Values are not looked at. The argument specifications of the roles do that.
options: {}
attributes:
  check_mode:
    description: Can run in check mode and return the same result.
    support: full
  diff_mode:
    description: Nothing changes, so there is nothing to compare.
    support: none
  idempotent:
    description: Nothing changes, however often it runs.
    support: full
notes:
  - This is an action plugin. It runs on the controller and connects to no host.
"""

EXAMPLES = r"""
- name: Stop at misspelt variables before anything is created
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Compare the variable names with the inputs of the roles
      trainyard.aws.variable_names:
"""

RETURN = r"""
checked:
  description: How many names were compared.
  type: int
  returned: always
  sample: 42
unknown:
  description: The names that nothing reads.
  type: list
  elements: dict
  returned: always
  contains:
    name:
      description: The name as it was found.
      type: str
      sample: efs_mount_pth
    where:
      description: The file, group or host that sets it, or C(extra variables).
      type: str
      sample: inventories/aws/group_vars/all.yml
    nearest:
      description: The declared name that is most similar, or V(null).
      type: str
      sample: efs_mount_path
"""

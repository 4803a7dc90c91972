#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: accelerator_info
short_description: Find the accelerators of a machine
version_added: 1.0.0
description:
  - Tells which NVIDIA GPUs and Gaudi accelerators a machine has, whether its GPUs are joined by NVSwitch, and how many EFA
    devices it has, from the ids of its PCI devices. It needs no driver, no C(lspci) and no root. Changes nothing.
  - A device is found before its driver is installed, so that a role can choose the driver by it.
options:
  sysfs:
    description: Where the kernel shows its devices.
    type: path
    default: /sys
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
- name: Find the accelerators
  trainyard.aws.accelerator_info:
  register: machine

- name: Show how many GPUs there are
  ansible.builtin.debug:
    msg: "{{ machine.accelerators | selectattr('vendor', 'equalto', 'nvidia') | map(attribute='count') | sum }}"
"""

RETURN = r"""
accelerators:
  description: The accelerators, alike ones as one item.
  type: list
  elements: dict
  returned: success
  contains:
    vendor:
      description: V(nvidia) or V(habana).
      type: str
      sample: nvidia
    name:
      description: The model, or the PCI device id where the model is not known.
      type: str
      sample: L4
    architecture:
      description: >-
        The generation that decides about drivers: V(kepler), V(maxwell), V(pascal), V(volta), V(turing), V(ampere), V(ada),
        V(hopper), V(blackwell), V(gaudi), V(gaudi2), V(gaudi3) or V(unknown).
      type: str
      sample: ada
    count:
      description: How many of them.
      type: int
      sample: 4
nvswitch:
  description: >-
    Whether NVSwitches join the GPUs, so that they need a fabric manager. Two or more B200 or B300 count as joined: their
    switches are no PCI devices.
  type: bool
  returned: success
  sample: false
efa_devices:
  description: How many Elastic Fabric Adapters.
  type: int
  returned: success
  sample: 0
"""

from dataclasses import asdict
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.trainyard.aws.plugins.module_utils._accelerators import inventory_of
from ansible_collections.trainyard.aws.plugins.module_utils._pci_devices import pci_devices


def main() -> None:
    module = AnsibleModule(argument_spec={"sysfs": {"type": "path", "default": "/sys"}}, supports_check_mode=True)
    found = inventory_of(pci_devices(Path(module.params["sysfs"])))
    module.exit_json(
        changed=False,
        accelerators=[{**asdict(kind), "count": count} for kind, count in found.accelerators],
        nvswitch=found.nvswitch,
        efa_devices=found.efa_devices,
    )


if __name__ == "__main__":
    main()

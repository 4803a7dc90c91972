# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: nvidia_driver
short_description: The driver that fits a machine's NVIDIA GPUs
version_added: 1.0.0
description:
  - Chooses branch, kernel modules, packages and repository of NVIDIA's driver by the generation of the GPUs and by the system, or says
    why no driver fits.
options:
  _input:
    description: What RV(trainyard.aws.accelerator_info#module:accelerators) lists.
    type: list
    elements: dict
    required: true
  facts:
    description: The facts of the machine; C(distribution), C(distribution_version), C(architecture) and C(kernel) count.
    type: dict
    required: true
  branch:
    description: A branch such as V(580) instead of the table's.
    type: str
    default: ''
  version:
    description: A version such as V(580.159.04); it decides about the branch too.
    type: str
    default: ''
  modules:
    description: V(open) or V(proprietary) instead of the table's.
    type: str
    default: ''
seealso:
  - module: trainyard.aws.accelerator_info
author:
  - The trainyard developers (@trainyard)
"""

EXAMPLES = r"""
# 580 for an L4 on Ubuntu 24.04
branch: "{{ (machine.accelerators | trainyard.aws.nvidia_driver(ansible_facts)).branch }}"
"""

RETURN = r"""
_value:
  description: >-
    C(refusal), empty when a driver fits, and then C(branch), C(modules), C(repository), C(key_file), C(key_fingerprint), C(packages),
    C(headers), C(stream), C(fabric_manager), C(switch_packages) and C(switch_modules).
  type: dict
"""

import typing as t
from dataclasses import asdict

from ansible_collections.trainyard.aws.plugins.plugin_utils._nvidia_driver import Refusal, System, Wish, choose


def nvidia_driver(
    accelerators: t.Sequence[t.Mapping[str, t.Any]],
    facts: t.Mapping[str, t.Any],
    branch: str = "",
    version: str = "",
    modules: str = "",
) -> dict[str, t.Any]:
    """What to install for the NVIDIA GPUs among ``accelerators``, or why nothing fits."""
    gpus = [(item["name"], item["architecture"]) for item in accelerators if item["vendor"] == "nvidia"]
    number = str(facts["distribution_version"])
    system = System(
        distribution=str(facts["distribution"]),
        version=number.split(".", maxsplit=1)[0] if facts["distribution"] == "Debian" else number,
        architecture=str(facts["architecture"]),
        kernel=str(facts["kernel"]),
    )
    try:
        choice = asdict(choose(gpus, system, Wish(str(branch), str(version), str(modules))))
    except Refusal as refusal:
        return {"refusal": str(refusal)}
    # Templates add lists, not tuples.
    return {"refusal": "", **{key: list(value) if isinstance(value, tuple) else value for key, value in choice.items()}}


class FilterModule:
    """The filter about NVIDIA's driver."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"nvidia_driver": nvidia_driver}

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Which accelerators of its node a container gets, and how Docker is asked for them. Pure."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.trainyard.aws.plugins.module_utils._container_types import TrainingError

ALL, NONE = "all", "none"
ACCELERATOR_FORMS = f'Write "{ALL}", "{NONE}", or numbers from 0 with commas between them, such as "0,2".'
_NUMBERS = re.compile(r"\d{1,3}(,\d{1,3})*")
_VENDORS = {"nvidia": "NVIDIA GPU", "habana": "Gaudi accelerator"}
# Open MPI may not read the memory of other processes in a container.
_OF_GAUDI = {"OMPI_MCA_btl_vader_single_copy_mechanism": "none"}


@dataclass(frozen=True)
class Machine:
    """What a node has: accelerators by their vendor, Docker's runtimes, and whether Docker knows the GPUs by a description (CDI)."""

    accelerators: t.Mapping[str, int] = field(default_factory=dict)
    runtimes: t.Collection[str] = ()
    gpus_described: bool = False


@dataclass(frozen=True)
class Given:
    """What a container is created with to have its accelerators."""

    runtime: str = ""
    devices: tuple[str, ...] = ()
    environment: t.Mapping[str, str] = field(default_factory=dict)
    capabilities: tuple[str, ...] = ()


def accelerators_fault(wanted: str) -> str:
    """What is wrong with this wish, or nothing."""
    if wanted in (ALL, NONE):
        return ""
    if not _NUMBERS.fullmatch(wanted):
        return f'"{wanted}" names no accelerators.'
    numbers = wanted.split(",")
    return "" if len(set(map(int, numbers))) == len(numbers) else f'"{wanted}" names an accelerator twice.'


def given_to(run_id: str, wanted: str, machine: Machine) -> Given:
    """What the container of a run gets of a machine's accelerators. Raises TrainingError where it cannot have what is wanted."""
    vendor = next((each for each in _VENDORS if machine.accelerators.get(each)), "")
    if wanted == NONE:
        # An image may ask for all by itself, and the runtime may be the usual one.
        return Given(environment={f"{vendor.upper()}_VISIBLE_DEVICES": "void"} if vendor else {})
    if wanted != ALL:
        _refuse_missing(run_id, wanted, machine.accelerators.get(vendor, 0))
    if not vendor:
        return Given()
    if vendor == "nvidia" and machine.gpus_described:
        return Given(devices=tuple(f"nvidia.com/gpu={number}" for number in wanted.split(",")))
    if vendor not in machine.runtimes:
        raise TrainingError(
            f'Cannot give run "{run_id}" its accelerators',
            f"the node has {machine.accelerators[vendor]} x {_VENDORS[vendor]}, and Docker does not know how to hand them on.",
            f'Run the playbook configure, or set accelerators to "{NONE}" to train without.',
        )
    if vendor == "habana":
        return Given("habana", (), {"HABANA_VISIBLE_DEVICES": wanted, **_OF_GAUDI}, ("SYS_NICE",))
    return Given("nvidia", (), {"NVIDIA_VISIBLE_DEVICES": wanted, "NVIDIA_DRIVER_CAPABILITIES": "compute,utility"})


def _refuse_missing(run_id: str, wanted: str, count: int) -> None:
    missing = [number for number in wanted.split(",") if int(number) >= count]
    if missing:
        raise TrainingError(
            f'Cannot give run "{run_id}" its accelerators',
            f"the node has {count}, numbered from 0, and no number {missing[0]}.",
            "Ask for others, or choose another node.",
        )

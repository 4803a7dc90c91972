# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Which accelerators a machine has, by the ids of its PCI devices. Pure.

Ids: https://github.com/pciutils/pciids, version 2026.08.22; Gaudi's variants: the driver habanalabs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

_NVIDIA = 0x10DE
_HABANA = 0x1DA3
_AMAZON = 0x1D0F
_DISPLAY = 0x03  # base class of every GPU, with and without a screen; its sound and USB functions have others

# NVIDIA gives each chip a range of ids, so that a card without a name here is known by its generation all the same.
_NVIDIA_RANGES = (
    (0x0FC0, 0x103F, "kepler"),
    (0x1180, 0x11FF, "kepler"),
    (0x1280, 0x133F, "kepler"),
    (0x1340, 0x15BF, "maxwell"),
    (0x15C0, 0x15FF, "pascal"),
    (0x1600, 0x16FF, "maxwell"),
    (0x1700, 0x173F, "pascal"),
    (0x1740, 0x17FF, "maxwell"),
    (0x1B00, 0x1D7F, "pascal"),
    (0x1D80, 0x1DFF, "volta"),
    (0x1E00, 0x1FFF, "turing"),
    (0x2080, 0x20FF, "ampere"),
    (0x2180, 0x21FF, "turing"),
    (0x2200, 0x228F, "ampere"),
    (0x2300, 0x23FF, "hopper"),
    (0x2400, 0x25FF, "ampere"),
    (0x2600, 0x28FF, "ada"),
    (0x2900, 0x2F7F, "blackwell"),
    (0x3180, 0x323F, "blackwell"),
)
_NVIDIA_NAMES = {
    0x102D: "K80",
    0x118A: "K520",
    0x13F2: "M60",
    0x15F7: "P100",
    0x15F8: "P100",
    0x15F9: "P100",
    0x1B38: "P40",
    0x1BB3: "P4",
    0x1DB1: "V100",
    0x1DB3: "V100",
    0x1DB4: "V100",
    0x1DB5: "V100",
    0x1DB6: "V100",
    0x1DB8: "V100",
    0x1DF5: "V100",
    0x1DF6: "V100S",
    0x1EB4: "T4G",
    0x1EB8: "T4",
    0x20B0: "A100",
    0x20B1: "A100",
    0x20B2: "A100",
    0x20B5: "A100",
    0x20B7: "A30",
    0x20F1: "A100",
    0x2235: "A40",
    0x2236: "A10",
    0x2237: "A10G",
    0x2321: "H100",
    0x2330: "H100",
    0x2331: "H100",
    0x2335: "H200",
    0x2336: "H100",
    0x2339: "H100",
    0x233B: "H200",
    0x2342: "GH200",
    0x2348: "GH200",
    0x26B5: "L40",
    0x26B9: "L40S",
    0x27B8: "L4",
    0x2901: "B200",
    0x2909: "B200",
    0x2941: "GB200",
    0x2BB1: "RTX PRO 6000",
    0x2BB4: "RTX PRO 6000",
    0x2BB5: "RTX PRO 6000",
    0x2C31: "RTX PRO 4500",
    0x2C3A: "RTX PRO 4500",
    0x3182: "B300",
    0x31C2: "GB300",
    0x31C3: "GB300",
}
_NVSWITCHES = (0x1AF1, 0x22A3)
# Their switches are no PCI devices; several of them on one board are always joined by switches.
_SWITCHED_WITHOUT_DEVICE = ("B200", "B300")
_HABANA_NAMES = {
    0x1000: "Gaudi",
    0x1001: "Gaudi",
    0x1010: "Gaudi",
    0x1011: "Gaudi",
    0x1020: "Gaudi2",
    0x1021: "Gaudi2",
    0x1060: "Gaudi3",
    0x1062: "Gaudi3",
    0x1063: "Gaudi3",
}
_EFA_DEVICES = range(0xEFA0, 0xEFB0)


@dataclass(frozen=True)
class PciDevice:
    vendor: int
    device: int
    kind: int  # class, subclass and interface, three bytes


@dataclass(frozen=True, order=True)
class Accelerator:
    vendor: str
    name: str
    architecture: str


@dataclass(frozen=True)
class Inventory:
    accelerators: tuple[tuple[Accelerator, int], ...]
    nvswitch: bool
    efa_devices: int


def inventory_of(devices: Iterable[PciDevice]) -> Inventory:
    """What of ``devices`` matters for training, alike ones counted."""
    present = tuple(devices)
    counts = Counter(found for found in map(_accelerator, present) if found)
    return Inventory(
        accelerators=tuple(sorted(counts.items())),
        nvswitch=any(device.vendor == _NVIDIA and device.device in _NVSWITCHES for device in present)
        or any(kind.name in _SWITCHED_WITHOUT_DEVICE and count > 1 for kind, count in counts.items()),
        efa_devices=sum(device.vendor == _AMAZON and device.device in _EFA_DEVICES for device in present),
    )


def _accelerator(device: PciDevice) -> Accelerator | None:
    if device.vendor == _NVIDIA and device.kind >> 16 == _DISPLAY:
        name = _NVIDIA_NAMES.get(device.device, f"{device.device:04x}")
        return Accelerator("nvidia", name, _nvidia_architecture(device.device))
    if device.vendor == _HABANA:
        name = _HABANA_NAMES.get(device.device, f"{device.device:04x}")
        return Accelerator("habana", name, name.lower() if device.device in _HABANA_NAMES else "unknown")
    return None


def _nvidia_architecture(device: int) -> str:
    return next((name for first, last, name in _NVIDIA_RANGES if first <= device <= last), "unknown")

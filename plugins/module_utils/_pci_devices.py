# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""The PCI devices that the kernel shows below /sys, without lspci and its list of names."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.trainyard.aws.plugins.module_utils._accelerators import PciDevice


def pci_devices(sysfs: Path) -> tuple[PciDevice, ...]:
    """Every device below ``sysfs``; none where the machine has no PCI bus."""
    places = sorted(sysfs.glob("bus/pci/devices/*"))
    return tuple(
        PciDevice(_number(place / "vendor"), _number(place / "device"), _number(place / "class")) for place in places
    )


def _number(path: Path) -> int:
    return int(path.read_text(encoding="ascii"), 16)

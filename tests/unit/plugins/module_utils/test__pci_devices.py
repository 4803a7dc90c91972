# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

from ansible_collections.trainyard.aws.plugins.module_utils._accelerators import PciDevice
from ansible_collections.trainyard.aws.plugins.module_utils._pci_devices import pci_devices


def test_reads_what_the_kernel_shows(tmp_path: Path) -> None:
    for address, vendor, device in [("0000:00:1e.0", "0x10de", "0x1eb8"), ("0000:00:03.0", "0x1d0f", "0xec20")]:
        place = tmp_path / "bus/pci/devices" / address
        place.mkdir(parents=True)
        for name, value in {"vendor": vendor, "device": device, "class": "0x030200"}.items():
            (place / name).write_text(f"{value}\n")
    assert pci_devices(tmp_path) == (PciDevice(0x1D0F, 0xEC20, 0x030200), PciDevice(0x10DE, 0x1EB8, 0x030200))


def test_a_machine_without_a_bus_has_no_devices(tmp_path: Path) -> None:
    assert pci_devices(tmp_path) == ()

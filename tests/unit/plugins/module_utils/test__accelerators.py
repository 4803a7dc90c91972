# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils._accelerators import Accelerator, PciDevice, inventory_of

NETWORK, SOUND, SCREEN, GPU, BRIDGE, PROCESSING = 0x020000, 0x040300, 0x030000, 0x030200, 0x068000, 0x120000
NVIDIA, HABANA, AMAZON, INTEL = 0x10DE, 0x1DA3, 0x1D0F, 0x8086


@pytest.mark.parametrize(
    ("device", "name", "architecture"),
    [
        (0x102D, "K80", "kepler"),  # p2
        (0x13F2, "M60", "maxwell"),  # g3
        (0x15F8, "P100", "pascal"),
        (0x1DB1, "V100", "volta"),  # p3
        (0x1DB5, "V100", "volta"),  # p3dn
        (0x1EB8, "T4", "turing"),  # g4dn
        (0x1EB4, "T4G", "turing"),  # g5g
        (0x2237, "A10G", "ampere"),  # g5
        (0x20B0, "A100", "ampere"),  # p4d
        (0x20B2, "A100", "ampere"),  # p4de
        (0x27B8, "L4", "ada"),  # g6
        (0x26B9, "L40S", "ada"),  # g6e
        (0x2330, "H100", "hopper"),  # p5
        (0x2335, "H200", "hopper"),  # p5e, p5en
        (0x2901, "B200", "blackwell"),  # p6-b200
        (0x3182, "B300", "blackwell"),  # p6-b300
        (0x2C3A, "RTX PRO 4500", "blackwell"),  # g7
        (0x2BB5, "RTX PRO 6000", "blackwell"),  # g7e
        (0x2204, "2204", "ampere"),  # a GeForce RTX 3090, by its range
        (0x2684, "2684", "ada"),  # a GeForce RTX 4090
        (0x2B85, "2b85", "blackwell"),  # a GeForce RTX 5090
        (0x1040, "1040", "unknown"),  # Fermi, older than any branch here
        (0x4321, "4321", "unknown"),  # newer than this table
    ],
)
def test_knows_each_gpu_and_its_generation(device: int, name: str, architecture: str) -> None:
    found = inventory_of([PciDevice(NVIDIA, device, GPU)])
    assert found.accelerators == ((Accelerator("nvidia", name, architecture), 1),)


@pytest.mark.parametrize(
    ("device", "name", "architecture"),
    [
        (0x1000, "Gaudi", "gaudi"),
        (0x1010, "Gaudi", "gaudi"),
        (0x1020, "Gaudi2", "gaudi2"),
        (0x1060, "Gaudi3", "gaudi3"),
        (0x1063, "Gaudi3", "gaudi3"),
        (0x1070, "1070", "unknown"),
    ],
)
def test_knows_each_gaudi(device: int, name: str, architecture: str) -> None:
    found = inventory_of([PciDevice(HABANA, device, PROCESSING)] * 8)
    assert found.accelerators == ((Accelerator("habana", name, architecture), 8),)


@pytest.mark.parametrize(
    ("devices", "joined"),
    [
        pytest.param([PciDevice(NVIDIA, 0x20B0, GPU)] * 8 + [PciDevice(NVIDIA, 0x1AF1, BRIDGE)] * 6, True, id="p4d"),
        pytest.param([PciDevice(NVIDIA, 0x2330, GPU)] * 8 + [PciDevice(NVIDIA, 0x22A3, BRIDGE)] * 4, True, id="p5"),
        pytest.param([PciDevice(NVIDIA, 0x2330, GPU)], False, id="one H100"),
        pytest.param([PciDevice(NVIDIA, 0x2901, GPU)] * 8, True, id="p6-b200"),
        pytest.param([PciDevice(NVIDIA, 0x2901, GPU)], False, id="one B200"),
        pytest.param([PciDevice(NVIDIA, 0x26B9, GPU)] * 8, False, id="g6e"),
        pytest.param([PciDevice(INTEL, 0x22A3, BRIDGE)], False, id="another vendor's device of that id"),
    ],
)
def test_tells_whether_switches_join_the_gpus(devices: list[PciDevice], joined: bool) -> None:
    assert inventory_of(devices).nvswitch is joined


def test_counts_efa_devices() -> None:
    devices = [PciDevice(AMAZON, device, NETWORK) for device in (0xEC20, 0xEFA0, 0xEFA2, 0xEFA4)]
    assert inventory_of(devices).efa_devices == 3


def test_counts_a_gpu_once_though_it_has_sound_and_a_screen() -> None:
    found = inventory_of([PciDevice(NVIDIA, 0x2684, SCREEN), PciDevice(NVIDIA, 0x22BA, SOUND)])
    assert [count for _, count in found.accelerators] == [1]


def test_lists_different_kinds_in_order() -> None:
    found = inventory_of(
        [PciDevice(NVIDIA, 0x27B8, GPU), PciDevice(NVIDIA, 0x1EB8, GPU), PciDevice(NVIDIA, 0x27B8, GPU)]
    )
    assert [(kind.name, count) for kind, count in found.accelerators] == [("L4", 2), ("T4", 1)]


def test_finds_nothing_where_nothing_is() -> None:
    found = inventory_of([PciDevice(INTEL, 0x1237, 0x060000)])
    assert (found.accelerators, found.nvswitch, found.efa_devices) == ((), False, 0)

# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils._container_accelerators import (
    Given,
    Machine,
    accelerators_fault,
    given_to,
)
from ansible_collections.trainyard.aws.plugins.module_utils._container_types import TrainingError

GPUS = Machine({"nvidia": 4}, ("runc", "nvidia"))
DESCRIBED = Machine({"nvidia": 4}, ("runc", "nvidia"), gpus_described=True)
GAUDI = Machine({"habana": 8}, ("runc", "habana"))
BARE = Machine({}, ("runc",))


@pytest.mark.parametrize("wanted", ["all", "none", "0", "0,2", "7,3,1"])
def test_a_wish_that_can_be_read(wanted: str) -> None:
    assert accelerators_fault(wanted) == ""


@pytest.mark.parametrize("wanted", ["", "ALL", "0,", "-1", "0 2", "0,0", "00,0", "gpu0", "0\n"])
def test_a_wish_that_cannot_be_read(wanted: str) -> None:
    assert wanted in accelerators_fault(wanted)


@pytest.mark.parametrize(
    ("wanted", "machine", "given"),
    [
        ("all", DESCRIBED, Given(devices=("nvidia.com/gpu=all",))),
        ("0,2", DESCRIBED, Given(devices=("nvidia.com/gpu=0", "nvidia.com/gpu=2"))),
        ("all", GPUS, Given("nvidia", (), {"NVIDIA_VISIBLE_DEVICES": "all", "NVIDIA_DRIVER_CAPABILITIES": "compute,utility"})),
        ("1", GPUS, Given("nvidia", (), {"NVIDIA_VISIBLE_DEVICES": "1", "NVIDIA_DRIVER_CAPABILITIES": "compute,utility"})),
        (
            "all",
            GAUDI,
            Given(
                "habana",
                (),
                {"HABANA_VISIBLE_DEVICES": "all", "OMPI_MCA_btl_vader_single_copy_mechanism": "none"},
                ("SYS_NICE",),
            ),
        ),
        ("none", GPUS, Given(environment={"NVIDIA_VISIBLE_DEVICES": "void"})),
        ("none", GAUDI, Given(environment={"HABANA_VISIBLE_DEVICES": "void"})),
        ("all", BARE, Given()),
        ("none", BARE, Given()),
    ],
    ids=[
        "described", "some described", "by runtime", "one by runtime", "gaudi", "no gpu", "no gaudi", "nothing there",
        "nothing there and none wanted",
    ],
)  # fmt: skip
def test_what_a_container_gets(wanted: str, machine: Machine, given: Given) -> None:
    assert given_to("a", wanted, machine) == given


@pytest.mark.parametrize("machine", [Machine({"nvidia": 4}, ("runc",)), Machine({"habana": 8}, ("runc", "nvidia"))])
def test_a_training_does_not_go_without_what_the_node_has(machine: Machine) -> None:
    with pytest.raises(TrainingError, match=r"Docker does not know how to hand them on.*configure"):
        given_to("a", "all", machine)


@pytest.mark.parametrize(("wanted", "machine"), [("0", BARE), ("0,4", GPUS), ("8", GAUDI)])
def test_an_accelerator_that_is_not_there(wanted: str, machine: Machine) -> None:
    with pytest.raises(TrainingError, match=f"no number {wanted.rsplit(',', 1)[-1]}"):
        given_to("a", wanted, machine)

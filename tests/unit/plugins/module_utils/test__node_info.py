# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils._node_info import services_in

NAMES = ("docker", "swap.target", "nobody")
NOTHING = {"active": False, "enabled": False, "masked": False}


@pytest.mark.parametrize(
    ("shown", "services"),
    [
        pytest.param(
            # systemd 252: docker runs, swap.target is masked, nobody is not there.
            "ActiveState=active\nUnitFileState=enabled\n\nActiveState=inactive\nUnitFileState=masked\n\n"
            "ActiveState=inactive\nUnitFileState=",
            [
                {"active": True, "enabled": True, "masked": False},
                {"active": False, "enabled": False, "masked": True},
                NOTHING,
            ],
            id="in the order in which they were asked",
        ),
        pytest.param(
            "ActiveState=activating\nUnitFileState=enabled-runtime\n\nActiveState=failed\nUnitFileState=static\n\n",
            [NOTHING, NOTHING, NOTHING],
            id="neither runs nor stays",
        ),
        pytest.param("", [NOTHING, NOTHING, NOTHING], id="no systemd"),
    ],
)
def test_what_systemd_shows_of_services(shown: str, services: list[dict[str, bool]]) -> None:
    assert services_in(shown, NAMES) == dict(zip(NAMES, services, strict=True))

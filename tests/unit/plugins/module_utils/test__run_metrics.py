# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.trainyard.aws.plugins.module_utils._run_metrics import UNITS
from botocore.session import Session


def test_units_are_those_of_cloudwatch() -> None:
    known = Session().get_service_model("cloudwatch").shape_for("StandardUnit").enum
    assert set(UNITS.values()) <= set(known)

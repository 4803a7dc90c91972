# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.trainyard.aws.plugins.filter.nvidia_driver import FilterModule

nvidia_driver = FilterModule().filters()["nvidia_driver"]
FACTS = {
    "distribution": "Debian",
    "distribution_version": "12.11",
    "architecture": "x86_64",
    "kernel": "6.1.0-40-amd64",
}
L4 = {"vendor": "nvidia", "name": "L4", "architecture": "ada", "count": 4}
GAUDI = {"vendor": "habana", "name": "Gaudi", "architecture": "gaudi", "count": 8}


def test_chooses_for_the_gpus_and_leaves_other_accelerators_aside() -> None:
    chosen = nvidia_driver([L4, GAUDI], FACTS)
    assert (chosen["refusal"], chosen["branch"], chosen["repository"]) == ("", "580", "debian12/x86_64")


def test_says_why_nothing_fits() -> None:
    assert nvidia_driver([L4], FACTS, branch=470) == {
        "refusal": "NVIDIA L4 with driver branch 470: 535 is the first that drives it. Leave nvidia_driver_branch empty, or "
        "name a newer one."
    }

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The doors, ways out and stores beyond the default plan, each lived by a user who holds only the policy written for it.

It takes long, so it is a suite of its own; the default plan is lived in test_permissions.py.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.driver import Lab, Stack, copy_inventory, stack_environment
from tests.e2e.rights import needless, operator_of, refused, written_policies

NAME = "choices"
SPOT = {"name": "train", "count": 1, "instance_types": ["g6.xlarge"], "markets": ["spot", "on-demand"]}
PLANS = {
    "ssm": {"aws_access_door": "ssm", "aws_network_egress": "endpoints", "aws_network_flow_logs_enabled": True},
    "instance_connect": {
        "aws_access_door": "instance_connect",
        "aws_network_egress": "nat_instance",
        "aws_nodes_groups": [SPOT],
    },
    "lustre": {"aws_storage_lustre_gib": 1200},
    "monitor": {"aws_monitor_place": "instance"},
    "monitor on the bastion": {"aws_monitor_place": "bastion"},
}
# What this life of a stack did not need: a session ends with its connection, and is not ended by a call.
NOT_LIVED = {"ssm": ["EndSession"]}
# Packages of Grafana cannot be had in the lab.
NOT_INSTALLED = ("-e", "target=nobody")


@pytest.mark.parametrize("plan", PLANS)
def test_the_written_policy_is_enough_and_not_too_much(lab: Lab, tmp_path: Path, plan: str) -> None:
    inventory = copy_inventory(NAME, tmp_path / "inventory", "10.86")
    owner = Stack(NAME, lab, tmp_path, inventory, "", stack_environment(lab, tmp_path))
    choice = ("-e", json.dumps(PLANS[plan]))
    policies = written_policies(owner, *choice)
    with operator_of(owner, policies) as operator:
        start = len(operator.asked())
        for verb in ("provision", "provision", "configure", "status"):
            outcome = operator.play(verb, *choice)
            assert outcome.status == 0, outcome.text
        outcome = operator.play("observe", *choice, *NOT_INSTALLED)
        assert outcome.status == 0, outcome.text
        outcome = operator.play("destroy", *choice, "-e", f"stack_purge={NAME}")
        assert outcome.status == 0, outcome.text
        assert f'0 left of stack "{NAME}"' in outcome.text
        questions = operator.asked()[start:]
    assert refused(questions, policies) == set()
    assert needless(questions, policies) == NOT_LIVED.get(plan, [])

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: cloudwatch_agent_configuration
short_description: The configuration of the CloudWatch agent
version_added: 1.0.0
description:
  - Writes the agent's configuration from the inputs of role P(trainyard.aws.cloudwatch_agent#role), and says what is wrong with them.
  - The agent itself takes a measurement name that it does not know, and then reports nothing.
options:
  _input:
    description: Inputs of the role without its prefix. C(measurements) has a list of names for each section, C(region) is required.
    type: dict
    required: true
author:
  - The trainyard developers (@trainyard)
"""

EXAMPLES = r"""
# {"faults": ["\"usage_idel\" is no measurement of cpu. The nearest is \"usage_idle\"."], "configuration": {}}
outcome: "{{ {'region': 'us-east-1', 'measurements': {'cpu': ['usage_idel']}} | trainyard.aws.cloudwatch_agent_configuration }}"
"""

RETURN = r"""
_value:
  description: C(configuration), empty if there are faults, and C(faults), a list of sentences.
  type: dict
"""

import typing as t

from ansible_collections.trainyard.aws.plugins.plugin_utils._cloudwatch_agent import Wanted, configuration, faults


def cloudwatch_agent_configuration(inputs: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The configuration, or what keeps it from being written."""
    wanted = Wanted(**inputs)
    found = faults(wanted)
    return {"configuration": {} if found else configuration(wanted), "faults": found}


class FilterModule:
    """The filter of this file, for Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"cloudwatch_agent_configuration": cloudwatch_agent_configuration}

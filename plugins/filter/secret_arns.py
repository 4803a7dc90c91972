# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: secret_arns
short_description: What a policy must allow, so that secrets can be read
version_added: 1.0.0
description:
  - Tells the action and the ARNs for each store of secrets that is named. No secret is read.
positional: region, account_id
options:
  _input:
    description: Where secrets lie, as C(ssm:/team/hf-token), C(secretsmanager:wandb), with or without a key after C(#), or as ARNs.
    type: list
    elements: str
    required: true
  region:
    description: The region of those that are no ARN.
    type: str
    required: true
  account_id:
    description: The account of those that are no ARN.
    type: str
    required: true
author:
  - The trainyard developers (@trainyard)
"""

EXAMPLES = r"""
# {"ssm:GetParameter": ["arn:aws:ssm:us-east-1:123456789012:parameter/team/hf-token"]}
allowed: "{{ ['ssm:/team/hf-token'] | trainyard.aws.secret_arns('us-east-1', '123456789012') }}"
"""

RETURN = r"""
_value:
  description: Lists of ARNs by action.
  type: dict
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.trainyard.aws.plugins.module_utils._secrets import FORMS, arns_of


def secret_arns(places: t.Sequence[str], region: str, account_id: str) -> dict[str, list[str]]:
    """Lists of ARNs by action."""
    try:
        return arns_of(places, region, account_id)
    except ValueError as error:
        raise AnsibleFilterError(f"Cannot allow the nodes to read secrets: {error} {FORMS}") from error


class FilterModule:
    """Filters about secrets."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"secret_arns": secret_arns}

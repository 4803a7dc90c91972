# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.trainyard.aws.plugins.filter.secret_arns import FilterModule

SECRET_ARNS = FilterModule().filters()["secret_arns"]


def test_what_a_policy_must_allow() -> None:
    assert SECRET_ARNS(["ssm:a"], "us-east-1", "123456789012") == {
        "ssm:GetParameter": ["arn:aws:ssm:us-east-1:123456789012:parameter/a"]
    }


def test_a_place_that_is_none_is_said_with_the_forms() -> None:
    with pytest.raises(AnsibleFilterError, match=r"'vault:a' is no place of a secret\. Write it as ssm:"):
        SECRET_ARNS(["vault:a"], "us-east-1", "123456789012")

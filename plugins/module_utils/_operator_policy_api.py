# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Asks IAM what the caller lacks. Reads only."""

from __future__ import annotations

import re
import typing as t
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.trainyard.aws.plugins.module_utils._operator_policy import Statement, simulations

try:
    from botocore.exceptions import ClientError
except ImportError:
    pass  # AnsibleAWSModule says so

Client = t.Any

_SESSION = re.compile(r"arn:([^:]+):sts::(\d+):assumed-role/([^/]+)/.+")
_NO_ANSWER = ("AccessDenied", "AccessDeniedException", "NoSuchEntity", "InvalidInput", "ValidationError")


def missing_permissions(iam: Client, caller: str, chosen: t.Sequence[Statement]) -> list[str] | None:
    """The actions of these statements that the caller lacks; None where IAM does not say.

    ``caller`` is the ARN of sts:GetCallerIdentity. The account's root may do everything.
    """
    if caller.endswith(":root"):
        return []
    source = _SESSION.sub(r"arn:\1:iam::\2:role/\3", caller)

    def lacked(question: dict[str, t.Any]) -> list[str]:
        pages = iam.get_paginator("simulate_principal_policy").paginate(PolicySourceArn=source, **question)
        answers = [answer for page in pages for answer in page["EvaluationResults"]]
        return [answer["EvalActionName"] for answer in answers if answer["EvalDecision"] != "allowed"]

    try:
        with ThreadPoolExecutor(max_workers=8) as pool:
            missing = {action for actions in pool.map(lacked, simulations(chosen)) for action in actions}
    except ClientError as error:
        if error.response["Error"]["Code"] in _NO_ANSWER:
            return None
        raise
    return sorted(missing)

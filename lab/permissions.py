# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a role may do in S3: moto evaluates its policies for calls signed with a role's credentials, so for every box."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from moto import settings
from moto.iam.access_control import IAMPolicyStatement, IAMRequestBase, PermissionResult
from moto.s3.responses import ACTION_MAP

from lab.calls import Call
from lab.patching import regional_backends

NEVER, FROM_THE_FIRST_CALL = float("inf"), 0

# What a box's call says of itself. The lab's own wire, which never leaves the machine, stands for AWS's TLS.
CONTEXT = {"aws:SecureTransport": "true"}


def install() -> None:
    """The operator's key may do everything; the lab checks permissions, not signatures."""
    settings.INITIAL_NO_AUTH_ACTION_COUNT = NEVER
    ACTION_MAP["BUCKET"]["HEAD"]["DEFAULT"] = "ListBucket"  # AWS: HeadBucket needs s3:ListBucket
    IAMRequestBase.check_signature = lambda self: None  # type: ignore[method-assign]
    IAMPolicyStatement.is_action_permitted = with_conditions(  # type: ignore[method-assign]
        IAMPolicyStatement.is_action_permitted
    )


def with_conditions(evaluate: Callable[..., PermissionResult]) -> Callable[..., PermissionResult]:
    """AWS passes over a statement whose condition does not hold; moto would take even a Deny for a refusal then."""

    def is_action_permitted(statement: IAMPolicyStatement, *arguments: Any, **named: Any) -> PermissionResult:
        holds = condition_holds(statement._statement.get("Condition"))
        if holds is None:
            return evaluate(statement, *arguments, **named)
        if not holds:
            return PermissionResult.NEUTRAL
        unconditional = {key: value for key, value in statement._statement.items() if key != "Condition"}
        return evaluate(IAMPolicyStatement(unconditional), *arguments, **named)

    return is_action_permitted


def condition_holds(condition: dict[str, dict[str, Any]] | None) -> bool | None:
    """Whether a condition on what CONTEXT knows holds; None when there is none, or it asks for something else."""
    if not condition or set(condition) != {"Bool"} or not set(condition["Bool"]) <= set(CONTEXT):
        return None
    return all(str(value).lower() == CONTEXT[key] for key, value in condition["Bool"].items())


@contextmanager
def bound(call: Call) -> Iterator[None]:
    """Inside, moto evaluates policies when the call binds. The caller holds the account's lock."""
    settings.INITIAL_NO_AUTH_ACTION_COUNT = FROM_THE_FIRST_CALL if binds(call) else NEVER
    try:
        yield
    finally:
        settings.INITIAL_NO_AUTH_ACTION_COUNT = NEVER


def binds(call: Call) -> bool:
    """Calls to S3 with a role's credentials. For other services moto does not know which resource a call means."""
    sessions = (session for backend in regional_backends("sts") for session in backend.assumed_roles)
    return call.service == "s3" and any(session.access_key_id == call.access_key for session in sessions)

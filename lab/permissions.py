# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Users and roles are held to their policies in every service. The lab's own key may do everything."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moto import settings
from moto.backends import get_backend
from moto.core.responses import ActionResult
from moto.iam.access_control import IAMPolicy, IAMPolicyStatement, PermissionResult
from moto.iam.responses import IamResponse

from lab.authorizations import questions
from lab.calls import Call
from lab.errors import Answer, typed_error
from lab.patching import regional_backends
from lab.policies import Decision, Question, decide
from lab.settings import ACCOUNT

NEVER = float("inf")
ALWAYS_ALLOWED = ("sts:GetCallerIdentity",)
LONGEST_RECORD = 20_000


@dataclass(frozen=True)
class Principal:
    """Who calls, and the documents of its policies."""

    arn: str
    policies: tuple[Mapping[str, Any], ...]


# The lab's own key: nothing binds it but what the policy of a bucket forbids to everybody.
OWNER = Principal(f"arn:aws:iam::{ACCOUNT}:root", ({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}},))


class Permissions:
    """Decides on calls, and remembers what was asked of whom."""

    def __init__(self) -> None:
        self._record: deque[dict[str, Any]] = deque(maxlen=LONGEST_RECORD)

    def refusal(self, call: Call) -> Answer | None:
        """The error that AWS would answer, or None where the call may go through. The caller holds the account's lock."""
        principal = principal_of(call.access_key) or OWNER
        if principal is OWNER and call.service != "s3":
            return None
        for question in questions(call):
            decision = self.decided(principal, f"{call.service}:{call.action}", question)
            if decision is not Decision.ALLOWED:
                return refused(call, principal, question, decision)
        return None

    def decided(self, principal: Principal, call: str, question: Question) -> Decision:
        """Whether the principal may, remembered unless it may do everything. ``call`` is what asks, as SERVICE:ACTION."""
        decision = decide_for(principal, question)
        if principal is not OWNER:
            self._record.append(
                {
                    "principal": principal.arn,
                    "call": call,
                    "action": question.action,
                    "resource": question.resource,
                    "context": dict(question.context),
                    "decision": decision.value,
                }
            )
        return decision

    def record(self) -> list[dict[str, Any]]:
        """Every question so far about callers that are held to policies."""
        return list(self._record)


def install() -> None:
    """moto evaluates nothing any more: it knows neither conditions nor the resources of most services."""
    settings.INITIAL_NO_AUTH_ACTION_COUNT = NEVER
    # mypy wants the signature that moto's method has, whose arguments count for nothing here.
    IAMPolicyStatement.is_action_permitted = lambda *_, **__: PermissionResult.NEUTRAL  # type: ignore[method-assign]
    # moto has no such method; it finds what answers a call by its name.
    IamResponse.simulate_principal_policy = simulate_principal_policy  # type: ignore[attr-defined]


def principal_of(access_key: str) -> Principal | None:
    """The user or the role's session that the key belongs to; None for the lab's own key, and for any unknown one."""
    for backend in regional_backends("iam"):
        for user in backend.users.values():
            if any(key.access_key_id == access_key for key in user.access_keys):
                return Principal(user.arn, tuple(policies_of_user(backend, user)))
    for backend in regional_backends("sts"):
        for session in backend.assumed_roles:
            if session.access_key_id == access_key:
                name = session.role_arn.split("/")[-1]
                arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/{session.session_name}"
                return Principal(arn, tuple(policies_of_role(name)))
    return None


def policies_of_user(backend: Any, user: Any) -> list[Mapping[str, Any]]:
    holders = [user, *(group for group in backend.groups.values() if user in group.users)]
    return [document for holder in holders for document in _documents(holder)]


def policies_of_role(name: str) -> list[Mapping[str, Any]]:
    backend = get_backend("iam")[ACCOUNT]["aws"]
    return [document for role in backend.roles.values() if role.name == name for document in _documents(role)]


def _documents(holder: Any) -> list[Mapping[str, Any]]:
    inline = [_loaded(text) for text in dict(holder.policies).values()]
    return [*inline, *(IAMPolicy(policy)._policy_json for policy in holder.managed_policies.values())]


def _loaded(document: Any) -> Mapping[str, Any]:
    loaded: Mapping[str, Any] = json.loads(document) if isinstance(document, (str, bytes)) else document
    return loaded


def decide_for(principal: Principal, question: Question) -> Decision:
    """The principal's own policies, and whatever the bucket's policy forbids."""
    if question.action in ALWAYS_ALLOWED:
        return Decision.ALLOWED
    if decide(bucket_policies(question.resource), question) is Decision.EXPLICIT_DENY:
        return Decision.EXPLICIT_DENY
    return decide(principal.policies, question)


def bucket_policies(resource: str) -> list[Mapping[str, Any]]:
    """The policy of the bucket that a resource is, or lies in. Only what it forbids counts, and as if to everybody."""
    if not resource.startswith("arn:aws:s3:::"):
        return []
    bucket = get_backend("s3")[ACCOUNT]["aws"].buckets.get(resource.removeprefix("arn:aws:s3:::").split("/")[0])
    return [_loaded(bucket.policy)] if bucket is not None and bucket.policy else []


def refused(call: Call, principal: Principal, question: Question, decision: Decision) -> Answer:
    """The error of the caller's protocol, with AWS's code and words."""
    why = (
        f"because no identity-based policy allows the {question.action} action"
        if decision is Decision.IMPLICIT_DENY
        else "with an explicit deny"
    )
    said = (
        f"User: {principal.arn} is not authorized to perform: {question.action} on resource: {question.resource} {why}"
    )
    if call.service == "ec2":
        message = f"You are not authorized to perform this operation. {said}"
        return typed_error(call.protocol, "UnauthorizedOperation", message, 403)
    if call.action.startswith("Head"):  # the answer to HEAD has no body
        return Answer(403, "", b"")
    code = "AccessDeniedException" if call.protocol in ("json", "rest-json") else "AccessDenied"
    return typed_error(call.protocol, code, said, 403)


def simulate_principal_policy(self: IamResponse) -> ActionResult:
    """IAM's simulator, which moto lacks: the same evaluation as for calls."""
    arn = str(self._get_param("PolicySourceArn"))
    context = {
        entry["ContextKeyName"]: list(entry["ContextKeyValues"]) for entry in self._get_param("ContextEntries", [])
    }
    user = next(
        (item for backend in regional_backends("iam") for item in backend.users.values() if item.arn == arn), None
    )
    if user is not None:
        principal: Principal | None = Principal(arn, tuple(policies_of_user(get_backend("iam")[ACCOUNT]["aws"], user)))
    elif ":role/" in arn:
        principal = Principal(arn, tuple(policies_of_role(arn.split("/")[-1])))
    else:
        principal = None
    results = [
        {
            "EvalActionName": action,
            "EvalResourceName": resource,
            "EvalDecision": simulated(principal, Question(action, resource, context)),
            "MatchedStatements": [],
            "MissingContextValues": [],
        }
        for action in self._get_param("ActionNames", [])
        for resource in self._get_param("ResourceArns", ["*"])
    ]
    return ActionResult({"EvaluationResults": results, "IsTruncated": False})


def simulated(principal: Principal | None, question: Question) -> str:
    """Whom the lab does not hold to policies, it lets do everything."""
    if principal is None:
        return Decision.ALLOWED.value
    single = {key: value[0] if len(value) == 1 else value for key, value in question.context.items()}
    return decide_for(principal, Question(question.action, question.resource, single)).value

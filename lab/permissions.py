# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a role may do in S3: moto evaluates its policies for calls signed with a role's credentials, so for every box."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from moto import settings
from moto.iam.access_control import IAMRequestBase
from moto.s3.responses import ACTION_MAP

from lab.calls import Call
from lab.patching import regional_backends

NEVER, FROM_THE_FIRST_CALL = float("inf"), 0


def install() -> None:
    """The operator's key may do everything; the lab checks permissions, not signatures."""
    settings.INITIAL_NO_AUTH_ACTION_COUNT = NEVER
    ACTION_MAP["BUCKET"]["HEAD"]["DEFAULT"] = "ListBucket"  # AWS: HeadBucket needs s3:ListBucket
    IAMRequestBase.check_signature = lambda self: None  # type: ignore[method-assign]


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

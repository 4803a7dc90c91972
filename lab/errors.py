# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Errors in the shape the caller's protocol expects, so that boto3 raises ClientError with a code."""

from __future__ import annotations

import json
from dataclasses import dataclass
from xml.sax.saxutils import escape

JSON_PROTOCOLS = ("json", "rest-json", "smithy-rpc-v2-cbor")
REQUEST_ID = "1ab00000-0000-0000-0000-000000000000"


class LabError(Exception):
    """The lab itself cannot go on: what happened, why, and what to do."""

    def __init__(self, what: str, why: str, fix: str) -> None:
        super().__init__(f"{what} Why: {why} Fix: {fix}")
        self.what, self.why, self.fix = what, why, fix


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, complete."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


def typed_error(protocol: str, code: str, message: str, status: int = 400) -> Answer:
    """The same error in the words of EC2, of the query services, of S3 or of the JSON services."""
    if protocol in JSON_PROTOCOLS:
        body = json.dumps({"__type": code, "message": message, "Message": message, "ErrorCode": code})
        return Answer(status, "application/x-amz-json-1.1", body.encode(), (("x-amzn-ErrorType", code),))
    inner = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    if protocol == "ec2":
        body = f"<Response><Errors><Error>{inner}</Error></Errors><RequestID>{REQUEST_ID}</RequestID></Response>"
    elif protocol == "rest-xml":
        body = f"<Error>{inner}<RequestId>{REQUEST_ID}</RequestId></Error>"
    else:
        body = f"<ErrorResponse><Error><Type>Sender</Type>{inner}</Error><RequestId>{REQUEST_ID}</RequestId></ErrorResponse>"
    return Answer(status, "text/xml", b'<?xml version="1.0" encoding="UTF-8"?>' + body.encode())

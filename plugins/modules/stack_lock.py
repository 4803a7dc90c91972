#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_lock
short_description: Let only one change a stack at a time
version_added: 1.0.0
description:
  - Keeps an object in the stack's bucket that says who changes the stack, from which host and process, since when, and how.
  - It is written by a conditional write of S3, so that of two who come together one wins.
  - A lock that the same owner left on the same host is taken over when its process is gone, and that is said.
  - Where there is no bucket there is nothing to hold, and nothing is done.
options:
  name:
    description: Name of the stack.
    type: str
    required: true
  state:
    description: V(taken) holds the stack; V(released) lets go of it if this run holds it.
    type: str
    choices: [taken, released]
    default: taken
  bucket:
    description: The bucket of the stack.
    type: str
    required: true
  owner:
    description: Who answers for what is done.
    type: str
    required: true
  operation:
    description: What is done, such as V(provision).
    type: str
    default: ""
  take_over:
    description: Whether a lock of somebody else is taken over.
    type: bool
    default: false
  host:
    description: The controller; by default its own name.
    type: str
  pid:
    description: The process of Ansible that holds the lock; by default the one that runs this task.
    type: int
attributes:
  check_mode:
    description: In check mode the lock is left alone and refuses nobody.
    support: full
  diff_mode:
    description: The lock before and after.
    support: full
  idempotent:
    description: A run that holds the lock keeps it.
    support: full
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author:
  - The trainyard developers (@trainyard)
"""

EXAMPLES = r"""
- name: Hold the stack
  trainyard.aws.stack_lock:
    name: dcgan
    bucket: trainyard-dcgan-123456789012-us-east-1
    owner: ada
    operation: provision
    region: us-east-1

- name: Let go of the stack
  trainyard.aws.stack_lock:
    name: dcgan
    state: released
    bucket: trainyard-dcgan-123456789012-us-east-1
    owner: ada
    region: us-east-1
"""

RETURN = r"""
lock:
  description: The lock after the call; empty when there is none.
  type: dict
  returned: success
  sample: {"owner": "ada", "host": "laptop", "pid": 4711, "started": "2026-11-21T14:30:00Z", "operation": "provision"}
taken_over_from:
  description: The lock that was taken over; empty when there was none.
  type: dict
  returned: success
  sample: {}
"""

import os
import socket
import time

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.trainyard.aws.plugins.module_utils import _lock_api as api
from ansible_collections.trainyard.aws.plugins.module_utils._lock import (
    Lock,
    as_result,
    key_of,
    refusal,
    verdict_on,
    words_of,
)

try:
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:
    pass  # AnsibleAWSModule says so

ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["taken", "released"], "default": "taken"},
    "bucket": {"type": "str", "required": True},
    "owner": {"type": "str", "required": True},
    "operation": {"type": "str", "default": ""},
    "take_over": {"type": "bool", "default": False},
    "host": {"type": "str"},
    "pid": {"type": "int"},
}


def wanted(params: dict) -> Lock:
    """The lock of this run."""
    return Lock(
        owner=params["owner"],
        host=params["host"] or socket.gethostname(),
        pid=params["pid"] or os.getppid(),
        started=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        operation=params["operation"],
    )


def told(before: Lock | None, after: Lock | None, taken_over_from: Lock | None = None) -> dict:
    diff = {"before": as_result(before), "after": as_result(after)}
    return {
        "changed": before != after,
        "lock": as_result(after),
        "taken_over_from": as_result(taken_over_from),
        "diff": diff,
    }


def hold(module: AnsibleAWSModule, client: object, bucket: str, key: str) -> dict:
    """Take the lock, or say who has it."""
    name, mine = module.params["name"], wanted(module.params)
    have, tag = api.read(client, bucket, key)
    verdict = verdict_on(mine, have, bool(have) and api.is_alive(have.pid), module.params["take_over"])
    if module.check_mode or verdict.verb == "keep":
        return told(have, have)
    if verdict.verb == "refuse":
        module.fail_json(msg=refusal(name, have), lock=as_result(have))
    if not api.write(client, bucket, key, mine, tag):
        quicker, _tag = api.read(client, bucket, key)
        module.fail_json(msg=refusal(name, quicker or mine), lock=as_result(quicker))
    if verdict.verb == "take_over":
        module.warn(f'Stack "{name}" was held by {words_of(have)}; taken over, because {verdict.reason}.')
    return told(have, mine, have)


def let_go(module: AnsibleAWSModule, client: object, bucket: str, key: str) -> dict:
    """Remove the lock if it is this run's."""
    have, tag = api.read(client, bucket, key)
    if have is None or module.check_mode or not have.is_held_by(wanted(module.params)):
        return told(have, have)
    api.remove(client, bucket, key, tag)
    return told(have, None)


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    name, bucket = module.params["name"], module.params["bucket"]
    act = hold if module.params["state"] == "taken" else let_go
    try:
        result = act(module, module.client("s3"), bucket, key_of(name))
    except api.NoBucket:
        result = told(None, None)
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg=f'Cannot see who holds stack "{name}" in bucket "{bucket}"')
    module.exit_json(**result)


if __name__ == "__main__":
    main()

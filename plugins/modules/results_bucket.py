#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: results_bucket
short_description: Keep a bucket that is fit for results
version_added: 1.0.0
description:
  - A bucket that is versioned, encrypted, owned by its account alone and closed to the public, with a policy and lifecycle rules.
  - Its tags are in the very call that creates it, so that a crash leaves nothing that nobody finds.
  - Exists beside M(amazon.aws.s3_bucket) because that one tags in a second call, and beside M(community.aws.s3_lifecycle)
    because that one writes one rule at a time.
options:
  name:
    description: Name of the bucket, unique in all of AWS.
    type: str
    required: true
  adopted:
    description: Whether the bucket is not the stack's. It must exist, is looked at and never changed.
    type: bool
    default: false
  tags:
    description: Tags; C(trainyard:stack) is required. Tags not listed stay.
    type: dict
    required: true
  policy:
    description: The whole bucket policy.
    type: dict
    required: true
  noncurrent_days:
    description: Days until a version that was overwritten or deleted goes for good; V(0) is never.
    type: int
    default: 30
  uploads_days:
    description: Days until the parts of an upload that was never finished go; V(0) is never.
    type: int
    default: 7
  checkpoints_days:
    description: Days until objects with the tag C(trainyard:component=checkpoint) go; V(0) is never.
    type: int
    default: 0
  wait_timeout:
    description: How long to try while S3 does not yet give the name again, in seconds.
    type: int
    default: 120
attributes:
  check_mode:
    description: Can run in check mode and tell what it would do.
    support: full
  diff_mode:
    description: Shows the bucket before and after.
    support: full
  idempotent:
    description: A second run changes nothing.
    support: full
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
notes:
  - Lifecycle rules whose name does not start with C(trainyard-) stay as they are.
  - C(AES256) encryption is set where there is none; a bucket that is encrypted with a key of AWS KMS stays so.
  - A bucket is removed with M(amazon.aws.s3_bucket).
author:
  - The trainyard developers (@trainyard)
"""

EXAMPLES = r"""
- name: Keep the results of all runs
  trainyard.aws.results_bucket:
    name: trainyard-dcgan-123456789012-us-east-1
    tags:
      trainyard:stack: dcgan
    policy:
      Version: "2012-10-17"
      Statement:
        - Effect: Deny
          Principal: "*"
          Action: "s3:*"
          Resource: arn:aws:s3:::trainyard-dcgan-123456789012-us-east-1/*
          Condition: {Bool: {"aws:SecureTransport": "false"}}
    region: us-east-1
"""

RETURN = r"""
bucket:
  description: The bucket as it is after the call; empty when it would only be created in check mode.
  type: dict
  returned: success
  contains:
    name:
      description: Its name.
      type: str
      sample: trainyard-dcgan-123456789012-us-east-1
    tags:
      description: All its tags.
      type: dict
      sample: {"trainyard:stack": "dcgan"}
    versioning:
      description: V(Enabled), V(Suspended), or empty.
      type: str
      sample: Enabled
    lifecycle_rules:
      description: All its lifecycle rules, as AWS writes them.
      type: list
      elements: dict
      sample: []
steps:
  description: What was done, or would be in check mode, each with its reason.
  type: list
  elements: dict
  returned: success
  sample: [{"verb": "create", "reason": "it does not exist"}]
"""

import time

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.amazon.aws.plugins.module_utils.policy import compare_policies
from ansible_collections.trainyard.aws.plugins.module_utils import _bucket_api as api
from ansible_collections.trainyard.aws.plugins.module_utils._bucket import (
    Bucket,
    as_result,
    fault_of,
    rules_of,
    steps_to,
)
from ansible_collections.trainyard.aws.plugins.module_utils._stack import STACK_TAG

try:
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:
    pass  # AnsibleAWSModule says so

ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "adopted": {"type": "bool", "default": False},
    "tags": {"type": "dict", "required": True},
    "policy": {"type": "dict", "required": True},
    "noncurrent_days": {"type": "int", "default": 30},
    "uploads_days": {"type": "int", "default": 7},
    "checkpoints_days": {"type": "int", "default": 0},
    "wait_timeout": {"type": "int", "default": 120},
}


def wanted(params: dict) -> Bucket:
    """The bucket that the user describes."""
    rules = rules_of(params["noncurrent_days"], params["uploads_days"], params["checkpoints_days"])
    tags = {key: str(value) for key, value in params["tags"].items()}
    return Bucket(tags=tags, policy=params["policy"], rules=rules)


def adopted(module: AnsibleAWSModule) -> dict:
    """Make sure that somebody else's bucket is there, and change nothing."""
    name = module.params["name"]
    if not api.exists(module.client("s3"), name):
        module.fail_json(msg=f'There is no bucket "{name}". Correct the name, or leave it out to get a new one.')
    return {"changed": False, "bucket": {"name": name}, "steps": [], "diff": {"before": {}, "after": {}}}


def converge(module: AnsibleAWSModule) -> dict:
    """Bring the bucket to the wanted state and say what was done."""
    name, want = module.params["name"], wanted(module.params)
    client = module.client("s3")
    deadline = time.monotonic() + module.params["wait_timeout"]
    before = after = api.read(client, name)
    fault = fault_of(name, want.tags[STACK_TAG], before, STACK_TAG)
    if fault:
        module.fail_json(msg=fault)
    steps = steps_to(want, before, compare_policies(before.policy if before else {}, want.policy))
    if steps and not module.check_mode:
        for step in steps:
            api.take(client, name, step.verb, want, before, deadline)
        after = api.read(client, name)
    shown = want if module.check_mode and steps else after
    return {
        "changed": bool(steps),
        "bucket": as_result(name, after),
        "steps": [{"verb": step.verb, "reason": step.reason} for step in steps],
        "diff": {"before": as_result(name, before), "after": as_result(name, shown)},
    }


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    name = module.params["name"]
    if STACK_TAG not in module.params["tags"]:
        module.fail_json(msg=f'The tags of bucket "{name}" lack "{STACK_TAG}", by which it is found again. Add it.')
    try:
        result = adopted(module) if module.params["adopted"] else converge(module)
    except api.SomebodyElses:
        module.fail_json(
            msg=f'Bucket "{name}" exists, and these credentials may not look at it. It may belong to another account: '
            "choose another name, or ask its owner for s3:ListBucket."
        )
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg=f'Cannot keep bucket "{name}"')
    module.exit_json(**result)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lustre_file_system
short_description: Keep an FSx for Lustre file system and its link to a bucket
version_added: 1.0.0
description:
  - Creates a file system of the stack with its tags in the very call that creates it, and links a directory of it to S3.
  - It is found again by its C(Name) tag within the stack, and a request token keeps a repeated creation from making two.
  - Exists because no other collection has it.
options:
  name:
    description: The C(Name) tag, unique within the stack.
    type: str
    required: true
  state:
    description:
      - V(present) makes it as described; what is not described stays as it is.
      - V(absent) removes it with its links and B(all its data); what lies in the bucket stays.
    type: str
    choices: [present, absent]
    default: present
  size_gib:
    description: V(1200) or a multiple of V(2400). It can grow, if AWS permits it at the time, and never shrinks.
    type: int
    default: 1200
  deployment_type:
    description:
      - V(SCRATCH_2) is cheap, fast in bursts, and loses files when one of its servers dies.
      - V(PERSISTENT_2) keeps its data twice and replaces servers.
      - It never changes.
    type: str
    choices: [SCRATCH_2, PERSISTENT_2]
    default: SCRATCH_2
  throughput_per_tib:
    description: MB/s for each TiB, V(125), V(250), V(500) or V(1000), of V(PERSISTENT_2) only, which starts with V(125).
    type: int
  subnet_id:
    description: The one subnet in which it lies. It never changes. Required to create it.
    type: str
    default: ""
  security_group_ids:
    description:
      - Security groups it is created with. They must let in TCP 988 and 1018-1023 from themselves and from the clients.
      - AWS tells nobody later which they are, so they count at its creation only.
    type: list
    elements: str
    default: []
  link:
    description:
      - A directory that shows what lies at a place in S3. Files are fetched when they are first read.
      - A link is added when it is missing; other links stay. Its place never changes.
    type: dict
    suboptions:
      uri:
        description: The place, V(s3://bucket) or V(s3://bucket/prefix).
        type: str
        required: true
      path:
        description: The directory.
        type: str
        default: /data
      import_events:
        description: What happens in the bucket and is then seen in the directory. AWS needs the notifications of the bucket for it.
        type: list
        elements: str
        choices: [NEW, CHANGED, DELETED]
        default: [NEW, CHANGED, DELETED]
      export_events:
        description: What happens in the directory and is then written to the bucket, some time later.
        type: list
        elements: str
        choices: [NEW, CHANGED, DELETED]
        default: [NEW, CHANGED, DELETED]
  tags:
    description: >-
      Tags of it and its links; C(trainyard:stack) is required, and C(Name) is set from O(name). Tags not listed stay.
    type: dict
    required: true
  wait_timeout:
    description: How long to wait until it and its links are available or gone, in seconds. AWS needs about ten minutes.
    type: int
    default: 1800
attributes:
  check_mode:
    description: Can run in check mode and tell what it would do.
    support: full
  diff_mode:
    description: Shows the file system before and after.
    support: full
  idempotent:
    description: A second run changes nothing.
    support: full
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author:
  - The trainyard developers (@trainyard)
"""

EXAMPLES = r"""
- name: Keep the data set fast
  trainyard.aws.lustre_file_system:
    name: dcgan
    size_gib: 1200
    subnet_id: subnet-0a1b2c3d
    security_group_ids: [sg-0a1b2c3d]
    link:
      uri: s3://trainyard-dcgan-123456789012-us-east-1/data
      path: /data
    tags:
      trainyard:stack: dcgan
    region: us-east-1

- name: Keep it fast for months, and only read from the bucket
  trainyard.aws.lustre_file_system:
    name: dcgan
    size_gib: 4800
    deployment_type: PERSISTENT_2
    throughput_per_tib: 250
    subnet_id: subnet-0a1b2c3d
    security_group_ids: [sg-0a1b2c3d]
    link:
      uri: s3://public-data/imagenet
      path: /imagenet
      export_events: []
    tags:
      trainyard:stack: dcgan
    region: us-east-1

- name: Remove it with all its data
  trainyard.aws.lustre_file_system:
    name: dcgan
    state: absent
    tags:
      trainyard:stack: dcgan
    region: us-east-1
"""

RETURN = r"""
file_system:
  description: The file system as it is after the call; empty when it is absent, or would only be created in check mode.
  type: dict
  returned: success
  contains:
    file_system_id:
      description: AWS's identifier.
      type: str
      sample: fs-0123456789abcdef0
    state:
      description: AWS's life cycle state.
      type: str
      sample: AVAILABLE
    size_gib:
      description: Its size, or the size it is growing to.
      type: int
      sample: 1200
    deployment_type:
      description: How its data is kept.
      type: str
      sample: SCRATCH_2
    throughput_per_tib:
      description: MB/s for each TiB; V(0) where the deployment type decides it.
      type: int
      sample: 125
    subnet_id:
      description: Where it lies.
      type: str
      sample: subnet-0a1b2c3d
    dns_name:
      description: Its name in the VPC.
      type: str
      sample: fs-0123456789abcdef0.fsx.us-east-1.amazonaws.com
    mount_name:
      description: What it is called in the mount command.
      type: str
      sample: abcdefgh
    mount_command:
      description: How root mounts it on a node that has the Lustre client.
      type: str
      sample: mount -t lustre -o relatime,flock fs-0123456789abcdef0.fsx.us-east-1.amazonaws.com@tcp:/abcdefgh /fsx
    links:
      description: Its links to S3.
      type: list
      elements: dict
      sample: [{"association_id": "dra-0123456789abcdef0", "uri": "s3://bucket/data", "path": "/data", "state": "AVAILABLE"}]
    tags:
      description: All its tags.
      type: dict
      sample: {"Name": "dcgan"}
steps:
  description: What was done, or would be in check mode, each with its reason.
  type: list
  elements: dict
  returned: success
  sample: [{"verb": "create", "subject": "dcgan", "reason": "it does not exist"}]
"""

import time

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.trainyard.aws.plugins.module_utils import _lustre_api as api
from ansible_collections.trainyard.aws.plugins.module_utils._lustre import (
    EVENTS,
    Link,
    Lustre,
    after_steps,
    as_result,
    fault_in,
    fault_of,
    is_settled,
    steps_to,
)
from ansible_collections.trainyard.aws.plugins.module_utils._stack import STACK_TAG
from ansible_collections.trainyard.aws.plugins.module_utils._steps import NotSettled, as_results

try:
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:
    pass  # AnsibleAWSModule says so

EVENT_LIST = {"type": "list", "elements": "str", "choices": list(EVENTS), "default": list(EVENTS)}
LINK = {
    "uri": {"type": "str", "required": True},
    "path": {"type": "str", "default": "/data"},
    "import_events": EVENT_LIST,
    "export_events": EVENT_LIST,
}
ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "size_gib": {"type": "int", "default": 1200},
    "deployment_type": {"type": "str", "choices": ["SCRATCH_2", "PERSISTENT_2"], "default": "SCRATCH_2"},
    "throughput_per_tib": {"type": "int"},
    "subnet_id": {"type": "str", "default": ""},
    "security_group_ids": {"type": "list", "elements": "str", "default": []},
    "link": {"type": "dict", "options": LINK},
    "tags": {"type": "dict", "required": True},
    "wait_timeout": {"type": "int", "default": 1800},
}


def wanted(params: dict) -> Lustre | None:
    """The file system that the user describes, or None when it should be absent."""
    if params["state"] == "absent":
        return None
    link = params["link"]
    links = (
        [Link(link["uri"], link["path"], tuple(link["import_events"]), tuple(link["export_events"]))] if link else []
    )
    return Lustre(
        tags={**params["tags"], "Name": params["name"]},
        size_gib=params["size_gib"],
        deployment_type=params["deployment_type"],
        subnet_id=params["subnet_id"],
        throughput_per_tib=params["throughput_per_tib"] or 0,
        security_group_ids=tuple(params["security_group_ids"]),
        links=tuple(links),
    )


def converge(module: AnsibleAWSModule, want: Lustre | None) -> dict:
    """Bring the file system to the wanted state and say what was done. Raises ValueError where that is impossible."""
    name, stack = module.params["name"], module.params["tags"][STACK_TAG]
    client, deadline = module.client("fsx"), time.monotonic() + module.params["wait_timeout"]
    before = have = api.read(client, name, stack)
    if not module.check_mode and not is_settled(have):
        have = api.settled(client, name, stack, deadline)
    steps = steps_to(want, have)
    if fault_of(want, have):
        raise ValueError(fault_of(want, have))
    if module.check_mode:
        shown = after_steps(want, have) if steps else have
    else:
        for step in steps:
            api.take(client, step, want, have, deadline)
            have = api.settled(client, name, stack, deadline, expected=want is not None)
            if fault_of(want, have):
                raise ValueError(fault_of(want, have))
        shown = have
    return {
        "changed": bool(steps),
        "file_system": as_result(have),
        "steps": as_results(steps),
        "diff": {"before": as_result(before), "after": as_result(shown)},
    }


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    name, want = module.params["name"], wanted(module.params)
    if STACK_TAG not in module.params["tags"]:
        module.fail_json(
            msg=f'The tags of Lustre file system "{name}" lack "{STACK_TAG}", by which it is found again. Add it.'
        )
    fault = fault_in(want) if want else ""
    if fault:
        module.fail_json(msg=f'Cannot make Lustre file system "{name}": {fault}')
    try:
        result = converge(module, want)
    except ValueError as error:
        module.fail_json(msg=f'Cannot keep Lustre file system "{name}": {error}')
    except NotSettled as error:
        module.fail_json(msg=f'Lustre file system "{name}": {error}. Run again, it continues.')
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg=f'Cannot keep Lustre file system "{name}"')
    module.exit_json(**result)


if __name__ == "__main__":
    main()

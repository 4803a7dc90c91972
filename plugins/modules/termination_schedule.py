#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: termination_schedule
short_description: Let the account end the nodes of a node group when their time is over
version_added: 1.0.0
description:
  - Keeps a one-time schedule of EventBridge Scheduler for each instance that has an expiry, which terminates it then.
    It needs neither the instance, which may hang, nor anybody at the controller.
  - The schedules of a stack lie in one schedule group, which carries the tags. A schedule is deleted once it has done its work.
  - The name of a schedule says which instance it ends when, so nothing but names is compared. Schedules of instances that are
    not in O(expiries) any more are removed, as are those of a former expiry.
  - An expiry that has passed is caught up with, a minute from now.
options:
  schedule_group:
    description: Name of the schedule group, of which a stack has one.
    type: str
    required: true
  state:
    description: Whether the node group has its schedules; V(absent) removes the schedule group with those of all node groups.
    type: str
    choices: [present, absent]
    default: present
  node_group:
    description: Name of the node group. Schedules of other node groups stay. Required unless O(state=absent).
    type: str
  expiries:
    description: The moment in UTC when each instance expires, by its identifier; empty for an instance that does not.
    type: dict
    default: {}
  role_arn:
    description: ARN of the role by which EventBridge Scheduler terminates the instances. Required unless O(state=absent).
    type: str
  tags:
    description: Tags of the schedule group, from the moment it exists. Those of one that is there stay as they are.
    type: dict
    default: {}
  wait_timeout:
    description: How long to wait for what AWS has only just made or is still removing, in seconds.
    type: int
    default: 120
attributes:
  check_mode:
    description: Can run in check mode and tell what it would do.
    support: full
  diff_mode:
    description: Shows the schedules before and after.
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
- name: Let the account end the nodes, too
  trainyard.aws.termination_schedule:
    schedule_group: trainyard-dcgan
    node_group: train
    expiries:
      i-0123456789abcdef0: "2026-11-21T14:30:00Z"
    role_arn: arn:aws:iam::123456789012:role/trainyard-dcgan-us-east-1-termination
    tags:
      trainyard:stack: dcgan
    region: us-east-1

- name: Remove the schedules of the stack
  trainyard.aws.termination_schedule:
    schedule_group: trainyard-dcgan
    state: absent
    region: us-east-1
"""

RETURN = r"""
schedules:
  description: The schedules of the node group after the call; in check mode those that would be there.
  type: list
  elements: dict
  returned: success
  contains:
    name:
      description: Name of the schedule.
      type: str
      sample: train.i-0123456789abcdef0.20261121T143000Z
    instance_id:
      description: The instance that it terminates.
      type: str
      sample: i-0123456789abcdef0
    at:
      description: When the time of the instance is over, in UTC.
      type: str
      sample: "2026-11-21T14:30:00Z"
steps:
  description: What was done, or would be in check mode, each with its reason.
  type: list
  elements: dict
  returned: success
  sample:
    - verb: create
      subject: train.i-0123456789abcdef0.20261121T143000Z
      reason: i-0123456789abcdef0 expires at 2026-11-21T14:30:00Z
"""

import time
from datetime import datetime, timezone

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.trainyard.aws.plugins.module_utils import _termination as decide
from ansible_collections.trainyard.aws.plugins.module_utils import _termination_api as api
from ansible_collections.trainyard.aws.plugins.module_utils._steps import NotSettled, Step, as_results

try:
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:
    pass  # AnsibleAWSModule says so

ARGUMENTS = {
    "schedule_group": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "node_group": {"type": "str"},
    "expiries": {"type": "dict", "default": {}},
    "role_arn": {"type": "str"},
    "tags": {"type": "dict", "default": {}},
    "wait_timeout": {"type": "int", "default": 120},
}


def clock_of(params: dict) -> decide.Clock:
    """What the user describes. Raises ValueError for an expiry that is no moment."""
    schedules = decide.schedules_of(params["node_group"], params["expiries"])
    return decide.Clock(params["schedule_group"], params["node_group"], schedules, params["role_arn"], params["tags"])


def keep(module: AnsibleAWSModule, client: object) -> dict:
    """Bring the schedules of the node group to what is wanted, and say what was done."""
    want, deadline = clock_of(module.params), time.monotonic() + module.params["wait_timeout"]
    state = api.state_of(client, want.group)
    have = api.schedules(client, want.group, want.node_group) if state == decide.ACTIVE else ()
    steps = decide.steps_to(want, have, state)
    wanted = {one.name: one for one in want.schedules}
    for step in () if module.check_mode else steps:
        if step.verb == "create_group":
            api.create_group(client, want, deadline)
        elif step.verb == "create":
            api.create(client, want, wanted[step.subject], datetime.now(timezone.utc), deadline)
        else:
            api.remove(client, want.group, step.subject)
    return result(steps, have, want.schedules)


def remove(module: AnsibleAWSModule, client: object) -> dict:
    """Remove the schedule group, and say so."""
    group = module.params["schedule_group"]
    steps = [Step("remove_group", group, "it is not wanted any more")] if api.state_of(client, group) else []
    if steps and not module.check_mode:
        api.remove_group(client, group, time.monotonic() + module.params["wait_timeout"])
    return result(steps, (), ())


def result(steps: list, before: tuple, after: tuple) -> dict:
    """What the module answers with. What is removed as a group is told by the steps."""
    shown = [{"schedules": decide.as_results(each)} for each in (before, after)]
    return {
        "changed": bool(steps),
        **shown[1],
        "steps": as_results(steps),
        "diff": {"before": shown[0], "after": shown[1]},
    }


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec=ARGUMENTS,
        required_if=[("state", "present", ["node_group", "role_arn"])],
        supports_check_mode=True,
    )
    act, what = (keep, "keep") if module.params["state"] == "present" else (remove, "remove")
    about = f'Cannot {what} the schedules of "{module.params["schedule_group"]}"'
    try:
        answer = act(module, module.client("scheduler"))
    except (ValueError, NotSettled) as error:
        module.fail_json(msg=f"{about}: {error}")
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg=about)
    module.exit_json(**answer)


if __name__ == "__main__":
    main()

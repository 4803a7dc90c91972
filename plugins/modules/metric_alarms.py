#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: metric_alarms
short_description: Keep a few CloudWatch alarms, tagged from the moment they exist
version_added: 1.0.0
description:
  - Keeps alarms on metrics without dimensions. An alarm goes off in a minute in which the greatest value of its metric reaches
    the threshold. A minute without a value is a good one, so alarms are quiet while nothing runs.
  - Exists beside M(amazon.aws.cloudwatch_metric_alarm) because that one cannot tag, so that nobody would find its alarms again.
  - All alarms are described in one call.
options:
  state:
    description: Whether the alarms are there.
    type: str
    choices: [present, absent]
    default: present
  alarms:
    description: The alarms. Required unless O(state=absent). Others stay as they are.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the alarm, unique in account and region.
        type: str
        required: true
      metric:
        description: Name of the metric.
        type: str
        required: true
      threshold:
        description: The value that must not be reached.
        type: float
        required: true
      description:
        description: What whoever gets the alarm should know and do.
        type: str
        required: true
  names:
    description: Names of the alarms to remove. Required if O(state=absent).
    type: list
    elements: str
  namespace:
    description: Namespace of the metrics. Required unless O(state=absent).
    type: str
  actions:
    description: ARNs of whom the alarms tell, such as an SNS topic.
    type: list
    elements: str
    default: []
  tags:
    description: Tags of the alarms; those that others have set stay.
    type: dict
    default: {}
attributes:
  check_mode:
    description: Can run in check mode and tell what it would do.
    support: full
  diff_mode:
    description: Shows the alarms before and after.
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
- name: Keep an alarm on disks that fill up
  trainyard.aws.metric_alarms:
    alarms:
      - name: trainyard-dcgan-disk-nearly-full
        metric: fullest_disk_percent
        threshold: 90
        description: A disk of stack dcgan is nearly full. Remove what is not needed, or train on from a larger one.
    namespace: trainyard/dcgan
    tags:
      trainyard:stack: dcgan
    region: us-east-1

- name: Remove it
  trainyard.aws.metric_alarms:
    state: absent
    names: [trainyard-dcgan-disk-nearly-full]
    region: us-east-1
"""

RETURN = r"""
names:
  description: Names of the alarms that are there after the call; in check mode those that would be there.
  type: list
  elements: str
  returned: success
  sample: [trainyard-dcgan-disk-nearly-full]
steps:
  description: What was done, or would be in check mode, each with its reason.
  type: list
  elements: dict
  returned: success
  sample:
    - verb: create
      subject: trainyard-dcgan-disk-nearly-full
      reason: it does not exist
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.trainyard.aws.plugins.module_utils import _alarms as decide
from ansible_collections.trainyard.aws.plugins.module_utils import _alarms_api as api
from ansible_collections.trainyard.aws.plugins.module_utils._steps import Step, as_results

try:
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:
    pass  # AnsibleAWSModule says so

ALARM = {
    "name": {"type": "str", "required": True},
    "metric": {"type": "str", "required": True},
    "threshold": {"type": "float", "required": True},
    "description": {"type": "str", "required": True},
}
ARGUMENTS = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "alarms": {"type": "list", "elements": "dict", "options": ALARM},
    "names": {"type": "list", "elements": "str"},
    "namespace": {"type": "str"},
    "actions": {"type": "list", "elements": "str", "default": []},
    "tags": {"type": "dict", "default": {}},
}


def keep(module: AnsibleAWSModule, client: object) -> dict:
    """Bring the alarms to what is wanted, and say what was done."""
    want = decide.wanted_of(module.params)
    alarms = {alarm.name: alarm for alarm in want.alarms}
    have = api.alarms(client, alarms)
    tags = api.tags_of(client, have)
    steps = decide.steps_to(want, have, tags)
    for step in () if module.check_mode else steps:
        if step.verb == "tag":
            api.tag(client, have[step.subject]["AlarmArn"], decide.lacking_tags(want, tags[step.subject]))
        else:
            api.put(client, decide.request_of(want, alarms[step.subject], step.verb == "create"))
    after = {name: decide.settings_of(want, alarm) for name, alarm in sorted(alarms.items())}
    return result(steps, decide.shown(want, alarms, have), after)


def remove(module: AnsibleAWSModule, client: object) -> dict:
    """Remove the alarms that are there, and say so."""
    have = sorted(api.alarms(client, module.params["names"]))
    if have and not module.check_mode:
        api.remove(client, have)
    return result([Step("remove", name, "it is not wanted any more") for name in have], dict.fromkeys(have), {})


def result(steps: object, before: dict, after: dict) -> dict:
    """What the module answers with."""
    return {
        "changed": bool(steps),
        "names": list(after),
        "steps": as_results(steps),
        "diff": {"before": before, "after": after},
    }


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec=ARGUMENTS,
        required_if=[("state", "present", ["alarms", "namespace"]), ("state", "absent", ["names"])],
        supports_check_mode=True,
    )
    act, what = (keep, "keep") if module.params["state"] == "present" else (remove, "remove")
    try:
        answer = act(module, module.client("cloudwatch"))
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg=f"Cannot {what} the alarms")
    module.exit_json(**answer)


if __name__ == "__main__":
    main()

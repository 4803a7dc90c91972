#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: training_attempt
short_description: Make a run that has ended ready to train on from its newest checkpoint
version_added: 1.0.0
description:
  - Finds the newest checkpoint of a run that is whole, and writes beside the run what its next attempt starts with. Then
    M(trainyard.aws.training_container) with O(trainyard.aws.training_container#module:state=resumed) starts it.
  - On a node that has nothing of the run, all of it comes from the bucket. C(spec.json) says how it was started, C(checkpoints/LATEST) which
    checkpoints there are. Each is proved by its size and SHA-256; where one is damaged, an older one is taken.
  - Checkpoints that are on the node or on its shared file system already, newer and whole, are used as they are. What may be half written is moved
    into C(damaged) beside them.
  - The log of the attempt before becomes C(log-1.txt), C(log-2.txt) and so on. Time and money that were used count on.
  - A run that goes on is left alone. One that has finished is refused.
notes:
  - Without a checkpoint the run begins again.
  - Credentials and endpoint are the node's own, from its instance role and its environment (also C(/etc/environment)).
requirements:
  - Docker SDK for Python 5.0 or later on the node (Debian's python3-docker)
  - s5cmd 2 on the node, if the results are in a bucket (role trainyard.aws.s5cmd)
options:
  run_id:
    description: The id of the run.
    type: str
    required: true
  node:
    description: The name of this node in the run's records.
    type: str
    default: ""
  results:
    description: Where the results of runs are, such as V(s3://bucket/runs).
    type: str
    default: ""
  resume_arguments:
    description:
      - What the command has in addition. An option that it has already is replaced.
      - C({path}) is the checkpoint in the container, C({name}) its name, C({epoch}) the number in it, C({directory}) the directory of checkpoints.
      - What the run was started with if left out.
    type: list
    elements: str
  max_duration:
    description: Another time limit for all attempts together, such as V(12h).
    type: str
    default: ""
  budget_usd:
    description: Another budget for all attempts together. V(0) leaves it.
    type: float
    default: 0
  price_per_hour_usd:
    description: What this node costs an hour. V(0) leaves it.
    type: float
    default: 0
  metrics_namespace:
    description: The namespace in CloudWatch that is told how the run does. Left empty, it stays as it was.
    type: str
    default: ""
attributes:
  check_mode:
    description: Can run in check mode and say what would be done. What is in the bucket is proved only when it is brought.
    support: full
  diff_mode:
    description: Shows the attempt before and after.
    support: full
  idempotent:
    description: A run that goes on is left alone. As long as the attempt is not started it can be made ready again.
    support: full
seealso:
  - module: trainyard.aws.training_container
author:
  - The trainyard developers (@trainyard)
"""

EXAMPLES = r"""
- name: Make the next attempt ready
  trainyard.aws.training_attempt:
    run_id: houses-001
    results: s3://trainyard-houses-123456789012-us-east-1/runs
    resume_arguments: ["--s_epoch", "{epoch}"]
  register: attempt

- name: Train on
  trainyard.aws.training_container:
    run_id: houses-001
    state: resumed
    directory: "{{ attempt.directory }}"
"""

RETURN = r"""
resumes:
  description: Whether there is an attempt to start. A run that goes on has none.
  type: bool
  returned: success
  sample: true
attempt:
  description: The number of the attempt, from 1.
  type: int
  returned: success
  sample: 2
checkpoint:
  description: The checkpoint that it trains on from, as the container sees it. Empty where it begins again.
  type: str
  returned: success
  sample: /opt/ml/checkpoints/houses/checkpoint_12.pt
epoch:
  description: The number in the checkpoint's name.
  type: int
  returned: success
  sample: 12
command:
  description: The command of the attempt, empty where it is the run's own.
  type: list
  elements: str
  returned: success
  sample: [python3, train.py, --s_epoch, "12"]
directory:
  description: The run's directory on the node.
  type: str
  returned: success
  sample: /var/lib/trainyard/runs/houses-001
new_node:
  description: Whether this node had nothing of the run.
  type: bool
  returned: success
  sample: false
brought:
  description: Checkpoint files that were brought from the bucket, or would be.
  type: list
  elements: str
  returned: success
  sample: [houses/checkpoint_12.pt]
damaged:
  description: Checkpoints in the bucket that are not what they were when they were copied.
  type: list
  elements: str
  returned: success
  sample: []
set_aside:
  description: Checkpoints of the node that may be half written, and were moved into C(damaged).
  type: list
  elements: str
  returned: success
  sample: [houses/checkpoint_13.pt]
inputs:
  description: What has to be staged on a new node, as the run was given it.
  type: dict
  returned: success
  sample:
    channels:
      - {name: images, kind: s3, source: "s3://my-bucket/msls/", sha256: ""}
when_finished:
  description: What the run does with its node when it has ended; V(keep) also where it goes on, because that was said when it was started.
  type: str
  returned: success
  sample: terminate
spent_seconds:
  description: How long the run has trained before this attempt.
  type: float
  returned: success
  sample: 5400.0
spent_usd:
  description: What that has cost, as far as it is known.
  type: float
  returned: success
  sample: 1.5
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.trainyard.aws.plugins.module_utils._container_engine import Engine
from ansible_collections.trainyard.aws.plugins.module_utils._container_types import TrainingError, run_id_fault
from ansible_collections.trainyard.aws.plugins.module_utils._resume_node import Here, prepare
from ansible_collections.trainyard.aws.plugins.module_utils._training_results_store import node_settings

ARGUMENTS: dict[str, t.Any] = {
    "run_id": {"type": "str", "required": True},
    "node": {"type": "str", "default": ""},
    "results": {"type": "str", "default": ""},
    "resume_arguments": {"type": "list", "elements": "str"},
    "max_duration": {"type": "str", "default": ""},
    "budget_usd": {"type": "float", "default": 0.0},
    "price_per_hour_usd": {"type": "float", "default": 0.0},
    "metrics_namespace": {"type": "str", "default": ""},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    fault = run_id_fault(module.params["run_id"])
    if fault:
        module.fail_json(msg=fault)
    settings = node_settings()

    def run(command: t.Sequence[str], data: str | None) -> tuple[int, str, str]:
        return module.run_command(list(command), data=data, binary_data=True, environ_update=settings)

    def s5cmd(arguments: t.Sequence[str], data: str | None) -> tuple[int, str, str]:
        return run([module.get_bin_path("s5cmd", required=True, opt_dirs=["/usr/local/bin"]), *arguments], data)

    try:
        result = prepare(module.params, Here(Engine(), s5cmd, run), module.check_mode)
    except TrainingError as error:
        module.fail_json(msg=str(error))
    except ValueError as error:
        module.fail_json(msg=f'Cannot resume run "{module.params["run_id"]}": {error}')
    module.exit_json(**result)


if __name__ == "__main__":
    main()

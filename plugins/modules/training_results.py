#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: training_results
short_description: Bring the results of a training into a bucket, with a record of what ran
version_added: 1.0.0
description:
  - Writes C(run.json), the record of what ran and what came out, into the run's directory on the node.
  - Copies the log, model, output, checkpoints and hyperparameters to O(destination) with C(s5cmd), looks that everything is there, and puts the
    record there last. A C(run.json) in the bucket means that the results are complete.
  - Only what is missing, or has another size or SHA-256 than the record in the bucket says, is copied.
  - Links are not followed and special files not read, because the container wrote them. RV(left_out) names them.
notes:
  - Credentials and endpoint are the node's own, from its instance role and its environment (also C(/etc/environment)).
requirements:
  - Docker SDK for Python 5.0 or later on the node (Debian's python3-docker)
  - s5cmd 2 on the node, if the results go to a bucket (role trainyard.aws.s5cmd)
options:
  run_id:
    description: The id of the run. It must have ended.
    type: str
    required: true
  destination:
    description:
      - The results go to C(<destination>/<run_id>/), such as V(s3://bucket/runs).
      - If left out, they go where the run was told to bring them when it was started; where that is nowhere, only the record is written.
    type: str
attributes:
  check_mode:
    description: Can run in check mode and say what would be copied.
    support: full
  diff_mode:
    description: Results are files of many bytes; RV(uploaded) names them.
    support: none
  idempotent:
    description: The second time nothing is copied.
    support: full
author:
  - The trainyard developers (@trainyard)
"""

EXAMPLES = r"""
- name: Bring the results into the bucket
  trainyard.aws.training_results:
    run_id: digits-001
    destination: s3://trainyard-digits-123456789012-us-east-1/runs
"""

RETURN = r"""
destination:
  description: The run's place in the bucket.
  type: str
  returned: success
  sample: s3://trainyard-digits-123456789012-us-east-1/runs/digits-001
record_file:
  description: The record on the node.
  type: str
  returned: success
  sample: /var/lib/trainyard/runs/digits-001/run.json
artefacts:
  description: Paths of the run's files, as they are in the bucket.
  type: list
  elements: str
  returned: success
  sample: [log.txt, model/model.pt]
uploaded:
  description: What was copied by this task.
  type: list
  elements: str
  returned: success
  sample: [log.txt, model/model.pt, run.json]
left_out:
  description: What was not collected, and why.
  type: list
  elements: str
  returned: success
  sample: ["model/latest: it is a link"]
exit_code:
  description: The exit code of the container.
  type: int
  returned: success
  sample: 0
reason:
  description: Why the run ended, in plain words.
  type: str
  returned: success
  sample: finished
duration_seconds:
  description: How long it ran.
  type: float
  returned: success
  sample: 12.0
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.trainyard.aws.plugins.module_utils._container_decide import unknown_run
from ansible_collections.trainyard.aws.plugins.module_utils._container_engine import Engine
from ansible_collections.trainyard.aws.plugins.module_utils._container_record import run_on_node
from ansible_collections.trainyard.aws.plugins.module_utils._container_types import TrainingError
from ansible_collections.trainyard.aws.plugins.module_utils._training_results_store import (
    collect,
    node_settings,
    settings_of,
)

ARGUMENTS: dict[str, t.Any] = {"run_id": {"type": "str", "required": True}, "destination": {"type": "str"}}


def collected(engine: Engine, params: t.Mapping[str, t.Any], s5cmd: t.Any, check_mode: bool) -> dict[str, t.Any]:
    """Collect a run of this node. Raises TrainingError."""
    state = engine.find(params["run_id"])
    if state is None:
        raise unknown_run(params["run_id"], engine.all())
    run = run_on_node(state, check_mode)
    asked = {
        "run": run,
        "directory": state.directory,
        "checkpoints_directory": state.checkpoints_directory,
        "destination": params["destination"] or settings_of(state.directory).get("results"),
    }
    outcome = {name: run[name] for name in ("exit_code", "reason", "duration_seconds")}
    return {**collect(asked, s5cmd, check_mode), **outcome}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    settings = node_settings()

    def s5cmd(arguments: t.Sequence[str], data: str | None) -> tuple[int, str, str]:
        command = [module.get_bin_path("s5cmd", required=True, opt_dirs=["/usr/local/bin"]), *arguments]
        return module.run_command(command, data=data, binary_data=True, environ_update=settings)

    try:
        result = collected(Engine(), module.params, s5cmd, module.check_mode)
    except TrainingError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()

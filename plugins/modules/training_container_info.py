#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: training_container_info
short_description: List the training runs of a node
version_added: 1.0.0
description:
  - Lists the runs whose containers are on the node, those that ended too. Changes nothing.
requirements:
  - Docker SDK for Python 5.0 or later on the node (Debian's python3-docker)
options:
  run_id:
    description: Only this run.
    type: str
attributes:
  check_mode:
    description: Can run in check mode and return the same answer.
    support: full
  diff_mode:
    description: Nothing is changed, so there is no difference to show.
    support: none
  idempotent:
    description: Changes nothing.
    support: full
seealso:
  - module: trainyard.aws.training_container
author:
  - The trainyard developers (@trainyard)
"""

EXAMPLES = r"""
- name: List the runs of this node
  trainyard.aws.training_container_info:
  register: node

- name: Show which of them are going
  ansible.builtin.debug:
    msg: "{{ node.runs | selectattr('status', 'equalto', 'running') | map(attribute='run_id') }}"
"""

RETURN = r"""
runs:
  description: The runs, sorted by id.
  type: list
  elements: dict
  returned: success
  contains:
    run_id:
      description: The id of the run.
      type: str
      sample: digits-001
    status:
      description: Docker's word for the container's state.
      type: str
      sample: exited
    image:
      description: The image that was asked for when the run was started.
      type: str
      sample: 123456789012.dkr.ecr.us-east-1.amazonaws.com/trainyard/digits:1
    image_digest:
      description: The image that runs, by digest.
      type: str
      sample: 123456789012.dkr.ecr.us-east-1.amazonaws.com/trainyard/digits@sha256:0123abcd
    directory:
      description: The run's directory on the node.
      type: str
      sample: /var/lib/trainyard/runs/digits-001
    started_at:
      description: When the container started, in UTC.
      type: str
      sample: "2026-11-20T10:00:00.123456789Z"
    exit_code:
      description: The exit code of the container, none while it runs.
      type: int
      sample: 0
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.trainyard.aws.plugins.module_utils._container_engine import Engine, outline_of
from ansible_collections.trainyard.aws.plugins.module_utils._container_types import TrainingError


def main() -> None:
    module = AnsibleModule(argument_spec={"run_id": {"type": "str"}}, supports_check_mode=True)
    wanted = module.params["run_id"]
    try:
        runs = [outline_of(state) for state in Engine().all() if wanted in (None, state.run_id)]
    except TrainingError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, runs=runs)


if __name__ == "__main__":
    main()

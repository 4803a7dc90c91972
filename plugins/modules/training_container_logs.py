#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: training_container_logs
short_description: Read the log of a training container from a cursor
version_added: 1.0.0
description:
  - Returns the lines that a run wrote after a cursor, and the cursor after them. No line is lost and none comes twice.
  - At most 20,000 lines or 4 MB come at once. The rest is behind the returned cursor.
  - Lines are made fit for a terminal. Escapes and control characters are gone, of a progress bar its last state is left, and of a line longer
    than 2,000 bytes the beginning.
options:
  run_id:
    description: The id of the run.
    type: str
    required: true
  cursor:
    description: The RV(cursor) of an earlier answer. The beginning of the log if left out.
    type: str
    default: ""
  tail:
    description: Without a O(cursor), begin with about this many last lines instead of the first.
    type: int
    default: 0
  wait_seconds:
    description: How long to wait for a first line.
    type: float
    default: 0.0
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
- name: Read the last lines of a run
  trainyard.aws.training_container_logs:
    run_id: digits-001
    tail: 20
  register: log

- name: Read what came since, waiting up to ten seconds
  trainyard.aws.training_container_logs:
    run_id: digits-001
    cursor: "{{ log.cursor }}"
    wait_seconds: 10
"""

RETURN = r"""
lines:
  description: The lines, fit for a terminal.
  type: list
  elements: str
  returned: success
  sample: ["epoch 1 loss 0.71", "epoch 2 loss 0.33"]
cursor:
  description: Where to go on reading.
  type: str
  returned: success
  sample: "2026-11-20T10:00:00.123456789Z+3"
ended:
  description: Whether the run has ended and this was the last of its log.
  type: bool
  returned: success
  sample: false
attempt:
  description: Which attempt of the run the log is of. A cursor in the log of an earlier one is the beginning of the next.
  type: int
  returned: success
  sample: 1
engine_away:
  description: Whether Docker did not answer, which may pass.
  type: bool
  returned: failure
  sample: true
status:
  description:
    - What C(status.json) in the run's directory holds, written there by what watches over the run on the node. Nothing where there is none.
  type: dict
  returned: success
  sample:
    state: running
    cost_usd: 0.4
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.trainyard.aws.plugins.module_utils._container_log import format_cursor, parse_cursor
from ansible_collections.trainyard.aws.plugins.module_utils._container_options import LOGS
from ansible_collections.trainyard.aws.plugins.module_utils._container_socket import LogReader
from ansible_collections.trainyard.aws.plugins.module_utils._container_text import text_of
from ansible_collections.trainyard.aws.plugins.module_utils._container_types import (
    EngineAway,
    TrainingError,
    run_id_fault,
)


def main() -> None:
    module = AnsibleModule(argument_spec=LOGS, supports_check_mode=True)
    params = module.params
    fault = run_id_fault(params["run_id"])
    if fault:
        module.fail_json(msg=fault)
    try:
        reader = LogReader(params["run_id"])
        attempt = reader.attempt()
        cursor = parse_cursor(params["cursor"]) if params["cursor"] else reader.tail(params["tail"])
        lines, after, ended = reader.read(cursor, params["wait_seconds"])
        status = reader.status()
    except TrainingError as error:
        module.fail_json(msg=str(error), engine_away=isinstance(error, EngineAway))
    texts = [text_of(line) for line in lines]
    module.exit_json(
        changed=False, lines=texts, cursor=format_cursor(after), ended=ended, attempt=attempt, status=status
    )


if __name__ == "__main__":
    main()

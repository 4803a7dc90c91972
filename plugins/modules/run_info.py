#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: run_info
short_description: List and compare runs, from their records in a bucket
version_added: 1.0.0
description:
  - Reads the record C(run.json) of each run, as M(trainyard.aws.training_results) has put it into the bucket. No node and no database is asked.
  - A run that has something in the bucket and no record is listed as unfinished.
options:
  bucket:
    description: Name of the bucket.
    type: str
    required: true
  prefix:
    description: The runs are below this in the bucket.
    type: str
    default: runs
  run_ids:
    description: Only these runs. All that are there if left out.
    type: list
    elements: str
  nodes:
    description: Names of the nodes that there are. Runs that have not ended are told in RV(going), or in RV(lost) where their node is another.
    type: list
    elements: str
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
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
seealso:
  - module: trainyard.aws.training_results
author:
  - The trainyard developers (@trainyard)
"""

EXAMPLES = r"""
- name: Compare two runs
  trainyard.aws.run_info:
    bucket: trainyard-digits-123456789012-us-east-1
    run_ids: [digits-001, digits-002]
    region: us-east-1
  register: history

- name: Show how they differ
  ansible.builtin.debug:
    msg: "{{ history.table.split('\n') }}"
"""

RETURN = r"""
runs:
  description: The records, the oldest first.
  type: list
  elements: dict
  returned: success
  contains:
    run_id:
      description: The id of the run.
      type: str
      sample: digits-001
    outcome:
      description: V(succeeded), V(failed), V(stopped), or V(unfinished) for a run without a record.
      type: str
      sample: succeeded
    newest_checkpoint:
      description: Name of the newest checkpoint of an unfinished run and when it was copied, V(none) where there is none.
      type: dict
      sample: {"name": "epoch-3.pt", "time": "2026-11-20T10:00:00Z"}
    node:
      description: The node it trained on; empty for an unfinished run that does not say.
      type: str
      sample: digits-train-0
    reason:
      description: Why it ended, in plain words.
      type: str
      sample: finished
    duration_seconds:
      description: How long it ran.
      type: float
      sample: 12.0
    hyperparameters:
      description: What it was given.
      type: dict
      sample: {"lr": 0.1}
    artefacts:
      description: Path, size and SHA-256 of each file that came out.
      type: list
      elements: dict
      sample: [{"path": "model/model.pt", "size": 1024, "sha256": "0123abcd"}]
  sample: [{"run_id": "digits-001", "outcome": "succeeded", "reason": "finished", "exit_code": 0, "duration_seconds": 12.0}]
table:
  description: The runs side by side, with the hyperparameters in which they differ, and their last metrics.
  type: str
  returned: success
  sample: "run         outcome    started           took   USD  lr   loss"
kept:
  description: What the bucket keeps of each run that was asked for, in words.
  type: list
  elements: str
  returned: success
  sample: ['Run "digits-001" has ended (succeeded), and all it made is in s3://trainyard-digits-123456789012-us-east-1/runs/digits-001/.']
going:
  description: The runs on O(nodes) that have not ended, and their newest checkpoints, in words.
  type: list
  elements: str
  returned: success
  sample: ['Run "digits-002" has not ended on node "digits-train-0"; it has no checkpoint in s3://my-bucket/runs/digits-002/checkpoints/.']
lost:
  description: What is safe of each run whose node is none of O(nodes) and that has not ended, in words; nothing where O(nodes) is left out.
  type: list
  elements: str
  returned: success
  sample: ['Node "digits-train-0" is gone. Run "digits-002" had not ended, and s3://my-bucket/runs/digits-002/ has no checkpoint of it.']
faults:
  description: Records that cannot be read, and why.
  type: list
  elements: str
  returned: success
  sample: ["digits-003: run.json has no outcome"]
"""

import typing as t

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.trainyard.aws.plugins.module_utils._container_text import sanitise
from ansible_collections.trainyard.aws.plugins.module_utils._runs import (
    going_texts,
    in_order,
    kept_text,
    lost_texts,
    place_of,
    table,
)
from ansible_collections.trainyard.aws.plugins.module_utils._runs_api import read_runs, run_ids

try:
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:
    pass  # AnsibleAWSModule says so

ARGUMENTS: dict[str, t.Any] = {
    "bucket": {"type": "str", "required": True},
    "prefix": {"type": "str", "default": "runs"},
    "run_ids": {"type": "list", "elements": "str"},
    "nodes": {"type": "list", "elements": "str"},
}


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    bucket, place, nodes = module.params["bucket"], place_of(module.params["prefix"]), module.params["nodes"]
    try:
        s3 = module.client("s3")
        found = run_ids(s3, bucket, place)
        wanted = module.params["run_ids"] or found
        records, faults = read_runs(s3, bucket, place, [name for name in wanted if name in found])
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg=f"Cannot read the runs in s3://{bucket}/{place}")
    runs = in_order(records)
    missing = [f"{name}: there is nothing of it in s3://{bucket}/{place}" for name in wanted if name not in found]
    module.exit_json(
        changed=False,
        runs=runs,
        table=table(runs),
        kept=[kept_text(name, runs, f"s3://{bucket}/{place}") for name in wanted],
        going=going_texts(runs, nodes or [], f"s3://{bucket}/{place}"),
        lost=lost_texts(runs, nodes, f"s3://{bucket}/{place}") if nodes is not None else [],
        faults=[f"{sanitise(fault.run_id)}: {fault.reason}" for fault in faults] + missing,
    )


if __name__ == "__main__":
    main()

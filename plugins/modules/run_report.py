#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: run_report
short_description: Write a page about each run, with its curves, from what the bucket holds
version_added: 1.0.0
description:
  - Writes C(<run_id>.html) for each run that has a record, with what ran, how it ended, its hyperparameters, the curves of its metrics, how busy
    accelerators, processors, memory, disks and network of each node were and what it cost, what happened, and the end of its log.
  - Writes C(index.html) with all runs side by side, the newest on top, each with a link to its page, and their curves in common charts.
  - A page needs no server, asks nobody for anything, and runs nothing. Whatever the run wrote is shown as text.
notes:
  - Curves are read from the log. Of a log of more than 256 MiB only the end is read.
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
    description: The runs. One without a record is left out.
    type: list
    elements: str
    required: true
  dest:
    description: The directory on this machine that gets the pages. It must exist.
    type: path
    required: true
attributes:
  check_mode:
    description: Can run in check mode and say which pages would change.
    support: full
  diff_mode:
    description: Pages are many lines; RV(changed_files) names them.
    support: none
  idempotent:
    description: A page is written only if it differs.
    support: full
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
seealso:
  - module: trainyard.aws.run_info
author:
  - The trainyard developers (@trainyard)
"""

EXAMPLES = r"""
- name: Write a page about a run
  trainyard.aws.run_report:
    bucket: trainyard-digits-123456789012-us-east-1
    run_ids: [digits-001]
    dest: reports
    region: us-east-1
"""

RETURN = r"""
files:
  description: The pages. The last is the one that lists the runs.
  type: list
  elements: str
  returned: success
  sample: [reports/digits-001.html, reports/index.html]
changed_files:
  description: Those that were written, or would be.
  type: list
  elements: str
  returned: success
  sample: [reports/digits-001.html]
"""

import os
import typing as t

from ansible.module_utils.common.text.converters import to_native
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.trainyard.aws.plugins.module_utils._run_report import INDEX, index
from ansible_collections.trainyard.aws.plugins.module_utils._run_report_api import report_of
from ansible_collections.trainyard.aws.plugins.module_utils._runs import UNFINISHED, in_order, place_of
from ansible_collections.trainyard.aws.plugins.module_utils._runs_api import read_runs

try:
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:
    pass  # AnsibleAWSModule says so

ARGUMENTS: dict[str, t.Any] = {
    "bucket": {"type": "str", "required": True},
    "prefix": {"type": "str", "default": "runs"},
    "run_ids": {"type": "list", "elements": "str", "required": True},
    "dest": {"type": "path", "required": True},
}


def pages_of(s3: t.Any, params: t.Mapping[str, t.Any]) -> dict[str, str]:
    """Text of the page by file: of each run that has a record, and of the one that lists all."""
    place = place_of(params["prefix"])
    records, _faults = read_runs(s3, params["bucket"], place, params["run_ids"])
    reports = {
        record["run_id"]: report_of(s3, params["bucket"], f"{place}{record['run_id']}/", record)
        for record in reversed(in_order(records))
        if record["outcome"] != UNFINISHED
    }
    curves = {run_id: report.curves for run_id, report in reports.items()}
    pages = {f"{run_id}.html": report.page for run_id, report in reports.items()}
    pages[INDEX] = index(list(reversed(in_order(records))), reports, curves)
    return {os.path.join(params["dest"], name): text for name, text in pages.items()}


def differs(file: str, text: str) -> bool:
    if not os.path.exists(file):
        return True
    with open(file, encoding="utf-8") as there:
        return there.read() != text


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        pages = pages_of(module.client("s3"), module.params)
        changed = [file for file, text in pages.items() if differs(file, text)]
        for name in () if module.check_mode else changed:
            with open(name, "w", encoding="utf-8") as file:
                file.write(pages[name])
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg=f"Cannot read the runs in s3://{module.params['bucket']}")
    except OSError as error:
        module.fail_json(msg=f"Cannot write the pages to {module.params['dest']}: {to_native(error)}")
    module.exit_json(changed=bool(changed), files=list(pages), changed_files=changed)


if __name__ == "__main__":
    main()

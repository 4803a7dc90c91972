#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: training_code
short_description: Bring the code of a training to its node, by Git reference and with what is not committed
version_added: 1.0.0
description:
  - Finds the commit on the controller, and puts its files beside the run, without the C(.git) directory. The container can see them as
    C(/opt/ml/code).
  - What is not committed belongs to the code where O(reference) is the commit that is checked out. That is every change, and every new file that
    Git does not ignore.
  - Beside it C(code.tar.gz) is all of the code, and C(code.diff) what is not committed. Both go to the bucket with the run, so that another node
    trains the very same, whatever the repository has become.
  - The same code is not brought again. Other code for a run that was started is refused.
notes:
  - Nothing is written into the repository.
  - Of a repository elsewhere all of it is fetched, with the rights that Git has on the controller.
  - Submodules are refused. What is marked C(export-ignore) in C(.gitattributes) is left out.
requirements:
  - git 2.30 or later on the controller
options:
  run_id:
    description: The id of the run.
    type: str
    required: true
  code:
    description:
      - A directory in a working tree of Git on the controller, or the address of a repository. Of a directory what is below it is taken.
      - If it is empty there is none, and a run that was started with code is refused.
    type: str
    default: ""
  reference:
    description: A commit, a branch or a tag.
    type: str
    default: HEAD
  most_megabytes:
    description: Larger code is refused. Data is a channel, and not code.
    type: int
    default: 100
  directory:
    description: The run's directory on the node.
    type: path
    required: true
  started:
    description: Whether the run was started already, so that its code is what it is.
    type: bool
    default: false
  resolved:
    description: What the code is. The action plugin says it.
    type: dict
    default: {}
  archive:
    description: The code in a file of the node. The action plugin brings it.
    type: path
  difference:
    description: What is not committed, in a file of the node. The action plugin brings it.
    type: path
attributes:
  check_mode:
    description: Can run in check mode and say whether the code would be brought.
    support: full
  diff_mode:
    description: Shows the commit before and after.
    support: full
  idempotent:
    description: The same code is not brought again.
    support: full
  action:
    description: An action plugin asks Git on the controller.
    support: full
seealso:
  - module: trainyard.aws.training_container
author:
  - The trainyard developers (@trainyard)
"""

EXAMPLES = r"""
- name: Bring what I am working on
  trainyard.aws.training_code:
    run_id: houses-001
    code: ~/src/houses
    directory: /var/lib/trainyard/runs/houses-001

- name: Bring a release
  trainyard.aws.training_code:
    run_id: houses-002
    code: https://example.com/houses.git
    reference: v1.2
    directory: /var/lib/trainyard/runs/houses-002
"""

RETURN = r"""
code:
  description: What the run trains.
  type: dict
  returned: success
  contains:
    repository:
      description: The directory on the controller, or the address.
      type: str
      sample: /home/me/src/houses
    reference:
      description: The reference that was asked for.
      type: str
      sample: HEAD
    commit:
      description: The commit that it was.
      type: str
      sample: 3f2504e04f8911d39a0c0305e82c3301a1b2c3d4
    changed:
      description: Whether there were changes that are not committed.
      type: bool
      sample: true
    tree:
      description: Git's name for all files together, the same for the same files.
      type: str
      sample: 9c1185a5c5e9fc54612808977ee8f548b2258d31
    files:
      description: The archive and the difference beside the run, once they are there.
      type: list
      elements: dict
      sample: [{"path": "code.tar.gz", "size": 1024, "sha256": "0123abcd"}]
wants_archive:
  description: Whether the code has to be brought to the node.
  type: bool
  returned: success
  sample: false
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.trainyard.aws.plugins.module_utils._container_types import TrainingError
from ansible_collections.trainyard.aws.plugins.module_utils._training_code import OPTIONS, place_code

ARGUMENTS: dict[str, t.Any] = {
    **OPTIONS,
    "resolved": {"type": "dict", "default": {}},
    "archive": {"type": "path"},
    "difference": {"type": "path"},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        result = place_code(module.params, module.check_mode)
    except TrainingError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()

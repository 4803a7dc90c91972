#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: training_channels
short_description: Bring the inputs of a training to its node
version_added: 1.0.0
description:
  - Fetches S3 prefixes and archives into a cache on the node, several at once, and sees that directories of the node hold something.
  - What is there already and unchanged is not fetched again. A prefix has changed when the name, size or ETag of an object has; only such
    objects are fetched. An archive is known by its SHA-256.
  - While it fetches, it shows how far it is. On a terminal that is a line that is drawn anew, elsewhere a line every 15 seconds. When that
    is interrupted, the fetching goes on, and the same task comes back to it.
  - Each version of a source has a directory of its own that never changes, so a training reads on while a newer version is fetched for the next.
notes:
  - S3 is read by C(s5cmd), with the rights of the node's role.
  - When the disk runs low, versions that no run of this node mounts go from the cache, what was unused longest first. A version that was asked for
    within the last hour stays. A run that has ended needs its versions no more; when it is resumed, they are fetched again.
  - Nothing of an archive is unpacked before its checksum is right. An entry or a link that leads outside of it, and anything that is no file,
    directory or link, makes the task fail. Owners are not kept; of permissions, only whether a file is a program.
requirements:
  - s5cmd on the node, if a source is in S3
options:
  channels:
    description: The channels, as M(trainyard.aws.training_inputs) returns them.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the channel.
        type: str
        required: true
      kind:
        description: V(s3) is a prefix, V(archive) is a tar or zip archive, V(node) is a directory of the node.
        type: str
        choices: [s3, archive, node]
        required: true
      source:
        description: The prefix with a slash at its end, the C(https) or C(s3) address of the archive, or the directory.
        type: str
        required: true
      sha256:
        description: The checksum of the archive.
        type: str
        default: ""
  directory:
    description: The cache, made if it is not there. Nobody but root passes it.
    type: path
    default: /var/lib/trainyard/channels
  fast_disks:
    description: Where a fast local disk may be mounted. On the first where something is mounted, the cache is C(trainyard/channels).
    type: list
    elements: path
    default: []
  free_percent:
    description: How much of the cache's disk stays free, if what is unused in the cache suffices for that. V(0) removes only what is in the way.
    type: int
    default: 10
  fetch:
    description:
      - Whether to fetch what is not there. V(false) sees what is there, holds it for a run that is about to start, and says what is lacking.
    type: bool
    default: true
attributes:
  check_mode:
    description: Can run in check mode. Prefixes are listed, and nothing is fetched.
    support: full
  diff_mode:
    description: Data is not shown as a difference.
    support: none
  idempotent:
    description: What is there already is not fetched again.
    support: full
seealso:
  - module: trainyard.aws.training_inputs
  - module: trainyard.aws.training_container
author:
  - The trainyard developers (@trainyard)
"""

EXAMPLES = r"""
- name: Bring pictures and words to the node
  trainyard.aws.training_channels:
    channels:
      - name: images
        kind: s3
        source: s3://my-bucket/msls/
      - name: words
        kind: archive
        source: https://example.com/words.tar.gz
        sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    fast_disks: [/nvme]
  register: staged
"""

RETURN = r"""
channels:
  description: The channels in the order they were given.
  type: list
  elements: dict
  returned: success
  contains:
    name:
      description: Name of the channel.
      type: str
      sample: images
    kind:
      description: What it is.
      type: str
      sample: s3
    source:
      description: Where it comes from.
      type: str
      sample: s3://my-bucket/msls/
    sha256:
      description: The checksum of the archive, empty for others.
      type: str
      sample: ""
    directory:
      description: Where it is on the node.
      type: str
      sample: /nvme/trainyard/channels/msls-5d41402abc4b2a76/7d793037a0760186
    version:
      description: Stands for the names, sizes and ETags of the objects, or the checksum of the archive. Empty for a directory of the node.
      type: str
      sample: 7d793037a0760186
    files:
      description: How many files it holds; none where they were not counted.
      type: int
      sample: 12345
    bytes:
      description: Their size.
      type: int
      sample: 4500000000
volumes:
  description: The same as M(trainyard.aws.training_container) takes it.
  type: list
  elements: dict
  returned: success
  sample:
    - {source: /efs/images, target: /opt/ml/input/data/images, read_only: true}
removed:
  description: What went from the cache to make room.
  type: list
  elements: str
  returned: success
  sample: [/nvme/trainyard/channels/msls-5d41402abc4b2a76/0123456789abcdef]
fetched:
  description: The names of the channels that were fetched, or that would be.
  type: list
  elements: str
  returned: success
  sample: [images]
lines:
  description: The same in words, with the time it took.
  type: list
  elements: str
  returned: success
  sample: ["images: 12345 files, 4.5 GB from s3://my-bucket/msls/, in 32 s"]
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.trainyard.aws.plugins.module_utils._channels import Channel
from ansible_collections.trainyard.aws.plugins.module_utils._channels_store import Cache, cache_directory, stage
from ansible_collections.trainyard.aws.plugins.module_utils._container_types import TrainingError
from ansible_collections.trainyard.aws.plugins.module_utils._training_results_store import node_settings

CHANNEL: dict[str, t.Any] = {
    "name": {"type": "str", "required": True},
    "kind": {"type": "str", "required": True, "choices": ["s3", "archive", "node"]},
    "source": {"type": "str", "required": True},
    "sha256": {"type": "str", "default": ""},
}
ARGUMENTS: dict[str, t.Any] = {
    "channels": {"type": "list", "elements": "dict", "required": True, "options": CHANNEL},
    "directory": {"type": "path", "default": "/var/lib/trainyard/channels"},
    "fast_disks": {"type": "list", "elements": "path", "default": []},
    "free_percent": {"type": "int", "default": 10},
    "fetch": {"type": "bool", "default": True},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    settings = node_settings()

    def s5cmd(arguments: t.Sequence[str], data: str | None) -> tuple[int, str, str]:
        command = [module.get_bin_path("s5cmd", required=True, opt_dirs=["/usr/local/bin"]), *arguments]
        return module.run_command(command, data=data, binary_data=True, environ_update=settings, umask=0o022)

    directory = cache_directory(module.params["fast_disks"], module.params["directory"])
    channels = [Channel(**each) for each in module.params["channels"]]
    cache = Cache(directory, s5cmd, module.check_mode, module.params["free_percent"], fetch=module.params["fetch"])
    try:
        result = stage(channels, cache)
    except TrainingError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()

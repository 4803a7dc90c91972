#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: training_inputs
short_description: Check what a training is given before anything is started
version_added: 1.0.0
description:
  - Checks on the controller everything a run is given, and fails with all faults at once. Each names the variable, the place, what is wrong, and
    what to do.
  - JSON is read strictly. A name that comes twice, C(NaN), and numbers beyond all floats are faults, with file, line and column.
notes:
  - Runs entirely on the controller. No connection is made.
  - Relative paths start at the directory that C(ansible-playbook) was called in.
requirements:
  - Python library jsonschema 4.18 or later on the controller, if O(hyperparameters_schema) is given
options:
  run_id:
    description: The id of the run. Lower-case letters, digits and hyphens, at most 40.
    type: str
    required: true
  image:
    description: The image that trains. It must not be empty.
    type: str
  accelerators:
    description: The accelerators that the container gets, as M(trainyard.aws.training_container) takes them.
    type: str
    default: all
  volumes:
    description: More directories or files of the node that the container sees, as M(trainyard.aws.training_container) takes them.
    type: list
    elements: dict
  environment:
    description: Environment variables of the container.
    type: dict
  secrets:
    description: Secrets by the names of their files, and where each lies, as M(trainyard.aws.training_container) takes them. They are not read.
    type: dict
  hyperparameters:
    description: The hyperparameters. Not together with O(hyperparameters_file).
    type: dict
  hyperparameters_file:
    description: JSON file with the hyperparameters.
    type: str
  hyperparameters_schema:
    description: JSON Schema that the hyperparameters must follow. All of it in one file; nothing is fetched.
    type: str
  hyperparameters_path:
    description: Another place in the container where the hyperparameters are seen.
    type: str
  channels:
    description:
      - >-
        Inputs by name. Each is a directory or file on the controller that must exist and hold something, an S3 prefix such as
        C(s3://bucket/images/), an archive as C({url: https://..., sha256: ...}), or a directory of the node as C({path: /data/images}).
      - What is not on the controller is looked at on the node, by M(trainyard.aws.training_channels).
    type: dict
  code:
    description: The code, as M(trainyard.aws.training_code) takes it. Of a repository elsewhere it is seen whether it has the reference.
    type: str
    default: ""
  code_reference:
    description: A commit, a branch or a tag.
    type: str
    default: HEAD
  code_most_megabytes:
    description: Larger code is refused.
    type: int
    default: 100
  working_directory:
    description: Where the command starts in the container. The image's own where it is empty.
    type: str
    default: ""
  shared_directory:
    description: Where the node has a shared file system. Paths below it are paths of the node without being said so.
    type: str
    default: ""
  outputs:
    description:
      - Files that the run must make to have succeeded, below C(/opt/ml/model) or C(/opt/ml/output), such as V(model/weights.h5). A directory
        must hold a file; in a pattern such as V(model/*.pt) a star stands for any characters.
    type: list
    elements: str
  results:
    description: Where the results go, such as V(s3://bucket/runs).
    type: str
  progress_pattern:
    description: Regular expression that finds in a line of the log how far the training is, as M(trainyard.aws.training_container) takes it.
    type: str
  checkpoint_interval:
    description: How often checkpoints are copied to the bucket while the run trains.
    type: str
    default: 5m
  checkpoints_kept:
    description: How many checkpoints of each series the bucket keeps. V(0) is all.
    type: int
    default: 0
  max_duration:
    description: How long the run may train in all, such as V(12h). No limit where it is empty.
    type: str
    default: ""
  budget_usd:
    description: What the run may cost in all. V(0) is no limit.
    type: float
    default: 0
  price_per_hour_usd:
    description: What its node costs an hour. V(0) is unknown.
    type: float
    default: 0
  idle_stop:
    description: The run is stopped when its accelerators did next to nothing for so long, such as V(1h). Never where it is empty.
    type: str
    default: ""
  idle_threshold_percent:
    description: An accelerator that is used less than this does next to nothing.
    type: float
    default: 5
  when_finished:
    description: What becomes of the node when the results are in the bucket.
    type: str
    choices: [keep, stop, terminate]
    default: keep
  grace_seconds:
    description: Seconds between SIGTERM and SIGKILL when the run is stopped.
    type: int
    default: 120
  retries:
    description: How often the node tries again by itself what failed for a reason outside of the training.
    type: int
    default: 0
  metrics_enabled:
    description: Whether the node tells how the run does, as metrics.
    type: bool
    default: true
  metrics_namespace:
    description: The namespace in CloudWatch that is told. Left empty, CloudWatch is not.
    type: str
    default: ""
  variable_prefix:
    description: What to put before the options' names in messages, so that they name the user's variables.
    type: str
    default: ""
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
  action:
    description: The whole of it is an action plugin.
    support: full
author:
  - The trainyard developers (@trainyard)
"""

EXAMPLES = r"""
- name: Check the inputs of a run
  trainyard.aws.training_inputs:
    run_id: digits-001
    image: 123456789012.dkr.ecr.us-east-1.amazonaws.com/trainyard/digits:1
    hyperparameters_file: examples/digits/hyperparameters.json
    hyperparameters_schema: examples/digits/hyperparameters.schema.json
    channels:
      images: s3://my-bucket/msls/
      words:
        url: https://example.com/words.tar.gz
        sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
      labels: ~/data/labels
  register: inputs
"""

RETURN = r"""
hyperparameters:
  description: The hyperparameters as they were read.
  type: dict
  returned: success
  sample:
    epochs: 6
hyperparameters_json:
  description: The same as JSON text, to be put into the container.
  type: str
  returned: success
  sample: '{"epochs": 6}'
channels:
  description: The channels, sorted by name.
  type: list
  elements: dict
  returned: success
  contains:
    name:
      description: The name of the channel.
      type: str
      sample: images
    kind:
      description: V(controller), V(s3), V(archive) or V(node).
      type: str
      sample: controller
    source:
      description: The prefix, the address, or an absolute path; on the controller with a slash at the end where it is a directory.
      type: str
      sample: /home/me/data/images/
    sha256:
      description: The checksum of an archive, empty for others.
      type: str
      sample: ""
outputs:
  description: The declared outputs, below the run's directory.
  type: list
  elements: str
  returned: success
  sample: [model/weights.h5]
supervision:
  description: What the run wants of the supervisor on its node, with durations in seconds.
  type: dict
  returned: success
  sample:
    checkpoint_interval_seconds: 300
    max_duration_seconds: 43200
    when_finished: keep
"""

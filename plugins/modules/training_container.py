#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: training_container
short_description: Train in a container, with its log on your terminal
version_added: 1.0.0
description:
  - Starts a training in the Docker engine of the node, once in the life of its run id, and shows its log line by line while it trains.
  - The same run never starts a second container. One that runs is attached to, one that ended gives back its result.
  - Losing the connection, or pressing Ctrl-C, ends the following and never the training. The same task attaches again.
  - The container follows the contract of SageMaker, so an image moves between the two unchanged. The node's directories are seen as
    C(/opt/ml/input) (read-only), C(/opt/ml/checkpoints), C(/opt/ml/model) and C(/opt/ml/output).
  - The container is not privileged, has no capability but those in O(capabilities), gains no privileges, has an init process as PID 1,
    and never sees the Docker socket.
  - A training that fails makes the task fail, with all return values in the result.
notes:
  - Docker keeps up to 20 GB of a container's log (logging driver C(local), 20 files of 1 GB, not compressed). Beyond that it drops the oldest.
  - The environment is shown by C(docker inspect) and, with C(-vvv), by other modules. Secrets are files, see O(secrets).
  - The environment of the container has C(TRAINYARD_RUN_ID), C(TRAINYARD_NODE_RANK), C(TRAINYARD_NODE_COUNT), C(TRAINYARD_HEAD_ADDRESS),
    C(TRAINYARD_RESUME_CHECKPOINT) (empty unless the run was resumed) and SageMaker's C(TRAINING_JOB_NAME), and C(PYTHONUNBUFFERED=1) unless you set it.
  - Following sends what the plugin M(trainyard.aws.training_container_logs) returns to the terminal, without escapes and control characters.
requirements:
  - Docker SDK for Python 5.0 or later on the node (Debian's python3-docker)
options:
  run_id:
    description:
      - The id of the run, for life. The container is named after it, C(trainyard-run-<run_id>).
      - Lower-case letters, digits and hyphens, at most 40.
    type: str
    required: true
  state:
    description:
      - V(started) starts the run, or attaches to it, or gives back its result.
      - V(resumed) replaces the container of a run that has ended by a new one, as M(trainyard.aws.training_attempt) has made it ready. The
        image, by digest, and the rest are the run's own. A run that goes on is attached to.
      - V(stopped) sends SIGTERM and, after O(grace_seconds), SIGKILL.
      - V(absent) stops it and removes the container. The run's directory stays.
    type: str
    choices: [started, resumed, stopped, absent]
    default: started
  image:
    description:
      - The image, pulled if the node does not have it, and resolved to a digest once.
      - Without it, the run must exist. It is then attached to, whatever its image and command.
    type: str
  registry_username:
    description:
      - User name for the registry of O(image), if the node is not logged in there. Only the pull sees it.
      - A private registry of Amazon ECR needs none on an EC2 instance. It is read with the rights of the instance's role.
    type: str
  registry_password:
    description: Password for the registry of O(image), best from a vault. Only the pull sees it, and it is written nowhere.
    type: str
  command:
    description: The command, or arguments of the entrypoint. The image's own if left out.
    type: list
    elements: str
  entrypoint:
    description: Replaces the entrypoint of the image.
    type: list
    elements: str
  environment:
    description: Environment variables. Names that start with C(TRAINYARD_) are taken.
    type: dict
  secrets:
    description:
      - Secrets by the names of their files in C(/run/secrets), where the container's user alone can read them.
      - Each says where the secret lies, as V(ssm:/team/hf-token) in SSM Parameter Store or V(secretsmanager:wandb) in Secrets Manager, or as
        its ARN. A key after C(#) takes one value of a JSON object, as in V(secretsmanager:wandb#api_key).
      - The node reads them with the rights of its role, before anything is started, and keeps them in its memory as long as the container runs.
        They are read again when the run is resumed.
    type: dict
  directory:
    description: The run's directory on the node. C(/var/lib/trainyard/runs/<run_id>) if left out.
    type: path
  checkpoints_directory:
    description: Where C(/opt/ml/checkpoints) is on the node, such as a directory of a shared file system. Below O(directory) if left out.
    type: path
  hyperparameters_path:
    description: Another place in the container where C(/opt/ml/input/config/hyperparameters.json) is seen.
    type: str
  volumes:
    description: More directories or files of the node that the container sees. They must exist.
    type: list
    elements: dict
    suboptions:
      source:
        description: Path on the node. The Docker socket and directories above it are refused.
        type: path
        required: true
      target:
        description: Path in the container.
        type: str
        required: true
      read_only:
        description: Whether the container can only read it.
        type: bool
        default: true
  user:
    description: User, and group after a colon, inside the container. The image's own if left out.
    type: str
  working_directory:
    description: Where the command starts in the container. The image's own if left out.
    type: str
  capabilities:
    description: Kernel capabilities to keep, such as V(SYS_NICE). All others are dropped.
    type: list
    elements: str
  accelerators:
    description:
      - 'The accelerators of the node that the container gets: V(all) that there are, V(none), or some by their numbers, such as V(0,2).'
      - GPUs come by their description (CDI) where Docker knows it, otherwise by the runtime C(nvidia); Gaudi by the runtime C(habana).
        A node whose accelerators Docker cannot hand on is refused.
    type: str
    default: all
  memory:
    description: Memory limit, such as V(8g), with no swap beyond it. No limit if left out.
    type: str
  shm_size:
    description: Size of C(/dev/shm), such as V(8g). Data loaders with worker processes need it. Docker's 64 MB if left out.
    type: str
  pids_limit:
    description: The most processes and threads the container may have.
    type: int
    default: 4096
  ulimits:
    description: Resource limits of the container's processes.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the limit, such as V(nofile) or V(memlock).
        type: str
        required: true
      soft:
        description: Soft limit. V(-1) is no limit.
        type: int
        required: true
      hard:
        description: Hard limit. V(-1) is no limit.
        type: int
        required: true
  grace_seconds:
    description: Seconds between SIGTERM and SIGKILL when the run is stopped or removed.
    type: int
    default: 120
  follow:
    description:
      - Whether to show the log until the run ends. Otherwise the task returns when the run is started.
      - A run that is attached to shows its last O(tail) lines first.
    type: bool
    default: true
  from_beginning:
    description: Whether a run that is attached to shows its log from the first line, as after a task that started it with O(follow=false).
    type: bool
    default: false
  patience_seconds:
    description: How long to go on trying when the node cannot be reached while its run is followed. The run itself does not notice.
    type: int
    default: 600
  tail:
    description: How many of the last lines are returned, and shown first when a run is attached to.
    type: int
    default: 40
  log_file:
    description:
      - Where the whole log is written on the node when the run has ended, byte for byte as the container wrote it.
      - C(log.txt) in O(directory) if left out. A last line longer than 16 KiB always ends in a newline there.
    type: path
  progress_pattern:
    description:
      - A regular expression of Python with named groups that finds in a line how far the training is. Groups C(epoch), C(epochs), C(step) and
        C(steps) are the position, of which C(epochs) and C(steps) are the whole; every other group is a metric of that name.
      - If empty, what the usual frameworks print is understood, and lines of JSON.
    type: str
    default: ""
  progress_interval_seconds:
    description:
      - How often a line of progress is shown while a run is followed and there is no terminal, or there are several nodes, if it says anything
        new. V(0) is never.
      - On a terminal, with one node, the last line is a status line and is always up to date.
    type: int
    default: 30
attributes:
  check_mode:
    description: Can run in check mode and say what would be done. Nothing is followed.
    support: full
  diff_mode:
    description: Shows the status and the image before and after.
    support: full
  idempotent:
    description: A run is started once. The second time it is attached to, or its result is given back.
    support: full
  action:
    description: An action plugin shows the log while the module's work goes on.
    support: full
seealso:
  - module: trainyard.aws.training_container_info
  - module: trainyard.aws.training_container_logs
author:
  - The trainyard developers (@trainyard)
"""

EXAMPLES = r"""
- name: Train and watch
  trainyard.aws.training_container:
    run_id: digits-001
    image: 123456789012.dkr.ecr.us-east-1.amazonaws.com/trainyard/digits:1
    command: [--verbose]
    environment:
      OMP_NUM_THREADS: "4"
    secrets:
      hf-token: ssm:/team/hf-token
    shm_size: 2g
  register: run

- name: Show how it went
  ansible.builtin.debug:
    msg: "{{ run.reason }} after {{ run.duration_seconds }} s"

- name: Come back to a run that is going, from any machine
  trainyard.aws.training_container:
    run_id: digits-001

- name: Stop it, with five minutes for a last checkpoint
  trainyard.aws.training_container:
    run_id: digits-001
    state: stopped
    grace_seconds: 300
"""

RETURN = r"""
run_id:
  description: The id of the run.
  type: str
  returned: always
  sample: digits-001
container_name:
  description: The name of its container.
  type: str
  returned: always
  sample: trainyard-run-digits-001
container_id:
  description: Docker's id of the container, empty where there is none.
  type: str
  returned: always
  sample: 2f1d1b6d3d2a
status:
  description: Docker's word for the container's state, or V(absent).
  type: str
  returned: always
  sample: exited
attached:
  description: Whether the run was there already, so that nothing was started.
  type: bool
  returned: always
  sample: false
steps:
  description: What was done and why.
  type: list
  elements: str
  returned: always
  sample: ["create: it does not exist", "start: it was just created"]
image:
  description: The image that was asked for when the run was started.
  type: str
  returned: always
  sample: 123456789012.dkr.ecr.us-east-1.amazonaws.com/trainyard/digits:1
image_digest:
  description: The image that runs, by digest. Its id where the image never was in a registry.
  type: str
  returned: always
  sample: 123456789012.dkr.ecr.us-east-1.amazonaws.com/trainyard/digits@sha256:0123abcd
command:
  description: The command that was asked for.
  type: list
  elements: str
  returned: always
  sample: [--verbose]
entrypoint:
  description: The entrypoint that was asked for.
  type: list
  elements: str
  returned: always
  sample: []
environment_names:
  description: Names of the environment variables that were set. Their values are not returned.
  type: list
  elements: str
  returned: always
  sample: [OMP_NUM_THREADS, TRAINYARD_RUN_ID]
directory:
  description: The run's directory on the node.
  type: str
  returned: always
  sample: /var/lib/trainyard/runs/digits-001
started_at:
  description: When the container started, in UTC.
  type: str
  returned: always
  sample: "2026-11-20T10:00:00.123456789Z"
finished_at:
  description: When it ended, empty while it runs.
  type: str
  returned: always
  sample: "2026-11-20T10:00:12.123456789Z"
duration_seconds:
  description: How long it ran, 0 while it runs.
  type: float
  returned: always
  sample: 12.0
exit_code:
  description: The exit code of the container, none while it runs.
  type: int
  returned: always
  sample: 0
reason:
  description:
    - Why it ended, in plain words. What the container wrote to C(/opt/ml/output/failure) comes before any guess.
  type: str
  returned: always
  sample: finished
run_failed:
  description:
    - Whether the run ended with another exit code than 0, or without what it was to make, and was not stopped on request. The task fails then.
  type: bool
  returned: always
  sample: false
decisive_lines:
  description: Lines of the log that tell why the run failed, at most three.
  type: list
  elements: str
  returned: always
  sample: ["torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 22.78 GiB."]
may_be_retried:
  description: Whether the run failed for a reason outside of it, so that the same may well succeed the next time.
  type: bool
  returned: always
  sample: false
missing_outputs:
  description: The declared outputs that the run did not make, from C(settings.json) in its directory. It has failed then, whatever its exit code.
  type: list
  elements: str
  returned: always
  sample: ["model/weights.h5 is missing"]
progress:
  description: How far the run had come at the end of its log, as far as the log told. Empty values are not known, as is all while it runs.
  type: dict
  returned: always
  contains:
    epoch:
      description: The epoch, as the log counts.
      type: float
      sample: 6
    epochs:
      description: How many there are.
      type: int
      sample: 6
    step:
      description: The step in the epoch, or of the run where it has no epochs.
      type: int
      sample: 30
    steps:
      description: How many there are.
      type: int
      sample: 30
    percent:
      description: How much of the run is done.
      type: float
      sample: 100.0
metrics:
  description: The last value of each metric at the end of the log. What is no number, such as C(nan), is given as text.
  type: dict
  returned: always
  sample: {"loss": 0.31, "val_acc": 0.97}
engine_away:
  description: Whether Docker did not answer, which may pass.
  type: bool
  returned: failure
  sample: true
last_lines:
  description: The last O(tail) lines of the log of a run that ended.
  type: list
  elements: str
  returned: always
  sample: [test accuracy 0.981]
log_file:
  description: Where the whole log is on the node once the run has ended.
  type: str
  returned: always
  sample: /var/lib/trainyard/runs/digits-001/log.txt
log_lines:
  description: How many lines the whole log has.
  type: int
  returned: always
  sample: 151
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.trainyard.aws.plugins.module_utils._container_decide import login_of, spec_of
from ansible_collections.trainyard.aws.plugins.module_utils._container_engine import Engine, act
from ansible_collections.trainyard.aws.plugins.module_utils._container_options import CONTAINER
from ansible_collections.trainyard.aws.plugins.module_utils._container_types import EngineAway, TrainingError


def main() -> None:
    module = AnsibleModule(argument_spec=CONTAINER, supports_check_mode=True)
    try:
        result = act(Engine(login_of(module.params)), module.params, spec_of(module.params), module.check_mode)
    except TrainingError as error:
        module.fail_json(msg=str(error), engine_away=isinstance(error, EngineAway))
    if result["run_failed"]:
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()

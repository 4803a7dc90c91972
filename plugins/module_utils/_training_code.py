# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""The code of a run on its node: what the container sees, and beside it the archive that is kept with the run."""

from __future__ import annotations

import os
import shutil
import typing as t

from ansible_collections.trainyard.aws.plugins.module_utils._channels import ARCHIVE, Channel
from ansible_collections.trainyard.aws.plugins.module_utils._channels_unpack import unpack
from ansible_collections.trainyard.aws.plugins.module_utils._container_types import TrainingError
from ansible_collections.trainyard.aws.plugins.module_utils._training_results import CODE_ARCHIVE, CODE_DIFF
from ansible_collections.trainyard.aws.plugins.module_utils._training_results_store import sha256_of
from ansible_collections.trainyard.aws.plugins.module_utils._whole_file import read_mapping, write_mapping

OPTIONS: dict[str, t.Any] = {
    "run_id": {"type": "str", "required": True},
    "code": {"type": "str", "default": ""},
    "reference": {"type": "str", "default": "HEAD"},
    "most_megabytes": {"type": "int", "default": 100},
    "directory": {"type": "path", "required": True},
    "started": {"type": "bool", "default": False},
}
_FACTS, _DIRECTORY, _PART = "code.json", "code", ".part"


def place_code(params: t.Mapping[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
    """Have the code beside the run, once in its life. Raises TrainingError."""
    directory, wanted = params["directory"], params["resolved"]
    known = read_mapping(os.path.join(directory, _FACTS))
    same = known.get("tree") == wanted.get("tree")
    if params["started"] and not same:
        raise TrainingError(
            f'Cannot start run "{params["run_id"]}"',
            f"it exists already with other code ({told(known)}, and not {told(wanted)}).",
            "One run id is one training: choose another training_run_id for the new code.",
        )
    there = not wanted or (same and os.path.isdir(os.path.join(directory, _DIRECTORY)))
    writes = not there and not check_mode
    code = _put(params, wanted) if writes and params["archive"] else known if wanted and there else wanted
    return {
        "changed": not there,
        "code": dict(code),
        "wants_archive": writes and not params["archive"],
        "diff": {"before": told(known), "after": told(wanted)},
    }


def told(code: t.Mapping[str, t.Any]) -> str:
    """Code in a few words."""
    if not code:
        return "none"
    return f"commit {code['commit'][:12]}" + (f" with changes, tree {code['tree'][:12]}" if code["changed"] else "")


def unpack_code(directory: str, repository: str) -> None:
    """What the container sees, from the archive beside it. Raises TrainingError."""
    part, target = os.path.join(directory, _DIRECTORY + _PART), os.path.join(directory, _DIRECTORY)
    shutil.rmtree(part, ignore_errors=True)
    unpack(Channel("code", ARCHIVE, repository), os.path.join(directory, CODE_ARCHIVE), part)
    shutil.rmtree(target, ignore_errors=True)
    os.rename(part, target)


def write_facts(directory: str, code: t.Mapping[str, t.Any]) -> None:
    """Last of all: what is named here is whole."""
    write_mapping(os.path.join(directory, _FACTS), code)


def _put(params: t.Mapping[str, t.Any], wanted: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    directory = params["directory"]
    files = []
    for name, source in ((CODE_ARCHIVE, params["archive"]), (CODE_DIFF, params["difference"])):
        path = os.path.join(directory, name)
        shutil.copyfile(source, path)
        files.append({"path": name, "size": os.path.getsize(path), "sha256": sha256_of(path)})
    unpack_code(directory, wanted["repository"])
    code = {**wanted, "files": files}
    write_facts(directory, code)
    return code

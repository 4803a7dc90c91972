#!/usr/bin/python
# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: package_repository
short_description: Let a node install packages that a vendor signed
version_added: 1.0.0
author:
  - The trainyard developers (@trainyard)
description:
  - Tells apt or dnf of a vendor's package repository, and trusts it for the keys that are pinned here, for no other key and for no other
    repository.
  - The key is fetched from the vendor, and only what has one of O(key_fingerprints) is installed. A changed key stops the module before
    anything is written.
  - A repository that is there already with a pinned key is left alone, and the vendor is not asked.
requirements:
  - C(gpg) on the node (package gpg of Debian and Ubuntu; Amazon Linux has it)
options:
  name:
    description: The repository's name, of which the names of its files are made.
    type: str
    required: true
  state:
    description: Whether the repository and its key are there.
    type: str
    choices: [present, absent]
    default: present
  url:
    description: Where the repository begins. Variables of dnf such as C($basearch) are kept.
    type: str
  suite:
    description: The suite, of which apt only takes notice; V(/) is a flat repository.
    type: str
    default: /
  components:
    description: The components, of which apt only takes notice. A flat repository has none.
    type: list
    elements: str
    default: []
  architectures:
    description: Restrict apt to these architectures, such as V(amd64).
    type: list
    elements: str
    default: []
  key_url:
    description: Where the vendor publishes its signing key.
    type: str
  key_fingerprints:
    description: Fingerprints of the primary keys that are trusted, 40 hexadecimal digits each, with or without spaces.
    type: list
    elements: str
  packages_signed:
    description: The packages are signed, and dnf checks each. With apt it is always the metadata, which names the checksum of each package.
    type: bool
    default: true
  metadata_signed:
    description: The metadata is signed, and dnf checks it.
    type: bool
    default: false
  format:
    description: Which package manager is told. By default the one whose folder the node has.
    type: str
    choices: [apt, dnf]
attributes:
  check_mode:
    description: Can run in check mode and say what would change. The key is not fetched then.
    support: full
  diff_mode:
    description: Shows the repository's file and the trusted fingerprints before and after.
    support: full
  idempotent:
    description: A second run changes nothing, and asks nobody.
    support: full
"""

EXAMPLES = r"""
- name: Trust the repository of Docker
  trainyard.aws.package_repository:
    name: docker
    url: https://download.docker.com/linux/debian
    suite: bookworm
    components: [stable]
    key_url: https://download.docker.com/linux/debian/gpg
    key_fingerprints: [9DC8 5822 9FC7 DD38 854A E2D8 8D81 803C 0EBF CD88]
"""

RETURN = r"""
files:
  description: The repository's file, and the file with its keys.
  returned: always
  type: list
  elements: str
  sample: [/etc/apt/sources.list.d/docker.sources, /etc/apt/keyrings/docker.asc]
"""

import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.trainyard.aws.plugins.module_utils._package_repository import (
    Places,
    Repository,
    fault_in,
    places,
    source_text,
)
from ansible_collections.trainyard.aws.plugins.module_utils._signing import (
    SigningError,
    fetch,
    fingerprints_of,
    normal,
    pinned_keys,
)

ARGUMENTS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "url": {"type": "str"},
    "suite": {"type": "str", "default": "/"},
    "components": {"type": "list", "elements": "str", "default": []},
    "architectures": {"type": "list", "elements": "str", "default": []},
    "key_url": {"type": "str", "no_log": False},
    "key_fingerprints": {"type": "list", "elements": "str", "no_log": False},
    "packages_signed": {"type": "bool", "default": True},
    "metadata_signed": {"type": "bool", "default": False},
    "format": {"type": "str", "choices": ["apt", "dnf"]},
}


def described(source: str, keys: tuple[str, ...]) -> str:
    """What a diff shows of a repository: its file, then a line for each trusted key."""
    return source + "".join(f"# key {key}\n" for key in keys)


def write(module: AnsibleModule, path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=module.tmpdir, delete=False) as file:
        file.write(content)
    module.atomic_move(file.name, str(path))
    path.chmod(0o644)


def remove(module: AnsibleModule, where: Places) -> dict[str, Any]:
    there = [path for path in (Path(where.source), Path(where.key)) if path.exists()]
    before = Path(where.source).read_text(encoding="utf-8") if Path(where.source) in there else ""
    if not module.check_mode:
        for path in there:
            path.unlink()
    return {"changed": bool(there), "diff": {"before": before, "after": ""}}


def converge(module: AnsibleModule, repository: Repository, where: Places, format_: str) -> dict[str, Any]:
    """Write what is missing. Raises SigningError before anything is written."""
    key, source, want = Path(where.key), Path(where.source), source_text(format_, repository)
    pinned = [normal(each) for each in module.params["key_fingerprints"]]
    trusted = fingerprints_of(module.run_command, key) if module.get_bin_path("gpg") else ()
    have = source.read_text(encoding="utf-8") if source.is_file() else ""
    key_is_right = bool(trusted) and set(trusted) <= set(pinned)
    if not module.check_mode and not key_is_right:
        url = module.params["key_url"]
        write(module, key, pinned_keys(module.run_command, fetch(url, "the signing key"), pinned, url))
    if not module.check_mode and have != want:
        write(module, source, want.encode())
    return {
        "changed": have != want or not key_is_right,
        "diff": {
            "before": described(have, trusted),
            "after": described(want, trusted if key_is_right else tuple(pinned)),
        },
    }


def main() -> None:
    required = [("state", "present", ["url", "key_url", "key_fingerprints"])]
    module = AnsibleModule(argument_spec=ARGUMENTS, required_if=required, supports_check_mode=True)
    params = module.params
    format_ = params["format"] or ("apt" if Path("/etc/apt").is_dir() else "dnf")
    where = places(format_, params["name"])
    if params["state"] == "absent":
        module.exit_json(files=[where.source, where.key], **remove(module, where))
    repository = Repository(
        name=params["name"],
        url=params["url"],
        suite=params["suite"],
        components=tuple(params["components"]),
        architectures=tuple(params["architectures"]),
        packages_signed=params["packages_signed"],
        metadata_signed=params["metadata_signed"],
    )
    if fault := fault_in(format_, repository):
        module.fail_json(msg=f'Cannot use package repository "{params["name"]}": {fault}')
    # In check mode it may be a package that the task before would have installed.
    module.get_bin_path("gpg", required=not module.check_mode)
    try:
        result = converge(module, repository, where, format_)
    except SigningError as error:
        module.fail_json(msg=f'Cannot use package repository "{params["name"]}": {error}')
    module.exit_json(files=[where.source, where.key], **result)


if __name__ == "__main__":
    main()

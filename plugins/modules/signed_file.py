#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: signed_file
short_description: Download a file whose signature holds
version_added: 1.0.0
description:
  - Downloads a file, and puts it at O(dest) only if its detached OpenPGP signature was made by a key with one of O(key_fingerprints).
  - What was verified is written to C(<dest>.verified), with address, SHA-256 and fingerprint. As long as that is true of the file, nothing is
    downloaded again. So a file at an address whose content changes, such as V(latest), stays as it is until it is removed.
requirements:
  - gpg (package gpg of Debian and Ubuntu, gnupg2-minimal of Amazon Linux)
options:
  url:
    description: Where the file is.
    type: str
    required: true
  signature_url:
    description: Where its signature is. O(url) with C(.sig) added if left out.
    type: str
  key_url:
    description: Where the public key is. It is used for this file only; no keyring of the node is read or changed.
    type: str
    required: true
  key_fingerprints:
    description: Fingerprints of the keys that may sign, 40 hexadecimal digits each, with or without spaces. Other keys at O(key_url) are not used.
    type: list
    elements: str
    required: true
  dest:
    description: Where the file goes. Its directory must exist.
    type: path
    required: true
  mode:
    description: Permissions of the file.
    type: str
    default: "0644"
attributes:
  check_mode:
    description: Can run in check mode and say whether the file would be downloaded. The signature of a file that is not there is not looked at.
    support: full
  diff_mode:
    description: Shows address, SHA-256 and key of the file before and after.
    support: full
  idempotent:
    description: The second time nothing is downloaded.
    support: full
author:
  - The trainyard developers (@trainyard)
"""

EXAMPLES = r"""
- name: Download the CloudWatch agent
  trainyard.aws.signed_file:
    url: https://amazoncloudwatch-agent.s3.amazonaws.com/debian/amd64/1.300071.0/amazon-cloudwatch-agent.deb
    key_url: https://amazoncloudwatch-agent.s3.amazonaws.com/assets/amazon-cloudwatch-agent.gpg
    key_fingerprints: [9376 16F3 450B 7D80 6CBD 9725 D581 6730 3B78 9C72]
    dest: /var/cache/amazon-cloudwatch-agent.deb
"""

RETURN = r"""
dest:
  description: Where the file is.
  type: str
  returned: success
  sample: /var/cache/amazon-cloudwatch-agent.deb
sha256:
  description: SHA-256 of the file; none in check mode where it would be downloaded.
  type: str
  returned: success
  sample: 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.trainyard.aws.plugins.module_utils._signed_file_store import Tools, provide
from ansible_collections.trainyard.aws.plugins.module_utils._signing import SigningError

ARGUMENTS: dict[str, t.Any] = {
    "url": {"type": "str", "required": True},
    "signature_url": {"type": "str"},
    "key_url": {"type": "str", "required": True, "no_log": False},
    "key_fingerprints": {"type": "list", "elements": "str", "required": True, "no_log": False},
    "dest": {"type": "path", "required": True},
    "mode": {"type": "str", "default": "0644"},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)

    module.get_bin_path("gpg", required=not module.check_mode)
    try:
        tools = Tools(run=module.run_command, move=module.atomic_move, directory=module.tmpdir)
        result = provide(module.params, tools, module.check_mode)
    except SigningError as error:
        module.fail_json(msg=str(error))
    if result["sha256"]:
        result["changed"] = module.set_mode_if_different(result["dest"], module.params["mode"], result["changed"])
    module.exit_json(**result)


if __name__ == "__main__":
    main()

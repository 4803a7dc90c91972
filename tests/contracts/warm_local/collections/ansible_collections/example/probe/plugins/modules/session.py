# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What boto3 makes of the configuration."""

from __future__ import annotations

import boto3
from ansible.module_utils.basic import AnsibleModule
from botocore.exceptions import BotoCoreError


def main() -> None:
    module = AnsibleModule({"profile": {"type": "str"}})
    try:
        session = boto3.session.Session(profile_name=module.params["profile"])
        found = session.get_credentials()
        frozen = found.get_frozen_credentials() if found else None
        clients = [session.client(name, region_name="eu-central-1") for name in ("ec2", "ec2", "s3", "sts")]
        module.exit_json(
            region=session.region_name,
            key=frozen.access_key if frozen else None,
            services=session.get_available_services(),
            endpoints=[client.meta.endpoint_url for client in clients],
            operations=[len(client.meta.service_model.operation_names) for client in clients],
        )
    except BotoCoreError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Asks for quotas and for what uses them. Reads only."""

from __future__ import annotations

import typing as t

from ansible_collections.trainyard.aws.plugins.module_utils._offers_api import types_named
from ansible_collections.trainyard.aws.plugins.module_utils._quotas import Need, Quota, quotas_of, uses

try:
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:
    pass  # AnsibleAWSModule says so

Client = t.Any


def vcpu_quotas(client: Client) -> tuple[list[Quota], str]:
    """The account's quotas on vCPUs, or why they could not be read."""
    try:
        pages = client.get_paginator("list_service_quotas").paginate(ServiceCode="ec2")
        return quotas_of(item for page in pages for item in page["Quotas"]), ""
    except (BotoCoreError, ClientError) as error:
        return [], f"Quotas could not be read: {error}"


def vcpus_in_use(ec2: Client, but: str = "") -> list[Need]:
    """The vCPUs of each running instance of the account, but for those of the stack ``but``."""
    filters = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
    pages = ec2.get_paginator("describe_instances").paginate(Filters=filters)
    reservations = [reservation for page in pages for reservation in page["Reservations"]]
    names = {instance["InstanceType"] for reservation in reservations for instance in reservation["Instances"]}
    vcpus_of = {name: item.vcpus for name, item in types_named(ec2, names).items()}
    return uses(reservations, vcpus_of, but)

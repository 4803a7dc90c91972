# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which of AWS's APIs can be called from behind an interface: all over the internet, else those with an endpoint in the VPC."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Any

from lab.routes import has_way_out, table_of
from lab.security_groups import permissions

HTTPS = 443
# Where a service's endpoint is not called like the service.
ENDPOINT_OF = {
    "cloudwatch": "monitoring",
    "ecr": "ecr.api",
    "efs": "elasticfilesystem",
    "sagemaker": "sagemaker.api",
    "sagemaker-runtime": "sagemaker.runtime",
}


def reaches_service(ec2: Any, interface: Any, service: str) -> bool:
    """Whether a call to a service gets there."""
    if has_way_out(ec2, interface):
        return True
    name = f"com.amazonaws.{ec2.region_name}.{ENDPOINT_OF.get(service, service)}"
    table = table_of(ec2, interface.subnet).id
    endpoints = [
        one
        for one in list(ec2.vpc_end_points.values())
        if (one.vpc_id, one.service_name, one.state) == (interface.vpc_id, name, "available")
    ]
    return any(
        (one.private_dns_enabled and endpoint_admits(ec2, one, interface))
        if one.vpc_endpoint_type == "Interface"
        else table in one.route_table_ids
        for one in endpoints
    )


def endpoint_admits(ec2: Any, endpoint: Any, interface: Any) -> bool:
    """Whether the endpoint's security groups let the interface's address in by HTTPS."""
    return admits(ec2, endpoint.security_group_ids, str(interface.private_ip_address), HTTPS)


def admits(ec2: Any, groups: list[str], source: str, port: int) -> bool:
    """Whether one of the groups lets TCP from an address to a port in."""
    found = [group for group in map(ec2.get_security_group_from_id, groups) if group is not None]
    return any(
        rule.protocol in ("-1", "tcp")
        and (rule.first is None or rule.protocol == "-1" or rule.first <= port <= (rule.last or rule.first))
        and any(IPv4Address(source) in IPv4Network(one, strict=False) for one in rule.sources)
        for rule in permissions(ec2, found)
    )

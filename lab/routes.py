# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether an interface has a way out of its VPC: the default route of its subnet, and what that leads to."""

from __future__ import annotations

from typing import Any

EVERYWHERE = "0.0.0.0/0"


def has_way_out(ec2: Any, interface: Any) -> bool:
    """Through an attached internet gateway with a public address, or through a NAT gateway that works."""
    table = table_of(ec2, interface.subnet)
    route = next((route for route in table.routes if route.destination_cidr_block == EVERYWHERE), None)
    if route is None:
        return False
    if route.nat_gateway is not None:
        return bool(route.nat_gateway.state == "available")
    gateway = ec2.internet_gateways.get(getattr(route.gateway, "id", None))
    attached = gateway is not None and gateway.vpc is not None and gateway.vpc.id == interface.vpc_id
    return attached and interface.public_ip is not None


def table_of(ec2: Any, subnet: Any) -> Any:
    """The route table a subnet is associated with, else the main one of its VPC."""
    tables = [table for table in list(ec2.route_tables.values()) if table.vpc_id == subnet.vpc_id]
    explicit = next((table for table in tables if subnet.id in table._associations.values()), None)
    return explicit or next(table for table in tables if table.main_association_id)

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where an interface's packets get to: the default route of its subnet, and what that leads to."""

from __future__ import annotations

from typing import Any

EVERYWHERE = "0.0.0.0/0"


def has_way_out(ec2: Any, interface: Any) -> bool:
    """Through an internet gateway with a public address, a NAT gateway that works, or an instance that does NAT."""
    route = default_route(ec2, interface)
    if route is None:
        return False
    if route.nat_gateway is not None:
        return bool(route.nat_gateway.state == "available")
    if nat_instance_of(ec2, interface) is not None:
        return True
    return has_public_way(ec2, interface)


def has_public_way(ec2: Any, interface: Any) -> bool:
    """Through an attached internet gateway, with a public address."""
    route = default_route(ec2, interface)
    gateway = ec2.internet_gateways.get(getattr(getattr(route, "gateway", None), "id", None))
    attached = gateway is not None and gateway.vpc is not None and gateway.vpc.id == interface.vpc_id
    return attached and interface.public_ip is not None


def default_route(ec2: Any, interface: Any) -> Any | None:
    table = table_of(ec2, interface.subnet)
    return next((route for route in table.routes if route.destination_cidr_block == EVERYWHERE), None)


def nat_instance_of(ec2: Any, interface: Any) -> Any | None:
    """The running instance the default route leads to, if it has a public way itself. Whether it forwards is its own matter."""
    route = default_route(ec2, interface)
    target = getattr(route, "instance", None) or getattr(getattr(route, "interface", None), "instance", None)
    if target is None or target.state != "running" or target.nics[0] is interface:
        return None
    return target if has_public_way(ec2, target.nics[0]) else None


def forwards(instance: Any) -> bool:
    """Whether EC2 lets packets through that are not for the instance itself: its source/destination check is off."""
    checks = (instance.source_dest_check, instance.nics[0].source_dest_check)
    return any(str(check).lower() == "false" for check in checks)


def table_of(ec2: Any, subnet: Any) -> Any:
    """The route table a subnet is associated with, else the main one of its VPC."""
    tables = [table for table in list(ec2.route_tables.values()) if table.vpc_id == subnet.vpc_id]
    explicit = next((table for table in tables if subnet.id in table._associations.values()), None)
    return explicit or next(table for table in tables if table.main_association_id)

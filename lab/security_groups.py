# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Security groups as nftables rules inside each box: what may open a connection to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from lab.routes import forwards, has_way_out

TABLE = "lab_security_groups"
RULES_FILE = "/etc/lab/security-groups.nft"
NOT_FOR_IT = "    fib daddr type unicast drop\n"
FOREIGN = """  chain foreign {{
    type filter hook postrouting priority 150; policy accept;
    oifname "eth*" ip daddr != {{ {vpc}, 169.254.169.254 }} ip saddr != {{ {own} }} drop
  }}
"""
OUTBOUND = """  chain outbound {{
    type filter hook postrouting priority 0; policy accept;
    oifname != "eth*" accept
    ct state established,related accept
    ip daddr {{ {vpc}, 169.254.169.254 }} accept
    meta l4proto {{ tcp, udp }} th dport 53 accept
    drop
  }}
"""


@dataclass(frozen=True, order=True)
class Inbound:
    """One permission with its sources resolved to addresses; no sources means it lets nothing in."""

    protocol: str  # tcp, udp, icmp, or -1 for all
    first: int | None
    last: int | None
    sources: tuple[str, ...]


def box_rules(ec2: Any, instance: Any) -> str:
    """The rules for an instance's box: its groups' inbound rules, no way out without a route, and no packets of others.

    EC2 drops what is not for the instance itself unless its source/destination check is off; what leaves with
    another's address finds no way back, so an instance that does NAT has to put its own on it.
    """
    interface = instance.nics[0]
    vpc = str(ec2.get_vpc(interface.vpc_id).cidr_block)
    own = ", ".join(str(one) for one in (interface.private_ip_address, interface.public_ip) if one)
    return as_nft(
        permissions(ec2, interface.group_set),
        "" if has_way_out(ec2, interface) else vpc,
        first="" if forwards(instance) else NOT_FOR_IT,
        more=FOREIGN.format(vpc=vpc, own=own),
    )


def server_rules(ec2: Any, interface: Any) -> str:
    """The rules for a server of the lab's own behind an interface."""
    return as_nft(permissions(ec2, interface.group_set))


def permissions(ec2: Any, groups: Iterable[Any]) -> list[Inbound]:
    """Ingress rules of the groups; a rule that names a group means the private addresses of that group's members now."""
    found = {
        Inbound(rule.ip_protocol, rule.from_port, rule.to_port, sources)
        for group in groups
        for rule in group.ingress_rules
        if (sources := _sources(ec2, rule))
    }
    return sorted(found, key=repr)


def _sources(ec2: Any, rule: Any) -> tuple[str, ...]:
    if rule.cidr_ipv4:
        return (rule.cidr_ipv4,)
    group = rule.source_group.get("GroupId")
    return tuple(sorted(member_addresses(ec2, group))) if group else ()


def member_addresses(ec2: Any, group: str) -> set[str]:
    """Private addresses of all interfaces that carry the group."""
    return {
        str(eni.private_ip_address) for eni in list(ec2.enis.values()) if any(one.id == group for one in eni.group_set)
    }


def as_nft(rules: Iterable[Inbound], confined_to: str = "", first: str = "", more: str = "") -> str:
    """An nftables script that replaces the table as a whole.

    The inbound chain sits before any port forwarding, so containers with published ports are covered. A box that is
    confined to its VPC reaches the resolver and the metadata address besides, as on AWS.
    """
    accepted = "\n".join(f"    {_match(rule)} accept" for rule in rules)
    outbound = OUTBOUND.format(vpc=confined_to) if confined_to else ""
    return f"""table ip {TABLE}
delete table ip {TABLE}
table ip {TABLE} {{
  chain inbound {{
    type filter hook prerouting priority -140; policy accept;
    iifname != "eth*" accept
{first}    ct state established,related accept
{accepted}
    drop
  }}
{outbound}{more}}}
"""


def _match(rule: Inbound) -> str:
    sources = "" if "0.0.0.0/0" in rule.sources else f"ip saddr {{ {', '.join(rule.sources)} }} "
    if rule.protocol in ("tcp", "udp"):
        ports = f"{rule.first}-{rule.last}" if rule.first != rule.last else f"{rule.first}"
        return f"{sources}{rule.protocol} dport {ports}"
    if rule.protocol == "icmp":
        return f"{sources}ip protocol icmp"
    return sources.strip() if rule.protocol == "-1" else f"{sources}ip protocol {rule.protocol}"

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Security groups as nftables rules inside each box: what may open a connection to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

TABLE = "lab_security_groups"
RULES_FILE = "/etc/lab/security-groups.nft"


@dataclass(frozen=True, order=True)
class Inbound:
    """One permission with its sources resolved to addresses; no sources means it lets nothing in."""

    protocol: str  # tcp, udp, icmp, or -1 for all
    first: int | None
    last: int | None
    sources: tuple[str, ...]


def inbound_rules(ec2: Any, interface: Any) -> str:
    """The rules for one network interface, from moto's groups."""
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


def as_nft(rules: Iterable[Inbound]) -> str:
    """An nftables script that replaces the table as a whole. It sits before any port forwarding, so containers with published ports are covered."""
    accepted = "\n".join(f"    {_match(rule)} accept" for rule in rules)
    return f"""table ip {TABLE}
delete table ip {TABLE}
table ip {TABLE} {{
  chain inbound {{
    type filter hook prerouting priority -140; policy accept;
    iifname != "eth*" accept
    ct state established,related accept
{accepted}
    drop
  }}
}}
"""


def _match(rule: Inbound) -> str:
    sources = "" if "0.0.0.0/0" in rule.sources else f"ip saddr {{ {', '.join(rule.sources)} }} "
    if rule.protocol in ("tcp", "udp"):
        ports = f"{rule.first}-{rule.last}" if rule.first != rule.last else f"{rule.first}"
        return f"{sources}{rule.protocol} dport {ports}"
    if rule.protocol == "icmp":
        return f"{sources}ip protocol icmp"
    return sources.strip() if rule.protocol == "-1" else f"{sources}ip protocol {rule.protocol}"

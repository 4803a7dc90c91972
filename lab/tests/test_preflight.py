# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is checked before a lab starts, as pure decisions over what this machine says of itself."""

from __future__ import annotations

import socket
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from lab import addresses, preflight
from lab.addresses import AddressPool, Taken, free_ranges, taken_ranges

ROUTES = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
"""
TRIE = """Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 192.0.2.0
        /24 link UNICAST
     |-- 192.0.2.2
        /32 host LOCAL
     |-- 127.255.255.255
        /32 link BROADCAST
"""


def test_routes_are_ranges_and_the_default_route_is_none(tmp_path: Path) -> None:
    (tmp_path / "route").write_text(ROUTES)
    assert [str(one.range) for one in addresses._routes(tmp_path / "route")] == ["192.0.2.0/24", "172.17.0.0/16"]


def test_own_addresses_and_resolvers_are_ranges(tmp_path: Path) -> None:
    (tmp_path / "trie").write_text(TRIE)
    (tmp_path / "resolv").write_text("search x\nnameserver 10.2.3.4\nnameserver fd00::1\n")
    assert [str(one.range) for one in addresses._own_addresses(tmp_path / "trie")] == ["192.0.2.2/32"]
    assert [str(one.range) for one in addresses._resolvers(tmp_path / "resolv")] == ["10.2.3.4/32"]


def test_a_proxy_is_taken_by_what_its_name_resolves_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example.com:3128")
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *_: [(0, 0, 0, "", ("198.18.77.9", 0))] if host == "proxy.example.com" else [],
    )
    taken = taken_ranges()
    assert [str(one.range) for one in taken if "proxy.example.com" in one.why] == ["198.18.77.9/32"]
    assert IPv4Network("198.18.77.0/26") not in free_ranges(addresses.PUBLIC_CANDIDATES, taken)


def test_a_free_range_touches_nothing() -> None:
    taken = [Taken(IPv4Network("10.0.0.0/8"), "route"), Taken(IPv4Network("198.18.77.1/32"), "proxy")]
    candidates = [IPv4Network("10.1.0.0/26"), IPv4Network("198.18.77.0/26"), IPv4Network("198.18.77.64/26")]
    assert free_ranges(candidates, taken) == [IPv4Network("198.18.77.64/26")]


def test_the_pool_goes_round_and_skips_what_is_used() -> None:
    pool = AddressPool(IPv4Network("198.18.77.0/29"))
    assert [str(pool.take(set())) for _ in range(6)] == [f"198.18.77.{last}" for last in (2, 3, 4, 5, 6, 2)]
    assert str(pool.take({"198.18.77.3"})) == "198.18.77.4"
    assert pool.take({f"198.18.77.{last}" for last in range(8)}) is None


def test_each_fault_names_its_fix(tmp_path: Path) -> None:
    found = [
        preflight.bridge_exists(tmp_path / "docker0"),
        preflight.engine_is_local("https://build.example.com:2376"),
        preflight.memory_suffices("MemAvailable: 100000 kB\n"),
        preflight.inotify_suffices(10),
    ]
    assert all(fault and fault.fix for fault in found)
    assert [fault.fatal for fault in found if fault] == [True, True, False, True]


def test_what_suffices_is_no_fault(tmp_path: Path) -> None:
    assert preflight.bridge_exists(tmp_path) is None
    assert preflight.engine_is_local("http+docker://localhost") is None
    assert preflight.memory_suffices("MemAvailable: 8000000 kB\n") is None
    assert preflight.inotify_suffices(128) is None


def test_a_port_in_use_is_a_fault() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert preflight.port_is_free(taken.getsockname()[1]) is not None
    assert preflight.port_is_free(0) is None

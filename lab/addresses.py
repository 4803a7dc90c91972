# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which address ranges this machine uses already, and a free one for the lab's public addresses."""

from __future__ import annotations

import configparser
import os
import re
import socket
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from urllib.parse import urlsplit

# Benchmarking (RFC 2544), carrier-grade NAT and private space: seldom routed, never assumed to be free.
PUBLIC_CANDIDATES = tuple(
    subnet
    for block in ("198.18.77.0/24", "198.19.213.0/24", "100.127.77.0/24", "10.213.77.0/24", "172.30.213.0/24")
    for subnet in IPv4Network(block).subnets(new_prefix=26)
)
PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "ftp_proxy")
PACKAGE_VARIABLES = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX")
URL = re.compile(r"https?://[^\s\"'\],]+")
RESOLVE_SECONDS = 2.0


@dataclass(frozen=True)
class Taken:
    """A range that something on this machine needs."""

    range: IPv4Network
    why: str


def collision(wanted: IPv4Network, taken: Iterable[Taken]) -> Taken | None:
    """The first use of this machine that the wanted range would cut off."""
    return next((one for one in taken if wanted.overlaps(one.range)), None)


def free_ranges(candidates: Sequence[IPv4Network], taken: Sequence[Taken]) -> list[IPv4Network]:
    """The candidates that collide with nothing, in order."""
    return [candidate for candidate in candidates if collision(candidate, taken) is None]


def taken_ranges() -> list[Taken]:
    """Routes, own addresses, resolvers, and what proxies and package hosts resolve to."""
    return [*_routes(), *_own_addresses(), *_resolvers(), *_resolved(dict(_named_hosts()))]


def host_ranges() -> list[Taken]:
    """The part of `taken_ranges` that needs no name looked up; quick enough to ask at every CreateVpc."""
    return [*_routes(), *_own_addresses(), *_resolvers()]


def _routes(path: Path = Path("/proc/net/route")) -> Iterator[Taken]:
    for line in path.read_text().splitlines()[1:]:
        interface, destination, *_, mask, _mtu, _window, _irtt = line.split()
        network = IPv4Network((_address(destination), _address(mask).bit_count()))
        if network.prefixlen:  # the default route is everybody's
            yield Taken(network, f"route of interface {interface}")


def _address(little_endian: str) -> int:
    return int.from_bytes(bytes.fromhex(little_endian), "little")


def _own_addresses(path: Path = Path("/proc/net/fib_trie")) -> Iterator[Taken]:
    address = ""
    for line in path.read_text().splitlines():
        if "|--" in line:
            address = line.split("|--")[1].strip()
        elif "/32 host LOCAL" in line:
            yield Taken(IPv4Network(address), "address of this machine")


def _resolvers(path: Path = Path("/etc/resolv.conf")) -> Iterator[Taken]:
    for found in re.finditer(
        r"^nameserver\s+(\d+\.\d+\.\d+\.\d+)", path.read_text() if path.exists() else "", re.MULTILINE
    ):
        yield Taken(IPv4Network(found[1]), f"resolver in {path}")


def _named_hosts() -> Iterator[tuple[str, str]]:
    """Host names this machine is configured to reach, with where that is written."""
    for name in PROXY_VARIABLES:
        for variable in (name, name.upper()):
            if os.environ.get(variable):
                yield _host(os.environ[variable]), f"proxy in {variable}"
    for variable in PACKAGE_VARIABLES:
        for url in URL.findall(os.environ.get(variable, "")):
            yield _host(url), f"package index in {variable}"
    for path in (
        *Path("/etc/apt").glob("sources.list"),
        *Path("/etc/apt/sources.list.d").glob("*"),
        *Path("/etc/apt/apt.conf.d").glob("*"),
    ):
        for url in URL.findall(path.read_text(errors="replace")):
            yield _host(url), f"package source in {path}"
    for path in (
        Path("/etc/pip.conf"),
        Path("~/.config/pip/pip.conf").expanduser(),
        Path("~/.pip/pip.conf").expanduser(),
    ):
        for url in _pip_urls(path):
            yield _host(url), f"package index in {path}"


def _pip_urls(path: Path) -> list[str]:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read(path)
    except configparser.Error:
        return []
    return [url for section in parser.values() for value in section.values() for url in URL.findall(value)]


def _host(url: str) -> str:
    return urlsplit(url if "//" in url else f"//{url}").hostname or ""


def _resolved(hosts: dict[str, str]) -> Iterator[Taken]:
    """What the names resolve to now; a name that does not resolve cannot be cut off either."""
    pool = ThreadPoolExecutor(max_workers=8)
    waiting = {
        pool.submit(socket.getaddrinfo, host, None, socket.AF_INET, socket.SOCK_STREAM): host for host in hosts if host
    }
    try:
        for done in as_completed(waiting, timeout=RESOLVE_SECONDS):
            host = waiting[done]
            if done.exception() is None:
                for address in {str(answer[4][0]) for answer in done.result()}:
                    yield Taken(IPv4Network(address), f"{host} ({hosts[host]})")
    except TimeoutError:
        return
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


class AddressPool:
    """Hands out the lab's public addresses round robin; what is in use is asked of the caller each time."""

    def __init__(self, network: IPv4Network) -> None:
        self.network = network
        self.gateway = network[1]
        self._hosts = list(network.hosts())[1:]
        self._next = 0

    def take(self, used: set[str]) -> IPv4Address | None:
        """An address nobody uses, or None when all are used."""
        for _ in self._hosts:
            address = self._hosts[self._next % len(self._hosts)]
            self._next += 1
            if str(address) not in used:
                return address
        return None

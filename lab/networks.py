# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Docker networks: one for each VPC that has something in it, and one for the public addresses."""

from __future__ import annotations

import logging
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network

import docker
from docker.errors import APIError
from docker.models.networks import Network as DockerNetwork
from docker.types import IPAMConfig, IPAMPool

from lab.settings import LABEL_ID, LABEL_KIND, Settings
from lab.wanted import Network

log = logging.getLogger(__name__)
KIND_VPC, KIND_PUBLIC = "vpc", "public"


def gateway_of(cidr: str) -> IPv4Address:
    """This machine's own address in the VPC; AWS reserves it for the router."""
    return IPv4Network(cidr)[1]


def registry_address(cidr: str) -> IPv4Address:
    """AWS reserves the second address of a VPC for its resolver; here the image registry has it, so it never meets an instance."""
    return IPv4Network(cidr)[2]


class Networks:
    """The lab's networks in Docker."""

    def __init__(
        self,
        client: docker.DockerClient,
        settings: Settings,
        opened: Callable[[Network], None],
        closing: Callable[[str], None],
    ) -> None:
        """`opened` is called after a VPC's network came up, `closing` before it goes."""
        self._client = client
        self._settings = settings
        self._opened = opened
        self._closing = closing
        self._known: dict[str, str] = {}

    def name(self, vpc: str) -> str:
        return f"{self._settings.name}-{vpc}"

    @property
    def public_name(self) -> str:
        return f"{self._settings.name}-public"

    def make_public(self, candidates: list[IPv4Network]) -> IPv4Network | None:
        """Create the public network on the first range that Docker accepts too; None when it accepts none."""
        for candidate in candidates:
            try:
                self._create(self.public_name, candidate, KIND_PUBLIC, "public")
            except APIError as error:
                log.info("range %s refused by Docker: %s", candidate, error.explanation)
                continue
            return candidate
        return None

    def ensure(self, network: Network) -> None:
        """The VPC's network exists and this machine listens at its gateway."""
        if network.vpc in self._known:
            return
        self._create(self.name(network.vpc), IPv4Network(network.cidr), KIND_VPC, network.vpc)
        self._known[network.vpc] = network.cidr
        self._opened(network)

    def remove_all_but(self, vpcs: frozenset[str]) -> None:
        """Networks of VPCs that were deleted go."""
        for vpc in set(self._known) - vpcs:
            self._closing(vpc)
            self._client.networks.get(self.name(vpc)).remove()
            del self._known[vpc]
            log.info("network of %s removed", vpc)

    def _create(self, name: str, cidr: IPv4Network, kind: str, identity: str) -> DockerNetwork:
        pool = IPAMPool(subnet=str(cidr), gateway=str(cidr[1]))
        created = self._client.networks.create(
            name,
            driver="bridge",
            ipam=IPAMConfig(pool_configs=[pool]),
            labels=self._settings.labels(kind, identity),
            check_duplicate=True,
        )
        log.info("network %s is %s", name, cidr)
        return created


def owned(client: docker.DockerClient, settings: Settings) -> list[tuple[DockerNetwork, str, str]]:
    """The networks that carry this lab's label, with kind and id."""
    found = client.networks.list(filters=settings.label_filter)
    return [(network, network.attrs["Labels"][LABEL_KIND], network.attrs["Labels"][LABEL_ID]) for network in found]

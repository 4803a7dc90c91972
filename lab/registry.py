# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ECR: a container registry under the account's own host name, in every VPC, with a certificate of the lab's authority."""

from __future__ import annotations

import datetime
import logging
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

import docker
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from docker.models.containers import Container

from lab.boxes import archive
from lab.images import Images
from lab.networks import Networks, registry_address
from lab.settings import ACCOUNT, Settings
from lab.wanted import Network

log = logging.getLogger(__name__)
KIND_REGISTRY, KIND_DATA = "registry", "registry-data"
REGIONS = (
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "ca-central-1",
    "eu-west-1",
    "eu-west-2",
    "eu-central-1",
    "ap-northeast-1",
    "ap-southeast-2",
)
VALID_DAYS = 3650
INSIDE = "/etc/lab/registry"


def host_name(region: str) -> str:
    return f"{ACCOUNT}.dkr.ecr.{region}.amazonaws.com"


@dataclass(frozen=True)
class Certificates:
    """PEM files: whom a box has to trust, and how the registry proves itself."""

    authority: bytes
    certificate: bytes
    key: bytes

    @property
    def trusted(self) -> dict[str, bytes]:
        """Where a Docker engine looks for the authority of a registry."""
        return {f"/etc/docker/certs.d/{host_name(region)}/ca.crt": self.authority for region in REGIONS}


class Registry:
    """The one registry container of a lab; its images outlive `down`."""

    def __init__(
        self,
        client: docker.DockerClient,
        settings: Settings,
        images: Images,
        networks: Networks,
        certificates: Certificates,
    ) -> None:
        self._client = client
        self._settings = settings
        self._images = images
        self._networks = networks
        self._certificates = certificates
        self._container: Container | None = None

    @property
    def volume(self) -> str:
        return f"{self._settings.name}-registry"

    def start(self) -> int:
        """Start it; the answer is the loopback port to push to."""
        self._client.volumes.create(self.volume, labels=self._settings.labels(KIND_DATA, "registry"))
        container = self._client.containers.create(
            self._images.services,
            ["docker-registry", "serve", "/etc/docker/registry/config.yml"],
            name=f"{self._settings.name}-registry",
            labels=self._settings.labels(KIND_REGISTRY, "registry"),
            environment={
                "REGISTRY_HTTP_ADDR": ":443",
                "REGISTRY_HTTP_TLS_CERTIFICATE": f"{INSIDE}/certificate.pem",
                "REGISTRY_HTTP_TLS_KEY": f"{INSIDE}/key.pem",
            },
            volumes=[f"{self.volume}:/var/lib/registry:rw"],
            ports={"443/tcp": ("127.0.0.1", None)},
        )
        container.put_archive(
            "/",
            archive(
                {
                    f"{INSIDE}/certificate.pem": self._certificates.certificate,
                    f"{INSIDE}/key.pem": self._certificates.key,
                }
            ),
        )
        container.start()
        container.reload()
        self._container = container
        return int(container.ports["443/tcp"][0]["HostPort"])

    def join(self, network: Network) -> None:
        """Be reachable in a VPC under the account's host names."""
        docker_network = self._client.networks.get(self._networks.name(network.vpc))
        address = str(registry_address(network.cidr))
        docker_network.connect(self._container, ipv4_address=address, aliases=[host_name(region) for region in REGIONS])

    def leave(self, vpc: str) -> None:
        self._client.networks.get(self._networks.name(vpc)).disconnect(self._container, force=True)


def certificates(directory: Path) -> Certificates:
    """The certificates of the lab, made once per state directory."""
    paths = [directory / name for name in ("authority.pem", "certificate.pem", "key.pem")]
    if not all(path.exists() for path in paths):
        directory.mkdir(parents=True, exist_ok=True)
        made = new_certificates()
        for path, content in zip(paths, (made.authority, made.certificate, made.key), strict=True):
            path.touch(mode=0o600)
            path.write_bytes(content)
    return Certificates(*(path.read_bytes() for path in paths))


def new_certificates() -> Certificates:
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Lab authority")])
    authority = (
        _builder(authority_name, authority_name, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    key = ec.generate_private_key(ec.SECP256R1())
    names: list[x509.GeneralName] = [x509.DNSName(host_name(region)) for region in REGIONS]
    names += [x509.DNSName("localhost"), x509.IPAddress(IPv4Address("127.0.0.1"))]
    certificate = (
        _builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Lab registry")]), authority_name, key.public_key())
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    return Certificates(
        authority.public_bytes(serialization.Encoding.PEM),
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )


def _builder(subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=VALID_DAYS))
    )

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The machine images of the account: what DescribeImages and the SSM parameters say, and which box image is behind each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

DEBIAN_OWNER = "136693071363"


@dataclass(frozen=True)
class MachineImage:
    """An AMI of the lab."""

    ami: str
    parameter: str  # the SSM parameter whose value is the AMI's id
    name: str
    description: str
    has_docker: bool


MACHINE_IMAGES = (
    MachineImage(
        "ami-0deb12ba5e0000001",
        "/lab/images/debian-12",
        "lab-debian-12-amd64",
        "Debian 12 with nothing but sshd and Python",
        False,
    ),
    MachineImage(
        "ami-0deb12d1a00000002",
        "/lab/images/deep-learning",
        "lab-deep-learning-debian-12-amd64",
        "Debian 12 with Docker, s5cmd and the NFS client",
        True,
    ),
)
# The names under which AWS publishes images (documentation of Amazon Linux, Canonical, Debian and the Deep Learning AMIs).
# All of them stand for a box of Debian here: plain ones for the empty box, Deep Learning ones for the box with Docker.
PLAIN_PARAMETERS = (
    *(
        f"/aws/service/canonical/ubuntu/server/{release}/stable/current/amd64/hvm/ebs-{volume}/ami-id"
        for release, volume in (("22.04", "gp2"), ("24.04", "gp3"))
    ),
    *(f"/aws/service/debian/release/{release}/latest/amd64" for release in ("12", "13")),
    *(
        f"/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-{kernel}-x86_64"
        for kernel in ("default", "6.1", "6.12", "6.18")
    ),
)
DEEP_LEARNING_PARAMETERS = tuple(
    f"/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-{system}/latest/ami-id"
    for system in ("ubuntu-22.04", "ubuntu-24.04", "amazon-linux-2023")
)
CREATED = datetime(2026, 11, 20, tzinfo=UTC).replace(tzinfo=None)


def by_ami(ami: str) -> MachineImage | None:
    return next((image for image in MACHINE_IMAGES if image.ami == ami), None)


def parameters_of(image: MachineImage) -> tuple[str, ...]:
    """Every SSM parameter that holds the image's id."""
    return (image.parameter, *(DEEP_LEARNING_PARAMETERS if image.has_docker else PLAIN_PARAMETERS))

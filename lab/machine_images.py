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
CREATED = datetime(2026, 11, 20, tzinfo=UTC).replace(tzinfo=None)


def by_ami(ami: str) -> MachineImage | None:
    return next((image for image in MACHINE_IMAGES if image.ami == ami), None)

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long things take: one table of waits for each choice of `--latency`, and the one in force."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

SECONDS_TO_RELEASE = 2.0  # what is deleted holds its interface that long, also where nothing else takes time


@dataclass(frozen=True)
class Waits:
    """Seconds in a state that is not the last one; what takes none is there, or gone, when the call returns."""

    call: float = 0.0  # from request to answer, for every call
    nat_gateway_pending: float = 0.0
    nat_gateway_deleting: float = SECONDS_TO_RELEASE
    file_system_creating: float = 0.0
    file_system_deleting: float = 0.0
    mount_target_creating: float = 0.0
    mount_target_deleting: float = SECONDS_TO_RELEASE
    instance_pending: float = 0.0
    instance_booting: float = 0.0  # from running until the box is switched on; its sshd answers a second later
    instance_shutting_down: float = 0.0
    interface_releasing: float = SECONDS_TO_RELEASE  # of a terminated instance


# NAT gateway, instance: the middle of what people's published Terraform output shows, less Terraform's ten seconds between
# looks. Deleting a mount target, creating and deleting a file system: assumed.
TABLES = {
    "none": Waits(),
    "aws": Waits(
        call=0.08,
        nat_gateway_pending=60.0,
        nat_gateway_deleting=45.0,
        file_system_creating=5.0,
        file_system_deleting=5.0,
        mount_target_creating=30.0,
        mount_target_deleting=15.0,
        instance_pending=15.0,
        instance_booting=19.0,
        instance_shutting_down=30.0,
        interface_releasing=30.0,
    ),
}


class Latency:
    """The waits in force."""

    def __init__(self) -> None:
        self.choose("none")

    def choose(self, name: str) -> None:
        self.name = name
        self.waits = TABLES[name]

    def control(self, given: dict[str, Any] | None) -> dict[str, float]:
        """The control /_lab/latency: seconds by name over the table chosen at the start; {} is that table."""
        if given is not None:
            self.waits = changed(TABLES[self.name], given)
        return asdict(self.waits)


def changed(waits: Waits, given: dict[str, Any]) -> Waits:
    """The waits with other seconds. ValueError says what is none of them."""
    known = [field.name for field in fields(Waits)]
    if unknown := sorted(set(given) - set(known)):
        raise ValueError(f"there is no wait {', '.join(unknown)}; there are {', '.join(known)}")
    seconds = {name: float(value) for name, value in given.items()}
    if any(value < 0 for value in seconds.values()):
        raise ValueError("seconds are 0 or more")
    return replace(waits, **seconds)


NOW = Latency()

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Flow logs to a folder of a bucket: moto takes the folder for a part of the bucket's name."""

from __future__ import annotations

from typing import Any

from moto.ec2.exceptions import FlowLogAlreadyExists
from moto.ec2.models import EC2Backend

from lab.patching import replaces

S3 = "arn:aws:s3:::"


def install() -> None:
    @replaces(EC2Backend, "create_flow_logs")
    def into_a_folder(original: Any, self: Any, **wanted: Any) -> Any:
        destination = wanted.get("log_destination") or ""
        if not destination.startswith(S3):
            return original(self, **wanted)
        if any(
            one.log_destination == destination and one.resource_id in wanted["resource_ids"]
            for one in self.flow_logs.values()
        ):
            raise FlowLogAlreadyExists()
        bucket = destination.removeprefix(S3).split("/")[0]
        kept = {one: one.log_destination for one in self.flow_logs.values()}
        for one in kept:  # moto compares with the bucket alone, and two folders of one bucket are not the same
            one.log_destination = None
        try:
            made, refused = original(self, **{**wanted, "log_destination": S3 + bucket})
        finally:
            for one, before in kept.items():
                one.log_destination = before
        for one in made:
            one.log_destination = destination
        return made, refused

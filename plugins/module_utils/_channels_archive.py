# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""An archive fetched, and compared with its checksum."""

from __future__ import annotations

import shutil
from urllib.error import URLError

from ansible.module_utils.urls import open_url
from ansible_collections.trainyard.aws.plugins.module_utils._channels import Channel, ChannelError
from ansible_collections.trainyard.aws.plugins.module_utils._training_results_store import Runner, sha256_of

_TIMEOUT_SECONDS = 60


def fetch(channel: Channel, path: str, s5cmd: Runner) -> None:
    """Bring the archive to the node; it stays only if it is the one that was meant."""
    if channel.source.startswith("s3://"):
        code, dummy, err = s5cmd(["--log", "error", "cp", "--raw", channel.source, path], None)
        if code:
            raise ChannelError(
                channel,
                " ".join(err.strip().splitlines()[:3]) + ".",
                "See that it exists and that the node's role may read it (aws_identity_datasets).",
            )
    else:
        try:
            with open_url(channel.source, timeout=_TIMEOUT_SECONDS) as answer, open(path, "wb") as file:
                shutil.copyfileobj(answer, file, 1024 * 1024)
        except (URLError, OSError) as error:
            raise ChannelError(channel, f"{error}.", "See that the node reaches that address.") from error
    found = sha256_of(path)
    if found != channel.sha256:
        raise ChannelError(
            channel,
            f"its SHA-256 is {found} and not {channel.sha256}.",
            "If the new content is what you want, write the new checksum.",
        )

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""TensorBoard's event files on their way to the bucket while the training still writes them."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.trainyard.aws.plugins.module_utils._container_types import TrainingError
from ansible_collections.trainyard.aws.plugins.module_utils._supervisor import is_event_file
from ansible_collections.trainyard.aws.plugins.module_utils._supervisor_node import look
from ansible_collections.trainyard.aws.plugins.module_utils._training_results_store import Bucket


class EventFiles:
    """They are only ever appended to: what was copied halfway is a shorter event file, which TensorBoard reads."""

    def __init__(self, bucket: Bucket, roots: t.Sequence[str]) -> None:
        self._bucket = bucket
        self._roots = roots
        self._sizes: dict[str, int] = {}  # as they are in the bucket

    def round(self) -> str:
        """Copy what has grown. Returns why it could not be done, which is no reason not to copy checkpoints."""
        sources = {}
        sizes = {}
        for root in self._roots:
            for path, file in look(root).items():
                if is_event_file(path) and file.size != self._sizes.get(path):
                    sources[path], sizes[path] = os.path.join(root, path), file.size
        try:
            if sources:
                self._bucket.upload(sources)
        except TrainingError as error:
            return str(error)
        self._sizes.update(sizes)
        return ""

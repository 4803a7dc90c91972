# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Notice boxes that go down by themselves: a shutdown inside an instance is the account's matter too."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import docker

from lab.boxes import KIND_BOX
from lab.settings import LABEL_ID, LABEL_KIND, Settings

log = logging.getLogger(__name__)
SECONDS_BETWEEN_TRIES = 2.0


class Watch:
    """A thread that follows Docker's events and tells which box ended, for whatever reason."""

    def __init__(self, client: docker.DockerClient, settings: Settings, ended: Callable[[str], None]) -> None:
        self._client = client
        self._filters = {"event": ["die"], "label": [settings.label_filter["label"], f"{LABEL_KIND}={KIND_BOX}"]}
        self._ended = ended

    def start(self) -> None:
        threading.Thread(target=self._follow, daemon=True, name="watch").start()

    def _follow(self) -> None:
        while True:
            try:
                for event in self._client.events(decode=True, filters=self._filters):
                    self._ended(event["Actor"]["Attributes"][LABEL_ID])
            except Exception:  # the engine may restart; what ended meanwhile is seen at the next change
                log.exception("cannot follow Docker's events")
            time.sleep(SECONDS_BETWEEN_TRIES)

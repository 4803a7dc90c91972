# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""How far the fetching of channels has come, by what lies on the node's disk. Pure."""

from __future__ import annotations

import shlex
import typing as t
from collections import deque
from dataclasses import dataclass

from ansible_collections.trainyard.aws.plugins.module_utils._channels import size_text
from ansible_collections.trainyard.aws.plugins.module_utils._channels_prune import DOWNLOAD, PART
from ansible_collections.trainyard.aws.plugins.module_utils._progress_line import duration

SMOOTHED_SECONDS = 30.0
# Of a file that is written in several places at once, only what is on the disk by now.
_SIZE_OF_PATH = (
    r"""printf '%s\t%s\n' "$(find "$path" -type f -printf '%s %b\n' 2>/dev/null | """
    r"""awk '{on_disk = 512 * $2; all += on_disk < $1 ? on_disk : $1} END {printf "%.0f", all}')" "$path" """
)


@dataclass(frozen=True)
class Wanted:
    """A channel that is being fetched; the size of an archive is not known before it is there."""

    name: str
    directory: str
    size: int | None


class Speed:
    """Bytes a second over the last moments."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def add(self, now: float, size: int) -> None:
        """How much there was at a moment. Less than before is a new beginning: a download goes when it is unpacked."""
        if self._seen and size < self._seen[-1][1]:
            self._seen.clear()
        self._seen.append((now, size))
        while len(self._seen) > 2 and now - self._seen[0][0] > SMOOTHED_SECONDS:
            self._seen.popleft()

    @property
    def value(self) -> float:
        (then, before), (now, size) = self._seen[0], self._seen[-1]
        return (size - before) / (now - then) if now > then else 0.0


def wanted_of(told: t.Mapping[str, t.Any]) -> list[Wanted]:
    """What is lacking, by the answer of M(trainyard.aws.training_channels)."""
    return [
        Wanted(each["name"], each["directory"], each["bytes"])
        for each in told["channels"]
        if each["name"] in told["fetched"]
    ]


def command_of(wanted: t.Iterable[Wanted]) -> str:
    """What tells on the node the sizes of what is fetched just now, and then the names of what is whole."""
    places = list(wanted)
    growing = [each.directory + end for each in places for end in (DOWNLOAD, PART)]
    whole = shlex.join(each.directory for each in places)
    return f'for path in {shlex.join(growing)}; do test ! -e "$path" || {_SIZE_OF_PATH}; done; ls -d -- {whole} 2>/dev/null; true'


def parts_of(wanted: t.Sequence[Wanted], answer: str, speed: Speed, now: float) -> tuple[list[str], list[str]]:
    """What is known of each channel that is not whole, and the same with speed and time left."""
    sizes = {path: int(size) for size, tab, path in (line.partition("\t") for line in answer.splitlines()) if tab}
    whole = set(answer.splitlines())
    going = [each for each in wanted if each.directory not in whole]
    speed.add(now, sum(_there(each, sizes) if each in going else each.size or 0 for each in wanted))
    known = [_told(each, sizes) for each in going]
    if not known or not speed.value:
        return known, known
    sized = [each.size - _there(each, sizes) for each in going if each.size is not None]
    left = [f"{duration(sum(sized) / speed.value)} left"] if len(sized) == len(going) else []
    return known, [known[0], f"{size_text(speed.value)}/s", *left, *known[1:]]


def _there(each: Wanted, sizes: t.Mapping[str, int]) -> int:
    """What was broken off may lie there for a moment, and be more than is wanted."""
    found = sizes.get(each.directory + DOWNLOAD, 0) + sizes.get(each.directory + PART, 0)
    return found if each.size is None else min(found, each.size)


def _told(each: Wanted, sizes: t.Mapping[str, int]) -> str:
    if each.size is not None:
        return f"{each.name} {size_text(_there(each, sizes))} of {size_text(each.size)}"
    unpacked = sizes.get(each.directory + PART)
    if unpacked is not None:
        return f"{each.name} {size_text(unpacked)} unpacked"
    return f"{each.name} {size_text(sizes.get(each.directory + DOWNLOAD, 0))} fetched"

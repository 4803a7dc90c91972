# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""A training's progress in one line: how far, how long yet, how well, and for how much. Pure."""

from __future__ import annotations

import math
import typing as t
import unicodedata
from collections import deque

from ansible_collections.trainyard.aws.plugins.module_utils._container_text import sanitise
from ansible_collections.trainyard.aws.plugins.module_utils._numbers import finite_number
from ansible_collections.trainyard.aws.plugins.module_utils._progress import Metric, Progress

CHART_WIDTH = 16
_BLOCKS, _PLAIN = "▁▂▃▄▅▆▇█", "_.:-=+*#"
_SMOOTHED_SECONDS = 60.0
_OBSERVED_SECONDS = 5.0
_OBSERVED_RISES = 2
_LOSSES = ("loss", "train_loss", "training_loss")
_OF_OTHER_SETS = ("val", "test", "eval", "dev")
_SHOWN_METRICS = 3
_SHOWN_NAME = 40


class Pace:
    """How fast the fraction that is done grows, so that the rest can be estimated."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._rises = 0
        self._rate = 0.0
        self._first: float | None = None
        self._last: tuple[float, float] | None = None

    def add(self, now: float, fraction: float | None) -> None:
        """What was done at a moment. A fraction that fell, as with a new bar, begins anew."""
        if fraction is None or (self._last is not None and fraction < self._last[1]):
            self._begin()
        if fraction is None:
            return
        if self._last is None:
            self._first, self._last = now, (now, fraction)
            return
        then, before = self._last
        if fraction > before and now > then:
            rate = (fraction - before) / (now - then)
            weight = 1 - math.exp(-(now - then) / _SMOOTHED_SECONDS) if self._rises else 1.0
            self._rate += weight * (rate - self._rate)
            self._rises += 1
            self._last = (now, fraction)

    def seconds_left(self, now: float) -> float | None:
        """None while too little is known, and when it takes longer than it should."""
        if self._last is None or self._first is None or self._rises < _OBSERVED_RISES:
            return None
        then, fraction = self._last
        if now - self._first < _OBSERVED_SECONDS or fraction >= 1:
            return None
        left = (1 - fraction) / self._rate - (now - then)
        return left if left > 0 else None


def chart(values: t.Sequence[float], width: int = CHART_WIDTH, plain: bool = False) -> str:
    """Values as a row of blocks, the lowest on the ground; what is no number is left out."""
    numbers = [value for value in values if math.isfinite(value)]
    if len(numbers) < 2:
        return ""
    count = min(width, len(numbers))
    cuts = [len(numbers) * index // count for index in range(count + 1)]
    means = [_mean(numbers[start:end]) for start, end in zip(cuts, cuts[1:])]
    low, high = min(means), max(means)
    blocks = _PLAIN if plain else _BLOCKS
    span = high - low
    if not span or not math.isfinite(span):
        return blocks[0] * count
    return "".join(blocks[min(len(blocks) - 1, int((mean - low) / span * len(blocks)))] for mean in means)


def _mean(numbers: t.Sequence[float]) -> float:
    return sum(number / len(numbers) for number in numbers)


def duration(seconds: float) -> str:
    """A length of time for people, to two units: 45 s, 12 min, 3 h 20 min, 2 d 4 h."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes = whole // 60
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h"


def dollars(amount: float) -> str:
    return f"${amount:,.2f}" if amount < 100 else f"${amount:,.0f}"


def number_text(value: float) -> str:
    """A metric, short: 0.4123, 1.51e-05, 76.4, nan."""
    return f"{value:.4g}"


def loss_of(metrics: t.Mapping[str, Metric]) -> str:
    """The name of the loss to draw: that of the training, where there are several; nothing where there is none."""
    names = [name for name in metrics if "loss" in name.lower()]
    for name in _LOSSES:
        for candidate in names:
            if candidate.lower() == name:
                return candidate
    of_training = [name for name in names if not name.lower().startswith(_OF_OTHER_SETS)]
    return (of_training or names or [""])[0]


def parts_of(
    progress: Progress, status: t.Mapping[str, t.Any], seconds_left: float | None, plain: bool = False
) -> list[str]:
    """What is known, the most important first."""
    parts = [
        *_position_parts(progress),
        f"{duration(seconds_left)} left" if seconds_left is not None else "",
        *_metric_parts(progress, plain),
        _accelerators(status.get("accelerators")),
        _costs(status, seconds_left),
        _checkpoint(status),
    ]
    return [part for part in parts if part]


def line_of_parts(parts: t.Sequence[str], width: int = 0, plain: bool = False) -> str:
    """The parts in one line; of a line that is too wide the last parts are left out, then its end."""
    separator = " | " if plain else " · "
    kept = deque(parts)
    while width and len(kept) > 1 and columns_of(separator.join(kept)) > width:
        kept.pop()
    line = separator.join(kept)
    line = line.encode("ascii", "replace").decode("ascii") if plain else line
    while width and columns_of(line) > width:
        line = line[:-1]
    return line


def columns_of(text: str) -> int:
    """How wide a text is on a terminal. A status line that breaks into two could not be drawn anew."""
    return sum(2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text)


def _position_parts(progress: Progress) -> list[str]:
    percent = f"{int(100 * progress.fraction)} %" if progress.fraction is not None else ""
    return [_of("epoch", progress.epoch, progress.epochs), _of("step", progress.step, progress.steps), percent]


def _of(word: str, count: float | None, total: int | None) -> str:
    if count is None:
        return ""
    shown = f"{count:.2f}".rstrip("0").rstrip(".")
    return f"{word} {shown}/{total}" if total else f"{word} {shown}"


def _metric_parts(progress: Progress, plain: bool) -> list[str]:
    loss = loss_of(progress.metrics)
    others = [
        name for name in progress.metrics if name != loss and not name.lower().startswith(("lr", "learning_rate"))
    ]
    names = ([loss] if loss else []) + others
    return [
        " ".join(
            filter(
                None,
                [
                    sanitise(name)[:_SHOWN_NAME],
                    number_text(progress.metrics[name].last),
                    chart(progress.metrics[name].history, plain=plain) if name == loss else "",
                ],
            )
        )
        for name in names[:_SHOWN_METRICS]
    ]


def _accelerators(found: t.Any) -> str:
    """Use and memory of one accelerator, or the mean use and the sum of memory of several."""
    each = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    if not each:
        return ""
    use = [value for value in (finite_number(one.get("utilization_percent")) for one in each) if value is not None]
    memory = [finite_number(one.get("memory_used_mib")) for one in each]
    total = [finite_number(one.get("memory_total_mib")) for one in each]
    words = [f"{len(each)} accelerators" if len(each) > 1 else "accelerator"]
    if use:
        words.append(f"{sum(use) / len(use):.0f} %")
    if None not in memory and None not in total:
        words.append(f"{sum(filter(None, memory)) / 1024:.1f}/{sum(filter(None, total)) / 1024:.1f} GiB")
    return " ".join(words) if len(words) > 1 else ""


def _costs(status: t.Mapping[str, t.Any], seconds_left: float | None) -> str:
    so_far, price = finite_number(status.get("cost_usd")), finite_number(status.get("price_per_hour_usd"))
    if so_far is None:
        return ""
    if price is None or seconds_left is None:
        return dollars(so_far)
    return f"{dollars(so_far)}, about {dollars(so_far + price * seconds_left / 3600)} at the end"


def _checkpoint(status: t.Mapping[str, t.Any]) -> str:
    newest = status.get("newest_checkpoint")
    name = newest.get("name") if isinstance(newest, dict) else None
    if not isinstance(name, str) or not name:
        return ""
    late = ", copies are late" if status.get("copies_late") is True else ""
    return f"checkpoint {sanitise(name)[:_SHOWN_NAME]}{late}"

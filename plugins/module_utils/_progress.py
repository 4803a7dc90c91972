# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""How far a training is and how well it does, read from the lines that it writes. Pure.

Reading never fails, whatever a line holds. Of each line only the beginning is looked at, and each expression takes time in
proportion to it; of a burst of lines, not all are looked at. Names and histories are bounded, so a log of any length takes the
same memory.
"""

from __future__ import annotations

import json
import math
import re
import typing as t
from dataclasses import dataclass, field

MAX_METRICS = 32
MAX_HISTORY = 128
READ_CHARACTERS = 1000
READ_LINES = 250
POSITION_NAMES = ("epoch", "epochs", "step", "steps")

_INTEGER = r"([0-9]{1,12})"
_OF = rf"{_INTEGER}\s{{0,8}}(?:/|of)\s{{0,8}}{_INTEGER}"
_NUMBER_TEXT = r"[-+]?(?:[0-9]{1,18}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})(?:[eE][-+]?[0-9]{1,3})?|[-+]?(?:nan|inf)"
_NUMBER = re.compile(_NUMBER_TEXT, re.IGNORECASE)
_OTHER_SET = re.compile(
    r"\W{0,8}(test|val|valid|validation|eval|evaluation|dev)(?:ing|uating|idating)?\b", re.IGNORECASE
)
_EPOCH = re.compile(
    rf"(?<![a-z_-])epoch(?![a-z_])['\"]?[\s:=#\[(]{{0,12}}{_INTEGER}(\.[0-9]{{1,20}})?[\])]?(?:\s{{0,4}}(?:/|of)\s{{0,4}}{_INTEGER})?",
    re.IGNORECASE,
)
_EPOCHS = re.compile(rf"(?<![a-z])epochs['\"]?\s{{0,4}}[:=]\s{{0,4}}{_INTEGER}", re.IGNORECASE)
_STEP = re.compile(
    rf"(?<![a-z_-])(?:step|iteration|iter|batch)(?![a-z_])['\"]?[\s:=#\[(]{{0,12}}{_INTEGER}(?:\s{{0,8}}(?:/|of)\s{{0,8}}{_INTEGER})?",
    re.IGNORECASE,
)
_IN_BRACKETS = re.compile(rf"\[\s{{0,8}}{_OF}")
# PyTorch's DCGAN: [epoch/epochs][step/steps].
_TWO_BRACKETS = re.compile(rf"\s{{0,8}}\[{_OF}\]\s{{0,4}}\[{_OF}\]")
# Keras: 32/768 [>.....] - ETA: 0s - loss: 0.5, or the bar of Keras 3. Predictions have the bar and no metrics.
_KERAS = re.compile(rf"\s{{0,8}}{_INTEGER}/{_INTEGER}\s{{1,4}}(?:\[[=>.]|━)")
_TQDM = re.compile(rf"[0-9]{{1,3}}%\|[^|]{{0,400}}\|\s{{0,4}}{_INTEGER}/{_INTEGER}\s\[")
_OF_TRAINING = re.compile(r"epoch|train|step|iter|fit", re.IGNORECASE)
# Formats that are known to count epochs from 0: reference scripts of torchvision, and bars of PyTorch Lightning.
_FROM_ZERO = re.compile(r"epoch: \[[0-9]{1,9}\]|epoch [0-9]{1,9}:\s{1,4}[0-9]{1,3}%\|", re.IGNORECASE)
_METRIC = re.compile(
    r"(?<![\w@./-])((?:(?:validation|valid|val|training|train|test|eval|dev|lm|learning|grad|total|mean|box|top)[ _])?"
    rf"[a-z][\w@./-]{{0,39}})['\"]?(?:\s{{0,8}}[:=]\s{{0,8}}|\s{{1,8}})['\"]?({_NUMBER_TEXT})(?![\w/:])",
    re.IGNORECASE,
)
_METRIC_STEM = re.compile(
    r"(?:^|[^a-z])(?:loss|acc|accuracy|auc|auroc|f1|precision|recall|iou|miou|dice|map|map50|bleu|rouge|wer|cer|perplexity|ppl|"
    r"psnr|ssim|mse|mae|rmse|lr|learning[ _]rate|grad[ _]norm|reward|kl|fid|elbo|top1|top5|bpc|r2)(?:[^a-z]|$)",
    re.IGNORECASE,
)
_SEPARATORS = re.compile(r"[\s,|]+")
_HEADER_NAME = re.compile(r"[a-z][\w@()/.-]{0,39}", re.IGNORECASE)
_HEADER_STARTS = re.compile(r"\W{0,40}epoch\W", re.IGNORECASE)
_ROW_STARTS = re.compile(r"[\s,|]{0,20}[0-9]")
_JSON_POSITIONS = {
    "epoch": ("epoch", "current_epoch"),
    "epochs": ("epochs", "num_epochs", "max_epochs", "total_epochs", "n_epochs"),
    "step": ("step", "global_step", "iteration", "iter", "batch"),
    "steps": ("steps", "max_steps", "total_steps", "num_steps", "iterations"),
}
_POSITION_OF_KEY = {key: name for name, keys in _JSON_POSITIONS.items() for key in keys}


class PatternError(ValueError):
    """A pattern that cannot be used; says why."""


@dataclass(frozen=True)
class Metric:
    """The last value of a metric, and values over the whole run, fewer of them the longer it is."""

    last: float
    history: tuple[float, ...]


@dataclass(frozen=True)
class Progress:
    """Where a training is. What its log did not say is None. Epoch and step are as the log counts them."""

    epoch: float | None = None
    epochs: int | None = None
    step: int | None = None
    steps: int | None = None
    fraction: float | None = None
    metrics: t.Mapping[str, Metric] = field(default_factory=dict)

    def position(self) -> dict[str, t.Any]:
        """For the result of a module."""
        percent = None if self.fraction is None else round(100 * self.fraction, 1)
        return {
            "epoch": int(self.epoch) if self.epoch is not None and self.epoch.is_integer() else self.epoch,
            "epochs": self.epochs,
            "step": self.step,
            "steps": self.steps,
            "percent": percent,
        }

    def last_values(self) -> dict[str, t.Any]:
        """Metrics for the result of a module. JSON has no NaN, so what is no number is given as text."""
        return {
            name: metric.last if math.isfinite(metric.last) else str(metric.last)
            for name, metric in self.metrics.items()
        }


class _Series:
    """Values over time. When there are too many, every second goes."""

    def __init__(self) -> None:
        self.last = math.nan
        self._values: list[float] = []
        self._stride = 1
        self._count = 0

    def add(self, value: float) -> None:
        self.last = value
        if self._count % self._stride == 0:
            self._values.append(value)
        self._count += 1
        if len(self._values) == MAX_HISTORY:
            self._values = self._values[::2]
            self._stride *= 2

    def metric(self) -> Metric:
        return Metric(self.last, tuple(self._values))


@dataclass
class Said:
    """What one line says. What it does not say is None."""

    epoch: float | None = None
    epochs: int | None = None
    step: int | None = None
    steps: int | None = None
    fractional: bool = False  # 0.38 of an epoch, so that steps are those of the whole run
    from_zero: bool = False
    is_bar: bool = False  # a bar without a word of what it counts
    metrics: dict[str, float] = field(default_factory=dict)


def pattern_of(pattern: str) -> re.Pattern[str] | None:
    """The user's own expression; None for the usual ones."""
    if not pattern:
        return None
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise PatternError(f'"{pattern}" is no regular expression: {error}.') from error
    if not compiled.groupindex:
        raise PatternError(
            f'"{pattern}" has no named group: name what it finds, such as (?P<epoch>[0-9]+), (?P<steps>[0-9]+) or (?P<loss>[0-9.]+).'
        )
    return compiled


class Reader:
    """Reads a log line by line and knows how far the training is."""

    def __init__(self, pattern: str = "") -> None:
        self._pattern = pattern_of(pattern)
        self._columns: tuple[str, ...] = ()
        self._series: dict[str, _Series] = {}
        self._epoch: float | None = None
        self._epochs: int | None = None
        self._step: int | None = None
        self._steps: int | None = None
        self._fractional = False
        self._from_zero = False
        self._epoch_is_over = False

    def add(self, line: str) -> Said | None:
        """Read one line, fit for a terminal and without a newline. Returns what it said, None where that is nothing."""
        text = line[:READ_CHARACTERS]
        found = self._by_pattern(text) if self._pattern else self._by_usual_patterns(text)
        if found is None or not (found.metrics or any(getattr(found, name) is not None for name in POSITION_NAMES)):
            return None
        self._take_position(found)
        self._take_metrics(found.metrics)
        return found

    def add_all(self, lines: t.Sequence[str]) -> None:
        """Read lines that came at once: of a burst, the last ones and those that speak of an epoch."""
        of_epochs = [line for line in lines[:-READ_LINES] if "poch" in line]
        for line in (*of_epochs[-READ_LINES:], *lines[-READ_LINES:]):
            self.add(line)

    @property
    def progress(self) -> Progress:
        return Progress(
            epoch=self._epoch,
            epochs=self._epochs,
            step=self._step,
            steps=self._steps,
            fraction=self._fraction(),
            metrics={name: series.metric() for name, series in self._series.items()},
        )

    def _by_pattern(self, text: str) -> Said | None:
        match = self._pattern.search(text) if self._pattern else None
        return _from_mapping({key: value for key, value in match.groupdict().items() if value}) if match else None

    def _by_usual_patterns(self, text: str) -> Said | None:
        if text.startswith("{"):
            mapping = _mapping_of(text)
            if mapping:
                return _from_mapping(mapping)
        if self._columns and _ROW_STARTS.match(text):
            found = _from_row(self._columns, text)
            if found:
                return found
        if _HEADER_STARTS.match(text):
            self._columns = _columns_of(text) or self._columns
        return _from_text(text)

    def _take_position(self, found: Said) -> None:
        if found.epochs:
            self._epochs = found.epochs
        if found.epoch is not None:
            self._take_epoch(found.epoch, found)
        if found.step is not None and not self._is_inner_bar(found):
            self._step = found.step
            self._steps = found.steps or (self._steps if found.epoch is None else None)
            self._epoch_is_over = False
        elif found.epoch is not None and found.metrics and not found.fractional:
            self._epoch_is_over = True

    def _take_epoch(self, epoch: float, found: Said) -> None:
        if epoch != self._epoch and not found.fractional:
            self._step, self._steps, self._epoch_is_over = None, None, False
        self._epoch = epoch
        self._fractional = found.fractional
        self._from_zero = (self._from_zero or found.from_zero or epoch == 0) and epoch != self._epochs

    def _is_inner_bar(self, found: Said) -> bool:
        """An evaluation's bar comes within the training's, and is shorter."""
        known = self._step is not None and self._steps is not None and self._step < self._steps
        return bool(found.is_bar and known and (found.steps or 0) < (self._steps or 0))

    def _take_metrics(self, metrics: t.Mapping[str, float]) -> None:
        for name, value in metrics.items():
            if name in self._series or len(self._series) < MAX_METRICS:
                self._series.setdefault(name, _Series()).add(value)

    def _fraction(self) -> float | None:
        within = self._step / self._steps if self._step is not None and self._steps else None
        if self._epochs and self._epoch is not None:
            if self._fractional:
                return _clamped(self._epoch / self._epochs)
            begun = self._epoch - (0 if self._from_zero else 1)
            return _clamped((begun + (1.0 if self._epoch_is_over else min(within or 0.0, 1.0))) / self._epochs)
        of_the_run = self._epoch is None or self._fractional
        return _clamped(within) if within is not None and of_the_run else None


def _clamped(value: float) -> float:
    return max(0.0, min(1.0, value))


def _number_of(value: t.Any) -> float | None:
    """A number, or the text of one; None for anything else."""
    if isinstance(value, str):
        text = value.strip()
        return float(text) if len(text) < 60 and _NUMBER.fullmatch(text) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def _mapping_of(text: str) -> dict[str, t.Any] | None:
    """A line of JSON, or of Python's way to write a dict of numbers as the Trainer of Hugging Face prints it."""
    for candidate in (text, text.replace("'", '"')):
        try:
            found = json.loads(candidate)
        except (ValueError, RecursionError):
            continue
        return found if isinstance(found, dict) else None
    return None


def _from_mapping(mapping: t.Mapping[str, t.Any]) -> Said:
    found = Said()
    inner = mapping.get("metrics")
    for key, value in [*mapping.items(), *(inner.items() if isinstance(inner, dict) else ())]:
        number = _number_of(value)
        position = _POSITION_OF_KEY.get(key)
        if number is None:
            continue
        if position is None:
            found.metrics[key[:60]] = number
        elif math.isfinite(number) and 0 <= number < 1e12:
            setattr(found, position, number if position == "epoch" else int(number))
            if position == "epoch" and (isinstance(value, float) or "." in str(value)):
                found.fractional = True
    return found


def _columns_of(text: str) -> tuple[str, ...]:
    """The names above a table, as fastai and Ultralytics print it."""
    names = tuple(name for name in _SEPARATORS.split(text.strip(" |,")) if name)
    whole = len(names) > 1 and all(_HEADER_NAME.fullmatch(name) for name in names)
    return names if whole and names[0].lower() == "epoch" else ()


def _from_row(columns: tuple[str, ...], text: str) -> Said | None:
    """A row below such names."""
    cells = [cell for cell in _SEPARATORS.split(text.strip(" |,")) if cell]
    first = re.fullmatch(rf"{_INTEGER}(?:/{_INTEGER})?", cells[0]) if len(cells) >= len(columns) else None
    if not first:
        return None
    found = Said(epoch=float(first.group(1)), epochs=int(first.group(2)) if first.group(2) else None)
    for name, cell in zip(columns[1:], cells[1:]):
        number = _number_of(cell)
        if number is not None and _METRIC_STEM.search(name):
            found.metrics[name] = number
    counter = _TQDM.search(text)
    if counter:
        found.step, found.steps = int(counter.group(1)), int(counter.group(2))
    return found if found.metrics else None


def _from_text(text: str) -> Said:
    other = _OTHER_SET.match(text)
    found = Said() if other else _position_in(text)
    prefix = other.group(1).lower() + "_" if other else ""
    for match in _METRIC.finditer(text):
        if _METRIC_STEM.search(match.group(1)):
            name = match.group(1).strip(".").replace(" ", "_")
            found.metrics[name if name.lower().startswith(prefix) else prefix + name] = float(match.group(2))
    return found


def _position_in(text: str) -> Said:
    both = _TWO_BRACKETS.match(text)
    if both:
        epoch, epochs, step, steps = (int(group) for group in both.groups())
        return Said(epoch=float(epoch), epochs=epochs, step=step, steps=steps, from_zero=True)
    found = Said()
    epoch_match = _EPOCH.search(text)
    if epoch_match:
        found.epoch = float(epoch_match.group(1) + (epoch_match.group(2) or ""))
        found.fractional = bool(epoch_match.group(2))
        found.epochs = int(epoch_match.group(3)) if epoch_match.group(3) else None
        found.from_zero = bool(_FROM_ZERO.search(text))
    else:
        epochs_match = _EPOCHS.search(text)
        found.epochs = int(epochs_match.group(1)) if epochs_match else None
    _take_step(found, text, epoch_match.end() if epoch_match else 0)
    return found


def _take_step(found: Said, text: str, start: int) -> None:
    counter = _TQDM.search(text)
    match = counter or (_IN_BRACKETS.search(text, start) if start else _IN_BRACKETS.match(text)) or _STEP.search(text)
    if counter:
        told = text[: counter.start()].strip(" :")
        if told and not _OF_TRAINING.search(told):
            return
        found.is_bar = not told
    if not match:
        match = _KERAS.match(text) if " - " in text else None
    if match:
        found.step = int(match.group(1))
        found.steps = int(match.group(2)) if match.group(2) else None

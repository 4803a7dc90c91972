# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
import typing as t

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _progress as progress
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.plugins.module_utils.progress_samples import SAMPLES, Metrics, Position

NOTHING = dict.fromkeys((*progress.POSITION_NAMES, "percent"))
FRAGMENTS = (
    "epoch ",
    "1/2",
    "[",
    "]",
    "loss",
    "=",
    ": ",
    "0.1",
    "nan",
    "%|",
    "|",
    "{",
    "'",
    '"',
    " ",
    "\t",
    "1e999",
    "²",
    "٣",
)


def read(*lines: str, pattern: str = "") -> progress.Progress:
    reader = progress.Reader(pattern)
    for line in lines:
        reader.add(line)
    return reader.progress


@pytest.mark.parametrize(
    ("lines", "position", "metrics"), [pytest.param(*sample[1:], id=sample[0]) for sample in SAMPLES]
)
def test_what_frameworks_print(lines: list[str], position: Position, metrics: Metrics) -> None:
    found = read(*lines)
    assert found.position() == {**NOTHING, **position}
    assert found.last_values() == metrics


@pytest.mark.parametrize(
    ("lines", "percent"),
    [
        pytest.param(["epoch 1/4"], 0.0, id="begun"),
        pytest.param(["epoch 1/4 loss 0.3"], 25.0, id="over, since it has a loss"),
        pytest.param(["epoch 4/4 loss 0.3"], 100.0, id="the last, over"),
        pytest.param(["epoch 0/4", "epoch 1/4", "step 1/2"], 37.5, id="counted from 0"),
        pytest.param(["epoch 0/4", "epoch 4/4 loss 0.3"], 100.0, id="0 was before the first"),
        pytest.param(["epoch 2/4", "step 9/3"], 50.0, id="more steps than there are"),
        pytest.param(["step 5/10", "step 6"], 60.0, id="a step without its total"),
        pytest.param(["epoch 7/0", "step 1/0"], None, id="none of nothing"),
        pytest.param(["epoch 3", "step 5/10"], None, id="an epoch of unknown many"),
        pytest.param(["step 5/10"], 50.0, id="steps of the run"),
        pytest.param(["step 5/10", "Validating: step 9/10 loss 0.5"], 50.0, id="steps of a validation"),
        pytest.param(['{"epoch": 1.5, "epochs": 3}'], 50.0, id="a fraction of an epoch"),
    ],
)
def test_how_much_is_done(lines: list[str], percent: float | None) -> None:
    assert read(*lines).position()["percent"] == percent


def test_what_one_line_says() -> None:
    said = progress.Reader().add("epoch 1/2 step 3/4 loss 0.5")
    assert said is not None
    assert (said.epoch, said.epochs, said.step, said.steps, said.metrics) == (1, 2, 3, 4, {"loss": 0.5})
    assert progress.Reader().add("it begins") is None


def test_a_new_epoch_begins_with_no_step() -> None:
    found = read("epoch 1/2 step 9/10", "epoch 2/2").position()
    assert (found["step"], found["steps"], found["percent"]) == (None, None, 50.0)


def test_a_pattern_of_the_user_is_the_only_one() -> None:
    pattern = r"round (?P<epoch>\d+) of (?P<epochs>\d+)(?: fitness (?P<fitness>\S+))?"
    found = read("epoch 9/9 loss 1", "round 3 of 6 fitness 0.5", "round 4 of 6", pattern=pattern)
    assert found.position() == {**NOTHING, "epoch": 4, "epochs": 6, "percent": 50.0}
    assert found.last_values() == {"fitness": 0.5}


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        pytest.param("epoch (", "no regular expression", id="broken"),
        pytest.param(r"epoch (\d+)", "no named group", id="nameless"),
    ],
)
def test_a_pattern_that_cannot_be_used(pattern: str, reason: str) -> None:
    with pytest.raises(progress.PatternError, match=reason):
        progress.Reader(pattern)


def test_histories_and_names_are_bounded_and_cover_the_whole_run() -> None:
    reader = progress.Reader()
    for number in range(2_000):
        reader.add(f"loss {number}")
        reader.add(f'{{"m{number}": 1}}')
    metrics = reader.progress.metrics
    assert len(metrics) == progress.MAX_METRICS
    history = metrics["loss"].history
    assert progress.MAX_HISTORY // 2 <= len(history) < progress.MAX_HISTORY
    assert history[0] == 0
    assert history[-1] > 1_800
    assert metrics["loss"].last == 1_999


def test_of_a_burst_the_end_and_the_epochs_are_read() -> None:
    reader = progress.Reader()
    reader.add_all(["epoch 3/6", *["step 1/10 loss 1"] * 5_000, "step 5/10 loss 0.5"])
    found = reader.progress
    assert found.position() == {"epoch": 3, "epochs": 6, "step": 5, "steps": 10, "percent": 41.7}
    assert len(found.metrics["loss"].history) <= progress.READ_LINES


@given(st.lists(st.one_of(st.text(), st.lists(st.sampled_from(FRAGMENTS)).map("".join)), max_size=5))
@example(['{"a":' * 5_000])
@example(['{"a":' + "[" * 990])
@example(['{"epoch": ' + "9" * 900 + "}"])
@example(['{"epoch": -1, "step": NaN, "loss": 1e999}'])
@example(["epoch 1e5/2"])
def test_strange_lines_are_read_without_harm(lines: list[str]) -> None:
    found = read(*lines)
    assert found.fraction is None or 0 <= found.fraction <= 1
    assert all(isinstance(value, (float, str)) for value in found.last_values().values())


HOSTILE: list[tuple[str, t.Callable[[int], str]]] = [
    (text, lambda size, text=text: text * (size // len(text)))  # type: ignore[misc]
    for text in (
        "a",
        " ",
        "1",
        "epoch ",
        "[",
        "1%|",
        "1/",
        "a.",
        "loss ",
        "'",
        "{",
        "1 ",
        "val ",
        "a'",
        "step: [",
        "\t1/1 [",
    )
]


def expressions() -> list[re.Pattern[str]]:
    return [value for value in vars(progress).values() if isinstance(value, re.Pattern)]


@pytest.mark.parametrize("make", [pytest.param(make, id=repr(text)) for text, make in HOSTILE])
def test_only_the_beginning_of_a_line_is_looked_at(make: t.Callable[[int], str]) -> None:
    """So no line takes longer than one of that length, whatever the user's pattern and ours do."""
    beginning = make(progress.READ_CHARACTERS * 2)[: progress.READ_CHARACTERS]
    assert read(beginning + " epoch 1/2 loss 0.5") == read(beginning)


def test_no_expression_repeats_a_repetition_without_bound() -> None:
    """What takes exponential time has a repetition without bound within another one."""
    assert expressions()
    for expression in expressions():
        bare = re.sub(r"\[(?:\\.|[^\]\\])*\]|\\.", "x", expression.pattern)
        assert not re.search(r"\([^()]*[+*][^()]*\)[+*{]", bare), expression.pattern

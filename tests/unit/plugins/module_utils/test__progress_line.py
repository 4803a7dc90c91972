# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import math
import typing as t

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _progress_line as line
from ansible_collections.trainyard.aws.plugins.module_utils._progress import Metric, Progress
from hypothesis import given
from hypothesis import strategies as st

GPU = {"name": "L4", "utilization_percent": 93, "memory_used_mib": 18432, "memory_total_mib": 24576}


def paced(*samples: tuple[float, float | None]) -> line.Pace:
    pace = line.Pace()
    for now, fraction in samples:
        pace.add(now, fraction)
    return pace


@pytest.mark.parametrize(
    ("samples", "now", "left"),
    [
        pytest.param([], 0, None, id="nothing known"),
        pytest.param([(0, 0.0), (100, 0.1)], 100, None, id="one rise is not enough"),
        pytest.param([(0, 0.0), (1, 0.1), (2, 0.2)], 2, None, id="two seconds are not enough"),
        pytest.param([(0, 0.0), (100, 0.1), (200, 0.2)], 200, 800.0, id="even pace"),
        pytest.param([(0, 0.0), (100, 0.1), (200, 0.2)], 250, 750.0, id="time goes by"),
        pytest.param([(0, 0.0), (100, 0.1), (200, 0.2)], 1100, None, id="slower than it should be"),
        pytest.param([(0, 0.0), (100, 0.1), (200, 0.1), (200, 0.2)], 200, 800.0, id="the same again"),
        pytest.param([(0, 0.0), (100, 0.5), (200, 1.0)], 200, None, id="done"),
        pytest.param([(0, 0.0), (100, 0.1), (200, 0.2), (300, 0.1)], 300, None, id="begins anew"),
        pytest.param([(0, 0.0), (100, 0.1), (200, 0.2), (300, None)], 300, None, id="nothing known any more"),
        pytest.param([(0, 0.5), (0, 0.6), (0, 0.7)], 10, None, id="a log that came at once"),
    ],
)
def test_time_left(samples: list[tuple[float, float | None]], now: float, left: float | None) -> None:
    assert paced(*samples).seconds_left(now) == (None if left is None else pytest.approx(left))


def test_time_left_is_smoothed() -> None:
    steady = [(float(second), second / 1000) for second in range(1, 400)]
    slow = paced(*steady, (409.0, 0.4)).seconds_left(409.0)
    assert slow is not None
    assert 600 < slow < 800  # and not 6,000, as the last step alone would say


@given(st.lists(st.tuples(st.floats(0, 1e9), st.one_of(st.none(), st.floats(0, 1))), max_size=20), st.floats(0, 1e9))
def test_time_left_is_never_negative(samples: list[tuple[float, float | None]], now: float) -> None:
    left = paced(*sorted(samples, key=lambda sample: sample[0])).seconds_left(now)
    assert left is None or left > 0


@pytest.mark.parametrize(
    ("values", "plain", "drawn"),
    [
        pytest.param([], False, "", id="none"),
        pytest.param([1.0], False, "", id="one"),
        pytest.param([3.0, 2.0, 1.0], False, "█▅▁", id="falling"),
        pytest.param([3.0, 2.0, 1.0], True, "#=_", id="falling, plain"),
        pytest.param([1.0, 1.0], False, "▁▁", id="flat"),
        pytest.param([1.0, math.nan, 2.0, math.inf], False, "▁█", id="what is no number"),
        pytest.param([float(number) for number in range(160)], False, "▁▁▂▂▃▃▄▄▅▅▆▆▇▇██", id="many"),
        pytest.param([-1.7e308, 1.7e308], False, "▁▁", id="too far apart"),
    ],
)
def test_chart(values: list[float], plain: bool, drawn: str) -> None:
    assert line.chart(values, plain=plain) == drawn


@given(st.lists(st.floats()), st.integers(1, 40))
def test_a_chart_is_never_too_wide(values: list[float], width: int) -> None:
    assert len(line.chart(values, width)) <= width


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.9, "59 s"), (60, "1 min"), (3599, "59 min"), (12_000, "3 h 20 min"), (187_200, "2 d 4 h")],
)
def test_duration(seconds: float, text: str) -> None:
    assert line.duration(seconds) == text


@pytest.mark.parametrize(("amount", "text"), [(0, "$0.00"), (1.239, "$1.24"), (99.5, "$99.50"), (1234.5, "$1,234")])
def test_dollars(amount: float, text: str) -> None:
    assert line.dollars(amount) == text


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        pytest.param(["acc"], "", id="none"),
        pytest.param(["val_loss", "loss"], "loss", id="loss"),
        pytest.param(["val_loss", "Train_Loss"], "Train_Loss", id="train_loss"),
        pytest.param(["val_loss", "lm_loss"], "lm_loss", id="of training"),
        pytest.param(["val_loss"], "val_loss", id="the only one"),
    ],
)
def test_loss_of(names: list[str], chosen: str) -> None:
    assert line.loss_of({name: Metric(1.0, (1.0,)) for name in names}) == chosen


RUN = Progress(
    epoch=3.0,
    epochs=6,
    step=120,
    steps=500,
    fraction=0.373,
    metrics={"acc": Metric(0.9, (0.8, 0.9)), "lr": Metric(1e-4, ()), "loss": Metric(0.41234, (3.0, 2.0, 1.0))},
)


@pytest.mark.parametrize(
    ("status", "left", "parts"),
    [
        pytest.param({}, None, [], id="no status"),
        pytest.param({"accelerators": [GPU]}, None, ["accelerator 93 % 18.0/24.0 GiB"], id="one accelerator"),
        pytest.param(
            {"accelerators": [GPU, {**GPU, "utilization_percent": 7}]},
            None,
            ["2 accelerators 50 % 36.0/48.0 GiB"],
            id="two",
        ),
        pytest.param({"accelerators": [{"utilization_percent": None}]}, None, [], id="nothing known of it"),
        pytest.param({"cost_usd": 0.4}, None, ["$0.40"], id="so far"),
        pytest.param(
            {"cost_usd": 0.4, "price_per_hour_usd": 1.2},
            1800.0,
            ["30 min left", "$0.40, about $1.00 at the end"],
            id="projected",
        ),
        pytest.param({"price_per_hour_usd": 1.2}, None, [], id="a price alone"),
        pytest.param(
            {"newest_checkpoint": {"name": "epoch-3.pt\x1b[31m"}, "copies_late": True},
            None,
            ["checkpoint epoch-3.pt, copies are late"],
            id="checkpoint",
        ),
        pytest.param(
            {"accelerators": "x", "cost_usd": "1", "newest_checkpoint": {"name": 3}}, None, [], id="not as agreed"
        ),
        pytest.param({"accelerators": [{"utilization_percent": 10**400}, 3], "cost_usd": True}, None, [], id="strange"),
    ],
)
def test_parts(status: dict[str, t.Any], left: float | None, parts: list[str]) -> None:
    known = ["epoch 3/6", "step 120/500", "37 %", "loss 0.4123 █▅▁", "acc 0.9"]
    found = line.parts_of(RUN, status, left)
    assert [part for part in found if part in known] == known
    assert [part for part in found if part not in known] == parts


def test_nothing_known_is_nothing_said() -> None:
    assert line.parts_of(Progress(), {}, None) == []


@pytest.mark.parametrize(
    ("width", "plain", "text"),
    [
        pytest.param(0, False, "epoch 1 · loss 1 ▁█ · $1", id="as wide as it is"),
        pytest.param(20, False, "epoch 1 · loss 1 ▁█", id="without its last"),
        pytest.param(5, False, "epoch", id="cut"),
        pytest.param(0, True, "epoch 1 | loss 1 ?? | $1", id="plain"),
    ],
)
def test_line_of_parts(width: int, plain: bool, text: str) -> None:
    assert line.line_of_parts(["epoch 1", "loss 1 ▁█", "$1"], width, plain) == text

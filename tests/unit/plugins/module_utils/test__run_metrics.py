# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import math

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _run_metrics as metrics
from ansible_collections.trainyard.aws.plugins.module_utils._progress import Reader
from ansible_collections.trainyard.aws.plugins.module_utils._run_metrics import Look, Statistics, TrainingMetrics
from ansible_collections.trainyard.aws.plugins.module_utils._supervisor import Accelerator
from botocore.session import Session
from botocore.validate import validate_parameters
from hypothesis import given
from hypothesis import strategies as st

RUN = (("run", "dcgan-001"),)
CLOUDWATCH = Session().get_service_model("cloudwatch")
NAMES = st.text(max_size=300)
VALUES = st.floats()


def test_units_are_those_of_cloudwatch() -> None:
    assert set(metrics.UNITS.values()) <= set(CLOUDWATCH.shape_for("StandardUnit").enum)


def test_the_values_of_a_minute_are_one_datum() -> None:
    said = TrainingMetrics()
    for value in (0.5, 2.0, 0.25):
        said.add({"loss": value})
    data = metrics.data_of(RUN, Look(1_600_000_000.7, {"run_cost_usd": [1.5]}), said.take())
    assert [each.as_dict() for each in data] == [
        {
            "MetricName": "run_cost_usd",
            "Dimensions": [{"Name": "run", "Value": "dcgan-001"}],
            "Timestamp": 1_600_000_000,
            "StatisticValues": {"SampleCount": 1, "Sum": 1.5, "Minimum": 1.5, "Maximum": 1.5},
            "Unit": "None",
        },
        {
            "MetricName": "training_metric",
            "Dimensions": [{"Name": "run", "Value": "dcgan-001"}, {"Name": "metric", "Value": "loss"}],
            "Timestamp": 1_600_000_000,
            "StatisticValues": {"SampleCount": 3, "Sum": 2.75, "Minimum": 0.25, "Maximum": 2.0},
            "Unit": "None",
        },
    ]
    assert said.take() == {}


def test_an_alarm_has_no_dimension_and_a_node_of_several_its_rank() -> None:
    look = Look(1.0, {"run_step": [4.0], "spot_notice": [1.0]})
    data = metrics.data_of((*RUN, ("node_rank", "1")), look, {"loss": Statistics.of([1.0])})
    assert [each.dimensions for each in data] == [
        (("run", "dcgan-001"), ("node_rank", "1")),
        (),
        (("run", "dcgan-001"), ("metric", "loss")),
    ]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 2.0**361, -(2.0**361)])
def test_what_is_no_number_is_left_out_and_told(value: float) -> None:
    said = TrainingMetrics()
    said.add({"loss": value})
    said.add({"loss": 1.0})
    assert said.take() == {"loss": Statistics.of([1.0])}
    assert said.no_number == f"loss is {value}"
    assert metrics.data_of(RUN, Look(1.0, {"run_cost_usd": [value]})) == []


def test_a_sum_that_is_too_large_is_left_out() -> None:
    largest = 2.0**360
    assert metrics.data_of(RUN, Look(1.0, {}), {"loss": Statistics.of([largest, largest])}) == []


def test_there_are_only_so_many_training_metrics() -> None:
    said = TrainingMetrics(["known"])
    said.add({f"m{number}": 1.0 for number in range(30)})
    said.add({"known": 2.0})
    assert len(said.names) == len(said.take()) == metrics.MOST_TRAINING_METRICS
    assert said.left_out == "m19"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("loss", "loss"),
        ("val loss", "val loss"),
        ("perte·é", "perte??"),
        ("a\x1b[31m\n", "a [31m"),
        (" \t", ""),
        ("x" * 300, "x" * 255),
    ],
)
def test_a_name_is_one_that_cloudwatch_takes(name: str, value: str) -> None:
    assert metrics.dimension_value(name) == value


@given(st.dictionaries(NAMES, VALUES, max_size=40), st.lists(VALUES, max_size=3))
def test_cloudwatch_takes_whatever_a_log_says(said: dict[str, float], values: list[float]) -> None:
    training = TrainingMetrics()
    training.add(said)
    data = [
        each.as_dict()
        for each in metrics.data_of(RUN, Look(1.0, dict.fromkeys(metrics.UNITS, values)), training.take())
    ]
    for each in data:
        each["Timestamp"] = str(each["Timestamp"])
    shape = CLOUDWATCH.operation_model("PutMetricData").input_shape
    validate_parameters({"Namespace": "trainyard/dcgan", "MetricData": data}, shape)
    json.dumps(data, allow_nan=False)


@pytest.mark.parametrize(
    ("count", "length", "expected"),
    [
        pytest.param(0, 10, [], id="none"),
        pytest.param(1000, 10, [1000], id="as many as may be"),
        pytest.param(1001, 10, [1000, 1], id="one more"),
        pytest.param(5, 400_000, [2, 2, 1], id="large"),
    ],
)
def test_a_request_is_not_too_large(count: int, length: int, expected: list[int]) -> None:
    data = [{"MetricName": "x" * length}] * count
    assert [len(batch) for batch in metrics.batches(data)] == expected


def test_what_is_known_of_progress_use_and_accelerators() -> None:
    reader = Reader()
    reader.add("Epoch 3/4, step 50/100, loss: 0.5")
    usage = {
        "cpu_percent": None,
        "memory_used_mib": 512,
        "memory_total_mib": 2048,
        "disk_read_bytes_per_second": 7.0,
    }
    busy = [Accelerator("L4", 40, 10, 100), Accelerator("L4", 60, 30, 100), Accelerator("L4", None, None, None)]
    assert metrics.mean_utilization(busy) == 50
    assert {
        **metrics.progress_values(reader.progress),
        **metrics.usage_values(usage),
        **metrics.accelerator_values(busy, [50, 70]),
    } == {
        "run_epoch": [3.0],
        "run_step": [50.0],
        "run_percent": [62.5],
        "run_memory_used_percent": [25.0],
        "run_disk_read_bytes_per_second": [7.0],
        "run_accelerator_utilization": [50, 70],
        "run_accelerator_memory_used_percent": [20.0],
    }
    assert metrics.accelerator_values([], []) == metrics.progress_values(Reader().progress) == {}


def test_the_text_for_prometheus() -> None:
    look = Look(1.0, {"run_accelerator_utilization": [50, 70], "spot_notice": [1.0]})
    text = metrics.prometheus_text(RUN, look, {"loss": 0.5, 'a"\\\n': math.nan, "b": -math.inf})
    assert text.splitlines() == [
        "# TYPE trainyard_run_accelerator_utilization gauge",
        'trainyard_run_accelerator_utilization{run="dcgan-001"} 70.0',
        "# TYPE trainyard_spot_notice gauge",
        'trainyard_spot_notice{run="dcgan-001"} 1.0',
        "# TYPE trainyard_training_metric gauge",
        'trainyard_training_metric{run="dcgan-001",metric="loss"} 0.5',
        'trainyard_training_metric{run="dcgan-001",metric="a\\"\\\\\\n"} NaN',
        'trainyard_training_metric{run="dcgan-001",metric="b"} -Inf',
    ]

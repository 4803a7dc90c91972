# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""CloudWatch gives back what it was told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from lab.tests.running_lab import RunningLab

NAMESPACE = "trainyard/told"
STATISTICS = ["SampleCount", "Sum", "Minimum", "Maximum"]


def test_what_was_told_is_counted_and_each_metric_is_named_once(lab: RunningLab) -> None:
    cloudwatch = lab.client("cloudwatch")
    now = datetime.now(UTC)
    loss = [{"Name": "run", "Value": "a"}, {"Name": "metric", "Value": "loss"}]
    told = {"MetricName": "training_metric", "Dimensions": loss, "Timestamp": now, "Unit": "None"}
    of_a_minute = {"SampleCount": 3, "Sum": 2.75, "Minimum": 0.25, "Maximum": 2}
    for more in ({"StatisticValues": of_a_minute}, {"Values": [0.5, 3.0], "Counts": [2, 1]}, {"Value": 1.0}):
        cloudwatch.put_metric_data(Namespace=NAMESPACE, MetricData=[{**told, **more}])
    found = cloudwatch.get_metric_statistics(
        Namespace=NAMESPACE,
        MetricName="training_metric",
        Dimensions=loss,
        StartTime=now - timedelta(minutes=5),
        EndTime=now + timedelta(minutes=5),
        Period=3600,
        Statistics=STATISTICS,
    )["Datapoints"]
    assert [{name: point[name] for name in STATISTICS} for point in found] == [
        {"SampleCount": 7, "Sum": 7.75, "Minimum": 0.25, "Maximum": 3}
    ]
    listed = cloudwatch.list_metrics(Namespace=NAMESPACE, Dimensions=[{"Name": "run"}])["Metrics"]
    assert listed == [{"Namespace": NAMESPACE, "MetricName": "training_metric", "Dimensions": loss}]

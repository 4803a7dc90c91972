# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""The metrics of a run: what they are called, and in which units. Pure."""

from __future__ import annotations

# Of a stack: this and its name.
NAMESPACE_PREFIX = "trainyard/"
# What the log says, such as a loss. The dimension "metric" tells its name there.
TRAINING_METRIC = "training_metric"
# Of each run, with the dimension "run".
RUN_UNITS: dict[str, str] = {
    "run_epoch": "None",
    "run_step": "None",
    "run_percent": "Percent",
    "run_cost_usd": "None",
    "run_price_usd_per_hour": "None",
    "run_accelerator_utilization": "Percent",
    "run_accelerator_memory_used_percent": "Percent",
    "run_cpu_percent": "Percent",
    "run_memory_used_percent": "Percent",
    "run_disk_read_bytes_per_second": "Bytes/Second",
    "run_disk_written_bytes_per_second": "Bytes/Second",
    "run_network_received_bytes_per_second": "Bytes/Second",
    "run_network_sent_bytes_per_second": "Bytes/Second",
}
# Without a dimension: the maximum is the worst of the stack.
ALARM_UNITS: dict[str, str] = {
    "idle_accelerator_seconds": "Seconds",
    "fullest_disk_percent": "Percent",
    "checkpoint_age_seconds": "Seconds",
    "budget_used_percent": "Percent",
    "spot_notice": "Count",
}
# As CloudWatch calls them.
UNITS: dict[str, str] = {**RUN_UNITS, TRAINING_METRIC: "None", **ALARM_UNITS}

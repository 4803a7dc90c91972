# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""The CloudWatch agent's configuration, and what is wrong with what was asked for. Pure.

The agent takes a wrong measurement name with a warning in its log and reports nothing, so names are checked here.
"""

from __future__ import annotations

import difflib
import re
import typing as t
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

# translator/translate/metrics/config/registered_metrics.go of the agent 1.300071.0, for Linux.
MEASUREMENTS: dict[str, tuple[str, ...]] = {
    "cpu": tuple(
        f"{what}_{state}"
        for what in ("usage", "time")
        for state in (
            *("active", "guest", "guest_nice", "idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user"),
        )
    ),
    "disk": ("free", "inodes_free", "inodes_total", "inodes_used", "total", "used", "used_percent"),
    "diskio": (
        *("iops_in_progress", "io_time", "reads", "read_bytes", "read_time", "writes", "write_bytes", "write_time"),
        *("ebs_total_read_ops", "ebs_total_write_ops", "ebs_total_read_bytes", "ebs_total_write_bytes"),
        *("ebs_total_read_time", "ebs_total_write_time", "ebs_volume_performance_exceeded_iops"),
        *("ebs_volume_performance_exceeded_tp", "ebs_ec2_instance_performance_exceeded_iops"),
        *("ebs_ec2_instance_performance_exceeded_tp", "ebs_volume_queue_length"),
        *("instance_store_total_read_ops", "instance_store_total_write_ops", "instance_store_total_read_bytes"),
        *("instance_store_total_write_bytes", "instance_store_total_read_time", "instance_store_total_write_time"),
        *("instance_store_performance_exceeded_iops", "instance_store_performance_exceeded_tp"),
        "instance_store_volume_queue_length",
    ),
    "mem": (
        *("active", "available", "available_percent", "buffered", "cached", "free", "inactive", "shared", "total"),
        *("used", "used_percent"),
    ),
    "net": (*("bytes_sent", "bytes_recv", "drop_in", "drop_out", "err_in", "err_out", "packets_sent", "packets_recv"),),
    "netstat": (
        *("tcp_close", "tcp_close_wait", "tcp_closing", "tcp_established", "tcp_fin_wait1", "tcp_fin_wait2"),
        *("tcp_last_ack", "tcp_listen", "tcp_none", "tcp_syn_sent", "tcp_syn_recv", "tcp_time_wait", "udp_socket"),
    ),
    "processes": (
        *("blocked", "dead", "idle", "paging", "running", "sleeping", "stopped", "total", "total_threads", "wait"),
        "zombies",
    ),
    "swap": ("free", "used", "used_percent"),
    "nvidia_gpu": (
        *("utilization_gpu", "utilization_memory", "temperature_gpu", "power_draw", "fan_speed"),
        *("memory_total", "memory_used", "memory_free", "pcie_link_gen_current", "pcie_link_width_current"),
        *("encoder_stats_session_count", "encoder_stats_average_fps", "encoder_stats_average_latency"),
        *("clocks_current_graphics", "clocks_current_sm", "clocks_current_memory", "clocks_current_video"),
    ),
}
# A published name begins with that of the plugin, which is another one for NVIDIA.
_PREFIXES = {"nvidia_gpu": "nvidia_smi_"}
# Of each disk and of each interface; of the processor as a whole.
_RESOURCES: dict[str, dict[str, t.Any]] = {
    "cpu": {"totalcpu": True},
    "disk": {
        "resources": ["*"],
        "ignore_file_system_types": ["devtmpfs", "overlay", "squashfs", "sysfs", "tmpfs"],
        "drop_device": True,
    },
    "diskio": {"resources": ["*"]},
}
# All that needs no right of the instance: AutoScalingGroupName would be asked of EC2.
_OF_THE_INSTANCE = {"InstanceId": "${aws:InstanceId}", "InstanceType": "${aws:InstanceType}"}
# CloudWatch takes 30 dimensions; the instance and the plugins have theirs. The characters are those of StatsD's tags too.
MOST_DIMENSIONS = 20
_DIMENSION_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,254}")
_DIMENSION_VALUE = re.compile(r"[\w./:@+=-]{1,250}", re.ASCII)
_INTERVALS = range(1, 172801)
_PORTS = range(1024, 65536)
_KEPT_FOREVER = -1


@dataclass(frozen=True)
class Wanted:
    """What the agent shall report. The fields are the inputs of the role of that name."""

    region: str
    mode: str = "ec2"
    namespace: str = "CWAgent"
    interval_seconds: int = 60
    statsd_port: int = 8125
    measurements: Mapping[str, Iterable[str]] = field(default_factory=dict)
    dimensions: Mapping[str, str] = field(default_factory=dict)
    network_interfaces: Iterable[str] = ("*",)
    log_group: str = ""
    log_retention_days: int = _KEPT_FOREVER
    log_directory: str = "/var/log/trainyard/runs"
    nvidia_gpus: bool = True  # without nvidia-smi the agent would not start with that section


def faults(wanted: Wanted) -> list[str]:
    """What is wrong, each with what to write instead; nothing that passes here is refused by the agent."""
    found = [
        _unknown(section, name)
        for section, names in wanted.measurements.items()
        for name in names
        if _bare(section, name) not in MEASUREMENTS[section]
    ]
    found += [
        f'"{name}: {value}" cannot be a dimension. A name has letters, digits, "_", "." and "-", a value those and "/:@+=".'
        for name, value in wanted.dimensions.items()
        if not _DIMENSION_NAME.fullmatch(name) or not _DIMENSION_VALUE.fullmatch(str(value))
    ]
    if len(wanted.dimensions) > MOST_DIMENSIONS:
        found.append(f"There are {len(wanted.dimensions)} dimensions. At most {MOST_DIMENSIONS} are possible.")
    if wanted.interval_seconds not in _INTERVALS:
        found.append(f"An interval of {wanted.interval_seconds} s is not possible. Give 1 to {_INTERVALS[-1]} seconds.")
    if wanted.statsd_port not in _PORTS:
        found.append(f"{wanted.statsd_port} is no port for StatsD. Give one from {_PORTS[0]} to {_PORTS[-1]}.")
    lengths = {"region": (1, 64), "namespace": (1, 255), "log_group": (0, 512)}
    return found + [
        f"cloudwatch_agent_{name} has {len(getattr(wanted, name))} characters. Give {least} to {most}."
        for name, (least, most) in lengths.items()
        if not least <= len(getattr(wanted, name)) <= most
    ]


def configuration(wanted: Wanted) -> dict[str, t.Any]:
    """The JSON that the agent reads. Only of something without faults."""
    result: dict[str, t.Any] = {
        "agent": {"region": wanted.region, "metrics_collection_interval": wanted.interval_seconds},
        "metrics": {
            "namespace": wanted.namespace,
            **({"append_dimensions": _OF_THE_INSTANCE} if wanted.mode == "ec2" else {}),
            "metrics_collected": {**_sections(wanted), "statsd": _statsd(wanted)},
        },
    }
    if wanted.log_group:
        result["logs"] = {"logs_collected": {"files": {"collect_list": [_logs(wanted)]}}}
    return result


def _sections(wanted: Wanted) -> dict[str, t.Any]:
    resources = {**_RESOURCES, "net": {"resources": list(wanted.network_interfaces)}}
    dimensions = {"append_dimensions": dict(wanted.dimensions)} if wanted.dimensions else {}
    return {
        section: {
            "measurement": list(dict.fromkeys(_bare(section, name) for name in names)),
            **resources.get(section, {}),
            **dimensions,
        }
        for section, names in wanted.measurements.items()
        if list(names) and (wanted.nvidia_gpus or section != "nvidia_gpu")
    }


def _statsd(wanted: Wanted) -> dict[str, t.Any]:
    """Only for this machine; what is sent carries the dimensions as tags."""
    return {
        "service_address": f"127.0.0.1:{wanted.statsd_port}",
        "metrics_collection_interval": min(10, wanted.interval_seconds),
        "metrics_aggregation_interval": wanted.interval_seconds,
    }


def _logs(wanted: Wanted) -> dict[str, t.Any]:
    """A stream for each run: with publish_multi_logs the agent appends the path of the file to the name of the stream."""
    kept = {} if wanted.log_retention_days == _KEPT_FOREVER else {"retention_in_days": wanted.log_retention_days}
    return {
        "file_path": f"{wanted.log_directory}/*.log",
        "log_group_name": wanted.log_group,
        "log_stream_name": "{instance_id}" if wanted.mode == "ec2" else "{hostname}",
        "publish_multi_logs": True,
        **kept,
    }


def _bare(section: str, name: str) -> str:
    """The agent takes usage_idle and cpu_usage_idle."""
    return name.strip().removeprefix(_PREFIXES.get(section, f"{section}_"))


def _unknown(section: str, name: str) -> str:
    nearest = difflib.get_close_matches(_bare(section, name), MEASUREMENTS[section], n=1, cutoff=0)[0]
    return f'"{name}" is no measurement of {section}. The nearest is "{nearest}".'

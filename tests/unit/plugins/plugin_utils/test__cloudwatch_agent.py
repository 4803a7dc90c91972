# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from ansible_collections.trainyard.aws.plugins.filter.cloudwatch_agent_configuration import FilterModule
from ansible_collections.trainyard.aws.plugins.plugin_utils._cloudwatch_agent import (
    MEASUREMENTS,
    Wanted,
    configuration,
    faults,
)
from hypothesis import given
from hypothesis import strategies as st

PROJECT = Path(__file__).parents[4]
STAND_INS = PROJECT / "extensions/molecule/stand_ins/repositories/cloudwatch-agent"
SCHEMA = json.loads(next(STAND_INS.rglob("schema.json")).read_text(encoding="utf-8"))
SPECIFICATION = yaml.safe_load((PROJECT / "roles/cloudwatch_agent/meta/argument_specs.yml").read_text(encoding="utf-8"))
OPTIONS = SPECIFICATION["argument_specs"]["main"]["options"]
# From facts 6.4 and the names that a dashboard knows (facts 6.4, last line; seed B, agent json).
SEED: dict[str, list[str]] = {
    "cpu": ["usage_idle", "usage_iowait", "usage_user", "usage_system"],
    "disk": ["used_percent", "inodes_free"],
    "diskio": ["io_time", "write_bytes", "read_bytes", "writes", "reads"],
    "mem": ["mem_used_percent"],
    "netstat": ["tcp_established", "tcp_time_wait"],
    "swap": ["swap_used_percent"],
}
NVIDIA = {
    *("utilization_gpu", "utilization_memory", "temperature_gpu", "power_draw", "fan_speed", "memory_total"),
    *("memory_used", "memory_free", "pcie_link_gen_current", "pcie_link_width_current"),
    *("encoder_stats_session_count", "encoder_stats_average_fps", "encoder_stats_average_latency"),
    *("clocks_current_graphics", "clocks_current_sm", "clocks_current_memory", "clocks_current_video"),
}


def complaints(made: dict[str, Any]) -> list[str]:
    """What the vendor's schema says."""
    return [error.message for error in jsonschema.Draft4Validator(SCHEMA).iter_errors(made)]


def wanted(**changes: Any) -> Wanted:
    return Wanted(**{"region": "us-east-1", "measurements": {"cpu": ["usage_active"]}, **changes})


def test_the_names_for_nvidia_are_those_of_the_vendor() -> None:
    assert set(MEASUREMENTS["nvidia_gpu"]) == NVIDIA


def test_what_the_seed_reported_can_be_asked_for() -> None:
    asked = wanted(measurements=SEED)
    assert faults(asked) == []
    collected = configuration(asked)["metrics"]["metrics_collected"]
    assert collected["mem"]["measurement"] == ["used_percent"]
    assert collected["cpu"]["measurement"] == SEED["cpu"]


@pytest.mark.parametrize(
    ("section", "name", "nearest"),
    [
        pytest.param("cpu", "usage_activ", "usage_active", id="a letter too few"),
        pytest.param("cpu", "cpu_usage_idel", "usage_idle", id="with the prefix that it is published with"),
        pytest.param("mem", "usedpercent", "used_percent", id="an underscore too few"),
        pytest.param("nvidia_gpu", "gpu_utilization", "utilization_gpu", id="the wrong way round"),
        pytest.param("nvidia_gpu", "nvidia_smi_memory_use", "memory_used", id="as NVIDIA's are published"),
        pytest.param("net", "tcp_established", "bytes_sent", id="of another section"),
        pytest.param("disk", "", "free", id="nothing"),
    ],
)
def test_a_wrong_name_is_refused_with_the_nearest(section: str, name: str, nearest: str) -> None:
    (fault,) = faults(wanted(measurements={section: [name]}))
    assert fault.startswith(f'"{name}" is no measurement of {section}. The nearest is "')
    if section != "net" and name:
        assert fault.endswith(f'"{nearest}".')


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        pytest.param({"dimensions": {"two words": "a"}}, "cannot be a dimension", id="name of a dimension"),
        pytest.param({"dimensions": {"stack": "a,b"}}, "cannot be a dimension", id="value that would end a tag"),
        pytest.param({"dimensions": {"stack": ""}}, "cannot be a dimension", id="empty value"),
        pytest.param({"dimensions": {f"d{n}": "a" for n in range(21)}}, "At most 20", id="too many dimensions"),
        pytest.param({"interval_seconds": 0}, "Give 1 to 172800 seconds", id="interval"),
        pytest.param({"statsd_port": 80}, "Give one from 1024 to 65535", id="port"),
        pytest.param({"namespace": ""}, "cloudwatch_agent_namespace has 0", id="namespace"),
        pytest.param({"region": "r" * 65}, "cloudwatch_agent_region has 65", id="region"),
        pytest.param({"log_group": "g" * 513}, "cloudwatch_agent_log_group has 513", id="log group"),
    ],
)
def test_what_the_agent_would_not_take_is_refused(changes: dict[str, Any], part: str) -> None:
    (fault,) = faults(wanted(**changes))
    assert part in fault


def test_an_empty_list_leaves_a_section_out() -> None:
    collected = configuration(wanted(measurements={"cpu": [], "mem": ["used"]}))["metrics"]["metrics_collected"]
    assert set(collected) == {"mem", "statsd"}


def test_a_node_without_nvidia_smi_is_not_asked_for_gpus() -> None:
    asked = wanted(measurements={"nvidia_gpu": ["power_draw"]}, nvidia_gpus=False)
    assert "nvidia_gpu" not in configuration(asked)["metrics"]["metrics_collected"]
    assert faults(wanted(measurements={"nvidia_gpu": ["power"]}, nvidia_gpus=False)) != []


def test_elsewhere_than_on_an_instance_nothing_is_asked_of_its_metadata() -> None:
    made = configuration(wanted(mode="onPremise", log_group="/trainyard/a"))
    assert "append_dimensions" not in made["metrics"]
    assert made["logs"]["logs_collected"]["files"]["collect_list"][0]["log_stream_name"] == "{hostname}"


def test_each_run_has_a_log_stream() -> None:
    made = configuration(wanted(log_group="/trainyard/a", log_retention_days=30))
    assert made["logs"]["logs_collected"]["files"]["collect_list"] == [
        {
            "file_path": "/var/log/trainyard/runs/*.log",
            "log_group_name": "/trainyard/a",
            "log_stream_name": "{instance_id}",
            "publish_multi_logs": True,
            "retention_in_days": 30,
        }
    ]
    assert "logs" not in configuration(wanted())


def test_the_schema_refuses_what_it_must() -> None:
    made = configuration(wanted())
    del made["metrics"]["metrics_collected"]["cpu"]["measurement"]
    assert complaints(made)
    assert complaints({"metrics": {"metrics_collected": {"mem": {"measurement": ["used"]}}, "unknown": 1}})


WORDS = st.text("abcXYZ019 _.-/:,|#ä", max_size=6)


@given(
    st.builds(
        Wanted,
        region=st.sampled_from(["us-east-1", "", "cn-north-1"]),
        mode=st.sampled_from(OPTIONS["cloudwatch_agent_mode"]["choices"]),
        namespace=WORDS,
        interval_seconds=st.sampled_from([0, 1, 60, 172800, 172801]),
        statsd_port=st.sampled_from([1023, 1024, 65535, 65536]),
        measurements=st.fixed_dictionaries(
            {},
            optional={
                section: st.lists(st.sampled_from([*names, f"{section}_{names[0]}", "wrong"]))
                for section, names in MEASUREMENTS.items()
            },
        ),
        dimensions=st.dictionaries(WORDS, WORDS, max_size=3),
        log_group=WORDS,
        log_retention_days=st.sampled_from(OPTIONS["cloudwatch_agent_log_retention_days"]["choices"]),
        nvidia_gpus=st.booleans(),
    )
)
def test_what_has_no_faults_passes_the_schema_of_the_vendor(asked: Wanted) -> None:
    assert faults(asked) or complaints(configuration(asked)) == []


def test_the_filter_says_what_is_wrong_or_writes_it() -> None:
    make = FilterModule().filters()["cloudwatch_agent_configuration"]
    assert make({"region": "us-east-1", "measurements": {"cpu": ["usage"]}})["configuration"] == {}
    good = make({"region": "us-east-1", "measurements": {"cpu": ["usage_idle"]}})
    assert (good["faults"], complaints(good["configuration"])) == ([], [])

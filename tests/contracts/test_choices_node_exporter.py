# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role node_exporter decides on each system, and what it writes of a node."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.choices import SYSTEMS, Choices

WITHOUT_PACKAGE = {"amazon-linux-2023"}


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_system_without_a_package_is_refused(system: str) -> None:
    refused = Choices("node_exporter", system).holds("__node_exporter_system not in __node_exporter_systems")
    assert refused is (system in WITHOUT_PACKAGE)


def test_another_release_is_refused() -> None:
    older = Choices("node_exporter", "debian-12", facts={"distribution_major_version": "11"})
    assert older.holds("__node_exporter_system not in __node_exporter_systems")


def test_how_it_starts() -> None:
    written = Choices("node_exporter", "debian-13", node_exporter_collectors=["cpu", "textfile"]).render(
        "prometheus-node-exporter.j2"
    )
    assert written.splitlines()[-1] == (
        'ARGS="--web.listen-address=0.0.0.0:9100 --collector.textfile.directory=/var/lib/prometheus/node-exporter'
        ' --collector.disable-defaults --collector.cpu --collector.textfile"'
    )


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("0.0.0.0:9100", "http://127.0.0.1:9100/metrics"),
        (":9100", "http://127.0.0.1:9100/metrics"),
        ("[::]:9100", "http://127.0.0.1:9100/metrics"),
        ("192.0.2.7:9101", "http://192.0.2.7:9101/metrics"),
    ],
)
def test_where_the_node_asks_itself(address: str, url: str) -> None:
    assert Choices("node_exporter", "debian-12", node_exporter_address=address).value("__node_exporter_url") == url


@pytest.mark.parametrize(
    ("values", "samples"),
    [
        pytest.param({}, [], id="nothing is known"),
        pytest.param(
            {"node_exporter_price_usd_per_hour": "1.006"}, ["trainyard_node_price_usd_per_hour 1.006"], id="price"
        ),
        pytest.param(
            {"node_exporter_expires_at": "2026-11-22T18:00:00Z"},
            ["trainyard_node_expires_at_seconds 1795370400"],
            id="expiry",
        ),
    ],
)
def test_only_what_is_known_is_said(values: dict[str, Any], samples: list[str]) -> None:
    chosen = Choices("node_exporter", "debian-12", **values)
    assert chosen.value("__node_exporter_knows_more") is bool(samples)
    lines = chosen.render("trainyard_node.prom.j2").splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == samples

# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the role grafana takes Grafana from (facts/vendor-facts.md, section 7), and whether its files are as Grafana documents them."""

from __future__ import annotations

import configparser
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.contracts.choices import CHECKOUT, SYSTEMS, Choices

STAND_INS = CHECKOUT / "extensions/molecule/stand_ins/repositories/grafana"
SCHEMAS = STAND_INS / "dists/stable/main/grafana_13.2.3/usr/share/grafana/schema"
DASHBOARDS = sorted((CHECKOUT / "roles/grafana/files/dashboards").glob("*/*.json"))
APT = ("https://apt.grafana.com", "https://apt.grafana.com/gpg-full.key", "grafana=13.2.3")
DNF = ("https://rpm.grafana.com", "https://rpm.grafana.com/gpg.key", "grafana-13.2.3")
# system: repository, key, package
TABLE = {
    "ubuntu-22.04": APT,
    "ubuntu-24.04": APT,
    "debian-12": APT,
    "debian-13": APT,
    "amazon-linux-2023": DNF,
}
BOTH = {"grafana_cloudwatch_region": "eu-west-1", "grafana_prometheus_url": "http://127.0.0.1:9090"}


def choices_on(system: str = "debian-12", found: str = "", **values: Any) -> Choices:
    look = {"commands": {"version": {"rc": 0 if found else 1, "stdout": found}}}
    return Choices("grafana", system, __grafana_look=look, **values)


def faults_in(kind: str, text: str) -> list[str]:
    schema = json.loads((SCHEMAS / f"{kind}.json").read_text(encoding="utf-8"))
    return [error.message for error in jsonschema.Draft7Validator(schema).iter_errors(yaml.safe_load(text))]


def test_the_table_is_about_every_system() -> None:
    assert set(TABLE) == set(SYSTEMS)


@pytest.mark.parametrize("system", SYSTEMS)
def test_where_it_comes_from(system: str) -> None:
    choices = choices_on(system)
    assert choices.value("__grafana_system") in choices.value("__grafana_systems")
    names = ("__grafana_repository_url", "__grafana_repository_key_url", "__grafana_package")
    assert tuple(choices.value(name) for name in names) == TABLE[system]
    assert choices.value("__grafana_question")[0] == ("rpm" if TABLE[system] == DNF else "dpkg-query")


def test_a_mirror_comes_before_the_vendor() -> None:
    choices = choices_on(grafana_repository_url="http://mirror", grafana_repository_key_url="http://mirror/key")
    assert choices.value("__grafana_repository_url") == "http://mirror"
    assert choices.value("__grafana_repository_key_url") == "http://mirror/key"


@pytest.mark.parametrize(("found", "missing"), [("", True), ("13.2.3", False), ("13.2.30", True), ("12.4.0", True)])
def test_one_version_is_installed_and_held(found: str, missing: bool) -> None:
    choices = choices_on(found=found)
    assert choices.value("__grafana_missing") is missing
    assert choices.render("preferences.j2") == "Package: grafana\nPin: version 13.2.3\nPin-Priority: 1001\n"


@pytest.mark.parametrize(
    ("values", "sources", "first", "dashboards"),
    [
        pytest.param({}, [], [], "", id="neither"),
        pytest.param(
            {"grafana_cloudwatch_region": "eu-west-1"}, ["cloudwatch"], ["cloudwatch"], "cloudwatch", id="cloudwatch"
        ),
        pytest.param(
            {"grafana_prometheus_url": "http://127.0.0.1:9090"},
            ["prometheus"],
            ["prometheus"],
            "prometheus",
            id="other",
        ),
        pytest.param(BOTH, ["cloudwatch", "prometheus"], ["prometheus"], "prometheus", id="both"),
    ],
)
def test_data_sources_and_their_dashboards(
    values: dict[str, Any], sources: list[str], first: list[str], dashboards: str
) -> None:
    choices = choices_on(**values)
    text = choices.render("datasources.yaml.j2")
    assert faults_in("datasources", text) == []
    written = yaml.safe_load(text)["datasources"]
    assert [each["uid"] for each in written] == sources
    assert [each["uid"] for each in written if each["isDefault"]] == first
    assert choices.value("__grafana_dashboards") == dashboards


def test_what_it_is_asked_for_in_the_end() -> None:
    contents = ['{"uid": "trainyard-run"}', '{"uid": "trainyard-node"}']
    assert choices_on(__grafana_dashboard_contents=contents, **BOTH).value("__grafana_pages") == [
        "datasources/uid/cloudwatch",
        "datasources/uid/prometheus",
        "dashboards/uid/trainyard-run",
        "dashboards/uid/trainyard-node",
    ]


def test_what_cloudwatch_is_asked_for() -> None:
    values = {"grafana_cloudwatch_region": "eu-west-1", "grafana_cloudwatch_namespaces": ["trainyard/a", "CWAgent"]}
    [source] = yaml.safe_load(choices_on(**values).render("datasources.yaml.j2"))["datasources"]
    assert source["jsonData"] == {
        "authType": "default",
        "defaultRegion": "eu-west-1",
        "customMetricsNamespaces": "trainyard/a,CWAgent",
    }


def test_the_provider_of_dashboards() -> None:
    choices = choices_on(__grafana_dashboard_files=[str(path) for path in DASHBOARDS], **BOTH)
    text = choices.render("dashboards.yaml.j2")
    assert faults_in("dashboards", text) == []
    [provider] = yaml.safe_load(text)["providers"]
    assert provider["options"]["path"] == "/var/lib/grafana/dashboards/trainyard"
    assert provider["allowUiUpdates"] is False
    places = choices.value("__grafana_dashboard_places")
    assert {str(Path(place).parent) for place in places} == {provider["options"]["path"]}


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("datasources", "{apiVersion: 2, datasources: []}"),
        ("datasources", "{apiVersion: 1, datasources: [{name: a, type: prometheus, access: proxy}]}"),
        ("datasources", "{apiVersion: 1, datasources: [{name: a, type: b, access: proxy, is_default: true}]}"),
        ("datasources", "{apiVersion: 1, datasources: [{name: a, type: cloudwatch, access: proxy}]}"),
        ("dashboards", "{apiVersion: 1, providers: [{name: a, path: /b}]}"),
        ("dashboards", "{apiVersion: 1, providers: [{name: a, options: {path: b}}]}"),
        ("dashboard", "{uid: a, title: A, panels: []}"),
    ],
)
def test_the_schemas_find_faults(kind: str, text: str) -> None:
    assert faults_in(kind, text) != []


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_dashboard_is_one(path: Path) -> None:
    assert faults_in("dashboard", path.read_text(encoding="utf-8")) == []
    assert json.loads(path.read_text(encoding="utf-8"))["uid"] == f"trainyard-{path.stem}"


def test_the_configuration_lets_nobody_in_and_tells_nobody() -> None:
    text = choices_on(grafana_admin_password="correct horse").render("grafana.ini.j2")
    assert "correct horse" not in text
    ini = configparser.ConfigParser(interpolation=None)
    ini.read_string(text)
    assert ini["server"]["http_addr"] == "127.0.0.1"
    assert ini["security"]["admin_password"] == "$__file{/etc/grafana/trainyard-admin-password}"
    assert ini["security"]["secret_key"] == "$__file{/etc/grafana/trainyard-secret-key}"
    switched_off = {
        "users": ["allow_sign_up", "allow_org_create"],
        "auth.anonymous": ["enabled"],
        "analytics": ["reporting_enabled", "check_for_updates", "check_for_plugin_updates", "feedback_links_enabled"],
        "news": ["news_feed_enabled"],
        "snapshots": ["external_enabled"],
    }
    assert {section: [ini[section][name] for name in names] for section, names in switched_off.items()} == {
        section: ["false"] * len(names) for section, names in switched_off.items()
    }

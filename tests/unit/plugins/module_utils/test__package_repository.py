# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils._package_repository import (
    Repository,
    fault_in,
    source_text,
)

FLAT = Repository("cuda", "https://vendor.example.com/debian12/x86_64")
SUITE = Repository("docker", "https://vendor.example.com/debian", "bookworm", ("stable", "test"), ("amd64",))


def test_apt_is_told_of_a_flat_repository_and_of_its_key() -> None:
    assert source_text("apt", FLAT).splitlines() == [
        "Types: deb",
        "URIs: https://vendor.example.com/debian12/x86_64",
        "Suites: /",
        "Signed-By: /etc/apt/keyrings/cuda.asc",
    ]


def test_apt_is_told_of_suite_components_and_architectures() -> None:
    assert source_text("apt", SUITE).splitlines()[2:] == [
        "Suites: bookworm",
        "Components: stable test",
        "Architectures: amd64",
        "Signed-By: /etc/apt/keyrings/docker.asc",
    ]


@pytest.mark.parametrize(("packages", "metadata"), [(True, False), (False, True), (True, True)])
def test_dnf_checks_what_the_vendor_signs(packages: bool, metadata: bool) -> None:
    text = source_text(
        "dnf", Repository("cuda", "https://vendor.example.com/$basearch", "/", (), (), packages, metadata)
    )
    assert text.splitlines() == [
        "[cuda]",
        "name=cuda",
        "baseurl=https://vendor.example.com/$basearch",
        "enabled=1",
        f"gpgcheck={packages:d}",
        f"repo_gpgcheck={metadata:d}",
        "gpgkey=file:///etc/pki/rpm-gpg/cuda.asc",
    ]


@pytest.mark.parametrize(
    ("format_", "repository", "fault"),
    [
        pytest.param("apt", FLAT, "", id="flat"),
        pytest.param("apt", SUITE, "", id="suite"),
        pytest.param("apt", Repository("x", "u", "/", ("main",)), "has no components", id="flat-with-components"),
        pytest.param("apt", Repository("x", "u", "jammy"), "at least one", id="suite-without-components"),
        pytest.param("dnf", Repository("x", "u", packages_signed=False), "neither", id="nothing-checked"),
    ],
)
def test_what_a_package_manager_would_not_take_is_named(format_: str, repository: Repository, fault: str) -> None:
    found = fault_in(format_, repository)
    assert fault in found
    assert bool(fault) == bool(found)

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo touches nothing but the lab."""

from __future__ import annotations

import os

import pytest

from tools import demo


@pytest.mark.parametrize(
    "endpoint",
    ["https://ec2.us-east-1.amazonaws.com", "http://192.0.2.1:4790", "http://127.0.0.1.example.com", ""],
)
def test_an_endpoint_elsewhere_is_refused(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    monkeypatch.setenv("AWS_PROFILE", "work")
    with pytest.raises(demo.StepFailed, match="refused"):
        demo.enter({"AWS_ENDPOINT_URL": endpoint})
    assert os.environ["AWS_PROFILE"] == "work"


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:4790", "http://localhost:4790", "http://[::1]:4790"])
def test_nothing_of_the_users_own_aws_is_left(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    monkeypatch.setattr(
        os, "environ", {"AWS_PROFILE": "work", "AWS_ENDPOINT_URL_EC2": "https://elsewhere", "HOME": "/h"}
    )
    demo.enter({"AWS_ENDPOINT_URL": endpoint})
    files = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    assert os.environ == {"AWS_ENDPOINT_URL": endpoint, "HOME": "/h", **files}


def test_sizes_are_added_up_by_part() -> None:
    sizes = {"run.json": 3, "checkpoints/1": 5, "checkpoints/2": 7, "output/a/b": 1}
    assert demo.sizes_by_part(sizes) == {"checkpoints/": [5, 7], "output/": [1], "run.json": [3]}

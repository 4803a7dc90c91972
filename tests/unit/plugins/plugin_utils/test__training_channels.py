# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils._channels import Channel
from ansible_collections.trainyard.aws.plugins.plugin_utils._training_channels import channel_of

SHA256 = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("given", "channel"),
    [
        pytest.param("s3://bucket/msls/", Channel("a", "s3", "s3://bucket/msls/"), id="prefix"),
        pytest.param("s3://bucket/msls", Channel("a", "s3", "s3://bucket/msls/"), id="prefix without slash"),
        pytest.param("s3://bucket", Channel("a", "s3", "s3://bucket/"), id="bucket"),
        pytest.param("/efs/data/x/", Channel("a", "node", "/efs/data/x"), id="shared"),
        pytest.param({"path": "/data/x"}, Channel("a", "node", "/data/x"), id="node"),
        pytest.param(
            {"url": "https://example.com/x.tgz", "sha256": SHA256.upper()},
            Channel("a", "archive", "https://example.com/x.tgz", SHA256),
            id="archive",
        ),
        pytest.param(
            {"url": "s3://bucket/x.zip", "sha256": SHA256},
            Channel("a", "archive", "s3://bucket/x.zip", SHA256),
            id="archive in S3",
        ),
    ],
)
def test_channels_elsewhere(given: t.Any, channel: Channel) -> None:
    assert channel_of("v", "a", given, "/efs") == (channel, [])


def test_a_channel_of_the_controller(tmp_path: Path) -> None:
    (tmp_path / "1.png").touch()
    assert channel_of("v", "a", str(tmp_path), "/efs") == (Channel("a", "controller", f"{tmp_path}/"), [])
    assert channel_of("v", "a", str(tmp_path / "1.png"), "") == (Channel("a", "controller", f"{tmp_path}/1.png"), [])


@pytest.mark.parametrize("name", ["a b", "..", 7])
def test_names(name: t.Any) -> None:
    channel, (found,) = channel_of("v", name, "s3://bucket/x/", "")
    assert channel is None
    assert f'"{name}" is not a name of a channel' in str(found)


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        pytest.param(
            "https://example.com/x.tgz", "with no checksum. Write it as {url: https://example.com/x.tgz", id="no sum"
        ),
        pytest.param("gs://bucket/x", "no place in a bucket", id="other store"),
        pytest.param("s3://bucket/*.png", "is 's3://bucket/*.png'. Write a prefix, without stars", id="pattern"),
        pytest.param("s3://b/", "no place in a bucket", id="short bucket"),
        pytest.param({"url": "https://example.com/x.tgz", "sha265": SHA256}, 'Did you mean "sha256"?', id="misspelt"),
        pytest.param({"url": "https://example.com/x.tgz", "sha256": "abc"}, "no sha256 of 64", id="short sum"),
        pytest.param({"url": "http://example.com/x.tgz", "sha256": SHA256}, "at an https:// address", id="http"),
        pytest.param({"url": "s3://bucket/x/", "sha256": SHA256}, "at an https:// address", id="prefix as archive"),
        pytest.param({"sha256": SHA256}, "has sha256.", id="no url"),
        pytest.param({}, "has nothing.", id="nothing"),
        pytest.param({"path": "/data", "url": "https://x/y"}, "has path and url.", id="both"),
        pytest.param({"path": "data"}, "no directory of the node", id="relative"),
        pytest.param({"path": "/"}, "no directory of the node", id="all of the node"),
        pytest.param({"path": "/data/../etc"}, "no directory of the node", id="way up"),
        pytest.param("/efs/../nowhere", "/nowhere does not exist", id="out of what is shared"),
        pytest.param(7, "has no path", id="number"),
    ],
)
def test_faults(given: t.Any, fault: str) -> None:
    channel, (found,) = channel_of("training_run_channels", "a", given, "/efs")
    assert channel is None
    assert fault in str(found)
    assert str(found).startswith('training_run_channels: channel "a"')

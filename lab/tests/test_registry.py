# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ECR: an image pushed from this machine is pulled in a box by its unchanged name, over TLS."""

from __future__ import annotations

from typing import Any

import pytest

from lab.tests.running_lab import RunningLab, Stack, eventually

HOST = "123456789012.dkr.ecr.us-east-1.amazonaws.com"


@pytest.fixture(scope="module")
def node(lab: RunningLab, stack: Stack) -> dict[str, Any]:
    made = stack.launch(ImageId=lab.image("deep-learning"))[0]
    assert eventually(lambda: lab.run(made["InstanceId"], "systemctl", "start", "docker")[0] == 0)
    return made


@pytest.fixture(scope="module")
def pushed(lab: RunningLab) -> str:
    """A tiny image in the lab's registry, pushed through the loopback port."""
    name = f"{lab.env['LAB_REGISTRY_PUSH']}/tests/tiny"
    source = lab.docker.images.get(
        lab.docker.api.import_image_from_data(empty_tar(), repository=name, tag="1") and f"{name}:1"
    )
    said = lab.docker.images.push(name, tag="1")
    lab.docker.images.remove(f"{name}:1")
    assert '"error"' not in said, said
    return str(source.id)


def empty_tar() -> bytes:
    return b"\0" * 10240


def test_a_pushed_image_is_pulled_in_a_box_by_the_name_of_the_account(
    lab: RunningLab, node: dict[str, Any], pushed: str
) -> None:
    exit_code, said = lab.run(node["InstanceId"], "docker", "pull", f"{HOST}/tests/tiny:1")
    assert exit_code == 0, said
    assert (
        pushed
        in lab.run(node["InstanceId"], "docker", "image", "inspect", "--format", "{{.Id}}", f"{HOST}/tests/tiny:1")[1]
    )


def test_the_registry_proves_itself_by_the_lab_s_authority_alone(
    lab: RunningLab, node: dict[str, Any], pushed: str
) -> None:
    assert lab.run(node["InstanceId"], "curl", "-sS", "-m", "5", f"https://{HOST}/v2/")[0] == 60
    trusting = [
        "curl",
        "-sS",
        "-m",
        "5",
        "--cacert",
        f"/etc/docker/certs.d/{HOST}/ca.crt",
        f"https://{HOST}/v2/tests/tiny/tags/list",
    ]
    assert '"tags":["1"]' in lab.run(node["InstanceId"], *trusting)[1]


def test_docker_login_with_the_token_of_ecr_works(lab: RunningLab, node: dict[str, Any]) -> None:
    token = lab.client("ecr").get_authorization_token()["authorizationData"][0]["authorizationToken"]
    login = f"printf %s {token} | base64 -d | cut -d: -f2 | docker login --username AWS --password-stdin {HOST}"
    exit_code, said = lab.run(node["InstanceId"], "sh", "-c", login)
    assert exit_code == 0, said
    assert "Login Succeeded" in said

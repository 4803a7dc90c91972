# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils._secrets import (
    Reference,
    arns_of,
    reference_of,
    secret_fault,
)

PARAMETER = "arn:aws:ssm:eu-west-1:123456789012:parameter/team/hf-token"
SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:wandb-AbCdEf"


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("ssm:/team/hf-token", Reference("ssm", "/team/hf-token")),
        ("ssm:token", Reference("ssm", "token")),
        ("secretsmanager:team/wandb", Reference("secretsmanager", "team/wandb")),
        ("secretsmanager:wandb#api_key", Reference("secretsmanager", "wandb", "api_key")),
        (PARAMETER, Reference("ssm", PARAMETER, "", "eu-west-1")),
        (f"{SECRET}#api key", Reference("secretsmanager", SECRET, "api key", "eu-west-1")),
    ],
)
def test_a_place_is_understood(text: str, reference: Reference) -> None:
    assert reference_of(text) == reference


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "hf-token",
            "/team/hf-token",
            "ssm:",
            "ssm:/",
            "ssm:a b",
            "ssm:/a//b",
            "vault:x",
            "secretsmanager:a#",
            None,
        ),
        *(PARAMETER.replace(":parameter", ":secret:"), "arn:aws:s3:::bucket/key", f"{PARAMETER}\n", "ssm:a\n"),
    ],
)
def test_what_is_no_place_is_said(text: object) -> None:
    with pytest.raises(ValueError, match=r"place|key"):
        reference_of(text)


@pytest.mark.parametrize("name", ["hf-token", "HF_TOKEN", "a.b", "_"])
def test_names_of_files(name: str) -> None:
    assert secret_fault(name, "ssm:a") == ""


@pytest.mark.parametrize("name", ["", ".", "..", "../a", "a/b", "-a", "a b", "a\n", "x" * 64, 3])
def test_what_is_no_name_of_a_file_is_said(name: object) -> None:
    assert "is no name of a file" in secret_fault(name, "ssm:a")


def test_a_fault_names_the_file() -> None:
    assert secret_fault("hf-token", "vault:x") == "hf-token: 'vault:x' is no place of a secret."


def test_a_policy_names_each_secret_and_nothing_else() -> None:
    places = ["ssm:/team/hf-token", "ssm:plain", PARAMETER, "secretsmanager:wandb#a", "secretsmanager:wandb#b", SECRET]
    assert arns_of(places, "us-east-1", "123456789012") == {
        "secretsmanager:GetSecretValue": [
            SECRET,
            "arn:aws:secretsmanager:us-east-1:123456789012:secret:wandb-??????",
        ],
        "ssm:GetParameter": [
            PARAMETER,
            "arn:aws:ssm:us-east-1:123456789012:parameter/plain",
            "arn:aws:ssm:us-east-1:123456789012:parameter/team/hf-token",
        ],
    }


@pytest.mark.parametrize(("region", "partition"), [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")])
def test_other_partitions(region: str, partition: str) -> None:
    assert reference_of("ssm:a").arn(region, "1").startswith(f"arn:{partition}:ssm:{region}:1:")

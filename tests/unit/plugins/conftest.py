# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of several plugins share: an AWS account in this process, and a way to run a module."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import botocore.client
import pytest
from ansible.module_utils.testing import patch_module_args
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, settings

from tests.unit.plugins.signing import Key

# What a machine with much to do takes for an example says nothing about the code.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

REGION = "us-east-1"
RunModule = Callable[..., dict[str, Any]]


class Doors:
    """Instance Connect endpoints, which moto lacks: there at once, and gone at once."""

    def __init__(self) -> None:
        self.there: dict[str, dict[str, Any]] = {}

    def answer(self, operation: str, given: dict[str, Any], vpc_of: Callable[[str], str]) -> dict[str, Any]:
        if operation == "CreateInstanceConnectEndpoint":
            identifier = f"eice-{len(self.there)}"
            self.there[identifier] = {
                "InstanceConnectEndpointId": identifier,
                "State": "create-complete",
                "SubnetId": given["SubnetId"],
                "VpcId": vpc_of(given["SubnetId"]),
                "SecurityGroupIds": given["SecurityGroupIds"],
                "PreserveClientIp": given["PreserveClientIp"],
                "Tags": given["TagSpecifications"][0]["Tags"],
            }
            return {"InstanceConnectEndpoint": self.there[identifier]}
        if operation == "DeleteInstanceConnectEndpoint":
            return {"InstanceConnectEndpoint": self.there.pop(given["InstanceConnectEndpointId"])}
        wanted = {each["Name"]: each["Values"] for each in given.get("Filters", ())}
        return {"InstanceConnectEndpoints": [door for door in self.there.values() if _passes(door, wanted)]}


def _passes(door: dict[str, Any], wanted: dict[str, list[str]]) -> bool:
    facts = {f"tag:{tag['Key']}": tag["Value"] for tag in door["Tags"]} | {"vpc-id": door["VpcId"]}
    return all(facts.get(name) in values for name, values in wanted.items())


class Lustre:
    """FSx for Lustre, of which moto has too little: there at once, and gone at once, unless ``state`` says otherwise."""

    def __init__(self) -> None:
        self.there: dict[str, dict[str, Any]] = {}
        self.links: dict[str, dict[str, Any]] = {}
        self.given: dict[str, dict[str, Any]] = {}
        self.state, self.link_state = "AVAILABLE", "AVAILABLE"
        self.refusals: list[tuple[str, str]] = []

    def answer(self, operation: str, given: dict[str, Any]) -> dict[str, Any]:
        self.given[operation] = given
        if operation == "DeleteFileSystem" and self.refusals:
            code, message = self.refusals.pop()
            raise ClientError({"Error": {"Code": code, "Message": message}}, operation)
        answers = {
            "CreateFileSystem": self._created,
            "CreateDataRepositoryAssociation": self._linked,
            "UpdateFileSystem": self._updated,
            "UpdateDataRepositoryAssociation": lambda given: self.links[given["AssociationId"]].update(S3=given["S3"]),
            "TagResource": self._tagged,
            "DeleteFileSystem": lambda given: self.there.pop(given["FileSystemId"]),
            "DescribeFileSystems": lambda _given: {"FileSystems": list(self.there.values())},
            "DescribeDataRepositoryAssociations": lambda _given: {"Associations": list(self.links.values())},
        }
        return answers[operation](given) or {}

    def _created(self, given: dict[str, Any]) -> None:
        known = [one for one in self.there.values() if one["Token"] == given["ClientRequestToken"]]
        if not known:
            identifier = f"fs-{len(self.there)}"
            self.there[identifier] = {
                **{key: given[key] for key in ("FileSystemType", "StorageCapacity", "SubnetIds", "Tags")},
                "FileSystemId": identifier,
                "ResourceARN": f"arn:aws:fsx:{REGION}:123456789012:file-system/{identifier}",
                "DNSName": f"{identifier}.fsx.{REGION}.amazonaws.com",
                "Lifecycle": self.state,
                "CreationTime": datetime(2026, 11, 21, 14, 30, tzinfo=UTC),
                "LustreConfiguration": {**given["LustreConfiguration"], "MountName": "abcdefgh"},
                "Token": given["ClientRequestToken"],
            }

    def _linked(self, given: dict[str, Any]) -> None:
        identifier = f"dra-{len(self.links)}"
        self.links[identifier] = {**given, "AssociationId": identifier, "Lifecycle": self.link_state}

    def _updated(self, given: dict[str, Any]) -> None:
        found = self.there[given["FileSystemId"]]
        found["StorageCapacity"] = given.get("StorageCapacity", found["StorageCapacity"])
        found["LustreConfiguration"].update(given.get("LustreConfiguration", {}))

    def _tagged(self, given: dict[str, Any]) -> None:
        found = next(one for one in self.there.values() if one["ResourceARN"] == given["ResourceARN"])
        found["Tags"] = [*found["Tags"], *given["Tags"]]


class Account:
    """An empty account, and the names of the calls that have reached it."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.doors = Doors()
        self.lacking: set[str] = set()  # what the caller may not do
        self.lustre = Lustre()

    def client(self, service: str) -> Any:
        return boto3.client(service, region_name=REGION)

    def register_image(self, architecture: str = "x86_64") -> str:
        """A machine image. Moto forgets the architecture that an image is registered with."""
        from moto.ec2.models import ec2_backends

        image: str = self.client("ec2").register_image(Name="box", RootDeviceName="/dev/sda1")["ImageId"]
        ec2_backends["123456789012"][REGION].amis[image].architecture = architecture
        return image

    def vpc_of(self, subnet: str) -> str:
        from moto.ec2.models import ec2_backends

        vpc: str = ec2_backends["123456789012"][REGION].get_subnet(subnet).vpc_id
        return vpc

    @property
    def writing_calls(self) -> list[str]:
        return [call for call in self.calls if not call.startswith(("Describe", "Get", "Head", "List", "Simulate"))]


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    from moto import mock_aws  # reads the environment when it is imported

    seen = Account()
    send = botocore.client.BaseClient._make_api_call
    one_at_a_time = threading.RLock()

    def noted(client: Any, operation: str, arguments: dict[str, Any]) -> Any:
        seen.calls.append(operation)
        if operation == "DescribePlacementGroups":
            return {"PlacementGroups": []}  # moto knows none
        if operation == "SimulatePrincipalPolicy":  # nor the simulator
            decisions = {
                action: "implicitDeny" if action in seen.lacking else "allowed" for action in arguments["ActionNames"]
            }
            return {
                "EvaluationResults": [
                    {"EvalActionName": action, "EvalDecision": decision} for action, decision in decisions.items()
                ]
            }
        if "InstanceConnectEndpoint" in operation:
            return seen.doors.answer(operation, arguments, seen.vpc_of)
        if client.meta.service_model.service_name == "fsx":
            return seen.lustre.answer(operation, arguments)
        with one_at_a_time:  # moto in this process is not made for threads
            return send(client, operation, arguments)

    with mock_aws():
        monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", noted)
        yield seen


@pytest.fixture
def run_module(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> RunModule:
    """Runs ``main()`` of a module with some arguments and returns what it answers."""

    def run(module: ModuleType, /, *, check: bool = False, **arguments: Any) -> dict[str, Any]:
        settings = {"_ansible_check_mode": check, "_ansible_diff": True, "_ansible_remote_tmp": str(tmp_path)}
        capsys.readouterr()
        region = {"region": REGION} if "amazon.aws.region" in module.DOCUMENTATION else {}
        with patch_module_args({**region, **arguments, **settings}), pytest.raises(SystemExit) as ended:
            module.main()
        answer = json.loads(capsys.readouterr().out)
        assert bool(ended.value.code) == answer.get("failed", False)
        return answer

    return run


@pytest.fixture(scope="session")
def key() -> Iterator[Key]:
    """The key of a vendor."""
    made = Key.make("vendor@example.com")
    yield made
    made.forget()


@pytest.fixture(scope="session")
def other_key() -> Iterator[Key]:
    """The key of somebody else."""
    made = Key.make("somebody@example.com")
    yield made
    made.forget()


@pytest.fixture
def vcpu_quotas(account: Account, monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """The account's quotas on vCPUs by name, to be changed. Moto knows none of them."""
    from moto.servicequotas.responses import ServiceQuotasResponse

    values = {"Running On-Demand G and VT instances": 96.0, "All G and VT Spot Instance Requests": 96.0}

    def listed(_self: Any) -> str:
        items = [
            {"QuotaCode": f"L-{number}", "QuotaName": name, "Value": value}
            for number, (name, value) in enumerate(values.items(), 1)
        ]
        return json.dumps({"Quotas": items})

    monkeypatch.setattr(ServiceQuotasResponse, "list_service_quotas", listed, raising=False)
    return values

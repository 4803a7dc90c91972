# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _nodes_api as api
from ansible_collections.trainyard.aws.plugins.module_utils._nodes import Group, Node, Offer, Refusal, Step, TypeFacts
from botocore.exceptions import ClientError, ReadTimeoutError

OFFER = Offer("g6.xlarge", "us-east-1a")
GROUP = Group(
    stack="dcgan",
    name="train",
    count=1,
    launch_template="trainyard-dcgan-train",
    subnets={"us-east-1a": "subnet-a"},
    security_group_ids=("sg-1",),
    tags={},
)
LOST = ReadTimeoutError(endpoint_url="https://ec2.us-east-1.amazonaws.com")


def error(code: str, status: int = 400) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "RunInstances")


def instance(identifier: str, state: str = "pending") -> dict[str, Any]:
    return {
        "InstanceId": identifier,
        "InstanceType": "g6.xlarge",
        "State": {"Name": state},
        "Placement": {"AvailabilityZone": "us-east-1a"},
        "Tags": [{"Key": "Name", "Value": "dcgan-train-0"}],
        "StateReason": {"Message": "Server.InternalError: so it goes"},
    }


class Answers:
    """A client that gives the answers it was told, in order, and notes what it was asked."""

    def __init__(self, **answers: list[Any]) -> None:
        self.answers, self.asked = answers, []

    def get_paginator(self, operation: str) -> Any:
        client = self

        class Paginator:
            def paginate(self, **arguments: Any) -> list[Any]:
                return [getattr(client, operation)(**arguments)]

        return Paginator()

    def __getattr__(self, operation: str) -> Any:
        def answer(**arguments: Any) -> Any:
            self.asked.append((operation, arguments))
            told = self.answers[operation].pop(0)
            if isinstance(told, Exception):
                raise told
            return told

        return answer


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "_POLL_SECONDS", 0)


@pytest.fixture
def host_keys(tmp_path: Path) -> api.HostKeys:
    (tmp_path / "dcgan-train-0").write_text("private\n")
    (tmp_path / "dcgan-train-0.pub").write_text("ssh-ed25519 AAAA dcgan-train-0\n")
    return api.HostKeys(tmp_path, lambda command: pytest.fail(f"{command} is not needed"))


def launched(*instances: dict[str, Any]) -> dict[str, Any]:
    return {"Instances": list(instances)}


def described(*instances: dict[str, Any]) -> dict[str, Any]:
    return {"Reservations": [{"Instances": list(instances)}]}


def launch(host_keys: api.HostKeys, launcher: Answers, ec2: Answers | None = None) -> Node | Refusal:
    fleet = api.Fleet(ec2 or Answers(), launcher, GROUP, host_keys, version=1)
    return api.launch(fleet, "dcgan-train-0", OFFER)


def tokens(launcher: Answers) -> list[str]:
    return [arguments["ClientToken"] for _operation, arguments in launcher.asked]


@pytest.mark.parametrize(
    "passing",
    [
        pytest.param(LOST, id="answer lost"),
        pytest.param(error("RequestLimitExceeded", 503), id="throttled"),
        pytest.param(error("InternalError", 500), id="internal error"),
    ],
)
def test_a_launch_is_repeated_with_its_token(host_keys: api.HostKeys, passing: Exception) -> None:
    launcher = Answers(run_instances=[passing, passing, launched(instance("i-1"))])
    node = launch(host_keys, launcher)
    assert isinstance(node, Node)
    assert node.id == "i-1"
    assert len(tokens(launcher)) == 3
    assert len(set(tokens(launcher))) == 1
    calls = [arguments for _operation, arguments in launcher.asked]
    assert calls[0] == calls[1] == calls[2]


def test_an_error_that_does_not_pass_is_told(host_keys: api.HostKeys) -> None:
    launcher = Answers(run_instances=[LOST] * 100)
    with pytest.raises(ReadTimeoutError):
        launch(host_keys, launcher)
    assert len(launcher.asked) == api._ATTEMPTS


@pytest.mark.parametrize("status", [400, 500])
def test_a_refusal_is_not_repeated(host_keys: api.HostKeys, status: int) -> None:
    launcher = Answers(run_instances=[error("InsufficientInstanceCapacity", status)])
    refusal = launch(host_keys, launcher)
    assert isinstance(refusal, Refusal)
    assert refusal.kind == "capacity"


def test_an_error_of_the_caller_is_not_repeated(host_keys: api.HostKeys) -> None:
    with pytest.raises(ClientError, match="UnauthorizedOperation"):
        launch(host_keys, Answers(run_instances=[error("UnauthorizedOperation", 403)]))


def test_the_token_of_a_node_that_is_gone_is_not_used_again(host_keys: api.HostKeys) -> None:
    launcher = Answers(run_instances=[launched(instance("i-1", "terminated")), launched(instance("i-2"))])
    node = launch(host_keys, launcher)
    assert isinstance(node, Node)
    assert node.id == "i-2"
    assert len(set(tokens(launcher))) == 2


def test_a_launch_of_an_earlier_run_is_taken_over(host_keys: api.HostKeys) -> None:
    """An earlier run launched with other parameters, was killed, and AWS shows the instance only a moment later."""
    launcher = Answers(run_instances=[error("IdempotentParameterMismatch")])
    ec2 = Answers(describe_instances=[described(), described(instance("i-1"))])
    node = launch(host_keys, launcher, ec2)
    assert isinstance(node, Node)
    assert node.id == "i-1"
    assert ec2.asked[0][1]["Filters"] == [{"Name": "client-token", "Values": tokens(launcher)}]


def test_a_token_of_long_ago_gives_way(host_keys: api.HostKeys) -> None:
    launcher = Answers(run_instances=[error("IdempotentParameterMismatch"), launched(instance("i-2"))])
    ec2 = Answers(describe_instances=[described()] * api._ATTEMPTS)
    node = launch(host_keys, launcher, ec2)
    assert isinstance(node, Node)
    assert node.id == "i-2"
    assert len(set(tokens(launcher))) == 2


def test_a_node_that_dies_again_and_again_is_told(host_keys: api.HostKeys) -> None:
    launcher = Answers(run_instances=[launched(instance("i-1", "terminated"))] * api._ATTEMPTS)
    with pytest.raises(api.NotReady, match="earlier launches of dcgan-train-0"):
        launch(host_keys, launcher)


# ---- Host keys -----------------------------------------------------------------------------------------------------


def test_a_host_key_that_was_cut_off_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "node.new").write_text("half a key")

    def keygen(command: list[str]) -> None:
        draft = Path(command[-1])
        assert not draft.exists()
        draft.write_text("private\n")
        draft.with_name("node.new.pub").write_text("ssh-ed25519 AAAA node\n")

    assert api.HostKeys(tmp_path, keygen).of("node") == ("private\n", "ssh-ed25519 AAAA")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["node", "node.pub"]


# ---- Facts ---------------------------------------------------------------------------------------------------------


def test_what_a_type_can_do() -> None:
    types = [
        {
            "InstanceType": "p4d.24xlarge",
            "NetworkInfo": {"EfaSupported": True, "EfaInfo": {"MaximumEfaInterfaces": 4}},
            "PlacementGroupInfo": {"SupportedStrategies": ["cluster", "partition", "spread"]},
        },
        {
            "InstanceType": "t3.micro",
            "NetworkInfo": {"EfaSupported": False},
            "PlacementGroupInfo": {"SupportedStrategies": ["partition", "spread"]},
        },
    ]
    ec2 = Answers(describe_instance_types=[{"InstanceTypes": types}])
    assert api.facts_of(ec2, ["t3.micro", "p4d.24xlarge", "dl1.24xlarge", "t3.micro"]) == {
        "p4d.24xlarge": TypeFacts(4, clusters=True),
        "t3.micro": TypeFacts(0, clusters=False),
        "dl1.24xlarge": TypeFacts(),
    }
    filters = [{"Name": "instance-type", "Values": ["dl1.24xlarge", "p4d.24xlarge", "t3.micro"]}]
    assert ec2.asked == [("describe_instance_types", {"Filters": filters})]


def test_what_is_reserved() -> None:
    common = {"InstanceType": "p5.48xlarge", "AvailabilityZone": "us-east-1b"}
    reservations = [
        {**common, "CapacityReservationId": "cr-1", "State": "active"},
        {**common, "CapacityReservationId": "cr-2", "State": "active", "ReservationType": "capacity-block"},
        {**common, "CapacityReservationId": "cr-3", "State": "expired"},
    ]
    ec2 = Answers(describe_capacity_reservations=[{"CapacityReservations": reservations}])
    assert api.reservations_of(ec2, ["cr-1", "cr-2", "cr-3"]) == [
        Offer("p5.48xlarge", "us-east-1b", "capacity-reservation", reservation_id="cr-1"),
        Offer("p5.48xlarge", "us-east-1b", "capacity-block", reservation_id="cr-2"),
    ]
    assert api.reservations_of(ec2, []) == []


# ---- Waiting and starting ------------------------------------------------------------------------------------------


def test_a_node_is_waited_for() -> None:
    missing = error("InvalidInstanceID.NotFound")
    ec2 = Answers(describe_instances=[missing, described(instance("i-1")), described(instance("i-1", "running"))])
    assert [node.state for node in api.wait_until(ec2, ["i-1"], ("running",), time.monotonic() + 60)] == ["running"]


def test_a_node_that_dies_at_birth_is_told_with_the_reason_of_aws() -> None:
    ec2 = Answers(describe_instances=[described(instance("i-1", "terminated"))])
    with pytest.raises(api.NotReady, match=r"dcgan-train-0 \(i-1\) is terminated: Server.InternalError: so it goes"):
        api.wait_until(ec2, ["i-1"], ("running",), time.monotonic() + 60)


def test_waiting_ends() -> None:
    ec2 = Answers(describe_instances=[described(instance("i-1"))])
    with pytest.raises(api.NotReady, match="gave up waiting until i-1 are running"):
        api.wait_until(ec2, ["i-1"], ("running",), time.monotonic() - 1)


STEP = Step("start", "dcgan-train-0", "it is stopped", "i-1")


@pytest.mark.parametrize(
    ("code", "kind"), [("InsufficientInstanceCapacity", "capacity"), ("VcpuLimitExceeded", "quota")]
)
def test_a_start_may_be_refused(host_keys: api.HostKeys, code: str, kind: str) -> None:
    ec2 = Answers(describe_instances=[described(instance("i-1", "stopped"))], start_instances=[error(code)])
    refusal = api.start(api.Fleet(ec2, ec2, GROUP, host_keys), STEP, time.monotonic() + 60)
    assert refusal is not None
    assert (refusal.kind, refusal.offer) == (kind, OFFER)


def test_a_node_that_is_stopping_is_started_when_it_has_stopped(host_keys: api.HostKeys) -> None:
    states = [described(instance("i-1", state)) for state in ("stopping", "stopped")]
    ec2 = Answers(describe_instances=states, start_instances=[{}])
    assert api.start(api.Fleet(ec2, ec2, GROUP, host_keys), STEP, time.monotonic() + 60) is None
    assert [operation for operation, _arguments in ec2.asked][-2:] == ["describe_instances", "start_instances"]

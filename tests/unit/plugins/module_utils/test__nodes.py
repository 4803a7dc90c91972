# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _nodes as nodes
from ansible_collections.trainyard.aws.plugins.module_utils._nodes import Group, Node, Offer, Refusal, Step, TypeFacts
from hypothesis import given
from hypothesis import strategies as st

G6A = Offer("g6.xlarge", "us-east-1a")
G6B = Offer("g6.xlarge", "us-east-1b")
G6A_SPOT = Offer("g6.xlarge", "us-east-1a", "spot")
G5A = Offer("g5.xlarge", "us-east-1a")
RESERVED = Offer("p5.48xlarge", "us-east-1b", "capacity-reservation", reservation_id="cr-1")
BLOCK = Offer("p5.48xlarge", "us-east-1b", "capacity-block", reservation_id="cr-2")


def group(**changes: Any) -> Group:
    described: dict[str, Any] = {
        "stack": "dcgan",
        "name": "train",
        "count": 2,
        "launch_template": "trainyard-dcgan-train",
        "subnets": {"us-east-1a": "subnet-a", "us-east-1b": "subnet-b"},
        "security_group_ids": ("sg-1", "sg-2"),
        "tags": {"trainyard:stack": "dcgan"},
    }
    return Group(**(described | changes))


def node(index: int, state: str = "running", zone: str = "us-east-1a") -> Node:
    return Node(f"dcgan-train-{index}", f"i-{index}", state, "g6.xlarge", zone)


def refused(offer: Offer, code: str = "InsufficientInstanceCapacity") -> Refusal:
    refusal = nodes.refusal_of(offer, code)
    assert refusal is not None
    return refusal


# ---- What to do ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "have", "steps"),
    [
        pytest.param(2, [], ["launch dcgan-train-0", "launch dcgan-train-1"], id="empty account"),
        pytest.param(2, [node(0), node(1)], [], id="all run"),
        pytest.param(2, [node(0, "pending"), node(1)], [], id="one is on its way"),
        pytest.param(2, [node(1)], ["launch dcgan-train-0"], id="a gap is filled"),
        pytest.param(1, [node(0, "stopped")], ["start dcgan-train-0"], id="a stopped one is started"),
        pytest.param(1, [node(0, "stopping")], ["start dcgan-train-0"], id="so is one that stops"),
        pytest.param(
            1,
            [node(index) for index in (0, 10, 9, 2)],
            ["terminate dcgan-train-10", "terminate dcgan-train-9", "terminate dcgan-train-2"],
            id="count lowered: the highest number goes first",
        ),
        pytest.param(0, [node(0, "stopped")], ["terminate dcgan-train-0"], id="none wanted"),
    ],
)
def test_steps(count: int, have: list[Node], steps: list[str]) -> None:
    assert [f"{step.verb} {step.subject}" for step in nodes.steps_to(group(count=count), have)] == steps


def test_a_step_tells_the_instance_and_the_reason() -> None:
    assert nodes.steps_to(group(count=1), [node(0), node(1)]) == (
        Step("terminate", "dcgan-train-1", 'group "train" is to have 1 now', "i-1"),
    )


@given(
    count=st.integers(0, 12),
    have=st.dictionaries(st.integers(0, 12), st.sampled_from(["pending", "running", "stopping", "stopped"])),
)
def test_taking_the_steps_leads_to_the_group_and_then_there_are_none(count: int, have: dict[int, str]) -> None:
    before = [node(index, state) for index, state in have.items()]
    after = nodes.foreseen(before, nodes.steps_to(group(count=count), before), [G6A])
    assert {one.name for one in after} == set(group(count=count).names)
    assert nodes.steps_to(group(count=count), after) == ()


# ---- Where to ask --------------------------------------------------------------------------------------------------


def test_a_type_is_asked_for_in_every_market_and_zone_before_the_next() -> None:
    offers = nodes.offers_of(["g6.xlarge", "g5.xlarge"], ["spot", "on-demand"], ["a", "b"])
    assert [(offer.instance_type, offer.market, offer.zone) for offer in offers] == [
        ("g6.xlarge", "spot", "a"),
        ("g6.xlarge", "spot", "b"),
        ("g6.xlarge", "on-demand", "a"),
        ("g6.xlarge", "on-demand", "b"),
        ("g5.xlarge", "spot", "a"),
        ("g5.xlarge", "spot", "b"),
        ("g5.xlarge", "on-demand", "a"),
        ("g5.xlarge", "on-demand", "b"),
    ]


def test_reserved_capacity_is_offered_where_it_is_reserved() -> None:
    zones = ["us-east-1a", "us-east-1b"]
    markets = ["capacity-block", "capacity-reservation", "on-demand"]
    offers = nodes.offers_of(["p5.48xlarge"], markets, zones, [RESERVED, BLOCK])
    assert offers[:2] == (BLOCK, RESERVED)
    assert [offer.zone for offer in offers[2:]] == zones
    assert nodes.offers_of(["p5.48xlarge"], ["capacity-block"], ["us-east-1a"], [BLOCK]) == ()


def test_an_offer_of_the_plan_gets_the_reservation_behind_it() -> None:
    planned = [Offer("p5.48xlarge", "us-east-1b", "capacity-block"), Offer("p5.48xlarge", "us-east-1b")]
    assert nodes.with_reservations(planned, [RESERVED, BLOCK]) == (BLOCK, planned[1])
    assert nodes.with_reservations(planned, []) == (planned[1],)


def test_an_offer_beyond_the_price_is_not_asked_for() -> None:
    dear, spot = Offer("p5.48xlarge", "a", usd_per_hour=55.04), Offer("p5.48xlarge", "a", "spot", usd_per_hour=20)
    refusals = nodes.too_dear([dear, spot, G6A], 10)
    assert [(refusal.offer, refusal.kind, refusal.final) for refusal in refusals] == [(dear, "price", True)]
    assert refusals[0].reason == ("p5.48xlarge in a (on-demand) costs 55.04 USD an hour, more than max_price_usd 10.")
    assert nodes.too_dear([dear], None) == ()


@pytest.mark.parametrize(
    ("code", "still_open"),
    [
        pytest.param("InsufficientInstanceCapacity", {G6A, G6B, G6A_SPOT, G5A}, id="capacity may come"),
        pytest.param("VcpuLimitExceeded", {G6A_SPOT, G5A}, id="a quota binds all zones of the market"),
        pytest.param("Unsupported", {G6B, G5A}, id="a zone lacks the type in all markets"),
    ],
)
def test_what_is_still_worth_asking(code: str, still_open: set[Offer]) -> None:
    refusals = [refused(G6A, code)]
    assert {offer for offer in (G6A, G6B, G6A_SPOT, G5A) if nodes.is_open(offer, refusals)} == still_open


def test_nodes_that_lie_together_come_from_one_offer_or_its_reservations() -> None:
    assert nodes.rounds_of([G6A, G6B, G5A], together=False) == ((G6A, G6B, G5A),)
    assert nodes.rounds_of([G6A_SPOT, G6B, G6A], together=True) == ((G6A_SPOT,), (G6B,), (G6A,))
    assert nodes.rounds_of([G6A, G6B, G5A], together=True, zone="us-east-1b") == ((G6B,),)
    other = Offer("p5.48xlarge", "us-east-1b", "capacity-reservation", reservation_id="cr-9")
    assert nodes.rounds_of([RESERVED, BLOCK, other], together=True) == ((RESERVED, other), (BLOCK,))


@pytest.mark.parametrize(
    ("changes", "facts", "together"),
    [
        pytest.param({"placement_group": "pg"}, TypeFacts(clusters=True), True, id="placement group"),
        pytest.param({"placement_group": "pg"}, TypeFacts(), False, id="type that cannot lie in one"),
        pytest.param({"efa": True}, TypeFacts(efa_interfaces=1), True, id="EFA"),
        pytest.param({"efa": True}, TypeFacts(clusters=True), False, id="type without EFA"),
        pytest.param({}, TypeFacts(4, clusters=True), False, id="neither asked for"),
    ],
)
def test_who_lies_together(changes: dict[str, Any], facts: TypeFacts, together: bool) -> None:
    assert nodes.lie_together(group(**changes), {"g6.xlarge": facts}) is together


def test_a_zone_without_subnet_is_told() -> None:
    nodes.check_zones(group(), [G6A, G6B])
    with pytest.raises(ValueError, match="name us-east-1f, where the stack has no subnet"):
        nodes.check_zones(group(), [G6A, Offer("g6.xlarge", "us-east-1f")])


class World:
    """Offers with so much room each, and a count of the rests that are granted."""

    def __init__(self, room: dict[Offer, int | str], rests: int = 0, more: dict[Offer, int] | None = None) -> None:
        self.room, self.rests, self.more = dict(room), rests, more or {}
        self.asked: list[tuple[str, Offer]] = []
        self.living: dict[str, Offer] = {}

    def ask(self, name: str, offer: Offer) -> Node | Refusal:
        assert name not in self.living
        self.asked.append((name, offer))
        room = self.room[offer]
        if isinstance(room, str):
            return refused(offer, room)
        if room == 0:
            return refused(offer)
        self.room[offer] = room - 1
        self.living[name] = offer
        return Node(name, f"i-{name}", "pending", offer.instance_type, offer.zone, offer.market)

    def give_back(self, launched: Sequence[Node]) -> None:
        for one in launched:
            del self.living[one.name]

    def rest(self) -> bool:
        self.rests -= 1
        self.room.update(self.more)
        return self.rests >= 0

    def hunt(self, names: str, *rounds: Sequence[Offer], **options: Any) -> tuple[list[str], list[str]]:
        acts = nodes.Acts(self.ask, self.give_back, self.rest)
        launched, refusals = nodes.hunt(list(names), rounds, (), acts, **options)
        assert {one.name for one in launched} == set(self.living)
        return [one.name for one in launched], [str(refusal.offer) for refusal in refusals]


def test_the_first_offer_with_room_is_taken() -> None:
    world = World({G6A: 0, G6B: 5})
    assert world.hunt("xy", [G6A, G6B]) == (["x", "y"], [str(G6A)])
    assert world.asked == [("x", G6A), ("x", G6B), ("y", G6B)]


def test_an_offer_is_used_up_before_the_next() -> None:
    world = World({G6A: 1, G6B: 5})
    world.hunt("xy", [G6A, G6B])
    assert world.living == {"x": G6A, "y": G6B}


def test_without_patience_each_offer_is_asked_once() -> None:
    world = World({G6A: 0, G6B: 0})
    assert world.hunt("x", [G6A, G6B]) == ([], [str(G6A), str(G6B)])
    assert len(world.asked) == 2


def test_with_patience_the_offers_are_asked_again() -> None:
    world = World({G6A: 0, G6B: 0}, rests=1, more={G6B: 1})
    assert world.hunt("x", [G6A, G6B]) == (["x"], [str(G6A)])


def test_what_waiting_cannot_mend_is_not_asked_again() -> None:
    world = World({G6A: "VcpuLimitExceeded", G6A_SPOT: "MaxSpotInstanceCountExceeded"}, rests=5)
    world.hunt("x", [G6A, G6A_SPOT])
    assert len(world.asked) == 2
    assert world.rests == 5


def test_a_part_of_the_whole_stays_or_is_given_back() -> None:
    assert World({G6A: 1}).hunt("xy", [G6A])[0] == ["x"]
    assert World({G6A: 1}).hunt("xy", [G6A], keep=False)[0] == []


def test_all_or_nothing_holds_what_it_has_while_it_waits() -> None:
    world = World({G6A: 1}, rests=1, more={G6A: 1})
    assert world.hunt("xy", [G6A], keep=False)[0] == ["x", "y"]
    assert [name for name, _offer in world.asked] == ["x", "y", "y"]


def test_a_round_gives_its_nodes_back_before_the_next_is_tried() -> None:
    world = World({G6A: 1, G6B: 2})
    assert world.hunt("xy", [G6A], [G6B], keep=False)[0] == ["x", "y"]
    assert set(world.living.values()) == {G6B}


OFFERS = (G6A, G6B, G6A_SPOT, G5A)
ROOM = st.one_of(st.integers(0, 3), st.sampled_from(["VcpuLimitExceeded", "Unsupported", "SpotMaxPriceTooLow"]))


@given(
    room=st.fixed_dictionaries(dict.fromkeys(OFFERS, ROOM)),
    count=st.integers(1, 8),
    rests=st.integers(0, 3),
    together=st.booleans(),
    keep=st.booleans(),
)
def test_a_hunt_never_leaves_what_it_does_not_tell(
    room: dict[Offer, Any], count: int, rests: int, together: bool, keep: bool
) -> None:
    world = World(room, rests)
    names = "abcdefgh"[:count]
    launched, refusals = world.hunt(names, *nodes.rounds_of(OFFERS, together), keep=keep)
    assert launched == list(names[: len(launched)])
    if len(launched) < count:
        assert refusals
        assert not launched or keep
    if together:
        assert len({offer.zone for offer in world.living.values()}) <= 1


# ---- What AWS says -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offer", "code", "reason"),
    [
        (G6A, "InsufficientInstanceCapacity", "g6.xlarge in us-east-1a (on-demand): AWS has no capacity there now."),
        (
            RESERVED,
            "ReservationCapacityExceeded",
            "p5.48xlarge in us-east-1b (capacity-reservation cr-1): AWS has no capacity there now.",
        ),
        (
            G6A,
            "VcpuLimitExceeded",
            'g6.xlarge in us-east-1a (on-demand): the quota "Running On-Demand G and VT instances" is used up; '
            "raise it in Service Quotas.",
        ),
        (
            G6A_SPOT,
            "MaxSpotInstanceCountExceeded",
            'g6.xlarge in us-east-1a (spot): the quota "All G and VT Spot Instance Requests" is used up; '
            "raise it in Service Quotas.",
        ),
        (
            G6A_SPOT,
            "SpotMaxPriceTooLow",
            "g6.xlarge in us-east-1a (spot): the spot price is above max_price_usd 0.4.",
        ),
        (G6A, "Unsupported", "g6.xlarge in us-east-1a (on-demand): AWS does not offer this there."),
        (
            G6A,
            "InsufficientFreeAddressesInSubnet",
            "g6.xlarge in us-east-1a (on-demand): the subnet has no free address left; give it a larger range.",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)
def test_a_refusal_has_one_line_of_reason(offer: Offer, code: str, reason: str) -> None:
    refusal = nodes.refusal_of(offer, code, 0.4)
    assert refusal is not None
    assert (refusal.code, refusal.reason) == (code, reason)


@pytest.mark.parametrize("code", ["UnauthorizedOperation", "AuthFailure", "InvalidParameterValue", "ExpiredToken"])
def test_an_error_is_no_refusal_and_not_repeated(code: str) -> None:
    assert nodes.refusal_of(G6A, code) is None
    assert not nodes.is_passing(code, 400)


@pytest.mark.parametrize(
    ("code", "status", "message", "passing"),
    [
        ("RequestLimitExceeded", 503, "", True),
        ("InternalError", 500, "", True),
        ("Unknown", 502, "", True),
        ("InsufficientInstanceCapacity", 500, "", False),
        (
            "InvalidParameterValue",
            400,
            "Value (x) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name",
            True,
        ),
    ],
    ids=["throttled", "internal", "gateway", "a refusal sent as 500", "profile just made"],
)
def test_what_may_pass_is_repeated(code: str, status: int, message: str, passing: bool) -> None:
    assert nodes.is_passing(code, status, message) is passing


@pytest.mark.parametrize(
    ("instance_type", "market", "quota"),
    [
        ("g5.xlarge", "on-demand", "Running On-Demand G and VT instances"),
        ("p4d.24xlarge", "on-demand", "Running On-Demand P instances"),
        ("p4d.24xlarge", "spot", "All P4, P3 and P2 Spot Instance Requests"),
        ("p5.48xlarge", "spot", "All P5 Spot Instance Requests"),
        ("dl1.24xlarge", "on-demand", "Running On-Demand DL instances"),
        ("trn1.2xlarge", "spot", "All Trn Spot Instance Requests"),
        ("c7i.large", "on-demand", "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances"),
        ("t3.micro", "spot", "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests"),
    ],
)
def test_the_quota_to_raise(instance_type: str, market: str, quota: str) -> None:
    assert nodes.quota_of(Offer(instance_type, "a", market)) == quota


# ---- What a node is launched with ----------------------------------------------------------------------------------

DIFFERENT: list[Callable[[], str]] = [
    lambda: nodes.client_token(group(), "dcgan-train-0", "key", G6A),
    lambda: nodes.client_token(group(stack="other"), "dcgan-train-0", "key", G6A),
    lambda: nodes.client_token(group(name="other"), "dcgan-train-0", "key", G6A),
    lambda: nodes.client_token(group(), "dcgan-train-1", "key", G6A),
    lambda: nodes.client_token(group(), "dcgan-train-0", "other", G6A),
    lambda: nodes.client_token(group(), "dcgan-train-0", "key", G6B),
    lambda: nodes.client_token(group(), "dcgan-train-0", "key", G6A_SPOT),
    lambda: nodes.client_token(group(), "dcgan-train-0", "key", G5A),
    lambda: nodes.client_token(group(), "dcgan-train-0", "key", BLOCK),
    lambda: nodes.client_token(group(), "dcgan-train-0", "key", RESERVED),
    lambda: nodes.client_token(group(), "dcgan-train-0", "key", G6A, attempt=1),
]


def test_a_token_is_the_same_for_the_same_launch_and_no_other() -> None:
    tokens = [token() for token in DIFFERENT]
    assert len(set(tokens)) == len(DIFFERENT)
    assert tokens == [token() for token in DIFFERENT]
    assert all(len(token) <= 64 for token in tokens)  # AWS takes no more


def test_a_price_does_not_change_the_token() -> None:
    cheap, dear = Offer("g6.xlarge", "a", usd_per_hour=1), Offer("g6.xlarge", "a", usd_per_hour=2)
    assert len({nodes.client_token(group(), "x", "key", offer) for offer in (cheap, dear)}) == 1


def test_expiry_is_told_in_utc() -> None:
    moment = datetime(2026, 11, 21, 15, 30, tzinfo=timezone(timedelta(hours=1)))
    assert nodes.expiry_after(moment, 12 * 3600) == "2026-11-22T02:30:00Z"
    assert nodes.expiry_after(moment, 0) == ""


def test_tags_name_the_node_and_its_end() -> None:
    tags = nodes.tags_of(group(), "dcgan-train-0", "ssh-ed25519 AAAA", "2026-11-22T02:30:00Z")
    assert tags == {
        "trainyard:stack": "dcgan",
        "trainyard:node-group": "train",
        "Name": "dcgan-train-0",
        "trainyard:host-key": "ssh-ed25519 AAAA",
        "trainyard:expires-at": "2026-11-22T02:30:00Z",
    }
    assert "trainyard:expires-at" not in nodes.tags_of(group(), "dcgan-train-0", "ssh-ed25519 AAAA", "")


def cloud_config(expires_at: str) -> dict[str, Any]:
    first, _, rest = nodes.user_data("private\n", "ssh-ed25519 AAAA", expires_at).partition("\n")
    assert first == "#cloud-config"
    return json.loads(rest)


def test_user_data_brings_the_host_key() -> None:
    assert cloud_config("") == {
        "ssh_deletekeys": True,
        "ssh_keys": {"ed25519_private": "private\n", "ed25519_public": "ssh-ed25519 AAAA"},
    }


def test_user_data_sets_the_clock_that_ends_the_node() -> None:
    config = cloud_config("2026-11-22T02:30:00Z")
    written = {file["path"]: file["content"] for file in config["write_files"]}
    assert (
        "OnCalendar=2026-11-22 02:30:00 UTC\nPersistent=true\n" in written["/etc/systemd/system/trainyard-expiry.timer"]
    )
    assert "systemctl poweroff" in written["/etc/systemd/system/trainyard-expiry.service"]
    assert config["runcmd"][-1] == ["systemctl", "enable", "--now", "trainyard-expiry.timer"]


def test_a_node_has_one_private_interface() -> None:
    assert nodes.interfaces_of(group(), G6B, TypeFacts(4, clusters=True)) == [
        {
            "DeviceIndex": 0,
            "SubnetId": "subnet-b",
            "Groups": ["sg-1", "sg-2"],
            "DeleteOnTermination": True,
            "AssociatePublicIpAddress": False,
        }
    ]


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, [(0, None, None)]),
        (1, [(0, 0, "efa")]),
        (3, [(0, 0, "efa"), (1, 1, "efa-only"), (1, 2, "efa-only")]),
    ],
)
def test_efa_has_an_interface_on_each_card(count: int, expected: list[tuple[Any, ...]]) -> None:
    interfaces = nodes.interfaces_of(group(efa=True), G6A, TypeFacts(count))
    assert [
        (one["DeviceIndex"], one.get("NetworkCardIndex"), one.get("InterfaceType")) for one in interfaces
    ] == expected
    # AWS refuses the word about public addresses when there are several interfaces.
    assert ["AssociatePublicIpAddress" in one for one in interfaces].count(True) == (0 if count > 1 else 1)


@pytest.mark.parametrize(
    ("offer", "expected"),
    [
        pytest.param(G6A, {}, id="on-demand"),
        pytest.param(
            G6A_SPOT,
            {
                "InstanceMarketOptions": {
                    "MarketType": "spot",
                    "SpotOptions": {
                        "SpotInstanceType": "one-time",
                        "InstanceInterruptionBehavior": "terminate",
                        "MaxPrice": "0.4",
                    },
                }
            },
            id="spot",
        ),
        pytest.param(
            RESERVED,
            {"CapacityReservationSpecification": {"CapacityReservationTarget": {"CapacityReservationId": "cr-1"}}},
            id="capacity reservation",
        ),
        pytest.param(
            BLOCK,
            {
                "CapacityReservationSpecification": {"CapacityReservationTarget": {"CapacityReservationId": "cr-2"}},
                "InstanceMarketOptions": {"MarketType": "capacity-block"},
            },
            id="capacity block",
        ),
    ],
)
def test_markets(offer: Offer, expected: dict[str, Any]) -> None:
    assert nodes.market_arguments(offer, 0.4) == expected


def test_a_launch_says_what_the_template_cannot_know() -> None:
    call = nodes.launch_arguments(group(), G6A_SPOT, TypeFacts(), 3, {"Name": "x"}, "data", "token")
    assert call["LaunchTemplate"] == {"LaunchTemplateName": "trainyard-dcgan-train", "Version": "3"}
    assert (call["InstanceType"], call["UserData"], call["ClientToken"]) == ("g6.xlarge", "data", "token")
    assert call["Placement"] == {"AvailabilityZone": "us-east-1a"}
    assert {kind["ResourceType"] for kind in call["TagSpecifications"]} == {
        "instance",
        "volume",
        "network-interface",
        "spot-instances-request",
    }
    on_demand = nodes.launch_arguments(group(), G6A, TypeFacts(), 3, {"Name": "x"}, "data", "token")
    assert {kind["ResourceType"] for kind in on_demand["TagSpecifications"]} == {
        "instance",
        "volume",
        "network-interface",
    }


@pytest.mark.parametrize(("clusters", "named"), [(True, "pg"), (False, None)])
def test_only_a_type_that_can_lies_in_the_placement_group(clusters: bool, named: str | None) -> None:
    call = nodes.launch_arguments(group(placement_group="pg"), G6A, TypeFacts(0, clusters), 1, {}, "", "token")
    assert call["Placement"].get("GroupName") == named


# ---- What the user reads -------------------------------------------------------------------------------------------


def test_the_steps_in_words() -> None:
    steps = nodes.steps_to(group(count=1), [node(0, "stopped"), node(1)])
    assert nodes.told(steps, done=True) == (
        'Terminated dcgan-train-1: group "train" is to have 1 now.\nStarted dcgan-train-0: it is stopped.'
    )
    assert nodes.told(steps, done=False).startswith("Would terminate dcgan-train-1")
    assert nodes.told((), done=True) == "Nothing to do."


def test_what_is_foreseen_is_the_first_offer_that_may_be_asked() -> None:
    dear = nodes.too_dear([Offer("p5.48xlarge", "a", usd_per_hour=55)], 10)
    offers = [dear[0].offer, G6B]
    after = nodes.foreseen([], nodes.steps_to(group(count=1), []), offers, dear)
    assert after == [Node("dcgan-train-0", "", "running", "g6.xlarge", "us-east-1b")]


def test_a_group_that_cannot_be_filled_is_told_with_every_reason() -> None:
    text = nodes.not_filled(group(), 1, [refused(G6A), refused(G6B)], launched=1)
    assert text.splitlines() == [
        "1 of 2 could not be had. 1 launched now stay.",
        "  g6.xlarge in us-east-1a (on-demand): AWS has no capacity there now.",
        "  g6.xlarge in us-east-1b (on-demand): AWS has no capacity there now.",
        "Add instance types, zones or markets, raise patience, or run again later.",
    ]
    assert "There is no offer to ask." in nodes.not_filled(group(), 2, [], launched=0)

# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ipaddress

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _preflight as preflight
from ansible_collections.trainyard.aws.plugins.module_utils._preflight import Fault, Image, KeyFile, Machine
from hypothesis import example, given
from hypothesis import strategies as st

KNOWN = ["g5.xlarge", "g6.12xlarge", "g6.xlarge", "p5.48xlarge", "t3.micro"]


def test_a_stack_name_that_cannot_be() -> None:
    assert preflight.stack_faults("dcgan") == []
    (fault,) = preflight.stack_faults("My Stack")
    assert fault.subject == "stack_name"


# ---- Addresses that may come in ------------------------------------------------------------------------------------


@pytest.mark.parametrize("cidr", ["192.0.2.7/32", "192.0.2.0/24", "203.0.0.0/16"])
def test_ranges_that_are_let_in(cidr: str) -> None:
    assert preflight.cidr_faults([cidr]) == []


@pytest.mark.parametrize(
    ("cidr", "expected"),
    [
        pytest.param("0.0.0.0/0", "opens SSH to the whole world", id="everybody"),
        pytest.param("::/0", "opens SSH to the whole world", id="everybody with IPv6"),
        pytest.param("203.0.0.0/15", "opens SSH to 131,072 addresses", id="too wide"),
        pytest.param("0.0.0.0/1", "opens SSH to 2,147,483,648 addresses", id="half of the world"),
        pytest.param("2001:db8::/64", "is IPv6, and the bastion has none", id="IPv6"),
        pytest.param("192.0.2.7", "AWS would want 192.0.2.7/32", id="no prefix length"),
        pytest.param("192.0.2.0/255.255.255.0", "AWS would want 192.0.2.0/24", id="netmask"),
        pytest.param("192.0.2.7/24", "has host bits set", id="host bits"),
        pytest.param("192.0.2.0/33", "is no address range", id="prefix too long"),
        pytest.param("my house", "is no address range", id="no address"),
        pytest.param("", "is no address range", id="empty"),
        pytest.param("192.0.2.7/32\n", "is no address range", id="line end"),
    ],
)
def test_ranges_that_are_not_let_in(cidr: str, expected: str) -> None:
    (fault,) = preflight.cidr_faults([cidr])
    assert fault.subject == "stack_allowed_cidrs"
    assert expected in fault.what
    assert fault.fix


def test_every_bad_range_is_named() -> None:
    assert [fault.what[:11] for fault in preflight.cidr_faults(["0.0.0.0/0", "192.0.2.7/32", "::/0"])] == [
        '"0.0.0.0/0"',
        '"::/0" open',
    ]


def test_nobody_let_in_is_a_fault() -> None:
    (fault,) = preflight.cidr_faults([])
    assert fault.what == "nobody could reach the bastion."


@given(st.one_of(st.text(), st.from_regex(r"[0-9./:a-f]{1,20}", fullmatch=True), st.ip_addresses(v=4).map(str)))
@example("10")
@example("10.0.0.0/0.0.0.255")
def test_what_is_let_in_is_a_narrow_ipv4_range_as_aws_writes_it(cidr: str) -> None:
    if not preflight.cidr_faults([cidr]):
        network = ipaddress.IPv4Network(cidr)
        assert str(network) == cidr
        assert network.prefixlen >= 16


@given(st.integers(0, 2**32 - 1), st.integers(0, 32))
def test_width_alone_decides_on_a_well_written_range(number: int, prefix: int) -> None:
    network = ipaddress.ip_network((number >> (32 - prefix) << (32 - prefix), prefix))
    assert bool(preflight.cidr_faults([str(network)])) is (prefix < 16)


# ---- The address plan ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vpc", "public", "private", "expected"),
    [
        pytest.param("10.77.0.0/16", ["10.77.0.0/24"], ["10.77.1.0/24", "10.77.2.0/24"], [], id="apart and inside"),
        pytest.param("10.77.0.0/16", [], [], [], id="no subnets"),
        pytest.param(
            "10.77.0.0/16",
            ["10.77.0.0/23"],
            ["10.77.1.0/24"],
            [("aws_network_private_cidrs", "10.77.1.0/24 overlaps 10.77.0.0/23 of aws_network_public_cidrs.")],
            id="inside another",
        ),
        pytest.param(
            "10.77.0.0/16",
            [],
            ["10.77.1.0/24", "10.77.0.0/23"],
            [("aws_network_private_cidrs", "10.77.0.0/23 overlaps 10.77.1.0/24 of aws_network_private_cidrs.")],
            id="around the one before",
        ),
        pytest.param(
            "10.77.0.0/16",
            ["10.78.0.0/24"],
            [],
            [("aws_network_public_cidrs", "10.78.0.0/24 lies outside aws_network_cidr 10.77.0.0/16.")],
            id="outside",
        ),
        pytest.param(
            "10.77.0.0/24",
            [],
            ["10.77.0.0/16"],
            [("aws_network_private_cidrs", "10.77.0.0/16 lies outside aws_network_cidr 10.77.0.0/24.")],
            id="wider than the VPC",
        ),
    ],
)
def test_network_faults(vpc: str, public: list[str], private: list[str], expected: list[tuple[str, str]]) -> None:
    assert [(fault.subject, fault.what) for fault in preflight.network_faults(vpc, public, private)] == expected


@pytest.mark.parametrize(
    "cidr", ["10.0.0.0/8", "10.77.0.0/15", "10.77.0.0/29", "2001:d00::/24", "10.77.0.1/16", "10.77.0.0", "x", "", 10]
)
def test_ranges_that_aws_does_not_take(cidr: str) -> None:
    for faults in (
        preflight.network_faults(str(cidr), ["10.77.1.0/24"], []),
        preflight.network_faults("10.77.0.0/16", [], [cidr]),
    ):
        assert len(faults) == 1
        assert faults[0].what.startswith(f'"{cidr}" is no address range: ')


RANGES = (["10.77.0.0/24"], ["10.77.1.0/24"])


@pytest.mark.parametrize(
    ("door", "egress", "public", "private", "subjects"),
    [
        pytest.param("bastion", "nat_gateway", *RANGES, [], id="as it is by default"),
        pytest.param("ssm", "endpoints", [], ["10.77.1.0/24"], [], id="nothing public"),
        pytest.param("instance_connect", "nat_instance", *RANGES, [], id="a NAT instance"),
        pytest.param("window", "nat_gateway", *RANGES, ["aws_access_door"], id="unknown door"),
        pytest.param("bastion", "tunnel", *RANGES, ["aws_network_egress"], id="unknown egress"),
        pytest.param("bastion", "endpoints", [], RANGES[1], ["aws_network_public_cidrs"], id="bastion in the dark"),
        pytest.param("ssm", "nat_gateway", [], RANGES[1], ["aws_network_public_cidrs"], id="NAT in the dark"),
        pytest.param("bastion", "nat_gateway", RANGES[0], [], ["aws_network_private_cidrs"], id="no place for nodes"),
    ],
)
def test_ways_in_and_out(door: str, egress: str, public: list[str], private: list[str], subjects: list[str]) -> None:
    faults = preflight.way_faults(door, egress, public, private)
    assert [fault.subject for fault in faults] == subjects


def test_a_door_that_is_not_the_bastion_needs_no_addresses() -> None:
    assert preflight.cidr_faults([], "ssm") == []
    assert [fault.subject for fault in preflight.cidr_faults(["0.0.0.0/0"], "ssm")] == ["stack_allowed_cidrs"]


def test_the_own_address_is_offered_where_one_is_needed() -> None:
    faults = [Fault("stack_allowed_cidrs", "a.", "Do b."), Fault("tool", "c.", "Do d.")]
    assert [fault.fix for fault in preflight.with_own_address(faults, "192.0.2.7")] == [
        "Do b. You come from 192.0.2.7/32.",
        "Do d.",
    ]
    assert preflight.with_own_address(faults, "") == faults


# ---- The key -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        pytest.param(None, [], id="we make one"),
        pytest.param(KeyFile("/k", exists=True), [], id="as ssh wants it"),
        pytest.param(KeyFile("/k", exists=True, mode=0o400), [], id="read only"),
        pytest.param(KeyFile("/k", exists=False), ["there is no file /k."], id="no file"),
        pytest.param(KeyFile("/k", exists=True, mode=0o640), ["others may read /k, so ssh refuses it."], id="group"),
        pytest.param(KeyFile("/k", exists=True, mode=0o601), ["others may read /k, so ssh refuses it."], id="others"),
        pytest.param(
            KeyFile("/k", exists=True, mode=0o644, has_public_half=False),
            ["others may read /k, so ssh refuses it.", "its public half /k.pub is missing."],
            id="two faults",
        ),
    ],
)
def test_key_faults(key: KeyFile | None, expected: list[str]) -> None:
    assert [fault.what for fault in preflight.key_faults(key)] == expected


def test_missing_tools() -> None:
    assert [fault.subject for fault in preflight.tool_faults(["ssh", "ssh-keygen"])] == ["ssh", "ssh-keygen"]


@pytest.mark.parametrize(
    ("door", "more"),
    [("bastion", []), ("ssm", ["aws", "session-manager-plugin"]), ("instance_connect", ["aws"])],
)
def test_each_door_has_its_tools(door: str, more: list[str]) -> None:
    assert preflight.tools_for(door, ["ssh"]) == ["ssh", *more]
    assert all(fault.fix.startswith("Install") for fault in preflight.tool_faults(["ssh", *more]))


@pytest.mark.parametrize(
    ("versions", "subjects"),
    [
        pytest.param(("2.19.0", "1.35.0", "2.27.1"), [], id="all new enough"),
        pytest.param(("2.19.14", "1.44.1", ""), [], id="no CLI"),
        pytest.param(("2.18.9", "1.34.99", "1.40.0"), ["ansible-core", "boto3", "aws"], id="all too old"),
        pytest.param(("2.9.27", "1.35.1", "2"), ["ansible-core"], id="9 is less than 19"),
    ],
)
def test_versions(versions: tuple[str, str, str], subjects: list[str]) -> None:
    assert [fault.subject for fault in preflight.version_faults(*versions)] == subjects


# ---- Credentials and region ----------------------------------------------------------------------------------------


def test_a_profile_that_does_not_exist_gets_the_nearest_name() -> None:
    assert preflight.profile_faults("", []) == preflight.profile_faults("work", ["work"]) == []
    (fault,) = preflight.profile_faults("wrok", ["default", "work"])
    assert (fault.subject, fault.fix) == ("credentials", "Did you mean work?")
    (fault,) = preflight.profile_faults("x", [])
    assert fault.fix == "Run: aws configure list-profiles"


def test_a_misspelt_region_gets_the_nearest_name() -> None:
    assert preflight.region_hint("us-east-1", ["us-east-1"]) == ""
    assert preflight.region_hint("us-eest-1", ["us-east-1", "ap-south-1"]) == " Did you mean us-east-1?"
    assert preflight.region_hint("mars", ["us-east-1"]) == ""


@pytest.mark.parametrize(
    ("left", "renews", "warned"),
    [(None, False, False), (3601, False, False), (1800, False, True), (1800, True, False), (-5, False, True)],
)
def test_credentials_that_end_soon(left: float | None, renews: bool, warned: bool) -> None:
    assert bool(preflight.expiry_warnings(left, renews)) is warned


def test_moments_and_durations() -> None:
    assert preflight.utc(None) == ""
    assert preflight.utc(0.1 + 86400) == "1970-01-02T00:00:00Z"
    assert preflight.duration_faults("stack_time_to_live", "12h") == preflight.duration_faults("x", "") == []
    (fault,) = preflight.duration_faults("stack_time_to_live", "soon")
    assert fault.subject == "stack_time_to_live"


# ---- Instance types and zone ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        pytest.param("g6.xlrge", "Did you mean g6.xlarge", id="letter lost"),
        pytest.param("g6.12xlagre", "Did you mean g6.12xlarge", id="letters swapped"),
        pytest.param("G6.XLARGE", "Did you mean g6.xlarge", id="capitals"),
        pytest.param("g6.*xlarge", "Did you mean g6.xlarge", id="pattern"),
        pytest.param("zzzzzzzz", "Choose another type or region.", id="like nothing"),
    ],
)
def test_a_misspelt_type_gets_the_nearest_name(name: str, nearest: str) -> None:
    (fault,) = preflight.type_faults([name], {name: []}, KNOWN, "us-east-1")
    assert fault.what == f'"{name}" is not offered in us-east-1.'
    assert fault.fix.startswith(nearest)


def test_types_that_are_offered_are_no_fault_and_each_fault_is_named_once() -> None:
    zones = {"g6.xlarge": ["us-east-1a"], "b": [], "a": []}
    faults = preflight.type_faults(["b", "g6.xlarge", "a", "b"], zones, [], "us-east-1")
    assert [fault.what[:3] for fault in faults] == ['"a"', '"b"']


def test_gaudi_is_taken_by_its_name_though_no_list_has_it() -> None:
    assert preflight.type_faults(["dl1.24xlarge"], {"dl1.24xlarge": []}, KNOWN, "us-east-1") == []


ZONES = {
    "g6.xlarge": ["us-east-1c", "us-east-1b"],
    "g5.xlarge": ["us-east-1c", "us-east-1d"],
    "t3.micro": ["us-east-1a", "us-east-1b", "us-east-1c", "us-east-1d"],
}
G6, T3 = ("g6.xlarge",), ("t3.micro",)
G6_OR_G5 = ("g6.xlarge", "g5.xlarge")


@pytest.mark.parametrize(
    ("needs", "asked", "existing", "zones"),
    [
        pytest.param([G6, T3], [], [""], ["us-east-1b"], id="first that offers all"),
        pytest.param([G6_OR_G5, T3], [], [""], ["us-east-1c"], id="the one that offers most"),
        pytest.param([G6_OR_G5, T3], [], [""] * 3, ["us-east-1c", "us-east-1b", "us-east-1d"], id="three, best first"),
        pytest.param([G6, T3], ["us-east-1c"], [""], ["us-east-1c"], id="the one asked for"),
        pytest.param([G6, T3], ["us-east-1c"], ["us-east-1b"], ["us-east-1b"], id="the one there is wins"),
        pytest.param([G6, T3], [], ["", "us-east-1b"], ["us-east-1c", "us-east-1b"], id="around what is there"),
        pytest.param([G6, T3], ["us-east-1c", "us-east-1b"], [""], ["us-east-1c"], id="no more than needed"),
        pytest.param([("dl1.24xlarge",)], ["us-east-1a"], [""], ["us-east-1a"], id="unlisted type, zone asked for"),
    ],
)
def test_choose_zones(needs: list[tuple[str, ...]], asked: list[str], existing: list[str], zones: list[str]) -> None:
    for order in (needs, needs[::-1]):
        assert preflight.choose_zones(order, ZONES, asked, existing) == (zones, [])


@pytest.mark.parametrize(
    ("needs", "asked", "existing", "what"),
    [
        pytest.param([G6, T3], ["us-east-1a"], [""], '"us-east-1a" does not offer every', id="asked for in vain"),
        pytest.param([G6, T3], [], ["us-east-1a"], '"us-east-1a" does not offer every', id="there in vain"),
        pytest.param([G6, ("g5.xlarge",)], [], ["", ""], "2 zones are wanted, and us-east-1c alone", id="too few"),
        pytest.param([G6, T3], ["us-east-1b"], ["", ""], "1 zones for 2 subnets.", id="too few asked for"),
        pytest.param([G6, ("p5.48xlarge",)], [], [""], "no zone offers all types together: g6.x", id="none offers all"),
    ],
)
def test_zones_that_cannot_be(needs: list[tuple[str, ...]], asked: list[str], existing: list[str], what: str) -> None:
    zones, (fault,) = preflight.choose_zones(needs, {**ZONES, "p5.48xlarge": ["us-east-1f"]}, asked, existing)
    assert (zones, fault.subject) == ([], "aws_network_zones")
    assert fault.what.startswith(what)
    assert fault.fix


def test_types_that_are_offered_nowhere_are_no_fault_of_the_zones() -> None:
    assert preflight.choose_zones([("a",), ("b",)], {"a": [], "b": []}, [], [""]) == ([], [])


@given(st.permutations([f"us-east-1{letter}" for letter in "abcdefghijkl"]))
def test_the_zones_do_not_depend_on_the_order_of_answers(zones: list[str]) -> None:
    offered = {"t3.micro": zones, "g6.xlarge": zones[::-1]}
    assert preflight.choose_zones([T3, G6], offered, [], ["", ""])[0] == ["us-east-1a", "us-east-1b"]


def test_existing_zones_stand_where_their_ranges_stand() -> None:
    there = {"10.77.1.0/24": "us-east-1b", "10.77.9.0/24": "us-east-1c"}
    assert preflight.existing_zones(["10.77.0.0/24"], ["10.77.1.0/24", "10.77.2.0/24"], there) == ["us-east-1b", ""]
    assert preflight.existing_zones([], [], {}) == [""]


# ---- Images --------------------------------------------------------------------------------------------------------


RUNS = {"t3.micro": ["i386", "x86_64"], "g6.xlarge": ["x86_64"], "g5g.xlarge": ["arm64"]}


@pytest.mark.parametrize(
    ("image", "types", "expected"),
    [
        pytest.param(Image("/image", "ami-1", "x86_64"), ("t3.micro", "g6.xlarge"), "", id="fits"),
        pytest.param(Image("/image", "ami-1", "arm64"), ("dl1.24xlarge",), "", id="no type is known"),
        pytest.param(Image("/image", ""), ("t3.micro",), '"/image" does not exist here.', id="none"),
        pytest.param(
            Image("/image", "ami-1", "x86_64"),
            ("g6.xlarge", "g5g.xlarge"),
            '"/image" is built for x86_64, and g5g.xlarge runs arm64.',
            id="one type does not fit",
        ),
    ],
)
def test_image_faults(image: Image, types: tuple[str, ...], expected: str) -> None:
    faults = preflight.image_faults(Machine("train", types, "/image"), image, RUNS)
    assert [(fault.subject, fault.what) for fault in faults] == [("machine image of train", expected)] * bool(expected)


@pytest.mark.parametrize(
    ("reference", "types", "expected"),
    [
        ("debian-12", ["t3.micro"], "/aws/service/debian/release/12/latest/amd64"),
        ("debian-12", ["g5g.xlarge"], "/aws/service/debian/release/12/latest/arm64"),
        ("debian-12", ["dl1.24xlarge"], "/aws/service/debian/release/12/latest/amd64"),
        ("al2023", ["t3.micro"], "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"),
        (
            "ubuntu-24.04",
            ["t3.micro"],
            "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id",
        ),
        (
            "ubuntu-22.04",
            ["g5g.xlarge"],
            "/aws/service/canonical/ubuntu/server/22.04/stable/current/arm64/hvm/ebs-gp2/ami-id",
        ),
        (
            "deep-learning-ubuntu-22.04",
            ["g6.xlarge"],
            "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-22.04/latest/ami-id",
        ),
        ("/my/own", ["t3.micro"], "/my/own"),
        ("ami-12345678", [], "ami-12345678"),
    ],
)
def test_short_names_of_images(reference: str, types: list[str], expected: str) -> None:
    assert preflight.image_parameter(reference, preflight.common_architectures(types, RUNS)) == expected


@pytest.mark.parametrize(
    ("types", "expected"),
    [([], set()), (["t3.micro"], {"i386", "x86_64"}), (["t3.micro", "g6.xlarge"], {"x86_64"}), (["x"], set())],
)
def test_common_architectures(types: list[str], expected: set[str]) -> None:
    assert preflight.common_architectures(types, RUNS) == expected


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("ami-0123456789abcdef0", True),
        ("ami-12345678", True),
        ("ami-0123456789abcdef0\n", False),
        ("ami-xyz", False),
        ("/aws/service/debian/release/12/latest/amd64", False),
    ],
)
def test_is_image_id(reference: str, expected: bool) -> None:
    assert preflight.is_image_id(reference) is expected


# ---- The report ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, "Nothing stands in the way."),
        (1, "1 thing stands in the way; nothing was created.\n  - a: b. Do c."),
        (2, "2 things stand in the way; nothing was created.\n  - a: b. Do c.\n  - a: b. Do c."),
    ],
)
def test_report(count: int, expected: str) -> None:
    assert preflight.report([Fault("a", "b.", "Do c.")] * count) == expected


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        pytest.param([], None, id="nothing"),
        pytest.param(["ec2:CreateVpc"], "as IAM says: ec2:CreateVpc. The playbook", id="one"),
        pytest.param([f"a:{number}" for number in range(15)], "a:11 and 3 more. The playbook", id="many"),
    ],
)
def test_missing_permissions_are_warned_of(missing: list[str], told: str | None) -> None:
    warnings = preflight.permission_warnings(missing)
    assert [told in warning for warning in warnings] == ([True] if told else [])

# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ipaddress

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _preflight as preflight
from ansible_collections.trainyard.aws.plugins.module_utils._preflight import Fault, Image, KeyFile
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
    ("vpc", "subnets", "expected"),
    [
        pytest.param("10.77.0.0/16", {"a": "10.77.0.0/24", "b": "10.77.1.0/24"}, [], id="apart and inside"),
        pytest.param("10.77.0.0/16", {}, [], id="no subnets"),
        pytest.param(
            "10.77.0.0/16",
            {"a": "10.77.0.0/23", "b": "10.77.1.0/24"},
            [("b", "10.77.1.0/24 overlaps a 10.77.0.0/23.")],
            id="inside the one before",
        ),
        pytest.param(
            "10.77.0.0/16",
            {"a": "10.77.1.0/24", "b": "10.77.0.0/23"},
            [("b", "10.77.0.0/23 overlaps a 10.77.1.0/24.")],
            id="around the one before",
        ),
        pytest.param(
            "10.77.0.0/16",
            {"a": "10.77.0.0/24", "b": "10.77.0.0/24"},
            [("b", "10.77.0.0/24 overlaps a 10.77.0.0/24.")],
            id="the same twice",
        ),
        pytest.param(
            "10.77.0.0/16",
            {"a": "10.78.0.0/24"},
            [("a", "10.78.0.0/24 lies outside aws_network_cidr 10.77.0.0/16.")],
            id="outside",
        ),
        pytest.param(
            "10.77.0.0/24",
            {"a": "10.77.0.0/16"},
            [("a", "10.77.0.0/16 lies outside aws_network_cidr 10.77.0.0/24.")],
            id="wider than the VPC",
        ),
    ],
)
def test_network_faults(vpc: str, subnets: dict[str, str], expected: list[tuple[str, str]]) -> None:
    assert [(fault.subject, fault.what) for fault in preflight.network_faults(vpc, subnets)] == expected


@pytest.mark.parametrize(
    "cidr", ["10.0.0.0/8", "10.77.0.0/15", "10.77.0.0/29", "2001:d00::/24", "10.77.0.1/16", "10.77.0.0", "x", ""]
)
def test_ranges_that_aws_does_not_take(cidr: str) -> None:
    for faults in (
        preflight.network_faults(cidr, {"a": "10.77.1.0/24"}),
        preflight.network_faults("10.77.0.0/16", {"aws_network_cidr_": cidr}),
    ):
        assert len(faults) == 1
        assert faults[0].what.startswith(f'"{cidr}" is no address range: ')


def test_a_range_that_is_a_number_is_no_range() -> None:
    assert preflight.network_faults("10.77.0.0/16", {"a": 10})  # type: ignore[dict-item]


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


ZONES = {"g6.xlarge": ["us-east-1c", "us-east-1b"], "t3.micro": ["us-east-1a", "us-east-1b", "us-east-1c"]}


@pytest.mark.parametrize(
    ("zones", "asked", "zone", "fault"),
    [
        pytest.param(ZONES, "", "us-east-1b", "", id="first that offers all"),
        pytest.param(ZONES, "us-east-1c", "us-east-1c", "", id="the one asked for"),
        pytest.param(ZONES, "us-east-1a", "", '"us-east-1a" does not offer every', id="asked for in vain"),
        pytest.param(
            {**ZONES, "g6.xlarge": ["us-east-1d"]},
            "",
            "",
            "no zone offers all types together: g6.xlarge in us-east-1d; t3.micro in us-east-1a,",
            id="none offers all",
        ),
        pytest.param({"g6.xlarge": [], "t3.micro": []}, "", "", "", id="none offered is the fault of the types"),
    ],
)
def test_choose_zone(zones: dict[str, list[str]], asked: str, zone: str, fault: str) -> None:
    for wanted in (["g6.xlarge", "t3.micro"], ["t3.micro", "g6.xlarge", "t3.micro"]):
        chosen, faults = preflight.choose_zone(wanted, zones, asked)
        assert chosen == zone
        assert len(faults) == bool(fault)
        assert all(fault in each.what for each in faults)


@given(st.permutations([f"us-east-1{letter}" for letter in "abcdefghijkl"]))
def test_the_zone_does_not_depend_on_the_order_of_answers(zones: list[str]) -> None:
    zone, _faults = preflight.choose_zone(["t3.micro", "g6.xlarge"], {"t3.micro": zones, "g6.xlarge": zones[::-1]}, "")
    assert zone == "us-east-1a"


# ---- Images --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "architectures", "expected"),
    [
        pytest.param(Image("/image", "ami-1", "x86_64"), {"x86_64", "i386"}, "", id="fits"),
        pytest.param(Image("/image", "ami-1", "arm64"), set(), "", id="no type is known"),
        pytest.param(Image("/image", ""), {"x86_64"}, '"/image" does not exist here.', id="none"),
        pytest.param(
            Image("/image", "ami-1", "arm64"),
            {"x86_64", "i386"},
            '"/image" is built for arm64, the instance types run i386, x86_64.',
            id="wrong architecture",
        ),
    ],
)
def test_image_faults(image: Image, architectures: set[str], expected: str) -> None:
    assert [fault.what for fault in preflight.image_faults([image], architectures)] == ([expected] if expected else [])


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

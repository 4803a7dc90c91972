# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the endpoint promises: an empty account, typed errors, a log of every call, and no door to the outside."""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from lab.tests.running_lab import RunningLab, error_of

OTHER_REGION = "eu-west-1"


@pytest.mark.parametrize("region", ["us-east-1", OTHER_REGION])
def test_the_account_is_empty_at_start(lab: RunningLab, region: str) -> None:
    ec2 = lab.client("ec2", region_name=region)
    if region == OTHER_REGION:  # the other tests work in the first region
        for call, key in (
            (ec2.describe_subnets, "Subnets"),
            (ec2.describe_internet_gateways, "InternetGateways"),
            (ec2.describe_security_groups, "SecurityGroups"),
            (ec2.describe_network_acls, "NetworkAcls"),
            (ec2.describe_route_tables, "RouteTables"),
            (ec2.describe_dhcp_options, "DhcpOptions"),
            (ec2.describe_vpcs, "Vpcs"),
            (ec2.describe_volumes, "Volumes"),
        ):
            assert call()[key] == []
    assert not [vpc for vpc in ec2.describe_vpcs()["Vpcs"] if vpc["IsDefault"]]


@pytest.mark.parametrize("region", ["us-east-1", OTHER_REGION])
def test_only_the_machine_images_of_the_lab_are_offered(lab: RunningLab, region: str) -> None:
    ssm = lab.client("ssm", region_name=region)
    published = {
        ssm.get_parameter(Name=f"/lab/images/{name}")["Parameter"]["Value"] for name in ("debian-12", "deep-learning")
    }
    images = lab.client("ec2", region_name=region).describe_images()["Images"]
    assert {image["ImageId"] for image in images} == published
    assert len(published) == 2
    assert {image["State"] for image in images} == {"available"}


def not_implemented() -> list[Any]:
    """One call for each protocol."""
    return [
        pytest.param("ec2", "describe_instance_event_windows", {}, id="ec2"),
        pytest.param("iam", "get_context_keys_for_custom_policy", {"PolicyInputList": ["{}"]}, id="query"),
        pytest.param("ssm", "start_session", {"Target": "i-00000000"}, id="json"),
        pytest.param("efs", "describe_account_preferences", {}, id="rest-json"),
        pytest.param("route53", "list_cidr_collections", {}, id="rest-xml"),
    ]


@pytest.mark.parametrize(("service", "operation", "parameters"), not_implemented())
def test_what_moto_cannot_do_is_a_typed_error_that_is_not_retried(
    lab: RunningLab, service: str, operation: str, parameters: dict[str, Any]
) -> None:
    client = lab.client(service)
    before = lab.page("/_lab/status")["calls"]
    with pytest.raises(client.exceptions.ClientError) as caught:
        getattr(lab.client(service, config=None), operation)(**parameters)
    assert caught.value.response["Error"]["Code"] == "NotImplemented"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    calls = lab.page(f"/_lab/calls?since={before}")
    assert [call["error"] for call in calls if call["service"] == service] == ["NotImplemented"]


def test_every_call_is_logged_with_its_parameters(lab: RunningLab) -> None:
    before = lab.page("/_lab/status")["calls"]
    s3 = lab.client("s3")
    s3.create_bucket(Bucket="logged")
    s3.put_object(Bucket="logged", Key="folder/key", Body=b"content")
    lab.ec2.describe_vpcs(Filters=[{"Name": "tag:a", "Values": ["b"]}])
    error_of(lab.ec2.delete_vpc, VpcId="vpc-00000000")
    lab.efs.describe_file_systems(MaxItems=3)
    lab.client("iam").list_roles(PathPrefix="/x/")
    lab.client("ssm").get_parameter(Name="/lab/images/debian-12")
    calls = lab.page(f"/_lab/calls?since={before}")
    assert [(call["service"], call["action"]) for call in calls] == [
        ("s3", "CreateBucket"),
        ("s3", "PutObject"),
        ("ec2", "DescribeVpcs"),
        ("ec2", "DeleteVpc"),
        ("efs", "DescribeFileSystems"),
        ("iam", "ListRoles"),
        ("ssm", "GetParameter"),
    ]
    assert calls[1]["parameters"]["Key"] == "folder/key"
    assert "content" not in json.dumps(calls[1])
    assert calls[2]["parameters"] == {"Filters": [{"Name": "tag:a", "Values": ["b"]}]}
    assert (calls[3]["status"], calls[3]["error"]) == (400, "InvalidVpcID.NotFound")
    assert calls[4]["parameters"] == {"MaxItems": 3}
    assert [call["n"] for call in calls] == list(range(before + 1, before + 8))
    written = [json.loads(line) for line in lab.settings.calls_file.read_text().splitlines()]
    assert written[before : before + 7] == calls


def test_objects_come_back_as_they_were_sent(lab: RunningLab) -> None:
    s3 = lab.client("s3")
    s3.create_bucket(Bucket="objects")
    body = bytes(range(256)) * 40_000  # 10 MB: sent in parts by upload_fileobj, streamed back
    s3.put_object(Bucket="objects", Key="empty", Body=b"")
    assert s3.get_object(Bucket="objects", Key="empty")["Body"].read() == b""
    s3.put_object(Bucket="objects", Key="with space/ümlaut+", Body=body)
    assert s3.head_object(Bucket="objects", Key="with space/ümlaut+")["ContentLength"] == len(body)
    assert s3.get_object(Bucket="objects", Key="with space/ümlaut+")["Body"].read() == body


def test_many_callers_at_once_are_served(lab: RunningLab) -> None:
    def tagged(number: int) -> int:
        name = lab.client("ec2").create_key_pair(KeyName=f"at-once-{number}", KeyType="ed25519")["KeyName"]
        return len(lab.client("ec2").describe_key_pairs(KeyNames=[name])["KeyPairs"])

    with ThreadPoolExecutor(max_workers=12) as pool:
        assert list(pool.map(tagged, range(24))) == [1] * 24


def test_it_listens_on_this_machine_only(lab: RunningLab) -> None:
    pid = lab.page("/_lab/status")["pid"]
    listening = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True, check=True).stdout.splitlines()
    addresses = {line.split()[3].rsplit(":", 1)[0] for line in listening if f"pid={pid}," in line}
    assert "127.0.0.1" in addresses
    assert all(
        address == "127.0.0.1" or (address.endswith(".0.1") and address.startswith("10.")) for address in addresses
    ), addresses


def test_public_addresses_come_from_the_range_of_the_lab(lab: RunningLab) -> None:
    network = lab.page("/_lab/status")["public_range"].rsplit(".", 1)[0]
    addresses = [lab.ec2.allocate_address(Domain="vpc") for _ in range(3)]
    assert len({address["PublicIp"] for address in addresses}) == 3
    assert {address["PublicIp"].rsplit(".", 1)[0] for address in addresses} == {network}
    for address in addresses:
        lab.ec2.release_address(AllocationId=address["AllocationId"])


def test_the_secret_key_looks_like_one_of_aws(lab: RunningLab) -> None:
    """A short word as secret would be hidden from all output of Ansible, and break what passes through it."""
    assert len(lab.env["AWS_SECRET_ACCESS_KEY"]) == 40
    assert len(lab.env["AWS_ACCESS_KEY_ID"]) == 20

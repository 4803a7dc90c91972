# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What moto gets wrong and the lab mends, seen from boto3. The shims of metadata, file systems and images are tested with those."""

from __future__ import annotations

from typing import Any

from lab.tests.running_lab import RunningLab, Stack, eventually


def interfaces_of(lab: RunningLab, instance: dict[str, Any]) -> list[str]:
    return [interface["NetworkInterfaceId"] for interface in instance["NetworkInterfaces"]]


def existing(lab: RunningLab, interfaces: list[str]) -> list[Any]:
    return list(lab.ec2.describe_network_interfaces(Filters=[{"Name": "network-interface-id", "Values": interfaces}])["NetworkInterfaces"])


def test_an_interface_made_by_a_launch_goes_with_its_instance(lab: RunningLab, stack: Stack) -> None:
    """Also when the launch names only a subnet, or an interface without DeleteOnTermination."""
    plain = stack.launch(NetworkInterfaces=[], SubnetId=stack.private)[0]
    silent = stack.launch(NetworkInterfaces=[{"DeviceIndex": 0, "SubnetId": stack.private}])[0]
    interfaces = interfaces_of(lab, plain) + interfaces_of(lab, silent)
    assert len(existing(lab, interfaces)) == 2
    stack.terminate(plain["InstanceId"], silent["InstanceId"])
    assert eventually(lambda: not existing(lab, interfaces))


def test_an_interface_that_shall_stay_stays(lab: RunningLab, stack: Stack) -> None:
    keeping = {"DeviceIndex": 0, "SubnetId": stack.private, "DeleteOnTermination": False}
    instance = stack.launch(NetworkInterfaces=[keeping])[0]
    own = lab.ec2.create_network_interface(SubnetId=stack.private)["NetworkInterface"]["NetworkInterfaceId"]
    stack.terminate(instance["InstanceId"])
    assert not eventually(lambda: not existing(lab, interfaces_of(lab, instance)), seconds=3)
    for interface in (*interfaces_of(lab, instance), own):
        lab.ec2.delete_network_interface(NetworkInterfaceId=interface)


def test_an_elastic_address_is_free_again_when_its_instance_is_terminated(lab: RunningLab, stack: Stack) -> None:
    instance = stack.launch(stack.public, stack.bastion_group)[0]["InstanceId"]
    address = lab.ec2.allocate_address(Domain="vpc")
    lab.ec2.associate_address(InstanceId=instance, AllocationId=address["AllocationId"])
    assert stack.describe(instance)["PublicIpAddress"] == address["PublicIp"]
    assert eventually(lambda: stack.ssh(address["PublicIp"], "true").returncode == 0), "the box has moved to its elastic address"
    stack.terminate(instance)
    assert "AssociationId" not in lab.ec2.describe_addresses(AllocationIds=[address["AllocationId"]])["Addresses"][0]
    lab.ec2.release_address(AllocationId=address["AllocationId"])


def test_the_same_client_token_launches_once(lab: RunningLab, stack: Stack) -> None:
    first = stack.launch(ClientToken="once")[0]["InstanceId"]
    again = stack.launch(ClientToken="once")[0]["InstanceId"]
    assert again == first
    stack.instances.remove(again)


def test_terminate_again_is_no_error(lab: RunningLab, stack: Stack) -> None:
    instance = stack.launch()[0]["InstanceId"]
    stack.terminate(instance)
    stack.terminate(instance)


def test_a_reboot_restarts_the_box(lab: RunningLab, stack: Stack) -> None:
    instance = stack.launch()[0]["InstanceId"]
    before = lab.box(instance).attrs["State"]["StartedAt"]
    lab.ec2.reboot_instances(InstanceIds=[instance])
    assert lab.box(instance).attrs["State"]["StartedAt"] > before


def test_a_private_address_is_used_again_only_after_it_is_free(lab: RunningLab, stack: Stack) -> None:
    first = stack.launch()[0]
    stack.terminate(first["InstanceId"])
    assert stack.launch()[0]["PrivateIpAddress"] != first["PrivateIpAddress"]

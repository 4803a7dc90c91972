# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Instances as AWS treats them and moto does not: launch, reboot, terminate, change of groups. Each shim has a test."""

from __future__ import annotations

import copy
from typing import Any

from moto.ec2.models import EC2Backend
from moto.ec2.models.instances import Instance

from lab.latency import NOW
from lab.patching import replaces
from lab.transitions import linger

CODES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48}
ENDING = ("shutting-down", "terminated")


def install() -> None:
    _change_groups_of_a_running_instance()
    _give_every_instance_its_profile()
    _count_reboots()
    _terminate_once_and_slowly()
    _let_instances_come_slowly()


def _change_groups_of_a_running_instance() -> None:
    """In moto an instance's new security groups are added to those of its interface; in AWS they replace them."""

    @replaces(EC2Backend, "modify_instance_security_groups")
    def replacing(original: Any, self: Any, instance_id: str, new_group_id_list: list[str]) -> Any:
        instance = original(self, instance_id, new_group_id_list)
        instance.nics[0]._group_set = list(instance.security_groups)
        return instance

    @replaces(EC2Backend, "modify_network_interface_attribute")
    def replacing_too(original: Any, self: Any, eni_id: str, group_ids: list[str], *args: Any, **kwargs: Any) -> None:
        original(self, eni_id, group_ids, *args, **kwargs)
        interface = self.get_network_interface(eni_id)
        if group_ids and interface.instance is not None and interface.device_index == 0:
            interface.instance.security_groups = list(interface._group_set)


def _give_every_instance_its_profile() -> None:
    """moto gives the instance profile to the first instance of a RunInstances call only."""

    @replaces(EC2Backend, "run_instances")
    def with_profiles(original: Any, self: Any, *args: Any, **kwargs: Any) -> Any:
        reservation = original(self, *args, **kwargs)
        name, arn = kwargs.get("iam_instance_profile_name"), kwargs.get("iam_instance_profile_arn")
        for instance in reservation.instances[1:] if name or arn else ():
            self.associate_iam_instance_profile(instance.id, name, arn)
        return reservation


def _count_reboots() -> None:
    """A reboot leaves no trace in moto; the lab has to see it to restart the box."""

    @replaces(Instance, "reboot")
    def counted(original: Any, self: Any) -> None:
        original(self)
        self.lab_boots = getattr(self, "lab_boots", 0) + 1


def _terminate_once_and_slowly() -> None:
    """A second TerminateInstances changes nothing; moto frees the address once more, which may be another's by now."""

    @replaces(Instance, "terminate")
    def once(original: Any, self: Any) -> Any:
        if self.state in ENDING:
            return copy.copy(self._state)
        previous = original(self)
        linger(self, "lab_state", "shutting-down", NOW.waits.instance_shutting_down)
        return previous


def _let_instances_come_slowly() -> None:
    """An instance is `pending` first, and boots once it runs."""
    model: Any = Instance
    model.lab_state = property(lambda self: self.state, put_state)
    model.lab_has_booted = True

    @replaces(EC2Backend, "run_instances")
    def slowly(original: Any, self: Any, *args: Any, **kwargs: Any) -> Any:
        reservation = original(self, *args, **kwargs)
        pending, booting = NOW.waits.instance_pending, NOW.waits.instance_booting
        for instance in reservation.instances:
            linger(instance, "lab_state", "pending", pending)
            linger(instance, "lab_has_booted", False, pending + booting)
        return reservation


def put_state(instance: Any, name: str) -> None:
    instance._state.name, instance._state.code = name, CODES[name]

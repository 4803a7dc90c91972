# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.trainyard.aws.plugins.modules import accelerator_info


@pytest.mark.parametrize("check", [False, True], ids=["normal", "check mode"])
def test_tells_what_the_machine_has(tmp_path: Path, capsys: pytest.CaptureFixture[str], check: bool) -> None:
    for number in range(4):
        place = tmp_path / f"bus/pci/devices/0000:00:{number}.0"
        place.mkdir(parents=True)
        for name, value in {"vendor": "0x10de", "device": "0x27b8", "class": "0x030200"}.items():
            (place / name).write_text(value)
    with (
        patch_module_args({"sysfs": str(tmp_path), "_ansible_check_mode": check}),
        pytest.raises(SystemExit),
    ):
        accelerator_info.main()
    answer = json.loads(capsys.readouterr().out)
    assert answer["accelerators"] == [{"vendor": "nvidia", "name": "L4", "architecture": "ada", "count": 4}]
    assert (answer["changed"], answer["nvswitch"], answer["efa_devices"]) == (False, False, 0)

# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

from ansible_collections.trainyard.aws.plugins.module_utils._whole_file import read_mapping, write_mapping


def test_a_mapping_comes_back_as_it_was_written(tmp_path: Path) -> None:
    file = str(tmp_path / "a.json")
    assert read_mapping(file) == {}
    write_mapping(file, {"a": [1, None]})
    assert read_mapping(file) == {"a": [1, None]}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]

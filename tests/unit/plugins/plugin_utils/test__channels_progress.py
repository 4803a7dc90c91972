# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible_collections.trainyard.aws.plugins.plugin_utils import _channels_progress as progress
from ansible_collections.trainyard.aws.plugins.plugin_utils._channels_progress import Speed, Wanted

GB = 10**9
IMAGES, WORDS = Wanted("images", "/c/images/1", 200 * GB), Wanted("words", "/c/words/2", None)


def test_what_is_lacking_is_taken_from_the_answer() -> None:
    channels = [{"name": name, "directory": f"/c/{name}", "bytes": size} for name, size in (("a", 1), ("b", None))]
    assert progress.wanted_of({"channels": channels, "fetched": ["b"]}) == [Wanted("b", "/c/b", None)]
    assert progress.wanted_of({"channels": channels, "fetched": []}) == []


@pytest.mark.parametrize(
    ("answer", "known"),
    [
        pytest.param("", ["images 0 B of 200.0 GB", "words 0 B fetched"], id="nothing yet"),
        pytest.param(
            f"{GB}\t/c/images/1.part\n{2 * GB}\t/c/words/2.download\n",
            ["images 1.0 GB of 200.0 GB", "words 2.0 GB fetched"],
            id="both come",
        ),
        pytest.param(
            f"{200 * GB}\t/c/images/1.part\n{2 * GB}\t/c/words/2.download\n{GB}\t/c/words/2.part\n",
            ["images 200.0 GB of 200.0 GB", "words 1.0 GB unpacked"],
            id="one is unpacked",
        ),
        pytest.param(
            f"{300 * GB}\t/c/images/1.part\n",
            ["images 200.0 GB of 200.0 GB", "words 0 B fetched"],
            id="more was left there than is wanted",
        ),
        pytest.param("/c/images/1\n", ["words 0 B fetched"], id="one is whole"),
        pytest.param("/c/images/1\n/c/words/2\n", [], id="all are whole"),
    ],
)
def test_what_is_known_of_each_channel(answer: str, known: list[str]) -> None:
    assert progress.parts_of([IMAGES, WORDS], answer, Speed(), 0.0) == (known, known)


def test_speed_and_time_left_stand_behind_the_first_channel() -> None:
    speed, faces = Speed(), Wanted("faces", "/c/faces/3", GB)
    progress.parts_of([IMAGES, faces], f"{20 * GB}\t/c/images/1.part\n", speed, 0.0)
    _known, parts = progress.parts_of([IMAGES, faces], f"{22 * GB}\t/c/images/1.part\n", speed, 10.0)
    assert parts == ["images 22.0 GB of 200.0 GB", "200.0 MB/s", "14 min left", "faces 0 B of 1.0 GB"]


def test_what_is_whole_still_counts_for_the_speed() -> None:
    speed, faces = Speed(), Wanted("faces", "/c/faces/3", GB)
    progress.parts_of([IMAGES, faces], f"{GB // 2}\t/c/faces/3.part\n", speed, 0.0)
    _known, parts = progress.parts_of([IMAGES, faces], f"{GB // 2}\t/c/images/1.part\n/c/faces/3\n", speed, 10.0)
    assert parts == ["images 500.0 MB of 200.0 GB", "100.0 MB/s", "33 min left"]


def test_nobody_knows_how_long_an_archive_takes() -> None:
    speed = Speed()
    progress.parts_of([WORDS], "0\t/c/words/2.download\n", speed, 0.0)
    _known, parts = progress.parts_of([WORDS], f"{GB}\t/c/words/2.download\n", speed, 10.0)
    assert parts == ["words 1.0 GB fetched", "100.0 MB/s"]


def test_speed_is_that_of_the_last_moments() -> None:
    speed = Speed()
    for second in range(0, 100, 10):
        speed.add(second, 0)
    assert speed.value == 0
    speed.add(100, 300)
    assert speed.value == 10
    speed.add(110, 0)  # fetched anew
    assert speed.value == 0
    speed.add(120, 20)
    assert speed.value == 2
    speed.add(200, 100)  # a look at very many files takes its time
    assert speed.value == 1


def test_the_node_is_asked_for_what_there_is(tmp_path: Path) -> None:
    """Names with spaces, a file whose end was written first, what is not there, and what is whole."""
    images, words = tmp_path / "a b" / "1", tmp_path / "words" / "2"
    Path(f"{images}.part").mkdir(parents=True)
    (Path(f"{images}.part") / "a").mkdir()
    (Path(f"{images}.part") / "a" / "x").write_bytes(b"x" * 1_000_010)
    with (Path(f"{images}.part") / "y").open("wb") as file:
        file.truncate(900_000)
    words.mkdir(parents=True)
    wanted = [Wanted("images", str(images), 2_000_000), Wanted("words", str(words), None)]
    asked = subprocess.run(["sh", "-c", progress.command_of(wanted)], check=True, capture_output=True, text=True)
    assert asked.stderr == ""
    assert progress.parts_of(wanted, asked.stdout, Speed(), 0.0)[0] == ["images 1.0 MB of 2.0 MB"]
    assert f"1000010\t{images}.part\n" in asked.stdout

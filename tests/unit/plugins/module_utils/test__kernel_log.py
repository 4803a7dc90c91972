# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils import _kernel_log as kernel
from hypothesis import given
from hypothesis import strategies as st

FELL = "NVRM: Xid (PCI:0000:02:00): 79, pid=1896, GPU has fallen off the bus."
PAGE = "NVRM: Xid (PCI:0000:02:00): 31, pid=1896, name=python3, MMU Fault"
MESSAGES = (
    "6,10,1000000,-;eth0: link is up\n SUBSYSTEM=net\n DEVICE=n2\n"
    f"4,11,20000000,-;{PAGE}\x1b[31m\n"
    f"12,12,30000000,-;{FELL}\n"  # written by a process
    f"3,13,40500000,c;{FELL}\n"
)


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The kernel's log of a machine that booted at 1000."""
    path = tmp_path / "kmsg"
    path.write_text(MESSAGES)
    monkeypatch.setattr(kernel, "KERNEL_LOG", str(path))
    monkeypatch.setattr(kernel, "_booted_at", lambda: 1000.0)
    return path


def test_reports_of_the_driver_are_found_and_nothing_that_a_process_wrote() -> None:
    assert kernel.parse_messages(MESSAGES, "b", 1000.0) == [
        kernel.Xid("b:11", 1020.0, PAGE),
        kernel.Xid("b:13", 1040.5, FELL),
    ]


@given(st.text())
def test_whatever_the_kernel_says_is_read(text: str) -> None:
    assert kernel.parse_messages(text, "b", 0.0) == []


def test_what_was_noted_outlives_the_kernel(log: Path, tmp_path: Path) -> None:
    new = kernel.note_xids(str(tmp_path), 1030.0)
    assert [each.text for each in new] == [FELL]
    assert kernel.note_xids(str(tmp_path), 1030.0) == []
    log.unlink()  # a reboot
    assert kernel.xids_between(str(tmp_path), 1030.0, 1060.0) == new
    assert kernel.xids_between(str(tmp_path), 1060.0, 1090.0) == []


def test_what_nobody_noted_is_read_from_the_kernel_and_comes_once(log: Path, tmp_path: Path) -> None:
    texts = [each.text for each in kernel.xids_between(str(tmp_path), 1000.0, 1060.0)]
    assert texts == [PAGE, FELL]
    kernel.note_xids(str(tmp_path), 1030.0)
    assert [each.text for each in kernel.xids_between(str(tmp_path), 1000.0, 1060.0)] == texts


def test_what_is_kept_is_bounded(log: Path, tmp_path: Path) -> None:
    log.write_text("".join(f"3,{number},{number}000000,-;{FELL}\n" for number in range(1000)))
    assert len(kernel.note_xids(str(tmp_path), 1000.0)) == 1000
    assert (tmp_path / kernel.XIDS).stat().st_size < 50_000


@pytest.mark.parametrize("kept", ['{"xids": [{"no": 1}]}', '{"xids"', "[]", '{"xids": 1}'])
def test_half_a_file_is_none(log: Path, tmp_path: Path, kept: str) -> None:
    (tmp_path / kernel.XIDS).write_text(kept)
    assert len(kernel.xids_between(str(tmp_path), 1000.0, 1060.0)) == 2


def test_without_a_kernel_log_there_is_none(log: Path, tmp_path: Path) -> None:
    log.unlink()
    assert kernel.note_xids(str(tmp_path), 0.0) == []
    assert not (tmp_path / kernel.XIDS).exists()


def test_a_device_is_read_message_by_message_to_its_end(log: Path, tmp_path: Path) -> None:
    """A message that was overwritten meanwhile is left out, as the kernel tells by an error."""
    answers = iter([MESSAGES.encode(), BrokenPipeError(), f"3,14,50000000,-;{PAGE}\n".encode(), BlockingIOError()])

    def read(descriptor: int, size: int) -> bytes:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "read", read)
        assert [each.key[-2:] for each in kernel.note_xids(str(tmp_path), 1000.0)] == ["11", "13", "14"]

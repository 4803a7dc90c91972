# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.trainyard.aws.plugins.module_utils._verdict import READ_LINES, clue_in
from hypothesis import given
from hypothesis import strategies as st

TRACEBACK = "Traceback (most recent call last):"
CUDA = (
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 22.78 GiB. GPU 0 has a total capacity of 31.47 GiB"
)
WATCHDOG = (
    "[rank0]:[E1206 18:44:12.715298746 ProcessGroupNCCL.cpp:607] [Rank 0] Watchdog caught collective operation timeout: "
    "WorkNCCL(SeqNum=7753, OpType=_REDUCE_SCATTER_BASE, Timeout(ms)=600000) ran for 600061 milliseconds before timing out."
)
BUS_ERROR = (
    "ERROR: Unexpected bus error encountered in worker. This might be caused by insufficient shared memory (shm)."
)

# Found in issues on GitHub; where, stands in the id.
REAL = [
    pytest.param(
        [TRACEBACK, '  File "a.py", line 3, in f', CUDA], "accelerator is full", False, CUDA, id="murong-xu/CADS#4"
    ),
    pytest.param(
        ["RuntimeError:CUDA out of memory. Tried to allocate 20.00 MiB (GPU 0; 5.80 GiB total capacity)"],
        "accelerator is full",
        False,
        "RuntimeError:CUDA out of memory.",
        id="chnsh/DCRNN_PyTorch#6",
    ),
    pytest.param([WATCHDOG], "lost each other", True, "[E1206 18:44:12", id="hiyouga/LlamaFactory#6269"),
    pytest.param(
        ["terminate called after throwing an instance of 'c10::DistBackendError'"],
        "lost each other",
        True,
        "terminate called",
        id="NVIDIA/Megatron-LM#935",
    ),
    pytest.param(
        ["[74889.644138] NVRM: Xid (PCI:0000:02:00): 79, GPU has fallen off the bus."],
        "Xid 79: a GPU failed",
        True,
        "[74889.644138] NVRM",
        id="wilicc/gpu-burn#1",
    ),
    pytest.param(
        ["NVRM: Xid (PCI:0000:02:00): 13, Graphics Exception"],
        "Xid 13: most often a fault of the program",
        False,
        "NVRM: Xid",
        id="Xid of a program",
    ),
    pytest.param(
        [BUS_ERROR, TRACEBACK, "RuntimeError: DataLoader worker (pid 325) is killed by signal: Bus error. "],
        "shared memory is full. Raise shm_size",
        False,
        BUS_ERROR,
        id="msr-fiddle/pipedream#28",
    ),
    pytest.param(
        [
            TRACEBACK,
            "    sl = self._semlock = _multiprocessing.SemLock(",
            "OSError: [Errno 28] No space left on device",
        ],
        "a disk is full",
        False,
        "OSError: [Errno 28]",
        id="NVIDIA/Megatron-LM#878",
    ),
    pytest.param(
        ["[rank6]: RuntimeError: synStatus=26 [Generic failure] Device acquire failed."],
        "Gaudi accelerator was not to be had",
        False,
        "RuntimeError: synStatus=26",
        id="huggingface/optimum-habana#1611",
    ),
    pytest.param(
        [TRACEBACK, '  File "train.py", line 1, in <module>', "ModuleNotFoundError: No module named 'sklearn'"],
        "a module is missing in the image",
        False,
        "ModuleNotFoundError: No module named 'sklearn'",
        id="module",
    ),
    pytest.param(
        [TRACEBACK, "MemoryError"], "memory of the container or of the node is full", False, "MemoryError", id="memory"
    ),
    pytest.param(
        [TRACEBACK, "botocore.exceptions.EndpointConnectionError: Could not connect"],
        "a connection to data or to the network broke",
        True,
        "botocore.exceptions",
        id="network",
    ),
    pytest.param(
        [TRACEBACK, '  File "toxicity.py", line 9, in build', "    config['conv_dropout']", "KeyError: 'conv_dropout'"],
        "KeyError: 'conv_dropout'",
        False,
        'File "toxicity.py", line 9, in build',
        id="seed A at HEAD",
    ),
    pytest.param(
        [
            f"[rank2]: {TRACEBACK}",
            '[rank2]:   File "t.py", line 1, in f',
            "[rank2]: ValueError: odd",
            "W torch.distributed",
        ],
        "ValueError: odd",
        False,
        'File "t.py", line 1, in f',
        id="a rank's traceback",
    ),
    pytest.param(
        [
            TRACEBACK,
            "ValueError: the cause",
            TRACEBACK,
            "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: ",
        ],
        "ValueError: the cause",
        False,
        "ValueError: the cause",
        id="torchrun's last word",
    ),
]


@pytest.mark.parametrize(("lines", "reason", "retried", "decisive"), REAL)
def test_real_logs(lines: list[str], reason: str, retried: bool, decisive: str) -> None:
    clue = clue_in(["epoch 1/2 loss 0.5", *lines, "goodbye"])
    assert clue is not None
    assert reason in clue.reason
    assert clue.may_be_retried is retried
    assert clue.decisive_lines[0].startswith(decisive)


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([], id="nothing"),
        pytest.param(["epoch 1/2 loss 0.5"], id="nothing odd"),
        pytest.param([TRACEBACK], id="cut off"),
        pytest.param([TRACEBACK, "  File x", "and then it went on"], id="no exception"),
        pytest.param([TRACEBACK, "SystemExit: 3"], id="an end on purpose"),
        pytest.param([CUDA, *["step"] * READ_LINES], id="long ago"),
        pytest.param(["we catch MemoryError and go on", "ImportError: is fine", ""][:1], id="talk of errors"),
    ],
)
def test_no_clue(lines: list[str]) -> None:
    assert clue_in(lines) is None


def test_the_cause_comes_before_what_follows_from_it() -> None:
    clue = clue_in([WATCHDOG, CUDA, CUDA, WATCHDOG])
    assert clue is not None
    assert "accelerator is full" in clue.reason
    assert clue.decisive_lines == (CUDA,)


def test_the_last_of_several_exceptions_counts() -> None:
    clue = clue_in([TRACEBACK, "KeyError: 'x'", "it went on", TRACEBACK, "ValueError: the end"])
    assert clue is not None
    assert clue.reason == "ValueError: the end"


def test_decisive_lines_are_few_and_short() -> None:
    clue = clue_in([f"{number} CUDA out of memory {'x' * 5000}" for number in range(9)])
    assert clue is not None
    assert [len(line) for line in clue.decisive_lines] == [300, 300, 300]


@given(st.lists(st.one_of(st.text(), st.sampled_from([TRACEBACK, CUDA, "  File", "Error", "NVRM: Xid (x): 7"]))))
def test_strange_logs_are_read_without_harm(lines: list[str]) -> None:
    clue = clue_in(lines)
    assert clue is None or clue.reason


def xid(code: int, text: str = "x") -> str:
    return f"NVRM: Xid (PCI:0000:02:00): {code}, pid=1896, {text}"


@pytest.mark.parametrize(
    ("kernel", "lines", "reason", "retried"),
    [
        pytest.param([xid(79)], [TRACEBACK, "RuntimeError: NCCL error"], "Xid 79: a GPU failed: it has fallen off the", True, id="a GPU"),
        pytest.param([xid(119)], [], "Xid 119: a GPU or its driver hung: its system processor (GSP) did not answer", True, id="hung"),
        pytest.param([xid(43), xid(45), xid(48)], [], "Xid 48: a GPU failed", True, id="a consequence explains nothing"),
        pytest.param([xid(31), xid(79)], [], "Xid 79: a GPU failed", True, id="hardware before the program"),
        pytest.param([xid(64), xid(79)], [], "Xid 64: a GPU failed", True, id="the first"),
        pytest.param([xid(31)], [TRACEBACK, "RuntimeError: illegal access"], "illegal access; the GPU's driver reported Xid 31: most", False, id="both"),
        pytest.param([xid(31)], [], "Xid 31: most often a fault of the program: an access to memory", False, id="the program says nothing"),
        pytest.param([xid(31)], [CUDA], "the memory of the accelerator is full", False, id="with a sign"),
        pytest.param([xid(43)], [TRACEBACK, "ValueError: x"], "ValueError: x", False, id="a consequence says less than the program"),
        pytest.param([xid(45)], [], "Xid 45: the program's work was cleaned up", False, id="a consequence alone"),
        pytest.param([xid(999)], [], "Xid 999: NVIDIA's Xid catalog says", False, id="nobody knows it"),
    ],
)  # fmt: skip
def test_what_the_driver_reported(kernel: list[str], lines: list[str], reason: str, retried: bool) -> None:
    clue = clue_in(lines, kernel)
    assert clue is not None
    assert reason in clue.reason
    assert clue.may_be_retried == retried
    if "Xid" in reason:
        assert any("Xid" in line for line in clue.decisive_lines)


@pytest.mark.parametrize("code", [63, 92, 156])
def test_what_the_gpu_mended_is_no_reason(code: int) -> None:
    assert clue_in([], [xid(code)]) is None
    assert clue_in([], [xid(code), xid(95)]) is not None

"""Answers of child processes are read as data: what would run code in the node is refused, and its child replaced."""

from __future__ import annotations

import os
import pickle
import subprocess
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import UID
from pydicom.valuerep import DSfloat

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.settings import load_settings
from miqa_node.errors import DecodeError, DecodeLimitError
from miqa_node.runtime.workers.answers import ForbiddenAnswerError, read_answer, write_answer
from miqa_node.runtime.workers.child import Layout
from miqa_node.runtime.workers.children import OpenFile
from miqa_node.runtime.workers.pool import WorkerPool


class Command:
    """What somebody sends who has taken a worker over."""

    def __init__(self, call: Callable[..., object], *arguments: object) -> None:
        self._call = call, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self._call


@dataclass
class Plain:
    """As a plug-in may have one."""

    values: tuple[object, ...]


class OldVerdict(StrEnum):
    """Written by Python 3.11.2 as every enumeration is there."""

    REJECT = "REJECT"

    def __reduce_ex__(self, protocol: object) -> tuple[Callable[..., object], tuple[object, ...]]:
        return getattr, (type(self), self.name)


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    made = WorkerPool(load_settings(work={"processes": 1}))
    yield made
    made.close()


@pytest.mark.parametrize(
    "value",
    [
        Layout((1, 2), "<u2", False, False, (0, 1), None, ("window",), "numpy", 0, 1),
        Plain((Verdict.REJECT, OpenFile(3), Path("a"), {1}, Counter("ab"), datetime.now(UTC))),
        Plain((FindingName("motion_blur"), UID("1.2"), DSfloat("1.50"))),
        Plain((np.float32(1.5), np.dtype("<f4"), b"", 1.5, None)),
        np.arange(6, dtype=np.uint16).reshape(2, 3),
        np.asfortranarray(np.ones((3, 2), np.bool_)),
        np.zeros((0, 4), ">i2"),
        (np.float32(2.5), np.bool_(True), np.ones((), np.float64)),
        OldVerdict.REJECT,
    ],
    ids=lambda value: type(value).__name__,
)
def test_data_arrive_as_they_are(value: object) -> None:
    assert repr(read_answer(write_answer(value))) == repr(value)


def test_arrays_can_be_written_to_and_keep_their_order() -> None:
    array = read_answer(write_answer(np.asfortranarray(np.ones((3, 2), np.float32))))
    array[0, 0] = 7.0
    assert (array.dtype, array.flags.f_contiguous, array.sum()) == (np.float32, True, 12.0)


def test_errors_of_any_library_arrive() -> None:
    for error in (DecodeError("cut"), zlib.error("invalid block"), UnicodeDecodeError("ascii", b"\xff", 0, 1, "bad")):
        assert repr(read_answer(write_answer(error))) == repr(error)


@pytest.mark.parametrize(
    "command",
    [
        Command(os.system, "true"), Command(subprocess.Popen, "true"), Command(eval, "1"), Command(getattr, "", "join"),
        Command(load_settings), Command(np.load, "/etc/hostname"), Command(Path.unlink, Path("/nothing")),
    ],
    ids=["system", "Popen", "eval", "getattr", "function of the node", "np.load", "method"],
)  # fmt: skip
def test_what_is_not_data_is_refused(command: Command) -> None:
    with pytest.raises(ForbiddenAnswerError, match="not data"):
        read_answer(pickle.dumps(command))


CLASS = b"ctests.runtime.workers.test_answers\nPlain\n"


@pytest.mark.parametrize(
    "answer",
    [
        CLASS + b"(N}Vvalues\nI1\nstb.",
        b"cmiqa_node.core.domain.verdict\nVerdict\n(V" + Verdict.REJECT.value.encode() + b"\ntR}V_value_\nVACCEPT\nsb.",
        b"cnumpy\ndtype\n(Vf4\ntR(I3\nV>\nNNNI-1\nI-1\nI0\ntb.",
    ],
    ids=["class", "member of an enumeration", "type of numbers"],
)
def test_nothing_that_was_there_before_is_changed(answer: bytes) -> None:
    with pytest.raises(ForbiddenAnswerError, match="not its own"):
        read_answer(answer)
    assert not hasattr(Plain, "values")
    assert (Verdict.REJECT.value, np.dtype("f4").byteorder) == ("REJECT", "=")


def test_nothing_is_imported_to_read_an_answer() -> None:
    with pytest.raises(ForbiddenAnswerError, match=r"antigravity\.fly"):
        read_answer(b"cantigravity\nfly\n.")


def taken_over(file: str) -> Command:
    return Command(Path(file).touch)


def test_a_worker_that_answers_with_more_than_data_is_replaced(pool: WorkerPool, tmp_path: Path) -> None:
    before = pool.run(os.getpid)
    with pytest.raises(DecodeLimitError, match="not data"):
        pool.run(taken_over, str(tmp_path / "owned"))
    assert not (tmp_path / "owned").exists()
    assert pool.run(os.getpid) != before

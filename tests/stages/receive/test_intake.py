"""Objects under way: the disk begins to write them while they are received, the only one earlier than several."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from miqa_node.core.domain.instance import ReceivedObject
from miqa_node.errors import ResourcesError
from miqa_node.stages.receive.incoming import ROOM_BYTES, StoreRequest
from miqa_node.stages.receive.intake import Intake

CT = StoreRequest("1.2.840.10008.5.1.4.1.1.2", "1.2.3", "1.2.840.10008.1.2.1", "CT1", "MIQA", "127.0.0.1")
PIECE = bytes(1 << 18)


@pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="the system takes no advice on files")
@pytest.mark.parametrize(("others", "pieces_written"), [(0, 2), (1, 0)])
def test_the_disk_begins_to_write_a_small_object_only_if_it_is_the_only_one_under_way(
    others: int, pieces_written: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    advised: list[tuple[int, int]] = []
    advise = os.posix_fadvise

    def record(fd: int, offset: int, count: int, advice: int) -> None:
        advised.append((offset, count))
        advise(fd, offset, count, advice)

    monkeypatch.setattr(os, "posix_fadvise", record)
    intake = Intake(tmp_path, _keep, lambda: None, 1 << 30)
    waiting = [intake.begin(CT) for _ in range(others)]
    transfer = intake.begin(CT)

    transfer.write([PIECE])
    transfer.write([PIECE])

    assert advised == [(n * len(PIECE), len(PIECE)) for n in range(pieces_written)]
    for one in (*waiting, transfer):
        one.end()


def test_an_object_for_which_the_room_does_not_last_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    room, checks = [True], []

    def check() -> None:
        checks.append(room[0])
        if not room[0]:
            raise ResourcesError("full")

    intake = Intake(tmp_path, _keep, check, 1 << 30, has_room=lambda: room[0])
    transfer = intake.begin(CT)
    piece = bytes(ROOM_BYTES)
    transfer.write([piece])
    assert (transfer.error, checks) == (None, [True]), "the store is asked once a second, the disk each time"

    room[0] = False
    transfer.write([piece])

    assert isinstance(transfer.error, ResourcesError)
    assert not list(tmp_path.iterdir())
    assert (transfer.finish().status, checks) == (0xA700, [True, False])
    transfer.end()

    room[0] = True
    again = intake.begin(CT)
    assert isinstance(again.error, ResourcesError), "for a second the last answer counts"
    again.end()


def _keep(received: ReceivedObject) -> None:
    raise AssertionError("no object is complete")

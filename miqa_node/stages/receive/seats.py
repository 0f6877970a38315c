"""Counts the open associations of a node, in whichever of its processes, for the limits of the settings."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NamedTuple

from miqa_node.stages.receive.admission import Admission, Rejection


class Seat(NamedTuple):
    """One association: the address of its peer, and whether it is still open."""

    address: str
    is_open: Callable[[], bool]


class Seats:
    """All open associations. Thread-safe."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._lock = threading.Lock()
        self._seats: list[Seat] = []

    def take(self, peer_address: str, is_open: Callable[[], bool]) -> tuple[Rejection, str] | None:
        """Count one more association; or the reason why there is no room for it, and the setting that would make it."""
        with self._lock:
            self._forget_closed()
            refused = self._admission.judge_load(peer_address, [seat.address for seat in self._seats])
            if refused is None:
                self._seats.append(Seat(peer_address, is_open))
        return refused

    def count(self) -> int:
        """How many are open."""
        with self._lock:
            self._forget_closed()
            return len(self._seats)

    def _forget_closed(self) -> None:
        self._seats = [seat for seat in self._seats if seat.is_open()]

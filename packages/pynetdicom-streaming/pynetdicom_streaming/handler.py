"""The handler class for an association server of pynetdicom."""

from __future__ import annotations

import select
from typing import cast

import pynetdicom
from pynetdicom.association import Association
from pynetdicom.dul import DULServiceProvider
from pynetdicom.transport import RequestHandler

from .streaming import Begin, Malformed, StreamingDul
from .waiting import ReactorGate

TESTED_VERSION = "3.0.4"
_POLL_S = 0.001
"""pynetdicom's own interval."""


def is_available() -> bool:
    """Whether this is the pynetdicom version whose private names were tested."""
    seam = [
        (DULServiceProvider, ("_is_transport_event", "_process_recv_primitive", "_decode_pdu")),
        (DULServiceProvider, ("idle_timer_expired", "stop_dul", "kill_dul")),
        (Association, ("_run_reactor", "_serve_request")),
        (RequestHandler, ("_create_association",)),
    ]
    whole = all(callable(getattr(kind, name, None)) for kind, names in seam for name in names)
    return whole and pynetdicom.__version__ == TESTED_VERSION and hasattr(select, "poll")


class SteadyHandler(RequestHandler):
    """pynetdicom's own reception; what this side asks waits until the peer has the answer to what it asked."""

    def _create_association(self) -> Association:
        association = super()._create_association()
        association._reactor_checkpoint = ReactorGate(association, _POLL_S)  # noqa: SLF001
        return association


def _unheard(_address: str, _reason: str) -> None:
    """Nobody wants to know."""


def request_handler(begin: Begin, silence_s: float, malformed: Malformed = _unheard) -> type[RequestHandler]:
    """The handler class for an association server.

    ``begin`` is called for each C-STORE with the association, SOP Class UID, SOP Instance UID and Transfer Syntax UID;
    ``silence_s`` is the longest pause of a peer within a message. ``malformed`` hears of peers whose messages cannot be
    read.
    """

    class _StreamingHandler(RequestHandler):
        def _create_association(self) -> Association:
            association = super()._create_association()
            dul = association.dul
            dul.__class__ = StreamingDul
            cast("StreamingDul", dul).adopt(begin, silence_s, malformed)
            return association

    return _StreamingHandler

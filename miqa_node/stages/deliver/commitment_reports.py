"""Reports to peers whether the node keeps objects (N-EVENT-REPORT, PS3.4 J.3.3).

The node opens a new association for the report, on which it proposes itself as SCP by role selection. If the peer's
address is not in the settings, or it accepts no association there, the report uses the association of the request.
A failed report is repeated for a day. Requests are only in the ledger, so a crash delays a report but loses none.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import cast

import structlog
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom.association import Association

from miqa_node.core.domain.delivery import LONGEST_REPORT_PAUSE_S, CommitmentRequest
from miqa_node.core.domain.object_store import Soundness
from miqa_node.core.domain.ports import CommitmentLedger
from miqa_node.core.observe.steady_thread import SteadyThread
from miqa_node.core.settings import DeliverSettings
from miqa_node.errors import DeliveryError, MiqaError, ResourcesError, SettingsError
from miqa_node.libraries.pynetdicom_streaming import Exchange
from miqa_node.stages.deliver.association import Link, context_id_of
from miqa_node.stages.deliver.commitment import PUSH_MODEL, PUSH_MODEL_INSTANCE, encode_information, make_report
from miqa_node.stages.deliver.guard import failure_of
from miqa_node.stages.deliver.kinds.base import DeliveryContext
from miqa_node.stages.deliver.kinds.cstore import CStoreConfig, CStoreDestination
from miqa_node.stages.deliver.statuses import SUCCESS

log = structlog.get_logger(__name__)

MAX_ATTEMPTS = 60
FIRST_PAUSE_S = 10.0
MAX_OPEN = 1000
"""Maximum number of associations remembered for reports; the oldest are forgotten first."""

POLL_S = 5.0
"""Interval of the look for reports that are to be repeated; others wake the thread."""
STUCK_AFTER_S = 900.0
"""Far longer than one report can take, with all its time-outs."""
SLOW_S = 2.0
AWAY_S = 60.0
"""After a failure that took longer than ``SLOW_S`` a peer gets no new association for this time, or its time-outs would
hold the reports to all others, who may close their associations meanwhile."""
TURN_S = 20.0
"""How long the objects of one request are read before the next request has its turn."""
READ_AGAIN_S = 30.0
"""Longest pause until objects that could not be read are tried again: their peer may wait on its association."""
PATIENCE = 21
"""Failed attempts, in some ten minutes, after which objects that cannot be read are reported as failed."""
ReportOn = Callable[[int, Dataset], bool]
"""Sends event type and report on the association of the request, see :func:`report_on`; whether the peer took it."""

ANSWER_S = 0.2
"""Pause between the response to a request and its report, for peers that process the response slowly."""


class CommitmentReporter:
    """A thread that sends due reports; ``peers`` are ``AET@host:port`` of the settings.

    ``failed`` is told of each report that a peer did not take, and why.
    """

    def __init__(
        self,
        ledger: CommitmentLedger,
        settings: DeliverSettings,
        ae_title: str,
        peers: Sequence[str],
        failed: Callable[[CommitmentRequest, str], None] = lambda _request, _why: None,
    ) -> None:
        self._ledger = ledger
        self._failed = failed
        self._settings = settings
        self._ae_title = ae_title
        self._peers = dict(parse_commitment_peer(peer) for peer in peers)
        self._lock = threading.Lock()
        self._open: dict[tuple[str, str], _Inquiry] = {}
        self._away: dict[str, float] = {}
        self._lease_s = settings.connection_timeout_s + 3 * settings.dimse_timeout_s
        self._wake = threading.Event()
        self._thread = SteadyThread("commitment-reports", self._run, STUCK_AFTER_S)
        self.threads = (self._thread,)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the current report, within its time-outs, and stop."""
        self._thread.stopping.set()
        self._wake.set()
        self._thread.stop(self._settings.connection_timeout_s + 2 * self._settings.dimse_timeout_s)

    def ask(self, request: CommitmentRequest, association: Association | ReportOn) -> None:
        """Store a request from an association, which may be another process's; it is reported once it is answered."""
        self._ledger.ask(request, self._lease_s)
        with self._lock:
            here = association if callable(association) else partial(report_on, association)
            self._open[_key(request)] = _Inquiry(request, here)
            while len(self._open) > MAX_OPEN:
                del self._open[next(iter(self._open))]

    def answered(self) -> None:
        """Record that the sender of a request has its response."""
        self._wake.set()

    def _run(self) -> None:
        while self._thread.goes_on(POLL_S, self._wake):
            self._wake.clear()
            while not self._thread.stopping.is_set() and self._report_next():
                self._thread.beat()

    def _report_next(self) -> bool:
        """Report to one peer, or look at more of its objects; False if nothing is due."""
        try:
            inquiry = self._next()
        except MiqaError as error:
            log.warning("reports of storage commitment wait for the database", reason=str(error))
            return False
        except Exception:  # one odd request must not stop the other reports
            log.exception("reports of storage commitment could not be looked for")
            return False
        if inquiry is None:
            return False
        self._thread.stopping.wait(ANSWER_S)
        self._report(inquiry)
        return True

    def _next(self) -> _Inquiry | None:
        """What arrived in this process, which alone can report on the same association; then others; then the rest."""
        with self._lock:
            new = next((one for one in self._open.values() if one.looks is None and not one.waits), None)
        if new is not None:
            return new
        request = self._ledger.claim(self._lease_s)
        with self._lock:
            if request is not None:
                inquiry = self._open.setdefault(_key(request), _Inquiry(request))
                inquiry.request, inquiry.waits = request, False
                return inquiry
            return next((one for one in self._open.values() if not one.waits), None)

    def _report(self, inquiry: _Inquiry) -> None:
        """Look at the objects, try both associations, and record the outcome."""
        request = inquiry.request
        try:
            if not self._look_up(inquiry):
                with self._lock:  # the others first
                    self._open[_key(request)] = self._open.pop(_key(request), inquiry)
                return
            try:
                self._on_new(inquiry)
            except DeliveryError as error:
                if inquiry.report_on is None or not inquiry.report_on(*make_report(request, inquiry.standing)):
                    raise DeliveryError("{error} The association that it asked on is closed.", error=error) from error
            self._ledger.reported(request)
            log.info("storage commitment reported", peer=request.calling_ae_title, objects=len(request.objects))
        except Exception as error:  # noqa: BLE001 - one peer must not end the reports of the others
            text = str(error) if isinstance(error, MiqaError) else type(error).__name__
            inquiry.looks, inquiry.waits = None, isinstance(error, ResourcesError)
            longest_s = READ_AGAIN_S if inquiry.waits else LONGEST_REPORT_PAUSE_S
            pause_s = min(longest_s, FIRST_PAUSE_S * 2.0 ** min(request.attempts, 20))
            retry_at = datetime.now(UTC) + timedelta(seconds=pause_s) if request.attempts < MAX_ATTEMPTS else None
            log.warning("storage commitment not reported", peer=request.calling_ae_title, reason=text)
            if not inquiry.waits:  # what waits for a disk or a bucket is no fault of the peer
                self._failed(request, text)
            try:
                self._ledger.failed(request, text, retry_at)
            except MiqaError:
                self._thread.stopping.wait(POLL_S)  # the claim expires, and the report is tried again
        if not inquiry.waits:
            with self._lock:
                self._open.pop(_key(request), None)

    def _look_up(self, inquiry: _Inquiry) -> bool:
        """Look at more of the objects; True if all are known."""
        request, until = inquiry.request, time.monotonic() + TURN_S
        if inquiry.looks is None:
            uids = list(dict.fromkeys(uid for _, uid in request.objects))
            inquiry.looks = self._ledger.look_up(uids, patient=request.attempts < PATIENCE)
        for standing in inquiry.looks:
            inquiry.standing = standing
            self._thread.beat()
            self._ledger.extend(request, self._lease_s)
            if self._thread.stopping.is_set() or time.monotonic() > until:
                return False
        return True

    def _on_new(self, inquiry: _Inquiry) -> None:
        request = inquiry.request
        where = self._peers.get(request.calling_ae_title)
        if where is None:
            raise DeliveryError(
                "Where {calling_ae_title} takes reports is not known; add "
                '"{calling_ae_title2}@{peer_address}:<port>" to dicom.commitment_peers.',
                calling_ae_title=request.calling_ae_title,
                calling_ae_title2=request.calling_ae_title,
                peer_address=request.peer_address,
            )
        if time.monotonic() < self._away.get(request.calling_ae_title, 0.0):
            raise DeliveryError(
                "{calling_ae_title} has just taken no report, and is tried again later.",
                calling_ae_title=request.calling_ae_title,
            )
        host, port = where
        config = CStoreConfig(name="commitment", ae_title=request.calling_ae_title, host=host, port=port)
        context = DeliveryContext(self._settings, request.called_ae_title or self._ae_title)
        peer = CStoreDestination(config, context)
        began = time.monotonic()
        try:
            peer.report_commitment(*make_report(request, inquiry.standing))
        except DeliveryError:
            if time.monotonic() - began > SLOW_S:
                self._away[request.calling_ae_title] = time.monotonic() + AWAY_S
            raise


@dataclass(slots=True)
class _Inquiry:
    """A request in this process, and how far its objects have been looked at."""

    request: CommitmentRequest
    report_on: ReportOn | None = None
    looks: Iterator[Mapping[tuple[str, str], Soundness]] | None = None
    standing: Mapping[tuple[str, str], Soundness] = field(default_factory=dict)
    waits: bool = False
    """Its objects could not be read; it is kept with its association until the ledger says that it is due again."""


def _key(request: CommitmentRequest) -> tuple[str, str]:
    """Of a request in the ledger, too: two peers may use one transaction UID."""
    return request.transaction_uid, request.calling_ae_title[:16]


def report_on(association: Association, event_type: int, report: Dataset) -> bool:
    """Report on the association of a request; False if it is over, or the peer did not take the report."""
    if not association.is_established:
        return False
    context = next(one for one in association.accepted_contexts if one.abstract_syntax == PUSH_MODEL)
    information = encode_information(report, implicit=context.transfer_syntax[0] == ImplicitVRLittleEndian)
    # pynetdicom's own method takes whatever comes next for the answer, also what the peer asks meanwhile.
    link = Link(association, Exchange(association, cast("float", association.dimse_timeout), failure_of))
    try:
        status = link.exchange.event_report(
            context_id_of(context), PUSH_MODEL, PUSH_MODEL_INSTANCE, event_type, information
        )
    except DeliveryError:
        link.abort()
        return False
    return status == SUCCESS


def parse_commitment_peer(entry: str) -> tuple[str, tuple[str, int]]:
    """Read ``AET@host:port``.

    >>> parse_commitment_peer("CT1@10.0.0.21:104")
    ('CT1', ('10.0.0.21', 104))
    """
    ae_title, at, address = entry.rpartition("@")
    host, colon, port = address.rpartition(":")
    if not (at and colon and host and port.isdigit() and 1 <= int(port) <= 65535 and 1 <= len(ae_title.strip()) <= 16):
        raise SettingsError(
            'dicom.commitment_peers: {entry} is not "AET@host:port"; write for example "CT1@10.0.0.5:104".',
            entry=f"{entry!r}",
        )
    return ae_title.strip(), (host.strip("[]"), int(port))

"""Peers store images over the network (C-STORE), and request or confirm safekeeping (storage commitment)."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

from miqa_node.core.domain.access import Permission
from miqa_node.core.domain.delivery import CommitmentRequest
from miqa_node.core.domain.peers import plain_address
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.network.port_holder import holder_of
from miqa_node.core.settings import TlsMode
from miqa_node.errors import SettingsError
from miqa_node.runtime.people import tokens
from miqa_node.runtime.store.database import Database
from miqa_node.stages.deliver.commitment import read_report
from miqa_node.stages.deliver.commitment_reports import CommitmentReporter
from miqa_node.stages.deliver.rows.outbox import DatabaseOutbox
from miqa_node.stages.receive.commitment import Commitment
from miqa_node.stages.receive.receivers.pool import Receivers
from miqa_node.stages.receive.rows.commitment_requests import DatabaseLedger
from miqa_node.stages.receive.rows.senders import SenderBook
from miqa_node.stages.receive.scp import StorageScp
from miqa_node.stages.receive.sources.base import ImageSource, SourceContext, SourceKind
from miqa_node.stages.report.lower import lower_class


class CStoreSource(ImageSource):
    """The storage SCP, and pending reports to peers."""

    def __init__(self, context: SourceContext) -> None:
        settings = context.settings
        self._dicom = settings.dicom
        outbox = DatabaseOutbox(context.database, context.objects, lower_class)
        self._senders = SenderBook(context.database)
        self._reporter = CommitmentReporter(
            DatabaseLedger(context.database, context.objects),
            settings.deliver,
            settings.dicom.ae_title,
            settings.dicom.commitment_peers,
            self._note_unreported,
        )
        self._scp = StorageScp(
            settings.dicom,
            context.intake,
            commitment=Commitment(
                self._reporter.ask,
                self._reporter.answered,
                lambda event_type, information: outbox.commitment_reported(read_report(event_type, information)),
            ),
            called=self._senders.note,
            passcodes=partial(_is_token_of, context.database),
            needed_bytes=context.needed_bytes,
        )
        further = settings.dicom.further_receivers
        if context.fork is not None and further:
            tidy = context.intake.remove_leftovers
            self._scp.hand_on_to(Receivers(context.fork, further, self._scp.desk, died=tidy))

    def _note_unreported(self, request: CommitmentRequest, why: str) -> None:
        """Beside refused senders, because a modality that never hears keeps its images, and its disk fills."""
        hint = Phrase(
            "{why} See that dicom.commitment_peers has its address and that it listens there.", why=Phrase(why)
        )
        peer = plain_address(request.peer_address)
        self._senders.note(request.calling_ae_title, peer, "storage commitment was not reported", hint)

    def start(self) -> None:
        """Start the reports, then listen; SettingsError if a port is taken."""
        self._reporter.start()
        self._senders.start()
        try:
            self._scp.start()
        except OSError as error:
            ports = f"{self._dicom.port}" if self._dicom.tls is TlsMode.OFF else "dicom.port and dicom.tls_port"
            tls_port = 0 if self._dicom.tls is TlsMode.OFF else self._dicom.tls_port
            holder = holder_of(self._dicom.port) or holder_of(tls_port)
            raise SettingsError(
                f"The node cannot listen for DICOM on {self._dicom.host}, port {ports} ({error.strerror}{holder}); "
                "choose another dicom.port (miqa-node run --dicom-port), or stop what uses it; "
                "several receivers of one node share it with dicom.shared_port."
            ) from error
        self.threads = [*self._scp.threads, *self._reporter.threads, *self._senders.threads]

    def stop(self) -> None:
        """Let running C-STOREs finish, then the current report."""
        self._scp.stop()
        self._senders.stop()
        self._reporter.stop()

    @property
    def port(self) -> int:  # type: ignore[override]  # known once it listens
        """The DICOM port, also if the settings ask for any free one."""
        return self._scp.port


def _is_token_of(database: Database, name: str, passcode: str) -> bool:
    """Whether a passcode is a token of the account with permission to store."""
    with database.begin() as transaction:
        bearer = tokens.find(transaction, passcode, datetime.now(UTC))
    return bearer is not None and bearer.name == name.lower() and Permission.UPLOAD in bearer.permissions


KIND = SourceKind("cstore", CStoreSource)

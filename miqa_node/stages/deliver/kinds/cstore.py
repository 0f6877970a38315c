"""Sends result objects to a storage SCP, such as the PACS, over an association that stays open while in use."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Literal

import structlog
from pydantic import Field, StringConstraints
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import build_context, build_role, evt
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import PresentationContext

from miqa_node.core.domain.dimse_status import in_words
from miqa_node.core.domain.instance import Header
from miqa_node.core.domain.network import authority
from miqa_node.core.language.phrase import Phrase
from miqa_node.dicom.bytes.uncompressed import can_convert
from miqa_node.errors import CommitmentUnsupportedError, DeliveryError, DeliveryRefusedError
from miqa_node.stages.deliver.association import Link, Peer, context_id_of, storage_contexts
from miqa_node.stages.deliver.commitment import (
    PROCESSING_FAILURE,
    PUSH_MODEL,
    PUSH_MODEL_INSTANCE,
    REQUEST_ACTION,
    VERIFICATION,
    encode_information,
    make_request,
    read_report,
)
from miqa_node.stages.deliver.kinds.base import (
    DeliveryContext,
    Destination,
    DestinationKind,
    ObjectsConfig,
    OnWarning,
    TlsConfig,
    split_file,
    without_compression,
)
from miqa_node.stages.deliver.pulling import PullingAssociation
from miqa_node.stages.deliver.retrieval import FIND, find_instances, get_instance
from miqa_node.stages.deliver.rewriting import as_implicit_vr
from miqa_node.stages.deliver.statuses import SUCCESS, judge, note_of
from miqa_node.stages.deliver.tls import client_context

log = structlog.get_logger(__name__)

AETitle = Annotated[str, StringConstraints(pattern=r"^ *[\x21-\x5b\x5d-\x7e][\x20-\x5b\x5d-\x7e]*$", max_length=16)]
_AE_TITLE = "1 to 16 characters of ASCII without backslash"


class CStoreConfig(ObjectsConfig, TlsConfig):
    """A DICOM storage SCP."""

    kind: Literal["cstore"] = "cstore"
    ae_title: AETitle = Field(description=_AE_TITLE)
    host: Annotated[str, StringConstraints(pattern=r"^[^\s/@]+$", max_length=255)] = Field(
        description="a host name or IP address"
    )
    port: int = Field(ge=1, le=65535, description="a whole number from 1 to 65535")
    calling_ae_title: AETitle | None = Field(default=None, description=_AE_TITLE)
    """The AE title that the node calls from; None is the node's own."""
    on_warning: OnWarning = Field(default=OnWarning.ACCEPT, strict=False, description="accept or retry")
    commitment: bool = Field(default=False, description="true or false")
    tls: bool = Field(default=False, description="true or false")

    @property
    def address(self) -> str:
        """AE title, host and port."""
        return f"{self.ae_title}@{authority(self.host, self.port)}"

    @property
    def asks_commitment(self) -> bool:
        """Whether ``commitment`` is set."""
        return self.commitment

    @property
    def uses_tls(self) -> bool:
        """Whether ``tls`` is set."""
        return self.tls


class CStoreDestination(Destination):
    """A storage SCP.

    Reports of storage commitment may arrive on the association of the request, or on one that the peer opens to the
    node's storage SCP.
    """

    def __init__(self, config: CStoreConfig, context: DeliveryContext) -> None:
        super().__init__(config.name)
        self._config = config
        self._context = context
        self._calling_ae_title = config.calling_ae_title or context.calling_ae_title
        self.access_hint = Phrase(
            "Check that it runs, its address, and that it lets {calling_ae_title} in.",
            calling_ae_title=self._calling_ae_title,
        )
        self._proposed: set[tuple[str, str]] = set()
        self._link: Link | None = None
        self._commitment_link: Link | None = None
        self._pulling = PullingAssociation(self._open)

    def probe(self) -> str:
        """C-ECHO on a separate association."""
        link = self._open([build_context(VERIFICATION)])
        with _used_once(link):
            status = link.echo()
        if status != SUCCESS:
            raise DeliveryError("C-ECHO was answered with status {status}.", status=in_words(status))
        return "answers C-ECHO"

    def request_commitment(self, transaction_uid: str, objects: Sequence[tuple[str, str]], /) -> None:
        """N-ACTION (PS3.4 J.3.2), on a separate association that stays open for the report."""
        link = self._commitment_link
        if link is None or not link.is_open:
            link = self._commitment_link = self._open_for_commitment()
        context = link.association.accepted_contexts[0]
        implicit = context.transfer_syntax[0] == ImplicitVRLittleEndian
        information = encode_information(make_request(transaction_uid, objects), implicit=implicit)
        try:
            status = link.exchange.action(
                context_id_of(context), PUSH_MODEL, PUSH_MODEL_INSTANCE, REQUEST_ACTION, information
            )
        except DeliveryError:
            self._commitment_link = None
            link.abort()
            raise
        if status in NO_COMMITMENT:
            raise CommitmentUnsupportedError(
                "Storage commitment was answered with status {status}.", status=in_words(status)
            )
        if status != SUCCESS:
            raise DeliveryError("Storage commitment was answered with status {status}.", status=in_words(status))

    def report_commitment(self, event_type: int, report: Dataset) -> None:
        """N-EVENT-REPORT (PS3.4 J.3.3) on a new association, on which the node is the SCP by role selection."""
        link = self._open([build_context(PUSH_MODEL)], [build_role(PUSH_MODEL, scp_role=True)])
        context = link.association.accepted_contexts[0]
        implicit = context.transfer_syntax[0] == ImplicitVRLittleEndian
        information = encode_information(report, implicit=implicit)
        with _used_once(link):
            status = link.exchange.event_report(
                context_id_of(context), PUSH_MODEL, PUSH_MODEL_INSTANCE, event_type, information
            )
        if status != SUCCESS:
            raise DeliveryError(
                "The report of storage commitment was answered with status {status}.", status=in_words(status)
            )

    def holds(self, headers: Sequence[Header], /) -> frozenset[str]:
        """C-FIND at the IMAGE level, on a separate association."""
        link = self._open([build_context(FIND)])
        with _used_once(link):
            return find_instances(link, headers)

    def fetch(self, header: Header, /) -> bytes:
        """C-GET, on a separate association."""
        return get_instance(self._open, header)

    def search(self, level: str, keys: Mapping[str, str], /) -> list[dict[str, str]]:
        """C-FIND, on an association that stays open."""
        return self._pulling.search(level, keys)

    def pull(self, header: Header, /) -> bytes:
        """C-GET, on the same association."""
        return self._pulling.get(header)

    def have_sent(self, header: Header, ae_title: str, message_id: int, /) -> None:
        """C-MOVE, on the same association."""
        self._pulling.move(header, ae_title, message_id)

    def close(self) -> None:
        """Release the associations."""
        self._pulling.close()
        links = (self._link, self._commitment_link)
        self._link = self._commitment_link = None
        for link in links:
            if link is not None:
                link.release()

    def send_one(self, sop_class_uid: str, sop_instance_uid: str, data: bytes) -> str | None:
        """C-STORE; on a second association if the peer has closed the first."""
        syntax, _ = split_file(data)
        fresh = self._connect(sop_class_uid, syntax)
        try:
            status = self._store_or_drop(sop_class_uid, sop_instance_uid, syntax, data)
        except DeliveryError as error:
            if fresh or isinstance(error, DeliveryRefusedError):
                raise
            # The peer may have closed the idle association; the object is not to blame.
            self._connect(sop_class_uid, syntax)
            status = self._store_or_drop(sop_class_uid, sop_instance_uid, syntax, data)
        self._judge(status, sop_instance_uid)
        return note_of(status)

    def _store_or_drop(self, sop_class_uid: str, sop_instance_uid: str, syntax: str, data: bytes) -> int:
        """Only a refusal leaves the association open."""
        try:
            return self._store(sop_class_uid, sop_instance_uid, syntax, data)
        except DeliveryError as error:
            if not isinstance(error, DeliveryRefusedError):
                self._drop()
            raise

    def _store(self, sop_class_uid: str, sop_instance_uid: str, syntax: str, data: bytes) -> int:
        link = self._link
        if link is None:
            raise DeliveryError("The association was closed.")
        context_id, accepted = link.context(sop_class_uid, syntax)
        if accepted != syntax and can_convert(syntax):
            data = without_compression(data, self._context)
        _, data_set = split_file(data)
        if accepted not in (syntax, ExplicitVRLittleEndian):
            data_set = as_implicit_vr(data_set)
        return link.exchange.store(context_id, sop_class_uid, sop_instance_uid, data_set)

    def _judge(self, status: int, sop_instance_uid: str) -> None:
        if not judge(status, self._config.on_warning):
            name, code = self.name, f"{status:04X}"
            log.info("delivered with a warning", destination=name, sop_instance_uid=sop_instance_uid, status=code)

    def _connect(self, sop_class_uid: str, syntax: str) -> bool:
        """Ensure an association on which the class was proposed in the syntax; True if it is new."""
        pair = (sop_class_uid, syntax)
        if self._link is not None and pair in self._proposed and self._link.is_open:
            return False
        link, self._link = self._link, None
        if link is not None:
            link.release()
        self._proposed.add(pair)
        self._link = self._open(storage_contexts(self._proposed))
        return True

    def _drop(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.abort()

    def _open_for_commitment(self) -> Link:
        try:
            return self._open([build_context(PUSH_MODEL)])
        except DeliveryRefusedError as error:
            raise CommitmentUnsupportedError(
                "The peer does no storage commitment. What it was sent stays SENT; set commitment = false."
            ) from error

    def _reported(self, event: evt.Event) -> tuple[int, None]:
        """N-EVENT-REPORT on the association of the request."""
        try:
            report = read_report(event.event_type or 0, event.event_information)
            if self._context.on_report is not None:
                self._context.on_report(report)
        except Exception as error:  # noqa: BLE001 - the peer must get an answer, and may then report again
            log.error("report of storage commitment failed", destination=self.name, error=type(error).__name__)
            return PROCESSING_FAILURE, None
        return SUCCESS, None

    def _open(
        self,
        contexts: list[PresentationContext],
        roles: Sequence[SCP_SCU_RoleSelectionNegotiation] = (),
        on_store: Callable[[evt.Event], int] | None = None,
    ) -> Link:
        config = self._config
        tls_args = (client_context(config), config.host) if config.tls else None
        peer = Peer(config.ae_title, config.host, config.port, self._calling_ae_title, self._context.settings, tls_args)
        return peer.open(contexts, roles, self._reported, on_store)


NO_COMMITMENT = frozenset({0x0118, 0x0122, 0x0123, 0x0211})
"""No such SOP class, no such action, unrecognized operation (PS3.7 C.5): the peer has no storage commitment."""


def _read_address(text: str) -> Mapping[str, Any] | None:
    match = re.fullmatch(r"(?!https?://|/)([^@]*)@(.*):([0-9]{1,5})", text)
    if match is None:
        return None
    ae_title, host, port = match.groups()
    return {"ae_title": ae_title, "host": host.strip("[]"), "port": int(port)}


@contextmanager
def _used_once(link: Link) -> Iterator[None]:
    """A separate association for one exchange: released afterwards, aborted on failure."""
    try:
        yield
    except DeliveryError:
        link.abort()
        raise
    link.release()


KIND = DestinationKind(CStoreConfig, CStoreDestination, _read_address, "AET@HOST:PORT (ORTHANC@10.0.0.5:104)")

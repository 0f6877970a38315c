"""Storage commitment on associations that peers open: their requests (N-ACTION) and their reports (N-EVENT-REPORT).

A request is stored before the response, so its report follows even after a crash (``deliver.commitment_reports``). A
received report answers a request that the node made after a delivery.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from pydicom.dataset import Dataset
from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.dimse_messages import N_ACTION_RSP

from miqa_node.core.domain.delivery import CommitmentRequest
from miqa_node.core.domain.instance import can_name, is_uid
from miqa_node.errors import ResourcesError
from miqa_node.stages.receive.peers import ae_titles_of

log = structlog.get_logger(__name__)

MAX_OBJECTS = 10_000
"""Maximum number of objects in one request."""

PUSH_MODEL_INSTANCE = "1.2.840.10008.1.20.1.1"
"""The well-known SOP instance of the service (PS3.4 J.3.5)."""

SUCCESS = 0x0000
PROCESSING_FAILURE = 0x0110
NO_SUCH_INSTANCE = 0x0112
INVALID_ARGUMENT = 0x0115
NO_SUCH_ACTION = 0x0123
RESOURCE_LIMITATION = 0x0213
_REQUEST_ACTION = 1

ReportOn = Callable[[int, Dataset], bool]
"""Sends event type and report on the association of a request that another process serves; whether the peer took it."""


@dataclass(frozen=True, slots=True)
class Commitment:
    """Callbacks of the storage SCP for requests and reports, provided by ``node``.

    ``ask`` stores a request and its association; ``answered`` is called when the sender has its response;
    ``report`` takes event type and Event Information, and raises ValueError if they are not a report.
    """

    ask: Callable[[CommitmentRequest, Association | ReportOn], None]
    answered: Callable[[], None]
    report: Callable[[int, Dataset], None]

    def on_action(self, event: Any) -> tuple[int, None]:
        """Handle an N-ACTION; return the status for the peer."""
        association: Association = event.assoc
        if event.request.RequestedSOPInstanceUID != PUSH_MODEL_INSTANCE:
            return NO_SUCH_INSTANCE, None
        if event.action_type != _REQUEST_ACTION:
            return NO_SUCH_ACTION, None
        try:
            request = read_request(association, event.action_information)
        except Exception as error:  # noqa: BLE001 - the data set comes from the network
            log.warning("request for storage commitment refused", error=type(error).__name__)
            return INVALID_ARGUMENT, None
        try:
            self.ask(request, association)
        except ResourcesError as error:
            log.error("request for storage commitment not kept", reason=str(error))
            return RESOURCE_LIMITATION, None
        except Exception as error:  # noqa: BLE001 - the peer must get an answer
            log.error("request for storage commitment not kept", error=type(error).__name__)
            return PROCESSING_FAILURE, None
        return SUCCESS, None

    def on_sent(self, event: evt.Event) -> None:
        """A message was sent: after the response to an N-ACTION its report may follow."""
        if isinstance(event.message, N_ACTION_RSP):
            self.answered()

    def on_event_report(self, event: Any) -> tuple[int, None]:
        """Handle an N-EVENT-REPORT; return the status for the peer."""
        if event.request.AffectedSOPInstanceUID != PUSH_MODEL_INSTANCE:
            return NO_SUCH_INSTANCE, None
        try:
            self.report(event.event_type or 0, event.event_information)
        except ValueError:
            return INVALID_ARGUMENT, None
        except Exception as error:  # noqa: BLE001 - the peer must get an answer, and may then report again
            log.error("report of storage commitment failed", error=type(error).__name__)
            return PROCESSING_FAILURE, None
        return SUCCESS, None


def read_request(association: Association, information: Dataset) -> CommitmentRequest:
    """The request in an N-ACTION (PS3.4 Table J.3-1); ValueError if it is not one, or too long."""
    objects = tuple(
        (str(item.ReferencedSOPClassUID), str(item.ReferencedSOPInstanceUID))
        for item in information.get("ReferencedSOPSequence") or ()
    )
    transaction_uid = str(information.get("TransactionUID", ""))
    if not objects or len(objects) > MAX_OBJECTS or not is_uid(transaction_uid):
        raise ValueError("no request for storage commitment")
    if not all(can_name(uid) for pair in objects for uid in pair):
        raise ValueError("an object's UID is not a UID")
    calling, called = ae_titles_of(association)
    return CommitmentRequest(
        transaction_uid=transaction_uid,
        calling_ae_title=calling,
        called_ae_title=called,
        peer_address=association.requestor.address,
        objects=objects,
    )

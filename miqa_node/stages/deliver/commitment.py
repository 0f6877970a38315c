"""The messages of storage commitment (PS3.4 J.3): the node's requests, and its answers to requests of peers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom.dsutils import encode

from miqa_node.core.domain.delivery import CommitmentReport, CommitmentRequest
from miqa_node.core.domain.instance import is_uid
from miqa_node.core.domain.object_store import Soundness
from miqa_node.errors import DeliveryError

VERIFICATION = "1.2.840.10008.1.1"
PUSH_MODEL = "1.2.840.10008.1.20.1"
PUSH_MODEL_INSTANCE = "1.2.840.10008.1.20.1.1"
REQUEST_ACTION = 1
ALL_KEPT, SOME_LACKING = 1, 2
PROCESSING_FAILURE = 0x0110
NO_SUCH_OBJECT = 0x0112
CLASS_CONFLICT = 0x0119
_REASONS = {None: NO_SUCH_OBJECT, Soundness.LOST: NO_SUCH_OBJECT, Soundness.DAMAGED: PROCESSING_FAILURE}


def encode_information(information: Dataset, *, implicit: bool) -> BytesIO:
    """Action or Event Information, encoded for a message."""
    encoded = encode(information, is_implicit_vr=implicit, is_little_endian=True)
    if encoded is None:
        raise DeliveryError("The message of storage commitment cannot be encoded.")
    return BytesIO(encoded)


def make_request(transaction_uid: str, objects: Sequence[tuple[str, str]]) -> Dataset:
    """Action Information of the N-ACTION (PS3.4 Table J.3-1); ``objects`` are (SOP class UID, SOP instance UID)."""
    request = Dataset()
    request.TransactionUID = transaction_uid
    request.ReferencedSOPSequence = []
    for sop_class_uid, sop_instance_uid in objects:
        item = Dataset()
        item.ReferencedSOPClassUID = UID(sop_class_uid)
        item.ReferencedSOPInstanceUID = UID(sop_instance_uid)
        request.ReferencedSOPSequence.append(item)
    return request


def make_report(request: CommitmentRequest, standing: Mapping[tuple[str, str], Soundness]) -> tuple[int, Dataset]:
    """(event type, Event Information) in answer to a request (PS3.4 Table J.3-2).

    ``standing`` has what the node keeps, by SOP class and instance UID. An absent instance fails as unknown, one of
    another class as a conflict, and one whose bytes are damaged as a failure in processing.
    """
    report, uids = Dataset(), {uid for _, uid in standing}
    report.TransactionUID = request.transaction_uid
    committed, failed = [], []
    for sop_class_uid, sop_instance_uid in request.objects:
        item = Dataset()
        item.ReferencedSOPClassUID = UID(sop_class_uid)
        item.ReferencedSOPInstanceUID = UID(sop_instance_uid)
        state = standing.get((sop_class_uid, sop_instance_uid))
        if state is Soundness.SOUND:
            committed.append(item)
        else:
            is_other = state is None and sop_instance_uid in uids
            item.FailureReason = CLASS_CONFLICT if is_other else _REASONS[state]
            failed.append(item)
    if committed or not failed:
        report.ReferencedSOPSequence = committed
    if failed:
        report.FailedSOPSequence = failed
    return (SOME_LACKING if failed else ALL_KEPT), report


def read_report(event_type: int, information: Dataset) -> CommitmentReport:
    """The report in an N-EVENT-REPORT (PS3.4 Table J.3-2); ValueError if it is not one."""
    transaction_uid = str(information.get("TransactionUID", ""))
    if not is_uid(transaction_uid) or event_type not in (ALL_KEPT, SOME_LACKING):
        raise ValueError("no report of storage commitment")
    uids = tuple(str(item.ReferencedSOPInstanceUID) for item in information.get("ReferencedSOPSequence") or ())
    failed = tuple(
        (str(item.ReferencedSOPInstanceUID), int(item.get("FailureReason") or PROCESSING_FAILURE))
        for item in information.get("FailedSOPSequence") or ()
    )
    return CommitmentReport(transaction_uid, event_type == ALL_KEPT and not failed, uids, failed)

"""Storage commitment as the node asks for it (PS3.4 J.3): what is sent and how the report that comes back is read."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom.dsutils import encode

from miqa_node.domain.delivery import CommitmentReport
from miqa_node.domain.instance import is_uid
from miqa_node.errors import DeliveryError

PUSH_MODEL = "1.2.840.10008.1.20.1"
PUSH_MODEL_INSTANCE = "1.2.840.10008.1.20.1.1"
REQUEST_ACTION = 1
ALL_KEPT, SOME_LACKING = 1, 2
PROCESSING_FAILURE = 0x0110


def encode_request(transaction_uid: str, objects: Sequence[tuple[str, str]], *, implicit: bool) -> BytesIO:
    """Action Information of the N-ACTION (PS3.4 Table J.3-1); ``objects`` are (SOP class UID, SOP instance UID)."""
    request = Dataset()
    request.TransactionUID = transaction_uid
    request.ReferencedSOPSequence = []
    for sop_class_uid, sop_instance_uid in objects:
        item = Dataset()
        item.ReferencedSOPClassUID = UID(sop_class_uid)
        item.ReferencedSOPInstanceUID = UID(sop_instance_uid)
        request.ReferencedSOPSequence.append(item)
    encoded = encode(request, is_implicit_vr=implicit, is_little_endian=True)
    if encoded is None:
        raise DeliveryError("The request for storage commitment cannot be encoded.")
    return BytesIO(encoded)


def read_report(event_type: int, information: Dataset) -> CommitmentReport:
    """The report in an N-EVENT-REPORT (PS3.4 Table J.3-2); ValueError when it is none."""
    transaction_uid = str(information.get("TransactionUID", ""))
    if not is_uid(transaction_uid) or event_type not in (ALL_KEPT, SOME_LACKING):
        raise ValueError("no report of storage commitment")
    kept = tuple(str(item.ReferencedSOPInstanceUID) for item in information.get("ReferencedSOPSequence") or ())
    failed = tuple(
        (str(item.ReferencedSOPInstanceUID), int(item.get("FailureReason") or PROCESSING_FAILURE))
        for item in information.get("FailedSOPSequence") or ()
    )
    return CommitmentReport(transaction_uid, event_type == ALL_KEPT and not failed, kept, failed)

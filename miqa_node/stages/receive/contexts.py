"""Selects the presentation contexts to accept: every storage class, known or not, in every transfer syntax."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydicom.uid import UID
from pynetdicom.pdu_primitives import SOPClassCommonExtendedNegotiation
from pynetdicom.presentation import PresentationContext
from pynetdicom.service_class import NonPatientObjectStorageServiceClass, ServiceClass, StorageServiceClass
from pynetdicom.sop_class import uid_to_service_class

from miqa_node.dicom.elements import EXPLICIT_LE

STORAGE_SERVICE_CLASS = "1.2.840.10008.4.2"
VERIFICATION = UID("1.2.840.10008.1.1")
COMMITMENT_PUSH_MODEL = UID("1.2.840.10008.1.20.1")

_STORAGE_ARC = "1.2.840.10008.5.1.4.1.1."
_HARDCOPY = frozenset({"1.2.840.10008.5.1.1.27", "1.2.840.10008.5.1.1.29", "1.2.840.10008.5.1.1.30"})
PLAIN_SYNTAXES = [EXPLICIT_LE, "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"]


def is_storage(abstract_syntax: str) -> bool:
    """Whether objects of the class can be stored: the standard's storage classes, retired, private and unknown ones.

    >>> is_storage("1.2.840.10008.5.1.4.1.1.1"), is_storage("1.2.3.4"), is_storage("1.2.840.10008.5.1.4.1.2.1.1")
    (True, True, False)
    """
    service = uid_to_service_class(abstract_syntax)
    if service is not ServiceClass:
        return service in (StorageServiceClass, NonPatientObjectStorageServiceClass)
    has_name = UID(abstract_syntax).name != abstract_syntax
    return not has_name or abstract_syntax.startswith(_STORAGE_ARC) or abstract_syntax in _HARDCOPY


def supported(
    requested: Iterable[PresentationContext], *, commitment: bool = False, preferred: Sequence[str] = ()
) -> list[PresentationContext]:
    """The contexts to accept out of those that a peer proposes.

    ``preferred`` transfer syntaxes come first, in their order; then the sender's order counts, so compressed objects
    stay compressed. A sender whose first choice is uncompressed gets Explicit VR Little Endian if it offers it: some
    senders convert to the accepted syntax, and this one loses no information. Each context of a class has an order of
    its own. With ``commitment`` the node answers requests for storage commitment, and takes reports from peers that
    propose to be its SCP.
    """
    syntaxes: dict[UID, list[list[UID]]] = {}
    others = {VERIFICATION, COMMITMENT_PUSH_MODEL} if commitment else {VERIFICATION}
    for context in requested:
        uid = context.abstract_syntax
        if uid is None or not context.transfer_syntax:
            continue
        if is_storage(uid):
            syntaxes.setdefault(uid, []).append(_in_order(context.transfer_syntax, preferred))
        elif uid in others:
            syntaxes[uid] = [[UID(syntax) for syntax in PLAIN_SYNTAXES]]
    accepted = []
    for abstract_syntax, orders in syntaxes.items():
        context = PresentationContext()
        context.abstract_syntax = abstract_syntax
        context.transfer_syntax = [*_one_order(orders)]
        if abstract_syntax == COMMITMENT_PUSH_MODEL:
            context.scu_role = context.scp_role = True
        accepted.append(context)
    return accepted


def _in_order(offered: Iterable[UID], preferred: Sequence[str]) -> list[UID]:
    own = list(dict.fromkeys(offered))
    first = [UID(uid) for uid in preferred if uid in own]
    if not first and own and own[0] in PLAIN_SYNTAXES and EXPLICIT_LE in own:
        first = [UID(EXPLICIT_LE)]
    return [*first, *(uid for uid in own if uid not in first)]


def _one_order(orders: Sequence[Sequence[UID]]) -> list[UID]:
    """An order in which each context finds its first choice first, as pynetdicom has one for all contexts of a class.

    Where there is none, because contexts offer each other's first choices, the first context's counts.
    """
    waiting = list(dict.fromkeys(order[0] for order in orders))
    first: list[UID] = []
    while waiting:
        blocked = {uid for order in orders if order[0] in waiting for uid in order[1:]}
        first.append(next((uid for uid in waiting if uid not in blocked), waiting[0]))
        waiting.remove(first[-1])
    return list(dict.fromkeys((*first, *(uid for order in orders for uid in order))))


def as_storage(requested: Iterable[PresentationContext]) -> dict[UID, SOPClassCommonExtendedNegotiation]:
    """Makes pynetdicom treat classes without a service as storage classes (PS3.7 D.3.3.6)."""
    items = {}
    for context in requested:
        uid = context.abstract_syntax
        if uid is not None and is_storage(uid) and uid_to_service_class(uid) is not StorageServiceClass:
            item = SOPClassCommonExtendedNegotiation()
            item.sop_class_uid = uid
            item.service_class_uid = STORAGE_SERVICE_CLASS
            items[uid] = item
    return items

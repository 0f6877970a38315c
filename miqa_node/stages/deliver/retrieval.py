"""Queries an archive for its objects, and fetches one: C-FIND and C-GET, Study Root (PS3.4 C.4.1, C.4.3)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby

from pydicom.dataset import Dataset
from pynetdicom import build_context, build_role, evt
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import PresentationContext

from miqa_node.core.domain.dimse_status import in_words
from miqa_node.core.domain.instance import Header
from miqa_node.core.language.phrase import Phrase
from miqa_node.errors import CutOffError, DeliveryError
from miqa_node.stages.deliver.association import Link
from miqa_node.stages.deliver.statuses import SUCCESS

FIND = "1.2.840.10008.5.1.4.1.2.2.1"
GET = "1.2.840.10008.5.1.4.1.2.2.3"
UIDS_PER_QUERY = 50
"""Maximum number of UIDs per query (list of UID matching, PS3.4 C.2.2.2.2); peers limit the length of values."""

MAX_ANSWERS = 10_000
"""Far more pending answers than a query has: of a peer that ignores its keys, or never ends."""

MAX_ANSWER_S = 600.0
"""Far more time than an answer takes: of a peer that sends objects, or that it is not done yet, for ever."""

RESOURCE_LIMITATION = 0x0213
PENDING = frozenset({0xFF00, 0xFF01})
NOT_ASKED_FOR = 0xA900
"""Data set does not match SOP class (PS3.4 B.2.3): what a peer sends that it was not asked for is not taken."""


def find_instances(link: Link, headers: Sequence[Header]) -> frozenset[str]:
    """SOP instance UIDs that the peer has; one query per series, because all unique keys above it are required."""
    held: set[str] = set()
    for query, uids in _queries(headers):
        with hanging_up(link, "C-FIND"):
            held |= {str(match.get("SOPInstanceUID", "")) for match in matches(link, query)} & set(uids)
    return frozenset(held)


def matches(link: Link, query: Dataset) -> Iterator[Dataset]:
    """C-FIND, within :func:`hanging_up`: each match; CutOffError behind the last one if the peer has more."""
    for code, match in _answers(link.association.send_c_find(query, FIND), "C-FIND"):
        if code in PENDING and match is not None:
            yield match
        elif code != SUCCESS:
            is_limit = code is not None and (0xA700 <= code < 0xA800 or code >= 0xC000 or code == RESOURCE_LIMITATION)
            raise CutOffError(refusal("C-FIND", code), []) if is_limit else DeliveryError(refusal("C-FIND", code))


def last_status(answers: Iterable[tuple[Dataset, Dataset | None]], service: str) -> int | None:
    """Of C-GET or C-MOVE, within :func:`hanging_up`; None without any answer."""
    code = None
    for code, _failed in _answers(answers, service):  # noqa: B007 - the last one counts
        pass
    return code


def _answers(
    answers: Iterable[tuple[Dataset, Dataset | None]], service: str
) -> Iterator[tuple[int | None, Dataset | None]]:
    for number, (status, answer) in enumerate(answers):
        if number > MAX_ANSWERS:
            raise DeliveryError(ENDLESS, service=service)
        yield status.get("Status"), answer


def _queries(headers: Sequence[Header]) -> Iterator[tuple[Dataset, Sequence[str]]]:
    def series(header: Header) -> tuple[str, str]:
        return header.study_instance_uid, header.series_instance_uid

    for (study_uid, series_uid), group in groupby(sorted(headers, key=series), series):
        uids = [header.sop_instance_uid for header in group]
        for start in range(0, len(uids), UIDS_PER_QUERY):
            some = uids[start : start + UIDS_PER_QUERY]
            yield _identifier(study_uid, series_uid, some), some


def _identifier(study_uid: str, series_uid: str, uids: Sequence[str]) -> Dataset:
    identifier = Dataset()
    identifier.QueryRetrieveLevel = "IMAGE"
    identifier.StudyInstanceUID, identifier.SeriesInstanceUID = study_uid, series_uid
    identifier.SOPInstanceUID = list(map(str, uids))
    return identifier


Open = Callable[
    [list[PresentationContext], Sequence[SCP_SCU_RoleSelectionNegotiation], Callable[[evt.Event], int]], Link
]


def get_instance(open_link: Open, header: Header) -> bytes:
    """The object as a DICOM file, in the transfer syntax in which the node received it."""
    files: list[bytes] = []

    def take(event: evt.Event) -> int:
        if str(getattr(event.request, "AffectedSOPInstanceUID", "")) != header.sop_instance_uid:
            return NOT_ASKED_FOR
        if not files:
            files.append(event.encoded_dataset())
        return SUCCESS

    contexts = [build_context(GET), build_context(header.sop_class_uid, header.transfer_syntax_uid)]
    link = open_link(contexts, [build_role(header.sop_class_uid, scp_role=True)], take)
    with hanging_up(link, "C-GET"):
        try:
            code = last_status(link.association.send_c_get(identifier_of(header), GET), "C-GET")
        except DeliveryError:
            link.abort()
            raise
        if code == SUCCESS and files:
            link.release()
            return files[0]
        link.abort()
        raise not_given(code)


def identifier_of(header: Header) -> Dataset:
    """What names one object to an archive."""
    return _identifier(header.study_instance_uid, header.series_instance_uid, [header.sop_instance_uid])


def not_given(code: int | None) -> DeliveryError:
    """Why no object came by C-GET, by its last status."""
    return DeliveryError(Phrase("The archive does not have it.") if code == SUCCESS else refusal("C-GET", code))


@contextmanager
def hanging_up(link: Link, service: str) -> Iterator[None]:
    """Abort the association if the answer is not complete after MAX_ANSWER_S; DeliveryError says so."""
    over = threading.Event()

    def hang_up() -> None:
        over.set()
        link.abort()

    timer = threading.Timer(MAX_ANSWER_S, hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    except DeliveryError as error:
        raise (DeliveryError(ENDLESS, service=service) if over.is_set() else error) from None
    finally:
        timer.cancel()


ENDLESS = Phrase("{service}: the peer answers without end.")


def refusal(service: str, code: int | None) -> str:
    """The status of an answer in words; None if there was none."""
    if code is None:
        return Phrase(
            "{service}: the peer aborted the association, closed the connection or was silent.", service=service
        )
    return Phrase("{service} was answered with status {status}.", service=service, status=in_words(code, service))

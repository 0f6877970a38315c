"""Sends result objects to a DICOMweb service by STOW-RS (PS3.18 10.5), and reads its answer instance by instance."""

from __future__ import annotations

import json
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

import structlog

from miqa_node.deliver.cstore import split_file
from miqa_node.deliver.destinations import DestinationConfig
from miqa_node.deliver.exchange import Answer, HttpService
from miqa_node.deliver.statuses import PROCESSING_FAILURE, is_warning, judge
from miqa_node.domain.delivery import ResultKind
from miqa_node.errors import CommitmentUnsupportedError, DeliveryError, DeliveryRefusedError
from miqa_node.settings import DeliverSettings

log = structlog.get_logger(__name__)

CHUNK_BYTES = 1 << 16

# What the same request will be answered again: too large, no DICOM for this service, unknown resource kind.
_NEVER = frozenset({HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE})
_ANSWERED = frozenset({HTTPStatus.OK, HTTPStatus.ACCEPTED, HTTPStatus.CONFLICT})

_REFERENCED, _FAILED = "00081199", "00081198"
_INSTANCE_UID, _FAILURE_REASON, _WARNING_REASON = "00081155", "00081197", "00081196"


class StowDestination:
    """A STOW-RS service; see :class:`~miqa_node.domain.ports.Destination`. One object serves one thread."""

    def __init__(self, config: DestinationConfig, settings: DeliverSettings) -> None:
        self.name = config.name
        self._config = config
        self._service = HttpService(config, settings)

    def send(self, files: Sequence[tuple[str, str, bytes]]) -> Sequence[Exception | None]:
        """Each object is one request, so that a large batch cannot fail as a whole."""
        return [self._outcome(uid, file) for _sop_class_uid, uid, file in files]

    def wants(self, kind: ResultKind) -> bool:
        """Whether objects of this kind go here."""
        return kind in self._config.objects

    def check(self) -> None:
        """Ask for one study; any answer that is no refusal and no error of the service will do."""
        answer = self._exchange("GET", "/studies?limit=1", {"Accept": "application/dicom+json"}, None)
        if answer.status not in (HTTPStatus.OK, HTTPStatus.NO_CONTENT):
            raise _not_now(answer)

    def request_commitment(self, _transaction_uid: str, _objects: Sequence[tuple[str, str]], /) -> None:
        """DICOMweb has none that services offer; the answer to STOW-RS is their word."""
        raise CommitmentUnsupportedError("STOW-RS does no storage commitment.")

    def close(self) -> None:
        """Close the connections."""
        self._service.close()

    def _outcome(self, sop_instance_uid: str, file: bytes) -> Exception | None:
        try:
            split_file(file)
            answer = self._post(file)
            self._judge(answer, sop_instance_uid)
        except DeliveryError as error:
            return error
        return None

    def _post(self, file: bytes) -> Answer:
        boundary = uuid.uuid4().hex
        head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        tail = f"\r\n--{boundary}--\r\n".encode()
        headers = {
            "Accept": "application/dicom+json",
            "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
            "Content-Length": str(len(head) + len(file) + len(tail)),
        }
        return self._exchange("POST", "/studies", headers, _chunks(head, file, tail))

    def _judge(self, answer: Answer, sop_instance_uid: str) -> None:
        if answer.status in _NEVER:
            raise DeliveryRefusedError(f"The service answered {answer.in_words}.")
        if answer.status not in _ANSWERED:
            raise _not_now(answer)
        stored, failed = read_answer(answer.content_type, answer.body)
        if sop_instance_uid in failed:
            reason = failed[sop_instance_uid]
            # A failure is one even when its reason is none, or a warning.
            judge(reason if reason and not is_warning(reason) else PROCESSING_FAILURE, self._config.on_warning)
            return
        if sop_instance_uid in stored:
            warning = stored[sop_instance_uid]
            if not judge(warning, self._config.on_warning):
                log.info("delivered with a warning", destination=self.name, sop_instance_uid=sop_instance_uid,
                         status=f"{warning:04X}")  # fmt: skip
            return
        # 200 means that all was stored (PS3.18 10.5.3.2); any other status must name what was.
        if answer.status != HTTPStatus.OK or stored or failed:
            raise DeliveryError(f"The service answered {answer.in_words} but did not say that it stored the object.")

    def _exchange(self, method: str, path: str, headers: Mapping[str, str], content: Iterator[bytes] | None) -> Answer:
        url = self._config.url.rstrip("/") + path
        return self._service.exchange(method, url, {**headers, **self._credentials()}, content)

    def _credentials(self) -> dict[str, str]:
        file = self._config.token_file
        if not file:
            return {}
        try:  # read each time, so that a renewed token needs no restart
            return {"Authorization": f"Bearer {Path(file).read_text('utf-8').strip()}"}
        except (OSError, UnicodeDecodeError) as error:
            raise DeliveryError(f"{self.name}: token_file cannot be read.") from error


def read_answer(content_type: str, body: bytes) -> tuple[dict[str, int], dict[str, int]]:
    """Store Instances Response (PS3.18 I.2): stored UIDs with their warning (0 is none), failed UIDs with the reason.

    DeliveryError when there is a body that cannot be read.
    """
    if not body.strip():
        return {}, {}
    try:
        sequences = _of_xml(body) if "xml" in content_type else _of_json(json.loads(body))
    except (ValueError, TypeError, AttributeError, KeyError, ET.ParseError) as error:
        raise DeliveryError("The service's answer cannot be read as a Store Instances Response.") from error
    stored = {uid: reasons.get(_WARNING_REASON, 0) for uid, reasons in sequences[_REFERENCED]}
    failed = {uid: reasons.get(_FAILURE_REASON, 0) for uid, reasons in sequences[_FAILED]}
    return stored, failed


_Sequences = dict[str, list[tuple[str, dict[str, int]]]]


def _of_json(document: Any) -> _Sequences:
    """The DICOM JSON model (PS3.18 F); some services wrap it into a list."""
    data_set = document[0] if isinstance(document, list) else document
    found: _Sequences = {}
    for tag in (_REFERENCED, _FAILED):
        items = data_set.get(tag, {}).get("Value", [])
        found[tag] = [
            (
                str(item[_INSTANCE_UID]["Value"][0]),
                {
                    key: int(item[key]["Value"][0])
                    for key in (_FAILURE_REASON, _WARNING_REASON)
                    if item.get(key, {}).get("Value")
                },
            )
            for item in items
        ]
    return found


def _of_xml(body: bytes) -> _Sequences:
    """The Native DICOM Model (PS3.19 A.1), which services send that know no JSON."""
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise ValueError("no answer needs a document type")
    root = ET.fromstring(body)  # noqa: S314 - it has no document type, and its size is limited
    found: _Sequences = {_REFERENCED: [], _FAILED: []}
    for sequence in root.iter():
        tag = sequence.get("tag", "").upper()
        if tag not in found:
            continue
        for item in sequence:
            values = {e.get("tag", "").upper(): "".join(e.itertext()).strip() for e in item}
            reasons = {key: int(values[key]) for key in (_FAILURE_REASON, _WARNING_REASON) if values.get(key)}
            found[tag].append((values[_INSTANCE_UID], reasons))
    return found


def _chunks(*parts: bytes) -> Iterator[bytes]:
    for part in parts:
        for start in range(0, len(part), CHUNK_BYTES):
            yield part[start : start + CHUNK_BYTES]


def _not_now(answer: Answer) -> DeliveryError:
    hint = {401: " Check token_file.", 403: " Check token_file.", 404: " Check the url."}.get(answer.status, "")
    return DeliveryError(f"The service answered {answer.in_words}.{hint}")

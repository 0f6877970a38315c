"""Sends result objects to a DICOMweb service by STOW-RS (PS3.18 10.5), and evaluates its response per instance."""

from __future__ import annotations

import json
import re
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from email.message import Message
from http import HTTPStatus
from typing import Annotated, Any, Literal

import structlog
from pydantic import Field, StringConstraints

from miqa_node.core.domain.dimse_status import in_words
from miqa_node.core.domain.instance import Header
from miqa_node.core.language.phrase import Phrase
from miqa_node.dicom.bytes.uncompressed import can_convert
from miqa_node.errors import CutOffError, DeliveryError, DeliveryRefusedError
from miqa_node.stages.deliver.http_request import MAX_ANSWER_BYTES, HttpAnswer, HttpService
from miqa_node.stages.deliver.kinds.base import (
    DeliveryContext,
    Destination,
    DestinationKind,
    File,
    HttpConfig,
    ObjectsConfig,
    OnWarning,
    read_file,
    split_file,
    without_compression,
)
from miqa_node.stages.deliver.qido import (
    LEAST_LIMIT,
    MAX_MATCHES_BYTES,
    MORE_THERE,
    read_matches,
    says_more,
    search_path,
)
from miqa_node.stages.deliver.statuses import (
    DUPLICATE_SOP_INSTANCE,
    HAD_IT,
    HAD_IT_FOUND,
    PROCESSING_FAILURE,
    is_warning,
    judge,
    note_of,
)

log = structlog.get_logger(__name__)

CHUNK_BYTES = 1 << 16
MAX_OBJECT_BYTES = 4 << 30
"""Maximum size of a fetched object."""

# The same request would get the same response: too large, no DICOM for this service, unsupported media type.
_NEVER = frozenset({HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE})
_NO_MATCHES = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND})
_ANSWERED = frozenset({HTTPStatus.OK, HTTPStatus.ACCEPTED, HTTPStatus.CONFLICT})

_SYNTAX_NOT_SUPPORTED = 0xC122
"""Failure reason "referenced transfer syntax not supported" (PS3.18 Table I.2-2)."""

_HAS_IT = frozenset({DUPLICATE_SOP_INSTANCE, 0xB00E})
"""Failure reasons of a service that has the object: the standard's, and one that some vendors use."""
_SAYS_NOTHING = frozenset({PROCESSING_FAILURE})

_REFERENCED, _FAILED = "00081199", "00081198"
_INSTANCE = "00080018"
_INSTANCE_UID, _FAILURE_REASON, _WARNING_REASON = "00081155", "00081197", "00081196"


class StowConfig(ObjectsConfig, HttpConfig):
    """A DICOMweb service; objects are posted to <url>/studies."""

    kind: Literal["stow"] = "stow"
    url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#]+[^\s?#]*$")] = Field(
        description="an address such as https://pacs.example/dicom-web", repr=False
    )
    token_file: File = ""
    """File with a bearer token; empty if the service needs none."""
    on_warning: OnWarning = Field(default=OnWarning.ACCEPT, strict=False, description="accept or retry")

    @property
    def address(self) -> str:
        """The address without user name and password."""
        scheme, _, rest = self.url.partition("://")
        host, slash, path = rest.partition("/")
        return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


class StowDestination(Destination):
    """A STOW-RS service. Each object is one request, so that a large batch cannot fail as a whole."""

    no_commitment = Phrase("STOW-RS does no storage commitment.")

    def __init__(self, config: StowConfig, context: DeliveryContext) -> None:
        super().__init__(config.name)
        self._config = config
        self._context = context
        self._service = HttpService(config, context.settings)

    def probe(self) -> str:
        """Search for one study; any response except a refusal or a server error counts as success."""
        answer = self._exchange("GET", "/studies?limit=1", {"Accept": "application/dicom+json"}, None)
        if answer.status not in (HTTPStatus.OK, HTTPStatus.NO_CONTENT):
            raise _not_now(answer)
        return Phrase("answers DICOMweb")

    def send_one(self, sop_class_uid: str, sop_instance_uid: str, data: bytes) -> str | None:  # noqa: ARG002
        """Post one object and evaluate the response; uncompressed if the service takes no compressed objects."""
        syntax, _ = split_file(data)
        answer = self._post(data)
        if can_convert(syntax) and _refuses_syntax(answer, sop_instance_uid):
            answer = self._post(without_compression(data, self._context))
        return self._judge(answer, sop_instance_uid)

    def holds(self, headers: Sequence[Header], /) -> frozenset[str]:
        """QIDO-RS, one search per object: services differ in matching lists of UIDs (PS3.18 10.6)."""
        return frozenset(str(header.sop_instance_uid) for header in headers if self._has(header))

    def fetch(self, header: Header, /) -> bytes:
        """WADO-RS, in the transfer syntax in which the node received the object, or any (PS3.18 10.4, 8.7.3.5)."""
        accept = f'multipart/related; type="application/dicom"; transfer-syntax={header.transfer_syntax_uid or "*"}'
        path = f"{_series(header)}/instances/{header.sop_instance_uid}"
        answer = self._exchange("GET", path, {"Accept": accept}, None, MAX_OBJECT_BYTES)
        if answer.status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE, HTTPStatus.NO_CONTENT):
            raise DeliveryError("The archive does not have it.")
        if answer.status != HTTPStatus.OK:
            raise _not_now(answer)
        return only_part(answer.content_type, answer.body)

    def pull(self, header: Header, /) -> bytes:
        """WADO-RS, in the transfer syntax in which the archive has it."""
        return self.fetch(replace(header, transfer_syntax_uid=""))

    def search(self, level: str, keys: Mapping[str, str], /) -> list[dict[str, str]]:
        """QIDO-RS, page by page; services give at most so many matches (PS3.18 8.3.4.4)."""
        matches: list[dict[str, str]] = []
        rows, warning = set[tuple[str, ...]](), ""
        while True:
            path, accept = search_path(level, keys, len(matches)), {"Accept": "application/dicom+json"}
            answer = self._exchange("GET", path, accept, None, MAX_MATCHES_BYTES)
            is_over = matches and answer.status == HTTPStatus.BAD_REQUEST  # of a service that knows no offset
            page = [] if is_over or answer.status in _NO_MATCHES else _page(answer, keys)
            new = {tuple(one.values()) for one in page} - rows
            if not new:
                break
            rows |= new
            matches += page
            warning = answer.warning
            if not says_more(warning) and len(page) < LEAST_LIMIT:
                break
        if says_more(warning):
            raise CutOffError(MORE_THERE, matches, number=len(matches))
        return matches

    def _has(self, header: Header) -> bool:
        query = f"{_series(header)}/instances?{_INSTANCE}={header.sop_instance_uid}"
        answer = self._exchange("GET", query, {"Accept": "application/dicom+json"}, None)
        if answer.status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND):
            return False
        if answer.status != HTTPStatus.OK:
            raise _not_now(answer)
        return header.sop_instance_uid in _matches(answer)

    def close(self) -> None:
        """Close the connections."""
        self._service.close()

    def _post(self, file: bytes) -> HttpAnswer:
        boundary = uuid.uuid4().hex
        head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        tail = f"\r\n--{boundary}--\r\n".encode()
        headers = {
            "Accept": "application/dicom+json",
            "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
            "Content-Length": str(len(head) + len(file) + len(tail)),
        }
        return self._exchange("POST", "/studies", headers, _chunks(head, file, tail))

    def _judge(self, answer: HttpAnswer, sop_instance_uid: str) -> str | None:
        """Evaluate the answer; returns the note on a delivery that arrived in another way than usual."""
        if answer.status in _NEVER:
            raise DeliveryRefusedError("The service answered {status}.", status=answer.in_words)
        if answer.status not in _ANSWERED:
            raise _not_now(answer)
        stored, failed = read_answer(answer.content_type, answer.body)
        if sop_instance_uid in failed:
            reason = failed[sop_instance_uid]
            if reason == _SYNTAX_NOT_SUPPORTED:  # of the uncompressed form, too, if there is one
                raise DeliveryRefusedError(
                    "The service supports no transfer syntax of the object (0x{reason}).", reason=f"{reason:04X}"
                )
            if reason in _HAS_IT or reason in _SAYS_NOTHING:
                return self._look_up(sop_instance_uid, reason)
            # The object failed, even if the reason is missing or a warning.
            judge(reason if reason and not is_warning(reason) else PROCESSING_FAILURE, self._config.on_warning)
            return None
        if sop_instance_uid in stored:
            warning = stored[sop_instance_uid]
            if not judge(warning, self._config.on_warning):
                log.info("delivered with a warning", destination=self.name, sop_instance_uid=sop_instance_uid,
                         status=f"{warning:04X}")  # fmt: skip
            return note_of(warning)
        # 200 means that everything was stored (PS3.18 10.5.3.2); any other status must list the stored instances.
        if answer.status != HTTPStatus.OK or stored or failed:
            raise DeliveryError(
                "The service answered {status} but did not say that it stored the object.", status=answer.in_words
            )
        return None

    def _look_up(self, sop_instance_uid: str, reason: int) -> str:
        """A failure of which only a search tells whether the service has the object, as after a lost answer.

        A service without QIDO-RS is believed where its reason says that it has the object.
        """
        held = self._finds(sop_instance_uid)
        if held is None and reason in _SAYS_NOTHING:
            judge(reason, self._config.on_warning)
        if held is False:
            raise DeliveryError("The service answered {status}, and does not have the object.", status=in_words(reason))
        log.info("the destination has it already", destination=self.name, sop_instance_uid=sop_instance_uid,
                 status=f"{reason:04X}", found=bool(held))  # fmt: skip
        return Phrase(HAD_IT_FOUND if held else HAD_IT, status=in_words(reason))

    def _finds(self, sop_instance_uid: str) -> bool | None:
        """Whether a search by SOP Instance UID finds the object; None without an answer to searches."""
        path = f"/instances?{_INSTANCE}={sop_instance_uid}"
        answer = self._exchange("GET", path, {"Accept": "application/dicom+json"}, None)
        if answer.status == HTTPStatus.NO_CONTENT:
            return False
        if answer.status != HTTPStatus.OK:
            if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR and answer.status != HTTPStatus.NOT_IMPLEMENTED:
                raise _not_now(answer)
            return None
        return sop_instance_uid in _matches(answer)

    def _exchange(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        content: Iterator[bytes] | None,
        most_bytes: int = MAX_ANSWER_BYTES,
    ) -> HttpAnswer:
        url = self._config.url.rstrip("/") + path
        return self._service.exchange(method, url, {**headers, **self._credentials()}, content, most_bytes)

    def _credentials(self) -> dict[str, str]:
        file = self._config.token_file
        if not file:
            return {}
        try:
            return {"Authorization": f"Bearer {read_file(file)}"}
        except (OSError, UnicodeDecodeError) as error:
            raise DeliveryError("{name}: token_file cannot be read.", name=self.name) from error


def _page(answer: HttpAnswer, keys: Mapping[str, str]) -> list[dict[str, str]]:
    if answer.status != HTTPStatus.OK:
        raise _not_now(answer)
    return read_matches(answer.body, keys)


def only_part(content_type: str, body: bytes) -> bytes:
    r"""The first part of a multipart answer (RFC 2046 5.1.1, PS3.18 8.6.1.2), or a DICOM file that comes without one.

    DeliveryError if it cannot be read.

    >>> only_part("Multipart/Related; Boundary=b", b"hello\r\n--b \r\nA: 1\r\n\r\nDICM\r\n--b--")
    b'DICM'
    """
    if body[128:132] == b"DICM":
        return body
    named = Message()
    named["Content-Type"] = content_type
    boundary = str(named.get_param("boundary", "") or "").encode("latin-1", "replace")
    line = rb"(?:\A|\r\n)--" + re.escape(boundary) + rb"(?:--)?[ \t]*(?=\r\n|\Z)"
    begin = re.search(line, body)
    end = re.compile(line).search(body, begin.end()) if begin else None
    _head, blank, content = body[begin.end() : end.start()].partition(b"\r\n\r\n") if begin and end else (b"",) * 3
    if not (boundary and blank):
        raise DeliveryError("The service's answer cannot be read as multipart/related.")
    return content


def read_answer(content_type: str, body: bytes) -> tuple[dict[str, int], dict[str, int]]:
    """Store Instances Response (PS3.18 I.2): stored UIDs with their warning (0: none), failed UIDs with the reason.

    DeliveryError if the body cannot be read.
    """
    if not body.strip():
        return {}, {}
    try:
        sequences = _of_xml(body) if "xml" in content_type else _of_json(json.loads(body))
    except _UNREADABLE as error:
        raise DeliveryError("The service's answer cannot be read as a Store Instances Response.") from error
    stored = {uid: reasons.get(_WARNING_REASON, 0) for uid, reasons in sequences[_REFERENCED]}
    failed = {uid: reasons.get(_FAILURE_REASON, 0) for uid, reasons in sequences[_FAILED]}
    return stored, failed


_UNREADABLE = (ValueError, TypeError, AttributeError, LookupError, OverflowError, RecursionError, ET.ParseError)
"""What a service's answer may raise that is no JSON or XML, not what it should be, or nested without end."""

_Sequences = dict[str, list[tuple[str, dict[str, int]]]]


def _of_json(document: Any) -> _Sequences:
    """The DICOM JSON model (PS3.18 F); some services wrap it in a list."""
    data_set = document[0] if isinstance(document, list) else document
    sequences: _Sequences = {}
    for tag in (_REFERENCED, _FAILED):
        items = data_set.get(tag, {}).get("Value", [])
        sequences[tag] = [
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
    return sequences


def _of_xml(body: bytes) -> _Sequences:
    """The Native DICOM Model (PS3.19 A.1), for services that do not write JSON."""
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise ValueError("no answer needs a document type")
    root = ET.fromstring(body)  # noqa: S314 - it has no document type, and its size is limited
    sequences: _Sequences = {_REFERENCED: [], _FAILED: []}
    for sequence in root.iter():
        tag = sequence.get("tag", "").upper()
        if tag not in sequences:
            continue
        for item in sequence:
            values = {e.get("tag", "").upper(): "".join(e.itertext()).strip() for e in item}
            reasons = {key: int(values[key]) for key in (_FAILURE_REASON, _WARNING_REASON) if values.get(key)}
            sequences[tag].append((values[_INSTANCE_UID], reasons))
    return sequences


def _matches(answer: HttpAnswer) -> list[str]:
    """SOP Instance UIDs of the matches of a search."""
    try:
        return [item[_INSTANCE]["Value"][0] for item in json.loads(answer.body or b"[]")]
    except _UNREADABLE as error:
        raise DeliveryError("The service's answer cannot be read as matches of a search.") from error


def _series(header: Header) -> str:
    return f"/studies/{header.study_instance_uid}/series/{header.series_instance_uid}"


def _refuses_syntax(answer: HttpAnswer, sop_instance_uid: str) -> bool:
    """Whether the response may refer to the transfer syntax rather than the object."""
    if answer.status == HTTPStatus.UNSUPPORTED_MEDIA_TYPE:
        return True
    if answer.status not in _ANSWERED:
        return False
    _, failed = read_answer(answer.content_type, answer.body)
    return failed.get(sop_instance_uid) == _SYNTAX_NOT_SUPPORTED


def _chunks(*parts: bytes) -> Iterator[bytes]:
    for part in parts:
        for start in range(0, len(part), CHUNK_BYTES):
            yield part[start : start + CHUNK_BYTES]


def _not_now(answer: HttpAnswer) -> DeliveryError:
    hint = Phrase(" Check token_file.") if answer.status in {401, 403} else answer.hint
    return DeliveryError(
        "The service answered {status}.{hint}", answer.retry_after_s, status=answer.in_words, hint=hint
    )


def _read_address(text: str) -> Mapping[str, str] | None:
    return {"url": text} if text.startswith(("http://", "https://")) else None


KIND = DestinationKind(StowConfig, StowDestination, _read_address, "https://HOST/PATH for STOW-RS")

"""Posts events to a program of the site, signed as Standard Webhooks says (standardwebhooks.com, version 1).

Headers ``webhook-id``, ``webhook-timestamp`` and ``webhook-signature``; signed is ``<id>.<timestamp>.<body>`` with
HMAC-SHA256. docs/how-to/webhooks.md shows how a receiver verifies it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path

from miqa_node.deliver.destinations import DestinationConfig
from miqa_node.deliver.exchange import Answer, HttpService
from miqa_node.domain.delivery import ResultKind
from miqa_node.domain.event import ID_PREFIX, new_event_id
from miqa_node.errors import CommitmentUnsupportedError, DeliveryError, DeliveryRefusedError
from miqa_node.settings import DeliverSettings

SECRET_PREFIX = "whsec_"  # noqa: S105 - what every secret begins with is none
SECRET_BYTES = range(24, 65)
MAX_SECRETS = 4
PING = "node.ping"

# What the same request will be answered again: too large, or nobody wants events there any more.
_NEVER = frozenset({HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.GONE})


class WebhookDestination:
    """A program that wants to be told; see :class:`~miqa_node.domain.ports.Destination`. One object, one thread."""

    def __init__(self, config: DestinationConfig, settings: DeliverSettings) -> None:
        self.name = config.name
        self._config = config
        self._service = HttpService(config, settings)

    def send(self, files: Sequence[tuple[str, str, bytes]]) -> Sequence[Exception | None]:
        """Each event is one request; an event that is sent again has the same identifier and body."""
        return [self._outcome(event_id, body) for _none, event_id, body in files]

    def wants(self, kind: ResultKind) -> bool:
        """Whether events of this kind go here."""
        return kind in self._config.objects

    def check(self) -> None:
        """Post an event of type ``node.ping``, signed like any other."""
        event_id = new_event_id()
        body = {"id": event_id, "type": PING, "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds")}
        self._post(event_id, json.dumps(body | {"data": {}}).encode())

    def request_commitment(self, _transaction_uid: str, _objects: Sequence[tuple[str, str]], /) -> None:
        """There is no such thing."""
        raise CommitmentUnsupportedError("A webhook does no storage commitment.")

    def close(self) -> None:
        """Close the connections."""
        self._service.close()

    def _outcome(self, event_id: str, body: bytes) -> Exception | None:
        try:
            if not event_id.startswith(ID_PREFIX):
                raise DeliveryRefusedError("A webhook takes events, and this is a DICOM object.")
            self._post(event_id, body)
        except DeliveryError as error:
            return error
        return None

    def _post(self, event_id: str, body: bytes) -> None:
        at = int(time.time())
        secrets = read_secrets(Path(self._config.secret_file), self.name)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": event_id,
            "webhook-timestamp": str(at),
            "webhook-signature": " ".join(signature(secret, event_id, at, body) for secret in secrets),
        }
        answer = self._service.exchange("POST", self._config.url, headers, body)
        if not HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
            raise _refused(answer)


def signature(secret: bytes, event_id: str, timestamp: int, body: bytes) -> str:
    """One signature as it stands in the header.

    >>> key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    >>> signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    """
    digest = hmac.new(secret, f"{event_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def read_secrets(file: Path, name: str) -> list[bytes]:
    """The keys in a file, one in a line; with several, receivers that know any of them are content.

    It is read for each event, so that a new secret needs no restart.
    """
    try:
        lines = file.read_text("utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise DeliveryError(f"{name}: secret_file cannot be read.") from error
    if not 1 <= len(lines) <= MAX_SECRETS:
        raise DeliveryError(f"{name}: secret_file must hold 1 to {MAX_SECRETS} secrets, each in a line of its own.")
    return [_key(line, name) for line in lines]


def _key(line: str, name: str) -> bytes:
    try:
        key = base64.b64decode(line.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not line.startswith(SECRET_PREFIX) or len(key) not in SECRET_BYTES:
        raise DeliveryError(
            f"{name}: a secret is {SECRET_PREFIX} and {SECRET_BYTES[0]} to {SECRET_BYTES[-1]} random bytes in Base64; "
            "make one with: echo whsec_$(openssl rand -base64 32)"
        )
    return key


def _refused(answer: Answer) -> DeliveryError:
    if answer.status in _NEVER:
        return DeliveryRefusedError(f"The receiver answered {answer.in_words}.")
    hint = {401: " Check secret_file.", 403: " Check secret_file.", 404: " Check the url."}.get(answer.status, "")
    if answer.status // 100 == 3:
        hint = " Redirects are not followed; write the last address as the url."
    return DeliveryError(f"The receiver answered {answer.in_words}.{hint}")

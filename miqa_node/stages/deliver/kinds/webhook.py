"""Posts events to a program of the site, signed according to Standard Webhooks (standardwebhooks.com, version 1).

Headers ``webhook-id``, ``webhook-timestamp`` and ``webhook-signature``; the signature covers
``<id>.<timestamp>.<body>`` with HMAC-SHA256. docs/how-to/webhooks.md shows how a receiver verifies it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints, field_validator, model_validator

from miqa_node.core.domain.event import DEFAULT_EVENTS, EventType, new_event_id
from miqa_node.core.domain.network import is_loopback
from miqa_node.core.language.phrase import Phrase
from miqa_node.errors import DeliveryError, DeliveryRefusedError
from miqa_node.stages.deliver.event_body import event_body
from miqa_node.stages.deliver.http_request import HttpAnswer, HttpService
from miqa_node.stages.deliver.kinds.base import (
    DeliveryContext,
    Destination,
    DestinationKind,
    File,
    HttpConfig,
    choose,
    read_file,
)

SECRET_PREFIX = "whsec_"  # noqa: S105 - the beginning of every secret is not one
SECRET_BYTES = range(24, 65)
MAX_SECRETS = 4
PING = "node.ping"

# The same request would get the same response: too large, or the receiver takes no more events.
_NEVER = frozenset({HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.GONE})


class WebhookConfig(HttpConfig):
    """A program of the site that receives events; the path of its address may be secret."""

    kind: Literal["webhook"] = "webhook"
    url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#@]+([/?][^\s#]*)?$")] = Field(
        description="an address such as https://ris.example/miqa", repr=False
    )
    secret_file: File
    """File with the secrets for signing events."""
    body_file: File = ""
    """File with the JSON template that the receiver expects; without it the event is sent unchanged."""
    events: tuple[EventType, ...] = DEFAULT_EVENTS
    allow_http: bool = Field(default=False, description="true or false")

    @property
    def address(self) -> str:
        """Scheme and host."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    def hears(self, event_type: EventType) -> bool:
        """Whether ``events`` has the type."""
        return event_type in self.events

    @field_validator("events", mode="before")
    @classmethod
    def _known(cls, value: object) -> tuple[EventType, ...]:
        return choose(value, {one.value: one for one in EventType})

    @model_validator(mode="after")
    def _is_private(self) -> Self:
        if not (self.uses_tls or self.allow_http or is_loopback(urlsplit(self.url).hostname or "")):
            raise ValueError("write https in the url. Plain http leaves this machine only if allow_http = true.")
        return self


class WebhookDestination(Destination):
    """Each event is one request; a repeated event has the same identifier and body."""

    leaves_trace = True
    no_commitment = Phrase("A webhook does no storage commitment.")

    def __init__(self, config: WebhookConfig, context: DeliveryContext) -> None:
        super().__init__(config.name)
        self._config = config
        self._service = HttpService(config, context.settings)

    def probe(self) -> str:
        """Post an event of type ``node.ping``, signed like any other."""
        event_id = new_event_id()
        body = {"id": event_id, "type": PING, "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds")}
        self._post(event_id, json.dumps(body | {"data": {}}).encode())
        return Phrase("takes events")

    def send_one(self, sop_class_uid: str, sop_instance_uid: str, data: bytes) -> None:  # noqa: ARG002
        """Refuse it."""
        raise DeliveryRefusedError("A webhook takes events, and this is a DICOM object.")

    def send_event(self, event_id: str, body: bytes) -> None:
        """Post it."""
        self._post(event_id, body)

    def close(self) -> None:
        """Close the connections."""
        self._service.close()

    def _post(self, event_id: str, event: bytes) -> None:
        body = (
            event_body(_layout(self._config.body_file, self.name), event, self.name)
            if self._config.body_file
            else event
        )
        at = int(time.time())
        secrets = read_secrets(self._config.secret_file, self.name)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": event_id,
            "webhook-timestamp": str(at),
            "webhook-signature": " ".join(signature(secret, event_id, at, body) for secret in secrets),
        }
        answer = self._service.exchange("POST", self._config.url, headers, body)
        if not HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
            raise _refusal(answer)


def _layout(file: str, name: str) -> str:
    try:
        return read_file(file)
    except (OSError, UnicodeDecodeError) as error:
        raise DeliveryError("{name}: body_file cannot be read.", name=name) from error


def signature(secret: bytes, event_id: str, timestamp: int, body: bytes) -> str:
    """One signature in the form of the header.

    >>> key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    >>> signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    """
    digest = hmac.new(secret, f"{event_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def read_secrets(file: str, name: str) -> list[bytes]:
    """The keys in a file, one per line; a receiver needs to know only one of several.

    The file is read for each event, so a new secret needs no restart.
    """
    try:
        lines = read_file(file).split()
    except (OSError, UnicodeDecodeError) as error:
        raise DeliveryError("{name}: secret_file cannot be read.", name=name) from error
    if not 1 <= len(lines) <= MAX_SECRETS:
        raise DeliveryError(
            "{name}: secret_file must hold 1 to {max_secrets} secrets, each in a line of its own.",
            name=name,
            max_secrets=MAX_SECRETS,
        )
    return [_key(line, name) for line in lines]


def _key(line: str, name: str) -> bytes:
    try:
        key = base64.b64decode(line.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not line.startswith(SECRET_PREFIX) or len(key) not in SECRET_BYTES:
        raise DeliveryError(
            "{name}: a secret is {secret_prefix} and {secret_bytes} to {secret_bytes2} random bytes in Base64; "
            "make one with: echo whsec_$(openssl rand -base64 32)",
            name=name,
            secret_prefix=SECRET_PREFIX,
            secret_bytes=SECRET_BYTES[0],
            secret_bytes2=SECRET_BYTES[-1],
        )
    return key


def _refusal(answer: HttpAnswer) -> DeliveryError:
    if answer.status in _NEVER:
        return DeliveryRefusedError("The receiver answered {status}.", status=answer.in_words)
    hint = Phrase(" Check secret_file.") if answer.status in {401, 403} else answer.hint
    return DeliveryError(
        "The receiver answered {status}.{hint}", answer.retry_after_s, status=answer.in_words, hint=hint
    )


KIND = DestinationKind(WebhookConfig, WebhookDestination)

"""One HTTP request and its response, within limits: the basis of STOW-RS and webhooks."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import httpx2

from miqa_node.core.language.phrase import Phrase
from miqa_node.core.settings import DeliverSettings
from miqa_node.errors import DeliveryError
from miqa_node.stages.deliver.kinds.base import HttpConfig
from miqa_node.stages.deliver.tls import client_context

MAX_ANSWER_BYTES = 1 << 20
MAX_RETRY_AFTER_S = 86_400.0
MIN_BYTES_PER_S = 10_000
"""Large objects may take longer to arrive than an answer, but not more slowly than this."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """Status, content type and body of a response, and the time after which the service wants to be asked again.

    ``warning`` is its header Warning (RFC 7234 5.5).
    """

    status: int
    content_type: str
    body: bytes
    retry_after_s: float = 0.0
    warning: str = ""

    @property
    def in_words(self) -> str:
        """Status code and phrase."""
        try:
            return f"{self.status} {HTTPStatus(self.status).phrase}"
        except ValueError:
            return str(self.status)

    @property
    def hint(self) -> str:
        """What to do about a status, as far as that is the same for all services."""
        if self.status // 100 == 3:
            return Phrase(" Redirects are not followed; write the last address as the url.")
        if self.retry_after_s:
            return Phrase(
                " It wants to be asked again after {retry_after_s} s.", retry_after_s=f"{self.retry_after_s:.0f}"
            )
        return Phrase(" Check the url.") if self.status == HTTPStatus.NOT_FOUND else ""


class HttpService:
    """Kept-alive connections to one service; redirects are not followed. One object serves one thread."""

    def __init__(self, config: HttpConfig, settings: DeliverSettings) -> None:
        self._config = config
        self._settings = settings
        self._client: httpx2.Client | None = None
        self._connection: socket.socket | None = None

    def exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: Iterator[bytes] | bytes | None,
        most_bytes: int = MAX_ANSWER_BYTES,
    ) -> HttpAnswer:
        """Send a request and read the whole response; DeliveryError if it is late or exceeds ``most_bytes``."""
        deadline = _AnswerDeadline(2 * self._settings.dimse_timeout_s, self._hang_up)
        try:
            client, extensions = self._connected(), {"trace": self._tracing(deadline)}
            with (
                deadline,
                client.stream(method, url, headers=dict(headers), content=content, extensions=extensions) as response,
            ):
                body = bytearray()
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) > most_bytes or deadline.is_over(len(body)):
                        raise DeliveryError("The service's answer is endless.")
                status, answered = response.status_code, response.headers
                pause_s = retry_after_s(answered.get("retry-after", "")) if status in _LATER else 0.0
                kind, warning = answered.get("content-type", ""), answered.get("warning", "")
                return HttpAnswer(status, kind, bytes(body), pause_s, warning)
        except httpx2.HTTPError as error:
            self.close()
            # The library's message may contain the address, with any secret that a site put there; the type suffices.
            name = "ReadTimeout" if deadline.is_over() else type(error).__name__
            raise DeliveryError(
                "The service could not be reached: {reason}.", reason=Phrase(_WORDS.get(name, name))
            ) from error

    def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _connected(self) -> httpx2.Client:
        if self._client is None:
            settings = self._settings
            verify = client_context(self._config) if self._config.uses_tls else True
            timeout = httpx2.Timeout(settings.dimse_timeout_s, connect=settings.connection_timeout_s)
            self._client = httpx2.Client(verify=verify, timeout=timeout, follow_redirects=False, trust_env=False)
        return self._client

    def _tracing(self, deadline: _AnswerDeadline) -> Callable[[str, Mapping[str, Any]], None]:
        """What the library calls at each step of a request."""

        def trace(step: str, info: Mapping[str, Any]) -> None:
            if step in _CONNECTED:
                self._connection = info["return_value"].get_extra_info("socket")
            elif step == _REQUESTED:
                deadline.start()
            elif step == _ANSWERED:
                deadline.stop()

        return trace

    def _hang_up(self) -> None:
        if self._connection is not None:
            with suppress(OSError):
                socket.socket.shutdown(self._connection, socket.SHUT_RDWR)


def retry_after_s(text: str) -> float:
    """Seconds in a header Retry-After (RFC 9110 10.2.3), given as a number or a date; 0 if it has neither.

    >>> retry_after_s("120"), retry_after_s("Wed, 21 Oct 2015 07:28:00 GMT"), retry_after_s("soon")
    (120.0, 0.0, 0.0)
    """
    if text.isascii() and text.isdigit():
        return min(float(text), MAX_RETRY_AFTER_S)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    left_s = (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return min(max(0.0, left_s), MAX_RETRY_AFTER_S)


class _AnswerDeadline:
    """Time for an answer, from the end of the request: a service that sends a byte now and then has none for ever.

    Within it the head must have arrived, or ``hang_up`` is called from another thread: the library limits single reads.
    """

    def __init__(self, limit_s: float, hang_up: Callable[[], None]) -> None:
        self._limit_s = limit_s
        self._hang_up = hang_up
        self._until = float("inf")
        self._timer: threading.Timer | None = None

    def __enter__(self) -> None:
        """Nothing: it starts when the request was sent."""

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def start(self) -> None:
        """The request was sent."""
        self.stop()
        self._until = time.monotonic() + self._limit_s
        self._timer = threading.Timer(self._limit_s, self._hang_up)
        self._timer.daemon = True
        self._timer.start()

    def stop(self) -> None:
        """The head of the answer is there."""
        if self._timer is not None:
            self._timer.cancel()

    def is_over(self, arrived_bytes: int = 0) -> bool:
        """Whether the answer takes too long, given what of its body has arrived."""
        return time.monotonic() > self._until + arrived_bytes / MIN_BYTES_PER_S


_LATER = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
_CONNECTED = frozenset({"connection.connect_tcp.complete", "connection.start_tls.complete"})
_REQUESTED, _ANSWERED = "http11.send_request_body.complete", "http11.receive_response_headers.complete"

_WORDS = {
    "ConnectError": Phrase("nobody listens there, or its certificate is not trusted"),
    "ConnectTimeout": Phrase("no connection in deliver.connection_timeout_s"),
    "ReadTimeout": Phrase("no answer in deliver.dimse_timeout_s"),
    "WriteTimeout": Phrase("it takes nothing in deliver.dimse_timeout_s"),
    "RemoteProtocolError": Phrase("it closed the connection"),
    "DecodingError": Phrase("its answer is compressed in a way that cannot be read"),
}

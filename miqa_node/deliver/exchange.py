"""One HTTP request and its response, within limits: the basis of STOW-RS and webhooks."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus

import httpx2

from miqa_node.deliver.kinds.base import HttpConfig
from miqa_node.deliver.tls import client_context
from miqa_node.errors import DeliveryError
from miqa_node.settings import DeliverSettings

MAX_ANSWER_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """Status, content type and body of a response."""

    status: int
    content_type: str
    body: bytes

    @property
    def in_words(self) -> str:
        """Status code and phrase."""
        try:
            return f"{self.status} {HTTPStatus(self.status).phrase}"
        except ValueError:
            return str(self.status)


class HttpService:
    """Kept-alive connections to one service; redirects are not followed. One object serves one thread."""

    def __init__(self, config: HttpConfig, settings: DeliverSettings) -> None:
        self._config = config
        self._settings = settings
        self._client: httpx2.Client | None = None

    def exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: Iterator[bytes] | bytes | None,
        most_bytes: int = MAX_ANSWER_BYTES,
    ) -> HttpAnswer:
        """Send a request and read the whole response; DeliveryError if it is late or exceeds ``most_bytes``."""
        deadline = time.monotonic() + 2 * self._settings.dimse_timeout_s
        try:
            client = self._connected()
            with client.stream(method, url, headers=dict(headers), content=content) as response:
                body = bytearray()
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) > most_bytes or time.monotonic() > deadline:
                        raise DeliveryError("The service's answer is endless.")
                return HttpAnswer(response.status_code, response.headers.get("content-type", ""), bytes(body))
        except httpx2.HTTPError as error:
            self.close()
            # The library's message may contain the address, with any secret that a site put there; the type suffices.
            raise DeliveryError(
                f"The service could not be reached: {_WORDS.get(type(error).__name__, type(error).__name__)}."
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


_WORDS = {
    "ConnectError": "nobody listens there, or its certificate is not trusted",
    "ConnectTimeout": "no connection in deliver.connection_timeout_s",
    "ReadTimeout": "no answer in deliver.dimse_timeout_s",
    "WriteTimeout": "it takes nothing in deliver.dimse_timeout_s",
    "RemoteProtocolError": "it closed the connection",
}

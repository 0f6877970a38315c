"""Asks a server of the site to describe an image: only pixels are sent, plain text comes back."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import httpx2

from miqa_node.core.domain.image import Radiograph
from miqa_node.core.settings import CaptionSettings
from miqa_node.dicom.pixels.preview import preview_png
from miqa_node.errors import CaptionError

ATTEMPTS = 2
MAX_ANSWER_BYTES = 1 << 16
BACKOFF_S = 0.2
"""Pause before the second attempt, doubled for each further one."""

_AGAIN = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE,
                    HTTPStatus.GATEWAY_TIMEOUT, HTTPStatus.INTERNAL_SERVER_ERROR})  # fmt: skip


class CaptionService:
    """See :class:`~miqa_node.core.domain.ports.Captioner`.

    ``POST url`` with an 8-bit grey PNG as body; the answer is JSON, ``{"sentences": [...]}`` or ``{"text": "..."}``.
    """

    def __init__(self, settings: CaptionSettings) -> None:
        self._settings = settings
        self.writer = urlsplit(settings.url).hostname or "server"
        headers = {"content-type": "image/png", "accept": "application/json"}
        if token := settings.token.get_secret_value():
            headers["authorization"] = f"Bearer {token}"
        self._client = httpx2.Client(headers=headers, timeout=settings.timeout_s, follow_redirects=False)

    def describe(self, radiograph: Radiograph) -> Sequence[str]:
        """Texts as the server returns them; CaptionError with the reason if there are none."""
        png = preview_png(radiograph, self._settings.long_side_px)
        until = time.monotonic() + self._settings.timeout_s
        for attempt in range(ATTEMPTS):
            try:
                return texts_of(self._ask(png, until))
            except _RetryableError as error:
                pause_s = BACKOFF_S * 2**attempt
                if attempt + 1 == ATTEMPTS or time.monotonic() + pause_s >= until:
                    raise CaptionError(f"{self.writer}: {error}") from error
                time.sleep(pause_s)
            except CaptionError as error:
                raise CaptionError(f"{self.writer}: {error}") from error
        raise CaptionError(f"{self.writer}: no attempt was allowed.")

    def _ask(self, png: bytes, until: float) -> bytes:
        """The body of a successful answer; no wait lasts beyond the time limit of the image."""
        left_s = max(until - time.monotonic(), 0.01)
        received = bytearray()
        try:
            with self._client.stream("POST", self._settings.url, content=png, timeout=left_s) as answer:
                if answer.status_code in _AGAIN:
                    raise _RetryableError("the server answered {code}.", code=answer.status_code)
                if answer.status_code != HTTPStatus.OK:
                    raise CaptionError(f"the server answered {answer.status_code}.")
                for chunk in answer.iter_bytes():
                    received += chunk
                    if len(received) > MAX_ANSWER_BYTES:
                        raise CaptionError(f"the answer is larger than {MAX_ANSWER_BYTES} bytes.")
                    if time.monotonic() > until:
                        raise CaptionError(f"the answer took longer than {self._settings.timeout_s:g} s.")
        except httpx2.HTTPError as error:
            raise _RetryableError(
                "the server cannot be reached or breaks off: {kind}.", kind=type(error).__name__
            ) from error
        return bytes(received)


class _RetryableError(CaptionError):
    """The same request may succeed later."""


def texts_of(answer: bytes) -> Sequence[str]:
    """The texts in an answer.

    >>> texts_of(b'{"text": "Two lungs."}'), texts_of(b'{"sentences": ["One.", "Two."]}')
    (['Two lungs.'], ['One.', 'Two.'])
    """
    try:
        document: Any = json.loads(answer)
    except ValueError as error:
        raise CaptionError("the answer is not JSON.") from error
    fields = document if isinstance(document, dict) else {}
    texts = fields.get("sentences", [fields["text"]] if "text" in fields else None)
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise CaptionError('the answer has neither "sentences", a list of texts, nor "text".')
    return texts

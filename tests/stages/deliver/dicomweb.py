"""A STOW-RS service under test control, small but real: HTTP over a socket, a Store Instances Response as answer."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email import message_from_bytes, policy
from io import BytesIO

from pydicom import dcmread
from pydicom.dataset import Dataset

from tests.stages.deliver.serving import QuietHandler, serving
from tests.waiting import delay


class Web:
    """``reason`` gives the Failure Reason for each data set, 0 stores it; ``answer`` replaces the whole answer.

    Where ``takes`` says no to a data set, the whole request is an unsupported media type.
    """

    def __init__(self) -> None:
        self.reason: Callable[[Dataset], int] = lambda ds: 0
        self.warning: Callable[[Dataset], int] = lambda ds: 0
        self.takes: Callable[[Dataset], bool] = lambda ds: True
        self.answer: Callable[[], tuple[int, str, bytes]] | None = None
        self.stored: list[tuple[str, bytes]] = []
        self.headers: list[dict[str, str]] = []
        self.delay_s = 0.0
        self.drip_s = 0.0
        """With a pause, the head of an answer comes a byte at a time, and never ends."""
        self.search: Callable[[str], tuple[int, str, bytes]] = lambda path: (200, "application/dicom+json", b"[]")
        """What a GET request, such as a search, is answered with."""
        self.searches: list[str] = []
        self.url = ""

    def take(self, files: list[bytes]) -> tuple[int, str, bytes]:
        if not all(self.takes(dcmread(BytesIO(file))) for file in files):
            return 415, "text/plain", b""
        successes, failed = [], []
        for file in files:
            ds = dcmread(BytesIO(file))
            item = {"00081155": {"vr": "UI", "Value": [str(ds.SOPInstanceUID)]}}
            if reason := self.reason(ds):
                failed.append({**item, "00081197": {"vr": "US", "Value": [reason]}})
                continue
            self.stored.append((str(ds.SOPInstanceUID), file))
            warned = {"00081196": {"vr": "US", "Value": [self.warning(ds)]}} if self.warning(ds) else {}
            successes.append({**item, **warned})
        if self.answer is not None:
            return self.answer()
        document = {"00081199": {"vr": "SQ", "Value": successes}, "00081198": {"vr": "SQ", "Value": failed}}
        status = 200 if not failed else 202 if successes else 409
        return status, "application/dicom+json", json.dumps(document).encode()


@contextmanager
def dicomweb(context: ssl.SSLContext | None = None) -> Iterator[Web]:
    web = Web()

    class Handler(QuietHandler):
        def do_GET(self) -> None:  # noqa: N802 - as http.server calls it
            web.searches.append(self.path)
            self._answer(*web.search(self.path))

        def do_POST(self) -> None:  # noqa: N802 - as http.server calls it
            web.headers.append(dict(self.headers))
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if web.drip_s:
                self._drip()
                return
            head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
            parts = message_from_bytes(head + body, policy=policy.HTTP).iter_parts()
            delay(web.delay_s)
            self._answer(*web.take([bytes(part.get_payload(decode=True) or b"") for part in parts]))

        def _drip(self) -> None:
            with suppress(OSError):
                for byte in b"HTTP/1.1 200 OK\r\nX: " + b"x" * 10_000:
                    self.wfile.write(bytes([byte]))
                    delay(web.drip_s)

        def _answer(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with serving(Handler, context) as address:
        web.url = f"{address}/dicom-web"
        yield web

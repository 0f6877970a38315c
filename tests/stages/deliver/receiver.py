"""A program that takes webhooks, as a site would write it: it verifies by the code that the documentation shows."""

from __future__ import annotations

import json
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from tests.stages.deliver.serving import QuietHandler, serving
from tests.waiting import LIMIT_S

SECRET = "whsec_bWlxYS1ub2RlLXRlc3RzLXNpZ24td2l0aC10aGlz"
PAGE = ROOT / "docs" / "how-to" / "webhooks.md"


def documented() -> dict[str, Any]:
    """What the page's Python defines."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    return names


class Receiver:
    """``answer`` gives the HTTP status for each event; those that do not verify are answered 401 and not kept."""

    def __init__(self) -> None:
        self.verify: Callable[[str, dict[str, str], bytes], bool] = documented()["verify"]
        self.secret = SECRET
        self.answer: Callable[[dict[str, Any]], int] = lambda event: 204
        self.taken: list[tuple[str, bytes]] = []
        self.attempts: list[tuple[dict[str, str], bytes]] = []
        self.pings = 0
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.retry_after = ""
        self.url = ""

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _id, body in self.taken]

    def take(self, headers: dict[str, str], body: bytes) -> int:
        self.attempts.append((headers, body))
        assert self.may_answer.wait(LIMIT_S)
        if not self.verify(self.secret, headers, body):
            return 401
        event = json.loads(body)
        if event["type"] == "node.ping":
            self.pings += 1
            return 204
        status = self.answer(event)
        if status // 100 == 2:
            self.taken.append((headers["webhook-id"], body))
        return status


@contextmanager
def receiver(port: int = 0, context: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    peer = Receiver()

    class Handler(QuietHandler):
        def do_POST(self) -> None:  # noqa: N802 - as http.server calls it
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(peer.take({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_header("Content-Length", "0")
            self.send_header("Location", "/elsewhere")
            if peer.retry_after:
                self.send_header("Retry-After", peer.retry_after)
            self.end_headers()

    with serving(Handler, context, port) as address:
        peer.url = f"{address}/miqa?key=1"
        yield peer


def secret_file(folder: Path, *secrets: str) -> str:
    """A file with the secrets, one in a line."""
    path = folder / "webhook.secret"
    path.write_text("\n".join(secrets or (SECRET,)) + "\n", "utf-8")
    return str(path)

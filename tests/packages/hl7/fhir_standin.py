"""A stand-in of a FHIR server, for R5 and for every answer that a server may give: no real one.

It keeps what FHIR says of transactions (R5 3.2.0.13.2): all or nothing, ``ifNoneExist``, ``ifMatch``, references to
``fullUrl`` replaced, wherever they stand, as some servers do it. A search by identifier has small pages.
"""

from __future__ import annotations

import copy
import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.stages.deliver.serving import QuietHandler, serving

JSON = "application/fhir+json"
Resource = dict[str, Any]
Answer = tuple[int, dict[str, str], bytes]
"""Status, headers and body."""


class Conflict(Exception):  # noqa: N818 - what HTTP calls it
    """412."""


def outcome(text: str, key: str = "diagnostics") -> bytes:
    issue = {"severity": "error", "code": "invalid", key: {"text": text} if key == "details" else text}
    return json.dumps({"resourceType": "OperationOutcome", "issue": [issue]}).encode()


class StandIn:
    """``answer`` gives another answer to a request, or None; ``token`` is the one that it takes, if any."""

    def __init__(self, version: str = "5.0.0", page: int = 5) -> None:
        self.version, self.page = version, page
        self.stored: dict[str, Resource] = {}
        self.history: list[Resource] = []
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.answer: Callable[[str, str, int], Answer | None] = lambda method, path, count: None
        self.token, self.tokens_given = "", 0
        self.url = ""

    def of(self, kind: str) -> list[Resource]:
        return [one for one in self.stored.values() if one["resourceType"] == kind]

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 0

    @property
    def taken(self) -> list[bytes]:
        return [body for method, path, _headers, body in self.requests if (method, path) == ("POST", "/")]

    def take(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        self.requests.append((method, path, headers, body))
        of_kind = [one for one in self.requests if one[:2] == (method, path)]
        if path == "/token":
            self.tokens_given += 1
            self.token = f"token{self.tokens_given}"
        otherwise = self.answer(method, path, len(of_kind))
        return self._proper(method, path, headers, body) if otherwise is None else otherwise

    def _proper(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """What a server answers that has no trouble."""
        document: Resource = {"resourceType": "CapabilityStatement", "fhirVersion": self.version}
        if path == "/token":
            document = {"access_token": self.token, "token_type": "Bearer", "expires_in": 3600}
        elif self.token and headers.get("authorization") != f"Bearer {self.token}":
            return 401, {}, outcome("who are you")
        elif method == "POST":
            try:
                document = self._transaction(json.loads(body))
            except Conflict as conflict:
                return 412, {}, outcome(str(conflict))
        elif not path.startswith("/metadata"):
            document = self._search(path)
        return 200, {}, json.dumps(document).encode()

    def _search(self, path: str) -> Resource:
        parts = urlsplit(path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        start, matches = int(query.get("_start", 0)), self._matching(self.stored, parts.path[1:], query["identifier"])
        bundle: Resource = {"resourceType": "Bundle", "type": "searchset", "total": len(matches)}
        bundle["entry"] = [{"resource": one} for one in matches[start : start + self.page]]
        if start + self.page < len(matches):
            more = f"{self.url}{path.split('&_start', maxsplit=1)[0]}&_start={start + self.page}"
            bundle["link"] = [{"relation": "next", "url": more}]
        return bundle

    def _matching(self, stored: dict[str, Resource], kind: str, token: str) -> list[Resource]:
        system, value = token.split("|")
        pair = {"system": system, "value": value}
        return [
            one for one in stored.values() if one["resourceType"] == kind
            and any(pair.items() <= identifier.items() for identifier in one.get("identifier", ()))
        ]  # fmt: skip

    def _transaction(self, bundle: Resource) -> Resource:
        assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "transaction")
        assert len({entry["fullUrl"] for entry in bundle["entry"]}) == len(bundle["entry"])
        stored, answers, places, writes = copy.deepcopy(self.stored), [], {}, []
        for entry in bundle["entry"]:
            request, kind = entry["request"], entry["resource"]["resourceType"]
            if request["method"] == "PUT":
                path, status = request["url"], "200 OK"
                if path not in stored or request.get("ifMatch", "").strip('W/"') != stored[path]["meta"]["versionId"]:
                    raise Conflict(f"another version of {path}")
                writes.append((path, entry))
            else:
                matches = self._matching(self.stored, kind, request["ifNoneExist"].removeprefix("identifier="))
                if len(matches) > 1:
                    raise Conflict("several match")
                path = f"{kind}/{matches[0]['id'] if matches else len(stored) + 1}"
                status = "200 OK" if matches else "201 Created"
                if not matches:
                    stored[path] = {}
                    writes.append((path, entry))
            places[entry["fullUrl"]] = path
            answers.append({"response": {"status": status, "location": path}})
        for path, entry in writes:
            version = str(int(stored[path].get("meta", {}).get("versionId", "0")) + 1)
            text = json.dumps(entry["resource"])
            for full_url, place in places.items():
                text = text.replace(f'"{full_url}"', f'"{place}"')
            stored[path] = json.loads(text) | {"id": path.split("/")[1], "meta": {"versionId": version}}
            self.history.append(stored[path])
        self.stored = stored
        return {"resourceType": "Bundle", "type": "transaction-response", "entry": answers}


@contextmanager
def standing_in(version: str = "5.0.0", context: ssl.SSLContext | None = None, port: int = 0) -> Iterator[StandIn]:
    peer = StandIn(version)

    class Handler(QuietHandler):
        def do_GET(self) -> None:  # noqa: N802 - as http.server calls it
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, more, content = peer.take(self.command, self.path.removeprefix("/fhir") or "/", headers, body)
            self.send_response(status)
            for name, value in {"Content-Type": JSON, "Content-Length": str(len(content)), **more}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815

    with serving(Handler, context, port) as address:
        peer.url = f"{address}/fhir"
        yield peer

"""The kind of destination ``fhir``: each result is one transaction Bundle, posted to the base address of a server."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote, urlencode, urljoin, urlsplit

from pydantic import Field, StringConstraints, model_validator

from miqa_hl7.bundle import REPORT, UID, UNIT, Resource, bundle_of, name_of
from miqa_hl7.choice import ResultsConfig, ResultsDestination, without_patient
from miqa_hl7.statement import Statement
from miqa_node.api import (
    DeliveryContext,
    DeliveryError,
    DeliveryRefusedError,
    DestinationKind,
    File,
    HttpAnswer,
    HttpConfig,
    HttpService,
    Phrase,
    is_loopback,
    read_file,
)

miqa_api = 1

JSON = "application/fhir+json"
MAX_ANSWER_BYTES = 8 << 20
PAGE, MAX_PAGES = 200, 10
"""Observations asked for at once, and how often."""
EARLY_S = 30.0
"""How long before its end a token is replaced."""
_NEVER = frozenset({400, 405, 413, 415, 422})
"""The server read the bundle and does not take it."""
_NOT_NOW = frozenset({401, 403, 408, 409, 412, 425, 429})
"""Rights, conflicts and haste: another attempt may succeed. What other 4xx say depends on whether they say why."""
_AMENDED = frozenset({"DiagnosticReport", "Observation"})
"""What later statements update: a create of it that found one has changed nothing."""
_UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
Address = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$")]


class FhirConfig(ResultsConfig, HttpConfig):
    """The keys of its ``[[destination]]`` table; ``tls_certificate`` and ``tls_key`` are for mutual TLS."""

    kind: Literal["fhir"] = "fhir"
    url: Address = Field(description="an address such as https://fhir.example/r5", repr=False)
    release: Literal["R5", "R4"] = Field(default="R5", description="R5 or R4")
    numbers: Literal["reasons", "all"] = Field(default="reasons", description="reasons or all")
    token_file: File = ""
    """File with a bearer token."""
    token_url: Address | Literal[""] = Field(default="", description="an address", repr=False)
    """Where a token is had for ``client_id`` and the secret in ``client_secret_file`` (OAuth 2.0, RFC 6749 4.4)."""
    client_id: str = ""
    client_secret_file: File = ""
    scope: str = ""
    patient_systems: dict[str, str] = Field(default_factory=dict, description="a table of authorities and systems")
    """System of Patient IDs by assigning authority; that of the site's own numbers is under an empty name."""
    allow_plain: bool = Field(default=False, description="true or false")

    @property
    def address(self) -> str:
        """Scheme and host."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    @model_validator(mode="after")
    def _is_right(self) -> Self:
        urls = [url for url in (self.url, self.token_url) if url.startswith("http:")]
        if not self.allow_plain and not all(is_loopback(urlsplit(url).hostname or "") for url in urls):
            raise ValueError("bundles name patients: without https they leave this machine only if allow_plain = true.")
        if len({bool(one) for one in (self.token_url, self.client_id, self.client_secret_file)}) > 1:
            raise ValueError("token_url, client_id and client_secret_file belong together; give all three.")
        if self.token_url and self.token_file:
            raise ValueError("give a token_file or a token_url, not both.")
        return self


class FhirDestination(ResultsDestination):
    """A FHIR server, which has one report of each image or series: a later statement updates it, a repeated one not."""

    def __init__(self, config: FhirConfig, context: DeliveryContext) -> None:
        super().__init__(config.name)
        self._config, self._url = config, config.url.rstrip("/")
        self._service = HttpService(config, context.settings)
        self._token, self._until = "", 0.0

    def probe(self) -> str:
        """Ask for its capability statement, and whether it is of the release."""
        release = self._config.release
        with _reading():
            version = str(self._ask("GET", f"{self._url}/metadata?_summary=true")["fhirVersion"])
        if not version.startswith(release[1:]):
            raise DeliveryError("The server speaks FHIR {version}, and release is {release}.",
                                version=version[:9], release=release)  # fmt: skip
        return Phrase("answers FHIR")

    def send_statement(self, one: Statement) -> None:
        """Post its bundle, unless the server has this statement or a later one of the image or series."""
        config = self._config
        with _reading():
            former = self._search("DiagnosticReport", name_of(one, REPORT), one)[:1]
            if former and _is_later(former[0], one):
                return
            former += self._search("Observation", name_of(one, UNIT), one)
            bundle = bundle_of(one, config.release, config.patient_systems, url=self._url, former=former,
                               all_numbers=config.numbers == "all")  # fmt: skip
            _check(self._ask("POST", self._url, one, bundle)["entry"], bundle["entry"], one)

    def close(self) -> None:
        """Close the connections."""
        self._service.close()

    def _search(self, kind: str, name: str, one: Statement) -> list[Resource]:
        """The resources of a kind with an identifier, page by page."""
        url = f"{self._url}/{kind}?{urlencode({'identifier': f'{UID}|{name}', '_count': PAGE})}"
        matches: list[Resource] = []
        for _page in range(MAX_PAGES):
            page = self._ask("GET", url, one)
            resources = [entry["resource"] for entry in page.get("entry", ())]
            matches += [resource for resource in resources if resource["resourceType"] == kind]
            links = [link["url"] for link in page.get("link", ()) if link["relation"] == "next"]
            if not links:
                break
            link = urlsplit(urljoin(url, links[0]))  # some servers give the name that they have inside
            url = f"{self._config.address}{link.path}?{link.query}"
        return matches

    def _ask(self, method: str, url: str, one: Statement | None = None, body: Resource | None = None) -> Any:
        """The document of an answer 2xx; a token that is no longer taken is fetched again once."""
        answer = self._exchange(method, url, body)
        if answer.status == HTTPStatus.UNAUTHORIZED and self._config.token_url:
            self._until = 0.0
            answer = self._exchange(method, url, body)
        if answer.status // 100 == 2:
            return json.loads(answer.body)
        hint = Phrase(" Check the token.") if answer.status in (401, 403) else answer.hint
        raise _refusal(answer.status, answer.in_words, _why(answer.body), one, hint, answer.retry_after_s)

    def _exchange(self, method: str, url: str, body: Resource | None) -> HttpAnswer:
        headers = {"Accept": JSON, "Prefer": "return=minimal", **self._authorization()}
        headers |= {"Content-Type": JSON} if body else {}
        content = json.dumps(body, ensure_ascii=False).encode() if body else None
        return self._service.exchange(method, url, headers, content, MAX_ANSWER_BYTES)

    def _authorization(self) -> dict[str, str]:
        config = self._config
        if config.token_url and time.monotonic() >= self._until:
            self._ask_for_token()
        token = self._read(config.token_file, "token_file") if config.token_file else self._token
        return {"Authorization": f"Bearer {token}"} if token else {}

    def _ask_for_token(self) -> None:
        """By HTTP Basic, which every server of RFC 6749 has (2.3.1)."""
        config, form = self._config, {"grant_type": "client_credentials"}
        secret = self._read(config.client_secret_file, "client_secret_file")
        pair = b64encode(f"{quote(config.client_id, '')}:{quote(secret, '')}".encode()).decode()
        headers = {"Authorization": f"Basic {pair}", "Content-Type": "application/x-www-form-urlencoded"}
        form |= {"scope": config.scope} if config.scope else {}
        answer = self._service.exchange(
            "POST", config.token_url, headers | {"Accept": "application/json"}, urlencode(form).encode()
        )
        try:
            document = json.loads(answer.body) if answer.status == HTTPStatus.OK else {}
            self._token = str(document["access_token"])
            self._until = time.monotonic() + float(document.get("expires_in", 2 * EARLY_S)) - EARLY_S
        except (ValueError, KeyError, TypeError) as error:
            raise DeliveryError("token_url gave no token, but {status}.", status=answer.in_words) from error

    def _read(self, file: str, key: str) -> str:
        try:
            return read_file(file)
        except (OSError, UnicodeDecodeError) as error:
            raise DeliveryError("{name}: {key} cannot be read.", name=self.name, key=key) from error


@contextmanager
def _reading() -> Iterator[None]:
    """DeliveryError for an answer that is cut off, or another than FHIR has for the request."""
    try:
        yield
    except _UNREADABLE as error:
        raise DeliveryError("The server did not say that it stored the result; its answer cannot be read.") from error


def _is_later(report: Resource, one: Statement) -> bool:
    """Whether a server's report is this statement, or made after it."""
    names = [identifier.get("value") for identifier in report["identifier"]]
    return one.result_id in names or datetime.fromisoformat(report["issued"]) > one.made_at


def _check(answers: list[Resource], entries: list[Resource], one: Statement) -> None:
    """DeliveryError unless each entry was stored: created, updated, or there already."""
    for entry, answer in zip(entries, answers, strict=True):
        words = str(answer["response"]["status"])[:40]
        status, request = int(words[:3]), entry["request"]
        if status // 100 != 2:
            raise _refusal(status, words, _why(answer["response"].get("outcome")), one)
        if status == HTTPStatus.OK and request["method"] == "POST" and request["url"] in _AMENDED:
            raise DeliveryError("The server got another report of this image in the meantime.")


def _refusal(
    status: int, words: str, why: str, one: Statement | None, hint: str = "", retry_after_s: float = 0.0
) -> DeliveryError:
    """The error of an answer, with what the server says of it."""
    why = without_patient(why, one) if one else why[:200]
    text = f": {why}" if why else f".{hint}"
    if status in _NEVER or (why and status // 100 == 4 and status not in _NOT_NOW):
        return DeliveryRefusedError("The server refused the bundle ({status}){text}", status=words, text=text)
    return DeliveryError("The server answered {status}{text}", retry_after_s, status=words, text=text)


def _why(outcome: Any) -> str:
    """What an OperationOutcome says, also as bytes; empty if it is none."""
    try:
        issues = (json.loads(outcome) if isinstance(outcome, bytes) else outcome)["issue"]
        return " ".join(
            str(one.get("diagnostics") or one.get("details", {}).get("text") or one["code"]) for one in issues
        )
    except _UNREADABLE:
        return ""


KIND = DestinationKind(FhirConfig, FhirDestination)

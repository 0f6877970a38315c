"""Error responses: RFC 9457 problem details for programs, for people a plain page or a sign in place of a picture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache, partial
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from miqa_node.core.domain.access import Principal
from miqa_node.core.language.catalogue import reworded, say
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.wrong_values import in_english, what_is_wrong
from miqa_node.errors import (
    AccessError,
    ConflictError,
    DecodeError,
    DeliveryError,
    InputError,
    MiqaError,
    NotFoundError,
    QueryError,
    RemovedError,
    ResourcesError,
)
from miqa_node.interfaces.web.html.pages import render
from miqa_node.interfaces.web.page import Trait, addresses_of
from miqa_node.interfaces.web.site_time import LANGUAGE_COOKIE
from miqa_node.interfaces.web.values import FORMS

MEDIA_TYPE = "application/problem+json"
NO_PICTURE = Path(__file__).with_name("static") / "no_picture.svg"
"""Shown where a picture would be: browsers draw what came with an error, too, instead of a sign of a damaged page."""

log = structlog.get_logger(__name__)

_STATUSES: tuple[tuple[type[MiqaError], HTTPStatus], ...] = (
    (RemovedError, HTTPStatus.GONE),
    (NotFoundError, HTTPStatus.NOT_FOUND),
    (ConflictError, HTTPStatus.CONFLICT),
    (QueryError, HTTPStatus.BAD_REQUEST),
    (AccessError, HTTPStatus.FORBIDDEN),
    (DecodeError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (InputError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (ResourcesError, HTTPStatus.SERVICE_UNAVAILABLE),
    (DeliveryError, HTTPStatus.BAD_GATEWAY),
)


_TITLES: dict[int, str] = {
    HTTPStatus.FORBIDDEN: "Not allowed",
    HTTPStatus.NOT_FOUND: "Not found",
    HTTPStatus.METHOD_NOT_ALLOWED: "Not possible here",
    HTTPStatus.GONE: "No longer valid",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "Too large",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "Not understood",
    HTTPStatus.MISDIRECTED_REQUEST: "Not this node's name",
    HTTPStatus.UNPROCESSABLE_ENTITY: "Not understood",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Something went wrong",
    HTTPStatus.SERVICE_UNAVAILABLE: "Not ready",
    HTTPStatus.BAD_GATEWAY: "No answer",
}
"""Titles of statuses for people, in place of the HTTP reason phrase for programs."""
_DETAILS: dict[int, str] = {
    HTTPStatus.NOT_FOUND: "There is nothing at this address. Was it typed or copied as a whole?",
    HTTPStatus.METHOD_NOT_ALLOWED: "This address cannot be asked in this way.",
}


_UNREADABLE_BODY = "There was an error parsing the body"
"""FastAPI's words, with status 400, for a body that Python's JSON reader does not take, but for its syntax."""
_NO_JSON = "body: JSON in UTF-8 is expected, without numbers of thousands of digits and without deep nesting."


class Problem(BaseModel):
    """A problem in the form of RFC 9457."""

    model_config = ConfigDict(title="Problem details (RFC 9457)")

    type: str = Field("about:blank", description="No further types are defined: the status gives the kind.")
    title: str = Field(description="The status in words.")
    status: int = Field(description="The HTTP status code.")
    detail: str = Field("", description="What happened here, and what to do about it.")
    errors: list[dict[str, str]] | None = Field(None, description="For 422: each wrong parameter and why.")


def handle_errors(app: FastAPI) -> None:
    """Answer every error of the application as a problem."""
    app.add_exception_handler(MiqaError, answer_error)
    app.add_exception_handler(HTTPException, answer_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(Exception, _on_bug)


def problem(status: int, detail: str, *, errors: list[dict[str, str]] | None = None) -> Response:
    """The JSON response."""
    content = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, errors=errors)
    return JSONResponse(content.model_dump(exclude_none=True), status, media_type=MEDIA_TYPE)


def responses(*statuses: int, media: Iterable[str] = ()) -> dict[int | str, dict[str, Any]]:
    """The documentation of an operation's errors, of answers without a body, and of an answer that is not plain JSON.

    An operation with ``media`` also needs ``response_class=Response``, or FastAPI documents JSON beside them.
    """
    content = {"content": {MEDIA_TYPE: {"schema": _schema()}}}
    answers: dict[int | str, dict[str, Any]] = {
        status: {"description": HTTPStatus(status).phrase, **(content if status >= HTTPStatus.BAD_REQUEST else {})}
        for status in statuses
    }
    if media:
        answers[200] = {"description": HTTPStatus.OK.phrase, "content": {one: {} for one in media}}
    return answers


@cache
def _schema() -> dict[str, Any]:
    return Problem.model_json_schema()


FIND_ERRORS = responses(401, 403, 404, 422, 503)
"""Of an operation that shows one thing."""
CHANGE_ERRORS = responses(401, 403, 404, 409, 415, 422, 503)
"""Of one that changes a thing."""


def _answer(request: Request, status: int, detail: str) -> Response:
    accept = request.headers.get("accept", "")
    wants_page = "text/html" in accept and not request.url.path.startswith("/api/")
    if request.url.path.endswith(".png") and "image/" in accept and not wants_page:
        return Response(NO_PICTURE.read_bytes(), status, media_type="image/svg+xml")
    sign_in = next(addresses_of(Trait.SIGN_IN), "") if status == HTTPStatus.UNAUTHORIZED else ""
    if sign_in and "hx-request" in request.headers:
        return Response("", status, {"hx-redirect": sign_in})
    if sign_in and wants_page and request.method == "GET":
        return RedirectResponse(_returning(sign_in, request), HTTPStatus.SEE_OTHER)
    if wants_page:
        who: Principal | None = getattr(request.state, "who", None)
        title = _TITLES.get(status, HTTPStatus(status).phrase)
        page = render("error.html", title=title, status=status, detail=detail, who=who)
        return Response(page, status, media_type="text/html")
    return problem(status, reworded(detail) if _is_of_person(request) else detail)


def _is_of_person(request: Request) -> bool:
    """Whether a browser asks, which says so or has the language that its person chose; programs get English."""
    return "sec-fetch-site" in request.headers or LANGUAGE_COOKIE in request.cookies


def _returning(address: str, request: Request) -> str:
    """The sign-in page, with the address to return to."""
    target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return address if target == "/" else f"{address}?{urlencode({'next': target})}"


async def answer_error(request: Request, error: Exception) -> Response:
    """The answer to an error of this program, or to one with a status."""
    if isinstance(error, MiqaError):
        status = next((s for kind, s in _STATUSES if isinstance(error, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)
        return _answer(request, status, str(error))
    if not isinstance(error, HTTPException):
        raise error
    if error.detail == _UNREADABLE_BODY:
        return _answer(request, HTTPStatus.UNPROCESSABLE_ENTITY, _NO_JSON)
    reason = error.detail if error.detail != HTTPStatus(error.status_code).phrase else ""
    detail = reason or _DETAILS.get(error.status_code, "")
    if allow := (error.headers or {}).get("Allow"):
        detail = Phrase("This address takes {allowed}, not {method}.", allowed=allow, method=request.method)
    response = _answer(request, error.status_code, detail)
    response.headers.update(error.headers or {})
    return response


async def _on_invalid(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    # The rejected values themselves are not echoed.
    why = partial(what_is_wrong, shown=False, forms=FORMS, say=say if _is_of_person(request) else in_english)
    errors = [
        {"where": ".".join(map(str, e["loc"])), "why": why(e, choices=_keys(request, e["loc"]))} for e in error.errors()
    ]
    detail = "; ".join(f"{e['where']}: {e['why']}" for e in errors)
    if request.url.path.startswith(("/api/", "/predict")):
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=errors)
    if "text/html" not in request.headers.get("accept", ""):
        return _answer(request, HTTPStatus.UNPROCESSABLE_ENTITY, detail)
    unknown = [e["loc"] for e in error.errors() if e["type"] == "extra_forbidden" and e["loc"][0] == "query"]
    if unknown:
        fields, keys = ", ".join(map(_field, unknown)), ", ".join(_keys(request, unknown[0]))
        detail = say("This page does not know {fields} in its address. It knows {keys}.", fields=fields, keys=keys)
        return _answer(request, HTTPStatus.UNPROCESSABLE_ENTITY, detail)
    # That a value is not empty either says nothing to people.
    wrong = [e for e in error.errors() if e.get("ctx", {}).get("expected") != "''"] or error.errors()
    fields = ", ".join(dict.fromkeys(_field(e["loc"]) for e in wrong))
    whys = " ".join(dict.fromkeys(what_is_wrong(e, shown=False, forms=FORMS, say=say) for e in wrong))
    detail = say(
        "The value of {fields} is not valid. {whys} Go back, correct it and try again.", fields=fields, whys=whys
    )
    return _answer(request, HTTPStatus.UNPROCESSABLE_ENTITY, detail)


def _keys(request: Request, where: tuple[int | str, ...]) -> Iterator[str]:
    """The keys that the address, or the body, may have in which an error lies; none deeper in it."""
    dependants = [request.scope["route"].dependant] if len(where) == 2 else []
    for dependant in dependants:
        dependants += dependant.dependencies
        parameters = {"query": dependant.query_params, "body": dependant.body_params}
        for parameter in parameters.get(str(where[0]), ()):
            fields = getattr(parameter.field_info.annotation, "model_fields", None)
            yield from (parameter.alias,) if fields is None else fields


def check_parameters(request: Request) -> None:
    """A dependency of what programs read: RequestValidationError for a parameter that would have no effect."""
    if not request.query_params or request.method != "GET" or not request.url.path.startswith("/api/v1/"):
        return  # QIDO-RS and WADO-RS say for themselves what they ignore (PS3.18 8.3.4)
    names = list(dict.fromkeys(_keys(request, ("query", ""))))
    if unknown := [name for name in request.query_params if name not in (*names, "key")]:  # of a display's address
        listed = ", ".join(names) or "none"
        why = [Phrase("unknown parameter {name}; known are {known}.", name=one[:64], known=listed) for one in unknown]
        raise RequestValidationError(
            [
                {"loc": ("query", one), "type": "value_error", "ctx": {"error": text}}
                for one, text in zip(unknown, why, strict=True)
            ]
        )


def _field(where: tuple[int | str, ...]) -> str:
    """The field of a form or an address, from pydantic's location of the error.

    >>> _field(("query", "since", "literal['']")), _field(("body",))
    ('“since”', '“body”')
    """
    return f"“{where[1] if len(where) > 1 else where[0]}”"


async def _on_bug(request: Request, error: Exception) -> Response:
    log.error("request failed", path=request.scope["route"].path if "route" in request.scope else "", exc_info=error)
    return _answer(request, HTTPStatus.INTERNAL_SERVER_ERROR, "The node's log has the details.")

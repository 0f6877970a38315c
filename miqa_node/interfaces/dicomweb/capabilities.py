"""DICOMweb capabilities of the node (PS3.18 8.9): every resource with its methods and media types, as WADL or JSON.

The description is generated from the routes, so it cannot contradict them.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from miqa_node.interfaces.dicomweb.accept import DICOM, OCTETS, RELATED, accepted, not_acceptable
from miqa_node.interfaces.dicomweb.dicomweb import DICOM_JSON
from miqa_node.interfaces.web.access import Reader
from miqa_node.interfaces.web.page import PAGES, Page
from miqa_node.interfaces.web.problems import responses

PREFIX = "/api/dicom-web"
WADL = "application/vnd.sun.wadl+xml"
JSON = "application/json"
_NAMESPACE = "http://wadl.dev.java.net/2009/02"
_PICTURES = ("image/jpeg", "image/png")
_MEDIA_TYPES = {
    "frames": (f'{RELATED}; type="{OCTETS}"',),
    "bulkdata": (OCTETS, f'{RELATED}; type="{OCTETS}"'),
    "rendered": _PICTURES,
    "thumbnail": _PICTURES,
}
"""Media types of answers, by the last word of the path."""
_LISTS = frozenset({"studies", "series", "instances", "metadata"})
"""Last parts of paths that return a list."""

router = APIRouter(prefix=PREFIX, tags=["dicomweb"], default_response_class=Response)


@dataclass(frozen=True, slots=True)
class WebResource:
    """A path below the service's address, with variables in braces; ``media_types`` are those of its answers."""

    path: str
    method: str
    summary: str
    media_types: tuple[str, ...]
    statuses: tuple[int, ...]
    """Statuses other than 200."""


@router.get(
    "/",
    summary="What DICOMweb offers",
    responses=responses(400, 401, 403, 406, 503, media=("application/json", WADL)),
)
def capabilities(request: Request, _who: Reader) -> Response:
    """The resources as WADL, or as JSON; OPTIONS of this address gives the same."""
    resources = web_resources()
    for one in accepted(request):
        if one.covers(WADL):
            return Response(_as_wadl(resources, f"{request.base_url}{PREFIX[1:]}/"), media_type=WADL)
        if one.covers(JSON):
            return JSONResponse([_as_json(resource) for resource in resources])
    raise not_acceptable(f"{WADL} or {JSON}")


def web_resources() -> list[WebResource]:
    """The resources of DICOMweb among the routes of all pages, in the order of their paths."""
    routes = [route for page in PAGES.all().values() for route in page.router.routes]
    own = [route for route in routes if isinstance(route, APIRoute) and route.path.startswith(f"{PREFIX}/")]
    resources = [
        WebResource(
            route.path.removeprefix(f"{PREFIX}/").replace(":path", ""),
            method,
            route.summary or "",
            _media_types(route.path, method),
            tuple(sorted(int(status) for status in route.responses if int(status) != 200)),
        )
        for route in own
        for method in sorted(route.methods or ())
    ]
    return sorted(resources, key=lambda one: (one.path, one.method))


def _media_types(path: str, method: str) -> tuple[str, ...]:
    parts = path.removeprefix(f"{PREFIX}/").split("/")
    if parts == [""]:
        return (WADL, JSON)
    words = [part for part in reversed(parts) if part in _MEDIA_TYPES]
    if words:
        return _MEDIA_TYPES[words[0]]
    return (DICOM_JSON,) if method == "POST" or parts[-1] in _LISTS else (f'{RELATED}; type="{DICOM}"',)


def _as_wadl(resources: Sequence[WebResource], base: str) -> bytes:
    root = ET.Element("application", {"xmlns": _NAMESPACE})
    within = ET.SubElement(root, "resources", {"base": base})
    by_path: dict[str, ET.Element] = {}
    for one in resources:
        if one.path not in by_path:
            by_path[one.path] = ET.SubElement(within, "resource", {"path": one.path})
        method = ET.SubElement(by_path[one.path], "method", {"name": one.method, "id": _identifier(one)})
        answer = ET.SubElement(method, "response", {"status": "200"})
        for media_type in one.media_types:
            ET.SubElement(answer, "representation", {"mediaType": media_type})
        if one.statuses:
            ET.SubElement(method, "response", {"status": " ".join(map(str, one.statuses))})
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def _identifier(one: WebResource) -> str:
    words = "".join(character if character.isalnum() else "_" for character in one.path)
    return f"{one.method}_{words}".rstrip("_")


def _as_json(one: WebResource) -> dict[str, object]:
    return {
        "path": one.path,
        "method": one.method,
        "summary": one.summary,
        "mediaTypes": list(one.media_types),
        "statuses": [200, *one.statuses],
    }


PAGE = Page(router, rest=True)

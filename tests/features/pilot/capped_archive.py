"""An archive that gives at most so many matches of a search, by C-FIND and by QIDO-RS: a peer with real sockets.

It says so in its own way: refuses the search, ends it with a status behind its last match, warns, or says nothing.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset
from pynetdicom import AE, evt

from miqa_node.stages.deliver.retrieval import FIND
from tests.conftest import free_port
from tests.stages.deliver.serving import QuietHandler, serving

KEYS = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}
PARTS = {"studies": "STUDY", "series": "SERIES", "instances": "IMAGE"}


def image(number: int, day: str, time: str, *, series: int = 2, images: int = 2, **more: str) -> dict[str, str]:
    """One of the images of a department: so many series in a study, and images in a series."""
    study, of = divmod(number, series * images)
    return {
        "StudyInstanceUID": f"1.2.{day}.{study}", "StudyDate": day, "StudyTime": time, "ModalitiesInStudy": "DX",
        "SeriesInstanceUID": f"1.2.{day}.{study}.{of // images}", "Modality": "DX", "StationName": "ROOM1",
        "BodyPartExamined": "CHEST", "NumberOfSeriesRelatedInstances": str(images), "PatientID": f"P{study}",
        "SOPInstanceUID": f"1.2.{day}.{study}.{of // images}.{of % images}",
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.1.1", **more,
    }  # fmt: skip


@dataclass
class CappedArchive:
    """``how`` is "refuse" (0xA700 instead of matches), "end" (0xA700 behind them), "cancel", "warn" or "silent".

    ``lists`` is how often each match is listed; without ``offset`` or ``times`` it ignores these.
    """

    images: Sequence[Mapping[str, str]]
    cap: int = 10**9
    how: str = "silent"
    lists: int = 1
    offset: bool = True
    times: bool = True
    queries: list[str] = field(default_factory=list)

    def matches(self, level: str, keys: Mapping[str, str]) -> list[Mapping[str, str]]:
        """All that match, whatever the cap."""
        self.queries.append(level)
        exact = {key: value for key, value in keys.items() if value and key != "StudyTime"}
        first, _, last = keys.get("StudyTime", "").partition("-") if self.times else ("", "", "")
        matches: dict[str, Mapping[str, str]] = {}
        for one in self.images:
            is_then = not first or first <= one["StudyTime"] <= last
            if is_then and all(one.get(key) == value for key, value in exact.items()):
                matches[one[KEYS[level]]] = one
        return [one for one in matches.values() for _ in range(self.lists)]

    @contextmanager
    def finding(self) -> Iterator[dict[str, Any]]:
        """It as a destination of kind ``cstore``."""
        logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)
        ae, port = AE("ARCHIVE"), free_port()
        ae.add_supported_context(FIND)
        server: Any = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_FIND, self._find)])
        try:
            yield {"kind": "cstore", "ae_title": "ARCHIVE", "host": "127.0.0.1", "port": port}
        finally:
            server.shutdown()

    def _find(self, event: Any) -> Iterator[tuple[int, Dataset | None]]:
        query = event.identifier
        keys = {one.keyword: str(one.value or "") for one in query if one.keyword != "QueryRetrieveLevel"}
        matches = self.matches(query.QueryRetrieveLevel, keys)
        is_cut = len(matches) > self.cap
        for one in matches[: 0 if is_cut and self.how == "refuse" else self.cap]:
            match = Dataset()
            match.QueryRetrieveLevel = query.QueryRetrieveLevel
            for key in keys:
                setattr(match, key, one.get(key, ""))
            yield 0xFF00, match
        if is_cut and self.how in ("refuse", "end", "cancel"):
            yield 0xFE00 if self.how == "cancel" else 0xA700, None

    @contextmanager
    def searching(self) -> Iterator[dict[str, Any]]:
        """It as a destination of kind ``stow``."""
        archive = self

        class Handler(QuietHandler):
            def do_GET(self) -> None:  # noqa: N802 - as the library calls it
                status, warning, body = archive.page(self.path)
                self.send_response(status)
                self.send_header("Content-Type", "application/dicom+json")
                self.send_header("Content-Length", str(len(body)))
                if warning:
                    self.send_header("Warning", warning)
                self.end_headers()
                self.wfile.write(body)

        with serving(Handler) as url:
            yield {"kind": "stow", "url": url}

    def page(self, address: str) -> tuple[int, str, bytes]:
        """Status, Warning and body of a search."""
        path, terms = urlsplit(address).path.strip("/").split("/"), parse_qsl(urlsplit(address).query)
        keys = {key: value for key, value in terms if key[0].isupper()}
        keys |= {KEYS[PARTS[name]]: uid for name, uid in zip(path[:-1:2], path[1::2], strict=True)}
        matches, options = self.matches(PARTS[path[-1]], keys), dict(terms)
        start = int(options.get("offset", 0)) if self.offset else 0
        page = matches[start : start + min(self.cap, int(options["limit"]))]
        if not page:
            return HTTPStatus.NO_CONTENT, "", b""
        more = len(matches) - start - len(page)
        warning = f'299 pacs: "There are {more} additional results that can be requested"'
        body = json.dumps([dict(_element(key, value) for key, value in one.items()) for one in page]).encode()
        return HTTPStatus.OK, warning if more and self.how == "warn" else "", body


def _element(keyword: str, value: str) -> tuple[str, dict[str, Any]]:
    return f"{tag_for_keyword(keyword):08X}", {"vr": dictionary_VR(keyword), "Value": [value]}

"""Writes searches of an archive as paths of QIDO-RS, and reads their matches (PS3.18 10.6)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from pydicom.datadict import tag_for_keyword

from miqa_node.core.language.phrase import Phrase
from miqa_node.errors import DeliveryError

MATCHES_PER_PAGE = 500
LEAST_LIMIT = 10
"""Nobody sets a lower limit: shorter pages are the last, unless the service says otherwise."""
MORE_THERE = Phrase("The service gives {number} matches of a search, and says that there are more.")
MAX_MATCHES_BYTES = 64 << 20
_PLACES = {"STUDY": (), "SERIES": ("StudyInstanceUID",), "IMAGE": ("StudyInstanceUID", "SeriesInstanceUID")}
_NAMES = ("studies", "series", "instances")


def search_path(level: str, keys: Mapping[str, str], offset: int) -> str:
    """The path of one page of matches; UIDs of higher levels are parts of it.

    >>> search_path("SERIES", {"StudyInstanceUID": "1.2", "Modality": "DX", "StationName": ""}, 0)
    '/studies/1.2/series?Modality=DX&includefield=StationName&limit=500'
    """
    above = _PLACES[level]
    path = "".join(f"/{name}/{keys[keyword]}" for name, keyword in zip(_NAMES, above, strict=False))
    terms = [(keyword, value) for keyword, value in keys.items() if value and keyword not in above]
    terms += [("includefield", keyword) for keyword, value in keys.items() if not value]
    terms += [("limit", str(MATCHES_PER_PAGE)), *([("offset", str(offset))] if offset else [])]
    return f"{path}/{_NAMES[len(above)]}?{urlencode(terms)}"


def says_more(warning: str) -> bool:
    """Whether a header Warning says that there are more matches (PS3.18 8.3.4.4); others are about single keys.

    >>> says_more('299 pacs: "There are 150 additional results that can be requested"'), says_more("299 - no wildcards")
    (True, False)
    """
    return bool(re.search(r"additional|more|remaining|exceed|limit|truncat|partial", warning, re.IGNORECASE))


def read_matches(body: bytes, keys: Mapping[str, str]) -> list[dict[str, str]]:
    r"""The matches by keyword; DeliveryError if they cannot be read.

    >>> read_matches(b'[{"00100010": {"Value": [{"Alphabetic": "A^B"}]}}]', {"PatientName": "", "StationName": ""})
    [{'PatientName': 'A^B', 'StationName': ''}]
    """
    try:
        return [{keyword: _text(one, keyword) for keyword in keys} for one in json.loads(body or b"[]")]
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
        raise DeliveryError("The service's answer cannot be read as matches of a search.") from error


def _text(match: Mapping[str, Any], keyword: str) -> str:
    values = match.get(f"{tag_for_keyword(keyword):08X}", {}).get("Value", [])
    texts = [value.get("Alphabetic") if isinstance(value, dict) else value for value in values]  # a name (PS3.18 F.2.2)
    return "\\".join("" if one is None else str(one) for one in texts).strip()

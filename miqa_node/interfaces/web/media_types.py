"""The types of request bodies that the shell treats apart."""

from __future__ import annotations

from starlette.datastructures import Headers

UPLOAD_TYPE = "multipart/form-data"
STOW_TYPE = "multipart/related"
CSV_TYPE = "text/csv"


def content_type(headers: Headers) -> str:
    """The media type of a request, without parameters."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()

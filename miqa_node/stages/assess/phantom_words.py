"""Elements of a slice's header that only phantoms are asked for, as texts."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

from miqa_node.dicom.bytes.head import read_some, tags_of


def header_texts(path: Path, keywords: Sequence[str]) -> dict[str, str]:
    """The texts of elements by their keyword, empty where the header lacks one or cannot be read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            header = read_some(path, tags_of(keywords))
            return {keyword: str(header.get(keyword) or "") for keyword in keywords}
        except Exception:  # noqa: BLE001 - any that pydicom raises for a damaged value; it is only a hint
            return dict.fromkeys(keywords, "")


def header_number(texts: dict[str, str], keyword: str) -> float | None:
    """The number of an element; None if there is none."""
    try:
        return float(texts[keyword])
    except ValueError:
        return None

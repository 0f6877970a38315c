"""The character set of a result: the source's if it can encode the node's text, otherwise UTF-8.

Inherited text stays byte for byte as long as the set is unchanged. For UTF-8 it is recoded, but only if every value can
be decoded unambiguously. If a source violates its own declaration, the node's text is spelled in ASCII instead, with
code points for characters without a spelling, so that nothing turns into a question mark.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.valuerep import CUSTOMIZABLE_CHARSET_VR

from miqa_node.dicom.bytes.charsets import ASCII, WITHOUT_EXTENSION, holds
from miqa_node.dicom.bytes.spelling import TYPOGRAPHY, spelled
from miqa_node.stages.report.elements import elements_of


def decimal(value: float) -> str:
    """A decimal string of at most 16 characters (PS3.5 6.2).

    >>> decimal(1 / 3), decimal(-1e-20)
    ('0.3333333333', '-1e-20')
    """
    return f"{value:.10g}"[:16]


def typed_text(text: str, limit: int | None = None) -> str:
    r"""A person's text as one line of at most ``limit`` characters; a backslash, the value separator, becomes a slash.

    >>> typed_text("Größe: 37° \n患者が動いた")
    'Größe: 37° 患者が動いた'
    """
    if not (text.isascii() and text.isprintable()):
        text = "".join(" " if unicodedata.category(one) == "Cc" else one for one in text)
    return " ".join(text.replace("\\", "/").split())[:limit].strip()


def phrase(text: str, limit: int | None = None) -> str:
    """A phrase of the node or of a package: the same, with typographic signs spelled out.

    >>> phrase("Aufnahme zu spät – ≥ 5 %")
    'Aufnahme zu spät - >= 5 %'
    """
    return typed_text(text.translate(TYPOGRAPHY), limit)


def fitting_sets(own: Dataset, declared: Sequence[str], further: Iterable[str] = ()) -> tuple[str, ...] | None:
    """The character sets for ``own`` in the form of pydicom's writer; None if the declared ones cannot encode it.

    ``further`` has texts in addition to those of ``own``.

    ASCII is part of every set in PS3.3 C.12.1.1.2, including sets without a codec on this machine. A result is not
    written in a set that the standard does not define.
    """
    if WITHOUT_EXTENSION.keys() & set(declared):
        return None
    texts = [*_texts(own), *further]
    together = "".join(texts)
    roman = "~" in together and any(name.endswith("IR 13") for name in declared)
    if together.isascii() and not roman:
        return ASCII
    if roman or not all(holds(one, declared) for one in texts if not one.isascii()):
        return None
    return tuple(declared)


def spell_texts(own: Dataset) -> None:
    """Replace non-ASCII characters in all texts of ``own``."""
    for item, element in _elements(own):
        value = element.value
        if isinstance(value, MultiValue):
            item[element.tag].value = [spelled(str(one)) for one in value]
        elif value:
            item[element.tag].value = spelled(str(value))


def _elements(ds: Dataset) -> Iterator[tuple[Dataset, DataElement]]:
    for element in elements_of(ds).values():
        if element.VR == "SQ":
            for item in element.value:
                yield from _elements(item)
        elif element.VR in CUSTOMIZABLE_CHARSET_VR:
            yield ds, element


def _texts(own: Dataset) -> Iterator[str]:
    for _, element in _elements(own):
        value = element.value
        yield from map(str, value if isinstance(value, MultiValue) else [value or ""])

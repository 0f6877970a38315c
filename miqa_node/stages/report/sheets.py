"""A report as sheets: headings, sentences, figures by name and tables, in the current language.

HTML and PDF have the same content.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from miqa_node.core.language.catalogue import numerals
from miqa_node.libraries.plain_statistics.agreement import Agreement
from miqa_node.libraries.plain_statistics.rates import Rate


@dataclass(frozen=True, slots=True)
class Sheet:
    """One section. ``rows`` begins with the heads; the first column is text, the others are numbers.

    ``photographs`` are (data URI, caption); HTML alone has them.
    """

    heading: str
    sentences: Sequence[str] = ()
    picture: str = ""
    rows: Sequence[Sequence[str]] = field(default=())
    photographs: Sequence[tuple[str, str]] = ()


def share(rate: Rate) -> str:
    """A share with its limits in one cell."""
    if rate.share is None or rate.low is None or rate.high is None:
        return "–"
    return numerals(f"{100 * rate.share:.1f} % ({100 * rate.low:.1f}–{100 * rate.high:.1f})")


def coefficient(agreement: Agreement) -> str:
    """A kappa or AC1 with its limits in one cell."""
    if agreement.kappa is None:
        return "–"
    return numerals(f"{agreement.kappa:.2f} ({agreement.low:.2f}–{agreement.high:.2f})")

"""The analysis as rows, for CSV files: counts, and shares with their intervals."""

from __future__ import annotations

from collections.abc import Iterator

from miqa_node.analysis.rejects import Group, RejectAnalysis
from miqa_node.statistics.rates import Rate

REJECT_COLUMNS = [
    "dimension", "value", "images", "rejected", "reject_share", "reject_low", "reject_high", "flagged", "flagged_share",
    "repeated", "repeated_share", "level", "decided", "logged",
]  # fmt: skip


def reject_rows(analysis: RejectAnalysis) -> Iterator[list[object]]:
    """Heads, the total, every value of every dimension, and the reasons."""
    yield list(REJECT_COLUMNS)
    whole = Group("", analysis.total.images, analysis.rejected, analysis.flagged, analysis.repeated, analysis.coverage,
                  analysis.level, analysis.logged)  # fmt: skip
    yield ["all", *_group(whole)]
    for dimension, groups in analysis.groups.items():
        for group in groups:
            yield [dimension, *_group(group)]
    for reason in analysis.reasons:
        share = reason.of_images
        words = f"{reason.code} {reason.words}".strip()
        yield ["reason", words, share.total, share.count, *_share(share), "", "", "", "", "", "", ""]
    for source in analysis.sources:
        yield ["source", safe(source), *[""] * (len(REJECT_COLUMNS) - 2)]


def _group(group: Group) -> list[object]:
    return [
        safe(group.value),
        group.images,
        group.rejected.count,
        *_share(group.rejected),
        group.flagged.count,
        _number(group.flagged.share),
        group.repeated.count,
        _number(group.repeated.share),
        group.level.value,
        group.coverage.count,
        group.logged,
    ]


def _share(rate: Rate) -> list[object]:
    return [_number(rate.share), _number(rate.low), _number(rate.high)]


def _number(value: float | None) -> object:
    return "" if value is None else round(value, 6)


def safe(text: str) -> str:
    """Text that a spreadsheet does not treat as a formula; header values may contain anything.

    >>> safe("=1+1"), safe("Room 1")
    ("'=1+1", 'Room 1')
    """
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text

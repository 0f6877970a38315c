"""The analysis as rows, for CSV files: counts, and shares with their intervals."""

from __future__ import annotations

from collections.abc import Iterator

from miqa_node.features.analysis.rejects import Group, RejectAnalysis
from miqa_node.features.analysis.watch import ModelWatch
from miqa_node.libraries.plain_statistics.agreement import Agreement
from miqa_node.libraries.plain_statistics.rates import Rate

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
        yield ["source", source, *[""] * (len(REJECT_COLUMNS) - 2)]


WATCH_COLUMNS = ["figure", "of", "value", "low", "high", "count", "total", "says"]


def watch_rows(model_watch: ModelWatch) -> Iterator[list[object]]:
    """Heads, and each figure of the watch over the model; a value is a share, a kappa, a PSI or a calibration error."""
    yield list(WATCH_COLUMNS)
    yield _rate("precision", "", model_watch.precision)
    yield from (_rate("precision", one.room, one.confirmed) for one in model_watch.rooms)
    yield _rate("missed", "", model_watch.missed)
    if model_watch.agreement:
        yield from _agreement("model_and_people", "", model_watch.agreement)
    yield from _agreement("two_readers", "", model_watch.second_readings)
    for curve in model_watch.curves:
        yield ["calibration_error", curve.finding, _number(curve.error), "", "", "", curve.judged, ""]
        yield from (_rate(f"confirmed_at_{one.probability:.2f}", curve.finding, one.confirmed) for one in curve.points)
    for chart in model_watch.charts:
        for change in chart.chart.changes:
            since = f"since {chart.starts[change.index]}, before {_number(change.before)}"
            yield ["finding_changed", chart.finding, _number(change.after), "", "", "", chart.images, since]
    for one in model_watch.drifts:
        of = one.drift
        yield [
            "drift_psi",
            one.measurement,
            _number(of.psi),
            "",
            _number(of.by_chance),
            of.current,
            of.reference,
            of.word,
        ]
    for shadow in model_watch.shadows:
        yield from _agreement("shadow", shadow.package, shadow.agreement)
    for place in model_watch.recurrences:
        at = f"x {place.x:.2f}, y {place.y:.2f}"
        share = _number(place.patients / place.seen)
        yield ["recurring_place", place.detector, share, "", "", place.patients, place.seen, at]


def _rate(figure: str, of: str, rate: Rate) -> list[object]:
    return [figure, of, *_share(rate), rate.count, rate.total, ""]


def _agreement(figure: str, of: str, both: Agreement) -> Iterator[list[object]]:
    judged = round(both.judged, 1)
    yield [f"{figure}_agree", of, _number(both.observed), "", "", "", judged, ""]
    yield [f"{figure}_kappa", of, _number(both.kappa), _number(both.low), _number(both.high), "", judged, ""]


def _group(group: Group) -> list[object]:
    return [
        group.value,
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

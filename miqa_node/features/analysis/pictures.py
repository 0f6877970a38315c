"""The figures of a page or report, by name; the tables have the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

from miqa_node.core.drawing import Drawing, Ink
from miqa_node.core.language.catalogue import reworded, say
from miqa_node.features.analysis.figures import Bar, CoursePoint, bars, control_chart, course, places, reliability
from miqa_node.features.analysis.rejects import Group, Level, RejectAnalysis
from miqa_node.features.analysis.sheets import value_words
from miqa_node.features.analysis.watch import ModelWatch

MOST_BARS = 12
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
INKS: dict[Level, Ink] = {Level.INVESTIGATE: "bad", Level.ABOVE_TARGET: "change", Level.FEW: "faint"}

Exposures = Callable[[str, str, int], str]
"""The address of the exposures that have a value of a dimension, of which so many were rejected here; "" for none."""


def reject_pictures(analysis: RejectAnalysis, exposures: Exposures | None = None) -> dict[str, Drawing]:
    """Figures of the reject analysis: "trend", "exposure", "reasons", and one for each dimension with values.

    With ``exposures`` each bar leads to what it counts.
    """
    labels = [_label(point.start, analysis.step) for point in analysis.trend]
    pictures: dict[str, Drawing] = {}
    if analysis.trend:
        trend = control_chart(
            say("Reject rate by {step}, with control limits.", step=reworded(analysis.step)), labels, analysis.chart
        )
        pictures["trend"] = trend
    deviations = [point.exposure.deviation for point in analysis.trend]
    if any(value is not None for value in deviations):
        pictures["exposure"] = course(
            say(
                "Mean deviation index by {step}; 0 is the intended exposure, ±3 double and half.",
                step=reworded(analysis.step),
            ),
            [CoursePoint(label, value) for label, value in zip(labels, deviations, strict=True)],
            "",
            lines=[(0.0, "axis", say("as intended"))],
            zero=False,
        )
    if analysis.reasons:
        rows = [
            Bar(
                reworded(reason.words),
                reason.of_images,
                address="" if exposures is None else exposures("reason", reason.code, reason.here),
            )
            for reason in analysis.reasons[:MOST_BARS]
        ]
        pictures["reasons"] = bars(say("Rejected images by reason, as shares of all images."), rows)
    for name, groups in analysis.groups.items():
        if groups:
            pictures[name] = _groups(name, groups, analysis, exposures)
    return pictures


def watch_pictures(model_watch: ModelWatch) -> dict[str, Drawing]:
    """Figures of the model watch: "rooms", "curve NAME", "chart NAME" and "place NUMBER"."""
    pictures: dict[str, Drawing] = {}
    if model_watch.rooms:
        rows = [Bar(room.room, room.confirmed) for room in model_watch.rooms[:MOST_BARS]]
        pictures["rooms"] = bars(say("Flagged images that people confirmed, by room."), rows)
    for curve in model_watch.curves:
        points = [(point.probability, point.confirmed) for point in curve.points]
        pictures[f"curve {curve.finding}"] = reliability(
            say(
                "{finding}: probability said by the model against the share that people confirmed.",
                finding=reworded(curve.words),
            ),
            points,
        )
    for chart in model_watch.charts:
        labels = [_label(start, "day") for start in chart.starts]
        pictures[f"chart {chart.finding}"] = control_chart(
            say(
                "{finding}: share of images in which it is present, with control limits.",
                finding=reworded(chart.words),
            ),
            labels,
            chart.chart,
            height=140.0,
        )
    for number, place in enumerate(model_watch.recurrences):
        pictures[f"place {number}"] = places(
            say(
                "Place on the detector: {across} across, {down} down.",
                across=f"{100 * place.x:.0f} %",
                down=f"{100 * place.y:.0f} %",
            ),
            [(place.x, place.y)],
        )
    return pictures


def _groups(name: str, groups: Sequence[Group], analysis: RejectAnalysis, exposures: Exposures | None) -> Drawing:
    rows = [
        Bar(
            value_words(name, group.value),
            group.rejected,
            INKS.get(group.level, "data"),
            exposures(name, group.value, group.rejected.count - group.logged) if exposures is not None else "",
        )
        for group in groups[:MOST_BARS]
    ]
    lines: list[tuple[float, Ink]] = [(analysis.target_percent, "target"), (analysis.action_percent, "action")]
    words = name.replace("_", " ")
    title = say("Reject rate, with intervals, target and action line: {dimension}.", dimension=reworded(f"By {words}"))
    return bars(title, rows, lines)


def _label(start: date, step: str) -> str:
    month = reworded(MONTHS[start.month - 1])[:3]
    return f"{month} {start.year}" if step == "month" else f"{start:%d} {month}"

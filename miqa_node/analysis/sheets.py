"""What a report says, in order: headings, sentences, figures by name and tables; HTML and PDF show the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from miqa_node.analysis.rejects import Group, RejectAnalysis
from miqa_node.analysis.watch import ModelWatch
from miqa_node.report.measurement_codes import measurement_code
from miqa_node.statistics.rates import Rate

MOST_ROWS = 40
"""Of a table in the report; the CSV has all."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One section. ``rows`` begins with the heads; the first column is text, the others are numbers."""

    heading: str
    sentences: Sequence[str] = ()
    picture: str = ""
    rows: Sequence[Sequence[str]] = field(default=())


def sheets_of(found: RejectAnalysis, watched: ModelWatch) -> list[Sheet]:
    """The whole report."""
    sheets = [_summary(found), _trend(found), _reasons(found)]
    sheets += [_dimension(name, groups) for name, groups in found.groups.items() if groups]
    if found.exposures:
        sheets.append(_exposure(found))
    sheets += [_archive(found), _model(watched)]
    return sheets


def share(rate: Rate) -> str:
    """A share with its limits in one cell."""
    if rate.share is None or rate.low is None or rate.high is None:
        return "–"
    return f"{100 * rate.share:.1f} % ({100 * rate.low:.1f}–{100 * rate.high:.1f})"


def _summary(found: RejectAnalysis) -> Sheet:
    judgement = {
        "fine": "below the target",
        "above target": "above the target",
        "investigate": "surely above the action line: investigate",
        "too few images": "not judged, since there are too few images",
    }[found.level.value]
    sentences = (
        f"{found.total.images} exposures of patients, {found.rejected.count} rejected: {share(found.rejected)}.",
        f"The rate is {judgement} (target {found.target_percent:g} %, action {found.action_percent:g} %).",
    )
    rows = [
        ("", "Images", "Of", "Share (95 % interval)"),
        *(
            (name, str(rate.count), str(rate.total), share(rate))
            for name, rate in (
                ("Rejected", found.rejected),
                ("Flagged by the model", found.flagged),
                ("Repeated without a rejection", found.repeated),
                ("Judged bad, and in the archive", found.escaped),
                ("Suspected, and in the archive", found.suspected),
            )
        ),
    ]
    return Sheet("Summary", sentences, rows=rows)


def _trend(found: RejectAnalysis) -> Sheet:
    changes = [
        f"From {found.trend[change.index].start} on the rate is {100 * change.after:.1f} % "
        f"instead of {100 * change.before:.1f} %."
        for change in found.chart.changes
    ]
    outside = [point.start for point, at in zip(found.trend, found.chart.points, strict=True) if at.outside]
    if outside:
        changes.append("Out of control limits: " + ", ".join(str(day) for day in outside) + ".")
    return Sheet("Over time", changes or ["The process was steady."], "trend")


def _reasons(found: RejectAnalysis) -> Sheet:
    rows = [
        ("Reason", "Images", "Of all images", "Of rejections"),
        *(
            (one.words, str(one.of_images.count), share(one.of_images), share(one.of_rejections))
            for one in found.reasons
        ),
    ]
    if not found.reasons:
        return Sheet("Why images were rejected", ["Nothing was rejected."])
    return Sheet("Why images were rejected", (), "reasons", rows)


def _dimension(name: str, groups: Sequence[Group]) -> Sheet:
    words = name.replace("_", " ")
    rows = [(words.capitalize(), "Images", "Rejected", "Rate (95 % interval)", "Flagged", "Repeated", "Level")]
    rows += [
        (
            one.value or "not given", str(one.images), str(one.rejected.count), share(one.rejected),
            _percent(one.flagged), _percent(one.repeated), one.level.value,
        )
        for one in groups[:MOST_ROWS]
    ]  # fmt: skip
    left_out = [f"{len(groups) - MOST_ROWS} more are in the CSV."] if len(groups) > MOST_ROWS else []
    return Sheet(f"By {words}", left_out, name, rows)


def _exposure(found: RejectAnalysis) -> Sheet:
    rows = [("Station", "Images with DI", "Mean DI", "SD", "Below −3", "Above +3", "Mean EI")]
    rows += [
        (
            one.value or "not given", str(one.deviations), _number(one.deviation, "+.2f"), _number(one.spread, ".2f"),
            _percent(one.low), _percent(one.high), _number(one.exposure_index, ".0f"),
        )
        for one in found.exposures[:MOST_ROWS]
    ]  # fmt: skip
    return Sheet("Exposure", (), "exposure", rows)


def _archive(found: RejectAnalysis) -> Sheet:
    rejected_elsewhere = sum(note.images for note in found.notes)
    sentences = (
        f"{found.escaped.count} images were judged bad by people and never rejected; the archive has them.",
        f"{found.suspected.count} more have the model's verdict REJECT, and nobody has looked at them.",
        f"{rejected_elsewhere} images were rejected by notes of other systems.",
    )
    return Sheet("What reached the archive", sentences)


def _model(watched: ModelWatch) -> Sheet:
    readers = watched.second_readings
    kappa = "" if readers.kappa is None else f", κ {readers.kappa:.2f}"
    agreed = f"{100 * readers.observed:.1f} %{kappa}" if readers.observed is not None else "no image was read twice"
    drifted = [measurement_code(one.measurement).meaning for one in watched.drifts if one.drift.word == "drifted"]
    sentences = (
        f"Of flagged images that people judged they confirmed {share(watched.precision)} of {watched.precision.total}.",
        f"Of audited images that the model had accepted {share(watched.missed)} of {watched.missed.total} were bad.",
        f"Two readers agree: {agreed}.",
        "Drifted measurements: " + (", ".join(drifted) if drifted else "none") + ".",
        f"Places at which detectors show a defect again and again: {len(watched.recurrences)}.",
    )
    return Sheet("The model", sentences, "rooms")


def _percent(rate: Rate) -> str:
    return "–" if rate.share is None else f"{100 * rate.share:.1f} %"


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)

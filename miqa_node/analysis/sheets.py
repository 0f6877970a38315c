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


def sheets_of(analysis: RejectAnalysis, model_watch: ModelWatch) -> list[Sheet]:
    """The whole report."""
    sheets = [_summary(analysis), _trend(analysis), _reasons(analysis)]
    sheets += [_dimension(name, groups) for name, groups in analysis.groups.items() if groups]
    if analysis.exposures:
        sheets.append(_exposure(analysis))
    sheets += [_archive(analysis), _model(model_watch)]
    return sheets


def share(rate: Rate) -> str:
    """A share with its limits in one cell."""
    if rate.share is None or rate.low is None or rate.high is None:
        return "–"
    return f"{100 * rate.share:.1f} % ({100 * rate.low:.1f}–{100 * rate.high:.1f})"


def _summary(analysis: RejectAnalysis) -> Sheet:
    judgement = {
        "fine": "below the target",
        "above target": "above the target",
        "investigate": "surely above the action line: investigate",
        "too few images": "not judged, since there are too few images",
        "not measurable yet": "not measurable yet, since too few of the flagged images were read",
    }[analysis.level.value]
    read = analysis.coverage
    sentences = (
        f"{read.count} of {read.total} flagged images were decided by a person.",
        f"Counted are {'; '.join(analysis.sources)}. Images deleted at the modality are known from imported logs only.",
        f"{analysis.total.images} exposures, {analysis.rejected.count} rejected: {share(analysis.rejected)}.",
        f"The rate is {judgement} (target {analysis.target_percent:g} %, action {analysis.action_percent:g} %).",
    )
    rows = [
        ("", "Images", "Of", "Share (95 % interval)"),
        *(
            (name, str(rate.count), str(rate.total), share(rate))
            for name, rate in (
                ("Rejected", analysis.rejected),
                ("Flagged by the model", analysis.flagged),
                ("Repeated without a rejection", analysis.repeated),
                ("Judged bad, and in the archive", analysis.escaped),
                ("Suspected, and in the archive", analysis.suspected),
            )
        ),
    ]
    return Sheet("Summary", sentences, rows=rows)


def _trend(analysis: RejectAnalysis) -> Sheet:
    changes = [
        f"From {analysis.trend[change.index].start} on the rate is {100 * change.after:.1f} % "
        f"instead of {100 * change.before:.1f} %."
        for change in analysis.chart.changes
    ]
    outside = [point.start for point, at in zip(analysis.trend, analysis.chart.points, strict=True) if at.outside]
    if outside:
        changes.append("Out of control limits: " + ", ".join(str(day) for day in outside) + ".")
    return Sheet("Over time", changes or ["The process was steady."], "trend")


def _reasons(analysis: RejectAnalysis) -> Sheet:
    rows = [
        ("Reason", "Images", "Of all images", "Of rejections"),
        *(
            (one.words, str(one.of_images.count), share(one.of_images), share(one.of_rejections))
            for one in analysis.reasons
        ),
    ]
    if not analysis.reasons:
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


def _exposure(analysis: RejectAnalysis) -> Sheet:
    rows = [("Station", "Images with DI", "Mean DI", "SD", "Below −3", "Above +3", "Mean EI")]
    rows += [
        (
            one.value or "not given", str(one.deviations), _number(one.deviation, "+.2f"), _number(one.spread, ".2f"),
            _percent(one.low), _percent(one.high), _number(one.exposure_index, ".0f"),
        )
        for one in analysis.exposures[:MOST_ROWS]
    ]  # fmt: skip
    return Sheet("Exposure", (), "exposure", rows)


def _archive(analysis: RejectAnalysis) -> Sheet:
    rejected_elsewhere = sum(note.images for note in analysis.notes)
    sentences = (
        f"{analysis.escaped.count} images were judged bad by people and never rejected; the archive has them.",
        f"{analysis.suspected.count} more have the model's verdict REJECT, and nobody has looked at them.",
        f"{rejected_elsewhere} images were rejected by notes of other systems.",
    )
    return Sheet("What reached the archive", sentences)


def _model(model_watch: ModelWatch) -> Sheet:
    readers = model_watch.second_readings
    kappa = "" if readers.kappa is None else f", κ {readers.kappa:.2f}"
    agreed = f"{100 * readers.observed:.1f} %{kappa}" if readers.observed is not None else "no image was read twice"
    drifted = [measurement_code(one.measurement).meaning for one in model_watch.drifts if one.drift.word == "drifted"]
    precision, missed = model_watch.precision, model_watch.missed
    sentences = (
        f"Readers confirmed {share(precision)} of {precision.total} flagged images that they judged.",
        f"{share(missed)} of {missed.total} audited images that the model had accepted were bad.",
        f"Two readers agree: {agreed}.",
        "Drifted measurements: " + (", ".join(drifted) if drifted else "none") + ".",
        f"Places at which detectors show a defect again and again: {len(model_watch.recurrences)}.",
    )
    return Sheet("The model", sentences, "rooms")


def _percent(rate: Rate) -> str:
    return "–" if rate.share is None else f"{100 * rate.share:.1f} %"


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)

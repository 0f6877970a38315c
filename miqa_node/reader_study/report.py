"""The report of a reader study as sheets: the protocol first, then the results."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from miqa_node.analysis.pdf import write_pdf
from miqa_node.analysis.sheets import Sheet, share
from miqa_node.reader_study.mrmc import AreaUnderCurve, ReadingDifference
from miqa_node.reader_study.protocol import ReaderStudyProtocol
from miqa_node.reader_study.results import ReaderStudyResults
from miqa_node.statistics.agreement import Agreement
from miqa_node.store.reader_studies import StoredReaderStudy


def study_pdf(study: StoredReaderStudy, protocol: ReaderStudyProtocol, results: ReaderStudyResults) -> bytes:
    """The whole report; the same study gives the same bytes."""
    subtitle = f"Protocol SHA-256 {protocol.sha256} · {protocol.software}"
    return write_pdf(f"Reader study {protocol.name}", subtitle, study_sheets(study, protocol, results), {})


def study_sheets(study: StoredReaderStudy, protocol: ReaderStudyProtocol, results: ReaderStudyResults) -> list[Sheet]:
    """The sections in order, without patient data."""
    sheets = [_plan(study, protocol), _alarms(protocol, results), _readers(results), _agreement(results)]
    if protocol.aided:
        sheets.append(_aided(results.aided))
    return sheets


def _plan(study: StoredReaderStudy, protocol: ReaderStudyProtocol) -> Sheet:
    expected = protocol.expected
    rows = [
        ("Protocol", ""),
        ("Question", protocol.question),
        ("Planned", f"{study.planned_at:%Y-%m-%d %H:%M} UTC"),
        ("Period", f"{protocol.since} to {protocol.until - timedelta(days=1)}"),
        ("Rooms", ", ".join(protocol.rooms) or "all"),
        ("Images", f"{protocol.images} of {study.available}, in random runs of {protocol.run_length}"),
        ("Readers", ", ".join(protocol.readers)),
        (
            "Readings",
            f"blinded, then with the verdict {protocol.washout_days} days later" if protocol.aided else "blinded",
        ),
        ("To be shown: sensitivity", f"above {expected.least_sensitivity:g}, expected {expected.sensitivity:g}"),
        ("To be shown: specificity", f"above {expected.least_specificity:g}, expected {expected.specificity:g}"),
        ("Power, confidence", f"{expected.power:g}, {expected.confidence:g}"),
        ("Model and policy at planning", f"{protocol.model or 'none'}; {protocol.policy}"),
    ]
    sentence = "The protocol was fixed before the draw. Anybody who has it can compute its hash and repeat the draw."
    return Sheet("Plan", (sentence,), rows=rows)


def _alarms(protocol: ReaderStudyProtocol, results: ReaderStudyResults) -> Sheet:
    unusable = f"{results.unusable} of {results.images} images were unusable to at least half of the blinded readers."
    sentences = (
        unusable,
        _shown("Sensitivity", protocol.expected.least_sensitivity, results.sensitivity_shown),
        _shown("Specificity", protocol.expected.least_specificity, results.specificity_shown),
        "Limits are those of Clopper and Pearson; they treat images as independent.",
    )
    rows = [
        ("The node's alarms", "Images", "Share (limits)"),
        ("Sensitivity", f"{results.sensitivity.count} of {results.sensitivity.total}", share(results.sensitivity)),
        ("Specificity", f"{results.specificity.count} of {results.specificity.total}", share(results.specificity)),
        (
            "Alarms that were right",
            f"{results.positive_predictive_value.count} of {results.positive_predictive_value.total}",
            share(results.positive_predictive_value),
        ),
        (
            "Images with an alarm",
            f"{results.alarm_rate.count} of {results.alarm_rate.total}",
            share(results.alarm_rate),
        ),
        ("Area under the curve of the score", "", _area(results.score)),
    ]
    return Sheet("Alarms against readers", sentences, rows=rows)


def _readers(results: ReaderStudyResults) -> Sheet:
    grades = ("usable", "limited", "unusable")
    rows: list[Sequence[str]] = [("Reader", *(grade.capitalize() for grade in grades))]
    rows += [(reader, *(str(count[grade]) for grade in grades)) for reader, count in results.grades.items()]
    reasons = ", ".join(f"{reason} ({count})" for reason, count in results.reasons.most_common())
    return Sheet("Readers", (f"Reasons that readers named: {reasons or 'none'}.",), rows=rows)


def _agreement(results: ReaderStudyResults) -> Sheet:
    rows: list[Sequence[str]] = [("Unusable or not", "Equal", "Cohen's kappa", "Gwet's AC1")]
    rows += [
        (
            f"{pair.first} and {pair.second}",
            _percent(pair.kappa.observed),
            _coefficient(pair.kappa),
            _coefficient(pair.ac1),
        )
        for pair in results.agreement
    ]
    sentence = "Kappa falls where unusable images are rare, even if readers agree; AC1 does not."
    return Sheet("Agreement", (sentence,), rows=rows)


def _aided(difference: ReadingDifference | None) -> Sheet:
    if difference is None:
        return Sheet("With the node's verdict", ("Too few usable or unusable images to compare the two readings.",))
    areas = (
        f"Mean area under the curve: {difference.areas[0]:.3f} blinded, {difference.areas[1]:.3f} with the verdict; "
        f"difference {difference.difference:+.3f} ({difference.low:+.3f} to {difference.high:+.3f}), "
        f"p = {difference.p_value:.3f}, {difference.degrees_of_freedom:.1f} degrees of freedom."
    )
    method = "Obuchowski–Rockette, random readers and images; each reader against the blinded grades of the others."
    return Sheet("With the node's verdict", (areas, method))


def _shown(name: str, least: float, shown: bool) -> str:
    return f"{name} above {least:g}: {'shown' if shown else 'not shown'}."


def _area(area: AreaUnderCurve) -> str:
    return "–" if area.area is None else f"{area.area:.3f} ({area.low:.3f}–{area.high:.3f})"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def _coefficient(agreement: Agreement) -> str:
    return "–" if agreement.kappa is None else f"{agreement.kappa:.2f} ({agreement.low:.2f}–{agreement.high:.2f})"

"""The report of a reader study as sheets: the protocol first, then the results."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from miqa_node.core.language.catalogue import numerals, reworded, say, spoken
from miqa_node.features.reader_study.protocol import ReaderStudyProtocol
from miqa_node.features.reader_study.results import NODE, ReaderStudyResults
from miqa_node.features.reader_study.rows import StoredReaderStudy
from miqa_node.libraries.plain_statistics.mrmc import AreaUnderCurve, ReadingDifference
from miqa_node.stages.report.sheets import Sheet, coefficient, share
from miqa_node.stages.report.sheets_pdf import write_pdf


def study_pdf(
    study: StoredReaderStudy, protocol: ReaderStudyProtocol, results: ReaderStudyResults, language: str
) -> bytes:
    """The whole report in a language; the same study gives the same bytes."""
    with spoken(language):
        title = say("Reader study {name}", name=protocol.name)
        subtitle = say("Protocol SHA-256 {digest}", digest=protocol.sha256) + f" · {protocol.software}"
        return write_pdf(title, subtitle, study_sheets(study, protocol, results), {})


def study_sheets(study: StoredReaderStudy, protocol: ReaderStudyProtocol, results: ReaderStudyResults) -> list[Sheet]:
    """The sections in order, without patient data."""
    sheets = [_plan(study, protocol), _alarms(protocol, results), _readers(results), _agreement(results)]
    if protocol.aided:
        sheets.append(_aided(results.aided))
    return sheets


def _plan(study: StoredReaderStudy, protocol: ReaderStudyProtocol) -> Sheet:
    expected = protocol.expected
    last = protocol.until - timedelta(days=1)
    readings = say("blinded")
    if protocol.aided:
        readings = say("blinded, then with the verdict {days} days later", days=protocol.washout_days)
    rows = [
        (say("Protocol"), ""),
        (say("Question"), protocol.question),
        (say("Planned"), f"{study.planned_at:%Y-%m-%d %H:%M} UTC"),
        (say("Period"), say("{first} to {last}", first=protocol.since, last=last)),
        (say("Rooms"), ", ".join(protocol.rooms) or say("all")),
        (
            say("Images"),
            say(
                "{count} of {total}, in random runs of {length}",
                count=protocol.images, total=study.available, length=protocol.run_length,
            ),
        ),
        (say("Readers"), ", ".join(protocol.readers)),
        (say("Readings"), readings),
        (say("To be shown: sensitivity"), _expected(expected.least_sensitivity, expected.sensitivity)),
        (say("To be shown: specificity"), _expected(expected.least_specificity, expected.specificity)),
        (say("Power, confidence"), numerals(f"{expected.power:g}; {expected.confidence:g}")),
        (say("Model and policy at planning"), f"{protocol.model or say('none')}; {protocol.policy}"),
    ]  # fmt: skip
    sentence = say(
        "The protocol was fixed before the draw. Anybody who has it can compute its hash and repeat the draw."
    )
    return Sheet(say("Plan"), (sentence,), rows=rows)


def _expected(least: float, expected: float) -> str:
    return numerals(say("above {least}, expected {expected}", least=f"{least:g}", expected=f"{expected:g}"))


def _alarms(protocol: ReaderStudyProtocol, results: ReaderStudyResults) -> Sheet:
    sensitivity, specificity = say("Sensitivity"), say("Specificity")
    sentences = (
        say(
            "{count} of {total} images were unusable to at least half of the blinded readers.",
            count=results.unusable,
            total=results.images,
        ),
        _shown(sensitivity, protocol.expected.least_sensitivity, results.sensitivity_shown),
        _shown(specificity, protocol.expected.least_specificity, results.specificity_shown),
        say("Limits are those of Clopper and Pearson; they treat images as independent."),
    )
    rates = {
        sensitivity: results.sensitivity,
        specificity: results.specificity,
        say("Alarms that were right"): results.positive_predictive_value,
        say("Images with an alarm"): results.alarm_rate,
    }
    rows = [(say("The node's alarms"), say("Images"), say("Share (limits)"))]
    rows += [
        (name, say("{count} of {total}", count=rate.count, total=rate.total), share(rate))
        for name, rate in rates.items()
    ]
    rows.append((say("Area under the curve of the score"), "", _area(results.score)))
    return Sheet(say("Alarms against readers"), sentences, rows=rows)


def _readers(results: ReaderStudyResults) -> Sheet:
    grades = {"usable": say("Usable"), "limited": say("Limited"), "unusable": say("Unusable")}
    rows: list[Sequence[str]] = [(say("Reader"), *grades.values())]
    rows += [(reader, *(str(count[grade]) for grade in grades)) for reader, count in results.grades.items()]
    reasons = ", ".join(f"{reworded(reason)} ({count})" for reason, count in results.reasons.most_common())
    return Sheet(
        say("Readers"), (say("Reasons that readers named: {reasons}.", reasons=reasons or say("none")),), rows=rows
    )


def _agreement(results: ReaderStudyResults) -> Sheet:
    rows: list[Sequence[str]] = [(say("Unusable or not"), say("Equal"), say("Cohen's kappa"), "Gwet AC1")]
    rows += [
        (
            say(
                "{first} and {second}", first=pair.first, second=say("the node") if pair.second == NODE else pair.second
            ),
            _percent(pair.kappa.observed),
            coefficient(pair.kappa),
            coefficient(pair.ac1),
        )
        for pair in results.agreement
    ]
    sentence = say("Kappa falls where unusable images are rare, even if readers agree; AC1 does not.")
    return Sheet(say("Agreement"), (sentence,), rows=rows)


def _aided(difference: ReadingDifference | None) -> Sheet:
    heading = say("With the node's verdict")
    if difference is None:
        return Sheet(heading, (say("Too few usable or unusable images to compare the two readings."),))
    areas = say(
        "Mean area under the curve: {blinded} blinded, {aided} with the verdict; difference {difference} ({low} to "
        "{high}), p = {p}, {degrees} degrees of freedom.",
        blinded=f"{difference.areas[0]:.3f}",
        aided=f"{difference.areas[1]:.3f}",
        difference=_signed(difference.difference),
        low=_signed(difference.low),
        high=_signed(difference.high),
        p=f"{difference.p_value:.3f}",
        degrees=f"{difference.degrees_of_freedom:.1f}".replace("inf", "∞"),
    )
    method = say(
        "Obuchowski–Rockette, random readers and images; each reader against the blinded grades of the others."
    )
    return Sheet(heading, (numerals(areas), method))


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def _shown(name: str, least: float, shown: bool) -> str:
    above = {"name": name, "least": numerals(f"{least:g}")}
    return say("{name} above {least}: shown.", **above) if shown else say("{name} above {least}: not shown.", **above)


def _area(area: AreaUnderCurve) -> str:
    return "–" if area.area is None else numerals(f"{area.area:.3f} ({area.low:.3f}–{area.high:.3f})")


def _percent(value: float | None) -> str:
    return "–" if value is None else numerals(f"{100 * value:.1f} %")

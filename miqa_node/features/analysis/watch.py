"""Monitoring of the model: agreement of people with it, calibration of its probabilities, and drift."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.label import LabelOrigin
from miqa_node.core.taxonomy.lookup import defect_names, finding_entries, finding_names, finding_title
from miqa_node.features.analysis.rows import census, measurement_weeks, readings
from miqa_node.features.analysis.rows.census import Period
from miqa_node.features.analysis.rows.readings import ReliabilityBin, RoomOutcome
from miqa_node.libraries.plain_statistics.agreement import Agreement, agreement
from miqa_node.libraries.plain_statistics.charts import Chart, p_chart
from miqa_node.libraries.plain_statistics.drift import Drift, drift
from miqa_node.libraries.plain_statistics.rates import Rate, rate
from miqa_node.libraries.plain_statistics.recurrence import Recurrence, recurrences
from miqa_node.runtime.site_records import label_requests
from miqa_node.runtime.store.database import Transaction

MOST_PEAKS = 5_000
MOST_SHADOWS = 1_000
REFERENCE_WEEKS = 12
"""Weeks of reference before a period; of a longer period only as many of its last weeks are compared."""
LEAST_JUDGED = 10
LEAST_OF_ROOM, MOST_NOISY = 40, 0.5
"""Images of a room from which it can be called noisy, and the share of them in which noise may be present."""
WEEKLY_FROM_DAYS = 93


@dataclass(frozen=True, slots=True)
class RoomPrecision:
    """Share of the model's flags in a room that people confirmed."""

    room: str
    confirmed: Rate


@dataclass(frozen=True, slots=True)
class NoisyRoom:
    """A room in most of whose images noise is present: its own limits hide that, since they compare it with itself."""

    room: str
    noisy: Rate


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """Number of images with about this probability, and of those that people confirmed."""

    probability: float
    confirmed: Rate


@dataclass(frozen=True, slots=True)
class Curve:
    """Reliability curve of one finding; ``error`` is the expected calibration error (weighted by counts)."""

    finding: str
    words: str
    judged: int
    error: float
    points: list[CurvePoint]


@dataclass(frozen=True, slots=True)
class FindingChart:
    """Share of images with a finding, over time."""

    finding: str
    words: str
    images: int
    starts: list[date]
    chart: Chart


@dataclass(frozen=True, slots=True)
class MeasurementDrift:
    """One measurement in the period compared with the reference before it."""

    measurement: str
    drift: Drift


@dataclass(frozen=True, slots=True)
class ShadowAgreement:
    """A candidate beside the active package, over its newest images."""

    package: str
    agreement: Agreement
    flagged_only_by_active: int
    flagged_only_by_candidate: int


@dataclass(frozen=True, slots=True)
class ModelWatch:
    """The data for the page and the command.

    ``precision`` refers to flagged images that people judged, ``missed`` to audited images that the model had accepted.
    ``agreement`` weights each image by the number of images it represents, and is only given if accepted images were
    audited.
    """

    period: Period
    reference: tuple[date, date]
    precision: Rate
    missed: Rate
    agreement: Agreement | None
    rooms: list[RoomPrecision]
    noisy_rooms: list[NoisyRoom]
    curves: list[Curve]
    audits: tuple[int, int]
    second_asked: tuple[int, int]
    second_readings: Agreement
    drifts: list[MeasurementDrift]
    charts: list[FindingChart]
    shadows: list[ShadowAgreement]
    recurrences: list[Recurrence]


def watch(transaction: Transaction, period: Period) -> ModelWatch:
    """The watch over the days of a period, with images of every kind; judgements count by their day.

    The roll-up must be up to date.
    """
    period = Period(period.since, period.until)
    since, until = period.moments
    of_detector = [name for name, entry in finding_entries().items() if entry.of_detector]
    outcomes = readings.outcomes(transaction, since, until)
    # Measurements are counted by week: the first week of the period is not part of its reference.
    current = measurement_weeks.monday(max(period.since, period.until - timedelta(weeks=REFERENCE_WEEKS)))
    reference = (current - timedelta(weeks=REFERENCE_WEEKS), current)
    return ModelWatch(
        period=period,
        reference=reference,
        precision=_rate([one for one in outcomes if one.flagged]),
        missed=_rate([one for one in outcomes if not one.flagged]),
        agreement=_weighted(outcomes),
        rooms=_rooms(outcomes),
        noisy_rooms=_noisy_rooms(transaction, period),
        curves=curves(readings.reliability(transaction, since, until)),
        audits=label_requests.count(transaction, LabelOrigin.SPOT_CHECK),
        second_asked=label_requests.count(transaction, LabelOrigin.SECOND_READING),
        second_readings=agreement(readings.second_readings(transaction, since, until)),
        drifts=_drifts(transaction, period, reference),
        charts=_charts(transaction, period),
        shadows=_shadows(transaction),
        recurrences=recurrences(readings.peaks(transaction, of_detector, period.since, period.until, limit=MOST_PEAKS)),
    )


def curves(bins: Sequence[ReliabilityBin]) -> list[Curve]:
    """Reliability curves from counts, in the order of the taxonomy."""
    curve_list = []
    for name in defect_names():
        own = [one for one in bins if one.finding == name]
        judged = sum(one.judged for one in own)
        if judged < LEAST_JUDGED:
            continue
        points = [CurvePoint(one.probability_sum / one.judged, rate(one.confirmed, one.judged)) for one in own]
        error = sum(abs(one.probability_sum - one.confirmed) for one in own) / judged
        curve_list.append(Curve(name, finding_title(name), judged, error, points))
    return curve_list


def _rate(outcomes: Sequence[RoomOutcome]) -> Rate:
    return rate(sum(one.bad for one in outcomes), sum(one.judged for one in outcomes))


def _rooms(outcomes: Sequence[RoomOutcome]) -> list[RoomPrecision]:
    rooms = [RoomPrecision(one.room, rate(one.bad, one.judged)) for one in outcomes if one.flagged]
    return sorted(rooms, key=lambda one: (-one.confirmed.total, one.room))


def _noisy_rooms(transaction: Transaction, period: Period) -> list[NoisyRoom]:
    noisy = census.finding_by_room(transaction, period, FindingName.NOISE)
    rooms = census.by_dimensions(transaction, period, ("room",))["room"]
    shares = [NoisyRoom(one.value, rate(min(noisy.get(one.value, 0), one.judged), one.judged)) for one in rooms]
    return [one for one in shares if one.noisy.total >= LEAST_OF_ROOM and (one.noisy.share or 0.0) > MOST_NOISY]


def _weighted(outcomes: Sequence[RoomOutcome]) -> Agreement | None:
    """Agreement of model and people, weighted as if people had judged all images; None without audits."""
    if not any(not one.flagged and one.judged for one in outcomes):
        return None
    table: dict[tuple[str, str], float] = {}
    for one in outcomes:
        model = "bad" if one.flagged else "good"
        for person, weight in (("bad", one.weighted_bad), ("good", one.weighted - one.weighted_bad)):
            table[model, person] = table.get((model, person), 0.0) + weight
    kappa = agreement(table)
    # No limits: they would assume as many judgements as images, but there were fewer.
    return Agreement(kappa.judged, kappa.observed, kappa.kappa, None, None)


def _drifts(transaction: Transaction, period: Period, reference: tuple[date, date]) -> list[MeasurementDrift]:
    before = measurement_weeks.histograms(transaction, *reference)
    now = measurement_weeks.histograms(transaction, reference[1], period.until)
    drifts = [MeasurementDrift(name, drift(before.get(name, {}), now[name])) for name in sorted(now)]
    return sorted(drifts, key=lambda one: -(one.drift.psi or 0.0))


def _charts(transaction: Transaction, period: Period) -> list[FindingChart]:
    days = census.by_day(transaction, period)
    weekly = len(days) > WEEKLY_FROM_DAYS

    def start(day: date) -> date:
        return measurement_weeks.monday(day) if weekly else day

    judged: dict[date, int] = {}
    for day, counts in days:
        judged[start(day)] = judged.get(start(day), 0) + counts.judged
    present: dict[str, dict[date, int]] = {}
    for day, finding, images in census.findings_by_day(transaction, period):
        by_start = present.setdefault(finding, {})
        by_start[start(day)] = by_start.get(start(day), 0) + images
    starts = sorted(judged)
    return [
        FindingChart(
            name,
            finding_title(name),
            sum(present[name].values()),
            starts,
            p_chart([(min(present[name].get(at, 0), judged[at]), judged[at]) for at in starts]),
        )
        for name in dict.fromkeys((*finding_names(), *sorted(present)))
        if name in present
    ]


def _shadows(transaction: Transaction) -> list[ShadowAgreement]:
    flagged = {"REVIEW", "REJECT"}
    return [
        ShadowAgreement(
            one.package,
            agreement(one.table),
            sum(n for (active, other), n in one.table.items() if active in flagged and other not in flagged),
            sum(n for (active, other), n in one.table.items() if other in flagged and active not in flagged),
        )
        for one in readings.shadow_verdicts(transaction, limit=MOST_SHADOWS)
    ]

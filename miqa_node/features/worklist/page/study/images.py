"""The images of a study for its page: findings, comparison images, history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from miqa_node.core.domain.assessment import Measurement
from miqa_node.core.domain.finding import Finding
from miqa_node.core.domain.fragments import groups
from miqa_node.core.domain.instance import StudyRecord
from miqa_node.core.domain.rule import AppliedRule, LimitSide
from miqa_node.core.domain.series import SeriesSnapshot
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.language.catalogue import LANGUAGE, say
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.taxonomy.lookup import finding_entries
from miqa_node.core.words.formats import verdict_words
from miqa_node.core.words.headline import headline
from miqa_node.core.words.image_title import SIDES, anatomy_words, image_title
from miqa_node.core.words.narrative import Part, Sentence, sentences
from miqa_node.core.words.picture_place import is_whole
from miqa_node.core.words.rule_table import RuleCells, table_of
from miqa_node.features.worklist.page.study.along import SliceChart, slice_charts
from miqa_node.features.worklist.page.study.panel import Panel, panel_of
from miqa_node.features.worklist.rows import history
from miqa_node.features.worklist.rows.history import DeliveryHistory, InstanceHistory, WorklistEvent
from miqa_node.interfaces.web.pages.pictures.router import maps_of
from miqa_node.interfaces.web.services import WebServices
from miqa_node.runtime.people import patients
from miqa_node.runtime.people.patients import PatientRow
from miqa_node.runtime.store.artifacts import Artifacts
from miqa_node.runtime.store.database import Transaction
from miqa_node.stages.units.base import installed, unit_of
from miqa_node.stages.units.rows import priors
from miqa_node.stages.units.rows.priors import Prior, UsualRange
from miqa_node.stages.units.rows.standing import NONE_LATE, LateMembers, standing

MAX_SLICES = 2000
"""Maximum number of slices of a series or frames of an object."""
IN_PROGRESS = "In progress"


@dataclass(frozen=True, slots=True)
class Moment:
    """One event of an image on its way through the node; ``after_s`` counts from its arrival."""

    at: datetime
    after_s: float
    text: str
    bad: bool = False


@dataclass(frozen=True, slots=True)
class StudyImage:
    """One image as the page shows it."""

    history: InstanceHistory
    narrative: tuple[Sentence, ...]
    present: tuple[Finding, ...]
    absent: tuple[Finding, ...]
    maps: tuple[str, ...]
    usual: Mapping[str, UsualRange]
    prior: Prior | None
    timeline: tuple[Moment, ...]
    headline: str
    good: Prior | None = None
    """The last accepted image of this room and view, which may be another patient's."""
    patient: PatientRow | None = None
    """Whose image it is; None until it is read of one that an earlier version received."""
    earlier_names: tuple[tuple[str, str], ...] = ()
    """Other names and birth dates that images of this patient had, the newest first."""
    slices: tuple[tuple[str, int], ...] = ()
    """(digest, frame) of the scrollable stack in order: a series, or one object with many frames."""
    along: tuple[SliceChart, ...] = ()
    """The measurements that single slices have, drawn along the series; those where one stands out come first."""
    late: LateMembers = NONE_LATE
    """Slices that came after the verdict."""

    @property
    def rules(self) -> tuple[RuleCells, ...]:
        """The table of the rules that applied, in words."""
        return () if self.history.disposition is None else table_of(self.history.disposition.rules)

    def limits(self, name: str) -> list[AppliedRule]:
        """The rules with limits of the measurement."""
        rules = () if self.history.disposition is None else self.history.disposition.rules
        return [one for one in rules if one.what == name and one.side in set(LimitSide)]

    def nearest_limit(self, measured: Measurement) -> float | None:
        """The limit that its shown number must not seem to be on the other side of; None if it has none."""
        limits = (one.limits[0] for one in self.limits(measured.name))
        return min(limits, key=lambda limit: abs(limit - measured.value), default=None)

    @property
    def title(self) -> str:
        """What it is of, in one line; a part that only its pixels name is said to be from there."""
        header, assessment = self.history.instance.header, self.history.assessment
        part = header.body_part_examined
        if not part and assessment is not None and assessment.part_seen:
            part = say("{part}, from the pixels", part=anatomy_words(assessment.part_seen))
        named = header.series_description
        return image_title(header.modality, part, header.view_position, header.image_laterality, named)

    @property
    def side(self) -> str:
        """The letter of its side, as on a marker; empty if it has none."""
        laterality = self.history.instance.header.image_laterality
        return laterality if laterality in SIDES else ""

    @property
    def flagged(self) -> bool:
        """Whether the image is on the worklist."""
        return self.history.disposition is not None and self.history.disposition.flagged

    @property
    def magnified(self) -> tuple[float, float] | None:
        """Where single pixels show the defect, as fractions of width and height; None for other defects."""
        entries = finding_entries()
        for finding in self.present:
            if finding.name in entries and entries[finding.name].fine:
                return finding.peak or (0.5, 0.5)
        return None

    @property
    def whole(self) -> tuple[tuple[Finding, bool], ...]:
        """The findings without a place in the image, and of each whether the policy tolerates it."""
        disposition = self.history.disposition
        return tuple(
            (finding, disposition is None or not disposition.flags(finding.name))
            for finding in self.present if is_whole(finding)
        )  # fmt: skip

    @property
    def panel(self) -> Panel | None:
        """What stands first; None while it waits for a verdict."""
        assessment, disposition = self.history.assessment, self.history.disposition
        return None if disposition is None else panel_of(assessment, disposition, self.usual)

    @property
    def prose(self) -> tuple[Sentence, ...]:
        """The narrative without what the panel says."""
        return tuple(one for one in self.narrative if one.part not in (Part.ADVICE, Part.VERDICT))


def images_of(
    services: WebServices, transaction: Transaction, study: StudyRecord, limit: int
) -> tuple[list[StudyImage], bool]:
    """The images of a study, the worst first and a series as one, and whether there are more than ``limit``."""
    members = history.members(transaction, study.study_instance_uid)
    by_series: dict[str, history.StudyMember] = {}
    units = installed()
    slices = [member for member in members if unit_of(member.header, units).needs_others]
    chosen = [member for member in members if not unit_of(member.header, units).needs_others]
    stacks = groups(member.header for member in slices)
    for member in slices:
        own = member.header.series_instance_uid
        uid = stacks.get(own, (own,))[0]
        if uid not in by_series or _speaks(member) >= _speaks(by_series[uid]):
            by_series[uid] = member
    chosen += by_series.values()
    chosen.sort(key=lambda member: -(member.verdict.rank if member.verdict else 0))
    shown = chosen[:limit]
    images = (history.of_instance(transaction, one.digest) for one in shown)
    return [_shown(services, transaction, image, study, members) for image in images], len(chosen) > limit


def _speaks(member: history.StudyMember) -> tuple[bool, bool]:
    """How far a slice stands for its series: what is given up has a verdict and no assessment."""
    return member.assessed, member.verdict is not None


def _snapshot(services: WebServices, image: InstanceHistory) -> SeriesSnapshot | None:
    """That of a series as it was judged; None of an image, and of a series that was not read yet."""
    if not unit_of(image.instance.header, installed()).needs_others:
        return None
    return Artifacts(services.objects).snapshot(image.instance)


def _slices(
    image: InstanceHistory, members: Sequence[history.StudyMember], snapshot: SeriesSnapshot | None
) -> tuple[tuple[str, int], ...]:
    header, digest = image.instance.header, image.instance.digest
    if not unit_of(header, installed()).needs_others:
        return tuple((digest, frame) for frame in range(min(header.number_of_frames, MAX_SLICES)))
    if snapshot is not None and snapshot.slices:
        return snapshot.slices[:MAX_SLICES]
    uid = header.series_instance_uid
    return tuple((one.digest, 0) for one in members if one.header.series_instance_uid == uid)[:MAX_SLICES]


def _shown(
    services: WebServices,
    transaction: Transaction,
    image: InstanceHistory,
    study: StudyRecord,
    members: Sequence[history.StudyMember],
) -> StudyImage:
    assessment, disposition, snapshot = image.assessment, image.disposition, _snapshot(services, image)
    language, unit = LANGUAGE.get(), standing(transaction, image.instance.header)
    narrative: tuple[Sentence, ...] = ()
    if assessment is not None and disposition is not None:
        narrative = sentences(assessment, disposition, language)
    patient = patients.of_image(transaction, image.instance.digest)
    earlier = patients.earlier_names(transaction, patient.patient_number) if patient is not None else []
    findings = sorted(assessment.findings if assessment else (), key=lambda f: -f.probability)
    return StudyImage(
        history=image,
        late=NONE_LATE if unit is None else unit.late,
        narrative=narrative,
        present=tuple(finding for finding in findings if finding.present),
        absent=tuple(finding for finding in findings if not finding.present),
        maps=tuple(maps_of(services, image.instance.digest)),
        usual=services.usual_values.get(_kind(image)),
        prior=priors.prior_of(transaction, image.instance, study.study_date),
        timeline=timeline(image, history.of_worklist(transaction, study.study_instance_uid)),
        headline=headline(assessment, disposition, language) if disposition is not None else say(IN_PROGRESS),
        good=priors.last_good(transaction, image.instance),
        patient=patient,
        earlier_names=tuple(earlier),
        slices=_slices(image, members, snapshot),
        along=() if snapshot is None else slice_charts(snapshot.profiles, MAX_SLICES),
    )


def timeline(image: InstanceHistory, events: Sequence[WorklistEvent]) -> tuple[Moment, ...]:
    """Everything that happened to the image, oldest first."""
    start = image.instance.received_at
    entries: list[tuple[datetime, str, bool]] = [
        (start, Phrase("received from {sender}", sender=image.instance.calling_ae_title), False)
    ]
    if image.assessment is not None:
        steps = ", ".join(f"{name} {value:.0f} ms" for name, value in image.assessment.timings_ms.items())
        entries.append(
            (image.assessment.assessed_at, Phrase("assessed: {steps}", steps=steps) if steps else "assessed", False)
        )
    if image.disposition is not None and image.decided_at is not None:
        verdict = image.disposition.verdict
        entries.append(
            (image.decided_at, Phrase("verdict: {verdict}", verdict=verdict_words(verdict)), verdict is Verdict.REJECT)
        )
    for result in image.results:
        for delivery in result.deliveries:
            if delivery.sent_at is not None:
                entries.append((delivery.sent_at, _arrived(result.kind, delivery), False))
            elif delivery.last_error:
                text = Phrase(
                    "{kind} not yet delivered to {destination}: {error}",
                    kind=result.kind,
                    destination=delivery.destination,
                    error=delivery.last_error,
                )
                entries.append((delivery.next_attempt_at, text, True))
    for copy in image.copies:
        sender = copy.calling_ae_title
        came = (
            Phrase("a copy with lossy compression came from {sender}", sender=sender)
            if copy.is_lossy
            else Phrase("the same image came from {sender}", sender=sender)
        )
        entries.append((copy.received_at, came, False))
    if image.instance.removal is not None:
        cause = Phrase(image.instance.removal.cause.value)
        entries.append((image.instance.removal.at, Phrase("original removed: {cause}", cause=cause), False))
    entries.extend(
        (event.at, Phrase("{action} by {actor}", action=Phrase(event.words), actor=event.actor), False)
        for event in events
        if event.actor
    )
    ordered = sorted(entries, key=lambda one: one[0])
    return tuple(Moment(at, (at - start).total_seconds(), text, bad) for at, text, bad in ordered)


def _arrived(kind: str, delivery: DeliveryHistory) -> Phrase:
    values = {"kind": kind, "destination": delivery.destination}
    if delivery.note:
        return Phrase("{kind} delivered to {destination}: {note}", **values, note=delivery.note)
    return Phrase("{kind} delivered to {destination}", **values)


def _kind(image: InstanceHistory) -> tuple[str, str, str]:
    header = image.instance.header
    return header.modality, header.body_part_examined, header.view_position

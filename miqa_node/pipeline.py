"""The way of one image: receive → store → assess → decide → report → deliver → worklist.

Read this page from top to bottom and you know what happens to an image. ``receive`` runs while the
sender waits for the C-STORE response; ``assess`` and ``conclude`` run later as durable steps (``work``
only wraps them), so each may be killed at any instruction and is then run again from its beginning.
Running one of them twice changes nothing: what is written has a key that does not depend on the run.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from miqa_node.assess.certificate import NO_CERTIFICATE
from miqa_node.assess.maps import dump_maps, load_anomaly_map, load_maps, load_prediction_maps
from miqa_node.assess.volume.assessor import judge_series
from miqa_node.assess.volume.marks import dump_extent, load_extent
from miqa_node.domain.acquisition import AcquisitionRules
from miqa_node.domain.assessment import Assessment, PlausibilityIssue
from miqa_node.domain.codes import OTHER_FAILURE
from miqa_node.domain.delivery import DEFAULT_KINDS, DRAWN_KINDS, OBJECT_KINDS, ResultKind, ResultObject
from miqa_node.domain.enhanced import Enhanced
from miqa_node.domain.event import Origin
from miqa_node.domain.image import Radiograph
from miqa_node.domain.instance import InstanceDigest, Received, StoredInstance
from miqa_node.domain.label import RequestKind
from miqa_node.domain.note import RejectionNote
from miqa_node.domain.policy import AUDIT, Disposition, Policy, Reason, Verdict, decide
from miqa_node.domain.ports import Assessor, Candidate, JobQueue, Judgement, ObjectStore
from miqa_node.errors import DecodeError, MiqaError, NotFoundError, lacks_resources
from miqa_node.imaging.headers import read_header
from miqa_node.imaging.kinds import is_image, is_projection, is_slice
from miqa_node.imaging.notes import KEY_OBJECT_SELECTION, read_note
from miqa_node.imaging.preview import preview_png
from miqa_node.observe import metrics
from miqa_node.observe.stages import StageClock
from miqa_node.report import MadeObject, Marked, ReportSettings, Stack, make_objects, make_series_objects
from miqa_node.store import acquisitions, deliveries, instances, label_requests, notes, series, worklist
from miqa_node.store.announcements import Announcer
from miqa_node.store.database import Database, Transaction
from miqa_node.store.group import GroupCommit

if TYPE_CHECKING:
    from miqa_node.imaging.decode import Decoder

log = structlog.get_logger(__name__)

PREVIEW_SIDE = 512
"""Longer side, in pixels, of the preview that pages show."""

CONFLICTING = PlausibilityIssue(
    "conflicting_instance",
    "An object with the same SOP Instance UID and other content came earlier; both are kept.",
    OTHER_FAILURE,
)

UNFINISHED = "The work on this image failed again and again; the log of the node says where."

DestinationsFor = Callable[[ResultKind], Sequence[str]]
"""Names of the destinations whose profile asks for objects of a kind."""

Certify = Callable[[Assessment, Policy], str]
"""How far a verdict on the assessment under the policy may be trusted, in a sentence."""


class Pipeline:
    """The stages, in order, and what they need; built by ``node``."""

    def __init__(
        self,
        *,
        database: Database,
        objects: ObjectStore,
        queue: JobQueue,
        decoder: Decoder,
        assessor: Callable[[], Assessor],
        policy: Callable[[], Policy],
        destinations: DestinationsFor,
        max_attempts: int,
        report_settings: ReportSettings,
        certify: Certify = lambda _assessment, _policy: NO_CERTIFICATE,
        candidate: Candidate | None = None,
        rules: AcquisitionRules | None = None,
        max_slices: int = 5000,
        enhance: Callable[[Radiograph], Enhanced] | None = None,
        announcer: Announcer | None = None,
    ) -> None:
        self._database = database
        self._arrivals = GroupCommit(database)
        self._objects = objects
        self._queue = queue
        self._decoder = decoder
        self._assessor = assessor
        self._policy = policy
        self._destinations = destinations
        self._max_attempts = max_attempts
        self._report_settings = report_settings
        self._certify = certify
        self._candidate = candidate
        self._rules = rules or AcquisitionRules()
        self._max_slices = max_slices
        self._enhance = enhance
        self._announcer = announcer or Announcer(lambda _kind: (), Origin())

    # ── receive and store: when this returns, the sender is answered 0x0000 and nothing may get lost ──

    def receive(self, received: Received) -> None:
        """Keep the object and promise the work: one transaction holds the instance and its job."""
        header, study = read_header(Path(received.path))
        key, operator = _key("instances", received.digest, ".dcm"), self._rules.operator(study.operators_name)
        self._objects.put_file(key, Path(received.path))

        def promise(transaction: Transaction) -> instances.Novelty:
            novelty = instances.record(transaction, header, study, received, key, operator)
            if novelty is not instances.Novelty.DUPLICATE:
                if is_slice(header):  # its series is assessed once it is quiet or complete (work.series)
                    series.arrive(transaction, header, received.received_at)
                else:
                    self._queue.enqueue_assess(transaction, received.digest)
            return novelty

        novelty = self._arrivals.run(promise)
        log.debug("received", digest=received.digest[:16], novelty=novelty.value, calling_ae=received.calling_ae_title)

    # ── assess: decode, measure, infer, explain ──

    def assess(self, digest: InstanceDigest) -> None:
        """Find out everything about the image that the node can; an image that cannot be judged is told why."""
        with self._database.begin() as transaction:
            if instances.load_assessment(transaction, digest) is not None:
                return
            if instances.load_disposition(transaction, digest) is not None:
                return  # its series was judged with it while this job waited
            instance = instances.load(transaction, digest)
            begun = instances.begin_attempt(transaction, digest)
        try:
            self._assess(instance, begun)
        except Exception as error:
            if lacks_resources(error):  # no fault of the image: such attempts must not add up to a quarantine
                with suppress(MiqaError), self._database.begin() as transaction:
                    instances.take_back_attempt(transaction, digest)
            raise

    def _assess(self, instance: StoredInstance, begun: int) -> None:
        if begun > self._max_attempts:
            # It killed its worker every time: an answer for people is better than another dead worker.
            reason = f"The assessment was begun {begun - 1} times and never finished."
            judgement = _not_assessed(instance, reason, quarantined=True)
        elif is_slice(instance.header):
            judgement = self._judge_series(instance)
        else:
            judgement = self._judge(instance)
        maps = dump_maps(judgement.maps, judgement.anomaly_map, judgement.prediction_maps)
        self._objects.put(_key("maps", instance.digest, ".npz"), maps)
        with self._database.begin() as transaction:
            instances.save_assessment(transaction, judgement.assessment)

    def _judge(self, instance: StoredInstance) -> Judgement:
        if not is_image(instance.header):
            return _not_assessed(instance, "The object is not an image.")
        clock = StageClock()
        source = self._objects.local_path(instance.object_key)
        try:
            radiograph = clock.time("decode", lambda: self._decoder.decode(source))
        except DecodeError as error:
            return _not_assessed(instance, f"The pixels could not be decoded: {error}")
        self._keep_preview(instance.digest, radiograph)
        judgement = self._assessor().assess(instance.header, radiograph, instance.digest)
        if self._candidate is not None:
            self._candidate.offer(instance.header, radiograph, instance.digest)
        timings = {**clock.milliseconds, **judgement.assessment.timings_ms}
        issues = (*judgement.assessment.plausibility, *([CONFLICTING] if instance.conflicting else ()))
        return replace(judgement, assessment=replace(judgement.assessment, plausibility=issues, timings_ms=timings))

    def _judge_series(self, last: StoredInstance) -> Judgement:
        """Everything that has arrived of the series by now; ``last`` stands for it (docs/explanation/series.md)."""
        with self._database.begin() as transaction:
            stored = series.files(transaction, last.header.series_instance_uid)
        files = [(one.digest, self._objects.local_path(one.object_key)) for one in stored if not one.conflicting]
        judged = judge_series(last.header, last.digest, files, self._decoder.decode, self._max_slices)
        if judged.shown is not None:
            self._keep_preview(last.digest, judged.shown)
        self._objects.put(_key("series", last.digest, ".npz"), dump_extent(judged.extent))
        conflicting = (CONFLICTING,) if any(one.conflicting for one in stored) else ()
        issues = (*judged.assessment.plausibility, *conflicting)
        return Judgement(replace(judged.assessment, plausibility=issues), maps={})

    def _keep_preview(self, digest: InstanceDigest, radiograph: Radiograph) -> None:
        self._objects.put(_key("previews", digest, ".png"), preview_png(radiograph, PREVIEW_SIDE))

    # ── decide, report, deliver, worklist, events: one transaction makes the verdict known everywhere at once ──

    def conclude(self, digest: InstanceDigest) -> None:
        """Give the verdict, make the objects that say it, queue them for delivery and flag the study."""
        with self._database.begin() as transaction:
            if instances.load_disposition(transaction, digest) is not None:
                return
            instance = instances.load(transaction, digest)
            assessment = instances.load_assessment(transaction, digest)
        if assessment is None:
            raise NotFoundError(f"{digest} has not been assessed.")
        clock = StageClock()
        policy = self._policy()
        disposition = replace(decide(assessment, policy), certificate=self._certify(assessment, policy))
        results, disposition = self._try_to_report(instance, assessment, disposition, clock)
        members = self._members(instance) if is_slice(instance.header) else ()
        note = self._note(instance)
        now = datetime.now(UTC)
        told = disposition  # in reports and events: that people audit an accepted image is nothing to tell others
        audited = disposition.verdict is Verdict.ACCEPT and self._rules.audits(digest)
        if audited:
            disposition = replace(disposition, reasons=(*disposition.reasons, AUDIT), attention=True)
        with self._database.begin() as transaction:
            uid = instance.header.study_instance_uid
            if not instances.save_disposition(transaction, digest, uid, disposition, now):
                return
            if is_projection(instance.header) and acquisitions.counts(instance):
                acquisitions.record(transaction, instance, assessment, disposition, self._rules, now)
            if audited:
                label_requests.ask(transaction, digest, RequestKind.AUDIT, self._rules.audit_share, now)
            for result in results:
                deliveries.record_result(transaction, digest, result, now)
                for destination in self._destinations(result.kind):
                    deliveries.queue(transaction, result, destination, now)
            notes.take(transaction, note, instance, now)
            series.share_verdict(transaction, members, uid, disposition, now)
            if disposition.flagged:
                worklist.flag(transaction, uid, disposition.verdict, now)
            self._announcer.decided(transaction, instance, assessment, told, now)
        if self._candidate is not None:
            self._candidate.verdict_is_out(digest)
        metrics.IMAGES.labels(verdict=disposition.verdict.value).inc()
        _log_image(instance, assessment, disposition, {**assessment.timings_ms, **clock.milliseconds}, now)

    def give_up(self, digest: InstanceDigest) -> None:
        """A step failed again and again: people are told in its place, by a verdict without report."""
        now, policy = datetime.now(UTC), self._policy()
        with self._database.begin() as transaction:
            instance = instances.load(transaction, digest)
            judgement = _not_assessed(instance, UNFINISHED, quarantined=True)
            disposition, uid = decide(judgement.assessment, policy), instance.header.study_instance_uid
            if not instances.save_disposition(transaction, digest, uid, disposition, now):
                return
            worklist.flag(transaction, uid, disposition.verdict, now)
        metrics.IMAGES.labels(verdict=disposition.verdict.value).inc()
        _log_image(instance, judgement.assessment, disposition, {}, now)
        with self._database.begin() as transaction:  # apart, as it may be what failed
            self._announcer.decided(transaction, instance, judgement.assessment, disposition, now)

    def _note(self, instance: StoredInstance) -> RejectionNote | None:
        """What another system says of images, where the instance is its note about them."""
        if instance.header.sop_class_uid != KEY_OBJECT_SELECTION:
            return None
        return read_note(self._objects.local_path(instance.object_key))

    def _try_to_report(
        self, instance: StoredInstance, assessment: Assessment, disposition: Disposition, clock: StageClock
    ) -> tuple[list[ResultObject], Disposition]:
        """A report that cannot be written must not hide the verdict: people see the study and why."""
        try:
            return clock.time("report", lambda: self._report(instance, assessment, disposition)), disposition
        except Exception as error:
            if lacks_resources(error):
                raise  # it can be made, and is made later
            # A foreign header may break a writer in any way.
            log.error("report failed", digest=instance.digest[:16], error=type(error).__name__, where=_where(error))
            return [], _with_report_failure(disposition)

    def _report(self, instance: StoredInstance, assessment: Assessment, disposition: Disposition) -> list[ResultObject]:
        if is_slice(instance.header):
            return self._report_series(instance, assessment, disposition)
        if not is_projection(instance.header):
            return []  # nobody wants one report per slice, nor a report about a report
        source = self._objects.local_path(instance.object_key)
        kinds = self._kinds()
        kept = self._objects.get(_key("maps", instance.digest, ".npz"))
        drawn = disposition.verdict.flagged and not kinds.isdisjoint(DRAWN_KINDS)
        # Decoded once more, and only where somebody asked for a picture: pixels are not kept between durable steps.
        wanted = ResultKind.ENHANCED in kinds
        radiograph = self._decoder.decode(source) if drawn or (wanted and assessment.decoder) else None
        made = make_objects(
            source, assessment, disposition, load_maps(kept), self._report_settings, kinds, radiograph,
            anomaly_map=load_anomaly_map(kept), prediction_maps=load_prediction_maps(kept),
            enhanced=self._enhanced(radiograph, instance.digest) if wanted and radiograph is not None else None,
        )  # fmt: skip
        return self._keep_results(instance, made)

    def _report_series(
        self, last: StoredInstance, assessment: Assessment, disposition: Disposition
    ) -> list[ResultObject]:
        extent = load_extent(self._objects.get(_key("series", last.digest, ".npz")))
        with self._database.begin() as transaction:
            stored = series.files(transaction, last.header.series_instance_uid)
            predecessors = series.earlier_reports(transaction, last.header.series_instance_uid, last.digest)
        keys = {one.digest: one.object_key for one in stored}
        slices = [(self._objects.local_path(keys[digest]), frame) for digest, frame in extent.slices]
        if not slices:
            return []
        reports = [self._objects.local_path(report.object_key) for report in predecessors]
        marks = [Marked(mark.measurement, mark.index, mark.mask) for mark in extent.marks]
        stack = Stack(slices, marks, reports, self._decoder.decode)
        made = make_series_objects(stack, assessment, disposition, self._report_settings, self._kinds())
        return self._keep_results(last, made)

    def _kinds(self) -> set[ResultKind]:
        return {kind for kind in OBJECT_KINDS if kind in DEFAULT_KINDS or self._destinations(kind)}

    def _members(self, last: StoredInstance) -> list[InstanceDigest]:
        """What gets the verdict of its series; all that is there when the series was given up before it was read."""
        key = _key("series", last.digest, ".npz")
        known = set(load_extent(self._objects.get(key)).slices) if self._objects.exists(key) else None
        with self._database.begin() as transaction:
            stored = series.files(transaction, last.header.series_instance_uid)
        read = None if known is None else {digest for digest, _ in known}
        return [one.digest for one in stored if read is None or one.conflicting or one.digest in read]

    def _keep_results(self, instance: StoredInstance, made: Sequence[MadeObject]) -> list[ResultObject]:
        results = []
        for one in made:
            key = f"results/{instance.digest[:2]}/{one.sop_instance_uid}.dcm"
            self._objects.put(key, one.data)
            results.append(ResultObject(one.sop_instance_uid, one.sop_class_uid, one.kind, key))
        return results

    def _enhanced(self, radiograph: Radiograph, digest: InstanceDigest) -> Enhanced | None:
        if self._enhance is None:
            return None
        try:
            return self._enhance(radiograph)
        except MiqaError as error:  # the copy is an extra: report and verdict go out without it
            log.error("not enhanced", digest=digest[:16], reason=str(error))
            return None

    # ── the deliveries are taken from the outbox by deliver.lanes, the worklist is read by web and cli ──


def _key(kind: str, digest: InstanceDigest, suffix: str) -> str:
    return f"{kind}/{digest[:2]}/{digest}{suffix}"


def _not_assessed(instance: StoredInstance, reason: str, *, quarantined: bool = False) -> Judgement:
    now = datetime.now(UTC)
    return Judgement(
        Assessment(instance.digest, instance.header, now, not_assessed=reason, quarantined=quarantined), maps={}
    )


def _with_report_failure(disposition: Disposition) -> Disposition:
    text = "The report could not be made from this object's header; the result was not sent to the PACS."
    reason = Reason("report_failed", text, OTHER_FAILURE, disposition.verdict)
    return replace(disposition, reasons=(*disposition.reasons, reason), attention=True)


def _log_image(
    instance: StoredInstance,
    assessment: Assessment,
    disposition: Disposition,
    timings_ms: Mapping[str, float],
    now: datetime,
) -> None:
    log.info(
        "image",
        digest=instance.digest[:16],
        modality=instance.header.modality,
        calling_ae=instance.calling_ae_title,
        verdict=disposition.verdict.value,
        reasons=[reason.name for reason in disposition.reasons],
        score=assessment.score,
        model=f"{assessment.model.name}-{assessment.model.version}" if assessment.model else "",
        policy=disposition.policy_version,
        conflicting=instance.conflicting,
        wait_ms=round((now - instance.received_at).total_seconds() * 1e3),
        **{f"{stage}_ms": value for stage, value in timings_ms.items()},
    )


def _where(error: Exception) -> str:
    # The text of an error from outside may quote the data set; the place it came from cannot.
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""

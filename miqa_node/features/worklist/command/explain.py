"""``miqa-node explain``: the history of an image from its arrival to the last delivery."""

from __future__ import annotations

from typing import Annotated

import typer

from miqa_node.core.domain.assessment import contributions_text
from miqa_node.core.domain.delivery import DeliveryState
from miqa_node.core.domain.shown_number import shown_number
from miqa_node.core.words.rule_table import COLUMNS, table_of
from miqa_node.errors import NotFoundError
from miqa_node.features.worklist.rows import history
from miqa_node.features.worklist.rows.history import InstanceHistory, SeriesHistory, WorklistEvent
from miqa_node.interfaces.cli.options import AsJson, ConfigFile, DataDir, settings_of
from miqa_node.interfaces.cli.output import moment, print_json, print_line, print_table, to_json
from miqa_node.interfaces.cli.store import open_transaction


def explain(
    uid: Annotated[str, typer.Argument(metavar="UID", help="SOP instance, series or study UID, or a digest.")],
    config: ConfigFile = None,
    data_dir: DataDir = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=100_000, help="Maximum number of images.")] = 100,
    slices: Annotated[bool, typer.Option("--slices", help="Each slice of a series, not the series as one.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the history of an image or a study: arrival, assessment, verdict, results, deliveries."""
    with open_transaction(config, data_dir) as transaction:
        if slices or as_json:
            listed = [SeriesHistory(one, 1, None) for one in history.of_uid(transaction, uid, limit=limit + 1)]
        else:
            listed = history.by_series(transaction, uid, limit=limit + 1)
        histories = [one.image for one in listed]
        studies = dict.fromkeys(image.instance.header.study_instance_uid for image in histories)
        events = {study: history.of_worklist(transaction, study) for study in studies}
    if not histories:
        raise NotFoundError(f"No instance, series or study {uid} was received.")
    if as_json:
        shown = [to_json(image) for image in histories[:limit]]
        worklist = {study: [to_json(event) for event in of_study] for study, of_study in events.items()}
        print_json({"instances": shown, "worklist_events": worklist, "truncated": len(histories) > limit})
        return
    settings = settings_of(config, data_dir)
    place = settings.store.objects_url or str(settings.objects_dir.absolute())
    for one in listed[:limit]:
        if one.slices > 1 and not slices:
            _tell_series(one)
        _tell(one.image, place)
    for study, of_study in events.items():
        _tell_worklist(study, of_study)
    if len(histories) > limit:
        typer.echo(f"There are more than {limit}; see --limit.", err=True)


def _tell_series(series: SeriesHistory) -> None:
    """The series as one, before the slice that its assessment is kept with."""
    print_line("series", series.image.instance.header.series_instance_uid)
    verdict = series.verdict.value if series.verdict else "none yet"
    _fact("slices", f"{series.slices}, verdict {verdict}; --slices shows each, this is one of them")
    if series.image.late:
        _fact("", series.image.late)


def _tell(image: InstanceHistory, place: str) -> None:
    instance, header = image.instance, image.instance.header
    print_line("image", header.sop_instance_uid)
    kind = " ".join(filter(None, (header.modality, header.body_part_examined, header.view_position)))
    _fact("received", f"{moment(instance.received_at)} from {instance.calling_ae_title} at {image.peer_address}, "
          f"{image.size_bytes} bytes, {kind}")  # fmt: skip
    if instance.removal is not None:
        _fact("removed", instance.removal.sentence)
    else:
        _fact("stored", f"{place}/{instance.object_key}")
    if instance.conflicting:
        _fact("conflict", "another image with the same SOP Instance UID but other content came earlier; both are kept")
    if image.derived_from:
        _fact("derives", f"from {image.derived_from}, the plain image of the same exposure")
    for copy in image.copies:
        from miqa_node.dicom.pixels.decoders import syntax_name  # loads pydicom, and few images have copies

        lossy = ", compressed with loss" if copy.is_lossy else ""
        syntax = syntax_name(copy.transfer_syntax_uid)
        _fact("copy", f"the same image in {syntax}{lossy}, {copy.size_bytes} bytes, "
              f"{moment(copy.received_at)} from {copy.calling_ae_title} at {copy.peer_address}")  # fmt: skip
    _tell_assessment(image)
    if image.disposition is not None:
        policy = f"policy {image.disposition.policy_version}, scope {image.disposition.scope or '–'}"
        _fact("verdict", f"{image.disposition.verdict.value} at {moment(image.decided_at)} ({policy})")
        if image.disposition.certificate:
            _fact("", image.disposition.certificate)
        for reason in image.disposition.reasons:
            _fact("", f"{reason.text} ({reason.code.value} {reason.code.scheme}, {reason.code.meaning})")
        if image.disposition.rules:
            print_table(COLUMNS, (one.line for one in table_of(image.disposition.rules)))
        else:
            _fact("rules", "none applied, or an earlier version gave the verdict and did not keep them")
    for result in image.results:
        _fact("result", f"{result.kind} {result.sop_instance_uid} made {moment(result.made_at)}")
        for one in result.deliveries:
            waits = f", next attempt {moment(one.next_attempt_at)}" if one.state is DeliveryState.QUEUED else ""
            when = f" at {moment(one.sent_at)}" if one.sent_at else waits
            times = "1 attempt" if one.attempts == 1 else f"{one.attempts} attempts"
            error = f", last error: {one.last_error}" if one.last_error else f", {one.note}" if one.note else ""
            _fact("", f"{one.state.value} to {one.destination}{when} after {times}{error}")


def _tell_assessment(image: InstanceHistory) -> None:
    assessment = image.assessment
    if assessment is None:
        attempts = f"begun {image.attempts} times" if image.attempts else "not begun"
        _fact("assessment", f"{attempts}, not finished")
        return
    model = assessment.model
    by = f"{model.name} {model.version} ({model.sha256[:12]})" if model else "no model"
    score = f", score {assessment.score:.0f} of 100" if assessment.score is not None else ""
    _fact("assessed", f"{moment(assessment.assessed_at)} by {by}{score}")
    if assessment.not_assessed:
        _fact("", assessment.not_assessed)
    if assessment.steps:
        _fact("decoded", ", ".join(assessment.steps))
    if assessment.timings_ms:
        _fact("timings", ", ".join(f"{stage} {ms:.0f} ms" for stage, ms in assessment.timings_ms.items()))
    if (anomaly := assessment.anomaly) is not None:
        among = "this site's images" if anomaly.is_of_site else "the images of the training"
        _fact("anomaly", f"score {anomaly.score:.3f}, percentile {anomaly.percentile:.1f} among {among}")
    for prediction in assessment.predictions:
        _fact("prediction", f"{prediction.sentence} {prediction.why}".strip())
    if assessment.findings:
        print_table(
            ("Finding", "Probability", "Severity", "Threshold", "Present"),
            ((f.name, f"{f.probability:.3f}", f"{f.severity:.2f}", f"{f.threshold:.3f}",
              "yes" if f.present else "") for f in assessment.findings),
        )  # fmt: skip
    for name, parts in assessment.contributions.items():
        _fact("because", f"{name}: {contributions_text(parts)}")
    if assessment.measurements:
        print_table(
            ("Measurement", "Value", "Unit", "Where"),
            ((m.name, shown_number(m.name, m.value), m.unit, m.place) for m in assessment.measurements),
        )
    for issue in assessment.plausibility:
        _fact("plausibility", issue.message)


def _tell_worklist(study: str, events: list[WorklistEvent]) -> None:
    if not events:
        return
    print_line("worklist", study)
    for event in events:
        by = f" by {event.actor}" if event.actor else ""
        _fact(event.action, f"{moment(event.at)}{by}{': ' + event.comment if event.comment else ''}")


def _fact(name: str, text: str) -> None:
    print_line(f"  {name:<12}", text)

"""``miqa-node calibrate``: the site's own temperatures, operating points and certificate from labelled images."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from miqa_node.core.domain.model_identity import ModelIdentity
from miqa_node.core.observe.progress import counted
from miqa_node.core.settings import Settings
from miqa_node.errors import MiqaError, ModelPackageError, NotFoundError, SettingsError
from miqa_node.features.labels.calibration import CalibrationCase, CalibrationTarget, make_calibration
from miqa_node.features.labels.rows import reviews
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.interfaces.cli.options import AsJson, ConfigFile, DataDir, quiet_logs, settings_of
from miqa_node.interfaces.cli.output import print_json, print_line, print_table, three_digits
from miqa_node.interfaces.cli.site_choice import choice_of, site_limits_of
from miqa_node.interfaces.cli.store import check_exists
from miqa_node.interfaces.cli.taken import TakenParts
from miqa_node.local import LocalAssessor
from miqa_node.runtime.store.site_store import open_store
from miqa_node.stages.assess.labels import (
    ACCEPTABLE,
    BAD,
    CHOSEN_AT_RANDOM,
    GOOD,
    ORIGINAL_GONE,
    LabelSet,
    SiteLabel,
    fair_sample,
    label_of,
    read_audit,
    read_labels,
)
from miqa_node.stages.assess.package_files import places
from miqa_node.stages.assess.site_calibration import SiteCalibration, calibration_path, write_calibration

_LIMIT = {"min": 0.0005, "max": 0.5}
LEARNT = (
    "The package was trained with labels of a site. Calibrate it with images of other patients, since it knows the "
    "answers for those that it learned from, and a certificate from them promises too much."
)


def calibrate(
    labels: Annotated[
        Path | None,
        typer.Argument(metavar="[LABELS]", exists=True, help="Folder of class/image files, labels export, or a CSV."),
    ] = None,
    decisions: Annotated[
        bool, typer.Option("--decisions", help="Use people's decisions on the node's own images, audits included.")
    ] = False,
    audit: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", exists=True, dir_okay=False,
            help="With --decisions: CSV of accepted images that were audited elsewhere: digest, label, sampled.",
        ),
    ] = None,
    package: Annotated[str, typer.Option(metavar="NAME-VERSION", help="Default is the active package.")] = "",
    alpha: Annotated[
        float, typer.Option(metavar="SHARE", **_LIMIT, help="Maximum share of bad images among accepted ones.")
    ] = 0.05,
    beta: Annotated[
        float, typer.Option(metavar="SHARE", **_LIMIT, help="Maximum share of accepted images among bad ones.")
    ] = 0.05,
    delta: Annotated[
        float, typer.Option(metavar="SHARE", **_LIMIT, help="Maximum probability that a promise is wrong.")
    ] = 0.05,
    only: Annotated[str, typer.Option(metavar="alpha|beta", help="Certify only one of the promises.")] = "",
    simulated: Annotated[
        bool, typer.Option("--simulated", help="The labels are simulated defects; the certificate will say so.")
    ] = False,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Decides which patients fit, and which test.")] = 0,
    modality: Annotated[str, typer.Option(metavar="CS", help="For pictures, if the table lacks it.")] = "DX",
    body_part: Annotated[
        str, typer.Option(metavar="CS", help="For pictures, if the table lacks it; default: the pixels say.")
    ] = "",
    view: Annotated[str, typer.Option(metavar="CS", help="For pictures, if the table lacks it.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the result without writing anything.")] = False,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Calibrate a package with images labelled at this site and certify its verdicts.

    Exit code 1: a promise could not be certified; the others were still written. Running processes use a
    new calibration at once; the certificate expires when the model, the policy or the site changes.
    """
    if (labels is None) is not decisions or only not in {"", "alpha", "beta"}:
        raise typer.BadParameter("give labelled images or --decisions, and alpha or beta to --only")
    tables: dict[str, dict[str, Any]] = {"assess": {"quality_package": package or None}}
    settings = settings_of(config, data_dir, **tables)
    quiet_logs(settings)
    if not settings.node.site:
        raise SettingsError('A certificate is made for a site: set node.site, for example site = "General Hospital".')

    label_set = read_labels(labels) if labels is not None else _decisions(settings, audit)
    wishes = CalibrationTarget(
        accepted_bad=None if only == "beta" else alpha,
        bad_accepted=None if only == "alpha" else beta,
        delta=delta,
        seed=seed,
        simulated=simulated,
    )
    sample = fair_sample(label_set.labels, seed)
    with LocalAssessor(settings, choice_of(settings), calibrated=False, limits=site_limits_of(settings)) as assessor:
        assessor.models.load()
        active = assessor.models.package
        if active is None:
            raise NotFoundError(f"There is no package to calibrate in {places(settings.model_folders)}.")
        if "--labels" in str(active.card.training.get("command", "")):
            typer.echo(LEARNT, err=True)
        pictures = {"modality": modality, "body_part": body_part, "view": view}
        judged, left_out = _judge(assessor, sample, pictures, active.identity)
        label_set = replace(label_set, left_out=(*label_set.left_out, *left_out.items()))
        made = make_calibration(
            judged, label_set, active.card, active.identity.sha256, assessor.policy, settings.node.site, wishes,
            datetime.now(UTC),
        )  # fmt: skip
    useful = bool(made.certificate.guarantees) or any(head.fitted for head in made.heads.values())
    _write(made, settings, write=useful and not dry_run)
    if as_json:
        print_json({**made.model_dump(mode="json"), "written": useful and not dry_run})
    else:
        _print(made, written=useful and not dry_run)
    if not useful and not dry_run:
        typer.echo("Nothing was written: there are too few labels to change anything.", err=True)
    if made.certificate.refused:
        raise typer.Exit(Exit.FAILED)


def _judge(
    assessor: LocalAssessor, sample: list[SiteLabel], pictures: dict[str, str], judge: ModelIdentity
) -> tuple[list[CalibrationCase], Counter[str]]:
    judged, left_out, parts = [], Counter[str](), TakenParts()
    for label in counted(sample, "Judging"):
        try:
            assessment = assessor.assess_file(label.path, **{**pictures, **label.pictured}).assessment
        except (ModelPackageError, SettingsError):
            raise
        except (MiqaError, OSError):
            left_out["unreadable"] += 1
            continue
        parts.add(assessment)
        if assessment.not_assessed or assessment.model != judge:  # what it leaves, another package may judge
            left_out["outside of what the model was made for"] += 1
            continue
        judged.append(CalibrationCase(label, assessment))
    parts.say()
    return judged, left_out


def _decisions(settings: Settings, audit: Path | None) -> LabelSet:
    """Labels of the node's own images: flagged ones, and accepted ones that were audited."""
    check_exists(settings)
    database, objects = open_store(settings)
    decisions, accepted, gone = list[SiteLabel](), False, 0
    try:
        database.check()
        with database.begin() as transaction:
            decided, undecided = reviews.newest(transaction), reviews.undecided_images(transaction)
            audited = [(reviews.locate(transaction, row.digest), row) for row in (read_audit(audit) if audit else ())]
        for one in decided:
            opinion = one.label.judgement
            if (label := label_of(opinion)) == ACCEPTABLE:
                continue  # good enough, perhaps with a defect
            findings = None if label == BAD else frozenset() if label == GOOD else frozenset(opinion.findings or ())
            try:
                decisions.append(SiteLabel(objects.local_path(one.object_key), findings, one.patient, opinion.sampled))
            except NotFoundError:
                gone += 1
            else:
                accepted = accepted or (one.accepted and opinion.origin in CHOSEN_AT_RANDOM)
        for place, row in audited:
            try:
                path = objects.local_path(place.object_key)
            except NotFoundError:
                gone += 1
            else:
                decisions.append(SiteLabel(path, row.findings, place.patient, row.sampled))
                accepted = True
    finally:
        database.close()
    counts = {"study with several flagged images": undecided, ORIGINAL_GONE: gone}
    left_out = tuple((reason, count) for reason, count in counts.items() if count)
    return LabelSet(tuple(decisions), "review decisions", covers_accepted=accepted, left_out=left_out)


def _write(made: SiteCalibration, settings: Settings, *, write: bool) -> None:
    if write:
        write_calibration(calibration_path(settings.node.data_dir, made.package), made)


def _print(made: SiteCalibration, *, written: bool) -> None:
    labels = made.labels
    note = "" if labels.patients_known else " (unknown: each image counts as one)"
    print_line(f"{made.package} at {made.site}: {labels.patients} patients{note}, {labels.bad} of their images bad; "
               f"{labels.fitted} fit, {labels.tested} test")  # fmt: skip
    for reason, count in labels.left_out.items():
        print_line(f"left out: {count}, {reason}")
    print_table(
        ("Class", "Present", "Temperature", "Bias", "Threshold", "ECE before", "ECE after", ""),
        (
            (name, str(head.present), f"{head.temperature:.3g}", f"{head.bias:.3g}", f"{head.threshold:.3f}",
             three_digits(head.ece_before), three_digits(head.ece_after), "" if head.fitted else "as on the card")
            for name, head in made.heads.items()
        ),
    )  # fmt: skip
    print_line(f"operating points moved by {made.offset:.2f} logits")
    world = "simulated world only: " if labels.simulated else ""
    for guarantee in made.certificate.guarantees:
        print_line("certified", f"{world}{guarantee.sentence}")
    for refusal in made.certificate.refused:
        more = f" About {refusal.labels_needed} more labelled patients." if refusal.labels_needed else ""
        print_line("no certificate", f"({refusal.promise.value} at {100 * refusal.limit:g} %): {refusal.reason}{more}")
    print_line("written" if written else "not written")

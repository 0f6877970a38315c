"""Judges labelled images as the node would, for the evidence of a certificate for predictions."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from miqa_node.core.domain.decision import decide_quality
from miqa_node.core.domain.instance import Header
from miqa_node.core.domain.model_choice import ModelChoice
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.prediction import PackageRule
from miqa_node.core.domain.routing import route
from miqa_node.core.domain.site_limit import SiteLimits
from miqa_node.core.observe.progress import counted
from miqa_node.core.settings import Settings
from miqa_node.dicom.bytes.secondary import write_secondary_capture
from miqa_node.dicom.pixels.picture import is_picture, read_picture
from miqa_node.errors import MiqaError, ModelPackageError, NotFoundError, SettingsError
from miqa_node.features.models.certification import CertificationCase
from miqa_node.interfaces.cli.taken import TakenParts
from miqa_node.local import LocalAssessor, LocalResult
from miqa_node.runtime.store.verification import data_set_digest
from miqa_node.stages.assess.classify.card import ClassifierCard
from miqa_node.stages.assess.classify.labelled import LabelledFile, read_labelled
from miqa_node.stages.assess.classify.learned import mark_of, read_learned
from miqa_node.stages.assess.classify.sidecar import card_routing
from miqa_node.stages.assess.labels import fair_sample
from miqa_node.stages.assess.package_checks import checksum, package_label
from miqa_node.stages.assess.sidecars import read_any_card, sidecar_folder

MOST_STANDING_FOR = 1_000_000.0
SEED = 0
"""Which image of a patient is drawn depends on names alone, so that nobody can draw until a certificate comes out."""
EVERYBODY = "all patients"
"""The population of labels that name none."""
Described = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class CaseLabel:
    """One line of the labels; ``sampled`` is one through the number of cases that it stands for."""

    path: Path
    label: str
    patient: str
    sampled: float
    reader: str
    population: str


@dataclass(frozen=True, slots=True)
class JudgedCases:
    """The cases, how many of their patients the package learned from, and what was left out, by reason."""

    cases: list[CertificationCase]
    labels: list[CaseLabel]
    learned: int
    left_out: Counter[str]


@dataclass(frozen=True, slots=True)
class CertifiedPackage:
    """The package to certify."""

    folder: Path
    card: ClassifierCard
    sha256: str


def package_to_certify(settings: Settings, name: str) -> CertifiedPackage:
    """The package of a name; SettingsError if it predicts nothing, NotFoundError if there is none."""
    folder = sidecar_folder(settings.model_folders, name)
    card = read_any_card(folder)
    if not isinstance(card, ClassifierCard):
        raise SettingsError(
            f"{package_label(folder)} is a package for {card.task.value}; only predictions of packages for "
            "classification get such a certificate."
        )
    return CertifiedPackage(folder, card, checksum(folder, card.graphs))


def _case_label(one: LabelledFile) -> CaseLabel:
    text = one.columns.get("sampled", "")
    try:
        stands_for = float(text) if text else 1.0
    except ValueError:
        stands_for = 0.0
    if not 1.0 <= stands_for <= MOST_STANDING_FOR:
        raise SettingsError(f"{one.place}: sampled is the number of cases that a line stands for, not {text!r}.")
    columns = one.columns.get("reader", ""), one.columns.get("population", "") or EVERYBODY
    return CaseLabel(one.path, one.label, one.patient or f"file {one.path}", 1.0 / stands_for, *columns)


def case_labels(source: Path, card: ClassifierCard) -> list[CaseLabel]:
    """The labels of a folder or a CSV; SettingsError says what is wrong with them."""
    labelled_images, names = [_case_label(one) for one in read_labelled(source)], [row.name for row in card.labels]
    if not labelled_images:
        raise SettingsError("There are no labelled images: give a folder of images for each label, or a CSV.")
    if others := sorted({one.label for one in labelled_images} - set(names)):
        raise SettingsError(f"{card.label} does not know {', '.join(others)}; its labels are {', '.join(names)}.")
    return labelled_images


def judge_cases(
    settings: Settings,
    package: CertifiedPackage,
    labelled_images: Sequence[CaseLabel],
    described: Described,
    choice: ModelChoice,
    limits: SiteLimits,
) -> JudgedCases:
    """Draw one image of each patient, and judge them with the site's models, policy and limits.

    ``described`` is modality, body part and view of pictures, which have no header.
    """
    sample, marks, learned = fair_sample(labelled_images, SEED), read_learned(package.folder) or frozenset(), set[str]()
    cases, labels, left_out, parts = [], [], Counter[str](), TakenParts()
    beside = _name_in_force(settings, package)
    with LocalAssessor(settings, choice, packages=[beside], limits=limits) as assessor:
        for label in counted(sample, "Judging"):
            try:
                result = assessor.assess_file(
                    label.path, modality=described[0], body_part=described[1], view=described[2]
                )
            except (ModelPackageError, SettingsError):
                raise
            except (MiqaError, OSError):
                left_out["unreadable"] += 1
                continue
            parts.add(result.assessment)
            case = _case(settings, package, label, result, assessor.policy)
            if case is None:
                left_out["outside of what the package was made for"] += 1
                continue
            if marks and mark_of(result.radiograph) in marks:
                learned.add(label.patient)
            cases.append(case)
            labels.append(label)
        drawn, patients = {one.path for one in labels}, {one.patient for one in labels}
        for other in labelled_images if marks else ():  # no image of a patient may have taught the package
            is_case = other.patient in patients - learned and other.path not in drawn
            if is_case and _mark(assessor, other.path) in marks:
                learned.add(other.patient)
    parts.say()
    return JudgedCases(cases, labels, len(learned), left_out)


def _mark(assessor: LocalAssessor, path: Path) -> str:
    try:
        if is_picture(path):
            return mark_of(read_picture(path, modality="", body_part="", view="")[1])
        return mark_of(assessor.pool.decode(path))
    except MiqaError:
        return ""


def _case(
    settings: Settings, package: CertifiedPackage, label: CaseLabel, result: LocalResult, policy: Policy
) -> CertificationCase | None:
    assessment = result.assessment
    prediction = next((one for one in assessment.predictions if one.sha256 == package.sha256), None)
    if prediction is None or not prediction.label:
        return None
    routing = replace(
        card_routing(package.card, settings.assess).of(_rule(settings, package, assessment.known_header, policy)),
        min_confidence=0.0, accepted_only=True, unproven="", proven_from=0.0,
    ).in_room(assessment, policy.site_limits)  # fmt: skip
    routed = route(prediction, assessment, decide_quality(assessment, policy, despite_age=True), routing)
    return CertificationCase(
        label.label, prediction.label, prediction.confidence, assessment.known_header, label.population, label.reader,
        waits=bool(routed.pending),
    )  # fmt: skip


def _rule(settings: Settings, package: CertifiedPackage, header: Header, policy: Policy) -> PackageRule:
    """The policy's rule for the package on such an image, or none of its own."""
    return next(
        (one for one in policy.packages_for(header) if _is_of(settings, package, one)), PackageRule(package.card.label)
    )


def _is_of(settings: Settings, package: CertifiedPackage, rule: PackageRule) -> bool:
    try:
        return sidecar_folder(settings.model_folders, rule.package) == package.folder
    except NotFoundError:  # such as "anomaly", which the quality package means
        return False


def _name_in_force(settings: Settings, package: CertifiedPackage) -> str:
    """The name by which the package runs: bare where it is the newest version, so that no image is judged twice."""
    newest = sidecar_folder(settings.model_folders, package.card.name)
    return package.card.name if newest == package.folder else package.card.label


def digest_of(path: Path, described: Described) -> str:
    """The digest by which the node knows a file; a picture is received as the image that is made of it."""
    if not is_picture(path):
        return data_set_digest(path)
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "picture.dcm"
        modality, body_part, view = (text.upper() for text in described)
        write_secondary_capture(path, made, modality=modality, body_part=body_part, view=view)
        return data_set_digest(made)

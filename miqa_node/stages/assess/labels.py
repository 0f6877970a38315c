"""Images labelled by readers or a simulator, read from a folder, a table or decisions, and sampled fairly by patient.

Labels come in three forms:

- a folder of folders, ``class/image.png``: the class is ``good``, ``bad`` (unknown of what kind), or a finding's name;
- a CSV file with the columns ``image`` and ``label``, optionally ``patient`` and ``sampled``, and for pictures
  ``modality``, ``body_part`` and ``view``; a label is ``good``, ``bad`` or all findings of the image, separated by
  semicolons, in one line; paths are relative to the CSV's folder. ``miqa-node labels export`` writes a folder with such
  a file, which also gives the verdict that each image had;
- the node's own decisions, which :mod:`miqa_node.features.labels.rows.reviews` reads.

``sampled`` is the probability with which an image of this kind was chosen for labelling: 1 for flagged images, which
people look at anyway, 0.05 if one in twenty accepted images is audited. Labels are thinned to the smallest
probability: the rest is a simple random sample, for which the binomial distribution is exact.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from os.path import isfile
from pathlib import Path
from typing import Protocol, TypeVar

import structlog

from miqa_node.core.domain.label import LabelOrigin, ReaderOpinion
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.taxonomy.lookup import defect_names, gate_names, is_expected
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.dicom.pixels.picture import is_picture
from miqa_node.errors import MiqaError, SettingsError

log = structlog.get_logger(__name__)

GOOD, BAD, ACCEPTABLE = "good", "bad", "acceptable"
"""The words of a label; acceptable means good enough, possibly with a defect, so it says nothing about verdicts."""
TABLE_NAME = "labels.csv"
"""The table in an export."""
IMAGE_SUFFIXES = frozenset({".dcm", ".dicom", ".ima", ".png", ".jpg", ".jpeg"})
MAX_LABELS = 1_000_000
ORIGINAL_GONE = "original no longer kept"
"""Why a label is left out whose image retention or an erasure removed."""
CHOSEN_AT_RANDOM = frozenset({LabelOrigin.SPOT_CHECK, LabelOrigin.IMPORT})
"""Label origins of accepted images that were not selected because somebody suspected a defect."""


@dataclass(frozen=True, slots=True)
class SiteLabel:
    """One labelled image; ``findings`` is None if the defect is unknown.

    ``patient`` is any name that differs between patients; it never leaves the process. ``modality``, ``body_part``
    and ``view`` come from the table, because a picture has no header.
    """

    path: Path
    findings: frozenset[str] | None
    patient: str
    sampled: float = 1.0
    modality: str = ""
    body_part: str = ""
    view: str = ""

    @property
    def pictured(self) -> dict[str, str]:
        """Attributes of a picture that the table gives."""
        attributes = {"modality": self.modality, "body_part": self.body_part, "view": self.view}
        return {name: value for name, value in attributes.items() if value}

    @property
    def bad(self) -> bool:
        """Whether anything is wrong with the image."""
        return self.findings is None or bool(self.findings)


@dataclass(frozen=True, slots=True)
class LabelSet:
    """Labels, and how they were chosen.

    ``covers_accepted`` is false if only flagged images were reviewed: nothing is then known about accepted ones.
    """

    labels: tuple[SiteLabel, ...]
    origin: str
    patients_known: bool = True
    covers_accepted: bool = True
    left_out: tuple[tuple[str, int], ...] = ()


def read_labels(source: Path) -> LabelSet:
    """The labels of a folder, of an export, or of a CSV file.

    Raises
    ------
    SettingsError
        There are no labels, or a label does not exist; the message names the place.
    """
    table = source / TABLE_NAME if (source / TABLE_NAME).is_file() else source
    rows, gone = (_of_folder(source), 0) if table.is_dir() else _of_table(table)
    if not rows:
        raise SettingsError(f"{source} holds no labelled images; expected are class/image files or a CSV file.")
    labels, unknown = [], 0
    for row in rows:
        who = row.patient or _patient_of(row.path)
        unknown += not who
        labels.append(replace(row, patient=who or f"file {row.path}"))
    return LabelSet(
        tuple(labels),
        "folder" if table.is_dir() else "table",
        patients_known=not unknown,
        covers_accepted=table.is_dir() or _covers_accepted(table),
        left_out=((ORIGINAL_GONE, gone),) if gone else (),
    )


@dataclass(frozen=True, slots=True)
class AuditLabel:
    """One accepted image of the node that was chosen at random and reviewed."""

    digest: str
    findings: frozenset[str] | None
    sampled: float


def read_audit(table: Path) -> list[AuditLabel]:
    """Rows of a CSV file with the columns ``digest``, ``label`` and ``sampled``; SettingsError names the error."""
    rows = []
    for number, line in _lines(table, {"digest", "label", "sampled"}):
        with _at(table, number):
            row = AuditLabel(line["digest"] or "", parse_label(line["label"] or ""), _sampled(line["sampled"]))
        rows.append(row)
    return rows


def parse_label(text: str) -> frozenset[str] | None:
    """The findings that a label names; empty for a good image, None for a bad one without a kind.

    >>> sorted(parse_label("motion_blur; foreign_object")), parse_label("good"), parse_label("bad")
    (['foreign_object', 'motion_blur'], frozenset(), None)
    """
    names = frozenset(part.strip().lower() for part in text.split(";") if part.strip())
    if names == {GOOD}:
        return frozenset()
    if names == {BAD}:
        return None
    classes = {str(name) for name in (*defect_names(), *gate_names())}
    if not names or not names <= classes:
        class_names = ", ".join(sorted(classes))
        raise SettingsError(
            f"{text!r} is not a label. Write good, bad, or findings separated by semicolons: {class_names}."
        )
    return names


class SampledImage(Protocol):
    """A labelled image, for :func:`fair_sample`."""

    @property
    def path(self) -> Path:
        """Its file."""

    @property
    def patient(self) -> str:
        """Any name that differs between patients."""

    @property
    def sampled(self) -> float:
        """The probability with which an image of its kind was chosen for labelling."""


L = TypeVar("L", bound=SampledImage)


def fair_sample(labels: Sequence[L], seed: int) -> list[L]:
    """Thin to one probability of being sampled, then take one image of each patient.

    Which are taken depends on the seed and on names, never on labels.
    """
    if not labels:
        return []
    least = min(label.sampled for label in labels)
    sample = [label for label in labels if _uniform(seed, "thin", str(label.path)) < least / label.sampled]
    chosen: dict[str, L] = {}
    for label in sorted(sample, key=lambda one: _uniform(seed, "one of a patient", str(one.path))):
        chosen.setdefault(label.patient, label)
    return list(chosen.values())


def split_patients(labels: Iterable[SiteLabel], fit_share: float, seed: int) -> list[bool]:
    """For each label whether its patient belongs to the fitting split; the same patient always does."""
    return [_uniform(seed, "split", label.patient) < fit_share for label in labels]


def _of_folder(folder: Path) -> list[SiteLabel]:
    files = sorted(path for path in folder.glob("*/*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())
    return [SiteLabel(path, parse_label(path.parent.name), "") for path in files]


def _of_table(table: Path) -> tuple[list[SiteLabel], int]:
    """The labels, and the number of those that an export gave without an image."""
    rows, paths, gone = list[SiteLabel](), set[Path](), 0
    for number, line in _lines(table, {"image", "label"}):
        name = line["image"] or ""
        if not name and line.get("label_id"):
            gone += 1
            continue
        path = table.parent / name
        kind = {name: line.get(name) or "" for name in ("modality", "body_part", "view")}
        with _at(table, number):
            if not isfile(path):  # noqa: PTH113 - a name that no file can have raises with Path.is_file
                raise SettingsError(f"there is no file {name!r}.")
            if path in paths:
                raise SettingsError(f"{name!r} has a line above. Name all findings in one, separated by semicolons.")
            paths.add(path)
            findings, sampled = parse_label(line["label"] or ""), _sampled(line.get("sampled"))
        rows.append(SiteLabel(path, findings, line.get("patient") or "", sampled, **kind))
    return rows, gone


def _covers_accepted(table: Path) -> bool:
    """Whether accepted images were reviewed as well; a table without verdicts counts as a plain sample."""
    lines = [line for _, line in _lines(table, {"image", "label"}) if line["image"]]
    if not lines or not {"verdict", "origin"} <= set(lines[0]):
        return True
    return any(line["verdict"] == Verdict.ACCEPT and line["origin"] in CHOSEN_AT_RANDOM for line in lines)


def _lines(table: Path, columns: set[str]) -> list[tuple[int, dict[str, str]]]:
    """The rows of a CSV file, each with the number of its (last) line."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            heads = set(reader.fieldnames or ())
            lines = [(reader.line_num, line) for line in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SettingsError(f"{table} cannot be read as CSV: {error}") from error
    if len(lines) > MAX_LABELS:
        raise SettingsError(f"{table} has more than {MAX_LABELS} lines.")
    if missing := columns - heads:
        raise SettingsError(f"{table} has no column {' and '.join(sorted(missing))}.")
    return lines


@contextmanager
def _at(table: Path, number: int) -> Iterator[None]:
    """Errors of the block name the line of the table."""
    try:
        yield
    except SettingsError as error:
        raise SettingsError(f"{table}, line {number}: {error}") from error


def _sampled(text: str | None) -> float:
    try:
        value = float(text) if text else 1.0
    except ValueError:
        value = 0.0
    if not 0.0 < value <= 1.0:
        raise SettingsError(f"sampled is a probability above 0 and at most 1, not {text!r}.")
    return value


def _patient_of(path: Path) -> str:
    """Hash of the patient's key, or of the Study Instance UID without it; empty for a picture, which has neither."""
    if is_picture(path):
        return ""
    try:
        header, study = read_header(path, relaxed=True)
    except MiqaError:
        return ""  # the image will be left out, with its reason, when it is judged
    return hashlib.sha256(study.patient.text(header.study_instance_uid).encode()).hexdigest()


def _uniform(seed: int, purpose: str, name: str) -> float:
    """A number in [0, 1) that depends only on the arguments."""
    digest = hashlib.sha256(f"{seed}\0{purpose}\0{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2.0**64


def label_of(opinion: ReaderOpinion) -> str:
    """What somebody said, as a table of labels writes it: good, bad, or findings with semicolons between.

    A device is not a defect.

    >>> label_of(ReaderOpinion("a", LabelOrigin.IMPORT, True, findings=("motion_blur", "unsharp")))
    'motion_blur;unsharp'
    """
    if not opinion.bad:
        good = opinion.findings is not None and all(map(is_expected, opinion.findings))
        return GOOD if good else ACCEPTABLE
    return ";".join(opinion.findings) if opinion.findings else BAD

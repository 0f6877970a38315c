"""Images that people or a simulator labelled: from a folder, a table or decisions to a fair sample of patients.

Three ways to write labels down:

- a folder of folders, ``class/image.png``: the class is ``good``, ``bad`` (unknown of what kind), or a finding's name;
- a CSV file with the columns ``image`` and ``label``, and if wished ``patient`` and ``sampled``; a label is ``good``,
  ``bad`` or everything that is wrong with the image, separated by semicolons; paths count from the CSV's folder;
- the node's own decisions, which :mod:`miqa_node.store.reviews` reads.

``sampled`` is the probability with which an image of this kind was chosen for labelling: 1 for flagged images that
people look at anyhow, 0.05 when one in twenty accepted images is audited. Labels are thinned to the smallest of them,
so that what is left is a plain random sample and the binomial holds exactly.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from miqa_node.domain.finding import DEFECTS, GateClass
from miqa_node.errors import MiqaError, SettingsError
from miqa_node.imaging.headers import read_header
from miqa_node.imaging.picture import is_picture

GOOD, BAD = "good", "bad"
CLASS_NAMES = frozenset({name.value for name in DEFECTS} | {name.value for name in GateClass})
IMAGE_SUFFIXES = frozenset({".dcm", ".dicom", ".ima", ".png", ".jpg", ".jpeg"})
MAX_LABELS = 1_000_000


@dataclass(frozen=True, slots=True)
class Label:
    """One labelled image; ``findings`` is None when it is bad and nobody said how.

    ``patient`` is a name that only has to differ between patients; it never leaves the process.
    """

    path: Path
    findings: frozenset[str] | None
    patient: str
    sampled: float = 1.0

    @property
    def bad(self) -> bool:
        """Whether anything is wrong with the image."""
        return self.findings is None or bool(self.findings)


@dataclass(frozen=True, slots=True)
class LabelSet:
    """Labels with what must be known to judge them.

    ``covers_accepted`` is false when only flagged images were looked at: nothing can then be said of accepted ones.
    """

    labels: tuple[Label, ...]
    origin: str
    patients_known: bool = True
    covers_accepted: bool = True
    left_out: tuple[tuple[str, int], ...] = ()


def read_labels(source: Path) -> LabelSet:
    """The labels of a folder or of a CSV file.

    Raises
    ------
    SettingsError
        There are no labels, or one that does not exist; the text names the place.
    """
    rows = _of_folder(source) if source.is_dir() else _of_table(source)
    if not rows:
        raise SettingsError(f"{source} holds no labelled images; expected are class/image files or a CSV file.")
    labels, unknown = [], 0
    for path, label, patient, sampled in rows:
        who = patient or _patient_of(path)
        unknown += not who
        labels.append(Label(path, parse_label(label), who or f"file {path}", sampled))
    return LabelSet(tuple(labels), "folder" if source.is_dir() else "table", patients_known=not unknown)


@dataclass(frozen=True, slots=True)
class Audited:
    """One accepted image of the node that was chosen at random and reviewed."""

    digest: str
    findings: frozenset[str] | None
    sampled: float


def read_audit(table: Path) -> list[Audited]:
    """Rows of a CSV file with the columns ``digest``, ``label`` and ``sampled``; SettingsError names what is wrong."""
    lines = _lines(table, {"digest", "label", "sampled"})
    return [
        Audited(line["digest"], parse_label(line["label"] or ""), _sampled(line["sampled"], number))
        for number, line in enumerate(lines, start=2)
    ]


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
    if not names or not names <= CLASS_NAMES:
        known = ", ".join(sorted(CLASS_NAMES))
        raise SettingsError(f"{text!r} is no label. Write good, bad, or findings separated by semicolons: {known}.")
    return names


def fair_sample(labels: Sequence[Label], seed: int) -> list[Label]:
    """Thin to one probability of being sampled, then take one image of each patient.

    Which are taken depends on the seed and on names, never on labels.
    """
    if not labels:
        return []
    least = min(label.sampled for label in labels)
    kept = [label for label in labels if _uniform(seed, "thin", str(label.path)) < least / label.sampled]
    chosen: dict[str, Label] = {}
    for label in sorted(kept, key=lambda one: _uniform(seed, "one of a patient", str(one.path))):
        chosen.setdefault(label.patient, label)
    return list(chosen.values())


def split_patients(labels: Iterable[Label], fit_share: float, seed: int) -> list[bool]:
    """For each label whether its patient belongs to the fitting split; the same patient always does."""
    return [_uniform(seed, "split", label.patient) < fit_share for label in labels]


def _of_folder(folder: Path) -> list[tuple[Path, str, str, float]]:
    files = sorted(path for path in folder.glob("*/*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())
    return [(path, path.parent.name, "", 1.0) for path in files]


def _of_table(table: Path) -> list[tuple[Path, str, str, float]]:
    rows = []
    for number, line in enumerate(_lines(table, {"image", "label"}), start=2):
        path = table.parent / (line["image"] or "")
        if not path.is_file():
            raise SettingsError(f"{table}, line {number}: there is no file {line['image']!r}.")
        rows.append((path, line["label"] or "", line.get("patient") or "", _sampled(line.get("sampled"), number)))
    return rows


def _lines(table: Path, columns: set[str]) -> list[dict[str, str]]:
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            lines = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SettingsError(f"{table} cannot be read as CSV: {error}") from error
    if len(lines) > MAX_LABELS:
        raise SettingsError(f"{table} has more than {MAX_LABELS} lines.")
    if lines and (missing := columns - set(lines[0])):
        raise SettingsError(f"{table} has no column {' and '.join(sorted(missing))}.")
    return lines


def _sampled(text: str | None, line: int) -> float:
    try:
        value = float(text) if text else 1.0
    except ValueError:
        value = 0.0
    if not 0.0 < value <= 1.0:
        raise SettingsError(f"Line {line}: sampled is a probability above 0 and at most 1, not {text!r}.")
    return value


def _patient_of(path: Path) -> str:
    """Hash of the Patient ID, or of the study's UID where there is none; empty for a picture, which cannot say."""
    if is_picture(path):
        return ""
    try:
        header, study = read_header(path)
    except MiqaError:
        return ""  # the image will be left out, with its reason, when it is judged
    return hashlib.sha256((study.patient_id or header.study_instance_uid).encode()).hexdigest()


def _uniform(seed: int, purpose: str, name: str) -> float:
    """A number in [0, 1) that only these three decide."""
    digest = hashlib.sha256(f"{seed}\0{purpose}\0{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2.0**64

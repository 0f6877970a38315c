"""Runs a package on its evaluation images: the project's protocol, or any labelled images."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import Header
from miqa_node.core.observe.progress import counted
from miqa_node.core.settings import load_settings
from miqa_node.core.taxonomy.lookup import defect_names, gate_names
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.dicom.pixels.picture import is_picture, read_picture
from miqa_node.errors import MiqaError, SettingsError
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.assess.labels import SiteLabel, read_labels
from miqa_training.corpus import read_quality_data
from miqa_training.datasets import DatasetRecord, read_records
from miqa_training.degrade import Image
from miqa_training.evaluate import LEVELS, OBJECT, EvaluationCases, collect, may_show_things
from miqa_training.report.subject import EvaluationSubject
from miqa_training.samples import OBJECTS
from miqa_training.scores import JudgedCase, judge, judge_simulated, read_image, simulate_again

LABELLED_LEVEL = 1.0
"""Severity of a labelled defect: labels state none, so it counts as marked."""
KEPT_DECODED = 4

Read = Callable[[Path], tuple[Header, Radiograph]]


@dataclass(frozen=True, slots=True)
class EvaluationMaterial:
    """The judged cases, and how to load their images again.

    ``records`` are the source images of the simulations, in order; ``load`` reads one as display values. ``population``
    maps file names to "adult" or "child"; ``left_out`` counts skipped images by reason.
    """

    judged: EvaluationCases
    records: list[DatasetRecord]
    load: Callable[[DatasetRecord], Image]
    population: Mapping[str, str]
    text: str
    simulated: bool
    left_out: Mapping[str, int]

    def image(self, case: JudgedCase) -> Image:
        """The image exactly as it was judged."""
        if not case.origin:
            return self.load(case.record)
        standard = self.simulated and any(r.objects for r in self.records)
        spotless = [r for r in self.records if not may_show_things(r)]
        pool = spotless if standard and case.made in OBJECTS else self.records
        return simulate_again(case, pool, self.load)


def is_protocol(source: Path) -> bool:
    """Whether a folder has the layout of the project's protocol."""
    return (source / "cxr_eval" / "manifest.csv").is_file()


def protocol(subject: EvaluationSubject, source: Path, *, seed: int, draws: int) -> EvaluationMaterial:
    """The project's evaluation set, the source of the figures on every card; see docs/how-to/evaluate.md."""
    folder = source / "cxr_eval"
    records = read_records(folder, source / "annotations" / "eval.jsonl")
    training = read_quality_data(source) if (source / "cxr_train" / "manifest.csv").is_file() else None
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as stream:
        population = {row["file"]: row.get("population", "") for row in csv.DictReader(stream)}
    judged = collect(subject, source, training, seed=seed, draws=draws)
    patients = len({r.patient for r in records})
    text = f"{len(records)} images of {patients} patients from hospitals that no model was trained on"
    return EvaluationMaterial(judged, records, read_image, population, text, simulated=True, left_out={})


def labelled(subject: EvaluationSubject, source: Path, *, simulate: bool, seed: int, draws: int) -> EvaluationMaterial:
    """A folder of folders ``class/image`` or a CSV file; PNG, JPEG and DICOM alike.

    With ``simulate`` the good images get simulated defects, and other labels are ignored. SettingsError if there is
    nothing to compare.
    """
    labels = read_labels(source)
    settings = load_settings()
    left_out: Counter[str] = Counter()
    with WorkerPool(settings) as pool:

        @lru_cache(KEPT_DECODED)
        def read(path: Path) -> tuple[Header, Radiograph]:
            if is_picture(path):
                return read_picture(path, modality="DX", body_part="CHEST", view="PA")
            return read_header(path)[0], pool.decode(path)

        def load(record: DatasetRecord) -> Image:
            return (read(record.path)[1].display / np.float32(65535)).astype(np.float32)

        chosen = [label for label in labels.labels if not (simulate and label.bad)]
        cases = [case for label in counted(chosen, "Judging") for case in _judge(subject, label, read, left_out)]
        clean = [case for case in cases if not case.made]
        if simulate:
            records = [case.record for case in clean]
            # In 8 bits and without a header, as the simulated ones: that difference must not look like a defect.
            clean = [judge(subject, record, load(record)) for record in records]
            made = judge_simulated(subject, records, load, defect_names(), LEVELS, seed=seed, draws=draws)
        else:
            records, made = [], [case for case in cases if case.made in set(defect_names())]
        gates = [case for case in cases if case.made in gate_names()]
    if not clean or not made:
        raise SettingsError(
            f"{source}: figures need images labelled good and, unless defects are simulated, images with findings."
        )
    patients = len({case.record.patient for case in [*clean, *made]})
    text = f"{len({c.record.path for c in [*cases]})} labelled images of {patients} patients"
    judged = EvaluationCases(clean, made, [], gates, [])
    return EvaluationMaterial(judged, records, _loader(), {}, text, simulated=simulate, left_out=dict(left_out))


def _judge(subject: EvaluationSubject, label: SiteLabel, read: Read, left_out: Counter[str]) -> list[JudgedCase]:
    """One case per finding of a labelled image, one for a good image, none for one that the node does not judge."""
    if label.findings is None:
        left_out["bad, but nobody said how"] += 1
        return []
    try:
        header, radiograph = read(label.path)
    except MiqaError as error:
        left_out[str(error)] += 1
        return []
    outside = subject.package.card.applicability.excludes(header, radiograph.spacing_mm)
    if outside and not is_picture(label.path):  # what a picture shows, nobody has said
        left_out[outside] += 1
        return []
    prediction = subject.judge_file(header, radiograph)
    objects = None if OBJECT in label.findings else ()
    record = DatasetRecord(
        label.path, "labelled", "", label.patient, header.view_position, "", objects, findings=label.findings
    )
    case = JudgedCase(record, "", 0.0, prediction.logits, prediction.severity)
    if not label.findings:
        return [case]
    return [replace(case, made=name, level=LABELLED_LEVEL) for name in sorted(label.findings)]


def _loader() -> Callable[[DatasetRecord], Image]:
    """Reads one image at a time, for the gallery."""

    def load(record: DatasetRecord) -> Image:
        if is_picture(record.path):
            display = read_picture(record.path, modality="DX", body_part="CHEST", view="PA")[1].display
        else:
            with WorkerPool(load_settings()) as pool:
                display = pool.decode(record.path).display
        return (display / np.float32(65535)).astype(np.float32)

    return load


__all__ = ["EvaluationMaterial", "FindingName", "is_protocol", "labelled", "protocol"]
